//! wasi-rs: WASI preview1 for Node.js, in the place of `node:wasi`. This crate is the JavaScript side, the addon; below it are
//! `crates/core` (the system calls), `crates/modules` (modules as bytes) and `crates/runner` (programs in wasmtime).
//!
//! | module | what |
//! | --- | --- |
//! | [`node_api`] | raw Node-API, made safe |
//! | [`process`] | the process and its threads, descriptors of the host |
//! | [`errors`], [`permission`] | errors in Node's words; Node's permission model |
//! | [`call`] | how a call gets from WebAssembly to Rust, or is answered before |
//! | [`class`] | the class `WASI` |
//! | [`run`] | the functions behind `run()`, `spawn()` and `compile()` |
//! | [`text`] | WebAssembly's text, and what a module is, for the command line |

#![allow(missing_docs, reason = "the documentation of this crate's public face is index.d.ts")]

pub mod call;
pub mod class;
pub mod errors;
pub mod node_api;
pub mod permission;
pub mod process;
#[cfg(feature = "engine")]
pub mod run;
#[cfg(feature = "text")]
pub mod text;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// Runs once for each environment that loads the addon.
#[napi(module_exports)]
pub fn init(mut exports: Object<'_>, env: Env) -> napi::Result<()> {
    process::prepare_process();
    node_api::within(&env, |js| {
        let permission = permission::Model::take(js, js.adopt(&exports))?;
        js.set_environment(Box::new(class::realm::Environment::new(permission)))
    })?;
    #[cfg(feature = "class")]
    {
        node_api::within(&env, class::realm::Realm::init)?;
        class::class::export(&env, &mut exports)?;
    }
    #[cfg(feature = "engine")]
    run::export(&env, &mut exports)?;
    #[cfg(feature = "text")]
    {
        text::describe::export(&env, &mut exports)?;
        text::wat::export(&env, &mut exports)?;
    }
    Ok(())
}

//! wasi-rs: WASI preview1 for Node.js, in the place of `node:wasi`. This crate is the JavaScript side, the
//! addon; below it are `crates/core` (the system calls), `crates/modules` (modules as bytes) and
//! `crates/runner` (programs in wasmtime).
//!
//! | module | holds |
//! | --- | --- |
//! | [`node_api`] | raw Node-API, made safe |
//! | [`process`] | the process and its threads, descriptors of the host |
//! | [`builtins`] | built-in functions of the engine, as they were when the addon was loaded |
//! | [`errors`], [`permission`] | errors in Node's words; Node's permission model |
//! | [`trees`] | trees of files in memory |
//! | [`call`] | the fast way of calls from WebAssembly to Rust, and answers inside WebAssembly |
//! | [`class`] | the class `WASI` |
//! | [`run`] | the functions behind `run()`, `spawn()` and `compile()` |
//! | [`text`] | WebAssembly's text, and descriptions of modules, for the command line |

pub mod builtins;
#[cfg(any(feature = "class", feature = "engine"))]
pub mod call;
#[cfg(any(feature = "class", feature = "engine"))]
pub mod class;
pub mod errors;
pub mod node_api;
pub mod permission;
pub mod process;
#[cfg(feature = "engine")]
pub mod run;
#[cfg(feature = "text")]
pub mod text;
#[cfg(any(feature = "class", feature = "engine"))]
pub mod trees;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// Runs once for each environment that loads the addon.
#[napi(module_exports)]
pub fn init(exports: Object<'_>, env: Env) -> napi::Result<()> {
    process::prepare_process();
    node_api::within(&env, |js| {
        let exports = js.adopt(&exports);
        permission::capture(js, exports)?;
        #[cfg(feature = "class")]
        {
            class::define::export(js, exports)?;
            class::limits::export(js, exports)?;
            class::file_url::export(js, exports)?;
            class::fixed::export(js, exports)?;
            class::trace::export(js, exports)?;
            errors::functions::export(js, exports)?;
            trees::functions::export(js, exports)?;
        }
        #[cfg(feature = "text")]
        {
            text::describe::export(js, exports)?;
            text::wat::export(js, exports)?;
            #[cfg(unix)]
            text::quit::export(js, exports)?;
        }
        Ok(())
    })?;
    #[cfg(feature = "engine")]
    node_api::within(&env, |js| run::export(js, js.adopt(&exports)))?;
    Ok(())
}

//! Floor 6: the JavaScript class. Options become a guest's context; the list of syscalls becomes `wasiImport`.
//!
//! | module | what |
//! | --- | --- |
//! | [`class`] | the class and its methods |
//! | [`options`] | the constructor's options |
//! | [`stdio`] | standard streams that JavaScript supplies and takes |
//! | [`errors`] | errors in Node's words |
//! | [`realm`] | what one environment has once, and its guests |
//! | [`call`] | what happens when a guest calls |
//! | [`ending`] | the end of a guest that it can't catch |
//! | [`page`], [`shim`], [`gauge`], [`answers`] | how a call gets from WebAssembly to Rust, or is answered before, written with [`wasm`] |
//! | [`bind`] | how these get a memory |
//! | [`permission`] | Node's permission model |
//! | [`engine`] | the functions behind `run()`, `spawn()` and `compile()` |
//! | [`outcome`] | what came of a run, as JavaScript gets it |
//! | [`tickets`] | descriptors that are handed over to their programs |
//! | [`wat`], [`describe`] | WebAssembly's text, and what a module is, for the command line |
//! | [`quit`] | the end of the process, for the command line |
//! | [`ffi`] | raw Node-API, made safe |

#![allow(missing_docs, reason = "the documentation of this floor's public face is index.d.ts")]

pub mod answers;
pub mod bind;
pub mod call;
pub mod class;
#[cfg(feature = "text")]
pub mod describe;
pub mod ending;
#[cfg(feature = "engine")]
pub mod engine;
pub mod errors;
pub mod ffi;
pub mod gauge;
pub mod options;
#[cfg(feature = "engine")]
pub mod outcome;
pub mod page;
pub mod permission;
#[cfg(all(unix, feature = "text"))]
pub mod quit;
pub mod realm;
pub mod shim;
pub mod stdio;
#[cfg(feature = "engine")]
pub mod tickets;
pub mod wasm;
#[cfg(feature = "text")]
pub mod wat;

use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// Runs once for each environment that loads the addon.
#[napi(module_exports)]
pub fn init(mut exports: Object<'_>, env: Env) -> napi::Result<()> {
    ffi::prepare_process();
    ffi::within(&env, |js| {
        let permission = permission::Model::take(js, js.adopt(&exports))?;
        js.set_environment(Box::new(realm::Environment::new(permission)))
    })?;
    #[cfg(feature = "class")]
    {
        ffi::within(&env, realm::Realm::init)?;
        class::export(&env, &mut exports)?;
    }
    #[cfg(feature = "engine")]
    engine::export(&env, &mut exports)?;
    #[cfg(feature = "text")]
    {
        describe::export(&env, &mut exports)?;
        #[cfg(unix)]
        quit::export(&env, &mut exports)?;
        wat::export(&env, &mut exports)?;
    }
    Ok(())
}

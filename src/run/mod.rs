//! The functions behind `run()`, `spawn()` and `compile()`. They are for `lib/` only, which checks what users pass.

pub mod guest;
pub mod outcome;
pub mod programs;
pub mod reader;
pub mod requests;
pub mod runs;
pub mod tickets;

use crate::node_api::{self, Method};
use napi::Env;
use napi::bindgen_prelude::{JsObjectValue, Object};

/// Defines the functions, as properties of one object.
pub fn export(env: &Env, exports: &mut Object<'_>) -> napi::Result<()> {
    let object = Object::new(env)?;
    node_api::within(env, |js| {
        let object = js.adopt(&object);
        js.set_named(object, requests::Listen::NAME, js.function::<requests::Listen>(0)?)?;
        programs::export(js, object)?;
        runs::export(js, object)?;
        tickets::export(js, object)?;
        guest::export(js, object)
    })?;
    exports.set_named_property("engine", object)
}

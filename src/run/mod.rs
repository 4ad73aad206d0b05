//! The functions behind `run()`, `spawn()` and `compile()`. They are for `lib/` only, which checks what users
//! pass.

pub mod cells;
pub mod description;
pub mod guest;
pub mod here;
pub mod host;
pub mod instances;
pub mod outcome;
pub mod programs;
pub mod prompt;
pub mod reader;
pub mod requests;
pub mod runs;
pub mod sockets;
pub mod tickets;
pub mod v8_program;

use crate::class::limits;
use crate::node_api::{Js, JsResult, Method, Value};
use crate::trees::tar;
use wasi_rs_runner::mode;

const _: () = assert!(limits::STACK as usize == mode::STACK, "the engine has stacks of this size by default");
const _: () = assert!(limits::MAX_STACK as usize == mode::MAX_STACK, "the engine has stacks of this size");

/// Defines the functions, as properties of one object.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    let object = js.object()?;
    js.set_named(object, requests::Listen::NAME, js.function::<requests::Listen>(0)?)?;
    programs::export(js, object)?;
    runs::export(js, object)?;
    tickets::export(js, object)?;
    guest::export(js, object)?;
    host::export(js, object)?;
    here::export(js, object)?;
    instances::export(js, object)?;
    description::export(js, object)?;
    v8_program::export(js, object)?;
    sockets::export(js, object)?;
    tar::export(js, object)?;
    js.set_named(exports, "engine", object)
}

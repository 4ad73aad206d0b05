//! Types of numbers of WebAssembly, as letters (`lib/cells.js`).

use crate::node_api::{Js, JsResult, Value};
use wasi_rs_runner::numbers::Number;

/// The types of parameters or results, a letter each.
pub fn letters<'s>(js: Js<'s>, types: &[Number]) -> JsResult<Value<'s>> {
    js.string(&types.iter().map(|ty| ty.letter()).collect::<String>())
}

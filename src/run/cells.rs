//! Numbers of WebAssembly in cells (`lib/cells.js`).

use crate::node_api::{Js, JsResult, Value};
use wasi_rs_runner::numbers::Number;

/// The types of parameters or results, a letter each.
pub fn letters<'s>(js: Js<'s>, types: &[Number]) -> JsResult<Value<'s>> {
    js.string(&types.iter().map(|ty| ty.letter()).collect::<String>())
}

/// Cells as an ArrayBuffer.
pub fn cells_to_js<'s>(js: Js<'s>, cells: &[u64]) -> JsResult<Value<'s>> {
    js.array_buffer(&cells.iter().flat_map(|cell| cell.to_le_bytes()).collect::<Vec<_>>())
}

/// The cells in an ArrayBuffer.
pub fn read_cells(js: Js<'_>, buffer: Value<'_>) -> JsResult<Vec<u64>> {
    let bytes = js.view_or_buffer(buffer)?.unwrap_or_default();
    let cells = bytes.chunks_exact(size_of::<u64>());
    Ok(cells.map(|cell| cell.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))).collect())
}

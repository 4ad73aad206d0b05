//! The translation of WebAssembly's text into a module.

use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Value};

/// Defines the function.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, WatToWasm::NAME, js.function::<WatToWasm>(0)?)
}

/// `watToWasm(text)`: the bytes of a module.
struct WatToWasm;

impl Method for WatToWasm {
    const NAME: &'static str = "watToWasm";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        match wat::parse_str(js.string_of(call.args[0])?) {
            Ok(bytes) => js.buffer(&bytes),
            Err(error) => {
                let message = js.string(&in_a_line(&error.to_string()))?;
                Err(js.throw(js.error(ErrorKind::Error, Some("ERR_WASI_PROGRAM"), message)?))
            }
        }
    }
}

/// The first line of a message, with the line and column that the others show.
fn in_a_line(message: &str) -> String {
    let mut lines = message.lines();
    let fault = lines.next().unwrap_or_default();
    let place = lines.find_map(|line| line.trim().strip_prefix("--> <anon>:"));
    match place.and_then(|place| place.split_once(':')) {
        Some((line, column)) => format!("line {line}, column {column}: {fault}"),
        None => fault.to_owned(),
    }
}

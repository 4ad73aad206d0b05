//! WebAssembly's text, made into a module: for the command line.

use crate::node_api;

use crate::node_api::{Call, ErrorKind, JsResult, Method, Value};
use napi::Env;
use napi::bindgen_prelude::Object;

/// Defines the function.
pub fn export(env: &Env, exports: &mut Object<'_>) -> napi::Result<()> {
    node_api::within(env, |js| js.set_named(js.adopt(exports), WatToWasm::NAME, js.function::<WatToWasm>(0)?))
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

/// What is wrong and where, of a message that goes on to show the place.
fn in_a_line(message: &str) -> String {
    let mut lines = message.lines();
    let what = lines.next().unwrap_or_default();
    let place = lines.find_map(|line| line.trim().strip_prefix("--> <anon>:"));
    match place.and_then(|place| place.split_once(':')) {
        Some((line, column)) => format!("line {line}, column {column}: {what}"),
        None => what.to_owned(),
    }
}

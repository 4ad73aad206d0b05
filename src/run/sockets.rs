//! The rules of a guest's network, as the options of JavaScript have them.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use wasi_rs_core::abi::socket::Protocol;
use wasi_rs_core::network::rules::{Rule, Way};

/// Defines the function, as a property of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, CheckSocket::NAME, js.function::<CheckSocket>(0)?)
}

/// `checkSocket(isListening, address)`: the reason, as what follows the name of the option, why this is no
/// rule; undefined if it is one.
struct CheckSocket;

impl Method for CheckSocket {
    const NAME: &'static str = "checkSocket";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let way = if js.truthy(call.args[0])? { Way::Listen } else { Way::Connect };
        match Rule::parse(way, Protocol::Tcp, &js.string_of(call.args[1])?) {
            Ok(_) => js.undefined(),
            Err(why) => js.string(&why),
        }
    }
}

//! The end of the process, for the command line, which owns it.

use crate::node_api::{self, Call, JsResult, Method, Value};
use crate::process;
use napi::Env;
use napi::bindgen_prelude::Object;

/// Defines the function.
pub fn export(env: &Env, exports: &mut Object<'_>) -> napi::Result<()> {
    node_api::within(env, |js| js.set_named(js.adopt(exports), Quit::NAME, js.function::<Quit>(0)?))
}

/// `quit(exitCode)`: ends the process, whatever its threads are at.
struct Quit;

impl Method for Quit {
    const NAME: &'static str = "quit";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        #[expect(clippy::cast_possible_truncation, reason = "the exit code is an integer of few bits")]
        let code = call.js.number_of(call.args[0])? as i32;
        process::quit(code)
    }
}

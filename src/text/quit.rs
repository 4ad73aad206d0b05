//! The end of the process, for the command line.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::process;

/// Defines the function.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, Quit::NAME, js.function::<Quit>(0)?)
}

/// `quit(exitCode)`: ends the process at once, also while threads of it are in a call.
struct Quit;

impl Method for Quit {
    const NAME: &'static str = "quit";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        #[expect(clippy::cast_possible_truncation, reason = "the exit code is an integer of few bits")]
        let code = call.js.number_of(call.args[0])? as i32;
        process::quit(code)
    }
}

//! The end of a guest that it can't catch.
//!
//! A guest's `catch_all` catches every exception of JavaScript: the one that ends it after `proc_exit`, and
//! those of the embedder's functions. It catches no trap. So while `start()` or `initialize()` runs, an
//! exception of a call is kept here, and a trap is thrown in its place, now and from every later call of that
//! guest; at the end the kept exception is the outcome. Outside of both, where JavaScript calls the guest
//! itself, exceptions are thrown as they are.

use crate::call::modules::{compile, instantiate};
use crate::class::kept::{self, Kept, kept};
use crate::node_api::{Js, JsResult, Reference, Thrown, Type, Value};
use std::cell::RefCell;
use wasm_encoder::{CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection};

/// The trap's message, for a function of the embedder's that stands between the guest and its calls and
/// catches it.
const MESSAGE: &str = "the guest has ended; start() tells how";

/// The name of the error that an engine throws for a trap.
const TRAP_NAME: &str = "RuntimeError";

/// The exit of a guest whose `start()` or `initialize()` is still to return.
#[derive(Debug, Default)]
pub struct PendingExit(RefCell<Running>);

/// The running one of the two; neither, at first.
#[derive(Debug, Default)]
pub struct Running {
    is_running: bool,
    /// An array with the exception that it ends with: a reference to the exception itself can't be had, if it
    /// is a primitive.
    exception: Option<Reference>,
}

impl PendingExit {
    /// True if the guest has ended, and may not go on.
    pub fn is_pending(&self) -> bool {
        self.0.borrow().exception.is_some()
    }

    /// True while `start()` or `initialize()` runs.
    pub fn is_running(&self) -> bool {
        self.0.borrow().is_running
    }

    /// Begins one of the two; the outer one, if the guest has called it.
    pub fn begin(&self) -> Running {
        self.0.replace(Running { is_running: true, exception: None })
    }

    /// Ends it, and goes back to the outer one; the array with the exception, if the guest has ended.
    pub fn end(&self, outer: Running) -> Option<Reference> {
        self.0.replace(outer).exception
    }

    /// Keeps the pending exception, unless there is one already.
    pub fn keep(&self, js: Js<'_>, thrown: Thrown) -> JsResult<()> {
        // There is none where the thread is being ended, and that is not caught either.
        let exception = js.take_exception(thrown)?;
        let exception = js.keep(js.array([Ok(exception)].into_iter())?)?;
        self.0.borrow_mut().exception.get_or_insert(exception);
        Ok(())
    }
}

/// The outcome of `start()` or `initialize()`: the exception that the guest ended with, if it did not return.
/// `thrown` is the exception that its function threw, `pending` that of [`PendingExit::end`].
pub fn outcome<'s>(
    js: Js<'s>,
    thrown: Option<Value<'s>>,
    pending: Option<Reference>,
    trap: Value<'s>,
) -> JsResult<Option<Value<'s>>> {
    let Some(pending) = pending else {
        return Ok(thrown);
    };
    if let Some(exception) = thrown
        && !is_of_the_guest(js, exception, trap)?
    {
        // The embedder's function between the guest and its calls has made another of it.
        return Ok(Some(exception));
    }
    js.dereference(&pending)?.map(|pending| js.get_index(pending, 0)).transpose()
}

/// True for a trap, and for the exception of `proc_exit`.
fn is_of_the_guest<'s>(js: Js<'s>, exception: Value<'s>, trap: Value<'s>) -> JsResult<bool> {
    if js.strict_equals(exception, trap)? || js.strict_equals(exception, kept(js, Kept::ExitCode)?)? {
        return Ok(true);
    }
    // The guest's own may be of another realm.
    if js.type_of(exception)? != Type::Object {
        return Ok(false);
    }
    let name = js.get_named(exception, "name")?;
    Ok(js.type_of(name)? == Type::String && js.string_of(name)? == TRAP_NAME)
}

/// Throws the trap.
pub fn throw_trap(js: Js<'_>) -> JsResult<Thrown> {
    Ok(js.throw(trap(js)?))
}

/// A trap of WebAssembly, which stays one when a function of JavaScript throws it again. One for all guests.
pub fn trap(js: Js<'_>) -> JsResult<Value<'_>> {
    kept::trap(js, || {
        let exports = instantiate(js, compile(js, &trap_module())?, js.object()?)?;
        let trap = match js.call(js.undefined()?, js.get_named(exports, "trap")?, &[]) {
            Err(thrown) => js.take_exception(thrown)?,
            Ok(undefined) => undefined,
        };
        let message = js.string(MESSAGE)?;
        js.set_named(trap, "message", message)?;
        js.set_named(trap, "stack", message)?; // the stack of its making says nothing
        Ok(trap)
    })
}

/// A module with a function that traps.
fn trap_module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("trap", ExportKind::Func, 0);
    let mut body = Function::new([]);
    body.instructions().unreachable().end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_that_traps_is_valid() {
        wasmparser::Validator::new().validate_all(&trap_module()).unwrap();
    }
}

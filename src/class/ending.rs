//! The end of a guest that it can't catch.
//!
//! A guest's `catch_all` catches every exception of JavaScript: the one that ends it after `proc_exit`, and those of the
//! embedder's functions. It catches no trap. So while `start()` or `initialize()` runs, an exception of a call is noted
//! here, and a trap is thrown in its place, now and from every later call of that guest; at the end the noted exception
//! is what came of it. Outside of both, where JavaScript calls the guest itself, exceptions are thrown as they are.

use crate::call::bind::instantiate;
use crate::call::wasm::{Bytes, body, export, function_type, module};
use crate::class::realm::{Guest, Kept, Realm};
use crate::node_api::{Js, JsResult, Reference, Thrown, Type, Value};
use std::cell::RefCell;

/// What the trap says to a function of the embedder's that stands between the guest and its calls and catches it.
const MESSAGE: &str = "the guest has ended; start() tells how";

/// The name of what an engine throws for a trap.
const TRAP_NAME: &str = "RuntimeError";

/// How the running `start()` or `initialize()` of a guest is to end.
#[derive(Debug, Default)]
pub struct Ending(RefCell<Frame>);

/// One of the two while it runs; neither, at first.
#[derive(Debug, Default)]
pub struct Frame {
    is_running: bool,
    /// An array with the exception that it ends with: a reference to the exception itself can't be had, if it is a
    /// primitive.
    noted: Option<Reference>,
}

impl Ending {
    /// Whether the guest has ended, and may not go on.
    pub fn is_noted(&self) -> bool {
        self.0.borrow().noted.is_some()
    }

    fn is_running(&self) -> bool {
        self.0.borrow().is_running
    }

    fn note(&self, noted: Reference) {
        self.0.borrow_mut().noted.get_or_insert(noted);
    }

    fn replace(&self, frame: Frame) -> Frame {
        self.0.replace(frame)
    }
}

/// Calls a function of the guest's. The exception that the guest ended with, if it did not return.
pub fn run<'s>(js: Js<'s>, realm: &Realm, guest: &Guest, function: Value<'s>) -> JsResult<Option<Value<'s>>> {
    // Made before the guest has used up the stack.
    let trap = trap(js, realm)?;
    let outer = guest.ending.replace(Frame { is_running: true, noted: None });
    guest.attend();
    let result = js.call(js.undefined()?, function, &[]);
    let noted = guest.ending.replace(outer).noted;
    guest.attend();
    let exception = match result {
        Ok(_) => None,
        Err(thrown) => Some(js.take_exception(thrown)?),
    };
    let Some(noted) = noted else {
        return Ok(exception);
    };
    if let Some(exception) = exception
        && !is_of_the_guest(js, realm, exception, trap)?
    {
        // The embedder's function between the guest and its calls has made another of it.
        return Ok(Some(exception));
    }
    js.dereference(&noted)?.map(|noted| js.get_index(noted, 0)).transpose()
}

/// Whether an exception is a trap, or what `proc_exit` throws.
fn is_of_the_guest<'s>(js: Js<'s>, realm: &Realm, exception: Value<'s>, trap: Value<'s>) -> JsResult<bool> {
    if js.strict_equals(exception, trap)? || js.strict_equals(exception, realm.get(js, Kept::ExitCode)?)? {
        return Ok(true);
    }
    // The guest's own may be of another realm.
    if js.type_of(exception)? != Type::Object {
        return Ok(false);
    }
    let name = js.get_named(exception, "name")?;
    Ok(js.type_of(name)? == Type::String && js.string_of(name)? == TRAP_NAME)
}

/// What to throw in place of the exception that a call of this guest has left pending.
pub fn end(js: Js<'_>, realm: &Realm, guest: u32, thrown: Thrown) -> Thrown {
    match realm.guest(guest as usize) {
        Some(guest) if guest.ending.is_running() => note(js, realm, &guest, thrown).unwrap_or_else(|thrown| thrown),
        _ => thrown,
    }
}

fn note(js: Js<'_>, realm: &Realm, guest: &Guest, thrown: Thrown) -> JsResult<Thrown> {
    // There is none where the thread is being ended, and that is not caught either.
    let exception = js.take_exception(thrown)?;
    guest.ending.note(js.keep(js.array([Ok(exception)].into_iter())?)?);
    guest.attend();
    throw(js, realm)
}

/// Throws the trap.
pub fn throw(js: Js<'_>, realm: &Realm) -> JsResult<Thrown> {
    Ok(js.throw(trap(js, realm)?))
}

/// A trap of WebAssembly, which stays one whoever throws it again. One for all guests of the realm.
fn trap<'s>(js: Js<'s>, realm: &Realm) -> JsResult<Value<'s>> {
    realm.lazily(js, Kept::Trap, || {
        let module = js.construct(realm.get(js, Kept::Module)?, &[js.array_buffer(&trapping())?])?;
        let exports = instantiate(js, realm, module, js.object()?)?;
        let trap = match js.call(js.undefined()?, js.get_named(exports, "trap")?, &[]) {
            Err(thrown) => js.take_exception(thrown)?,
            Ok(undefined) => undefined,
        };
        let message = js.string(MESSAGE)?;
        js.set_named(trap, "message", message)?;
        js.set_named(trap, "stack", message)?; // where it was made says nothing
        Ok(trap)
    })
}

/// A module with a function that traps.
fn trapping() -> Vec<u8> {
    module()
        .section(1, Bytes::default().vec([function_type(&[], &[])]))
        .section(3, Bytes::default().vec([Bytes::default().leb(0)]))
        .section(7, Bytes::default().vec([export("trap", 0)]))
        .section(10, Bytes::default().vec([body(Bytes::default().raw(&[0x00]))])) // unreachable
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_that_traps_is_valid() {
        assert!(trapping().starts_with(b"\0asm"));
        #[cfg(feature = "engine")]
        wasmparser::Validator::new().validate_all(&trapping()).unwrap();
    }
}

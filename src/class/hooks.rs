//! The class's part of a guest: its object, its streams and its end.

use crate::call;
use crate::call::guest::Hooks;
use crate::class::fixed;
use crate::class::kept::{Kept, kept};
use crate::class::observer::Observer;
use crate::class::pending_exit::{self, PendingExit, throw_trap};
use crate::class::stdio::Stdio;
use crate::node_api::{Js, JsResult, Reference, Thrown, Value};
use std::cell::Cell;
use wasi_rs_core::syscalls::Flow;

/// A guest of the class.
pub type Guest = call::guest::Guest<ClassHooks>;

/// The class's guests, and the parts of their calls, in an environment.
pub type Realm = call::realm::Realm<ClassHooks>;

/// The class's part of a guest.
#[derive(Debug)]
pub struct ClassHooks {
    /// The class's object, which gets the exit code.
    pub wasi: Reference,
    /// True if `proc_exit` ends `start()`, false if it ends the process.
    pub return_on_exit: bool,
    /// Its standard streams that JavaScript supplies, and takes.
    pub stdio: Stdio,
    /// True for each of its clocks that a function of the embedder tells.
    pub told: [bool; 2],
    /// The observer of its calls. With one, each call goes to Rust.
    pub observer: Option<Box<dyn Observer>>,
    /// Its exit, while `start()` or `initialize()` is still to return.
    pub pending_exit: PendingExit,
    /// True if its object has an exit code of `proc_exit`.
    pub has_exited: Cell<bool>,
}

impl Hooks for ClassHooks {
    fn are_needed(&self) -> bool {
        self.has_streams() || self.told != [false; 2] || self.pending_exit.is_pending()
    }

    fn see_each_call(&self) -> bool {
        self.observer.is_some()
    }

    fn begin_call(&self, js: Js<'_>, pages: u32) -> JsResult<()> {
        match &self.observer {
            Some(observer) if !observer.begin_call(pages) => Err(throw_trap(js)?),
            _ => Ok(()),
        }
    }

    fn end_call(guest: &Guest, js: Js<'_>, flow: Flow) -> JsResult<()> {
        match &guest.hooks.observer {
            Some(observer) if !observer.end_call(&guest.ctx.usage, flow) => Err(throw_trap(js)?),
            _ => Ok(()),
        }
    }

    fn check(&self, js: Js<'_>) -> JsResult<()> {
        if self.pending_exit.is_pending() { Err(throw_trap(js)?) } else { Ok(()) }
    }

    fn has_streams(&self) -> bool {
        self.stdio.is_connected()
    }

    fn tell_time(guest: &Guest, js: Js<'_>, call: usize) -> JsResult<bool> {
        fixed::tell(js, &guest.ctx, &guest.owner, guest.hooks.told, call)
    }

    fn supply(guest: &Guest, js: Js<'_>) -> JsResult<bool> {
        guest.hooks.stdio.supply(js, &guest.owner)
    }

    fn deliver(guest: &Guest, js: Js<'_>) -> JsResult<()> {
        guest.hooks.stdio.deliver(js, &guest.owner)
    }

    fn show(guest: &Guest, js: Js<'_>) -> JsResult<bool> {
        guest.hooks.stdio.show(js, &guest.owner)
    }

    /// Ends the guest: the process with it, or only the functions on the stack of `start()`.
    fn exit(guest: &Guest, js: Js<'_>, code: u32) -> JsResult<Thrown> {
        // As WebAssembly hands an i32 to JavaScript: codes from 2^31 on are negative, as node:wasi gives
        // them.
        let code = js.number(f64::from(code.cast_signed()))?;
        if !guest.hooks.return_on_exit {
            // Looked up now: test runners replace it. In a worker it ends the worker.
            let process = js.get_named(js.global()?, "process")?;
            js.call(process, js.get_named(process, "exit")?, &[code])?;
        }
        let sentinel = kept(js, Kept::ExitCode)?;
        if let Some(wasi) = js.dereference(&guest.hooks.wasi)? {
            js.set(wasi, sentinel, code)?;
            guest.hooks.has_exited.set(true);
        }
        Ok(js.throw(sentinel))
    }

    fn failed(guest: &Guest, js: Js<'_>, thrown: Thrown) -> Thrown {
        let pending = &guest.hooks.pending_exit;
        if !pending.is_running() {
            return thrown;
        }
        let kept = pending.keep(js, thrown);
        guest.update_hooks();
        kept.and_then(|()| throw_trap(js)).unwrap_or_else(|thrown| thrown)
    }
}

/// Calls a function of the guest's. The exception that the guest ended with, if it did not return.
pub fn run<'s>(js: Js<'s>, guest: &Guest, function: Value<'s>) -> JsResult<Option<Value<'s>>> {
    // Made before the guest has used up the stack.
    let trap = pending_exit::trap(js)?;
    let outer = guest.hooks.pending_exit.begin();
    guest.update_hooks();
    let result = js.call(js.undefined()?, function, &[]);
    let pending = guest.hooks.pending_exit.end(outer);
    guest.update_hooks();
    let exception = match result {
        Ok(_) => None,
        Err(thrown) => Some(js.take_exception(thrown)?),
    };
    pending_exit::outcome(js, exception, pending, trap)
}

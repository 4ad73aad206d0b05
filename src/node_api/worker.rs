//! Workers that are terminated while a call waits.

use super::references::Reference;
use super::scope::{Js, JsResult, Thrown};
use napi::sys;
use std::mem::ManuallyDrop;
use std::thread::{self, ThreadId};
use wasi_rs_core::host::wait::Interrupt;

/// A thread that may be terminated while a call waits: a worker.
#[derive(Debug)]
pub struct Worker {
    thread: ThreadId,
    env: sys::napi_env,
    /// An empty object. Once Node has forbidden JavaScript, not even its properties can be read.
    nothing: ManuallyDrop<Reference>,
}

// SAFETY: environment and reference are only used, and dropped, on the thread that made them: both places
// ask.
unsafe impl Send for Worker {}
// SAFETY: as above.
unsafe impl Sync for Worker {}

impl Worker {
    /// The time between two checks of a waiting call, in nanoseconds.
    const SLICE: u64 = 20_000_000;

    /// The thread that calls.
    pub fn new(js: Js<'_>) -> JsResult<Self> {
        let nothing = ManuallyDrop::new(js.keep(js.object()?)?);
        Ok(Self { thread: thread::current().id(), env: js.env, nothing })
    }

    fn is_here(&self) -> bool {
        thread::current().id() == self.thread
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.is_here() {
            // SAFETY: it is not used any more.
            unsafe { ManuallyDrop::drop(&mut self.nothing) };
        }
    }
}

impl Interrupt for Worker {
    fn poll_interval(&self) -> Option<u64> {
        Some(Self::SLICE)
    }

    fn is_interrupted(&self) -> bool {
        if !self.is_here() {
            return false;
        }
        // SAFETY: the guest's call, which waits, is a callback of this environment.
        let js = unsafe { Js::new(self.env) };
        // Reading from an object runs no JavaScript. A function would meet V8's order to stop, and Node-API
        // would catch it: the guest would then go on for ever.
        let read = || {
            let nothing = js.dereference(&self.nothing)?.ok_or(Thrown)?;
            js.get_index(nothing, 0)
        };
        if read().is_ok() {
            return false;
        }
        // Node forbids JavaScript first and tells V8 to stop right after. The guest must not come back in
        // between: it would go on for a moment, with an error that nobody should see.
        thread::sleep(std::time::Duration::from_nanos(Self::SLICE));
        true
    }
}

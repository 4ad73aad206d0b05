//! Workers that are told to end while a call waits.

use super::{Js, JsResult, Reference, Thrown};
use napi::sys;
use wasi_rs_core::host::wait::Interrupt;

/// A thread that may be told to end while a call waits: a worker.
#[derive(Debug)]
pub struct Worker {
    env: sys::napi_env,
    /// An empty object: once Node has forbidden JavaScript, not even that can be read from.
    nothing: Reference,
}

// SAFETY: both are only used by `is_interrupted`, and that only by calls of the guest, which are on the environment's
// thread; they are dropped there too, with the guest.
unsafe impl Send for Worker {}
// SAFETY: as above.
unsafe impl Sync for Worker {}

impl Worker {
    /// How often a waiting call looks whether the worker shall end, in nanoseconds.
    const SLICE: u64 = 20_000_000;

    /// The thread that calls.
    pub fn new(js: Js<'_>) -> JsResult<Self> {
        Ok(Self { env: js.env, nothing: js.keep(js.object()?)? })
    }
}

impl Interrupt for Worker {
    fn poll_interval(&self) -> Option<u64> {
        Some(Self::SLICE)
    }

    fn is_interrupted(&self) -> bool {
        // SAFETY: the guest's call, which waits, is a callback of this environment.
        let js = unsafe { Js::new(self.env) };
        // Reading from an object runs no JavaScript. A function would meet V8's order to stop, and Node-API would catch
        // it: the guest would then go on for ever.
        let look = || {
            let nothing = js.dereference(&self.nothing)?.ok_or(Thrown)?;
            js.get_index(nothing, 0)
        };
        if look().is_ok() {
            return false;
        }
        // Node forbids JavaScript first and tells V8 to stop right after. The guest must not come back in between: it
        // would go on for a moment, with an error that nobody should see.
        std::thread::sleep(std::time::Duration::from_nanos(Self::SLICE));
        true
    }
}

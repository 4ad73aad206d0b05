//! The process and its threads: forks, signals, workers that are told to end, descriptors of the host.

use super::{Js, JsResult, Reference, Thrown};
use crate::host::file::File;
use crate::host::wait::Patience;
use napi::sys;

#[cfg(unix)]
mod unix;
#[cfg(all(unix, feature = "text"))]
pub use unix::quit;
#[cfg(all(unix, feature = "engine"))]
pub use unix::within_share;
#[cfg(unix)]
pub use unix::{copy_of_descriptor, host_descriptor, is_main_thread, prepare_process};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{copy_of_descriptor, host_descriptor, is_main_thread, prepare_process};

/// Where guests are traced: this process's stderr, unless it is closed.
pub fn trace_file() -> Option<File> {
    host_descriptor(2).ok()
}

/// A thread that may be told to end while a call waits: a worker.
#[derive(Debug)]
pub struct Worker {
    env: sys::napi_env,
    /// An empty object: once Node has forbidden JavaScript, not even that can be read from.
    nothing: Reference,
}

// SAFETY: both are only used by `go_on`, and that only by calls of the guest, which are on the environment's thread;
// they are dropped there too, with the guest.
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

impl Patience for Worker {
    fn slice(&self) -> Option<u64> {
        Some(Self::SLICE)
    }

    fn go_on(&self) -> bool {
        // SAFETY: the guest's call, which waits, is a callback of this environment.
        let js = unsafe { Js::new(self.env) };
        // Reading from an object runs no JavaScript. A function would meet V8's order to stop, and Node-API would catch
        // it: the guest would then go on for ever.
        let look = || {
            let nothing = js.dereference(&self.nothing)?.ok_or(Thrown)?;
            js.get_index(nothing, 0)
        };
        if look().is_ok() {
            return true;
        }
        // Node forbids JavaScript first and tells V8 to stop right after. The guest must not come back in between: it
        // would go on for a moment, with an error that nobody should see.
        std::thread::sleep(std::time::Duration::from_nanos(Self::SLICE));
        false
    }
}

//! The process and its threads: forks, signals, workers that are told to end, descriptors of the host.

use super::{Js, JsResult, Reference, Thrown};
use crate::host::file::File;
use crate::host::wait::Patience;
use napi::sys;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// Has every guest's random bytes seeded anew in the child of a fork.
pub fn reseed_after_fork() {
    extern "C" fn in_child() {
        crate::host::random::forked();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the handler is one atomic store, which is allowed after a fork, and the addon is never unloaded. If there
    // is no memory to note the handler, nobody forks either.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

/// Has a write beyond the process's limit of file sizes fail with EFBIG: by default the signal that goes with it ends the
/// process, and a guest's write must not do that.
pub fn ignore_file_size_signal() {
    // SAFETY: the disposition is only replaced where it is the default one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGXFSZ, ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }
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

/// What a descriptor number of the host stands for, without taking it over; an error unless it is open.
///
/// As with node:wasi the guest uses the host's descriptor itself: when the host closes a pipe, whoever reads from it sees
/// its end. So the host must keep it open for as long as the guest may use it.
pub fn host_descriptor(number: i32) -> std::io::Result<File> {
    // SAFETY: the call only looks the number up; EBADF if nothing has it.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, and since this "owner" is never dropped it is not closed here. If the host closes it after all,
    // the guest's calls get EBADF, or what the host has opened under that number since.
    Ok(File::borrowed(ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) })))
}

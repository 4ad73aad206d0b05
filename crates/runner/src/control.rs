//! The control of a run: how it is ended early, wherever it is, and the counters that others read.
//!
//! A run notices by itself that it is to end when it makes a call, or in wasmtime when it comes around a
//! loop. A call that waits polls a wakeup pipe along. Inside a long instruction (`memory.fill` over
//! gigabytes) nothing reaches a run in wasmtime; but it can't do anything there that anybody would see, so
//! the reaper marks it dead, and its thread follows when the instruction is over. In V8, the worker of the
//! run is terminated as well.
//!
//! A run is not reached either in a call that the kernel makes in one go, however long that takes: on a busy
//! disk, or a file system over a network or in another process that does not answer. The reaper gives such a
//! run up: it is over for everybody but its thread, which makes no other call, closes the run's descriptors,
//! and goes on to other work when the kernel returns.

use super::lease::Memories;
use super::slot::Slot;
use super::termination::Termination;
use std::io::{PipeWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use wasi_rs_core::host::file::{File, OwnedHandle};
use wasi_rs_core::host::wait::Interrupt;

/// State that a run shares with those who may end it.
#[derive(Debug)]
pub struct Control {
    /// The flag that ends it, and its wakeup pipe.
    pub termination: Termination<PipeWriter>,
    /// Its slot of the scheduler.
    pub slot: Slot,
    /// Its memories, while they are mapped from a file.
    pub memories: Arc<Memories>,
    calls: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    memory: AtomicU64,
}

/// Makes the pipe readable. Nobody reads the byte, so the pipe stays so.
fn wake(wakeup: &mut PipeWriter) {
    let _ = wakeup.write(&[1]);
}

impl Control {
    /// The control of a run that gets this slot.
    pub fn new(slot: Slot) -> Self {
        let zero = || AtomicU64::new(0);
        let termination = Termination::default();
        let memories = Arc::default();
        Self { termination, slot, memories, calls: zero(), read: zero(), written: zero(), memory: zero() }
    }

    /// Asks the run to end. True if this call was the first.
    pub fn end(&self) -> bool {
        self.termination.end(wake)
    }

    /// True if the run is to end.
    pub fn is_ended(&self) -> bool {
        self.termination.is_ended()
    }

    /// Counts a call. Only the run's own thread makes any.
    pub fn count_call(&self) {
        self.calls.store(self.calls.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Records how many bytes the calls that are over have read and written.
    pub fn record_moved(&self, read: u64, written: u64) {
        self.read.store(read, Relaxed);
        self.written.store(written, Relaxed);
    }

    /// Bytes that were read and written.
    pub fn moved(&self) -> (u64, u64) {
        (self.read.load(Relaxed), self.written.load(Relaxed))
    }

    /// The number of calls.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Records how many bytes of memory there are now.
    pub fn record_memory(&self, bytes: u64) {
        self.memory.fetch_max(bytes, Relaxed);
    }

    /// The most bytes of memory there were.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }
}

/// The interrupt of a run's calls: it comes when the run is ended. While a call waits, the run has no slot.
#[derive(Debug)]
pub struct RunInterrupt {
    control: Arc<Control>,
    /// The end of a pipe that is readable once the run is to end. Made when a call first waits: most guests
    /// never do.
    wakeup: OnceLock<Option<File>>,
}

impl RunInterrupt {
    /// The interrupt of the run that is controlled so.
    pub const fn new(control: Arc<Control>) -> Self {
        Self { control, wakeup: OnceLock::new() }
    }

    fn make_wakeup(&self) -> Option<File> {
        let (reader, writer) = std::io::pipe().ok()?;
        self.control.termination.install(writer, wake);
        Some(OwnedHandle::from(reader).into())
    }
}

impl Drop for RunInterrupt {
    /// Removes the pipe: the control may be there for long, with a thread that never comes back.
    fn drop(&mut self) {
        self.control.termination.uninstall();
    }
}

impl Interrupt for RunInterrupt {
    /// Nearly never: there is the wakeup pipe. (Without one, because there are no descriptors left, now and
    /// then.)
    fn poll_interval(&self) -> Option<u64> {
        Some(if self.wakeup().is_some() { u64::from(u32::MAX) * 1_000_000 } else { 20_000_000 })
    }

    fn is_interrupted(&self) -> bool {
        self.control.memories.look();
        self.control.is_ended()
    }

    fn wakeup(&self) -> Option<&File> {
        self.wakeup.get_or_init(|| self.make_wakeup()).as_ref()
    }

    fn release_slot(&self) {
        self.control.memories.rest();
        self.control.slot.release();
    }

    fn acquire_slot(&self) {
        self.control.slot.acquire();
        self.control.memories.resume();
    }
}

//! The control of a run: the means to end it early, and the counters that other threads read.
//!
//! A run checks for its end at each call, and in wasmtime in each round of a loop. A call that waits polls a
//! wakeup pipe as well. Inside a long instruction (`memory.fill` over gigabytes) nothing reaches a run in
//! wasmtime. But there it has no effect outside of its memory, so the reaper marks it dead, and its thread
//! ends when the instruction is over. In V8, the worker of the run is terminated as well.
//!
//! Nothing reaches a run either in a call that the kernel makes in one go, which may take long: on a busy
//! disk, or on a file system over a network or in another process that does not answer. The reaper gives such
//! a run up: its outcome is delivered without its thread. When the kernel returns, the thread makes no other
//! call, closes the run's descriptors, and goes on to other work.

use super::lease::Memories;
use super::slot::Slot;
use super::termination::Termination;
use std::io::{PipeWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use wasi_rs_core::host::file::{File, OwnedHandle};
use wasi_rs_core::host::wait::Interrupt;

/// The state that a run shares with the threads that may end it.
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

    /// Records the bytes that were read and written by the calls that are over.
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

    /// Records the present size of the memories.
    pub fn record_memory(&self, bytes: u64) {
        self.memory.fetch_max(bytes, Relaxed);
    }

    /// The largest size of the memories, in bytes.
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
    /// The interrupt of the run with this control.
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
    /// Removes the pipe: a thread that never returns may keep the control for long.
    fn drop(&mut self) {
        self.control.termination.uninstall();
    }
}

impl Interrupt for RunInterrupt {
    /// Nearly never: the wakeup pipe ends the wait. (Every 20 ms if there was no descriptor left for a pipe.)
    fn poll_interval(&self) -> Option<u64> {
        Some(if self.wakeup().is_some() { u64::from(u32::MAX) * 1_000_000 } else { 20_000_000 })
    }

    fn is_interrupted(&self) -> bool {
        self.control.memories.check();
        self.control.is_ended()
    }

    fn wakeup(&self) -> Option<&File> {
        self.wakeup.get_or_init(|| self.make_wakeup()).as_ref()
    }

    fn release_slot(&self) {
        self.control.memories.release();
        self.control.slot.release();
    }

    fn acquire_slot(&self) {
        self.control.slot.acquire();
        self.control.memories.acquire();
    }
}

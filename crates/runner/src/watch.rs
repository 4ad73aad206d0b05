//! How a run is ended early, wherever it is: in a loop, in one long instruction, or in a call that waits.
//!
//! A run notices by itself when it makes a call or comes around a loop: then it stops. In a call that waits, an alarm that
//! is polled along wakes it. In an instruction that takes long (`memory.fill` over gigabytes)
//! nothing reaches it; but there it can't do anything either that anybody would see, so the reaper declares it dead, and its
//! thread follows when the instruction is over.
//!
//! Nor is it reached in a call that the kernel makes in one go, however long that takes: on a disk that is busy, on a file
//! system over a network or in another process that does not answer. What such a call does can't be recalled; the reaper
//! gives the run up, which is over for everybody but its thread: that makes no other call, closes what the run had open, and
//! goes back to the pool, when the kernel lets it.

use super::ending::Ending;
use super::place::Place;
use std::io::{PipeWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use wasi_rs_core::host::file::{File, OwnedHandle};
use wasi_rs_core::host::wait::Interrupt;

/// What a run shares with those who may end it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Whether it shall end; and what rings the alarm.
    pub ending: Ending<PipeWriter>,
    /// Its place in the pool.
    pub place: Place,
    calls: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    memory: AtomicU64,
}

/// Once, or twice: whoever hears it does not read it.
fn ring(bell: &mut PipeWriter) {
    let _ = bell.write(&[1]);
}

impl Watch {
    /// Asks the run to end. Whether it was this call that did.
    pub fn end(&self) -> bool {
        self.ending.end(ring)
    }

    /// Whether the run shall end.
    pub fn is_ended(&self) -> bool {
        self.ending.is_ended()
    }

    /// Counts a call. Only the run's own thread makes any.
    pub fn count_call(&self) {
        self.calls.store(self.calls.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Notes how many bytes the calls have read and written that are over.
    pub fn note_moved(&self, read: u64, written: u64) {
        self.read.store(read, Relaxed);
        self.written.store(written, Relaxed);
    }

    /// How many bytes were read and written.
    pub fn moved(&self) -> (u64, u64) {
        (self.read.load(Relaxed), self.written.load(Relaxed))
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Notes how many bytes of memory there are now.
    pub fn note_memory(&self, bytes: u64) {
        self.memory.fetch_max(bytes, Relaxed);
    }

    /// The most bytes of memory there were.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }
}

/// The patience of a run's calls: it runs out when the run is ended. While a call waits, its thread does not count
/// among those that the pool runs at a time.
#[derive(Debug)]
pub struct UntilEnded {
    watch: Arc<Watch>,
    /// The end of a pipe that is readable once the run shall end. Made when a call first waits: most guests never do.
    alarm: OnceLock<Option<File>>,
}

impl UntilEnded {
    /// The patience of the run that is watched so.
    pub const fn new(watch: Arc<Watch>) -> Self {
        Self { watch, alarm: OnceLock::new() }
    }

    fn make_alarm(&self) -> Option<File> {
        let (reader, writer) = std::io::pipe().ok()?;
        self.watch.ending.arm(writer, ring);
        Some(OwnedHandle::from(reader).into())
    }
}

impl Drop for UntilEnded {
    /// Nobody is left to hear it; the watch may be there for long, with a thread that never comes back.
    fn drop(&mut self) {
        self.watch.ending.disarm();
    }
}

impl Interrupt for UntilEnded {
    /// Nearly never: there is the alarm. (Without one, because there are no descriptors left, now and then.)
    fn poll_interval(&self) -> Option<u64> {
        Some(if self.wakeup().is_some() { u64::from(u32::MAX) * 1_000_000 } else { 20_000_000 })
    }

    fn is_interrupted(&self) -> bool {
        self.watch.is_ended()
    }

    fn wakeup(&self) -> Option<&File> {
        self.alarm.get_or_init(|| self.make_alarm()).as_ref()
    }

    fn release_slot(&self) {
        self.watch.place.rest();
    }

    fn acquire_slot(&self) {
        self.watch.place.resume();
    }
}

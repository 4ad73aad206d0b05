//! The end of a run, against what its own thread does at that moment: a state machine apart from everything else, so that
//! `crates/runner/loom` can try it in all orders that the memory model allows.
//!
//! Three things happen on other threads while somebody ends a run, and none of them may miss it:
//!
//! - **A call begins.** It takes the lock of [`Turn`], then looks at the flag; who ends the run sets the flag, then tries to
//!   take the lock. Whoever is second at the lock sees what the other did before: either the call finds the flag set and is
//!   not made, or the lock is taken as long as the call is. So the flag itself needs no order on any processor, and a call
//!   costs no locked instruction beside those of the lock, which it takes anyway.
//! - **A call is being made, and is not over for longer than a run has** (`reaper.rs`): the kernel is at it. Then the run is
//!   given up, and what it owns stays with its thread. That finds the flag set when the call is over, as it was long before;
//!   but nothing relies on it: whoever closes what the run owns does so with the lock.
//! - **The run begins.** It publishes what there is to end, then looks at the flag; who ends it sets the flag, then looks for
//!   what was published. No lock is common to both, so a fence stands between the two steps on both sides: without it both
//!   may see the old (store buffering), on ARM64 and in principle everywhere, and nobody ends the run.
//! - **An alarm is made.** It is put behind a lock, then the flag is looked at; who ends the run sets the flag, then looks
//!   behind the lock. As with calls.

use super::sync::{
    AtomicBool, Mutex, MutexGuard, Ordering::Relaxed, Ordering::SeqCst, PoisonError, TryLockError, fence,
};

/// Whether a run shall end, and an alarm `B` for one that waits.
#[derive(Debug)]
pub struct Ending<B> {
    is_ended: AtomicBool,
    bell: Mutex<Option<B>>,
}

impl<B> Default for Ending<B> {
    fn default() -> Self {
        Self { is_ended: AtomicBool::new(false), bell: Mutex::new(None) }
    }
}

impl<B> Ending<B> {
    /// Sets the flag and rings the alarm, if there is one. Whether it was this call that did.
    pub fn end(&self, ring: impl FnOnce(&mut B)) -> bool {
        let first = !self.is_ended.swap(true, Relaxed);
        fence(SeqCst); // with `is_ended_by_now`
        if first {
            self.ring(ring);
        }
        first
    }

    /// Whether the run shall end, as far as this thread has heard. It hears soon, and at once where it has a turn.
    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Relaxed)
    }

    /// Whether the run shall end. If not, whoever ends it will see what this thread has published before.
    pub fn is_ended_by_now(&self) -> bool {
        fence(SeqCst); // with `end`
        self.is_ended()
    }

    /// Puts an alarm up, and rings it if the run has been ended already: nobody else would.
    pub fn arm(&self, bell: B, ring: impl FnOnce(&mut B)) {
        *self.bell() = Some(bell);
        if self.is_ended() {
            self.ring(ring);
        }
    }

    /// Takes the alarm down.
    pub fn disarm(&self) {
        drop(self.bell().take());
    }

    fn ring(&self, ring: impl FnOnce(&mut B)) {
        if let Some(bell) = &mut *self.bell() {
            ring(bell);
        }
    }

    fn bell(&self) -> MutexGuard<'_, Option<B>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a guest owns, in the hands of one at a time: of a call, or of whoever declares the run dead.
#[derive(Debug)]
pub struct Turn<T>(Mutex<T>);

impl<T> Turn<T> {
    /// A guest that owns this.
    pub fn new(owned: T) -> Self {
        Self(Mutex::new(owned))
    }

    /// The turn of a call; nothing if the run shall end instead.
    pub fn enter<B>(&self, ending: &Ending<B>) -> Option<MutexGuard<'_, T>> {
        let turn = self.own();
        if ending.is_ended() { None } else { Some(turn) }
    }

    /// The turn of whoever has ended the run; nothing while a call is being made. Once there was one, no call begins any more.
    pub fn seize(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The turn of the run's own thread, and of others once the run is over.
    pub fn own(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

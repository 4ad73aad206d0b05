//! The termination of a run by another thread. It is a state machine apart from everything else, so that
//! `crates/runner/loom` can try it in all orders that the memory model allows.
//!
//! Four things may happen on the thread of a run while another thread ends it. None of them may miss the end:
//!
//! - **A call begins.** It takes the [`CallLock`], then reads the flag. The thread that ends the run sets the
//!   flag, then tries to take the lock. The second of them at the lock sees the writes of the first: either
//!   the call finds the flag set and is not made, or the lock is held until the call is over. So the flag
//!   itself needs no memory order, and a call costs no locked instruction except those of the lock.
//! - **A call takes longer than the reaper waits** (`reaper.rs`): the kernel is busy with it. Then the run is
//!   given up, and its descriptors stay with its thread. The thread finds the flag set when the call is over.
//!   Nothing relies on this, since descriptors are closed under the lock only.
//! - **The run begins.** Its thread publishes how to interrupt it, then reads the flag. The thread that ends
//!   the run sets the flag, then reads what was published. They share no lock, so a fence stands between the
//!   two steps on both sides: without it both may read the old value (store buffering), on ARM64 and in
//!   principle everywhere, and nobody ends the run.
//! - **A wakeup pipe is made.** It is put behind a lock, then the flag is read; the thread that ends the run
//!   sets the flag, then looks behind the lock. The argument is the same as for calls.

use super::sync::{
    AtomicBool, Mutex, MutexGuard, Ordering::Relaxed, Ordering::SeqCst, PoisonError, TryLockError, fence,
};

/// The termination of a run: a flag, and a wakeup pipe `W` for a call that waits.
#[derive(Debug)]
pub struct Termination<W> {
    is_ended: AtomicBool,
    wakeup: Mutex<Option<W>>,
}

impl<W> Default for Termination<W> {
    fn default() -> Self {
        Self { is_ended: AtomicBool::new(false), wakeup: Mutex::new(None) }
    }
}

impl<W> Termination<W> {
    /// Sets the flag, and wakes a call that waits. True if this call was the first.
    pub fn end(&self, wake: impl FnOnce(&mut W)) -> bool {
        let first = !self.is_ended.swap(true, Relaxed);
        fence(SeqCst); // with `is_ended_by_now`
        if first {
            self.wake(wake);
        }
        first
    }

    /// True if the run is to end. A thread may see the flag a little late, but not while it holds the call
    /// lock.
    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Relaxed)
    }

    /// True if the run is to end. If not, the thread that ends it will see all that this thread has published
    /// before.
    pub fn is_ended_by_now(&self) -> bool {
        fence(SeqCst); // with `end`
        self.is_ended()
    }

    /// Installs a wakeup pipe, and wakes it at once if the run has been ended already.
    pub fn install(&self, wakeup: W, wake: impl FnOnce(&mut W)) {
        *self.wakeup() = Some(wakeup);
        if self.is_ended() {
            self.wake(wake);
        }
    }

    /// Removes the wakeup pipe.
    pub fn uninstall(&self) {
        drop(self.wakeup().take());
    }

    fn wake(&self, wake: impl FnOnce(&mut W)) {
        if let Some(wakeup) = &mut *self.wakeup() {
            wake(wakeup);
        }
    }

    fn wakeup(&self) -> MutexGuard<'_, Option<W>> {
        self.wakeup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lock of a guest's state: held by a call, or by the thread that marks the run dead.
#[derive(Debug)]
pub struct CallLock<T>(Mutex<T>);

impl<T> CallLock<T> {
    /// A lock of this state.
    pub fn new(state: T) -> Self {
        Self(Mutex::new(state))
    }

    /// The lock for a call; none if the run is to end instead.
    pub fn enter<W>(&self, termination: &Termination<W>) -> Option<MutexGuard<'_, T>> {
        let guard = self.lock();
        if termination.is_ended() { None } else { Some(guard) }
    }

    /// The lock for the thread that has ended the run; none while a call is being made. No call begins after
    /// it was held.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The lock for the run's own thread, and for others once the run is over.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

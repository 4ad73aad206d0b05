//! The interruption of a call that waits or takes long.

use super::handle::File;
use crate::abi::errno::{Errno, Result};
use std::fmt::Debug;

/// The interruption of a call that waits.
pub trait Interrupt: Debug + Send + Sync {
    /// The nanoseconds after which a call that waits asks again; none if nothing interrupts it.
    fn poll_interval(&self) -> Option<u64>;
    /// True if the call is to end.
    fn is_interrupted(&self) -> bool;
    /// A file that becomes readable at the moment of the interruption, if there is one.
    fn wakeup(&self) -> Option<&File> {
        None
    }
    /// Gives the thread's slot to others that run: the thread is about to sleep.
    fn release_slot(&self) {}
    /// Takes a slot again: the thread no longer sleeps.
    fn acquire_slot(&self) {}
}

/// No interruption: a call waits as long as it takes.
#[derive(Debug)]
pub struct Endless;

impl Interrupt for Endless {
    fn poll_interval(&self) -> Option<u64> {
        None
    }

    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Work that a call does before it asks for an interruption: bytes that are moved or made in a few
/// milliseconds.
pub const STRETCH: u64 = 1 << 20;

/// Asks for an interruption after each stretch of work, in a call that takes long.
#[derive(Debug)]
pub struct Checkpoint<'p> {
    interrupt: &'p dyn Interrupt,
    done: u64,
}

impl<'p> Checkpoint<'p> {
    /// A checkpoint at the beginning of the call.
    pub const fn new(interrupt: &'p dyn Interrupt) -> Self {
        Self { interrupt, done: 0 }
    }

    /// Counts work, which is measured in bytes; ECANCELED when interrupted.
    #[inline]
    pub fn pass(&mut self, work: u64) -> Result {
        self.done = self.done.saturating_add(work);
        if self.done < STRETCH {
            return Ok(());
        }
        self.done = 0;
        if self.interrupt.is_interrupted() { Err(Errno::Canceled) } else { Ok(()) }
    }
}

#[cfg(test)]
pub mod testing {
    //! An interruption for tests.

    use super::Interrupt;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Interrupts when it has been asked so many times; with none, it allows no waiting.
    #[derive(Debug)]
    pub struct Looks(AtomicU32);

    impl Looks {
        /// An interruption after so many looks.
        pub fn new(looks: u32) -> Self {
            Self(looks.into())
        }

        /// The looks that are left.
        pub fn left(&self) -> u32 {
            self.0.load(Relaxed)
        }
    }

    impl Interrupt for Looks {
        fn poll_interval(&self) -> Option<u64> {
            Some(1_000)
        }

        fn is_interrupted(&self) -> bool {
            self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
        }
    }
}

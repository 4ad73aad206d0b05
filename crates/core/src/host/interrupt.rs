//! The interruption of a call that waits or takes long.

use super::handle::File;
use crate::abi::errno::{Errno, Result};
use std::fmt::Debug;

/// Whoever may want a waiting call to give up.
pub trait Patience: Debug + Send + Sync {
    /// How long to wait, in nanoseconds, before asking again; `None` if there is nothing to ask.
    fn slice(&self) -> Option<u64>;
    /// Whether to go on waiting.
    fn go_on(&self) -> bool;
    /// What becomes readable at the moment when patience runs out, if there is such a thing.
    fn alarm(&self) -> Option<&File> {
        None
    }
    /// The thread is about to sleep.
    fn rest(&self) {}
    /// The thread no longer sleeps.
    fn resume(&self) {}
}

/// Waits as long as it takes.
#[derive(Debug)]
pub struct Endless;

impl Patience for Endless {
    fn slice(&self) -> Option<u64> {
        None
    }

    fn go_on(&self) -> bool {
        true
    }
}

/// How much a call may do before it looks whether to go on: bytes that are moved or made, in a few milliseconds.
pub const STRETCH: u64 = 1 << 20;

/// Looks, in a call that takes long, after each stretch of work whether to go on.
#[derive(Debug)]
pub struct Checkpoint<'p> {
    patience: &'p dyn Patience,
    done: u64,
}

impl<'p> Checkpoint<'p> {
    /// At the beginning of the call.
    pub const fn new(patience: &'p dyn Patience) -> Self {
        Self { patience, done: 0 }
    }

    /// Counts work, which is measured in bytes; ECANCELED when patience has run out.
    #[inline]
    pub fn pass(&mut self, work: u64) -> Result {
        self.done = self.done.saturating_add(work);
        if self.done < STRETCH {
            return Ok(());
        }
        self.done = 0;
        if self.patience.go_on() { Ok(()) } else { Err(Errno::Canceled) }
    }
}

#[cfg(test)]
pub mod testing {
    //! A patience for tests.

    use super::Patience;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Runs out after so many looks; with none, it allows no waiting.
    #[derive(Debug)]
    pub struct Looks(AtomicU32);

    impl Looks {
        /// So many.
        pub fn new(looks: u32) -> Self {
            Self(looks.into())
        }

        /// How many are left.
        pub fn left(&self) -> u32 {
            self.0.load(Relaxed)
        }
    }

    impl Patience for Looks {
        fn slice(&self) -> Option<u64> {
            Some(1_000)
        }

        fn go_on(&self) -> bool {
            self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        }
    }
}

//! The bytes that the files of one tree may take.

use crate::abi::errno::{Errno, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes, and how many of them are taken.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// So many bytes, none taken.
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// The bytes that may be taken.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes taken.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes bytes; ENOSPC if there are less.
    pub fn take(&self, bytes: u64) -> Result {
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| Errno::Nospc)
    }

    /// Gives bytes back.
    pub fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10);
        assert_eq!((budget.take(6), budget.take(5), budget.take(4)), (Ok(()), Err(Errno::Nospc), Ok(())));
        assert_eq!(budget.take(u64::MAX), Err(Errno::Nospc));
        budget.give_back(6);
        assert_eq!((budget.used(), budget.limit(), budget.take(6)), (4, 10, Ok(())));
    }
}

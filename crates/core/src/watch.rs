//! The watch on a guest's calls: they are shown, counted by system call, or both.

use crate::host::file::File;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most system calls that there are names of: each is a bit of a [`Selection`].
pub const MOST: usize = u64::BITS as usize;

/// A watch.
#[derive(Debug, Default)]
pub struct Watch {
    /// Where calls are shown, if they are.
    pub trace: Option<Trace>,
    /// Where they are counted, if they are.
    pub tally: Option<Arc<Tally>>,
    /// True if a function that is shown them wants the guest to end.
    pub(crate) is_to_end: Cell<bool>,
}

impl Watch {
    /// A watch on this; none if nothing is watched.
    pub fn of(trace: Option<Trace>, tally: Option<Arc<Tally>>) -> Option<Self> {
        let is_something = trace.is_some() || tally.is_some();
        is_something.then(|| Self { trace, tally, is_to_end: Cell::default() })
    }
}

/// The calls that are shown, and where.
#[derive(Debug)]
pub struct Trace {
    /// Where they are shown.
    pub to: Sink,
    /// The form of each.
    pub form: Form,
    /// Those that are.
    pub selection: Selection,
}

/// Where calls are shown.
pub enum Sink {
    /// In a file, before the call returns; a slow reader is waited for.
    File(File),
    /// By a function, which gets all bytes of a call; false if the guest is to end.
    Function(Box<dyn Fn(Vec<u8>) -> bool + Send>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}

/// The form of a call that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
}

/// A choice of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// A bit for each system call, by its number.
    pub calls: u64,
    /// True if only those that fail are shown.
    pub errors: bool,
}

impl Default for Selection {
    /// All.
    fn default() -> Self {
        Self { calls: u64::MAX, errors: false }
    }
}

impl Selection {
    /// True if the system call with this number may be shown.
    pub const fn has(self, number: usize) -> bool {
        number < MOST && self.calls & (1 << number) != 0
    }
}

/// The calls of a guest, counted by system call. Other threads may read while it makes calls.
#[derive(Debug)]
pub struct Tally([Count; MOST]);

#[derive(Debug, Default)]
struct Count {
    calls: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
}

/// The calls of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Their number.
    pub calls: u64,
    /// The number of those that have failed.
    pub errors: u64,
    /// The time that they have taken together.
    pub nanoseconds: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

impl Tally {
    /// Counts a call. Only the guest's own thread counts.
    pub fn count(&self, number: usize, has_failed: bool, nanoseconds: u64) {
        let Some(count) = self.0.get(number) else { return };
        for (amount, more) in
            [(&count.calls, 1), (&count.errors, u64::from(has_failed)), (&count.nanoseconds, nanoseconds)]
        {
            amount.store(amount.load(Relaxed).wrapping_add(more), Relaxed);
        }
    }

    /// The calls with this number.
    pub fn counted(&self, number: usize) -> Option<Counted> {
        let Count { calls, errors, nanoseconds } = self.0.get(number)?;
        let read = |amount: &AtomicU64| amount.load(Relaxed);
        Some(Counted { calls: read(calls), errors: read(errors), nanoseconds: read(nanoseconds) })
            .filter(|counted| counted.calls > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_numbers() {
        let tally = Tally::default();
        tally.count(3, false, 5);
        tally.count(3, true, 7);
        tally.count(MOST, true, 1);
        assert_eq!(tally.counted(3), Some(Counted { calls: 2, errors: 1, nanoseconds: 12 }));
        assert!((0..=MOST).filter(|number| *number != 3).all(|number| tally.counted(number).is_none()));
    }

    #[test]
    fn a_selection_has_the_calls_of_its_bits() {
        assert!(Selection::default().has(0) && Selection::default().has(63) && !Selection::default().has(64));
        let one = Selection { calls: 2, errors: true };
        assert!(one.has(1) && !one.has(0));
    }
}

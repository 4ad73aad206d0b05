//! The call page's layout: the place of each number, and the records that are cached there.

use wasi_rs_core::abi::param::MAX_PARAMS;
use wasi_rs_core::abi::records::{Fdstat, Prestat, Record};

/// The place of the guest's number, 32 bits.
pub const GUEST: usize = 0;
/// The place of the syscall's number, see [`call_number`], 32 bits.
pub const SYSCALL: usize = 4;
/// The place of the size of the guest's memory, in pages, 32 bits.
pub const PAGES: usize = 8;
/// The place of the answer, 32 bits.
pub const ERRNO: usize = 12;
/// The place of the parameters, 64 bits each, an `i32` zero-extended.
pub const ARGS: usize = 16;

/// The place of the cached records that the shim answers with. Each is a key, then words.
pub const RECORDS: usize = ARGS + 8 * MAX_PARAMS;

/// The most words that a record has.
const RECORD_WORDS: usize = 3;

/// The part of the page that is used, in bytes.
pub const SIZE: usize = RECORDS + CACHED.len() * 8 * (1 + RECORD_WORDS);

/// The number of pages while there is no memory.
pub const UNBOUND: u32 = u32::MAX;

/// A syscall whose last answer the page caches: a record of a descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Cached {
    /// Its name.
    pub name: &'static str,
    /// The record's size in words of 64 bits.
    pub words: usize,
}

/// The syscalls whose last answer is cached, until something changes the descriptor.
pub const CACHED: [Cached; 2] = [
    Cached { name: "fd_prestat_get", words: Prestat::SIZE / 8 },
    Cached { name: "fd_fdstat_get", words: Fdstat::SIZE / 8 },
];

impl Cached {
    /// The place of the key of the record of this number: its descriptor, `guest << 32 | fd`.
    pub const fn key(record: usize) -> usize {
        RECORDS + record * 8 * (1 + RECORD_WORDS)
    }

    /// The place of a word of the record of this number.
    pub const fn word(record: usize, word: usize) -> usize {
        Self::key(record) + 8 * (1 + word)
    }
}

/// A task that is left once a syscall has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Caches the answer as the record of this number.
    Cache(usize),
    /// Drops the cached records of the descriptors in the first two parameters.
    Uncache,
    /// Counts the call.
    Count,
}

/// The bits of [`SYSCALL`] that hold its index in the list, those of the task after it, and the one that is
/// set for more than [`FEW`] parameters.
const INDEX: u32 = 0xff;
const AFTER: u32 = INDEX + 1;
const MANY: u32 = 1 << 16;

/// Most syscalls have no more parameters, and reading more would take time.
const FEW: usize = 4;

/// The number that the shim puts at [`SYSCALL`].
pub fn call_number(index: u32, after: Option<After>, params: usize) -> u32 {
    let after = match after {
        None => 0,
        Some(After::Uncache) => 1,
        Some(After::Count) => 2,
        Some(After::Cache(record)) => 3 + u32::try_from(record).unwrap_or(0),
    };
    index | (after * AFTER) | if params > FEW { MANY } else { 0 }
}

/// The syscall's index in the list.
pub const fn index_of(number: u32) -> usize {
    (number & INDEX) as usize
}

/// True for more than [`FEW`] parameters.
pub const fn has_many_params(number: u32) -> bool {
    number & MANY != 0
}

/// The task that is left once it has been answered.
pub const fn after(number: u32) -> Option<After> {
    match (number & !MANY) / AFTER {
        0 => None,
        1 => Some(After::Uncache),
        2 => Some(After::Count),
        record => Some(After::Cache(record as usize - 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_number_holds_index_task_and_size() {
        for after_it in [None, Some(After::Uncache), Some(After::Count), Some(After::Cache(0)), Some(After::Cache(1))] {
            for (params, is_many) in [(0, false), (4, false), (5, true), (9, true)] {
                let number = call_number(45, after_it, params);
                assert_eq!((index_of(number), after(number), has_many_params(number)), (45, after_it, is_many));
            }
        }
    }
}

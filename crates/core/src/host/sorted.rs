//! Listings in the order of the names' bytes: see [`readdir`](super::readdir).
//!
//! A directory may be of any length, so it is never held as a whole: it is read from its beginning for each
//! stretch of entries, and the least names behind the last ones are kept. A place in it is a number of
//! entries.

use super::handle::File;
use super::interrupt::{Checkpoint, STRETCH as MOVED};
#[cfg(not(target_os = "linux"))]
use super::os::readdir::for_each_entry;
#[cfg(target_os = "linux")]
use super::os::readdir::read;
use super::rows::Rows;
use crate::abi::errno::Result;
use crate::abi::flags::Filetype;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Entries of a stretch.
const STRETCH: usize = if cfg!(test) { 64 } else { 4096 };

/// The cost of what one call of the operating system lists, in bytes that could be moved meanwhile.
pub const BATCH: u64 = MOVED / 4;

/// The listing of one directory.
#[derive(Debug, Default)]
pub struct Sorted {
    /// The last name that was read.
    last: Option<Box<[u8]>>,
    /// True if there was none behind it.
    has_ended: bool,
}

/// An entry, in the order of names.
struct Entry {
    name: Box<[u8]>,
    ino: u64,
    filetype: Filetype,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Sorted {
    /// Reads the entries behind the first `before` ones. With `goes_on`, they are those behind the last ones
    /// that were read, however many there are before these now.
    pub fn read(
        &mut self,
        dir: &File,
        (before, goes_on): (u64, bool),
        scratch: &mut Vec<u8>,
        checkpoint: &mut Checkpoint<'_>,
        rows: &mut Rows,
    ) -> Result {
        let mut skipped = 0;
        if !goes_on {
            *self = Self::default();
            skipped = before;
        }
        while !self.has_ended && rows.len() == 0 {
            let mut least = BinaryHeap::new();
            for_each(dir, scratch, checkpoint, |name, ino, filetype| self.keep(&mut least, name, ino, filetype))?;
            self.has_ended = least.len() < STRETCH;
            if let Some(last) = least.peek() {
                self.last = Some(last.name.clone());
            }
            let skip = usize::try_from(skipped).unwrap_or(usize::MAX).min(least.len());
            skipped -= skip as u64;
            for (Entry { name, ino, filetype }, next) in
                least.into_sorted_vec().into_iter().skip(skip).zip(before + 1..)
            {
                rows.push(next, ino, filetype, &name)?;
            }
        }
        Ok(())
    }

    /// Keeps an entry, if its name is behind the last one and among the least.
    fn keep(&self, least: &mut BinaryHeap<Entry>, name: &[u8], ino: u64, filetype: Filetype) {
        if self.last.as_deref().is_some_and(|last| name <= last) {
            return;
        }
        if least.len() >= STRETCH {
            if least.peek().is_some_and(|greatest| name >= &*greatest.name) {
                return;
            }
            least.pop();
        }
        least.push(Entry { name: name.into(), ino, filetype });
    }
}

/// Reads all entries of a directory.
#[cfg(target_os = "linux")]
fn for_each(
    dir: &File,
    scratch: &mut Vec<u8>,
    checkpoint: &mut Checkpoint<'_>,
    mut each: impl FnMut(&[u8], u64, Filetype),
) -> Result {
    let (mut rows, mut start) = (Rows::default(), Some(0));
    loop {
        checkpoint.pass(BATCH)?;
        rows.clear();
        read(dir, start.take(), scratch, &mut rows)?;
        if rows.len() == 0 {
            return Ok(());
        }
        for index in 0..rows.len() {
            if let Some((row, name)) = rows.get(index) {
                each(name, row.ino, row.filetype);
            }
        }
    }
}

/// Reads all entries of a directory.
#[cfg(not(target_os = "linux"))]
fn for_each(
    dir: &File,
    _scratch: &mut Vec<u8>,
    checkpoint: &mut Checkpoint<'_>,
    each: impl FnMut(&[u8], u64, Filetype),
) -> Result {
    checkpoint.pass(BATCH)?;
    for_each_entry(dir, each)
}

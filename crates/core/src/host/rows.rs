//! Entries of a directory as the operating system gave them.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use std::ops::Range;

/// Entries in the operating system's order.
#[derive(Debug, Default)]
pub struct Rows {
    entries: Vec<Row>,
    /// Their names, one behind the other.
    names: Vec<u8>,
}

/// One entry.
#[derive(Debug)]
pub struct Row {
    /// The operating system's cookie of the entry behind it.
    pub next: u64,
    pub ino: u64,
    pub filetype: Filetype,
    name: Range<u32>,
}

impl Rows {
    pub fn clear(&mut self) {
        self.entries.clear();
        self.names.clear();
    }

    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.entries.iter()
    }

    /// An entry and its name.
    pub fn get(&self, index: usize) -> Option<(&Row, &[u8])> {
        let row = self.entries.get(index)?;
        let name = self.names.get(row.name.start as usize..row.name.end as usize).unwrap_or_default();
        Some((row, name))
    }

    /// Adds an entry, behind which the operating system goes on at `next`. EOVERFLOW if there are 4 GiB of
    /// names.
    pub fn push(&mut self, next: u64, ino: u64, filetype: Filetype, name: &[u8]) -> Result {
        let end = |names: &Vec<u8>| u32::try_from(names.len()).map_err(|_| Errno::Overflow);
        let start = end(&self.names)?;
        self.names.extend_from_slice(name);
        self.entries.push(Row { next, ino, filetype, name: start..end(&self.names)? });
        Ok(())
    }

    /// Removes the first `count` entries.
    #[cfg(not(target_os = "linux"))]
    pub fn skip(&mut self, count: usize) {
        self.entries.drain(..count.min(self.entries.len()));
    }
}

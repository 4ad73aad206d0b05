//! Listings of systems whose directories have no lasting places to go on from: see [`readdir`](super::readdir).

use super::file::File;
use super::os::readdir::for_each_entry;
use super::readdir::{DirEntry, Rows};
use crate::abi::errno::Result;

/// A directory that is read as a whole.
#[derive(Debug, Default)]
pub struct Source {
    is_read: bool,
}

impl Source {
    /// Goes to a cookie; which row that is.
    pub fn seek(&mut self, dir: &File, cookie: u64, rows: &mut Rows) -> Result<usize> {
        if cookie == 0 {
            // From the start means as it is now.
            self.is_read = false;
            rows.clear();
            return Ok(0);
        }
        self.refill(dir, rows)?;
        Ok(usize::try_from(cookie).map_or(rows.len(), |cookie| cookie.min(rows.len())))
    }

    /// Reads the directory unless it has been read; whether the rows are new.
    pub fn refill(&mut self, dir: &File, rows: &mut Rows) -> Result<bool> {
        if self.is_read {
            return Ok(false);
        }
        rows.clear();
        for_each_entry(dir, |name, ino, filetype| {
            let next = rows.len() as u64 + 1;
            rows.push(&DirEntry { next, ino, filetype, name });
        })?;
        self.is_read = true;
        Ok(true)
    }
}

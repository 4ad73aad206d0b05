//! Directory listings.
//!
//! On Linux an entry's cookie is where the kernel goes on after it, so a cookie stays good when entries come and go, and
//! what one kernel call gave is kept until it is used up. Elsewhere no such number outlives the open stream: there the
//! directory is read once, at its start, and an entry's cookie is its place in what was found. Either way a listing is
//! linear, however small the guest's buffer is.

use super::file::File;
use super::os::readdir::Source;
use crate::abi::errno::Result;
use crate::abi::flags::Filetype;
use std::ops::Range;

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Where the next entry is found.
    pub next: u64,
    /// Serial number of the file.
    pub ino: u64,
    /// What it is.
    pub filetype: Filetype,
    /// Its name.
    pub name: &'a [u8],
}

/// How far a directory has been listed.
#[derive(Debug, Default)]
pub struct Listing {
    rows: Rows,
    /// The row that `cookie` stands for.
    at: usize,
    /// The cookie of the next entry.
    cookie: u64,
    source: Source,
}

/// Entries that the operating system gave.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// In order.
    entries: Vec<Row>,
    /// Their names, one behind the other.
    names: Vec<u8>,
}

#[derive(Debug)]
struct Row {
    next: u64,
    ino: u64,
    filetype: Filetype,
    name: Range<usize>,
}

impl Rows {
    pub fn clear(&mut self) {
        self.entries.clear();
        self.names.clear();
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn push(&mut self, entry: &DirEntry<'_>) {
        let start = self.names.len();
        self.names.extend_from_slice(entry.name);
        let DirEntry { next, ino, filetype, .. } = *entry;
        self.entries.push(Row { next, ino, filetype, name: start..self.names.len() });
    }
}

impl Listing {
    /// Goes to where `cookie` says; 0 is the start.
    pub fn seek(&mut self, dir: &File, cookie: u64) -> Result {
        if cookie != self.cookie || cookie == 0 {
            self.at = self.source.seek(dir, cookie, &mut self.rows)?;
            self.cookie = cookie;
        }
        Ok(())
    }

    /// The entry at the present place, or `None` at the end.
    pub fn peek(&mut self, dir: &File) -> Result<Option<DirEntry<'_>>> {
        if self.at == self.rows.len() && self.source.refill(dir, &mut self.rows)? {
            self.at = 0;
        }
        let Rows { entries, names } = &self.rows;
        Ok(entries.get(self.at).map(|row| DirEntry {
            next: row.next,
            ino: row.ino,
            filetype: row.filetype,
            name: names.get(row.name.clone()).unwrap_or_default(),
        }))
    }

    /// Goes on to the next entry.
    pub fn advance(&mut self) {
        if let Some(row) = self.rows.entries.get(self.at) {
            self.cookie = row.next;
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dir::open_preopen_unsandboxed;
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    fn rest(listing: &mut Listing, dir: &File) -> Vec<(String, u64)> {
        let mut rest = Vec::new();
        while let Some(entry) = listing.peek(dir).unwrap() {
            rest.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.next));
            listing.advance();
        }
        rest
    }

    #[test]
    fn a_cookie_leads_back_to_what_followed_it() {
        let root = tempfile::tempdir().unwrap();
        for index in 0..2000 {
            fs::write(root.path().join(format!("entry-{index}")), "").unwrap();
        }
        let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
        let mut listing = Listing::default();
        listing.seek(&dir, 0).unwrap();
        let all = rest(&mut listing, &dir);
        assert_eq!(all.len(), 2002);
        assert_eq!(all.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>().len(), 2002);
        for index in [0, 1, 700, 1999, 2001] {
            listing.seek(&dir, all[index].1).unwrap();
            assert_eq!(rest(&mut listing, &dir), all[index + 1..], "after entry {index}");
        }
    }

    #[test]
    fn entries_that_stay_are_listed_once_while_others_come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for index in 0..1500 {
            fs::write(path(&format!("stays-{index}")), "").unwrap();
            fs::write(path(&format!("goes-{index}")), "").unwrap();
        }
        let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
        let mut listing = Listing::default();
        listing.seek(&dir, 0).unwrap();
        let mut seen = BTreeMap::new();
        let mut step = 0;
        while let Some(entry) = listing.peek(&dir).unwrap() {
            *seen.entry(String::from_utf8(entry.name.to_vec()).unwrap()).or_insert(0) += 1;
            listing.advance();
            if step < 1500 {
                fs::remove_file(path(&format!("goes-{step}"))).unwrap();
                fs::write(path(&format!("comes-{step}")), "").unwrap();
            }
            step += 1;
        }
        let stays: Vec<_> = seen.iter().filter(|(name, _)| name.starts_with("stays-")).collect();
        assert_eq!(stays.len(), 1500);
        assert!(seen.values().all(|count| *count == 1), "an entry came twice");
    }

    #[test]
    fn entries_tell_their_type_and_serial_number() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("dir")).unwrap();
        let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
        let ino = dir.stat_at(c"dir", false).unwrap().ino;
        let mut listing = Listing::default();
        listing.seek(&dir, 0).unwrap();
        let mut found = false;
        while let Some(entry) = listing.peek(&dir).unwrap() {
            if entry.name == b"dir" {
                found = true;
                assert_eq!((entry.ino, entry.filetype), (ino, Filetype::Directory));
            }
            listing.advance();
        }
        assert!(found);
    }
}

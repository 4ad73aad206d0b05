//! Directory listings.
//!
//! The guest's cookie of an entry is the number of entries that a listing has passed with it: a small number,
//! which fits a C `long` of any width, where the operating system's own has up to 63 bits. Each open
//! directory keeps its position, in both countings ([`Place`]). To go elsewhere, a listing has marks: the
//! operating system's cookie of each entry of the first thousand, of every second entry when there are more,
//! then of every fourth; between two marks the entries are counted. So a cookie is exact as long as no entry
//! is removed between its mark and itself.
//!
//! Entries that are read ahead, and marks, are kept for the few directories that a guest listed last
//! ([`Listings`]). Any other has its entries read again from its place, so however many are open, what a
//! guest makes the host keep is bounded.
//!
//! On Linux a place of the operating system's stays good when entries come and go. Elsewhere none outlives
//! the open stream: there a directory is read as a whole, and a place in it is a number of entries. So it is
//! where listings are sorted ([`sorted`](super::sorted)).

use super::handle::File;
use super::interrupt::{Checkpoint, Interrupt};
#[cfg(target_os = "linux")]
use super::os::readdir::read;
use super::rows::Rows;
#[cfg(not(target_os = "linux"))]
use super::snapshot::read;
use super::sorted::{BATCH, Sorted};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;

/// Directories of a guest that have entries read ahead. A program that walks a tree seldom lists more by
/// turns.
const READ_AHEAD: usize = 4;

/// The most marks of a listing.
const MARKS: usize = 1024;

/// The greatest cookie: the greatest C `long` of 32 bits.
const LAST_COOKIE: u64 = i32::MAX as u64;

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// The cookie that leads to the entry behind it.
    pub next: u64,
    /// Serial number of the file.
    pub ino: u64,
    /// Its type.
    pub filetype: Filetype,
    /// Its name.
    pub name: &'a [u8],
}

/// The position of the listing of an open directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The number of the listing, once there is one.
    listing: Option<u32>,
    /// The entries it has passed.
    passed: u32,
    /// The greatest cookie that the guest was told.
    furthest: u32,
    /// The operating system's cookie of the next entry.
    next: u64,
}

/// The operating system's cookies of every `step`th entry.
#[derive(Debug)]
struct Marks {
    step: u32,
    next: Vec<u64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { step: 1, next: Vec::new() }
    }
}

impl Marks {
    /// Adds the operating system's cookie after so many entries, if that is the next one to mark.
    fn record(&mut self, passed: u32, next: u64) {
        if !self.is_next(passed) {
            return;
        }
        if self.next.len() == MARKS {
            self.next = self.next.iter().copied().skip(1).step_by(2).collect();
            self.step = self.step.saturating_mul(2);
        }
        if self.is_next(passed) {
            self.next.push(next);
        }
    }

    fn is_next(&self, passed: u32) -> bool {
        passed.is_multiple_of(self.step) && (passed / self.step) as usize == self.next.len() + 1
    }

    /// The last mark that is not behind `passed`: the entries it has passed, and the operating system's
    /// cookie.
    fn before(&self, passed: u32) -> (u32, u64) {
        let index = ((passed / self.step) as usize).min(self.next.len());
        let next = index.checked_sub(1).and_then(|index| self.next.get(index));
        next.map_or((0, 0), |next| (u32::try_from(index).unwrap_or(0) * self.step, *next))
    }
}

/// A directory with entries read ahead.
#[derive(Debug, Default)]
struct Listing {
    number: u32,
    rows: Rows,
    /// The entries before the rows.
    before: u32,
    /// True if the operating system reads on behind the last row.
    goes_on: bool,
    marks: Marks,
    /// The listing in the order of names, if it is to have that.
    sorted: Option<Sorted>,
}

impl Listing {
    /// The entries that have been passed behind the last row.
    fn behind(&self) -> u32 {
        self.before.saturating_add(u32::try_from(self.rows.len()).unwrap_or(u32::MAX))
    }

    /// Reads the rows behind what `place` has passed, which are not there yet.
    fn refill(&mut self, dir: &File, place: &Place, scratch: &mut Vec<u8>, checkpoint: &mut Checkpoint<'_>) -> Result {
        self.rows.clear();
        self.before = place.passed;
        let goes_on = std::mem::take(&mut self.goes_on);
        match &mut self.sorted {
            Some(sorted) => sorted.read(dir, (place.next, goes_on), scratch, checkpoint, &mut self.rows)?,
            None => {
                checkpoint.pass(BATCH)?;
                read(dir, if goes_on { None } else { Some(place.next) }, scratch, &mut self.rows)?;
            }
        }
        if u64::from(self.behind()) > LAST_COOKIE {
            self.rows.clear();
            return Err(Errno::Overflow);
        }
        for (row, passed) in self.rows.iter().zip(self.before + 1..) {
            self.marks.record(passed, row.next);
        }
        self.goes_on = true;
        Ok(())
    }

    /// Moves `place` to after so many entries, if that is among the rows; returns true if it is.
    fn reach(&self, place: &mut Place, passed: u32) -> bool {
        let Some(index) = passed.checked_sub(self.before + 1) else { return false };
        let Some((row, _)) = self.rows.get(index as usize) else { return false };
        place.passed = passed;
        place.next = row.next;
        true
    }
}

/// Entries and marks of the directories that a guest listed last.
#[derive(Debug, Default)]
pub struct Listings {
    /// The directories listed last, the last one at the end.
    listings: Vec<Listing>,
    /// The number of listings so far.
    count: u32,
    /// Scratch for the operating system.
    scratch: Vec<u8>,
    is_sorted: bool,
}

impl Listings {
    /// Listings in the order of the names' bytes.
    pub fn sorted() -> Self {
        Self { is_sorted: true, ..Self::default() }
    }

    /// The entries from `cookie` on; 0 is the start, as the directory is now. EINVAL for a cookie that no
    /// entry had; ECANCELED, here and from what comes after it, when interrupted.
    pub fn entries<'l>(
        &'l mut self,
        dir: &'l File,
        place: &'l mut Place,
        cookie: u64,
        interrupt: &'l dyn Interrupt,
    ) -> Result<Entries<'l>> {
        let cookie = u32::try_from(cookie).ok().filter(|cookie| u64::from(*cookie) <= LAST_COOKIE);
        let cookie = cookie.ok_or(Errno::Inval)?;
        let known = place.listing.and_then(|number| self.listings.iter().position(|one| one.number == number));
        let listing = match known {
            Some(index) => self.listings.remove(index),
            None => {
                if self.listings.len() >= READ_AHEAD {
                    self.listings.remove(0);
                }
                self.count = self.count.wrapping_add(1);
                place.listing = Some(self.count);
                let sorted = self.is_sorted.then(Sorted::default);
                Listing { number: self.count, before: place.passed, sorted, ..Listing::default() }
            }
        };
        self.listings.push(listing);
        let listing = self.listings.last_mut().ok_or(Errno::Io)?;
        let checkpoint = Checkpoint::new(interrupt);
        let mut entries = Entries { listing, scratch: &mut self.scratch, dir, place, checkpoint };
        entries.seek(cookie)?;
        Ok(entries)
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        *self = Self { count: self.count, is_sorted: self.is_sorted, ..Self::default() };
    }
}

/// The entries of a directory from some place on.
#[derive(Debug)]
pub struct Entries<'l> {
    listing: &'l mut Listing,
    scratch: &'l mut Vec<u8>,
    dir: &'l File,
    place: &'l mut Place,
    checkpoint: Checkpoint<'l>,
}

impl Entries<'_> {
    fn seek(&mut self, cookie: u32) -> Result {
        if cookie == 0 {
            self.listing.marks = Marks::default();
            self.go_to((0, 0));
            return Ok(());
        }
        if cookie == self.place.passed || self.listing.reach(self.place, cookie) {
            return Ok(());
        }
        let here = (self.place.passed, self.place.next);
        let mark = self.listing.marks.before(cookie);
        self.go_to(if here.0 <= cookie && here.0 > mark.0 { here } else { mark });
        while self.place.passed < cookie {
            self.refill()?;
            if self.listing.reach(self.place, cookie) {
                return Ok(());
            }
            let behind = self.listing.behind();
            if !self.listing.reach(self.place, behind) {
                // The end: there have been that many entries, or never.
                return if cookie <= self.place.furthest { Ok(()) } else { Err(Errno::Inval) };
            }
        }
        Ok(())
    }

    fn go_to(&mut self, (passed, next): (u32, u64)) {
        self.listing.rows.clear();
        self.listing.before = passed;
        self.place.passed = passed;
        self.place.next = next;
        self.listing.goes_on = false;
    }

    fn refill(&mut self) -> Result {
        self.listing.refill(self.dir, self.place, self.scratch, &mut self.checkpoint)
    }

    fn index(&self) -> usize {
        self.place.passed.saturating_sub(self.listing.before) as usize
    }

    /// The entry at the present place, or `None` at the end.
    pub fn peek(&mut self) -> Result<Option<DirEntry<'_>>> {
        if self.index() >= self.listing.rows.len() {
            self.refill()?;
        }
        let index = self.index();
        let Some((row, name)) = self.listing.rows.get(index) else { return Ok(None) };
        let next = self.place.passed + 1;
        self.place.furthest = self.place.furthest.max(next);
        Ok(Some(DirEntry { next: next.into(), ino: row.ino, filetype: row.filetype, name }))
    }

    /// Goes on to the next entry.
    pub fn advance(&mut self) {
        self.listing.reach(self.place, self.place.passed + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dir::open_preopen_unsandboxed;
    use super::super::interrupt::Endless;
    #[cfg(target_os = "linux")]
    use super::super::interrupt::testing::Looks;
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;

    /// An open directory that is listed.
    struct Listed {
        listings: Listings,
        place: Place,
        dir: File,
        interrupt: Box<dyn Interrupt>,
        root: tempfile::TempDir,
    }

    impl Listed {
        fn new(files: usize) -> Self {
            let root = tempfile::tempdir().unwrap();
            for index in 0..files {
                fs::write(root.path().join(format!("entry-{index}")), "").unwrap();
            }
            let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
            Self { listings: Listings::default(), place: Place::default(), dir, interrupt: Box::new(Endless), root }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.root.path().join(name)
        }

        /// At most `most` entries from `cookie` on: names and cookies.
        fn some(&mut self, cookie: u64, most: usize) -> Result<Vec<(String, u64)>> {
            let mut entries = self.listings.entries(&self.dir, &mut self.place, cookie, &*self.interrupt)?;
            let mut found = Vec::new();
            while found.len() < most
                && let Some(entry) = entries.peek()?
            {
                found.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.next));
                entries.advance();
            }
            Ok(found)
        }

        fn all(&mut self, cookie: u64) -> Vec<(String, u64)> {
            self.some(cookie, usize::MAX).unwrap()
        }
    }

    #[test]
    fn a_cookie_leads_back_to_the_entries_behind_it() {
        let mut listed = Listed::new(5000);
        let all = listed.all(0);
        assert_eq!(all.len(), 5002);
        assert_eq!(all.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), 5002);
        assert!(all.iter().all(|(_, cookie)| i32::try_from(*cookie).is_ok()));
        for index in [0, 1, 700, 5001, 1999, 4997, 4096, 1023, 1024, 1025] {
            assert_eq!(listed.all(all[index].1), all[index + 1..], "after entry {index}");
        }
        for index in (0..5001).rev().step_by(97) {
            assert_eq!(listed.some(all[index].1, 1).unwrap(), all[index + 1..=index + 1], "after entry {index}");
        }
    }

    #[test]
    fn a_cookie_that_no_entry_had_is_einval() {
        let mut listed = Listed::new(10);
        for cookie in [13, 14, 1 << 31, 1 << 32, u64::MAX] {
            assert_eq!(listed.some(cookie, 1), Err(Errno::Inval), "{cookie}");
        }
        let all = listed.all(0);
        assert_eq!((listed.all(12), listed.some(13, 1)), (vec![], Err(Errno::Inval)));
        // One that an entry had leads to the end if there is nothing left behind it.
        for index in 0..10 {
            fs::remove_file(listed.path(&format!("entry-{index}"))).unwrap();
        }
        assert_eq!(listed.all(0).len(), 2);
        assert_eq!(listed.all(all[10].1), []);
    }

    #[test]
    fn a_cookie_is_good_on_another_descriptor_of_the_directory() {
        let mut listed = Listed::new(3000);
        let all = listed.all(0);
        listed.place = Place::default();
        assert_eq!(listed.all(all[2000].1), all[2001..]);
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "places are numbers there")]
    fn removed_entries_don_t_move_the_place_of_others() {
        let mut listed = Listed::new(900);
        let all = listed.all(0);
        for (name, _) in all.iter().take(450).filter(|(name, _)| name.starts_with("entry")) {
            fs::remove_file(listed.path(name)).unwrap();
        }
        assert_eq!(listed.all(all[600].1), all[601..]);
    }

    #[test]
    fn many_directories_are_listed_by_turns() {
        let mut all: Vec<_> = (0..20).map(|_| Listed::new(50)).collect();
        let expected: Vec<_> = all.iter_mut().map(|listed| listed.all(0)).collect();
        let mut listings = Listings::default();
        let mut found = vec![Vec::new(); 20];
        for _ in 0..52 {
            for (listed, found) in all.iter_mut().zip(&mut found) {
                std::mem::swap(&mut listings, &mut listed.listings);
                let cookie = found.last().map_or(0, |(_, cookie)| *cookie);
                found.extend(listed.some(cookie, 1).unwrap());
                std::mem::swap(&mut listings, &mut listed.listings);
            }
            assert!(listings.listings.len() <= READ_AHEAD);
        }
        assert_eq!(found, expected);
        listings.clear();
        assert_eq!((listings.listings.capacity(), listings.scratch.capacity()), (0, 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_listing_ends_between_two_batches() {
        let mut listed = Listed::new(9000);
        let all = listed.all(0);
        listed.interrupt = Box::new(Looks::new(0));
        assert_eq!(listed.some(0, 10).map(|some| some.len()), Ok(10), "a short one does not ask");
        assert_eq!(listed.some(0, usize::MAX), Err(Errno::Canceled));
        // So does the way to a place that has no mark.
        listed.place = Place::default();
        listed.listings.clear();
        assert_eq!(listed.some(all[8990].1, 1), Err(Errno::Canceled));
    }

    #[test]
    fn marks_are_few_and_near() {
        let mut marks = Marks::default();
        for passed in 1..=100_000 {
            marks.record(passed, u64::from(passed) * 10);
        }
        assert!(marks.next.len() <= MARKS && marks.step == 128, "{} {}", marks.next.len(), marks.step);
        marks.record(7, 0);
        for passed in [0, 1, 127, 128, 5000, 99_999, 1_000_000] {
            let (at, next) = marks.before(passed);
            assert!(at <= passed && passed.min(100_000) - at < 256, "{passed}: {at}");
            assert_eq!(next, u64::from(at) * 10);
        }
    }

    #[test]
    fn entries_that_stay_are_listed_once_while_others_come_and_go() {
        let mut listed = Listed::new(1500);
        for index in 0..1500 {
            fs::write(listed.path(&format!("goes-{index}")), "").unwrap();
        }
        let mut seen = BTreeMap::new();
        let mut step = 0;
        let mut cookie = 0;
        while let Some((name, next)) = listed.some(cookie, 1).unwrap().pop() {
            *seen.entry(name).or_insert(0) += 1;
            cookie = next;
            if step < 1500 {
                fs::remove_file(listed.path(&format!("goes-{step}"))).unwrap();
                fs::write(listed.path(&format!("comes-{step}")), "").unwrap();
            }
            step += 1;
        }
        assert_eq!(seen.keys().filter(|name| name.starts_with("entry-")).count(), 1500);
        assert!(seen.values().all(|count| *count == 1), "an entry came twice");
    }

    #[test]
    fn sorted_listings_are_in_the_order_of_names_and_go_on_behind_the_last_one() {
        let mut listed = Listed { listings: Listings::sorted(), ..Listed::new(300) };
        for name in ["-", "Z", "a b", "é", "entry-1\u{7f}"] {
            fs::write(listed.path(name), "").unwrap();
        }
        let all = listed.all(0);
        let names: Vec<_> = all.iter().map(|(name, _)| name.clone()).collect();
        assert!(names.is_sorted() && names.len() == 307, "{names:?}");
        assert!(all.iter().map(|(_, cookie)| *cookie).eq(1..=307));
        for index in [0, 1, 62, 63, 64, 65, 127, 128, 300, 306, 5] {
            assert_eq!(listed.all(all[index].1), all[index + 1..], "after entry {index}");
        }
        assert_eq!(listed.some(308, 1), Err(Errno::Inval));
        listed.place = Place::default();
        assert_eq!(listed.all(all[200].1), all[201..], "on another descriptor");
        // A guest that removes what is listed sees each entry.
        let (mut cookie, mut seen) = (0, Vec::new());
        while let Some((name, next)) = listed.some(cookie, 1).unwrap().pop() {
            if !matches!(&*name, "." | "..") {
                fs::remove_file(listed.path(&name)).unwrap();
            }
            seen.push(name);
            cookie = next;
        }
        assert_eq!(seen, names);
        assert!(listed.listings.listings.iter().all(|one| one.rows.len() <= 64));
    }

    #[test]
    fn entries_tell_their_type_and_serial_number() {
        let mut listed = Listed::new(0);
        fs::create_dir(listed.path("dir")).unwrap();
        let ino = listed.dir.stat_at(c"dir", false).unwrap().ino;
        let mut entries = listed.listings.entries(&listed.dir, &mut listed.place, 0, &Endless).unwrap();
        let mut found = false;
        while let Some(entry) = entries.peek().unwrap() {
            if entry.name == b"dir" {
                found = true;
                assert_eq!((entry.ino, entry.filetype), (ino, Filetype::Directory));
            }
            entries.advance();
        }
        assert!(found);
    }
}

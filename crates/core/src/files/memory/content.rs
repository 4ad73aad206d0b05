//! The bytes of a file in memory.
//!
//! They are kept in pieces, of which those that nobody wrote to are not there: a hole takes nothing. A file
//! that was given bytes when its tree was made keeps these as they are, shared with the tree's start,
//! until it is changed.

use super::budget::Budget;
use crate::abi::errno::{Errno, Result};
use crate::memory::Buffers;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// Bytes that a piece takes besides its own.
const PIECE_COST: u64 = 64;

/// Zeros, for holes.
static ZEROS: [u8; PIECE] = [0; PIECE];

/// The bytes of a file. Beyond its length no piece has a byte, so a file that grows has zeros there.
#[derive(Debug, Default)]
pub struct Content {
    len: u64,
    /// The bytes it began with, if it has not been changed.
    start: Option<Arc<[u8]>>,
    /// The first piece: most files have no other.
    first: Vec<u8>,
    /// Further pieces, by their number.
    rest: BTreeMap<u64, Vec<u8>>,
}

/// The number of the piece with this offset, and the place in it.
#[allow(clippy::cast_possible_truncation, reason = "the place is less than a piece is long")]
const fn place(offset: u64) -> (u64, usize) {
    (offset / PIECE as u64, (offset % PIECE as u64) as usize)
}

/// The room that is made for so many bytes of a piece.
fn capacity_for(len: usize) -> usize {
    len.next_power_of_two().clamp(64, PIECE)
}

impl Content {
    /// The bytes that a tree begins with. They are not taken from a budget yet.
    pub fn starting(bytes: Arc<[u8]>) -> Self {
        Self { len: bytes.len() as u64, start: Some(bytes), ..Self::default() }
    }

    /// The length of the file.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Its bytes as they are now, to be shared with a tree's start: it keeps no others until it is
    /// changed. The bytes of one with holes count as if they were there.
    pub fn share(&mut self, budget: &Budget) -> Result<Arc<[u8]>> {
        if let Some(start) = &self.start {
            return Ok(Arc::clone(start));
        }
        let bytes: Arc<[u8]> = self.to_vec(budget.limit())?.into();
        let cost = self.cost();
        budget.take(bytes.len() as u64)?;
        budget.give_back(cost);
        *self = Self::starting(Arc::clone(&bytes));
        Ok(bytes)
    }

    /// The bytes it takes of its budget.
    pub fn cost(&self) -> u64 {
        let piece = |piece: &Vec<u8>| piece.capacity() as u64;
        let start = self.start.as_ref().map_or(0, |start| start.len() as u64);
        start + piece(&self.first) + self.rest.values().map(|rest| PIECE_COST + piece(rest)).sum::<u64>()
    }

    /// The bytes of a piece that are there, from a place in it on.
    fn stretch(&self, offset: u64) -> &[u8] {
        if let Some(start) = &self.start {
            return usize::try_from(offset).ok().and_then(|offset| start.get(offset..)).unwrap_or_default();
        }
        let (number, at) = place(offset);
        let piece = if number == 0 { Some(&self.first) } else { self.rest.get(&number) };
        piece.and_then(|piece| piece.get(at..)).unwrap_or_default()
    }

    /// The next bytes from `offset` on, as many as lie behind each other; none at the end of the file.
    pub fn bytes_at(&self, offset: u64) -> &[u8] {
        let there = self.stretch(offset);
        if !there.is_empty() || offset >= self.len {
            return there;
        }
        let (_, at) = place(offset);
        let hole = usize::try_from(self.len - offset).map_or(PIECE, |left| left.min(PIECE)).min(PIECE - at);
        ZEROS.get(..hole).unwrap_or_default()
    }

    /// Reads from `offset` on into the buffers, at most `most` bytes and as many as lie behind each
    /// other; how many.
    pub fn read(&self, offset: u64, buffers: &mut Buffers<'_>, most: u64) -> u32 {
        let mut moved = 0;
        while u64::from(moved) < most {
            let bytes = self.bytes_at(offset + u64::from(moved));
            let left = usize::try_from(most - u64::from(moved)).unwrap_or(usize::MAX);
            let copied = buffers.scatter(bytes.get(..left).unwrap_or(bytes));
            buffers.advance(copied);
            moved += copied;
            if copied == 0 {
                break;
            }
        }
        moved
    }

    /// Writes from `offset` on out of the buffers, at most `most` bytes; how many. Bytes written before
    /// there is no room any more are the answer; ENOSPC if there are none.
    pub fn write(&mut self, offset: u64, buffers: &mut Buffers<'_>, most: u64, budget: &Budget) -> Result<u32> {
        let end = offset.checked_add(most).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::Fbig)?;
        self.leave_start(u64::MAX, budget)?;
        let mut moved = 0;
        while u64::from(moved) < most {
            let from = offset + u64::from(moved);
            let (number, at) = place(from);
            let len = usize::try_from(end - from).map_or(PIECE, |left| left.min(PIECE)).min(PIECE - at);
            let piece = match self.reserve(number, at + len, budget) {
                Ok(piece) => piece,
                Err(errno) if moved == 0 => return Err(errno),
                Err(_) => break,
            };
            let copied = copy_into(piece, at, len, buffers);
            buffers.advance(copied);
            moved += copied;
            self.len = self.len.max(from + u64::from(copied));
            if copied == 0 {
                break;
            }
        }
        Ok(moved)
    }

    /// The piece of this number, with room for so many bytes.
    fn reserve(&mut self, number: u64, len: usize, budget: &Budget) -> Result<&mut Vec<u8>> {
        let piece = match number {
            0 => &mut self.first,
            _ => match self.rest.entry(number) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    budget.take(PIECE_COST)?;
                    entry.insert(Vec::new())
                }
            },
        };
        if len > piece.capacity() {
            let capacity = capacity_for(len);
            let more = (capacity - piece.capacity()) as u64;
            budget.take(more)?;
            // A limit may be more than there is.
            piece.try_reserve_exact(capacity - piece.len()).map_err(|_| {
                budget.give_back(more);
                Errno::Nospc
            })?;
        }
        Ok(piece)
    }

    /// Keeps the first `most` bytes as its own, if they are still those that it began with.
    fn leave_start(&mut self, most: u64, budget: &Budget) -> Result {
        let Some(start) = &self.start else { return Ok(()) };
        let kept = usize::try_from(most).ok().and_then(|most| start.get(..most)).unwrap_or(start);
        let pieces = || kept.chunks(PIECE).map(|bytes| (bytes, capacity_for(bytes.len())));
        let first = pieces().take(1).map(|(_, capacity)| capacity as u64);
        let rest = pieces().skip(1).map(|(_, capacity)| PIECE_COST + capacity as u64);
        let (before, after) = (start.len() as u64, first.chain(rest).sum::<u64>());
        match after.checked_sub(before) {
            Some(more) => budget.take(more)?,
            None => budget.give_back(before - after),
        }
        let mut pieces = (0..).zip(pieces()).map(|(number, (bytes, capacity))| {
            let mut piece = Vec::with_capacity(capacity);
            piece.extend_from_slice(bytes);
            (number, piece)
        });
        let first = pieces.next().map_or_else(Vec::new, |(_, piece)| piece);
        let rest = pieces.collect();
        *self = Self { len: self.len, start: None, first, rest };
        Ok(())
    }

    /// Cuts or extends it. EINVAL beyond 63 bits.
    pub fn set_len(&mut self, len: u64, budget: &Budget) -> Result {
        i64::try_from(len).map_err(|_| Errno::Inval)?;
        if len == 0 {
            budget.give_back(self.cost());
            *self = Self::default();
            return Ok(());
        }
        if len != self.len {
            self.leave_start(len, budget)?;
        }
        let before = std::mem::replace(&mut self.len, len);
        if len >= before {
            return Ok(());
        }
        let (number, at) = place(len);
        let cut_off = self.rest.split_off(&(number + u64::from(at > 0 || number == 0)));
        budget.give_back(cut_off.values().map(|piece| PIECE_COST + piece.capacity() as u64).sum());
        match number {
            0 => self.first.truncate(at),
            _ => _ = self.rest.get_mut(&number).map(|piece| piece.truncate(at)),
        }
        Ok(())
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least. ENOSPC if
    /// there is none, and what has been made is kept.
    pub fn allocate(&mut self, offset: u64, len: u64, budget: &Budget) -> Result {
        let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::Fbig)?;
        if len > budget.limit() {
            return Err(Errno::Nospc);
        }
        self.leave_start(u64::MAX, budget)?;
        let mut from = offset;
        while from < end {
            let (number, at) = place(from);
            let piece_len = usize::try_from(end - from).map_or(PIECE, |left| left.min(PIECE)).min(PIECE - at);
            self.reserve(number, at + piece_len, budget)?;
            from += piece_len as u64;
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// All bytes, of a file that fits in memory; ENOMEM for one that does not.
    pub fn to_vec(&self, most: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(self.len).ok().filter(|_| self.len <= most).ok_or(Errno::Nomem)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::Nomem)?;
        while bytes.len() < len {
            bytes.extend_from_slice(self.bytes_at(bytes.len() as u64));
        }
        Ok(bytes)
    }

    /// True if it has these bytes.
    pub fn is(&self, bytes: &Arc<[u8]>) -> bool {
        if self.start.as_ref().is_some_and(|start| Arc::ptr_eq(start, bytes)) {
            return true;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let here = self.bytes_at((bytes.len() - rest.len()) as u64);
            let len = here.len().min(rest.len());
            let (Some(here), Some((there, behind))) = (here.get(..len), rest.split_at_checked(len)) else {
                return false;
            };
            if len == 0 || here != there {
                return false;
            }
            rest = behind;
        }
        self.len == bytes.len() as u64
    }
}

/// Copies `len` bytes of the buffers into a piece that has room for them, at this place; how many.
fn copy_into(piece: &mut Vec<u8>, at: usize, len: usize, buffers: &Buffers<'_>) -> u32 {
    if piece.len() < at {
        piece.resize(at, 0);
    }
    let end = piece.len().min(at + len);
    match piece.get_mut(at..end) {
        Some(there) if !there.is_empty() => buffers.fill(there),
        _ => buffers.gather(len, piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u64 = PIECE as u64;

    /// A content beside a plain vector, which are the same at all times.
    struct Pair {
        content: Content,
        model: Vec<u8>,
        budget: Budget,
    }

    impl Pair {
        fn new(limit: u64) -> Self {
            Self { content: Content::default(), model: Vec::new(), budget: Budget::new(limit) }
        }

        fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<u32> {
            let mut source = bytes.to_vec();
            let mut buffers = Buffers::from(source.as_mut_slice());
            let moved = self.content.write(offset, &mut buffers, bytes.len() as u64, &self.budget)?;
            let (at, count) = (usize::try_from(offset).unwrap(), moved as usize);
            self.model.resize(self.model.len().max(at + count), 0);
            self.model[at..at + count].copy_from_slice(&bytes[..count]);
            Ok(moved)
        }

        fn set_len(&mut self, len: u64) {
            self.content.set_len(len, &self.budget).unwrap();
            self.model.resize(usize::try_from(len).unwrap(), 0);
        }

        fn check(&self) {
            assert!(self.content.to_vec(u64::MAX).unwrap() == self.model);
            assert!(self.content.is(&Arc::from(self.model.as_slice())));
            assert_eq!(self.content.cost(), self.budget.used());
        }
    }

    #[test]
    fn bytes_are_where_they_were_written_and_zeros_elsewhere() {
        let mut pair = Pair::new(u64::MAX);
        for (offset, len) in [(0, 10), (5, 10), (P - 3, 6), (3 * P, 2 * PIECE), (2 * P + 7, 1), (100, PIECE)] {
            let bytes: Vec<u8> = (0..len).map(|index| u8::try_from(index % 251).unwrap() + 1).collect();
            assert_eq!(pair.write(offset, &bytes), Ok(u32::try_from(len).unwrap()));
            pair.check();
        }
        for len in [P * 4 + 1, P * 4, P * 3 - 1, P * 9, P, P - 1, 7, 5 * P, 0, 3] {
            pair.set_len(len);
            pair.check();
        }
        assert_eq!(pair.budget.used(), 0);
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut pair = Pair::new(u64::MAX);
        pair.content = Content::starting(Arc::from(&b"0123456789"[..]));
        pair.budget.take(10).unwrap();
        pair.model = b"0123456789".to_vec();
        for len in [10, 4, 20, 2, 3] {
            pair.set_len(len);
            pair.check();
        }
    }

    #[test]
    fn a_change_leaves_the_start_alone() {
        let start: Arc<[u8]> = vec![7; 3 * PIECE + 5].into();
        let mut pair = Pair::new(5 * P);
        pair.content = Content::starting(Arc::clone(&start));
        pair.budget.take(start.len() as u64).unwrap();
        pair.model = start.to_vec();
        pair.check();
        assert!(pair.content.start.is_some());
        pair.write(P + 1, b"x").unwrap();
        pair.check();
        assert!(pair.content.start.is_none() && !pair.content.is(&start));
        assert!(start.iter().all(|byte| *byte == 7));
        // Where there is no room to change it, it stays.
        let mut full = Pair::new(start.len() as u64);
        full.content = Content::starting(Arc::clone(&start));
        full.budget.take(start.len() as u64).unwrap();
        full.model = start.to_vec();
        assert_eq!(full.write(0, b"x"), Err(Errno::Nospc));
        full.check();
    }

    #[test]
    fn the_limit_counts_bytes_and_no_holes() {
        let mut pair = Pair::new(2 * P + 1000);
        assert_eq!(pair.write(1 << 20, b"far"), Ok(3));
        pair.set_len(1 << 22);
        assert!(pair.budget.used() < 1000);
        assert_eq!(pair.content.set_len(1 << 62, &pair.budget), Ok(()), "a hole takes nothing");
        pair.set_len(0);
        let many = vec![1; 3 * PIECE];
        assert_eq!(pair.write(0, &many), Ok(2 * u32::try_from(PIECE).unwrap()), "as much as there is room for");
        pair.check();
        assert_eq!(pair.write(2 * P, b"x".repeat(2000).as_slice()), Err(Errno::Nospc));
        assert_eq!(pair.content.write(u64::MAX, &mut [0][..].as_mut().into(), 1, &pair.budget), Err(Errno::Fbig));
        assert_eq!(pair.content.set_len(u64::MAX, &pair.budget), Err(Errno::Inval));
    }

    #[test]
    fn what_is_allocated_counts_and_is_zero() {
        let mut pair = Pair::new(3 * P + 1000);
        assert_eq!(pair.content.allocate(10, 2 * P, &pair.budget), Ok(()));
        pair.model.resize(2 * PIECE + 10, 0);
        pair.check();
        assert!(pair.budget.used() > 2 * P);
        assert_eq!(pair.content.allocate(0, 1 << 40, &pair.budget), Err(Errno::Nospc));
        assert_eq!(pair.content.allocate(u64::MAX, 1, &pair.budget), Err(Errno::Fbig));
        assert_eq!(pair.content.len(), 2 * P + 10);
    }
}

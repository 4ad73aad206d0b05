//! Standard streams without a descriptor of the operating system: bytes that the embedder gives, or takes.
//!
//! They never wait and never call anybody. An input that has run dry says what it wants and answers EAGAIN;
//! who embeds the guest supplies it and makes the call again. An output keeps what was written until it is
//! taken.

use crate::abi::errno::{Errno, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes that one call moves: a guest can make the host hold that many at a time.
const PIECE: usize = 16 << 20;

/// A standard stream in memory.
#[derive(Clone, Debug)]
pub enum Stream {
    /// The guest reads it.
    Input(Arc<Input>),
    /// The guest writes it.
    Output(Arc<Output>),
}

/// Bytes for the guest.
#[derive(Debug)]
pub struct Input(Mutex<Source>);

#[derive(Debug, Default)]
struct Source {
    bytes: Vec<u8>,
    /// The number of bytes that have been read.
    read: usize,
    /// True if nothing comes behind them.
    ended: bool,
    /// The bytes that a read asked for which found none.
    wanted: Option<usize>,
}

impl Input {
    /// These bytes, and then the end.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(Source { bytes, ended: true, ..Source::default() }))
    }

    /// Bytes that are supplied as the guest wants them.
    pub fn on_demand() -> Self {
        Self(Mutex::default())
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next bytes to `take`, which tells how many it took. None at the end; EAGAIN if they must be
    /// supplied first, `most` of them at most.
    pub fn read(&self, most: u64, take: impl FnOnce(&[u8]) -> u32) -> Result<u32> {
        let mut source = self.source();
        let next = source.bytes.get(source.read..).unwrap_or_default();
        let next = next.get(..PIECE).unwrap_or(next);
        if next.is_empty() && !source.ended && most > 0 {
            source.wanted = Some(usize::try_from(most).map_or(PIECE, |most| most.min(PIECE)));
            return Err(Errno::Again);
        }
        let taken = take(next);
        source.read += taken as usize;
        Ok(taken)
    }

    /// The bytes to supply before the call is made again, if it failed for want of them.
    pub fn take_wanted(&self) -> Option<usize> {
        self.source().wanted.take()
    }

    /// Supplies bytes, or the end.
    pub fn supply(&self, bytes: Option<Vec<u8>>) {
        let mut source = self.source();
        source.ended = bytes.is_none();
        source.bytes = bytes.unwrap_or_default();
        source.read = 0;
    }

    /// The bytes that can be read, and true if nothing comes behind them. Bytes still to be supplied count as
    /// one.
    pub fn available(&self) -> (u64, bool) {
        let source = self.source();
        let there = (source.bytes.len() - source.read) as u64;
        (there.max(u64::from(!source.ended)), source.ended)
    }
}

/// The bytes that the guest wrote.
#[derive(Debug)]
pub struct Output {
    written: Mutex<Written>,
    /// The most bytes that are held; without a limit all are discarded.
    limit: Option<usize>,
}

#[derive(Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    exceeded: bool,
}

impl Output {
    /// An output that holds at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { written: Mutex::default(), limit: Some(limit) }
    }

    /// An output that takes everything and holds nothing.
    pub fn discarding() -> Self {
        Self { written: Mutex::default(), limit: None }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `append` add bytes to those that are held, at most as many as it is told; it returns their number.
    /// ENOSPC when there is no room for any of the `wanted` bytes.
    pub fn write(&self, wanted: u64, append: impl FnOnce(usize, &mut Vec<u8>) -> u32) -> Result<u32> {
        let Some(limit) = self.limit else {
            return Ok(u32::try_from(wanted).map_or(u32::MAX / 2, |wanted| wanted.min(u32::MAX / 2)));
        };
        let mut written = self.written();
        let room = limit.saturating_sub(written.bytes.len());
        if wanted > room as u64 {
            written.exceeded = true;
        }
        if wanted > 0 && room == 0 {
            return Err(Errno::Nospc);
        }
        Ok(append(room.min(PIECE), &mut written.bytes))
    }

    /// True if the guest has written more than it holds.
    pub fn is_exceeded(&self) -> bool {
        self.written().exceeded
    }

    /// Takes the bytes that are held.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.written().bytes)
    }

    /// Calls a function with the bytes that are held.
    pub fn with_bytes<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.written().bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(most: usize) -> impl FnOnce(&[u8]) -> u32 {
        move |bytes| u32::try_from(bytes.len().min(most)).unwrap()
    }

    #[test]
    fn an_input_is_read_to_its_end() {
        let input = Input::new(b"abcde".to_vec());
        assert_eq!(input.read(3, take(3)), Ok(3));
        assert_eq!(input.available(), (2, true));
        assert_eq!(input.read(3, take(3)), Ok(2));
        assert_eq!(input.read(3, take(3)), Ok(0));
        assert_eq!(input.take_wanted(), None);
    }

    #[test]
    fn an_empty_input_tells_how_much_it_wants() {
        let input = Input::on_demand();
        assert_eq!(input.read(0, take(0)), Ok(0));
        assert_eq!(input.read(7, take(7)), Err(Errno::Again));
        assert_eq!((input.take_wanted(), input.take_wanted()), (Some(7), None));
        input.supply(Some(b"abc".to_vec()));
        assert_eq!(input.available(), (3, false));
        assert_eq!(input.read(7, take(7)), Ok(3));
        assert_eq!(input.read(u64::MAX, take(7)), Err(Errno::Again));
        assert_eq!(input.take_wanted(), Some(PIECE));
        input.supply(None);
        assert_eq!(input.read(7, take(7)), Ok(0));
    }

    #[test]
    fn an_output_holds_bytes_up_to_its_limit() {
        let output = Output::new(5);
        let write = |text: &'static str| {
            output.write(text.len() as u64, |most, bytes| {
                let fits = text.len().min(most);
                bytes.extend_from_slice(&text.as_bytes()[..fits]);
                u32::try_from(fits).unwrap()
            })
        };
        assert_eq!(write("abc"), Ok(3));
        assert!(!output.is_exceeded());
        assert_eq!(write("def"), Ok(2));
        assert!(output.is_exceeded());
        assert_eq!((write("g"), write("")), (Err(Errno::Nospc), Ok(0)));
        assert_eq!(output.with_bytes(<[u8]>::to_vec), b"abcde");
        assert_eq!((output.take(), write("h")), (b"abcde".to_vec(), Ok(1)));
    }

    #[test]
    fn discarded_bytes_are_not_copied() {
        let output = Output::discarding();
        assert_eq!(output.write(7, |_, _| panic!("nothing is appended")), Ok(7));
        assert_eq!((output.is_exceeded(), output.take()), (false, Vec::new()));
    }
}

//! The buffers of one call, and the kernel calls that move bytes between them and a file.
//!
//! A call serves its iovecs in batches, each as long as one kernel call takes. A batch is read and checked as
//! a whole before any of it is moved. If one of its iovecs is bad, nothing of the batch is moved: the call is
//! EFAULT if it has moved nothing before, and reports what it has moved otherwise. The same holds for files
//! and for streams in memory.

use super::access::Memory;
use super::os;
use super::transfer::{Call, Mode, Position};
use crate::abi::Ptr;
use crate::abi::errno::Result;
use crate::abi::records::Iovec;
use smallvec::SmallVec;
use std::io;
use std::marker::PhantomData;

/// The most iovecs of one kernel call (Linux's and macOS's `IOV_MAX`).
const IOV_MAX: usize = 1024;

/// The iovecs of one call, not yet looked at; the array is inside the memory.
#[derive(Clone, Copy, Debug)]
pub struct Iovecs<'a> {
    memory: Memory<'a>,
    array: Ptr<Iovec>,
    len: u32,
}

impl<'a> Memory<'a> {
    /// An array of iovecs, not yet looked at; EFAULT unless the array itself is inside.
    pub fn iovecs(&self, ptr: Ptr<Iovec>, len: u32) -> Result<Iovecs<'a>> {
        self.check(ptr, len)?;
        Ok(Iovecs { memory: *self, array: ptr, len })
    }
}

impl<'a> Iovecs<'a> {
    /// The buffer, if there is exactly one; EFAULT if it is outside the memory.
    #[inline]
    pub fn single(&self) -> Result<Option<Buffer<'a>>> {
        if self.len == 1 { self.buffer(0).map(Some) } else { Ok(None) }
    }

    /// The buffer that an iovec stands for; EFAULT if it is outside the memory.
    #[inline]
    fn buffer(&self, index: u32) -> Result<Buffer<'a>> {
        let iovec = self.memory.read(self.memory.element(self.array, index)?)?;
        let base = self.memory.range(u64::from(iovec.buf), u64::from(iovec.buf_len))?;
        Ok(Buffer { iovec: os::Iovec { iov_base: base.cast(), iov_len: iovec.buf_len as usize }, call: PhantomData })
    }
}

/// One buffer inside the memory.
#[derive(Clone, Copy, Debug)]
pub struct Buffer<'a> {
    iovec: os::Iovec,
    call: PhantomData<&'a ()>,
}

impl Buffer<'_> {
    /// Bytes in it.
    pub const fn len(&self) -> usize {
        self.iovec.iov_len
    }

    /// True if there is no byte in it.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `file` into it, and returns the number of bytes.
    #[inline]
    pub fn read_from(&self, file: os::Handle<'_>, position: Position) -> Result<io::Result<u32>> {
        // SAFETY: the buffer lies in the memory, which outlives the call.
        Ok(unsafe { os::read(file, &[self.iovec], position.moved_by(0)?) })
    }

    /// Writes it to `file`, and returns the number of bytes.
    #[inline]
    pub fn write_to(&self, file: os::Handle<'_>, position: Position) -> Result<io::Result<u32>> {
        // SAFETY: as in `read_from`.
        Ok(unsafe { os::write(file, &[self.iovec], position.moved_by(0)?) })
    }
}

/// Buffers as the kernel takes them, all inside the memory.
type Batch = SmallVec<[os::Iovec; 8]>;

/// The buffers of one call while it moves bytes, and the part of them that is still to be served.
#[derive(Debug)]
pub struct Buffers<'a> {
    iovecs: Iovecs<'a>,
    /// The first of the iovecs that is not in the batch yet.
    next: u32,
    batch: Batch,
    /// The first of the batch that has not been moved, and it no further than where it starts now.
    first: usize,
    /// Bytes of the batch that have not been moved.
    left: u64,
    moved: u32,
    cut: bool,
}

impl<'a> From<Iovecs<'a>> for Buffers<'a> {
    fn from(iovecs: Iovecs<'a>) -> Self {
        Self { iovecs, next: 0, batch: Batch::new(), first: 0, left: 0, moved: 0, cut: false }
    }
}

impl<'a> From<Buffer<'a>> for Buffers<'a> {
    fn from(one: Buffer<'a>) -> Self {
        let mut buffers = Self::from(Iovecs { memory: Memory::empty(), array: Ptr::new(0), len: 0 });
        buffers.left = one.len() as u64;
        buffers.batch.push(one.iovec);
        buffers
    }
}

impl<'a> From<&'a mut [u8]> for Buffers<'a> {
    /// Bytes of the host's own.
    fn from(bytes: &'a mut [u8]) -> Self {
        let iovec = os::Iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        Buffer { iovec, call: PhantomData }.into()
    }
}

impl<'a> Buffers<'a> {
    /// Bytes at an address, as one buffer.
    ///
    /// # Safety
    /// For all of `'a` the bytes must stay readable and writable, and no Rust reference to them may exist.
    pub unsafe fn at(start: *mut u8, len: usize) -> Self {
        Buffer { iovec: os::Iovec { iov_base: start.cast(), iov_len: len }, call: PhantomData }.into()
    }

    /// The next buffer of the batch, cut to `most` bytes: where it begins, and its length; 0 if all has been
    /// moved.
    pub fn stretch(&self, most: u64) -> (*mut u8, usize) {
        let next = self.batch.iter().skip(self.first).find(|iovec| iovec.iov_len > 0);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        next.map_or((std::ptr::dangling_mut(), 0), |iovec| (iovec.iov_base.cast(), iovec.iov_len.min(most)))
    }
}

impl Buffers<'_> {
    /// Takes up the next batch, if all of the one before has been moved.
    pub fn take_up(&mut self) -> Result {
        if self.left > 0 || !self.has_more() {
            return Ok(());
        }
        self.batch.clear();
        self.first = 0;
        for index in (self.next..self.iovecs.len).take(IOV_MAX) {
            match self.iovecs.buffer(index) {
                Ok(buffer) => {
                    self.batch.push(buffer.iovec);
                    self.left += buffer.len() as u64;
                }
                Err(errno) => {
                    self.batch.clear();
                    self.left = 0;
                    self.next = self.iovecs.len;
                    return if self.moved > 0 { Ok(()) } else { Err(errno) };
                }
            }
        }
        self.next += u32::try_from(self.batch.len()).unwrap_or(u32::MAX);
        Ok(())
    }

    /// True if there are iovecs beyond the batch.
    pub const fn has_more(&self) -> bool {
        self.next < self.iovecs.len
    }

    /// The number of iovecs in the batch.
    pub fn count(&self) -> usize {
        self.batch.len()
    }

    /// Bytes of the batch that are still to be moved.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Bytes moved so far.
    pub const fn moved(&self) -> u32 {
        self.moved
    }

    /// True if the socket had a longer message than the buffers.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Makes a kernel call for at most `most` bytes of the batch, and counts the bytes it has moved.
    pub fn call(&mut self, file: os::Handle<'_>, call: Call, mode: Mode, most: u64) -> Result<io::Result<u32>> {
        let piece;
        let iovecs = if self.left <= most {
            self.batch.get(self.first..).unwrap_or_default()
        } else {
            piece = self.piece(most);
            piece.as_slice()
        };
        // SAFETY: what is in a batch lies in the memory, which outlives the call, or in bytes that are
        // borrowed as long.
        let result = unsafe {
            match (call, mode) {
                (Call::Read(position), Mode::Blocking) => os::read(file, iovecs, position.moved_by(self.moved)?),
                (Call::Read(position), Mode::Nonblocking) => os::read_now(file, iovecs, position.moved_by(self.moved)?),
                (Call::Write(position), Mode::Blocking) => os::write(file, iovecs, position.moved_by(self.moved)?),
                (Call::Write(position), Mode::Nonblocking) => {
                    os::write_now(file, iovecs, position.moved_by(self.moved)?)
                }
                (Call::Receive { peek, whole }, mode) => {
                    os::receive(file, iovecs, peek, whole, mode).map(|(count, cut)| {
                        self.cut = cut;
                        count
                    })
                }
                (Call::Send, mode) => os::send(file, iovecs, mode),
            }
        };
        if let Ok(moved) = result {
            self.advance(moved);
        }
        Ok(result)
    }

    /// The next `most` bytes of the batch.
    fn piece(&self, most: u64) -> Batch {
        let mut rest = usize::try_from(most).unwrap_or(usize::MAX);
        let mut piece = Batch::new();
        for iovec in self.batch.iter().skip(self.first) {
            let len = iovec.iov_len.min(rest);
            piece.push(os::Iovec { iov_base: iovec.iov_base, iov_len: len });
            rest -= len;
            if rest == 0 {
                break;
            }
        }
        piece
    }

    /// Counts bytes of the batch as moved.
    pub fn advance(&mut self, bytes: u32) {
        self.moved = self.moved.saturating_add(bytes);
        self.left = self.left.saturating_sub(u64::from(bytes));
        let mut rest = bytes as usize;
        while let Some(iovec) = self.batch.get_mut(self.first) {
            if rest < iovec.iov_len {
                // SAFETY: it is less than the buffer is long, so the address is in the buffer.
                iovec.iov_base = unsafe { iovec.iov_base.byte_add(rest) };
                iovec.iov_len -= rest;
                break;
            }
            rest -= iovec.iov_len;
            self.first += 1;
        }
    }

    /// Copies the batch behind `to`, at most `most` bytes, and returns their number.
    pub fn gather(&self, most: usize, to: &mut Vec<u8>) -> u32 {
        self.copy(most, |base, len| {
            to.reserve(len);
            // SAFETY: `copy` gives a stretch inside the memory; `reserve` made room for as much behind what
            // is there, and `set_len` counts what was just written.
            unsafe {
                to.as_mut_ptr().add(to.len()).copy_from_nonoverlapping(base, len);
                to.set_len(to.len() + len);
            }
        })
    }

    /// Copies the batch over `to`, as far as both go, and returns the number of bytes.
    pub fn fill(&self, to: &mut [u8]) -> u32 {
        let mut rest = to;
        self.copy(rest.len(), |base, len| {
            let (piece, behind) = std::mem::take(&mut rest).split_at_mut(len);
            rest = behind;
            // SAFETY: `copy` gives a stretch inside the memory; `piece` is as long, and Rust's own.
            unsafe { piece.as_mut_ptr().copy_from_nonoverlapping(base, len) };
        })
    }

    /// Copies `from` into the batch as far as both go, and returns the number of bytes.
    pub fn scatter(&self, from: &[u8]) -> u32 {
        let mut rest = from;
        self.copy(from.len(), |base, len| {
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            // SAFETY: `copy` gives a stretch inside the memory; `piece` is as long, and Rust's own.
            unsafe { base.copy_from_nonoverlapping(piece.as_ptr(), len) };
        })
    }

    /// Hands each buffer of the batch to `copy_one`, together at most `most` bytes, and returns their number.
    fn copy(&self, most: usize, mut copy_one: impl FnMut(*mut u8, usize)) -> u32 {
        let most = most.min(u32::MAX as usize);
        let mut copied = 0;
        for iovec in self.batch.iter().skip(self.first) {
            let len = iovec.iov_len.min(most - copied);
            copy_one(iovec.iov_base.cast(), len);
            copied += len;
            if copied == most {
                break;
            }
        }
        u32::try_from(copied).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::guest::TestMemory;
    use super::*;
    use crate::abi::errno::Errno;
    use std::io::{Read, Seek, Write};

    /// Makes kernel calls until all is moved or one is cut short.
    fn all(buffers: &mut Buffers<'_>, file: &std::fs::File, call: Call, most: u64) -> Result<u32> {
        loop {
            buffers.take_up()?;
            let wanted = buffers.left().min(most);
            let moved = buffers.call(os::handle(file), call, Mode::Blocking, most)?.unwrap();
            if u64::from(moved) < wanted || (buffers.left() == 0 && !buffers.has_more()) {
                return Ok(buffers.moved());
            }
        }
    }

    #[test]
    fn every_iovec_is_served_also_more_than_the_kernel_takes_at_once_and_in_pieces() {
        let count = 3000_u32;
        let memory = TestMemory::new(64 * 1024);
        let rows: Vec<_> = (0..count).map(|index| (40_000 + 3 * index, 3)).collect();
        let (array, len) = memory.put_iovecs(0, &rows);
        let data: Vec<u8> = (0..3 * count).map(|index| (index % 251) as u8).collect();
        for most in [u64::MAX, 1, 2, 7, 3 * 1024, 5000] {
            memory.put(40_000, &data);
            let mut file = tempfile::tempfile().unwrap();
            let buffers = || Buffers::from(memory.view().iovecs(array, len).unwrap());
            assert_eq!(all(&mut buffers(), &file, Call::Write(Position::Current), most), Ok(3 * count));
            let mut found = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut found).unwrap();
            assert!(found == data, "pieces of {most}");

            memory.put(40_000, &vec![0; data.len()]);
            assert_eq!(all(&mut buffers(), &file, Call::Read(Position::At(1)), most), Ok(3 * count - 1));
            assert!(memory.get(40_000, data.len() - 1) == data[1..], "pieces of {most}");
        }
    }

    #[test]
    fn a_batch_with_an_iovec_outside_the_memory_moves_nothing() {
        let memory = TestMemory::new(128);
        let (array, len) = memory.put_iovecs(0, &[(64, 8), (126, 8)]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789abcdef").unwrap();
        let mut buffers = Buffers::from(memory.view().iovecs(array, len).unwrap());
        assert_eq!(all(&mut buffers, &file, Call::Read(Position::At(0)), u64::MAX), Err(Errno::Fault));
        memory.assert_masked_but(&[(0, 16)]);
        assert_eq!(memory.view().iovecs(Ptr::new(8), u32::MAX).unwrap_err(), Errno::Fault);
    }

    #[test]
    fn a_later_batch_with_an_iovec_outside_ends_the_transfer_before_it() {
        let memory = TestMemory::new(64 * 1024);
        let mut rows = vec![(40_000, 2); IOV_MAX + 2];
        rows[IOV_MAX + 1] = (u32::MAX, 2);
        let (array, len) = memory.put_iovecs(0, &rows);
        let moved = 2 * u32::try_from(IOV_MAX).unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut buffers = Buffers::from(memory.view().iovecs(array, len).unwrap());
        assert_eq!(all(&mut buffers, &file, Call::Write(Position::Current), u64::MAX), Ok(moved));
        let mut buffers = Buffers::from(memory.view().iovecs(array, len).unwrap());
        buffers.take_up().unwrap();
        assert_eq!(buffers.gather(usize::MAX, &mut Vec::new()), moved);
        buffers.advance(moved);
        assert_eq!((buffers.take_up(), buffers.left(), buffers.has_more()), (Ok(()), 0, false));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_of_the_host_are_buffers_too() {
        let (mut reader, writer) = io::pipe().unwrap();
        let writer = std::fs::File::from(std::os::fd::OwnedFd::from(writer));
        let mut bytes = *b"hello";
        let mut buffers = Buffers::from(bytes.as_mut_slice());
        assert_eq!(all(&mut buffers, &writer, Call::Write(Position::Current), 2), Ok(5));
        drop(writer);
        let mut found = String::new();
        reader.read_to_string(&mut found).unwrap();
        assert_eq!(found, "hello");
    }
}

//! Floor 1: the guest's memory, and the only code that touches it (one of the addresses of `unsafe`).
//!
//! Every access is checked against the length first, in 64 bits, so no sum can wrap; what lies outside is EFAULT.
//! The memory may be shared with other threads, which write to it at any time. So no Rust reference to it is ever
//! made: bytes are copied in or out, each read once, or the kernel is handed the addresses.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use crate::abi::Ptr;
use crate::abi::errno::{Errno, Result};
use crate::abi::records::{Iovec, Record};
use smallvec::SmallVec;
use std::ffi::CStr;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, compiler_fence};

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as os;

/// Paths longer than this are ENAMETOOLONG; it bounds what a guest can make the host allocate for one.
pub const PATH_MAX: u32 = 4096;

/// How many iovecs one kernel call takes (Linux's and macOS's `IOV_MAX`).
const IOV_MAX: usize = 1024;

/// Room for a path copied out of the memory: on the stack while it is of ordinary length. It is filled where it is, for
/// to move it would cost as much as to look for a file.
#[derive(Debug)]
pub struct PathBytes {
    short: [MaybeUninit<u64>; 256 / WORD],
    long: Vec<u64>,
}

/// Bytes of a path that are copied at once.
const WORD: usize = size_of::<u64>();

impl Default for PathBytes {
    #[inline]
    fn default() -> Self {
        Self { short: [MaybeUninit::uninit(); _], long: Vec::new() }
    }
}

impl PathBytes {
    /// Where so many words may be written.
    #[inline]
    fn room(&mut self, words: usize) -> *mut u64 {
        if words <= self.short.len() {
            return self.short.as_mut_ptr().cast();
        }
        self.long.reserve(words);
        self.long.as_mut_ptr()
    }
}

/// The memory of a guest, for the time of one call.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    base: NonNull<u8>,
    len: u64,
    call: PhantomData<&'a ()>,
}

impl<'a> Memory<'a> {
    /// The memory of `len` bytes at `base`.
    ///
    /// # Safety
    /// For all of `'a` the bytes must stay readable and writable, and no Rust reference to them may exist.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len: len as u64, call: PhantomData }
    }

    /// Bytes in the memory.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of `len` bytes at `offset`, all inside; EFAULT otherwise.
    fn range(&self, offset: u64, len: u64) -> Result<*mut u8> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Errno::Fault);
        }
        let offset = usize::try_from(offset).map_err(|_| Errno::Fault)?;
        // SAFETY: offset <= len, checked above, so the result is inside the memory or one past its end.
        Ok(unsafe { self.base.as_ptr().add(offset) })
    }

    /// EFAULT unless `count` values of `T` lie inside at `ptr`.
    pub fn check<T: Record>(&self, ptr: Ptr<T>, count: u32) -> Result {
        self.range(u64::from(ptr.offset), u64::from(count) * T::SIZE as u64).map(drop)
    }

    /// Copies bytes out of the memory.
    pub fn copy_out(&self, ptr: Ptr<u8>, to: &mut [u8]) -> Result {
        let from = self.range(u64::from(ptr.offset), to.len() as u64)?;
        // SAFETY: `range` checked that `to.len()` bytes are inside; `to` is Rust's own, so the two do not overlap.
        unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies bytes into the memory.
    pub fn copy_in(&self, ptr: Ptr<u8>, from: &[u8]) -> Result {
        let to = self.range(u64::from(ptr.offset), from.len() as u64)?;
        // SAFETY: as in `copy_out`.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        Ok(())
    }

    /// Reads a number or record.
    pub fn read<T: Record>(&self, ptr: Ptr<T>) -> Result<T> {
        let mut bytes = T::ZERO;
        self.copy_out(Ptr::new(ptr.offset), bytes.as_mut())?;
        Ok(T::decode(&bytes))
    }

    /// Writes a number or record.
    pub fn write<T: Record>(&self, ptr: Ptr<T>, value: &T) -> Result {
        self.copy_in(Ptr::new(ptr.offset), value.encode().as_ref())
    }

    /// The address of element `index` of an array; EFAULT where it would wrap.
    pub fn element<T: Record>(&self, array: Ptr<T>, index: u32) -> Result<Ptr<T>> {
        let offset = u64::from(array.offset) + u64::from(index) * T::SIZE as u64;
        u32::try_from(offset).map(Ptr::new).map_err(|_| Errno::Fault)
    }

    /// Copies a path out to `bytes` and ends it with a NUL, as the operating system takes it. A NUL in it is EILSEQ: it
    /// would be cut there.
    ///
    /// A word at a time, which is read once, looked at and written: the kernel reads paths by words too, and the processor
    /// hands on what it has just written only if it is read as wide.
    #[inline]
    pub fn path<'p>(&self, ptr: Ptr<u8>, len: u32, bytes: &'p mut PathBytes) -> Result<&'p CStr> {
        let from = self.range(u64::from(ptr.offset), u64::from(len))?;
        if len > PATH_MAX {
            return Err(Errno::Nametoolong);
        }
        let len = len as usize;
        let (words, rest) = (len / WORD, len % WORD);
        let to = bytes.room(words + 1);
        let mut has_nul = false;
        for index in 0..words {
            // SAFETY: `range` has checked `len` bytes, and there is room for one word more than these are.
            unsafe {
                let word = read_word(from.add(index * WORD));
                has_nul |= holds_zero(word);
                to.add(index).write(word.to_le());
            }
        }
        let last = self.first_bytes(u64::from(ptr.offset) + (words * WORD) as u64, rest)?;
        let beyond = u64::MAX << (8 * rest);
        if has_nul || holds_zero(last | beyond) {
            return Err(Errno::Ilseq);
        }
        // SAFETY: it is the word there was room for; the bytes of the path have no NUL, and behind them stands one in `last`.
        unsafe {
            to.add(words).write(last.to_le());
            Ok(CStr::from_bytes_with_nul_unchecked(std::slice::from_raw_parts(to.cast(), len + 1)))
        }
    }

    /// A word whose first `len` bytes, less than a word, stand at `offset`. The others are 0.
    #[inline]
    fn first_bytes(&self, offset: u64, len: usize) -> Result<u64> {
        if let Ok(whole) = self.range(offset, WORD as u64) {
            // SAFETY: `range` has checked a whole word.
            return Ok(unsafe { read_word(whole) } & !(u64::MAX << (8 * len)));
        }
        let from = self.range(offset, len as u64)?;
        // SAFETY: `range` has checked so many bytes.
        let byte = |index| u64::from(unsafe { from.add(index).read_volatile() });
        Ok((0..len).fold(0, |word, index| word | byte(index) << (8 * index)))
    }

    /// An array of iovecs, not yet looked at; EFAULT unless the array itself is inside.
    pub fn iovecs(&self, ptr: Ptr<Iovec>, len: u32) -> Result<Iovecs<'a>> {
        self.check(ptr, len)?;
        Ok(Iovecs { memory: *self, array: ptr, len })
    }

    /// Lets `fill` write the bytes of one stretch, a bounded piece at a time.
    pub fn fill(&self, ptr: Ptr<u8>, len: u32, fill: impl FnMut(&mut [u8]) -> Result) -> Result {
        // Most stretches are a seed or a key: a large piece would cost more to clear than they to fill.
        if len <= 64 { self.fill_by::<64>(ptr, len, fill) } else { self.fill_by::<4096>(ptr, len, fill) }
    }

    fn fill_by<const PIECE: usize>(&self, ptr: Ptr<u8>, len: u32, mut fill: impl FnMut(&mut [u8]) -> Result) -> Result {
        self.check(ptr, len)?;
        let mut piece = [0; PIECE];
        let mut done = 0;
        while done < len {
            let now = (len - done).min(u32::try_from(PIECE).unwrap_or(u32::MAX));
            let piece = piece.split_at_mut(now as usize).0;
            fill(piece)?;
            self.copy_in(Ptr::new(ptr.offset + done), piece)?;
            done += now;
        }
        Ok(())
    }
}

/// Reads a word that may stand anywhere.
///
/// # Safety
/// So many bytes must be readable there.
#[inline]
unsafe fn read_word(from: *const u8) -> u64 {
    // SAFETY: the caller answers for the bytes.
    let word = unsafe { from.cast::<u64>().read_unaligned() };
    // What is looked at and what is used must come from one read: the compiler may not make it again behind this.
    compiler_fence(Ordering::SeqCst);
    u64::from_le(word)
}

/// Whether one of the word's bytes is 0.
const fn holds_zero(word: u64) -> bool {
    const LOWEST: u64 = u64::MAX / 0xff;
    word.wrapping_sub(LOWEST) & !word & (LOWEST << 7) != 0
}

/// Where in a file the bytes go or come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the descriptor's own offset, which moves.
    Current,
    /// At this offset; the descriptor's own stays.
    At(u64),
    /// At the end of the file, wherever that is when the bytes are written.
    End,
}

impl Position {
    /// Where to go on after so many bytes. EINVAL for an offset beyond 63 bits: it is signed in the operating system.
    fn moved_by(self, bytes: u32) -> Result<Self> {
        let Self::At(start) = self else {
            return Ok(self);
        };
        let offset = start.checked_add(u64::from(bytes)).filter(|offset| i64::try_from(*offset).is_ok());
        offset.map(Self::At).ok_or(Errno::Inval)
    }
}

/// The iovecs of one call.
#[derive(Clone, Copy, Debug)]
pub struct Iovecs<'a> {
    memory: Memory<'a>,
    array: Ptr<Iovec>,
    len: u32,
}

/// Iovecs as the kernel takes them, all inside the memory.
type Batch = SmallVec<[os::Iovec; 8]>;

impl Iovecs<'_> {
    /// Reads from `file` into the guest's buffers, all of them as far as the data goes; how many bytes came.
    pub fn read_from(&self, file: os::Handle<'_>, position: Position) -> Result<io::Result<u32>> {
        // SAFETY: `transfer` gives iovecs that lie in the memory, which outlives the call.
        self.transfer(position, |iovecs, position| unsafe { os::read(file, iovecs, position) })
    }

    /// Writes the guest's buffers to `file`; how many bytes went.
    pub fn write_to(&self, file: os::Handle<'_>, position: Position) -> Result<io::Result<u32>> {
        // SAFETY: as in `read_from`.
        self.transfer(position, |iovecs, position| unsafe { os::write(file, iovecs, position) })
    }

    /// Receives from a socket; how many bytes came, and whether a message was cut.
    /// With `peek` the data stays in the queue; with `whole` the call waits until the buffers are full.
    pub fn receive_from(&self, socket: os::Handle<'_>, peek: bool, whole: bool) -> Result<io::Result<(u32, bool)>> {
        let mut batch = Batch::new();
        self.batch(0, &mut batch)?;
        // SAFETY: the iovecs of a batch lie in the memory, which outlives the call.
        Ok(unsafe { os::receive(socket, &mut batch, peek, whole) })
    }

    /// Sends to a socket; how many bytes went. A closed peer is EPIPE and no signal.
    pub fn send_to(&self, socket: os::Handle<'_>) -> Result<io::Result<u32>> {
        let mut batch = Batch::new();
        self.batch(0, &mut batch)?;
        // SAFETY: as in `receive_from`.
        Ok(unsafe { os::send(socket, &mut batch) })
    }

    /// How many bytes they span; EFAULT for one outside the memory.
    pub fn bytes(&self) -> Result<u64> {
        (0..self.len).map(|index| self.stretch(index).map(|(_, len)| len as u64)).sum()
    }

    /// Copies the guest's buffers behind `to`, at most `most` bytes; how many bytes went.
    pub fn gather(&self, most: usize, to: &mut Vec<u8>) -> Result<u32> {
        self.copy(most, |base, len| {
            to.reserve(len);
            // SAFETY: `copy` gives a stretch inside the memory; `reserve` made room for as much behind what is there, and
            // `set_len` counts what was just written.
            unsafe {
                to.as_mut_ptr().add(to.len()).copy_from_nonoverlapping(base, len);
                to.set_len(to.len() + len);
            }
        })
    }

    /// Copies `from` into the guest's buffers as far as both go; how many bytes came.
    pub fn scatter(&self, from: &[u8]) -> Result<u32> {
        let mut rest = from;
        self.copy(from.len(), |base, len| {
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            // SAFETY: `copy` gives a stretch inside the memory; `piece` is as long, and Rust's own.
            unsafe { base.copy_from_nonoverlapping(piece.as_ptr(), len) };
        })
    }

    /// Hands each buffer to `copy_one`, together at most `most` bytes; how many bytes that were.
    fn copy(&self, most: usize, mut copy_one: impl FnMut(*mut u8, usize)) -> Result<u32> {
        let mut copied = 0;
        for index in 0..self.len {
            let (base, len) = self.stretch(index)?;
            let len = len.min(most - copied);
            copy_one(base, len);
            copied += len;
            if copied == most {
                break;
            }
        }
        u32::try_from(copied).map_err(|_| Errno::Overflow)
    }

    /// The bytes that an iovec stands for; EFAULT if they are outside the memory.
    fn stretch(&self, index: u32) -> Result<(*mut u8, usize)> {
        let iovec = self.memory.read(self.memory.element(self.array, index)?)?;
        Ok((self.memory.range(u64::from(iovec.buf), u64::from(iovec.buf_len))?, iovec.buf_len as usize))
    }

    /// Calls `kernel` with the iovecs. Most calls have one: it makes no batch.
    #[inline]
    fn transfer(
        &self,
        position: Position,
        kernel: impl Fn(&[os::Iovec], Position) -> io::Result<u32>,
    ) -> Result<io::Result<u32>> {
        if self.len != 1 {
            return self.transfer_batches(position, kernel);
        }
        let (base, len) = self.stretch(0)?;
        Ok(kernel(&[os::Iovec { iov_base: base.cast(), iov_len: len }], position.moved_by(0)?))
    }

    /// Calls `kernel` with batches of at most IOV_MAX iovecs until one is cut short, or all are served.
    fn transfer_batches(
        &self,
        position: Position,
        kernel: impl Fn(&[os::Iovec], Position) -> io::Result<u32>,
    ) -> Result<io::Result<u32>> {
        let mut first = 0;
        let mut total = 0_u32;
        let mut batch = Batch::new();
        loop {
            let wanted = self.batch(first, &mut batch)?;
            let moved = match kernel(&batch, position.moved_by(total)?) {
                Ok(moved) => moved,
                // What was moved before the error is reported first; the error comes with the next call.
                Err(error) => return Ok(if total > 0 { Ok(total) } else { Err(error) }),
            };
            total = total.saturating_add(moved);
            first += u32::try_from(batch.len()).unwrap_or(u32::MAX);
            // A count is 32 bits: stop well before it is full.
            if first >= self.len || u64::from(moved) < wanted || total > u32::MAX / 2 {
                return Ok(Ok(total));
            }
        }
    }

    /// Puts the iovecs from number `first` on into `batch`, at most IOV_MAX; how many bytes they span. EFAULT for one
    /// outside the memory.
    fn batch(&self, first: u32, batch: &mut Batch) -> Result<u64> {
        let mut wanted = 0;
        batch.clear();
        for index in (first..self.len).take(IOV_MAX) {
            let (base, len) = self.stretch(index)?;
            batch.push(os::Iovec { iov_base: base.cast(), iov_len: len });
            wanted += len as u64;
        }
        Ok(wanted)
    }
}

/// A memory for tests: every byte starts as [`guest::MASK`], so that a stray write is seen.
#[cfg(test)]
pub mod guest {
    use super::*;
    use std::cell::UnsafeCell;

    /// What every byte holds at first.
    pub const MASK: u8 = 0xa5;

    /// A guest's memory on the heap.
    pub struct TestMemory {
        bytes: Vec<UnsafeCell<u8>>,
    }

    impl TestMemory {
        /// A masked memory of `len` bytes.
        pub fn new(len: usize) -> Self {
            Self { bytes: (0..len).map(|_| UnsafeCell::new(MASK)).collect() }
        }

        /// The view a syscall gets.
        pub fn view(&self) -> Memory<'_> {
            let base = NonNull::new(self.bytes.as_ptr().cast_mut().cast()).unwrap();
            // SAFETY: the cells live as long as `self`, may be written through a shared borrow, and no reference to
            // their contents is handed out.
            unsafe { Memory::new(base, self.bytes.len()) }
        }

        /// Puts bytes at `offset`.
        pub fn put(&self, offset: u32, bytes: &[u8]) -> Ptr<u8> {
            self.view().copy_in(Ptr::new(offset), bytes).unwrap();
            Ptr::new(offset)
        }

        /// The bytes at `offset`.
        pub fn get(&self, offset: u32, len: usize) -> Vec<u8> {
            let mut bytes = vec![0; len];
            self.view().copy_out(Ptr::new(offset), &mut bytes).unwrap();
            bytes
        }

        /// Puts iovecs at `offset`, each `(buf, buf_len)`.
        pub fn put_iovecs(&self, offset: u32, iovecs: &[(u32, u32)]) -> (Ptr<Iovec>, u32) {
            for (index, (buf, buf_len)) in iovecs.iter().enumerate() {
                let at = offset + u32::try_from(index * Iovec::SIZE).unwrap();
                self.view().write(Ptr::new(at), &Iovec { buf: *buf, buf_len: *buf_len }).unwrap();
            }
            (Ptr::new(offset), u32::try_from(iovecs.len()).unwrap())
        }

        /// Asserts that nothing but these stretches `(offset, len)` was ever written.
        pub fn assert_masked_but(&self, written: &[(u32, u32)]) {
            for (at, byte) in self.get(0, self.bytes.len()).into_iter().enumerate() {
                let at = u32::try_from(at).unwrap();
                let allowed = written.iter().any(|(offset, len)| (*offset..offset + len).contains(&at));
                assert!(allowed || byte == MASK, "a stray write at {at}: {byte:#x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::guest::TestMemory;
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn what_ends_past_the_memory_is_efault_and_nothing_is_written() {
        let memory = TestMemory::new(16);
        let view = memory.view();
        assert_eq!(view.write(Ptr::new(9), &1_u64), Err(Errno::Fault));
        assert_eq!(view.write(Ptr::new(u32::MAX), &1_u8), Err(Errno::Fault));
        assert_eq!(view.read::<u32>(Ptr::new(13)), Err(Errno::Fault));
        assert_eq!(view.check(Ptr::<Iovec>::new(8), u32::MAX), Err(Errno::Fault));
        assert_eq!(view.element(Ptr::<u64>::new(8), u32::MAX).unwrap_err(), Errno::Fault);
        memory.assert_masked_but(&[]);
        assert_eq!(view.write(Ptr::new(8), &1_u64), Ok(()));
        memory.assert_masked_but(&[(8, 8)]);
    }

    #[test]
    fn a_memory_of_no_pages_takes_empty_stretches_only() {
        let memory = TestMemory::new(0);
        assert!(memory.view().is_empty());
        assert_eq!(memory.view().copy_in(Ptr::new(0), &[]), Ok(()));
        assert_eq!(memory.view().copy_in(Ptr::new(0), &[1]), Err(Errno::Fault));
    }

    #[test]
    fn a_path_may_not_hold_nul_nor_be_longer_than_the_host_takes() {
        let memory = TestMemory::new(2 * PATH_MAX as usize);
        memory.put(0, b"a/b");
        let mut bytes = PathBytes::default();
        let mut path = |at, len| memory.view().path(Ptr::new(at), len, &mut bytes).map(CStr::to_owned);
        assert_eq!(path(0, 3).unwrap().as_c_str(), c"a/b");
        memory.put(1, b"\0");
        assert_eq!(path(0, 3).unwrap_err(), Errno::Ilseq);
        assert_eq!(path(8, PATH_MAX + 1).unwrap_err(), Errno::Nametoolong);
        assert_eq!(path(8, u32::MAX).unwrap_err(), Errno::Fault);
    }

    #[test]
    fn a_path_is_copied_as_it_is_whatever_its_length_and_place() {
        let text: Vec<u8> = (1..=u8::MAX).cycle().take(600).collect();
        let memory = TestMemory::new(text.len());
        let mut bytes = PathBytes::default();
        for len in (0..=20).chain(250..=270) {
            // In the middle, where other bytes follow, and up to the end of the memory, where none do.
            for at in (0..9).chain(text.len() - len - 9..=text.len() - len) {
                memory.put(0, &text);
                let place = (Ptr::new(u32::try_from(at).unwrap()), u32::try_from(len).unwrap());
                let path = memory.view().path(place.0, place.1, &mut bytes).unwrap();
                assert_eq!(path.to_bytes(), &text[at..at + len]);
                for nul in at..at + len {
                    memory.put(u32::try_from(nul).unwrap(), b"\0");
                    assert_eq!(memory.view().path(place.0, place.1, &mut bytes), Err(Errno::Ilseq));
                    memory.put(u32::try_from(nul).unwrap(), &text[nul..=nul]);
                }
            }
        }
    }

    #[test]
    fn every_iovec_is_served_also_more_than_the_kernel_takes_at_once() {
        let count = 3000_u32;
        let memory = TestMemory::new(64 * 1024);
        let rows: Vec<_> = (0..count).map(|index| (40_000 + index, 1)).collect();
        let (array, len) = memory.put_iovecs(0, &rows);
        let data: Vec<u8> = (0..count).map(|index| (index % 251) as u8).collect();
        memory.put(40_000, &data);

        let mut file = tempfile::tempfile().unwrap();
        let iovecs = memory.view().iovecs(array, len).unwrap();
        assert_eq!(iovecs.write_to(os::handle(&file), Position::Current).unwrap().unwrap(), count);
        let mut found = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut found).unwrap();
        assert_eq!(found, data);

        memory.put(40_000, &vec![0; count as usize]);
        assert_eq!(iovecs.read_from(os::handle(&file), Position::At(1)).unwrap().unwrap(), count - 1);
        assert_eq!(memory.get(40_000, count as usize - 1), data[1..]);
    }

    #[test]
    fn one_iovec_outside_the_memory_moves_nothing() {
        let memory = TestMemory::new(128);
        let (array, len) = memory.put_iovecs(0, &[(64, 8), (126, 8)]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789abcdef").unwrap();
        let iovecs = memory.view().iovecs(array, len).unwrap();
        assert_eq!(iovecs.read_from(os::handle(&file), Position::At(0)).unwrap_err(), Errno::Fault);
        memory.assert_masked_but(&[(0, 16)]);
        assert_eq!(memory.view().iovecs(Ptr::new(8), u32::MAX).unwrap_err(), Errno::Fault);
    }

    #[test]
    fn fill_writes_long_stretches_in_pieces() {
        let memory = TestMemory::new(10_000);
        let mut next = 0_u8;
        let counted = memory.view().fill(Ptr::new(1), 9_000, |piece| {
            piece.fill(next);
            next += 1;
            Ok(())
        });
        assert_eq!(counted, Ok(()));
        assert_eq!(
            (memory.get(1, 1), memory.get(4096, 1), memory.get(4097, 1), memory.get(9000, 1)),
            (vec![0], vec![0], vec![1], vec![2])
        );
        memory.assert_masked_but(&[(1, 9_000)]);
    }
}

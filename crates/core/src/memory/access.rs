//! The memory, and checked copies in and out of it.

use crate::abi::Ptr;
use crate::abi::errno::{Errno, Result};
use crate::abi::records::Record;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, compiler_fence};

/// Paths longer than this are ENAMETOOLONG; it bounds what a guest can make the host allocate for one.
pub const PATH_MAX: u32 = 4096;

/// Room for a path copied out of the memory: on the stack while it is of ordinary length. It is filled where
/// it is, for to move it would cost as much as to look for a file.
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
    /// The address at which so many words may be written.
    #[inline]
    fn reserve(&mut self, words: usize) -> *mut u64 {
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

    /// The bytes of the host itself as a memory, for system calls that it makes.
    pub const fn of_bytes(bytes: &'a mut [u8]) -> Self {
        Self { base: NonNull::from_mut(bytes).cast(), len: bytes.len() as u64, call: PhantomData }
    }

    /// A memory of no bytes.
    pub(super) const fn empty() -> Self {
        Self { base: NonNull::dangling(), len: 0, call: PhantomData }
    }

    /// Bytes in the memory.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True if there is no byte in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of `len` bytes at `offset`, all inside; EFAULT otherwise.
    pub(super) fn range(&self, offset: u64, len: u64) -> Result<*mut u8> {
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
        // SAFETY: `range` checked that `to.len()` bytes are inside; `to` is Rust's own, so the two do not
        // overlap.
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

    /// Copies a path out to `bytes` and ends it with a NUL, as the operating system takes it. A NUL in it is
    /// EILSEQ: it would be cut there.
    ///
    /// A word at a time, which is read once, looked at and written: the kernel reads paths by words too, and
    /// the processor hands on what it has just written only if it is read as wide.
    #[inline]
    pub fn path<'p>(&self, ptr: Ptr<u8>, len: u32, bytes: &'p mut PathBytes) -> Result<&'p CStr> {
        let from = self.range(u64::from(ptr.offset), u64::from(len))?;
        if len > PATH_MAX {
            return Err(Errno::Nametoolong);
        }
        let len = len as usize;
        let (words, rest) = (len / WORD, len % WORD);
        let to = bytes.reserve(words + 1);
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
        // SAFETY: it is the word there was room for; the bytes of the path have no NUL, and behind them
        // stands one in `last`.
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
    // The word that is checked and the word that is used must come from one read: the compiler may not read
    // again behind this.
    compiler_fence(Ordering::SeqCst);
    u64::from_le(word)
}

/// True if one of the word's bytes is 0.
const fn holds_zero(word: u64) -> bool {
    const LOWEST: u64 = u64::MAX / 0xff;
    word.wrapping_sub(LOWEST) & !word & (LOWEST << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::super::guest::TestMemory;
    use super::*;
    use crate::abi::records::Iovec;

    #[test]
    fn a_stretch_past_the_memory_is_efault_and_nothing_is_written() {
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

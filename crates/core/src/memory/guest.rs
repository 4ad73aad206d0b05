//! A memory for tests: every byte starts as [`MASK`], so that a stray write is seen.

use super::Memory;
use crate::abi::Ptr;
use crate::abi::records::{Iovec, Record};
use std::cell::UnsafeCell;
use std::ptr::NonNull;

/// The first value of every byte.
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
        // SAFETY: the cells live as long as `self`, may be written through a shared borrow, and no reference
        // to their contents is handed out.
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

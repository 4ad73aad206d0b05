//! The memory of system calls that interfaces make.

use super::errors::Made;
use crate::direct::Block;
use wasi_rs_core::abi::records::Record;
use wasi_rs_core::abi::{Errno, Ptr};
use wasi_rs_core::memory::{Memory, PATH_MAX};

/// Memory for the time of a call: what is put there, and room for results. It is kept for later calls.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    /// The first of them are in use.
    used: usize,
    /// True after a call: the next thing that is put there takes the place of all.
    is_over: bool,
    /// For bytes of files.
    pub block: Block,
}

/// The bytes of scratch memory that are kept.
const KEPT: usize = 16 << 10;

/// The bytes for those of files that are kept.
pub const KEPT_BLOCK: u32 = 64 << 10;

impl Scratch {
    /// Forgets what is there.
    pub fn clear(&mut self) {
        (self.used, self.is_over) = (0, false);
        if self.bytes.len() > KEPT {
            self.bytes = Vec::new();
        }
    }

    /// The offset of room for bytes, in which there may be any.
    pub fn allot(&mut self, len: usize) -> u64 {
        if self.is_over {
            self.clear();
        }
        let at = self.used;
        self.used = at.saturating_add(len);
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        at as u64
    }

    /// The offset of bytes that are put there.
    pub fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.allot(bytes.len());
        let place = usize::try_from(at).ok().and_then(|at| self.bytes.get_mut(at..self.used));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
        at
    }

    /// The offset of room for a number or record.
    pub fn room<T: Record>(&mut self) -> u64 {
        self.put(T::ZERO.as_ref())
    }

    /// The offset of a path, and its length.
    pub fn path(&mut self, path: &str) -> Made<[u64; 2]> {
        if path.len() > PATH_MAX as usize {
            return Err(Errno::Nametoolong.into());
        }
        if path.starts_with('/') {
            return Err(Errno::Perm.into());
        }
        Ok([self.put(path.as_bytes()), path.len() as u64])
    }

    /// The bytes in use.
    fn used(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.used).unwrap_or_default()
    }

    /// The bytes in use, for a call: the last thing that is done with them.
    pub fn of_call(&mut self) -> &mut [u8] {
        self.is_over = true;
        self.used()
    }

    /// The bytes from an offset on.
    pub fn bytes(&self, at: u64, len: u32) -> &[u8] {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        self.bytes.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }

    /// A number or record.
    pub fn get<T: Record>(&mut self, at: u64) -> Made<T> {
        Ok(Memory::of_bytes(self.used()).read(Ptr::new(low(at)))?)
    }
}

/// An offset in a buffer, which is shorter than 4 GiB.
pub fn low(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

//! The interface between a handle and its tree: calls, and their parameters and results.

use crate::abi::errno::{Errno, Result};
use crate::abi::records::{Dirent, Filestat, Record};
use crate::host::file::SetTime;
use std::ffi::{CStr, c_void};
use std::ptr;

/// A call, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Call(pub u32);

/// Declares the calls, numbered in their order.
macro_rules! calls {
    ($($name:ident = $number:literal),* $(,)?) => { impl Call { $(pub const $name: Self = Self($number);)* } };
}

calls! {
    CLOSE = 0, REOPEN = 1, STAT = 2, SET_TIMES = 3, SIZE = 4, READ = 5, WRITE = 6, SET_SIZE = 7, ALLOCATE = 8,
    LIST = 9, OPEN_AT = 10, STAT_AT = 11, SET_TIMES_AT = 12, CREATE_DIR_AT = 13, REMOVE_DIR_AT = 14,
    UNLINK_AT = 15, RENAME_AT = 16, LINK_AT = 17, SYMLINK_AT = 18, READLINK_AT = 19, LOWER_DIR = 20, SIFT = 21,
}

/// The parameters and results of a call.
#[derive(Debug)]
#[repr(C)]
pub struct Message {
    /// The present time.
    pub now: u64,
    /// Numbers of the call, then those of its answer.
    pub numbers: [u64; 8],
    /// A path, or the target of a link.
    pub path: Bytes,
    /// Another one.
    pub new_path: Bytes,
    /// An open directory of the same library.
    pub other: *const c_void,
    /// Bytes that the call reads or writes.
    pub buffer: *mut u8,
    /// Their number.
    pub buffer_len: usize,
    /// A file or directory that the call has opened.
    pub opened: *mut c_void,
    /// The interruption of the call.
    pub interruption: Interruption,
}

/// The interruption of a call, as functions that the other library calls.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Interruption {
    /// A `&dyn Interrupt`.
    pub of: *const c_void,
    /// True if the call is to end.
    pub is_interrupted: Option<IsInterrupted>,
}

/// A function that answers true if the call is to end.
pub type IsInterrupted = extern "C" fn(of: *const c_void) -> bool;

/// Bytes of a path, with a NUL behind them that is counted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Bytes {
    /// The first one.
    pub start: *const u8,
    /// Their number.
    pub len: usize,
}

impl From<&CStr> for Bytes {
    fn from(path: &CStr) -> Self {
        let bytes = path.to_bytes_with_nul();
        Self { start: bytes.as_ptr(), len: bytes.len() }
    }
}

impl Message {
    /// A call at the time `now`, with a path.
    pub fn new(now: u64, path: &CStr) -> Self {
        Self {
            now,
            numbers: [0; 8],
            path: path.into(),
            new_path: c"".into(),
            other: ptr::null(),
            buffer: ptr::null_mut(),
            buffer_len: 0,
            opened: ptr::null_mut(),
            interruption: Interruption { of: ptr::null(), is_interrupted: None },
        }
    }

    /// Its numbers.
    pub fn with_numbers<const N: usize>(mut self, numbers: [u64; N]) -> Self {
        self.put_numbers(numbers);
        self
    }

    /// Sets its first numbers.
    pub fn put_numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        for (to, number) in self.numbers.iter_mut().zip(numbers) {
            *to = number;
        }
    }

    /// Its bytes.
    pub fn with_buffer(self, buffer: *mut u8, buffer_len: usize) -> Self {
        Self { buffer, buffer_len, ..self }
    }

    /// The first number of an answer.
    pub fn number(&self) -> u64 {
        self.numbers.first().copied().unwrap_or(0)
    }

    /// The attributes of a file in an answer.
    pub fn stat(&self) -> Filestat {
        let [dev, ino, filetype, nlink, size, atim, mtim, ctim] = self.numbers;
        Filestat { dev, ino, filetype: u8::try_from(filetype).unwrap_or(0), nlink, size, atim, mtim, ctim }
    }

    /// Puts the attributes of a file into an answer.
    pub fn put_stat(&mut self, stat: Filestat) {
        let Filestat { dev, ino, filetype, nlink, size, atim, mtim, ctim } = stat;
        self.numbers = [dev, ino, filetype.into(), nlink, size, atim, mtim, ctim];
    }

    /// Two times among its numbers, from this one on.
    pub fn times(&self, from: usize) -> Result<(SetTime, SetTime)> {
        let time = |at: usize| match self.numbers.get(at..at + 2) {
            Some([0, _]) => Ok(SetTime::Keep),
            Some([1, _]) => Ok(SetTime::Now),
            Some([2, time]) => Ok(SetTime::To(*time)),
            _ => Err(Errno::Inval),
        };
        Ok((time(from)?, time(from + 2)?))
    }
}

/// A time as two numbers.
pub const fn time_as_numbers(time: SetTime) -> [u64; 2] {
    match time {
        SetTime::Keep => [0, 0],
        SetTime::Now => [1, 0],
        SetTime::To(time) => [2, time],
    }
}

/// Entries of a directory in memory, each with its name, as `fd_readdir` has them.
#[derive(Clone, Debug)]
pub struct Rows<'b>(pub &'b [u8]);

impl<'b> Iterator for Rows<'b> {
    type Item = (Dirent, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, behind) = self.0.split_first_chunk()?;
        let head = Dirent::decode(head);
        let (name, rest) = behind.split_at_checked(head.d_namlen as usize)?;
        self.0 = rest;
        Some((head, name))
    }
}

//! The calls on open files and directories in memory, as the library that has made their tree serves them.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use super::message::{Bytes, Call, Interruption, Message};
use super::opened::{Got, Opened};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Oflags};
use crate::host::dir::OpenHow;
use crate::host::file::{File, Shown};
use crate::host::names::Names;
use crate::host::wait::Interrupt;
use crate::memory::Buffers;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// The version of the interface: one more after any change of it.
pub const VERSION: u32 = 3;

/// The functions of a library that makes trees.
#[derive(Debug)]
#[repr(C)]
pub struct Library {
    /// The version of the interface that it has.
    pub version: u32,
    /// Makes a call on what is open; the errno. The message has its parameters, and gets its results.
    pub serve: unsafe extern "C" fn(opened: NonNull<c_void>, call: Call, message: *mut Message) -> u16,
}

/// Those of this one.
pub static LIBRARY: Library = Library { version: VERSION, serve };

/// Makes a call on what this library has open.
unsafe extern "C" fn serve(opened: NonNull<c_void>, call: Call, message: *mut Message) -> u16 {
    let made = catch_unwind(AssertUnwindSafe(|| {
        if call == Call::CLOSE {
            // SAFETY: `Open` closes once, what `Open::of` has leaked.
            drop(unsafe { Box::from_raw(opened.cast::<Opened>().as_ptr()) });
            return Ok(());
        }
        // SAFETY: the caller's `Open` keeps it.
        let opened = unsafe { opened.cast::<Opened>().as_ref() };
        // SAFETY: the caller's message is there for the time of the call, and nobody else has it.
        let message = unsafe { message.as_mut() }.ok_or(Errno::Fault)?;
        answer(opened, call, message)
    }));
    made.unwrap_or(Err(Errno::Io)).err().map_or(0, Errno::number)
}

fn answer(opened: &Opened, call: Call, message: &mut Message) -> Result {
    // SAFETY: paths are of C strings that outlive the call.
    let text = |bytes: Bytes| unsafe { std::slice::from_raw_parts(bytes.start, bytes.len) };
    let path = CStr::from_bytes_with_nul(text(message.path)).map_err(|_| Errno::Ilseq)?;
    let new_path = CStr::from_bytes_with_nul(text(message.new_path)).map_err(|_| Errno::Ilseq)?;
    let (now, numbers) = (message.now, message.numbers);
    let [first, second, ..] = numbers;
    let follow = first != 0;
    let asked = Asked(message.interruption);
    let moment = (now, &asked as &dyn Interrupt);
    match call {
        Call::REOPEN => hand_over(message, opened.reopen()?),
        Call::STAT => message.put_stat(opened.stat()?),
        Call::SET_TIMES => {
            let (atim, mtim) = message.times(0)?;
            opened.set_times(atim, mtim, now)?;
        }
        Call::SIZE => message.put_numbers([opened.size()]),
        Call::READ => {
            // SAFETY: the caller's buffer is in a guest's memory, or its own, for the time of the call.
            let mut buffers = unsafe { Buffers::at(message.buffer, message.buffer_len) };
            let moved = opened.read(first, &mut buffers, message.buffer_len as u64)?;
            message.put_numbers([moved.into()]);
        }
        Call::WRITE => {
            // SAFETY: as for `READ`.
            let mut buffers = unsafe { Buffers::at(message.buffer, message.buffer_len) };
            let offset = (first != 0).then_some(second);
            let (moved, end) = opened.write(offset, &mut buffers, message.buffer_len as u64, now)?;
            message.put_numbers([moved.into(), end]);
        }
        Call::SET_SIZE => opened.set_size(first, now)?,
        Call::ALLOCATE => opened.allocate(first, second, now)?,
        Call::LIST => {
            // SAFETY: it is the caller's own, for the time of the call.
            let buffer = unsafe { std::slice::from_raw_parts_mut(message.buffer, message.buffer_len) };
            message.put_numbers([opened.list(first, buffer)? as u64]);
        }
        Call::OPEN_AT => {
            let [oflags, fdflags, follow, read, write, read_only, ..] = numbers;
            let bits = |number| u16::try_from(number).map_err(|_| Errno::Inval);
            let how = OpenHow {
                follow: follow != 0,
                oflags: Oflags::from_bits_truncate(bits(oflags)?),
                fdflags: Fdflags::from_bits_truncate(bits(fdflags)?),
                read: read != 0,
                write: write != 0,
            };
            let opened = opened.with_names(moment, |start, names| match read_only {
                0 => names.open(start, path, &how),
                _ => names.open_at_read_only(start, path, how),
            });
            match opened? {
                Got::Opened(opened) => hand_over(message, opened),
                Got::Host(file) => hand_over_file(message, Some(file))?,
            }
        }
        Call::STAT_AT => message.put_stat(opened.with_names(moment, |start, names| names.stat(start, path, follow))?),
        Call::SET_TIMES_AT => {
            let times = message.times(1)?;
            opened.with_names(moment, |start, names| names.set_times_at(start, path, follow, times))?;
        }
        Call::CREATE_DIR_AT => opened.with_names(moment, |start, names| names.create_dir_at(start, path))?,
        Call::REMOVE_DIR_AT => opened.with_names(moment, |start, names| names.remove_dir_at(start, path))?,
        Call::UNLINK_AT => opened.with_names(moment, |start, names| names.unlink_at(start, path))?,
        Call::RENAME_AT | Call::LINK_AT => {
            // SAFETY: the caller has another `Open` of this library there.
            let other = unsafe { message.other.cast::<Opened>().as_ref() }.ok_or(Errno::Fault)?;
            opened.with_names(moment, |start, names| match call {
                Call::RENAME_AT => names.rename_at(start, path, other.place(), new_path),
                _ => names.link_at(start, path, follow, (other.place(), new_path)),
            })?;
        }
        Call::SYMLINK_AT => opened.with_names(moment, |start, names| names.symlink_at(path, start, new_path))?,
        Call::READLINK_AT => {
            // SAFETY: as for `LIST`.
            let buffer = unsafe { std::slice::from_raw_parts_mut(message.buffer, message.buffer_len) };
            let mut read = |target: &[u8]| {
                buffer.get_mut(..target.len()).ok_or(Errno::Nametoolong)?.copy_from_slice(target);
                Ok(target.len() as u64)
            };
            let len = opened.with_names(moment, |start, names| names.readlink_at(start, path, &mut read))?;
            message.put_numbers([len]);
        }
        Call::LOWER_DIR => hand_over_file(message, opened.lower_dir()?)?,
        Call::SIFT => {
            // SAFETY: as for `LIST`.
            let rows = unsafe { std::slice::from_raw_parts_mut(message.buffer, message.buffer_len) };
            message.put_numbers([opened.sift(first, rows)? as u64]);
        }
        _ => return Err(Errno::Nosys),
    }
    Ok(())
}

fn hand_over(message: &mut Message, opened: Opened) {
    message.put_numbers([opened.filetype().number().into(), opened.dev(), opened.is_merged().into()]);
    message.opened = Box::into_raw(Box::new(opened)).cast();
}

/// An interruption that the other library knows.
#[derive(Debug)]
struct Asked(Interruption);

// SAFETY: it stands for a `&dyn Interrupt`, which is both.
unsafe impl Send for Asked {}
// SAFETY: as above.
unsafe impl Sync for Asked {}
impl Interrupt for Asked {
    fn poll_interval(&self) -> Option<u64> {
        None
    }

    fn is_interrupted(&self) -> bool {
        // The two are there for each other, until the call is over.
        self.0.is_interrupted.is_some_and(|ask| ask(self.0.of))
    }
}

/// Puts an open file of the host, or none, into an answer: its handle is the asking library's from now on.
fn hand_over_file(message: &mut Message, file: Option<File>) -> Result {
    message.put_numbers([0]);
    if let Some(file) = file {
        let Shown { dev, ino } = file.shown().unwrap_or(Shown { dev: 0, ino: 0 });
        message.put_numbers([1, file.into_number().ok_or(Errno::Io)?, dev, ino]);
    }
    Ok(())
}

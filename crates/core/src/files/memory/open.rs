//! Open files and directories in memory, as descriptors have them.
//!
//! The addon with the class and the one with the engine each have this code, and guests of both share
//! trees: the addon that has made a tree makes all calls on it, and the other one asks for them. So
//! between a handle and its tree is an interface of C's types, of which both have the same version.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use super::message::{Call, Interruption, Message, Rows, time_as_numbers};
use super::moment::Moment;
use super::opened::Opened;
use super::serve::{LIBRARY, Library, VERSION};
use super::tree::Tree;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::{File, OwnedHandle, SetTime, Shown};
use crate::host::wait::Interrupt;
use crate::memory::{Buffers, PATH_MAX};
use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, OnceLock};

/// An open file or directory of a tree. It stays what it is when its names are removed.
#[derive(Debug)]
pub struct Open {
    raw: RawOpen,
    filetype: Filetype,
    dev: u64,
    /// True for a directory with one of the host's beneath it.
    is_merged: bool,
    /// The one of the host, once it has been listed; none if it has gone.
    lower: OnceLock<Option<Box<File>>>,
}

/// The outcome of opening a path.
#[derive(Debug)]
pub enum Reached {
    /// A file in memory, or a directory.
    Memory(Open),
    /// A file of the host, which nobody changes through it.
    Host(File),
}

/// An open file or directory, and the functions of the library that has made its tree.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawOpen {
    library: &'static Library,
    opened: NonNull<c_void>,
}

// SAFETY: what is open is an `Opened`, which is `Send` and `Sync`, in whichever library.
unsafe impl Send for Open {}
// SAFETY: as above.
unsafe impl Sync for Open {}

impl Tree {
    /// Its root directory, opened.
    pub fn root(self: &Arc<Self>) -> Result<Open> {
        Ok(Open::of(self.open_root()?))
    }
}

impl Open {
    /// A handle of one that this library has opened.
    fn of(opened: Opened) -> Self {
        let (filetype, dev, is_merged) = (opened.filetype(), opened.dev(), opened.is_merged());
        let opened = NonNull::from(Box::leak(Box::new(opened))).cast();
        Self { raw: RawOpen { library: &LIBRARY, opened }, filetype, dev, is_merged, lower: OnceLock::new() }
    }

    /// The handle for another library, good as long as this value is there.
    pub const fn raw(&self) -> RawOpen {
        self.raw
    }

    /// The same as in another library, opened once more. None if that is of another version.
    ///
    /// # Safety
    /// `raw` must be of an [`Open`], of whichever library, that is there.
    pub unsafe fn of_raw(raw: RawOpen) -> Option<Result<Self>> {
        if raw.library.version != VERSION {
            return None;
        }
        let mut message = Message::new(0, c"");
        Some(raw.call(Call::REOPEN, &mut message).and_then(|()| Self::opened_by(raw.library, &message)))
    }

    /// The handle that a call has opened.
    fn opened_by(library: &'static Library, message: &Message) -> Result<Self> {
        let opened = NonNull::new(message.opened).ok_or(Errno::Io)?;
        let [filetype, dev, is_merged, ..] = message.numbers;
        let is_dir = filetype == u64::from(Filetype::Directory.number());
        let filetype = if is_dir { Filetype::Directory } else { Filetype::RegularFile };
        let raw = RawOpen { library, opened };
        Ok(Self { raw, filetype, dev, is_merged: is_merged != 0, lower: OnceLock::new() })
    }

    /// A call with a path.
    fn message(moment: &Moment<'_>, path: &CStr) -> Message {
        extern "C" fn is_interrupted(of: *const c_void) -> bool {
            // SAFETY: the moment is there for the time of the call.
            unsafe { of.cast::<&dyn Interrupt>().as_ref() }.is_some_and(|interrupt| interrupt.is_interrupted())
        }
        let interruption =
            Interruption { of: (&raw const moment.interrupt).cast(), is_interrupted: Some(is_interrupted) };
        Message { interruption, ..Message::new(moment.now, path) }
    }

    fn call(&self, call: Call, mut message: Message) -> Result<Message> {
        self.raw.call(call, &mut message)?;
        Ok(message)
    }

    /// Its type.
    pub const fn filetype(&self) -> Filetype {
        self.filetype
    }

    /// The number of its tree.
    pub const fn dev(&self) -> u64 {
        self.dev
    }

    /// True if it is in the same tree as `other`.
    pub fn is_beside(&self, other: &Self) -> bool {
        ptr::eq(self.raw.library, other.raw.library) && self.dev == other.dev
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        Ok(self.call(Call::STAT, Message::new(0, c""))?.stat())
    }

    /// Sets its times.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime, now: u64) -> Result {
        let ([atim, atim_at], [mtim, mtim_at]) = (time_as_numbers(atim), time_as_numbers(mtim));
        self.call(Call::SET_TIMES, Message::new(now, c"").with_numbers([atim, atim_at, mtim, mtim_at])).map(drop)
    }

    /// The length of the file; 0 of a directory.
    pub fn size(&self) -> u64 {
        self.call(Call::SIZE, Message::new(0, c"")).map_or(0, |message| message.number())
    }

    /// Reads from `offset` on into the buffers, at most `most` bytes; how many. EISDIR for a directory.
    pub fn read(&self, offset: u64, buffers: &mut Buffers<'_>, most: u64) -> Result<u32> {
        let mut moved = 0;
        loop {
            let (start, len) = buffers.stretch(most - u64::from(moved));
            let message = Message::new(0, c"").with_numbers([offset + u64::from(moved)]).with_buffer(start, len);
            let count = match self.call(Call::READ, message) {
                Ok(message) => u32::try_from(message.number()).unwrap_or(u32::MAX),
                Err(_) if moved > 0 => return Ok(moved),
                Err(errno) => return Err(errno),
            };
            buffers.advance(count);
            moved += count;
            if (count as usize) < len || len == 0 || u64::from(moved) >= most {
                return Ok(moved);
            }
        }
    }

    /// Writes from `offset` on, or to the end, out of the buffers, at most `most` bytes; how many, and
    /// where they end. ENOSPC if there is room for none.
    pub fn write(&self, mut offset: Option<u64>, buffers: &mut Buffers<'_>, most: u64, now: u64) -> Result<(u32, u64)> {
        let mut moved = 0;
        loop {
            let (start, len) = buffers.stretch(most - u64::from(moved));
            let message = Message::new(now, c"").with_numbers([offset.is_some().into(), offset.unwrap_or(0)]);
            let (count, end) = match self.call(Call::WRITE, message.with_buffer(start, len)) {
                Ok(Message { numbers: [count, end, ..], .. }) => (u32::try_from(count).unwrap_or(u32::MAX), end),
                Err(_) if moved > 0 => return Ok((moved, offset.unwrap_or(0))),
                Err(errno) => return Err(errno),
            };
            buffers.advance(count);
            moved += count;
            if (count as usize) < len || len == 0 || u64::from(moved) >= most {
                return Ok((moved, end));
            }
            offset = Some(end);
        }
    }

    /// Cuts or extends the file.
    pub fn set_size(&self, size: u64, now: u64) -> Result {
        self.call(Call::SET_SIZE, Message::new(now, c"").with_numbers([size])).map(drop)
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least.
    pub fn allocate(&self, offset: u64, len: u64, now: u64) -> Result {
        self.call(Call::ALLOCATE, Message::new(now, c"").with_numbers([offset, len])).map(drop)
    }

    /// The entries from `cookie` on, as many as fit into the buffer. A cookie stays good whatever comes and
    /// goes.
    pub fn list<'b>(&self, cookie: u64, buffer: &'b mut [u8]) -> Result<Rows<'b>> {
        let message = Message::new(0, c"").with_numbers([cookie]).with_buffer(buffer.as_mut_ptr(), buffer.len());
        let used = usize::try_from(self.call(Call::LIST, message)?.number()).unwrap_or(usize::MAX);
        Ok(Rows(buffer.get(..used).unwrap_or_default()))
    }

    /// The directory of the host beneath this one, whose entries are listed before those above; none if
    /// there is none. EMFILE if it is one too many that the process has open.
    pub fn lower(&self) -> Result<Option<&File>> {
        if !self.is_merged {
            return Ok(None);
        }
        if self.lower.get().is_none() {
            let file = file_of(&self.call(Call::LOWER_DIR, Message::new(0, c""))?)?;
            if file.as_ref().is_some_and(File::is_one_too_many) {
                return Err(Errno::Mfile);
            }
            let _ = self.lower.set(file.map(Box::new));
        }
        Ok(self.lower.get().and_then(Option::as_deref))
    }

    /// Those entries of the host's directory, of this device, that are neither hidden nor covered.
    pub fn sift<'b>(&self, dev: u64, rows: &'b mut [u8]) -> Result<Rows<'b>> {
        let message = Message::new(0, c"").with_numbers([dev]).with_buffer(rows.as_mut_ptr(), rows.len());
        let left = usize::try_from(self.call(Call::SIFT, message)?.number()).unwrap_or(usize::MAX);
        Ok(Rows(rows.get(..left).unwrap_or_default()))
    }

    /// Opens `path` beneath this directory; if that is `read_only`, as a read-only file system does.
    pub fn open_at(&self, path: &CStr, how: &OpenHow, read_only: bool, moment: Moment<'_>) -> Result<Reached> {
        let flags = [how.follow, how.read, how.write, read_only].map(u64::from);
        let [follow, read, write, read_only] = flags;
        let (oflags, fdflags) = (how.oflags.bits().into(), how.fdflags.bits().into());
        let message = Self::message(&moment, path).with_numbers([oflags, fdflags, follow, read, write, read_only]);
        let message = self.call(Call::OPEN_AT, message)?;
        if message.opened.is_null() {
            return Ok(Reached::Host(file_of(&message)?.ok_or(Errno::Io)?));
        }
        Self::opened_by(self.raw.library, &message).map(Reached::Memory)
    }

    /// The attributes of the file that `path` leads to.
    pub fn stat_at(&self, path: &CStr, follow: bool) -> Result<Filestat> {
        Ok(self.call(Call::STAT_AT, Message::new(0, path).with_numbers([follow.into()]))?.stat())
    }

    /// Sets the times of the file that `path` leads to.
    pub fn set_times_at(
        &self,
        path: &CStr,
        follow: bool,
        (atim, mtim): (SetTime, SetTime),
        moment: Moment<'_>,
    ) -> Result {
        let ([atim, atim_at], [mtim, mtim_at]) = (time_as_numbers(atim), time_as_numbers(mtim));
        let message = Self::message(&moment, path).with_numbers([follow.into(), atim, atim_at, mtim, mtim_at]);
        self.call(Call::SET_TIMES_AT, message).map(drop)
    }

    /// Creates a directory.
    pub fn create_dir_at(&self, path: &CStr, moment: Moment<'_>) -> Result {
        self.call(Call::CREATE_DIR_AT, Self::message(&moment, path)).map(drop)
    }

    /// Removes an empty directory.
    pub fn remove_dir_at(&self, path: &CStr, moment: Moment<'_>) -> Result {
        self.call(Call::REMOVE_DIR_AT, Self::message(&moment, path)).map(drop)
    }

    /// Removes a name that is not a directory's.
    pub fn unlink_at(&self, path: &CStr, moment: Moment<'_>) -> Result {
        self.call(Call::UNLINK_AT, Self::message(&moment, path)).map(drop)
    }

    /// Renames `path` to `new_path` beneath `new_dir`. EXDEV from one tree to another.
    pub fn rename_at(&self, path: &CStr, new_dir: &Self, new_path: &CStr, moment: Moment<'_>) -> Result {
        self.call(Call::RENAME_AT, self.beside(new_dir, Self::message(&moment, path), new_path)?).map(drop)
    }

    /// Makes `new_path` beneath `new_dir` another name of the file `path`. EXDEV from one tree to another.
    pub fn link_at(&self, path: &CStr, follow: bool, new_dir: &Self, new_path: &CStr, moment: Moment<'_>) -> Result {
        let message = self.beside(new_dir, Self::message(&moment, path), new_path)?.with_numbers([follow.into()]);
        self.call(Call::LINK_AT, message).map(drop)
    }

    fn beside(&self, new_dir: &Self, message: Message, new_path: &CStr) -> Result<Message> {
        if !self.is_beside(new_dir) {
            return Err(Errno::Xdev);
        }
        Ok(Message { new_path: new_path.into(), other: new_dir.raw.opened.as_ptr(), ..message })
    }

    /// Makes `new_path` a link to `target`, which is stored as it is. An absolute target is ENOTCAPABLE.
    pub fn symlink_at(&self, target: &CStr, new_path: &CStr, moment: Moment<'_>) -> Result {
        self.call(Call::SYMLINK_AT, Message { new_path: new_path.into(), ..Self::message(&moment, target) }).map(drop)
    }

    /// Gives the target of the link `path` to `use_target`.
    pub fn readlink_at<T>(&self, path: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let mut target = [0; PATH_MAX as usize];
        let message = Message::new(0, path).with_buffer(target.as_mut_ptr(), target.len());
        let len = usize::try_from(self.call(Call::READLINK_AT, message)?.number()).unwrap_or(usize::MAX);
        use_target(target.get(..len).unwrap_or_default())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.raw.call(Call::CLOSE, &mut Message::new(0, c""));
    }
}

impl RawOpen {
    fn call(self, call: Call, message: &mut Message) -> Result {
        // SAFETY: `opened` is of this library, and open; all that the message points to outlives the call.
        match unsafe { (self.library.serve)(self.opened, call, message) } {
            0 => Ok(()),
            errno => Err(Errno::ALL.get(usize::from(errno)).copied().unwrap_or(Errno::Io)),
        }
    }
}

/// The open file of the host in an answer.
fn file_of(message: &Message) -> Result<Option<File>> {
    let [is_there, handle, dev, ino, ..] = message.numbers;
    // SAFETY: the other library has given the handle away, and it is taken once.
    let file = (is_there != 0).then(|| unsafe { handle_of(handle) }.map(File::from)).transpose()?;
    // A directory is not shown by its own numbers.
    Ok(file.map(|file| if dev == 0 { file } else { file.shown_as(Shown { dev, ino }) }))
}

#[cfg(unix)]
unsafe fn handle_of(number: u64) -> Result<OwnedHandle> {
    let number = i32::try_from(number).map_err(|_| Errno::Io)?;
    // SAFETY: the caller answers for it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

#[cfg(windows)]
unsafe fn handle_of(number: u64) -> Result<OwnedHandle> {
    let number = usize::try_from(number).map_err(|_| Errno::Io)?;
    // SAFETY: the caller answers for it.
    Ok(unsafe { std::os::windows::io::FromRawHandle::from_raw_handle(number as *mut c_void) })
}

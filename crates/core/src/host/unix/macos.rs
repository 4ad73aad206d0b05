//! What macOS does otherwise than Linux.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Filetype};
use crate::abi::records::Filestat;
use crate::host::dir::Entry;
use crate::host::file::{File, SetTime};
use crate::host::unix::dir::{open_parent, set_times_of_name, stat_name};
use crate::host::unix::file::retry;
use crate::host::unix::readdir::entry_type;
use crate::host::wait::Interrupt;
use rustix::event::PollFlags;
use rustix::fs::{Dir, FallocateFlags, OFlags};
use rustix::io::FdFlags;
use std::ffi::CStr;
use std::io;

/// There is no handle that only names a file: a directory is opened for reading.
pub const PATH_ONLY: OFlags = OFlags::empty();

/// There is no O_RSYNC; what it asks for is what O_SYNC gives.
pub const RSYNC: OFlags = OFlags::SYNC;

/// A socket whose other side has ended its writing shows nothing of its own.
pub const HALF_CLOSED: PollFlags = PollFlags::empty();

/// No thread can be asked for by another.
pub type ThreadNumber = ();

pub const fn current_thread() -> ThreadNumber {}

pub const fn cpu_of((): ThreadNumber) -> Option<u64> {
    None
}

pub fn accept(file: &File) -> io::Result<File> {
    let connection = rustix::net::accept(file)?;
    rustix::io::fcntl_setfd(&connection, FdFlags::CLOEXEC)?;
    // Here a call can't say that a closed peer shall be EPIPE and no signal; the socket does.
    rustix::net::sockopt::set_socket_nosigpipe(&connection, true)?;
    Ok(connection.into())
}

/// Whether the socket takes connections, which the system does not tell.
pub fn is_listening(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// There is none: what is opened anew by its number shares the description.
pub const fn nonblocking_twin(_: &File) -> Option<File> {
    None
}

pub fn allocate(file: &File, offset: u64, len: u64, _: &dyn Interrupt) -> Result {
    match file.end_to_allocate(offset, len)? {
        // The call makes the file that long, so it must not be longer already. Holes in it can't be filled.
        Some(_) => retry(|| rustix::fs::fallocate(file, FallocateFlags::empty(), offset, len)),
        None => Ok(()),
    }
}

/// Only that a stretch will be needed is something the system takes note of; the rest changes nothing.
pub fn advise(file: &File, offset: u64, len: u64, advice: Advice) -> Result {
    if file.filetype()? == Filetype::Unknown {
        return Err(Errno::Spipe);
    }
    if advice == Advice::Willneed && len > 0 {
        let most = u64::from(i32::MAX.unsigned_abs());
        rustix::fs::fcntl_rdadvise(file, offset, len.min(most))?;
    }
    Ok(())
}

/// `fsync` alone leaves the data in the drive's cache.
pub fn sync(file: &File) -> Result {
    // Not every file system has the stronger call.
    if rustix::fs::fcntl_fullfsync(file).is_ok() { Ok(()) } else { retry(|| rustix::fs::fsync(file)) }
}

pub fn datasync(file: &File) -> Result {
    sync(file)
}

/// There is no call that resolves a path within a directory, so a root directory is as any other.
pub const fn is_root(_: &std::fs::File) -> bool {
    false
}

/// See [`is_root`].
pub const fn open_in_root(_: &File, _: &[u8], _: OFlags) -> Option<Result<File>> {
    None
}

pub fn stat(dir: &File, path: &CStr, follow: bool) -> Result<Filestat> {
    at_end(dir, path, follow, |parent, name| stat_name(parent, name), File::stat)
}

pub fn set_times(dir: &File, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    let of_name = |parent: &File, name: &CStr| set_times_of_name(parent, name, atim, mtim);
    at_end(dir, path, true, of_name, |file| file.set_times(atim, mtim))
}

/// Calls one of two: for a name, or for a directory that a path names by a slash or dots at its end. A link there is
/// followed on request by reading it, so what `of_name` gets is never followed.
fn at_end<T>(
    dir: &File,
    path: &CStr,
    follow: bool,
    of_name: impl FnOnce(&File, &CStr) -> Result<T>,
    of_dir: impl FnOnce(&File) -> Result<T>,
) -> Result<T> {
    let resolved;
    let path = if follow {
        resolved = dir.resolve_last(path)?;
        resolved.as_c_str()
    } else {
        path
    };
    match dir.entry(path)? {
        Entry::Name { parent, name, slash: false } => of_name(&parent, &name),
        _ => of_dir(&open_parent(dir, path.to_bytes())?),
    }
}

pub fn for_each_entry(dir: &File, mut each: impl FnMut(&[u8], u64, Filetype)) -> Result {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        each(name, entry.ino(), entry_type(dir, name, entry.file_type()));
    }
    Ok(())
}

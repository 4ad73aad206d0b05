//! Calls that macOS has and Linux has not, or has otherwise.

pub mod attr;

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Filetype};
use crate::host::allocation::end_to_allocate;
use crate::host::handle::File;
use crate::host::interrupt::Interrupt;
use crate::host::unix::convert::{entry_type, filetype_of, retry};
use rustix::event::PollFlags;
use rustix::fs::{Dir, FallocateFlags, FileType, OFlags};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SendFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;

/// No flag: no handle only names a file, so a directory is opened for reading.
pub const PATH_ONLY: OFlags = OFlags::empty();

/// The flag for O_RSYNC, which does not exist: O_SYNC gives what it asks for.
pub const RSYNC: OFlags = OFlags::SYNC;

/// A socket whose other side has ended its writing shows nothing of its own.
pub const HALF_CLOSED: PollFlags = PollFlags::empty();

/// No number: a thread can't be asked for by another.
pub type ThreadNumber = ();

pub const fn current_thread() -> ThreadNumber {}

pub const fn cpu_of((): ThreadNumber) -> Option<u64> {
    None
}

/// No flag: here a call can't say that a closed peer shall be EPIPE and no signal; the socket does.
pub const NO_SIGNAL: SendFlags = SendFlags::empty();

/// A socket that does not wait.
pub fn socket(family: AddressFamily, kind: SocketType) -> io::Result<File> {
    let socket = rustix::net::socket(family, kind, None)?;
    prepare(&socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket.into())
}

pub fn accept(file: &File) -> io::Result<File> {
    let connection = rustix::net::accept(file)?;
    prepare(&connection)?;
    Ok(connection.into())
}

fn prepare(socket: &OwnedFd) -> io::Result<()> {
    rustix::io::fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    Ok(rustix::net::sockopt::set_socket_nosigpipe(socket, true)?)
}

/// True always: the system does not tell if a socket takes connections.
pub fn is_listening(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// None: a descriptor opened anew by its number shares the description.
pub const fn nonblocking_twin(_: &File) -> Option<File> {
    None
}

pub fn allocate(file: &File, offset: u64, len: u64, _: &dyn Interrupt) -> Result {
    let stat = rustix::fs::fstat(file)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    match end_to_allocate(filetype_of(FileType::from_raw_mode(stat.st_mode)), offset, len, || Ok(size))? {
        // The call makes the file that long, so it must not be longer already. Holes in it can't be filled.
        Some(_) => retry(|| rustix::fs::fallocate(file, FallocateFlags::empty(), offset, len)),
        None => Ok(()),
    }
}

/// Advises that a stretch will be needed; the system takes no other advice.
pub fn advise(file: &File, offset: u64, len: u64, advice: Advice) -> Result {
    if filetype_of(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode)) == Filetype::Unknown {
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

/// False always: no call resolves a path within a directory, so a root directory is as any other.
pub const fn is_root(_: &std::fs::File) -> bool {
    false
}

/// See [`is_root`].
pub const fn open_in_root(_: &File, _: &[u8], _: OFlags) -> Option<Result<File>> {
    None
}

pub fn for_each_entry(dir: &File, mut each: impl FnMut(&[u8], u64, Filetype)) -> Result {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        each(name, entry.ino(), entry_type(dir, name, entry.file_type()));
    }
    Ok(())
}

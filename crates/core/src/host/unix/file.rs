use crate::abi::errno::Result;
use crate::abi::flags::{Fdflags, Filetype};
use crate::abi::records::Filestat;
use crate::host::handle::{File, SetTime};
use crate::host::unix::convert::{filestat_of, filetype_of, retry, timestamps};
use rustix::fs::{FileType, OFlags};
use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

pub use super::system::{advise, allocate, datasync, sync};
pub use rustix::fs::SeekFrom;

/// True if a transfer at an offset costs no more than one at the descriptor's own.
pub const TRANSFERS_ANYWHERE: bool = true;

/// The number of files that the process may have open.
pub fn open_files_limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Its number in the process.
pub fn number(file: &File) -> usize {
    usize::try_from(file.as_fd().as_raw_fd()).unwrap_or(0)
}

pub fn filetype(file: &File) -> Result<Filetype> {
    let stat = rustix::fs::fstat(file)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => socket_type(file.as_fd()),
        other => filetype_of(other),
    })
}

pub fn stat(file: &File) -> Result<Filestat> {
    Ok(filestat_of(&rustix::fs::fstat(file)?))
}

pub fn set_size(file: &File, size: u64) -> Result {
    retry(|| rustix::fs::ftruncate(file, size))
}

pub fn set_times(file: &File, atim: SetTime, mtim: SetTime) -> Result {
    Ok(rustix::fs::futimens(file, &timestamps(atim, mtim))?)
}

pub fn seek(file: &File, to: SeekFrom) -> Result<u64> {
    Ok(rustix::fs::seek(file, to)?)
}

pub fn available(file: &File) -> u64 {
    rustix::io::ioctl_fionread(file).unwrap_or(0)
}

pub fn flags(file: &File) -> Result<Fdflags> {
    let os = rustix::fs::fcntl_getfl(file)?;
    let mut flags = Fdflags::empty();
    flags.set(Fdflags::APPEND, os.contains(OFlags::APPEND));
    flags.set(Fdflags::NONBLOCK, os.contains(OFlags::NONBLOCK));
    // The bits of O_SYNC include those of O_DSYNC.
    flags.set(Fdflags::SYNC, os.contains(OFlags::SYNC));
    flags.set(Fdflags::DSYNC, os.contains(OFlags::DSYNC) && !os.contains(OFlags::SYNC));
    Ok(flags)
}

pub fn set_append(file: &File, append: bool) -> Result {
    let mut os = rustix::fs::fcntl_getfl(file)?;
    os.set(OFlags::APPEND, append);
    Ok(rustix::fs::fcntl_setfl(file, os)?)
}

fn socket_type(fd: BorrowedFd<'_>) -> Filetype {
    match rustix::net::sockopt::socket_type(fd) {
        Ok(rustix::net::SocketType::DGRAM) => Filetype::SocketDgram,
        _ => Filetype::SocketStream,
    }
}

use crate::abi::errno::Result;
use crate::abi::flags::{Fdflags, Filetype};
use crate::abi::records::Filestat;
use crate::host::clock::nanoseconds;
use crate::host::file::{File, SetTime};
use crate::host::unix::clock::timespec;
use rustix::fs::{FileType, OFlags, Stat, Timespec, Timestamps};
use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

pub use super::system::{advise, allocate, datasync, sync};
pub use rustix::fs::SeekFrom;
pub use std::os::fd::{BorrowedFd as BorrowedHandle, OwnedFd as OwnedHandle};

/// Whether it costs nothing more to say where in a file to read or write.
pub const TRANSFERS_ANYWHERE: bool = true;

/// How many files the process may have open.
pub fn open_files_limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

impl AsFd for File {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

#[inline]
pub fn handle(file: &File) -> BorrowedFd<'_> {
    file.as_fd()
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

/// Runs a call again while a signal interrupts it.
pub fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

/// The times as the operating system takes them.
pub fn timestamps(atim: SetTime, mtim: SetTime) -> Timestamps {
    let time = |set| match set {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        SetTime::To(nanoseconds) => timespec(nanoseconds),
    };
    Timestamps { last_access: time(atim), last_modification: time(mtim) }
}

/// The standard's name for a type of file; it has none for a pipe.
pub fn filetype_of(os: FileType) -> Filetype {
    match os {
        FileType::RegularFile => Filetype::RegularFile,
        FileType::Directory => Filetype::Directory,
        FileType::Symlink => Filetype::SymbolicLink,
        FileType::CharacterDevice => Filetype::CharacterDevice,
        FileType::BlockDevice => Filetype::BlockDevice,
        FileType::Socket => Filetype::SocketStream,
        FileType::Fifo | FileType::Unknown => Filetype::Unknown,
    }
}

fn socket_type(fd: BorrowedFd<'_>) -> Filetype {
    match rustix::net::sockopt::socket_type(fd) {
        Ok(rustix::net::SocketType::DGRAM) => Filetype::SocketDgram,
        _ => Filetype::SocketStream,
    }
}

/// The standard's record of what the operating system told.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "widths differ between systems")]
pub fn filestat_of(stat: &Stat) -> Filestat {
    // Not a closure: the fields differ in type from one system to the other.
    macro_rules! time {
        ($seconds:ident, $nanos:ident) => {
            nanoseconds(stat.$seconds.into(), i64::try_from(stat.$nanos).unwrap_or(0))
        };
    }
    Filestat {
        dev: u64::try_from(stat.st_dev).unwrap_or(0),
        ino: stat.st_ino,
        filetype: filetype_of(FileType::from_raw_mode(stat.st_mode)).number(),
        nlink: u64::from(stat.st_nlink),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        atim: time!(st_atime, st_atime_nsec),
        mtim: time!(st_mtime, st_mtime_nsec),
        ctim: time!(st_ctime, st_ctime_nsec),
    }
}

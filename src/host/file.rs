//! Open files of every kind: regular files, directories, pipes, devices.

use super::clock::{nanoseconds, timespec};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Fdflags, Filetype};
use crate::abi::records::Filestat;
use cap_std::fs::Dir;
use rustix::fs::{FallocateFlags, FileType, OFlags, Stat, Timespec, Timestamps};
use rustix::process::{Resource, getrlimit};
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

pub use rustix::fs::SeekFrom;

/// How many files the process may have open.
pub fn open_files_limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// An open file, directory, pipe or device.
#[derive(Debug)]
pub struct File {
    // cap-std's `Dir` is an open handle with path operations that stay beneath it. On a handle that is no directory
    // they answer ENOTDIR, as the kernel does; so what was opened need not be asked for its type first.
    pub(super) handle: Handle,
    filetype: OnceLock<Filetype>,
}

/// A handle that is closed with its file, or never: the host's own standard streams stay the host's.
#[derive(Debug)]
pub(super) enum Handle {
    Owned(Dir),
    Borrowed(ManuallyDrop<Dir>),
}

impl Deref for Handle {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        match self {
            Self::Owned(dir) => dir,
            Self::Borrowed(dir) => dir,
        }
    }
}

/// What to set a time to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// The present time.
    Now,
    /// Nanoseconds since 1970.
    To(u64),
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::new(fd.into(), OnceLock::new())
    }
}

impl From<cap_std::fs::File> for File {
    fn from(file: cap_std::fs::File) -> Self {
        Self::new(file.into_std(), OnceLock::new())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl File {
    fn new(file: std::fs::File, filetype: OnceLock<Filetype>) -> Self {
        Self { handle: Handle::Owned(Dir::from_std_file(file)), filetype }
    }

    /// What the host keeps open, and what stays open when this is dropped.
    pub fn borrowed(stream: ManuallyDrop<OwnedFd>) -> Self {
        let file = std::fs::File::from(ManuallyDrop::into_inner(stream));
        Self { handle: Handle::Borrowed(ManuallyDrop::new(Dir::from_std_file(file))), filetype: OnceLock::new() }
    }

    /// What is known to be a directory.
    pub(super) fn directory(fd: OwnedFd) -> Self {
        Self::new(fd.into(), OnceLock::from(Filetype::Directory))
    }

    /// What it is; asked of the operating system once.
    pub fn filetype(&self) -> Result<Filetype> {
        if let Some(known) = self.filetype.get() {
            return Ok(*known);
        }
        let stat = rustix::fs::fstat(self)?;
        let filetype = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => socket_type(self.as_fd()),
            other => filetype_of(other),
        };
        Ok(*self.filetype.get_or_init(|| filetype))
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        Ok(filestat_of(&rustix::fs::fstat(self)?))
    }

    /// Cuts or extends it to `size` bytes.
    pub fn set_size(&self, size: u64) -> Result {
        // A file's size is signed in the operating system.
        i64::try_from(size).map_err(|_| Errno::Inval)?;
        retry(|| rustix::fs::ftruncate(self, size))
    }

    /// Sets its times.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime) -> Result {
        Ok(rustix::fs::futimens(self, &timestamps(atim, mtim))?)
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least.
    pub fn allocate(&self, offset: u64, len: u64) -> Result {
        retry(|| rustix::fs::fallocate(self, FallocateFlags::empty(), offset, len))
    }

    /// Tells the operating system how a stretch will be used; a `len` of 0 is to the end.
    pub fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result {
        use rustix::fs::Advice as Os;
        let advice = match advice {
            Advice::Normal => Os::Normal,
            Advice::Sequential => Os::Sequential,
            Advice::Random => Os::Random,
            Advice::Willneed => Os::WillNeed,
            Advice::Dontneed => Os::DontNeed,
            Advice::Noreuse => Os::NoReuse,
        };
        Ok(rustix::fs::fadvise(self, offset, NonZeroU64::new(len), advice)?)
    }

    /// Moves its offset; where it is then.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        Ok(rustix::fs::seek(self, to)?)
    }

    /// Where its offset is.
    pub fn tell(&self) -> Result<u64> {
        Ok(rustix::fs::tell(self)?)
    }

    /// Waits until data and metadata are on the device.
    pub fn sync(&self) -> Result {
        retry(|| rustix::fs::fsync(self))
    }

    /// Waits until the data is on the device.
    pub fn datasync(&self) -> Result {
        retry(|| rustix::fs::fdatasync(self))
    }

    /// Bytes that can be read without waiting, as far as the operating system tells.
    pub fn available(&self) -> u64 {
        rustix::io::ioctl_fionread(self).unwrap_or(0)
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        rustix::termios::isatty(self)
    }

    /// The flags it was opened with, or that were set since, by whoever shares it.
    pub fn flags(&self) -> Result<Fdflags> {
        let os = rustix::fs::fcntl_getfl(self)?;
        let mut flags = Fdflags::empty();
        flags.set(Fdflags::APPEND, os.contains(OFlags::APPEND));
        flags.set(Fdflags::NONBLOCK, os.contains(OFlags::NONBLOCK));
        // The bits of O_SYNC include those of O_DSYNC.
        flags.set(Fdflags::SYNC, os.contains(OFlags::SYNC));
        flags.set(Fdflags::DSYNC, os.contains(OFlags::DSYNC) && !os.contains(OFlags::SYNC));
        Ok(flags)
    }

    /// Whether writes go to the end, from now on.
    pub fn set_append(&self, append: bool) -> Result {
        let mut os = rustix::fs::fcntl_getfl(self)?;
        os.set(OFlags::APPEND, append);
        Ok(rustix::fs::fcntl_setfl(self, os)?)
    }
}

/// Runs a call again while a signal interrupts it.
fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

/// The times as the operating system takes them.
pub(super) fn timestamps(atim: SetTime, mtim: SetTime) -> Timestamps {
    let time = |set| match set {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        SetTime::To(nanoseconds) => timespec(nanoseconds),
    };
    Timestamps { last_access: time(atim), last_modification: time(mtim) }
}

/// The standard's name for a type of file; it has none for a pipe.
pub(super) fn filetype_of(os: FileType) -> Filetype {
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
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the widths differ between platforms")]
pub(super) fn filestat_of(stat: &Stat) -> Filestat {
    let time = |seconds, nanos: u64| nanoseconds(seconds, i64::try_from(nanos).unwrap_or(0));
    Filestat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        filetype: filetype_of(FileType::from_raw_mode(stat.st_mode)).number(),
        nlink: u64::from(stat.st_nlink),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        atim: time(stat.st_atime, stat.st_atime_nsec),
        mtim: time(stat.st_mtime, stat.st_mtime_nsec),
        ctim: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn setting_one_time_leaves_the_other_and_keeps_nanoseconds() {
        let file = File::from(OwnedFd::from(tempfile::tempfile().unwrap()));
        file.set_times(SetTime::To(1_000_000_001), SetTime::To(2_000_000_002)).unwrap();
        file.set_times(SetTime::Keep, SetTime::To(3_000_000_003)).unwrap();
        let stat = file.stat().unwrap();
        assert_eq!((stat.atim, stat.mtim), (1_000_000_001, 3_000_000_003));
    }

    #[test]
    fn a_pipe_has_no_name_in_the_standard_and_a_socket_pair_is_a_stream() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = File::from(OwnedFd::from(reader));
        assert_eq!(reader.filetype(), Ok(Filetype::Unknown));
        writer.write_all(b"abc").unwrap();
        assert_eq!(reader.available(), 3);
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(File::from(OwnedFd::from(socket)).filetype(), Ok(Filetype::SocketStream));
        let (socket, _) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert_eq!(File::from(OwnedFd::from(socket)).filetype(), Ok(Filetype::SocketDgram));
    }

    #[test]
    fn a_borrowed_stream_stays_open() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&writer);
        drop(File::borrowed(ManuallyDrop::new(OwnedFd::from(writer))));
        let mut again = std::fs::File::options().write(true).open(format!("/dev/fd/{number}")).unwrap();
        again.write_all(b"x").unwrap();
        let mut found = [0];
        std::io::Read::read_exact(&mut reader, &mut found).unwrap();
        assert_eq!(&found, b"x");
    }

    #[test]
    fn a_size_the_os_can_t_hold_is_einval() {
        let file = File::from(OwnedFd::from(tempfile::tempfile().unwrap()));
        assert_eq!(file.set_size(u64::MAX), Err(Errno::Inval));
        file.set_size(10).unwrap();
        assert_eq!(file.stat().unwrap().size, 10);
    }
}

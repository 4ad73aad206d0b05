//! Open files of every kind: regular files, directories, pipes, devices.

use super::os;
use super::pieces::{FIRST, in_pieces};
use super::wait::Interrupt;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Fdflags, Filetype};
use crate::abi::records::Filestat;
use cap_std::fs::Dir;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::OnceLock;

pub use os::file::{BorrowedHandle, OwnedHandle, SeekFrom, open_files_limit};

/// A number of open files that no process is short of: up to here its limit is not asked for.
const FEW: usize = 48;

/// Whether a new file of this number is one too many for guests. They may open files as long as the process has no more
/// than three quarters of those open that it may have: the rest is the host's. The operating system gives the lowest free
/// number, so a new one says how many are open, by whichever guest, thread or addon, or by the host itself.
pub fn is_beyond_share(number: usize) -> bool {
    number >= FEW && number >= open_files_limit() / 4 * 3
}

/// An open file, directory, pipe or device.
#[derive(Debug)]
pub struct File {
    // cap-std's `Dir` is an open handle with path operations that stay beneath it. On a handle that is no directory
    // they answer ENOTDIR, as the kernel does; so what was opened need not be asked for its type first.
    pub(super) handle: Handle,
    filetype: OnceLock<Filetype>,
    /// Another description of the same, which does not wait, if one was needed and there is one.
    twin: OnceLock<Option<Box<File>>>,
    /// Whether it is the root directory, and paths are resolved within it rather than beneath it (`host::dir`).
    pub(super) is_root: bool,
}

/// Another description of a file, which does not wait.
#[derive(Debug)]
pub enum Twin<'f> {
    /// Kept with the file.
    Kept(&'f File),
    /// For one call.
    Made(Box<File>),
}

impl Deref for Twin<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Kept(file) => file,
            Self::Made(file) => file,
        }
    }
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

impl From<OwnedHandle> for File {
    fn from(handle: OwnedHandle) -> Self {
        Self::new(handle.into(), OnceLock::new())
    }
}

impl From<cap_std::fs::File> for File {
    fn from(file: cap_std::fs::File) -> Self {
        Self::new(file.into_std(), OnceLock::new())
    }
}

impl File {
    fn new(file: std::fs::File, filetype: OnceLock<Filetype>) -> Self {
        Self { handle: Handle::Owned(Dir::from_std_file(file)), filetype, twin: OnceLock::new(), is_root: false }
    }

    /// What the host keeps open, and what stays open when this is dropped.
    pub fn borrowed(stream: ManuallyDrop<OwnedHandle>) -> Self {
        let file = std::fs::File::from(ManuallyDrop::into_inner(stream));
        let handle = Handle::Borrowed(ManuallyDrop::new(Dir::from_std_file(file)));
        Self { handle, filetype: OnceLock::new(), twin: OnceLock::new(), is_root: false }
    }

    /// What is known to be a directory.
    pub(super) fn directory(file: std::fs::File) -> Self {
        Self::new(file, OnceLock::from(Filetype::Directory))
    }

    /// Whether it was opened for a guest when the process had too many files open already: see [`is_beyond_share`].
    pub fn is_one_too_many(&self) -> bool {
        matches!(self.handle, Handle::Owned(_)) && is_beyond_share(os::file::number(self))
    }

    /// As the operating system knows it.
    #[inline]
    pub fn handle(&self) -> BorrowedHandle<'_> {
        os::file::handle(self)
    }

    /// What it is; asked of the operating system once.
    #[inline]
    pub fn filetype(&self) -> Result<Filetype> {
        match self.filetype.get() {
            Some(known) => Ok(*known),
            None => self.find_out_filetype(),
        }
    }

    #[cold]
    fn find_out_filetype(&self) -> Result<Filetype> {
        let filetype = os::file::filetype(self)?;
        Ok(*self.filetype.get_or_init(|| filetype))
    }

    /// Another description of it, which does not wait; none where it can't be had. What the host keeps open may be closed or
    /// replaced by the host at any time, so of that there is a new one for each call.
    pub fn twin(&self) -> Option<Twin<'_>> {
        let make = || os::wait::nonblocking_twin(self).map(Box::new);
        match self.handle {
            Handle::Owned(_) => self.twin.get_or_init(make).as_deref().map(Twin::Kept),
            Handle::Borrowed(_) => make().map(Twin::Made),
        }
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        os::file::stat(self)
    }

    /// Cuts or extends it to `size` bytes. What is cut off is cut off in pieces; where it is interrupted between two, the rest
    /// is left.
    pub fn set_size(&self, size: u64, interrupt: &dyn Interrupt) -> Result {
        // A file's size is signed in the operating system.
        i64::try_from(size).map_err(|_| Errno::Inval)?;
        let cut = if interrupt.poll_interval().is_none() { 0 } else { self.stat()?.size.saturating_sub(size) };
        in_pieces(interrupt, cut, |done, next| os::file::set_size(self, size + (cut - done - next)))
    }

    /// Sets its times.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime) -> Result {
        os::file::set_times(self, atim, mtim)
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least. Where it is interrupted
    /// meanwhile, some room has been made, and the file is as long as it was.
    pub fn allocate(&self, offset: u64, len: u64, interrupt: &dyn Interrupt) -> Result {
        os::file::allocate(self, offset, len, interrupt)
    }

    /// The size that makes room for a stretch, or `None` if the file is as long already; for systems that have no call for
    /// it. The errors are Linux's.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn end_to_allocate(&self, offset: u64, len: u64) -> Result<Option<u64>> {
        match self.filetype()? {
            Filetype::RegularFile => {}
            Filetype::Unknown => return Err(Errno::Spipe),
            _ => return Err(Errno::Nodev),
        }
        if len == 0 {
            return Err(Errno::Inval);
        }
        let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::Fbig)?;
        let size = self.stat()?.size;
        Ok(Some(end).filter(|end| *end > size))
    }

    /// Tells the operating system how a stretch will be used; a `len` of 0 is to the end.
    pub fn advise(&self, offset: u64, len: u64, advice: Advice, interrupt: &dyn Interrupt) -> Result {
        // What moves pages is done in pieces; the rest is about the file as a whole.
        if !matches!(advice, Advice::Willneed | Advice::Dontneed) || interrupt.poll_interval().is_none() {
            return os::file::advise(self, offset, len, advice);
        }
        let left = self.stat()?.size.saturating_sub(offset);
        let there = if len == 0 { left } else { len.min(left) };
        if there <= FIRST || i64::try_from(len).is_err() {
            return os::file::advise(self, offset, len, advice);
        }
        in_pieces(interrupt, there, |done, next| os::file::advise(self, offset + done, next, advice))
    }

    /// Moves its offset; where it is then.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        os::file::seek(self, to)
    }

    /// Waits until data and metadata are on the device.
    pub fn sync(&self) -> Result {
        os::file::sync(self)
    }

    /// Waits until the data is on the device.
    pub fn datasync(&self) -> Result {
        os::file::datasync(self)
    }

    /// Bytes that a pipe, a socket or a device has now, as far as the operating system tells.
    pub fn available(&self) -> u64 {
        os::file::available(self)
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        std::io::IsTerminal::is_terminal(&self.handle())
    }

    /// The flags it was opened with, or that were set since, by whoever shares it.
    pub fn flags(&self) -> Result<Fdflags> {
        os::file::flags(self)
    }

    /// Whether writes go to the end, from now on.
    pub fn set_append(&self, append: bool) -> Result {
        os::file::set_append(self, append)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wait::Endless;
    use super::*;
    use std::io::Write;

    #[test]
    fn setting_one_time_leaves_the_other_and_keeps_nanoseconds() {
        let file = File::from(OwnedHandle::from(tempfile::tempfile().unwrap()));
        let step = if cfg!(windows) { 100 } else { 1 };
        file.set_times(SetTime::To(1_000_000_000 + step), SetTime::To(2_000_000_000 + step)).unwrap();
        file.set_times(SetTime::Keep, SetTime::To(3_000_000_000 + step)).unwrap();
        let stat = file.stat().unwrap();
        assert_eq!((stat.atim, stat.mtim), (1_000_000_000 + step, 3_000_000_000 + step));
    }

    #[test]
    fn a_pipe_has_no_name_in_the_standard() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = File::from(OwnedHandle::from(reader));
        assert_eq!(reader.filetype(), Ok(Filetype::Unknown));
        writer.write_all(b"abc").unwrap();
        assert_eq!(reader.available(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_for_streams_or_for_datagrams() {
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(File::from(OwnedHandle::from(socket)).filetype(), Ok(Filetype::SocketStream));
        let (socket, _) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert_eq!(File::from(OwnedHandle::from(socket)).filetype(), Ok(Filetype::SocketDgram));
    }

    #[cfg(unix)]
    #[test]
    fn a_borrowed_stream_stays_open() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&writer);
        drop(File::borrowed(ManuallyDrop::new(OwnedHandle::from(writer))));
        let mut again = std::fs::File::options().write(true).open(format!("/dev/fd/{number}")).unwrap();
        again.write_all(b"x").unwrap();
        let mut found = [0];
        std::io::Read::read_exact(&mut reader, &mut found).unwrap();
        assert_eq!(&found, b"x");
    }

    #[test]
    fn a_size_the_os_can_t_hold_is_einval() {
        let file = File::from(OwnedHandle::from(tempfile::tempfile().unwrap()));
        assert_eq!(file.set_size(u64::MAX, &Endless), Err(Errno::Inval));
        file.set_size(10, &Endless).unwrap();
        assert_eq!(file.stat().unwrap().size, 10);
    }
}

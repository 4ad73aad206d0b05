//! Open files of every kind: regular files, directories, pipes, devices.

use super::interrupt::Interrupt;
use super::os;
use super::pieces::{FIRST, in_pieces};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Fdflags, Filetype};
use crate::abi::records::Filestat;

pub use super::handle::{BorrowedHandle, File, OwnedHandle, SetTime, Shown, Twin};
pub use os::file::{SeekFrom, open_files_limit};

/// Open files that every process may have: the limit is not asked for below this number.
const FEW: usize = 48;

/// True if a new file of this number is one too many for guests. They may open files as long as the process
/// has no more than three quarters of those open that it may have: the rest is the host's. The operating
/// system gives the lowest free number, so a new one says how many are open, by whichever guest, thread or
/// addon, or by the host itself.
pub fn is_beyond_share(number: usize) -> bool {
    number >= FEW && number >= open_files_limit() / 4 * 3
}

impl File {
    /// True if it was opened for a guest when the process had too many files open already: see
    /// [`is_beyond_share`].
    pub fn is_one_too_many(&self) -> bool {
        self.is_owned() && is_beyond_share(os::file::number(self))
    }

    /// Its type; the operating system is asked once.
    #[inline]
    pub fn filetype(&self) -> Result<Filetype> {
        self.filetype_by(os::file::filetype)
    }

    /// Its description that does not wait, if the operating system has one.
    pub fn twin(&self) -> Option<Twin<'_>> {
        self.twin_by(os::wait::nonblocking_twin)
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        let stat = os::file::stat(self)?;
        Ok(match self.shown() {
            Some(Shown { dev, ino }) => Filestat { dev, ino, ..stat },
            None => stat,
        })
    }

    /// Cuts or extends it to `size` bytes. Bytes are cut off in pieces; where it is interrupted between two,
    /// the rest is left.
    pub fn set_size(&self, size: u64, interrupt: &dyn Interrupt) -> Result {
        // A file's size is signed in the operating system.
        i64::try_from(size).map_err(|_| Errno::Inval)?;
        let cut = if interrupt.poll_interval().is_none() { 0 } else { self.stat()?.size.saturating_sub(size) };
        in_pieces(interrupt, cut, |done, next| os::file::set_size(self, size + (cut - done - next)))
    }

    /// Sets its times. EROFS for a file that is shown by a tree which never changes it.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime) -> Result {
        if self.shown.is_some() {
            return Err(Errno::Rofs);
        }
        os::file::set_times(self, atim, mtim)
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least. Where it is
    /// interrupted meanwhile, some room has been made, and the file is as long as it was.
    pub fn allocate(&self, offset: u64, len: u64, interrupt: &dyn Interrupt) -> Result {
        os::file::allocate(self, offset, len, interrupt)
    }

    /// Tells the operating system how a stretch will be used; a `len` of 0 is to the end.
    pub fn advise(&self, offset: u64, len: u64, advice: Advice, interrupt: &dyn Interrupt) -> Result {
        // Advice that moves pages is given in pieces; the rest is about the file as a whole.
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

    /// Moves its offset, and returns the new one.
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

    /// The flags it was opened with, or that were set since, by whoever shares it.
    pub fn flags(&self) -> Result<Fdflags> {
        os::file::flags(self)
    }

    /// Sets whether writes go to the end.
    pub fn set_append(&self, append: bool) -> Result {
        os::file::set_append(self, append)
    }
}

#[cfg(test)]
mod tests {
    use super::super::interrupt::Endless;
    use super::*;
    use std::io::Write;
    use std::mem::ManuallyDrop;

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

//! Descriptors that a guest keeps for itself.

use super::{copy_of_descriptor, within_share};
use rustix::fs::{FileType, Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use wasi_rs_core::host::file::File;

/// A copy of a descriptor of the host, which belongs to the guest.
///
/// A pipe gets flags of its own too: a write to a full one must not keep a thread in the kernel, where it
/// can't be ended.
pub fn own_descriptor(number: i32) -> io::Result<File> {
    let copy = copy_of_descriptor(number)?;
    let stat = rustix::fs::fstat(copy.handle())?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo {
        let flags = rustix::fs::fcntl_getfl(copy.handle())? & OFlags::ACCMODE;
        let path = format!("/proc/self/fd/{}", copy.handle().as_raw_fd());
        if let Ok(own) = rustix::fs::open(path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            within_share(&own)?;
            return Ok(own.into());
        }
    }
    Ok(copy)
}

/// A new pipe to a guest or from it, which children of the process don't get.
pub struct Pipe {
    /// The number of this end, the caller's to close.
    pub here: RawFd,
    /// The guest's end. It is non-blocking, as in [`own_descriptor`].
    pub there: File,
}

impl Pipe {
    /// A pipe that the guest reads, or one that it writes.
    pub fn new(is_input: bool) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
        within_share(&reader)?;
        within_share(&writer)?;
        let (here, there) = if is_input { (writer, reader) } else { (reader, writer) };
        let flags = rustix::fs::fcntl_getfl(&there)?;
        rustix::fs::fcntl_setfl(&there, flags | OFlags::NONBLOCK)?;
        Ok(Self { here: here.into_raw_fd(), there: there.into() })
    }
}

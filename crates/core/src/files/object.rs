//! The objects behind descriptors.

use super::memory::Open;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Filetype};
use crate::abi::records::Filestat;
use crate::host::file::{File, SetTime};
use crate::host::pieces::in_pieces;
use crate::host::stream::Stream;
use crate::host::wait::Interrupt;

/// An object behind a descriptor.
#[derive(Debug)]
pub enum Object {
    /// The operating system has it open.
    File(File),
    /// A file or directory in memory.
    Memory(Open),
    /// A standard stream in memory. It can do what a pipe can.
    Stream(Stream),
}

impl From<File> for Object {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl From<Open> for Object {
    fn from(open: Open) -> Self {
        Self::Memory(open)
    }
}

impl From<Stream> for Object {
    fn from(stream: Stream) -> Self {
        Self::Stream(stream)
    }
}

impl Object {
    /// The operating system's open file; `errno` for what it does not have open.
    pub fn file_or(&self, errno: Errno) -> Result<&File> {
        if let Self::File(file) = self { Ok(file) } else { Err(errno) }
    }

    /// Its type. The standard has no name for a pipe.
    pub fn filetype(&self) -> Result<Filetype> {
        match self {
            Self::File(file) => file.filetype(),
            Self::Memory(open) => Ok(open.filetype()),
            Self::Stream(_) => Ok(Filetype::Unknown),
        }
    }

    /// True for a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::File(file) if file.is_terminal())
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        match self {
            Self::File(file) => file.stat(),
            Self::Memory(open) => open.stat(),
            Self::Stream(_) => Ok(Filestat { filetype: Filetype::Unknown.number(), nlink: 1, ..Filestat::default() }),
        }
    }

    /// Sets its times.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime, now: impl FnOnce() -> u64) -> Result {
        match self {
            Self::File(file) => file.set_times(atim, mtim),
            Self::Memory(open) => open.set_times(atim, mtim, now()),
            Self::Stream(_) => Err(Errno::Notsup),
        }
    }

    /// Cuts or extends it to `size` bytes. Bytes are cut off in pieces; where it is interrupted between
    /// two, the rest is left.
    pub fn set_size(&self, size: u64, interrupt: &dyn Interrupt, now: impl FnOnce() -> u64) -> Result {
        match self {
            Self::File(file) => file.set_size(size, interrupt),
            Self::Memory(open) => {
                let (cut, now) = (open.size().saturating_sub(size), now());
                in_pieces(interrupt, cut, |done, next| open.set_size(size + (cut - done - next), now))
            }
            Self::Stream(_) => Err(Errno::Inval),
        }
    }

    /// Makes room for `len` bytes from `offset` on; it becomes as long as that at least. Where it is
    /// interrupted meanwhile, some room has been made.
    pub fn allocate(&self, offset: u64, len: u64, interrupt: &dyn Interrupt, now: impl FnOnce() -> u64) -> Result {
        match self {
            Self::File(file) => file.allocate(offset, len, interrupt),
            Self::Memory(open) => open.allocate(offset, len, now()),
            Self::Stream(_) => Err(Errno::Spipe),
        }
    }

    /// Tells how a stretch will be used; a `len` of 0 is to the end.
    pub fn advise(&self, offset: u64, len: u64, advice: Advice, interrupt: &dyn Interrupt) -> Result {
        match self {
            Self::File(file) => file.advise(offset, len, advice, interrupt),
            Self::Memory(_) => Ok(()),
            Self::Stream(_) => Err(Errno::Spipe),
        }
    }

    /// Waits until data and metadata are on the device.
    pub fn sync(&self) -> Result {
        match self {
            Self::File(file) => file.sync(),
            Self::Memory(_) => Ok(()),
            Self::Stream(_) => Err(Errno::Inval),
        }
    }

    /// Waits until the data is on the device.
    pub fn datasync(&self) -> Result {
        match self {
            Self::File(file) => file.datasync(),
            Self::Memory(_) => Ok(()),
            Self::Stream(_) => Err(Errno::Inval),
        }
    }
}

//! The objects behind descriptors.

use super::handle::File;
use super::stream::Stream;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::abi::records::Filestat;

/// An object behind a descriptor.
#[derive(Debug)]
pub enum Object {
    /// The operating system has it open.
    File(File),
    /// A standard stream in memory. It can do what a pipe can.
    Stream(Stream),
}

impl From<File> for Object {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl From<Stream> for Object {
    fn from(stream: Stream) -> Self {
        Self::Stream(stream)
    }
}

impl Object {
    /// The open file; for a stream in memory `errno`, a pipe's answer to the call.
    pub fn file_or(&self, errno: Errno) -> Result<&File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Stream(_) => Err(errno),
        }
    }

    /// The open directory; ENOTDIR if it can't be one. (For a file that is none, the operating system answers
    /// so.)
    pub fn dir(&self) -> Result<&File> {
        self.file_or(Errno::Notdir)
    }

    /// Its type. The standard has no name for a pipe.
    pub fn filetype(&self) -> Result<Filetype> {
        match self {
            Self::File(file) => file.filetype(),
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
            Self::Stream(_) => Ok(Filestat { filetype: Filetype::Unknown.number(), nlink: 1, ..Filestat::default() }),
        }
    }
}

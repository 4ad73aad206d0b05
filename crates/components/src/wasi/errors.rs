//! Errors of system calls, as those of the interfaces.

use super::View;
use super::generated::filesystem::types::ErrorCode;
use super::generated::http::types::ErrorCode as HttpErrorCode;
use super::generated::io::error;
use super::generated::io::streams::{self, StreamError};
use wasi_rs_core::abi::Errno;
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime::{Error, Result};

/// The reason why an operation was not done.
#[derive(Debug)]
pub enum Failed {
    /// The error of a system call.
    Errno(Errno),
    /// The end of the guest.
    Trap(Error),
}

/// The result of a call.
pub type Made<T = ()> = std::result::Result<T, Failed>;

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for Failed {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<Failed> for Error {
    /// The error where an interface has none of its own: it ends the guest.
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Errno(errno) => Self::msg(errno.text()),
            Failed::Trap(error) => error,
        }
    }
}

/// The reason why a stream did not go on.
#[derive(Debug)]
pub enum StreamFailed {
    /// Its end, or that of its reader.
    Closed,
    /// The error of a message of HTTP.
    Http(HttpErrorCode),
    /// Another reason.
    Failed(Failed),
}

impl<E: Into<Failed>> From<E> for StreamFailed {
    fn from(error: E) -> Self {
        match error.into() {
            Failed::Errno(Errno::Pipe) => Self::Closed,
            failed => Self::Failed(failed),
        }
    }
}

/// The resource `error` of wasi:io.
#[derive(Debug)]
pub enum IoError {
    /// The error of a system call.
    Errno(Errno),
    /// The error of a message of HTTP.
    Http(HttpErrorCode),
}

impl View<'_> {
    /// The code of an error; the inner error ends the guest.
    pub fn code(failed: Failed) -> Result<ErrorCode> {
        match failed {
            Failed::Errno(errno) => Ok(code_of(errno)),
            Failed::Trap(error) => Err(error),
        }
    }

    pub(super) fn stream_error(&mut self, failed: StreamFailed) -> Result<StreamError> {
        match failed {
            StreamFailed::Closed => Ok(StreamError::Closed),
            StreamFailed::Http(code) => {
                Ok(StreamError::LastOperationFailed(self.wasi.table.push(IoError::Http(code))?))
            }
            StreamFailed::Failed(Failed::Errno(errno)) => {
                Ok(StreamError::LastOperationFailed(self.wasi.table.push(IoError::Errno(errno))?))
            }
            StreamFailed::Failed(Failed::Trap(error)) => Err(error),
        }
    }
}

impl error::Host for View<'_> {}

impl error::HostError for View<'_> {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> Result<String> {
        Ok(match self.wasi.table.get(&error)? {
            IoError::Errno(errno) => errno.text().to_owned(),
            IoError::Http(code) => format!("{code:?}"),
        })
    }

    fn drop(&mut self, error: Resource<IoError>) -> Result<()> {
        self.wasi.table.delete(error)?;
        Ok(())
    }
}

impl streams::Host for View<'_> {
    fn convert_stream_error(&mut self, failed: StreamFailed) -> Result<StreamError> {
        self.stream_error(failed)
    }
}

/// The codes of wasi:filesystem, as an enum or variant of this name in a version of the interface. Those of
/// sockets can't come of files.
macro_rules! match_code {
    ($errno:expr, $ErrorCode:ident, $would_block:expr) => {
        match $errno {
            Errno::Acces => $ErrorCode::Access,
            Errno::Again => $would_block,
            Errno::Already => $ErrorCode::Already,
            Errno::Badf => $ErrorCode::BadDescriptor,
            Errno::Busy => $ErrorCode::Busy,
            Errno::Deadlk => $ErrorCode::Deadlock,
            Errno::Dquot => $ErrorCode::Quota,
            Errno::Exist => $ErrorCode::Exist,
            Errno::Fbig => $ErrorCode::FileTooLarge,
            Errno::Ilseq => $ErrorCode::IllegalByteSequence,
            Errno::Inprogress => $ErrorCode::InProgress,
            Errno::Intr => $ErrorCode::Interrupted,
            Errno::Inval | Errno::Fault | Errno::Dom | Errno::Range => $ErrorCode::Invalid,
            Errno::Isdir => $ErrorCode::IsDirectory,
            Errno::Loop => $ErrorCode::Loop,
            Errno::Mlink => $ErrorCode::TooManyLinks,
            Errno::Msgsize => $ErrorCode::MessageSize,
            Errno::Nametoolong => $ErrorCode::NameTooLong,
            Errno::Nodev => $ErrorCode::NoDevice,
            Errno::Noent => $ErrorCode::NoEntry,
            Errno::Nolck => $ErrorCode::NoLock,
            // There is no code for too many open files.
            Errno::Nomem | Errno::Nobufs | Errno::Mfile | Errno::Nfile => $ErrorCode::InsufficientMemory,
            Errno::Nospc => $ErrorCode::InsufficientSpace,
            Errno::Notdir => $ErrorCode::NotDirectory,
            Errno::Notempty => $ErrorCode::NotEmpty,
            Errno::Notrecoverable | Errno::Ownerdead => $ErrorCode::NotRecoverable,
            Errno::Notsup | Errno::Nosys => $ErrorCode::Unsupported,
            Errno::Notty => $ErrorCode::NoTty,
            Errno::Nxio => $ErrorCode::NoSuchDevice,
            Errno::Overflow => $ErrorCode::Overflow,
            Errno::Perm | Errno::Notcapable => $ErrorCode::NotPermitted,
            Errno::Pipe => $ErrorCode::Pipe,
            Errno::Rofs => $ErrorCode::ReadOnly,
            Errno::Spipe => $ErrorCode::InvalidSeek,
            Errno::Txtbsy => $ErrorCode::TextFileBusy,
            Errno::Xdev => $ErrorCode::CrossDevice,
            _ => $ErrorCode::Io,
        }
    };
}
pub(super) use match_code;

/// The code of wasi:filesystem 0.2 for an error.
pub const fn code_of(errno: Errno) -> ErrorCode {
    match_code!(errno, ErrorCode, ErrorCode::WouldBlock)
}

//! Errors of calls of sockets, as codes of wasi:sockets.

use crate::wasi::errors::Failed;
use crate::wasi::generated::sockets::network::ErrorCode;
use wasi_rs_core::abi::Errno;
use wasmtime::Error;
use wasmtime::component::ResourceTableError;

/// The reason why an operation was not done.
#[derive(Debug)]
pub enum SocketFailed {
    /// The code of an error.
    Code(ErrorCode),
    /// The end of the guest.
    Trap(Error),
}

impl From<ErrorCode> for SocketFailed {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<Errno> for SocketFailed {
    fn from(errno: Errno) -> Self {
        Self::Code(code_of(errno))
    }
}

impl From<Error> for SocketFailed {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for SocketFailed {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<Failed> for SocketFailed {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Errno(errno) => errno.into(),
            Failed::Trap(error) => Self::Trap(error),
        }
    }
}

/// The code of wasi:sockets for an error.
pub const fn code_of(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Acces | Errno::Perm | Errno::Notcapable => ErrorCode::AccessDenied,
        Errno::Notsup | Errno::Nosys | Errno::Afnosupport | Errno::Protonosupport | Errno::Noprotoopt => {
            ErrorCode::NotSupported
        }
        Errno::Inval | Errno::Destaddrreq => ErrorCode::InvalidArgument,
        Errno::Nomem | Errno::Nobufs => ErrorCode::OutOfMemory,
        Errno::Timedout => ErrorCode::Timeout,
        Errno::Already | Errno::Inprogress => ErrorCode::ConcurrencyConflict,
        Errno::Again => ErrorCode::WouldBlock,
        Errno::Isconn | Errno::Notconn => ErrorCode::InvalidState,
        Errno::Mfile | Errno::Nfile => ErrorCode::NewSocketLimit,
        Errno::Addrnotavail => ErrorCode::AddressNotBindable,
        Errno::Addrinuse => ErrorCode::AddressInUse,
        Errno::Hostunreach | Errno::Netunreach | Errno::Netdown => ErrorCode::RemoteUnreachable,
        Errno::Connrefused => ErrorCode::ConnectionRefused,
        Errno::Connreset | Errno::Pipe => ErrorCode::ConnectionReset,
        Errno::Connaborted => ErrorCode::ConnectionAborted,
        Errno::Msgsize => ErrorCode::DatagramTooLarge,
        _ => ErrorCode::Unknown,
    }
}

/// The code for the error of a connection, or of a datagram to somewhere: where there is no port left for it,
/// Linux says that the address is not available.
pub const fn code_of_connecting(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Addrnotavail | Errno::Again => ErrorCode::AddressInUse,
        // It was there for a moment. A code that says that a program has made a mistake ends some
        // (wasi-libc).
        Errno::Notconn => ErrorCode::ConnectionReset,
        other => code_of(other),
    }
}

/// The code for the error of a lookup.
pub const fn code_of_lookup(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Noent => ErrorCode::NameUnresolvable,
        Errno::Timedout | Errno::Nobufs => ErrorCode::TemporaryResolverFailure,
        Errno::Io => ErrorCode::PermanentResolverFailure,
        other => code_of(other),
    }
}

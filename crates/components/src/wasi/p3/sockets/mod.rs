//! wasi:sockets: those of 0.2, in one interface, with streams of bytes and of connections.
//!
//! | module | interfaces |
//! | --- | --- |
//! | [`addresses`] | addresses |
//! | [`lookup`] | wasi:sockets/ip-name-lookup |
//! | [`tcp`], [`udp`] | wasi:sockets/types |

mod lookup;
pub mod tcp;
pub mod udp;

/// Addresses, as the interfaces have them.
mod addresses {
    crate::wasi::sockets::addresses::addresses!(crate::wasi::p3::generated::sockets::types);
}

use super::generated::sockets::types::{self, ErrorCode};
use crate::wasi::View;
use crate::wasi::generated::sockets::network::ErrorCode as Older;
use crate::wasi::sockets::errors::{SocketFailed, code_of};
use wasi_rs_core::abi::Errno;
use wasmtime::Result;

/// The code of WASI 0.3 for one of 0.2.
fn newer(code: Older) -> ErrorCode {
    match code {
        Older::AccessDenied => ErrorCode::AccessDenied,
        Older::NotSupported => ErrorCode::NotSupported,
        Older::InvalidArgument => ErrorCode::InvalidArgument,
        Older::OutOfMemory => ErrorCode::OutOfMemory,
        Older::Timeout => ErrorCode::Timeout,
        Older::ConcurrencyConflict | Older::NotInProgress | Older::InvalidState => ErrorCode::InvalidState,
        Older::AddressNotBindable => ErrorCode::AddressNotBindable,
        Older::AddressInUse => ErrorCode::AddressInUse,
        Older::RemoteUnreachable => ErrorCode::RemoteUnreachable,
        Older::ConnectionRefused => ErrorCode::ConnectionRefused,
        Older::ConnectionReset => ErrorCode::ConnectionReset,
        Older::ConnectionAborted => ErrorCode::ConnectionAborted,
        Older::DatagramTooLarge => ErrorCode::DatagramTooLarge,
        Older::NewSocketLimit => ErrorCode::Other(Some("too many open sockets and files".to_owned())),
        Older::Unknown
        | Older::WouldBlock
        | Older::NameUnresolvable
        | Older::TemporaryResolverFailure
        | Older::PermanentResolverFailure => ErrorCode::Other(None),
    }
}

/// The code for the error of a stream.
fn code_of_stream(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Pipe => ErrorCode::ConnectionBroken,
        other => newer(code_of(other)),
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, failed: SocketFailed) -> Result<ErrorCode> {
        match failed {
            SocketFailed::Code(code) => Ok(newer(code)),
            SocketFailed::Trap(error) => Err(error),
        }
    }
}

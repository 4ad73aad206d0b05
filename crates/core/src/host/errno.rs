//! The only way from the operating system's errors to the guest's.

use super::os;
use crate::abi::Errno;
use std::io;

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) => os::errno::from_code(code),
            None => from_kind(error.kind()),
        }
    }
}

/// Errors that a library, or we, made. cap-std reports a path that leads outside as PermissionDenied without
/// a code.
fn from_kind(kind: io::ErrorKind) -> Errno {
    match kind {
        io::ErrorKind::PermissionDenied => Errno::Notcapable,
        io::ErrorKind::InvalidInput => Errno::Inval,
        io::ErrorKind::NotFound => Errno::Noent,
        io::ErrorKind::Unsupported => Errno::Notsup,
        io::ErrorKind::WouldBlock => Errno::Again,
        _ => Errno::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_name_is_eio() {
        assert_eq!(Errno::from(io::Error::from_raw_os_error(4095)), Errno::Io);
        assert_eq!(Errno::from(io::Error::other("a library's own")), Errno::Io);
    }

    #[test]
    fn a_path_that_leads_outside_is_enotcapable() {
        assert_eq!(Errno::from(io::Error::new(io::ErrorKind::PermissionDenied, "outside")), Errno::Notcapable);
    }
}

//! Stream sockets that the embedder handed in.

use super::handle::File;
use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use std::io;

impl File {
    /// Takes a connection from a listening socket.
    pub fn accept(&self) -> io::Result<File> {
        os::socket::accept(self)
    }

    /// True if it takes connections, as far as the operating system tells.
    pub fn is_listening(&self) -> io::Result<bool> {
        os::socket::is_listening(self)
    }

    /// Ends one direction, or both; EINVAL for none.
    pub fn shutdown(&self, how: Sdflags) -> Result {
        if how.is_empty() { Err(Errno::Inval) } else { os::socket::shutdown(self, how) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::file::OwnedHandle;

    #[test]
    fn shutdown_of_a_file_is_enotsock() {
        let file = File::from(OwnedHandle::from(tempfile::tempfile().unwrap()));
        assert_eq!(file.shutdown(Sdflags::RD), Err(Errno::Notsock));
        assert_eq!(Errno::from(file.accept().unwrap_err()), Errno::Notsock);
        assert_eq!(file.shutdown(Sdflags::empty()), Err(Errno::Inval));
    }

    #[cfg(unix)]
    #[test]
    fn shutdown_ends_one_direction_or_both() {
        let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = File::from(OwnedHandle::from(socket));
        assert_eq!(socket.shutdown(Sdflags::empty()), Err(Errno::Inval));
        assert_eq!(socket.shutdown(Sdflags::all()), Ok(()));
    }
}

//! Stream sockets that the embedder handed in.

use super::file::File;
use crate::abi::errno::Result;
use crate::abi::flags::Sdflags;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown};
use std::io;

impl File {
    /// Takes a connection from a listening socket.
    pub fn accept(&self) -> io::Result<File> {
        Ok(accept_with(self, SocketFlags::CLOEXEC)?.into())
    }

    /// Ends one direction, or both; EINVAL for none.
    pub fn shutdown(&self, how: Sdflags) -> Result {
        let how = match (how.contains(Sdflags::RD), how.contains(Sdflags::WR)) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            (false, false) => return Err(crate::abi::Errno::Inval),
        };
        Ok(shutdown(self, how)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Errno;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn shutdown_of_what_is_no_socket_is_enotsock() {
        let file = File::from(OwnedFd::from(tempfile::tempfile().unwrap()));
        assert_eq!(file.shutdown(Sdflags::RD), Err(Errno::Notsock));
        assert_eq!(Errno::from(file.accept().unwrap_err()), Errno::Notsock);
        let (socket, _) = UnixStream::pair().unwrap();
        let socket = File::from(OwnedFd::from(socket));
        assert_eq!(socket.shutdown(Sdflags::empty()), Err(Errno::Inval));
        assert_eq!(socket.shutdown(Sdflags::all()), Ok(()));
    }
}

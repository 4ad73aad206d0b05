//! Sockets: those that are handed in, and those of the internet, which never wait.

use super::handle::File;
use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use crate::abi::socket::{Family, Protocol, Setting};
use std::io;
use std::net::SocketAddr;

/// The most bytes of a datagram.
pub const MOST_OF_DATAGRAM: usize = 1 << 16;

/// The longest time of a keep-alive, in seconds, and the most questions: Linux takes no more.
const MOST_OF_KEEP_ALIVE: (u64, u64) = (32_767, 127);

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

impl File {
    /// A new socket.
    pub fn socket(protocol: Protocol, family: Family) -> Result<Self> {
        os::socket::create(protocol, family)
    }

    /// Has it neither connect nor read, write, or accept by waiting.
    pub fn set_nonblocking(&self) -> Result {
        os::socket::set_nonblocking(self)
    }

    /// Binds a socket to an address of the host. One for TCP may have the port of another that was closed a
    /// moment ago.
    pub fn bind(&self, protocol: Protocol, address: &SocketAddr) -> Result {
        os::socket::bind(self, protocol == Protocol::Tcp, address)
    }

    /// Begins to connect a socket. EINPROGRESS: it is being connected, and [`Self::connected`] says when it
    /// is. One for UDP sends there from now on, and receives from nobody else.
    pub fn connect(&self, address: &SocketAddr) -> Result {
        os::socket::connect(self, address)
    }

    /// Undoes [`Self::connect`] of a socket for UDP, which keeps its port. (Linux takes one away that it has
    /// chosen itself.)
    pub fn disconnect(&self) -> Result {
        let port = self.local_address()?.port();
        os::socket::disconnect(self)?;
        let mut left = self.local_address()?;
        if left.port() != 0 || port == 0 {
            return Ok(());
        }
        left.set_port(port);
        os::socket::bind(self, false, &left)
    }

    /// Success if a socket that is writable was connected; otherwise the reason why it was not, or ENOTCONN.
    pub fn connected(&self) -> Result {
        os::socket::take_error(self)?;
        self.remote_address().map(drop)
    }

    /// Has a socket take connections, of which so many may wait.
    pub fn listen(&self, backlog: u64) -> Result {
        os::socket::listen(self, i32::try_from(backlog).unwrap_or(i32::MAX))
    }

    /// The address that it is bound to.
    pub fn local_address(&self) -> Result<SocketAddr> {
        os::socket::local_address(self)
    }

    /// The address that it is connected to; ENOTCONN if it is not.
    pub fn remote_address(&self) -> Result<SocketAddr> {
        os::socket::remote_address(self)
    }

    /// The value of a setting.
    pub fn setting(&self, family: Family, setting: Setting) -> Result<u64> {
        os::socket::setting(self, family, setting)
    }

    /// Changes a setting, to the nearest value that there is. EINVAL: 0, or a hop limit of more than 255.
    pub fn set_setting(&self, family: Family, setting: Setting, value: u64) -> Result {
        let seconds = value.div_ceil(SECOND).min(MOST_OF_KEEP_ALIVE.0) * SECOND;
        let value = match setting {
            Setting::KeepAlive => value.min(1),
            _ if value == 0 => return Err(Errno::Inval),
            Setting::KeepAliveIdle | Setting::KeepAliveInterval => seconds,
            Setting::KeepAliveCount => value.min(MOST_OF_KEEP_ALIVE.1),
            Setting::HopLimit if value > 255 => return Err(Errno::Inval),
            Setting::HopLimit => value,
            Setting::ReceiveBuffer | Setting::SendBuffer => value.min(i32::MAX.unsigned_abs().into()),
        };
        os::socket::set_setting(self, family, setting, value)
    }

    /// Sends a datagram: to this address, or to that which the socket is connected to.
    pub fn send_to(&self, bytes: &[u8], to: Option<&SocketAddr>) -> Result<usize> {
        os::socket::send_to(self, bytes, to)
    }

    /// Receives a datagram: how many bytes of it there are, and where it has come from.
    pub fn receive_from(&self, bytes: &mut [u8]) -> Result<(usize, SocketAddr)> {
        os::socket::receive_from(self, bytes)
    }

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

    #[cfg(unix)]
    #[test]
    fn settings_are_clamped_and_kept() {
        let second = super::SECOND;
        for family in [Family::V4, Family::V6] {
            let Ok(socket) = File::socket(Protocol::Tcp, family) else { continue };
            for (setting, value, expected) in [
                (Setting::KeepAlive, 1, 1),
                (Setting::KeepAlive, 0, 0),
                (Setting::KeepAliveIdle, 1, second),
                (Setting::KeepAliveIdle, u64::MAX, 32_767 * second),
                (Setting::KeepAliveInterval, 2 * second + 1, 3 * second),
                (Setting::KeepAliveCount, u64::MAX, 127),
                (Setting::HopLimit, 1, 1),
                (Setting::HopLimit, 255, 255),
                (Setting::ReceiveBuffer, 65_536, 65_536),
                (Setting::SendBuffer, 65_536, 65_536),
            ] {
                assert_eq!(socket.set_setting(family, setting, value), Ok(()), "{setting:?} {value}");
                assert_eq!(socket.setting(family, setting), Ok(expected), "{setting:?} {value}");
            }
            for (setting, value) in [
                (Setting::KeepAliveIdle, 0),
                (Setting::KeepAliveInterval, 0),
                (Setting::KeepAliveCount, 0),
                (Setting::HopLimit, 0),
                (Setting::HopLimit, 256),
                (Setting::ReceiveBuffer, 0),
                (Setting::SendBuffer, 0),
            ] {
                assert_eq!(socket.set_setting(family, setting, value), Err(Errno::Inval), "{setting:?} {value}");
            }
            socket.set_setting(family, Setting::SendBuffer, u64::MAX).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_closed_in_children_and_never_waits() {
        use rustix::fs::{OFlags, fcntl_getfl};
        use rustix::io::{FdFlags, fcntl_getfd};
        let socket = File::socket(Protocol::Udp, Family::V4).unwrap();
        assert!(fcntl_getfd(&socket).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfl(&socket).unwrap().contains(OFlags::NONBLOCK));
        assert_eq!(socket.receive_from(&mut [0; 8]), Err(Errno::Again));
    }
}

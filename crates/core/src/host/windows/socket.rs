use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use crate::abi::socket::{Family, Protocol, Setting};
use crate::host::handle::File;
use std::io;
use std::net::SocketAddr;
use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;

/// Sockets have no descriptor numbers on Windows, so none can be handed in.
pub fn accept(_: &File) -> io::Result<File> {
    Err(io::Error::from_raw_os_error(WSAENOTSOCK))
}

pub fn is_listening(_: &File) -> io::Result<bool> {
    Err(io::Error::from_raw_os_error(WSAENOTSOCK))
}

pub fn shutdown(_: &File, _: Sdflags) -> Result {
    Err(Errno::Notsock)
}

/// ENOTSUP: sockets of a guest's own are not made on Windows yet, and so the rest is for none.
pub fn create(_: Protocol, _: Family) -> Result<File> {
    Err(Errno::Notsup)
}

pub fn set_nonblocking(_: &File) -> Result {
    Err(Errno::Notsock)
}

pub fn bind(_: &File, _: bool, _: &SocketAddr) -> Result {
    Err(Errno::Notsock)
}

pub fn connect(_: &File, _: &SocketAddr) -> Result {
    Err(Errno::Notsock)
}

pub fn disconnect(_: &File) -> Result {
    Err(Errno::Notsock)
}

pub fn take_error(_: &File) -> Result {
    Err(Errno::Notsock)
}

pub fn listen(_: &File, _: i32) -> Result {
    Err(Errno::Notsock)
}

pub fn local_address(_: &File) -> Result<SocketAddr> {
    Err(Errno::Notsock)
}

pub fn remote_address(_: &File) -> Result<SocketAddr> {
    Err(Errno::Notsock)
}

pub fn setting(_: &File, _: Family, _: Setting) -> Result<u64> {
    Err(Errno::Notsock)
}

pub fn set_setting(_: &File, _: Family, _: Setting, _: u64) -> Result {
    Err(Errno::Notsock)
}

pub fn send_to(_: &File, _: &[u8], _: Option<&SocketAddr>) -> Result<usize> {
    Err(Errno::Notsock)
}

pub fn receive_from(_: &File, _: &mut [u8]) -> Result<(usize, SocketAddr)> {
    Err(Errno::Notsock)
}

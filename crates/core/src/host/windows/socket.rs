use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use crate::host::handle::File;
use std::io;
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

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use crate::abi::socket::{Family, Protocol, Setting};
use crate::host::handle::File;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketType};
use std::net::SocketAddr;
use std::time::Duration;

pub use super::system::{accept, is_listening};

pub fn shutdown(file: &File, how: Sdflags) -> Result {
    let how = match (how.contains(Sdflags::RD), how.contains(Sdflags::WR)) {
        (true, true) => Shutdown::Both,
        (true, false) => Shutdown::Read,
        _ => Shutdown::Write,
    };
    Ok(rustix::net::shutdown(file, how)?)
}

pub fn create(protocol: Protocol, family: Family) -> Result<File> {
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let file = super::system::socket(
        match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        },
        kind,
    )?;
    if family == Family::V6 {
        sockopt::set_ipv6_v6only(&file, true)?;
    }
    Ok(file)
}

pub fn set_nonblocking(file: &File) -> Result {
    Ok(rustix::io::ioctl_fionbio(file, true)?)
}

pub fn bind(file: &File, reuses: bool, address: &SocketAddr) -> Result {
    // A port of the system's choice is to be free; others may have the chosen one afterwards as any other.
    sockopt::set_socket_reuseaddr(file, reuses && address.port() != 0)?;
    rustix::net::bind(file, address)?;
    Ok(sockopt::set_socket_reuseaddr(file, reuses)?)
}

pub fn connect(file: &File, address: &SocketAddr) -> Result {
    Ok(rustix::net::connect(file, address)?)
}

pub fn disconnect(file: &File) -> Result {
    match rustix::net::connect_unspec(file) {
        // macOS has disconnected it by then.
        Err(rustix::io::Errno::AFNOSUPPORT) => Ok(()),
        done => Ok(done?),
    }
}

pub fn take_error(file: &File) -> Result {
    Ok(sockopt::socket_error(file)??)
}

pub fn listen(file: &File, backlog: i32) -> Result {
    Ok(rustix::net::listen(file, backlog)?)
}

pub fn local_address(file: &File) -> Result<SocketAddr> {
    Ok(rustix::net::getsockname(file)?.try_into()?)
}

pub fn remote_address(file: &File) -> Result<SocketAddr> {
    Ok(rustix::net::getpeername(file)?.ok_or(Errno::Notconn)?.try_into()?)
}

/// The kernel of Linux keeps twice the size that it is asked for, for what it adds to the bytes.
const SIZE: u64 = if cfg!(target_os = "linux") { 2 } else { 1 };

pub fn setting(file: &File, family: Family, setting: Setting) -> Result<u64> {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Ok(match (setting, family) {
        (Setting::KeepAlive, _) => sockopt::socket_keepalive(file)?.into(),
        (Setting::KeepAliveIdle, _) => nanoseconds(sockopt::tcp_keepidle(file)?),
        (Setting::KeepAliveInterval, _) => nanoseconds(sockopt::tcp_keepintvl(file)?),
        (Setting::KeepAliveCount, _) => sockopt::tcp_keepcnt(file)?.into(),
        (Setting::HopLimit, Family::V4) => sockopt::ip_ttl(file)?.into(),
        (Setting::HopLimit, Family::V6) => sockopt::ipv6_unicast_hops(file)?.into(),
        (Setting::ReceiveBuffer, _) => sockopt::socket_recv_buffer_size(file)? as u64 / SIZE,
        (Setting::SendBuffer, _) => sockopt::socket_send_buffer_size(file)? as u64 / SIZE,
    })
}

pub fn set_setting(file: &File, family: Family, setting: Setting, value: u64) -> Result {
    let time = Duration::from_nanos(value);
    let short = u32::try_from(value).unwrap_or(u32::MAX);
    let size = usize::try_from(value).unwrap_or(usize::MAX);
    match (setting, family) {
        (Setting::KeepAlive, _) => sockopt::set_socket_keepalive(file, value != 0)?,
        (Setting::KeepAliveIdle, _) => sockopt::set_tcp_keepidle(file, time)?,
        (Setting::KeepAliveInterval, _) => sockopt::set_tcp_keepintvl(file, time)?,
        (Setting::KeepAliveCount, _) => sockopt::set_tcp_keepcnt(file, short)?,
        (Setting::HopLimit, Family::V4) => sockopt::set_ip_ttl(file, short)?,
        (Setting::HopLimit, Family::V6) => {
            sockopt::set_ipv6_unicast_hops(file, Some(u8::try_from(value).map_err(|_| Errno::Inval)?))?;
        }
        (Setting::ReceiveBuffer, _) => sockopt::set_socket_recv_buffer_size(file, size)?,
        (Setting::SendBuffer, _) => sockopt::set_socket_send_buffer_size(file, size)?,
    }
    Ok(())
}

pub fn send_to(file: &File, bytes: &[u8], to: Option<&SocketAddr>) -> Result<usize> {
    Ok(match to {
        Some(to) => rustix::net::sendto(file, bytes, super::system::NO_SIGNAL, to)?,
        None => rustix::net::send(file, bytes, super::system::NO_SIGNAL)?,
    })
}

pub fn receive_from(file: &File, bytes: &mut [u8]) -> Result<(usize, SocketAddr)> {
    let (count, _, from) = rustix::net::recvfrom(file, bytes, RecvFlags::empty())?;
    Ok((count, from.ok_or(Errno::Notconn)?.try_into()?))
}

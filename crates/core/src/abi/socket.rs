//! The words of sockets of the internet. Preview 1 has none for them; 0.2 and later have these.

use std::net::{IpAddr, SocketAddr};

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Streams of bytes.
    Tcp,
    /// Datagrams.
    Udp,
}

/// The family of a socket's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Addresses of 32 bits.
    V4,
    /// Addresses of 128 bits. None of them stands for one of IPv4.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: &SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// A setting of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// TCP: 1 if it is asked from time to time whether the peer is there, 0 otherwise.
    KeepAlive,
    /// TCP: the nanoseconds without bytes before that is asked.
    KeepAliveIdle,
    /// TCP: the nanoseconds until it is asked again.
    KeepAliveInterval,
    /// TCP: the questions without an answer after which the peer is gone.
    KeepAliveCount,
    /// The hops that a packet may take, 1 to 255.
    HopLimit,
    /// The bytes that have come and are kept until they are read.
    ReceiveBuffer,
    /// The bytes that are kept until they are sent.
    SendBuffer,
}

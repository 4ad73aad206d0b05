//! wasi:sockets/udp and udp-create-socket.

use super::addresses::{address_of, family_of, shown, shown_family};
use super::errors::{SocketFailed, code_of_connecting};
use super::network::{Network, Socket};
use crate::wasi::generated::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress};
use crate::wasi::generated::sockets::udp::{self, IncomingDatagram, OutgoingDatagram};
use crate::wasi::generated::sockets::udp_create_socket;
use crate::wasi::poll::Pollable;
use crate::wasi::{OpenFile, View};
use std::net::SocketAddr;
use std::sync::Arc;
use wasi_rs_core::abi::socket::{Family, Protocol, Setting};
use wasi_rs_core::abi::{Errno, Fd};
use wasi_rs_core::syscalls::sockets::Sockets;
use wasmtime::component::Resource;
use wasmtime::{Error, Result};

/// The most datagrams that are received, or may be sent, at once.
const MOST: usize = 16;

/// The resource `udp-socket`.
#[derive(Debug)]
pub struct UdpSocket {
    file: Arc<OpenFile>,
    family: Family,
    state: State,
    /// The peer of its streams, if they have one.
    remote: Option<SocketAddr>,
    /// Each of its streams owns this too.
    streams: Arc<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unbound,
    /// It is bound, and the guest has not asked yet.
    Binding,
    Bound,
}

/// The resource `incoming-datagram-stream`.
#[derive(Debug)]
pub struct IncomingDatagramStream(Stream);

/// The resource `outgoing-datagram-stream`.
#[derive(Debug)]
pub struct OutgoingDatagramStream {
    stream: Stream,
    /// The datagrams that may be sent.
    permit: u64,
}

/// A stream of a socket.
#[derive(Clone, Debug)]
struct Stream {
    file: Arc<OpenFile>,
    remote: Option<SocketAddr>,
    _counted: Arc<()>,
}

type Done<T = ()> = Result<T, SocketFailed>;

/// The streams of a socket.
type Streams = (Resource<IncomingDatagramStream>, Resource<OutgoingDatagramStream>);

/// True for the same address and port, whatever else the system tells of it.
pub fn is_same(one: &SocketAddr, other: &SocketAddr) -> bool {
    one.ip() == other.ip() && one.port() == other.port()
}

impl Socket for UdpSocket {
    fn fd(&self) -> u32 {
        self.file.fd
    }
}

impl View<'_> {
    fn udp(&mut self, socket: &Resource<UdpSocket>) -> Done<&mut UdpSocket> {
        Ok(self.wasi.table.get_mut(socket)?)
    }

    /// Makes a call on a socket.
    fn udp_call<T>(
        &mut self,
        socket: &Resource<UdpSocket>,
        call: impl FnOnce(Sockets<'_>, Fd) -> std::result::Result<T, Errno>,
    ) -> Done<std::result::Result<T, Errno>> {
        let fd = Fd(self.udp(socket)?.file.fd);
        Ok(self.sockets(|sockets| call(sockets, fd))?)
    }

    /// The address that a datagram goes to; none if the socket is connected to it.
    fn target(stream: &Stream, given: Option<IpSocketAddress>) -> Done<Option<SocketAddr>> {
        match (given.map(address_of), &stream.remote) {
            (None, Some(_)) => Ok(None),
            (Some(given), Some(remote)) if is_same(&given, remote) => Ok(None),
            (Some(given), None) => Ok(Some(given)),
            _ => Err(ErrorCode::InvalidArgument.into()),
        }
    }
}

impl udp_create_socket::Host for View<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> Done<Resource<UdpSocket>> {
        let family = family_of(family);
        let Fd(fd) = self.sockets(|sockets| sockets.open(Protocol::Udp, family))??;
        let file = Arc::new(OpenFile::new(fd, true));
        let socket = UdpSocket { file, family, state: State::Unbound, remote: None, streams: Arc::default() };
        Ok(self.push_open(socket, fd)?)
    }
}

impl udp::Host for View<'_> {}

impl udp::HostUdpSocket for View<'_> {
    fn start_bind(&mut self, this: Resource<UdpSocket>, network: Resource<Network>, at: IpSocketAddress) -> Done {
        self.wasi.table.get(&network)?;
        match self.udp(&this)?.state {
            State::Unbound => {}
            State::Binding => return Err(ErrorCode::ConcurrencyConflict.into()),
            State::Bound => return Err(ErrorCode::InvalidState.into()),
        }
        self.udp_call(&this, |sockets, fd| sockets.bind(fd, address_of(at)))??;
        self.udp(&this)?.state = State::Binding;
        Ok(())
    }

    fn finish_bind(&mut self, this: Resource<UdpSocket>) -> Done {
        let socket = self.udp(&this)?;
        if socket.state != State::Binding {
            return Err(ErrorCode::NotInProgress.into());
        }
        socket.state = State::Bound;
        Ok(())
    }

    fn stream(&mut self, this: Resource<UdpSocket>, remote: Option<IpSocketAddress>) -> Done<Streams> {
        let socket = self.udp(&this)?;
        if Arc::strong_count(&socket.streams) > 1 {
            return Err(
                Error::msg("udp-socket.stream() was called before the streams of the last call were dropped").into()
            );
        }
        if socket.state != State::Bound {
            return Err(ErrorCode::InvalidState.into());
        }
        let was_connected = socket.remote.is_some();
        let remote = remote.map(address_of);
        let called = match remote {
            Some(remote) => self.udp_call(&this, |sockets, fd| sockets.connect(fd, remote))?,
            None if was_connected => self.udp_call(&this, |sockets, fd| sockets.disconnect(fd))?,
            None => Ok(()),
        };
        called.map_err(code_of_connecting)?;
        let socket = self.udp(&this)?;
        socket.remote = remote;
        let stream = Stream { file: Arc::clone(&socket.file), remote, _counted: Arc::clone(&socket.streams) };
        let incoming = self.wasi.table.push(IncomingDatagramStream(stream.clone()))?;
        let outgoing = self.wasi.table.push(OutgoingDatagramStream { stream, permit: 0 })?;
        Ok((incoming, outgoing))
    }

    fn local_address(&mut self, this: Resource<UdpSocket>) -> Done<IpSocketAddress> {
        match self.udp(&this)?.state {
            State::Unbound => Err(ErrorCode::InvalidState.into()),
            State::Binding => Err(ErrorCode::ConcurrencyConflict.into()),
            State::Bound => Ok(shown(self.udp_call(&this, |sockets, fd| sockets.local_address(fd))??)),
        }
    }

    fn remote_address(&mut self, this: Resource<UdpSocket>) -> Done<IpSocketAddress> {
        let remote = self.udp(&this)?.remote;
        Ok(shown(remote.ok_or(ErrorCode::InvalidState)?))
    }

    fn address_family(&mut self, this: Resource<UdpSocket>) -> Result<IpAddressFamily> {
        Ok(shown_family(self.wasi.table.get(&this)?.family))
    }

    fn unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> Done<u8> {
        Ok(u8::try_from(self.setting(&this, Setting::HopLimit)?).unwrap_or(u8::MAX))
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> Done {
        self.set_setting(&this, Setting::HopLimit, value.into())
    }

    fn receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> Done<u64> {
        self.setting(&this, Setting::ReceiveBuffer)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::ReceiveBuffer, value)
    }

    fn send_buffer_size(&mut self, this: Resource<UdpSocket>) -> Done<u64> {
        self.setting(&this, Setting::SendBuffer)
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::SendBuffer, value)
    }

    fn subscribe(&mut self, this: Resource<UdpSocket>) -> Result<Resource<Pollable>> {
        // Its only operation, to be bound, is over at once.
        self.wasi.table.get(&this)?;
        Ok(self.wasi.table.push(Pollable::Ready)?)
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> Result<()> {
        let UdpSocket { file, .. } = self.wasi.table.delete(this)?;
        self.release(file)
    }
}

impl udp::HostIncomingDatagramStream for View<'_> {
    fn receive(&mut self, this: Resource<IncomingDatagramStream>, most: u64) -> Done<Vec<IncomingDatagram>> {
        let (fd, remote) = {
            let IncomingDatagramStream(stream) = self.wasi.table.get(&this)?;
            (Fd(stream.file.fd), stream.remote)
        };
        let most = usize::try_from(most).unwrap_or(MOST).min(MOST);
        let mut received = Vec::new();
        // One that came before the socket was connected may be of another peer.
        for _ in 0..MOST {
            if received.len() >= most {
                break;
            }
            match self.sockets(|sockets| sockets.receive(fd))? {
                Ok(one) if remote.is_none_or(|remote| is_same(&remote, &one.from)) => {
                    received.push(IncomingDatagram { data: one.bytes, remote_address: shown(one.from) });
                }
                Ok(_) => {}
                Err(Errno::Again) => break,
                Err(_) if !received.is_empty() => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(received)
    }

    fn subscribe(&mut self, this: Resource<IncomingDatagramStream>) -> Result<Resource<Pollable>> {
        let fd = self.wasi.table.get(&this)?.0.file.fd;
        Ok(self.wasi.table.push(Pollable::Read(fd))?)
    }

    fn drop(&mut self, this: Resource<IncomingDatagramStream>) -> Result<()> {
        let IncomingDatagramStream(Stream { file, .. }) = self.wasi.table.delete(this)?;
        self.release(file)
    }
}

impl udp::HostOutgoingDatagramStream for View<'_> {
    fn check_send(&mut self, this: Resource<OutgoingDatagramStream>) -> Done<u64> {
        let fd = self.wasi.table.get(&this)?.stream.file.fd;
        let permit = if self.is_ready(Pollable::Write(fd))? { MOST as u64 } else { 0 };
        self.wasi.table.get_mut(&this)?.permit = permit;
        Ok(permit)
    }

    fn send(&mut self, this: Resource<OutgoingDatagramStream>, datagrams: Vec<OutgoingDatagram>) -> Done<u64> {
        let OutgoingDatagramStream { stream, permit } = self.wasi.table.get_mut(&this)?;
        let stream = stream.clone();
        let Some(left) = permit.checked_sub(datagrams.len() as u64) else {
            let why = format!("{} datagrams were sent where check-send had permitted {permit}", datagrams.len());
            return Err(Error::msg(why).into());
        };
        *permit = left;
        let fd = Fd(stream.file.fd);
        let mut sent = 0;
        for OutgoingDatagram { data, remote_address } in datagrams {
            let called = match Self::target(&stream, remote_address) {
                Ok(to) => self.sockets(|sockets| sockets.send(fd, &data, to))?,
                Err(failed) if sent == 0 => return Err(failed),
                Err(_) => break,
            };
            match called {
                Ok(()) => sent += 1,
                Err(Errno::Again) => break,
                // It is told by the next call, if the datagram is sent again.
                Err(_) if sent > 0 => break,
                Err(errno) => return Err(code_of_connecting(errno).into()),
            }
        }
        Ok(sent)
    }

    fn subscribe(&mut self, this: Resource<OutgoingDatagramStream>) -> Result<Resource<Pollable>> {
        let fd = self.wasi.table.get(&this)?.stream.file.fd;
        Ok(self.wasi.table.push(Pollable::Write(fd))?)
    }

    fn drop(&mut self, this: Resource<OutgoingDatagramStream>) -> Result<()> {
        let OutgoingDatagramStream { stream: Stream { file, .. }, .. } = self.wasi.table.delete(this)?;
        self.release(file)
    }
}

//! Sockets for TCP.

use super::addresses::{address_of, family_of, shown, shown_family};
use super::code_of_stream;
use crate::wasi::calls::Awaited;
use crate::wasi::generated::sockets::network::ErrorCode as Older;
use crate::wasi::p3::generated::sockets::types::{self, Duration, ErrorCode, IpAddressFamily, IpSocketAddress};
use crate::wasi::p3::reactor::{Held, Left, Waiting};
use crate::wasi::p3::streams;
use crate::wasi::sockets::errors::{SocketFailed, code_of_connecting};
use crate::wasi::sockets::network::Socket;
use crate::wasi::sockets::state::{State, Tcp};
use crate::wasi::streams::Place;
use crate::wasi::{OpenFile, View, Views};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::abi::socket::{Family, Protocol, Setting};
use wasi_rs_core::abi::{Errno, Fd};
use wasmtime::component::{
    Access, Accessor, Destination, FutureReader, Resource, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

/// The resource `tcp-socket`.
#[derive(Debug)]
pub struct TcpSocket {
    tcp: Arc<Tcp>,
    /// True once the guest has a stream to it, or from it.
    is_sent: bool,
    is_received: bool,
}

type Done<T = ()> = std::result::Result<T, SocketFailed>;

/// A future of the end of a stream.
type End = FutureReader<std::result::Result<(), ErrorCode>>;

/// The time until a guest without descriptors is given a connection again, in nanoseconds.
const PAUSE: u64 = 10_000_000;

const fn unspecified(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        Family::V6 => SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}

impl Socket for TcpSocket {
    fn fd(&self) -> u32 {
        self.tcp.file.fd
    }
}

impl View<'_> {
    fn tcp_3(&mut self, socket: &Resource<TcpSocket>) -> Done<Arc<Tcp>> {
        Ok(Arc::clone(&self.wasi.table.get(socket)?.tcp))
    }

    fn add_tcp_3(&mut self, fd: Fd, family: Family) -> Result<(Resource<TcpSocket>, Arc<Tcp>)> {
        let tcp = Tcp::new(Arc::new(OpenFile::new(fd.0, true)), family);
        let socket = TcpSocket { tcp: Arc::clone(&tcp), is_sent: false, is_received: false };
        Ok((self.push_open(socket, fd.0)?, tcp))
    }

    /// Has a socket take connections.
    fn listen_3(&mut self, tcp: &Tcp) -> Done {
        match tcp.state() {
            State::Bound => {}
            State::Unbound => {
                self.tcp_call(tcp, |sockets, fd| sockets.bind(fd, unspecified(tcp.family)))??;
                tcp.enter(State::Bound);
            }
            _ => return Err(Older::InvalidState.into()),
        }
        let backlog = tcp.inner().backlog;
        self.tcp_call(tcp, |sockets, fd| sockets.listen(fd, backlog))??;
        tcp.enter(State::Listening);
        Ok(())
    }

    /// The next connection of a socket, if there is one.
    fn accept_3(&mut self, tcp: &Tcp) -> Result<std::result::Result<Resource<TcpSocket>, Errno>> {
        loop {
            match self.accepted(tcp)? {
                Ok((fd, remote)) => {
                    let (socket, connection) = self.add_tcp_3(fd, tcp.family)?;
                    connection.connected(remote);
                    return Ok(Ok(socket));
                }
                Err(Errno::Connaborted) => {}
                Err(errno) => return Ok(Err(errno)),
            }
        }
    }
}

/// The connections of a socket.
struct Connections<U: 'static> {
    view: fn(&mut U) -> View<'_>,
    socket: Held,
    waiting: Waiting,
}

impl<U: 'static> StreamProducer<U> for Connections<U> {
    type Item = Resource<TcpSocket>;
    type Buffer = VecBuffer<Resource<TcpSocket>>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, U>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed)); // it is tried again with room for one
        }
        let Some(Left::Tcp(tcp)) = this.socket.get() else { return Poll::Ready(Ok(StreamResult::Dropped)) };
        loop {
            let mut view = (this.view)(store.data_mut());
            let awaited = match view.accept_3(tcp)? {
                Ok(socket) => {
                    destination.set_buffer(vec![socket].into());
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                Err(Errno::Again) => Awaited::Read(tcp.file.fd),
                // The connection waits until the guest has closed something.
                Err(Errno::Mfile | Errno::Nfile | Errno::Nomem | Errno::Nobufs) => {
                    Awaited::Time(view.calls().time(Clockid::Monotonic)?.saturating_add(PAUSE))
                }
                Err(_) => return Poll::Ready(Ok(StreamResult::Dropped)),
            };
            if let Some(early) = this.waiting.poll(context, awaited, streams::cancelled(finish)) {
                return early;
            }
        }
    }
}

impl<U: Send + 'static> types::HostTcpSocketWithStore<U> for Views {
    async fn connect(store: &Accessor<U, Self>, this: Resource<TcpSocket>, to: IpSocketAddress) -> Done {
        let (tcp, reactor, begun) = store.with(|mut store| {
            let mut view = store.get();
            let tcp = view.tcp_3(&this)?;
            if !matches!(tcp.state(), State::Unbound | State::Bound) {
                return Err(Older::InvalidState.into());
            }
            let begun = view.tcp_call(&tcp, |sockets, fd| sockets.connect(fd, address_of(to)))?;
            match begun {
                Err(Errno::Inprogress) => tcp.enter(State::Connecting),
                // It was not tried.
                Err(errno @ (Errno::Inval | Errno::Acces)) => return Err(errno.into()),
                tried => tcp.enter(State::Tried(tried)),
            }
            Ok::<_, SocketFailed>((tcp, Arc::clone(&view.wasi.reactor), begun))
        })?;
        let _open = Held::new(Left::Tcp(Arc::clone(&tcp)), Arc::clone(&reactor));
        let mut tried = begun;
        while matches!(tried, Err(Errno::Inprogress | Errno::Again)) {
            reactor.wait(Awaited::Write(tcp.file.fd)).await;
            tried = store.with(|mut store| store.get().tcp_call(&tcp, |sockets, fd| sockets.finish_connect(fd)))?;
        }
        let connected = match tried {
            Ok(()) => store.with(|mut store| store.get().tcp_call(&tcp, |sockets, fd| sockets.remote_address(fd)))?,
            Err(errno) => Err(errno),
        };
        match connected {
            Ok(remote) => {
                tcp.connected(remote);
                Ok(())
            }
            Err(errno) => {
                tcp.enter(State::Closed);
                Err(code_of_connecting(errno).into())
            }
        }
    }

    fn listen(mut store: Access<'_, U, Self>, this: Resource<TcpSocket>) -> Done<StreamReader<Resource<TcpSocket>>> {
        let tcp = store.get().tcp_3(&this)?;
        store.get().listen_3(&tcp)?;
        let (view, reactor) = (store.getter(), Arc::clone(&store.get().wasi.reactor));
        let socket = Held::new(Left::Tcp(tcp), Arc::clone(&reactor));
        Ok(StreamReader::new(&mut store, Connections { view, socket, waiting: Waiting::new(reactor) })?)
    }

    fn send(mut store: Access<'_, U, Self>, this: Resource<TcpSocket>, mut data: StreamReader<u8>) -> Result<End> {
        let socket = store.get().wasi.table.get_mut(&this)?;
        if socket.tcp.state() != State::Connected || std::mem::replace(&mut socket.is_sent, true) {
            data.close(&mut store)?;
            return streams::failed(&mut store, Errno::Notconn, code_of_stream);
        }
        let place = Place::Tcp(Arc::clone(&socket.tcp));
        streams::write(&mut store, place, data, code_of_stream)
    }

    fn receive(mut store: Access<'_, U, Self>, this: Resource<TcpSocket>) -> Result<(StreamReader<u8>, End)> {
        let socket = store.get().wasi.table.get_mut(&this)?;
        if socket.tcp.state() != State::Connected || std::mem::replace(&mut socket.is_received, true) {
            return streams::refused(&mut store, Errno::Notconn, code_of_stream);
        }
        let place = Place::Tcp(Arc::clone(&socket.tcp));
        streams::read(&mut store, place, code_of_stream)
    }
}

impl types::HostTcpSocket for View<'_> {
    fn create(&mut self, family: IpAddressFamily) -> Done<Resource<TcpSocket>> {
        self.close_left()?;
        let family = family_of(family);
        let fd = self.sockets(|sockets| sockets.open(Protocol::Tcp, family))??;
        Ok(self.add_tcp_3(fd, family)?.0)
    }

    fn bind(&mut self, this: Resource<TcpSocket>, at: IpSocketAddress) -> Done {
        let tcp = self.tcp_3(&this)?;
        if tcp.state() != State::Unbound {
            return Err(Older::InvalidState.into());
        }
        self.tcp_call(&tcp, |sockets, fd| sockets.bind(fd, address_of(at)))??;
        tcp.enter(State::Bound);
        Ok(())
    }

    fn get_local_address(&mut self, this: Resource<TcpSocket>) -> Done<IpSocketAddress> {
        let tcp = self.tcp_3(&this)?;
        if matches!(tcp.state(), State::Unbound | State::Closed) {
            return Err(Older::InvalidState.into());
        }
        Ok(shown(self.tcp_call(&tcp, |sockets, fd| sockets.local_address(fd))??))
    }

    fn get_remote_address(&mut self, this: Resource<TcpSocket>) -> Done<IpSocketAddress> {
        let remote = self.tcp_3(&this)?.inner().remote;
        Ok(shown(remote.ok_or(Older::InvalidState)?))
    }

    fn get_is_listening(&mut self, this: Resource<TcpSocket>) -> Result<bool> {
        Ok(self.wasi.table.get(&this)?.tcp.state() == State::Listening)
    }

    fn get_address_family(&mut self, this: Resource<TcpSocket>) -> Result<IpAddressFamily> {
        Ok(shown_family(self.wasi.table.get(&this)?.tcp.family))
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        let tcp = self.tcp_3(&this)?;
        self.set_backlog(&tcp, value)
    }

    fn get_keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> Done<bool> {
        Ok(self.setting(&this, Setting::KeepAlive)? != 0)
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> Done {
        self.set_setting(&this, Setting::KeepAlive, value.into())
    }

    fn get_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> Done<Duration> {
        self.setting(&this, Setting::KeepAliveIdle)
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: Duration) -> Done {
        self.set_setting(&this, Setting::KeepAliveIdle, value)
    }

    fn get_keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> Done<Duration> {
        self.setting(&this, Setting::KeepAliveInterval)
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: Duration) -> Done {
        self.set_setting(&this, Setting::KeepAliveInterval, value)
    }

    fn get_keep_alive_count(&mut self, this: Resource<TcpSocket>) -> Done<u32> {
        Ok(u32::try_from(self.setting(&this, Setting::KeepAliveCount)?).unwrap_or(u32::MAX))
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> Done {
        self.set_setting(&this, Setting::KeepAliveCount, value.into())
    }

    fn get_hop_limit(&mut self, this: Resource<TcpSocket>) -> Done<u8> {
        Ok(u8::try_from(self.setting(&this, Setting::HopLimit)?).unwrap_or(u8::MAX))
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> Done {
        self.set_setting(&this, Setting::HopLimit, value.into())
    }

    fn get_receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> Done<u64> {
        self.setting(&this, Setting::ReceiveBuffer)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::ReceiveBuffer, value)
    }

    fn get_send_buffer_size(&mut self, this: Resource<TcpSocket>) -> Done<u64> {
        self.setting(&this, Setting::SendBuffer)
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::SendBuffer, value)
    }

    fn drop(&mut self, this: Resource<TcpSocket>) -> Result<()> {
        let TcpSocket { tcp, .. } = self.wasi.table.delete(this)?;
        self.release_tcp(tcp)
    }
}

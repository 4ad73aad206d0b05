//! wasi:sockets/tcp and tcp-create-socket. Operations that take two calls are made by the first, but for
//! connecting, which goes on in the kernel.

use super::addresses::{address_of, family_of, shown, shown_family};
use super::errors::{SocketFailed, code_of_connecting};
use super::network::{Network, Socket};
use super::state::{Aspect, State, Tcp};
use crate::wasi::generated::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress};
use crate::wasi::generated::sockets::tcp::{self, Duration, ShutdownType};
use crate::wasi::generated::sockets::tcp_create_socket;
use crate::wasi::poll::Pollable;
use crate::wasi::streams::{InputStream, OutputStream};
use crate::wasi::{OpenFile, View};
use std::net::SocketAddr;
use std::sync::Arc;
use wasi_rs_core::abi::flags::Sdflags;
use wasi_rs_core::abi::socket::{Family, Protocol, Setting};
use wasi_rs_core::abi::{Errno, Fd};
use wasi_rs_core::syscalls::sockets::Sockets;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The resource `tcp-socket`.
#[derive(Debug)]
pub struct TcpSocket(Arc<Tcp>);

type Done<T = ()> = Result<T, SocketFailed>;

/// The streams of a connection.
type Streams = (Resource<InputStream>, Resource<OutputStream>);

/// The error of an operation in a state in which it can't be.
fn not_in(state: State) -> SocketFailed {
    let code = if state.is_begun() { ErrorCode::ConcurrencyConflict } else { ErrorCode::InvalidState };
    code.into()
}

/// The errors of a connection that was lost before it was taken, which Linux reports when it is.
const fn is_lost(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::Connaborted
            | Errno::Proto
            | Errno::Noprotoopt
            | Errno::Hostunreach
            | Errno::Netunreach
            | Errno::Netdown
            | Errno::Notsup
            | Errno::Timedout
    )
}

impl Socket for TcpSocket {
    fn fd(&self) -> u32 {
        self.0.file.fd
    }
}

impl View<'_> {
    fn tcp(&mut self, socket: &Resource<TcpSocket>) -> Done<Arc<Tcp>> {
        Ok(Arc::clone(&self.wasi.table.get(socket)?.0))
    }

    /// Makes a call on a socket.
    pub fn tcp_call<T>(
        &mut self,
        tcp: &Tcp,
        call: impl FnOnce(Sockets<'_>, Fd) -> std::result::Result<T, Errno>,
    ) -> Result<std::result::Result<T, Errno>> {
        let fd = Fd(tcp.file.fd);
        self.sockets(|sockets| call(sockets, fd))
    }

    fn add_tcp(&mut self, fd: Fd, family: Family) -> Result<(Resource<TcpSocket>, Arc<Tcp>)> {
        let tcp = Tcp::new(Arc::new(OpenFile::new(fd.0, true)), family);
        Ok((self.push_open(TcpSocket(Arc::clone(&tcp)), fd.0)?, tcp))
    }

    fn streams_of(&mut self, tcp: &Arc<Tcp>) -> Result<Streams> {
        let input = self.wasi.table.push(InputStream::tcp(Arc::clone(tcp)))?;
        Ok((input, self.wasi.table.push(OutputStream::tcp(Arc::clone(tcp)))?))
    }

    /// Drops one owner of a socket, and closes it after the last.
    pub fn release_tcp(&mut self, tcp: Arc<Tcp>) -> Result<()> {
        match Arc::into_inner(tcp) {
            Some(Tcp { file, .. }) => self.release(file),
            None => Ok(()),
        }
    }

    /// The next connection of a socket, and its peer. ECONNABORTED: it was there, and is lost.
    pub fn accepted(&mut self, tcp: &Tcp) -> Result<std::result::Result<(Fd, SocketAddr), Errno>> {
        let fd = match self.tcp_call(tcp, |sockets, fd| sockets.accept(fd))? {
            Ok(fd) => fd,
            Err(errno) if is_lost(errno) => return Ok(Err(Errno::Connaborted)),
            Err(errno) => return Ok(Err(errno)),
        };
        match self.sockets(|sockets| sockets.remote_address(fd))? {
            Ok(remote) => Ok(Ok((fd, remote))),
            Err(_) => {
                self.calls().close(fd.0)?;
                Ok(Err(Errno::Connaborted))
            }
        }
    }

    /// Sets the number of connections that may wait to be taken.
    pub fn set_backlog(&mut self, tcp: &Tcp, value: u64) -> Done {
        if value == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        match tcp.state() {
            State::Listening | State::BeginsToListen => {
                self.tcp_call(tcp, |sockets, fd| sockets.listen(fd, value))??;
            }
            State::Unbound | State::Binding | State::Bound => {}
            _ => return Err(ErrorCode::InvalidState.into()),
        }
        tcp.inner().backlog = value;
        Ok(())
    }
}

impl tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> Done<Resource<TcpSocket>> {
        let family = family_of(family);
        let fd = self.sockets(|sockets| sockets.open(Protocol::Tcp, family))??;
        Ok(self.add_tcp(fd, family)?.0)
    }
}

impl tcp::Host for View<'_> {}

impl tcp::HostTcpSocket for View<'_> {
    fn start_bind(&mut self, this: Resource<TcpSocket>, network: Resource<Network>, at: IpSocketAddress) -> Done {
        self.wasi.table.get(&network)?;
        let tcp = self.tcp(&this)?;
        match tcp.state() {
            State::Unbound => {}
            other => return Err(not_in(other)),
        }
        self.tcp_call(&tcp, |sockets, fd| sockets.bind(fd, address_of(at)))??;
        tcp.enter(State::Binding);
        Ok(())
    }

    fn finish_bind(&mut self, this: Resource<TcpSocket>) -> Done {
        let tcp = self.tcp(&this)?;
        if tcp.state() != State::Binding {
            return Err(ErrorCode::NotInProgress.into());
        }
        tcp.enter(State::Bound);
        Ok(())
    }

    fn start_connect(&mut self, this: Resource<TcpSocket>, network: Resource<Network>, to: IpSocketAddress) -> Done {
        self.wasi.table.get(&network)?;
        let tcp = self.tcp(&this)?;
        match tcp.state() {
            State::Unbound | State::Bound => {}
            other => return Err(not_in(other)),
        }
        tcp.enter(match self.tcp_call(&tcp, |sockets, fd| sockets.connect(fd, address_of(to)))? {
            Err(Errno::Inprogress) => State::Connecting,
            // It was not tried.
            Err(errno @ (Errno::Inval | Errno::Acces)) => return Err(errno.into()),
            tried => State::Tried(tried),
        });
        Ok(())
    }

    fn finish_connect(&mut self, this: Resource<TcpSocket>) -> Done<Streams> {
        let tcp = self.tcp(&this)?;
        let tried = match tcp.state() {
            State::Connecting => self.tcp_call(&tcp, |sockets, fd| sockets.finish_connect(fd))?,
            State::Tried(tried) => tried,
            _ => return Err(ErrorCode::NotInProgress.into()),
        };
        let tried = match tried {
            Ok(()) => self.tcp_call(&tcp, |sockets, fd| sockets.remote_address(fd))?,
            Err(errno) => Err(errno),
        };
        match tried {
            Ok(remote) => tcp.connected(remote),
            Err(Errno::Again) if tcp.state() == State::Connecting => return Err(ErrorCode::WouldBlock.into()),
            Err(errno) => {
                tcp.enter(State::Closed);
                return Err(code_of_connecting(errno).into());
            }
        }
        Ok(self.streams_of(&tcp)?)
    }

    fn start_listen(&mut self, this: Resource<TcpSocket>) -> Done {
        let tcp = self.tcp(&this)?;
        match tcp.state() {
            State::Bound => {}
            other => return Err(not_in(other)),
        }
        let backlog = tcp.inner().backlog;
        self.tcp_call(&tcp, |sockets, fd| sockets.listen(fd, backlog))??;
        tcp.enter(State::BeginsToListen);
        Ok(())
    }

    fn finish_listen(&mut self, this: Resource<TcpSocket>) -> Done {
        let tcp = self.tcp(&this)?;
        if tcp.state() != State::BeginsToListen {
            return Err(ErrorCode::NotInProgress.into());
        }
        tcp.enter(State::Listening);
        Ok(())
    }

    fn accept(
        &mut self,
        this: Resource<TcpSocket>,
    ) -> Done<(Resource<TcpSocket>, Resource<InputStream>, Resource<OutputStream>)> {
        let tcp = self.tcp(&this)?;
        if tcp.state() != State::Listening {
            return Err(ErrorCode::InvalidState.into());
        }
        let (fd, remote) = self.accepted(&tcp)??;
        let (socket, connection) = self.add_tcp(fd, tcp.family)?;
        connection.connected(remote);
        let (input, output) = self.streams_of(&connection)?;
        Ok((socket, input, output))
    }

    fn local_address(&mut self, this: Resource<TcpSocket>) -> Done<IpSocketAddress> {
        let tcp = self.tcp(&this)?;
        match tcp.state() {
            State::Unbound | State::Closed => return Err(ErrorCode::InvalidState.into()),
            State::Binding => return Err(ErrorCode::ConcurrencyConflict.into()),
            _ => {}
        }
        Ok(shown(self.tcp_call(&tcp, |sockets, fd| sockets.local_address(fd))??))
    }

    fn remote_address(&mut self, this: Resource<TcpSocket>) -> Done<IpSocketAddress> {
        let tcp = self.tcp(&this)?;
        if let Some(remote) = tcp.inner().remote {
            return Ok(shown(remote));
        }
        match tcp.state() {
            State::Connecting | State::Tried(_) => Err(ErrorCode::ConcurrencyConflict.into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn is_listening(&mut self, this: Resource<TcpSocket>) -> Result<bool> {
        Ok(self.wasi.table.get(&this)?.0.state() == State::Listening)
    }

    fn address_family(&mut self, this: Resource<TcpSocket>) -> Result<IpAddressFamily> {
        Ok(shown_family(self.wasi.table.get(&this)?.0.family))
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        let tcp = self.tcp(&this)?;
        self.set_backlog(&tcp, value)
    }

    fn keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> Done<bool> {
        Ok(self.setting(&this, Setting::KeepAlive)? != 0)
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> Done {
        self.set_setting(&this, Setting::KeepAlive, value.into())
    }

    fn keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> Done<Duration> {
        self.setting(&this, Setting::KeepAliveIdle)
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: Duration) -> Done {
        self.set_setting(&this, Setting::KeepAliveIdle, value)
    }

    fn keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> Done<Duration> {
        self.setting(&this, Setting::KeepAliveInterval)
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: Duration) -> Done {
        self.set_setting(&this, Setting::KeepAliveInterval, value)
    }

    fn keep_alive_count(&mut self, this: Resource<TcpSocket>) -> Done<u32> {
        Ok(u32::try_from(self.setting(&this, Setting::KeepAliveCount)?).unwrap_or(u32::MAX))
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> Done {
        self.set_setting(&this, Setting::KeepAliveCount, value.into())
    }

    fn hop_limit(&mut self, this: Resource<TcpSocket>) -> Done<u8> {
        Ok(u8::try_from(self.setting(&this, Setting::HopLimit)?).unwrap_or(u8::MAX))
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> Done {
        self.set_setting(&this, Setting::HopLimit, value.into())
    }

    fn receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> Done<u64> {
        self.setting(&this, Setting::ReceiveBuffer)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::ReceiveBuffer, value)
    }

    fn send_buffer_size(&mut self, this: Resource<TcpSocket>) -> Done<u64> {
        self.setting(&this, Setting::SendBuffer)
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::SendBuffer, value)
    }

    fn subscribe(&mut self, this: Resource<TcpSocket>) -> Result<Resource<Pollable>> {
        let tcp = Arc::downgrade(&self.wasi.table.get(&this)?.0);
        Ok(self.wasi.table.push(Pollable::Tcp(tcp, Aspect::Operation))?)
    }

    fn shutdown(&mut self, this: Resource<TcpSocket>, how: ShutdownType) -> Done {
        let tcp = self.tcp(&this)?;
        if tcp.state() != State::Connected {
            return Err(ErrorCode::InvalidState.into());
        }
        let (flags, shut) = match how {
            ShutdownType::Receive => (Sdflags::RD, [true, false]),
            ShutdownType::Send => (Sdflags::WR, [false, true]),
            ShutdownType::Both => (Sdflags::all(), [true, true]),
        };
        match self.tcp_call(&tcp, |sockets, fd| sockets.shutdown(fd, flags))? {
            // The peer has ended it by now.
            Ok(()) | Err(Errno::Notconn) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut inner = tcp.inner();
        for (is_shut, now) in inner.is_shut.iter_mut().zip(shut) {
            *is_shut |= now;
        }
        Ok(())
    }

    fn drop(&mut self, this: Resource<TcpSocket>) -> Result<()> {
        let TcpSocket(tcp) = self.wasi.table.delete(this)?;
        self.release_tcp(tcp)
    }
}

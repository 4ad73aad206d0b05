//! Sockets for UDP.

use super::addresses::{address_of, family_of, shown, shown_family};
use crate::wasi::calls::Awaited;
use crate::wasi::generated::sockets::network::ErrorCode as Older;
use crate::wasi::p3::generated::sockets::types::{self, IpAddressFamily, IpSocketAddress};
use crate::wasi::p3::reactor::{Held, Left, Reactor};
use crate::wasi::sockets::errors::{SocketFailed, code_of_connecting};
use crate::wasi::sockets::network::Socket;
use crate::wasi::sockets::udp::is_same;
use crate::wasi::{OpenFile, View, Views};
use std::net::SocketAddr;
use std::sync::Arc;
use wasi_rs_core::abi::socket::{Family, Protocol, Setting};
use wasi_rs_core::abi::{Errno, Fd};
use wasmtime::Result;
use wasmtime::component::{Accessor, Resource};

/// The resource `udp-socket`.
#[derive(Debug)]
pub struct UdpSocket {
    file: Arc<OpenFile>,
    family: Family,
    is_bound: bool,
    /// The peer that it is connected to.
    remote: Option<SocketAddr>,
}

type Done<T = ()> = std::result::Result<T, SocketFailed>;

impl Socket for UdpSocket {
    fn fd(&self) -> u32 {
        self.file.fd
    }
}

impl View<'_> {
    fn udp_3(&mut self, socket: &Resource<UdpSocket>) -> Done<&mut UdpSocket> {
        Ok(self.wasi.table.get_mut(socket)?)
    }
}

/// A socket for the time of an operation, which may be longer than the guest has it.
struct Operation {
    fd: u32,
    reactor: Arc<Reactor>,
    _open: Held,
}

impl Operation {
    fn new(view: &View<'_>, file: &Arc<OpenFile>) -> Self {
        let reactor = Arc::clone(&view.wasi.reactor);
        let open = Held::new(Left::File(Arc::clone(file)), Arc::clone(&reactor));
        Self { fd: file.fd, reactor, _open: open }
    }
}

impl<U: Send + 'static> types::HostUdpSocketWithStore<U> for Views {
    async fn send(
        store: &Accessor<U, Self>,
        this: Resource<UdpSocket>,
        data: Vec<u8>,
        to: Option<IpSocketAddress>,
    ) -> Done {
        let (operation, to) = store.with(|mut store| {
            let mut view = store.get();
            let socket = view.udp_3(&this)?;
            let to = match (to.map(address_of), &socket.remote) {
                (None, Some(_)) => None,
                (Some(given), Some(remote)) if is_same(&given, remote) => None,
                (Some(given), None) => Some(given),
                _ => return Err(SocketFailed::from(Older::InvalidArgument)),
            };
            let file = Arc::clone(&socket.file);
            Ok((Operation::new(&view, &file), to))
        })?;
        loop {
            let sent = store.with(|mut store| {
                let mut view = store.get();
                view.sockets(|sockets| sockets.send(Fd(operation.fd), &data, to))
            })?;
            match sent {
                Ok(()) => break,
                Err(Errno::Again) => operation.reactor.wait(Awaited::Write(operation.fd)).await,
                Err(errno) => return Err(code_of_connecting(errno).into()),
            }
        }
        store.with(|mut store| {
            // The guest may have dropped it.
            if let Ok(socket) = store.get().wasi.table.get_mut(&this) {
                socket.is_bound = true;
            }
        });
        Ok(())
    }

    async fn receive(store: &Accessor<U, Self>, this: Resource<UdpSocket>) -> Done<(Vec<u8>, IpSocketAddress)> {
        let (operation, remote) = store.with(|mut store| {
            let mut view = store.get();
            let socket = view.udp_3(&this)?;
            if !socket.is_bound {
                return Err(SocketFailed::from(Older::InvalidState));
            }
            let (file, remote) = (Arc::clone(&socket.file), socket.remote);
            Ok((Operation::new(&view, &file), remote))
        })?;
        loop {
            let received = store.with(|mut store| store.get().sockets(|sockets| sockets.receive(Fd(operation.fd))))?;
            match received {
                Ok(one) if remote.is_none_or(|remote| is_same(&remote, &one.from)) => {
                    return Ok((one.bytes, shown(one.from)));
                }
                // It came before the socket was connected.
                Ok(_) => {}
                Err(Errno::Again) => operation.reactor.wait(Awaited::Read(operation.fd)).await,
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl types::HostUdpSocket for View<'_> {
    fn create(&mut self, family: IpAddressFamily) -> Done<Resource<UdpSocket>> {
        self.close_left()?;
        let family = family_of(family);
        let Fd(fd) = self.sockets(|sockets| sockets.open(Protocol::Udp, family))??;
        let file = Arc::new(OpenFile::new(fd, true));
        Ok(self.push_open(UdpSocket { file, family, is_bound: false, remote: None }, fd)?)
    }

    fn bind(&mut self, this: Resource<UdpSocket>, at: IpSocketAddress) -> Done {
        let socket = self.udp_3(&this)?;
        if socket.is_bound {
            return Err(Older::InvalidState.into());
        }
        let fd = Fd(socket.file.fd);
        self.sockets(|sockets| sockets.bind(fd, address_of(at)))??;
        self.udp_3(&this)?.is_bound = true;
        Ok(())
    }

    fn connect(&mut self, this: Resource<UdpSocket>, to: IpSocketAddress) -> Done {
        let (fd, to) = (Fd(self.udp_3(&this)?.file.fd), address_of(to));
        self.sockets(|sockets| sockets.connect(fd, to))?.map_err(code_of_connecting)?;
        let socket = self.udp_3(&this)?;
        socket.is_bound = true;
        socket.remote = Some(to);
        Ok(())
    }

    fn disconnect(&mut self, this: Resource<UdpSocket>) -> Done {
        let socket = self.udp_3(&this)?;
        if socket.remote.is_none() {
            return Err(Older::InvalidState.into());
        }
        let fd = Fd(socket.file.fd);
        self.sockets(|sockets| sockets.disconnect(fd))??;
        self.udp_3(&this)?.remote = None;
        Ok(())
    }

    fn get_local_address(&mut self, this: Resource<UdpSocket>) -> Done<IpSocketAddress> {
        let socket = self.udp_3(&this)?;
        if !socket.is_bound {
            return Err(Older::InvalidState.into());
        }
        let fd = Fd(socket.file.fd);
        Ok(shown(self.sockets(|sockets| sockets.local_address(fd))??))
    }

    fn get_remote_address(&mut self, this: Resource<UdpSocket>) -> Done<IpSocketAddress> {
        Ok(shown(self.udp_3(&this)?.remote.ok_or(Older::InvalidState)?))
    }

    fn get_address_family(&mut self, this: Resource<UdpSocket>) -> Result<IpAddressFamily> {
        Ok(shown_family(self.wasi.table.get(&this)?.family))
    }

    fn get_unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> Done<u8> {
        Ok(u8::try_from(self.setting(&this, Setting::HopLimit)?).unwrap_or(u8::MAX))
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> Done {
        self.set_setting(&this, Setting::HopLimit, value.into())
    }

    fn get_receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> Done<u64> {
        self.setting(&this, Setting::ReceiveBuffer)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::ReceiveBuffer, value)
    }

    fn get_send_buffer_size(&mut self, this: Resource<UdpSocket>) -> Done<u64> {
        self.setting(&this, Setting::SendBuffer)
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> Done {
        self.set_setting(&this, Setting::SendBuffer, value)
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> Result<()> {
        let UdpSocket { file, .. } = self.wasi.table.delete(this)?;
        self.release(file)
    }
}

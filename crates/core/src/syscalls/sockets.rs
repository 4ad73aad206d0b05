//! The calls of sockets that preview 1 has not: a guest makes sockets of the internet, and looks names up.
//! They are no rows of the list, for no module imports them; the faces of later editions of WASI make them.
//!
//! No call waits. A socket and a lookup are descriptors of the guest: `poll_oneoff` waits for them,
//! `fd_read`, `fd_write` and `sock_shutdown` move the bytes of a connection, `fd_close` closes them.
//!
//! The rules of [`crate::network`] are asked here, and nowhere else, with the address that goes to the
//! kernel.

use super::trace::{Field, Value, flags, made, name_of};
use crate::abi::Fd;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Sdflags;
use crate::abi::socket::{Family, Protocol, Setting};
use crate::ctx::Ctx;
use crate::descriptors::{Descriptor, Socket};
use crate::host::file::File;
use crate::host::socket::MOST_OF_DATAGRAM;
use crate::host::wait::{Interest, is_ready};
use crate::network::{Found, Local};
use std::cell::{Cell, Ref};
use std::net::{IpAddr, SocketAddr};

/// Datagrams of others that one call drops before it says that there are none.
const MOST_DROPPED: usize = 64;

/// The addresses of a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Addresses {
    /// It is one itself, written out.
    One(IpAddr),
    /// A descriptor that is ready to be read when they are there: see [`Sockets::next_address`].
    Lookup(Fd),
}

/// A datagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The address that it has come from.
    pub from: SocketAddr,
}

/// The calls of sockets of a guest. Each can fail with EBADF and ENOTSOCK for what is no socket of the
/// guest's own, and with EACCES where its rules do not permit it.
#[derive(Clone, Copy, Debug)]
pub struct Sockets<'c> {
    ctx: &'c Ctx,
}

impl<'c> Sockets<'c> {
    /// The calls of this guest.
    pub const fn of(ctx: &'c Ctx) -> Self {
        Self { ctx }
    }

    fn descriptor(self, fd: Fd) -> Result<Ref<'c, Descriptor>> {
        let descriptor = self.ctx.descriptors.get(fd)?;
        descriptor.as_socket()?;
        Ok(descriptor)
    }

    /// Makes a socket. EMFILE: the guest has no descriptor left.
    pub fn open(self, protocol: Protocol, family: Family) -> Result<Fd> {
        let open = || {
            self.ctx.network().check_protocol(protocol)?;
            self.ctx.descriptors.require_room()?;
            self.insert(File::socket(protocol, family)?, protocol, family)
        };
        let params = || vec![Field::new("protocol", name_of(&protocol)), Field::new("family", name_of(&family))];
        made(self.ctx, "sock_open", params, open, |fd| vec![Field::fd(*fd)])
    }

    fn insert(self, file: File, protocol: Protocol, family: Family) -> Result<Fd> {
        let socket = Socket { protocol, family, serves: Cell::new(false) };
        self.ctx.descriptors.insert(Descriptor::socket(file, socket))
    }

    /// Binds a socket to an address of the host. EINVAL: it is bound, or has no such addresses; EADDRINUSE,
    /// EADDRNOTAVAIL.
    pub fn bind(self, fd: Fd, address: SocketAddr) -> Result {
        let bind = || {
            let descriptor = self.descriptor(fd)?;
            let socket = descriptor.as_socket()?;
            require_family(socket, &address)?;
            let local = self.ctx.network().check_local(socket.protocol, address)?;
            file(&descriptor)?.bind(socket.protocol, &address)?;
            socket.serves.set(local == Local::Serves);
            Ok(())
        };
        made(self.ctx, "sock_bind", || vec![Field::fd(fd), shown(address)], bind, nothing)
    }

    /// Begins to connect a socket. EINPROGRESS: it goes on until the socket is ready to be written, and
    /// [`Self::finish_connect`] tells how it went. A socket for UDP is connected at once, as often as one
    /// likes: it sends there, and receives from nobody else. EINVAL: nobody has this address; or
    /// ECONNREFUSED, EHOSTUNREACH and others.
    pub fn connect(self, fd: Fd, address: SocketAddr) -> Result {
        let connect = || {
            let descriptor = self.descriptor(fd)?;
            let socket = descriptor.as_socket()?;
            require_family(socket, &address)?;
            self.ctx.network().check_peer(socket.protocol, address)?;
            file(&descriptor)?.connect(&address)
        };
        made(self.ctx, "sock_connect", || vec![Field::fd(fd), shown(address)], connect, nothing)
    }

    /// Tells how a connection went that was begun. EAGAIN: it goes on; ENOTCONN: none was; otherwise the
    /// reason why there is none, once.
    pub fn finish_connect(self, fd: Fd) -> Result {
        let finish = || {
            let descriptor = self.descriptor(fd)?;
            let file = file(&descriptor)?;
            if is_ready(file, Interest::Write)? { file.connected() } else { Err(Errno::Again) }
        };
        made(self.ctx, "sock_connected", || vec![Field::fd(fd)], finish, nothing)
    }

    /// Lets a socket for UDP send to others again, and receive from them.
    pub fn disconnect(self, fd: Fd) -> Result {
        let disconnect = || {
            let descriptor = self.descriptor(fd)?;
            match descriptor.as_socket()?.protocol {
                Protocol::Tcp => Err(Errno::Inval),
                Protocol::Udp => file(&descriptor)?.disconnect(),
            }
        };
        made(self.ctx, "sock_disconnect", || vec![Field::fd(fd)], disconnect, nothing)
    }

    /// Has a socket that is bound take connections, of which at most so many wait. May be called again, with
    /// another number. EINVAL: it is connected.
    pub fn listen(self, fd: Fd, backlog: u64) -> Result {
        let listen = || {
            let descriptor = self.descriptor(fd)?;
            // The address was asked for when the socket was bound; without one, the kernel takes one of all.
            if !descriptor.as_socket()?.serves.get() {
                return Err(Errno::Acces);
            }
            file(&descriptor)?.listen(backlog)
        };
        let params = || vec![Field::fd(fd), Field::new("backlog", Value::Number(backlog))];
        made(self.ctx, "sock_listen", params, listen, nothing)
    }

    /// Takes a connection. EAGAIN: there is none yet, and the socket is ready to be read when there is.
    /// EMFILE: the guest has no descriptor left, and the connection waits. EINVAL: it takes none.
    pub fn accept(self, fd: Fd) -> Result<Fd> {
        let accept = || {
            let descriptor = self.descriptor(fd)?;
            let (protocol, family) = (descriptor.as_socket()?.protocol, descriptor.as_socket()?.family);
            self.ctx.descriptors.require_room()?;
            let connection = file(&descriptor)?.accept()?;
            drop(descriptor); // the table is about to change
            connection.set_nonblocking()?;
            self.insert(connection, protocol, family)
        };
        made(self.ctx, "sock_accept", || vec![Field::fd(fd)], accept, |fd| vec![Field::fd(*fd)])
    }

    /// The address that a socket is bound to. One that is bound to none has the address 0 and the port 0.
    pub fn local_address(self, fd: Fd) -> Result<SocketAddr> {
        let address = || self.descriptor(fd).and_then(|descriptor| file(&descriptor)?.local_address());
        made(self.ctx, "sock_local_address", || vec![Field::fd(fd)], address, |address| vec![shown(*address)])
    }

    /// The address that a socket is connected to. ENOTCONN: to none.
    pub fn remote_address(self, fd: Fd) -> Result<SocketAddr> {
        let address = || self.descriptor(fd).and_then(|descriptor| file(&descriptor)?.remote_address());
        made(self.ctx, "sock_remote_address", || vec![Field::fd(fd)], address, |address| vec![shown(*address)])
    }

    /// Ends one direction of a connection, or both. ENOTCONN: there is none.
    pub fn shutdown(self, fd: Fd, how: Sdflags) -> Result {
        let shutdown = || self.descriptor(fd).and_then(|descriptor| file(&descriptor)?.shutdown(how));
        let params = || vec![Field::fd(fd), Field::new("how", flags::<Sdflags>(how.bits().into()))];
        made(self.ctx, "sock_shutdown", params, shutdown, nothing)
    }

    /// The value of a setting.
    pub fn setting(self, fd: Fd, setting: Setting) -> Result<u64> {
        let value = || self.descriptor(fd).and_then(|one| file(&one)?.setting(one.as_socket()?.family, setting));
        let params = || vec![Field::fd(fd), Field::new("setting", name_of(&setting))];
        made(self.ctx, "sock_setting", params, value, |value| vec![Field::new("value", Value::Number(*value))])
    }

    /// Changes a setting, to the nearest value that the host has. EINVAL: 0, or more hops than 255.
    pub fn set_setting(self, fd: Fd, setting: Setting, value: u64) -> Result {
        let set =
            || self.descriptor(fd).and_then(|one| file(&one)?.set_setting(one.as_socket()?.family, setting, value));
        let params =
            || vec![Field::fd(fd), Field::new("setting", name_of(&setting)), Field::new("value", Value::Number(value))];
        made(self.ctx, "sock_set_setting", params, set, nothing)
    }

    /// Sends a datagram: to this address, or to that which the socket is connected to. EAGAIN: there is no
    /// room, and the socket is ready to be written when there is; EMSGSIZE: it is too long; EDESTADDRREQ: no
    /// address; EINVAL: nobody has it.
    pub fn send(self, fd: Fd, bytes: &[u8], to: Option<SocketAddr>) -> Result {
        let send = || {
            let descriptor = self.descriptor(fd)?;
            let socket = require_udp(&descriptor)?;
            if let Some(to) = &to {
                require_family(socket, to)?;
                self.ctx.network().check_peer(socket.protocol, *to)?;
            }
            let sent = file(&descriptor)?.send_to(bytes, to.as_ref())?;
            self.ctx.usage.count(Interest::Write, u32::try_from(sent).unwrap_or(u32::MAX));
            Ok(())
        };
        let params = || [Field::fd(fd), count(bytes)].into_iter().chain(to.map(shown)).collect();
        made(self.ctx, "sock_send_to", params, send, nothing)
    }

    /// Receives a datagram. Those of peers that the guest may not send to are dropped, unless it is bound
    /// to an address at which anybody may reach it. EAGAIN: there is none, and the socket is ready to be
    /// read when there is; ECONNREFUSED and others: of one that was sent before.
    pub fn receive(self, fd: Fd) -> Result<Datagram> {
        let receive = || {
            let descriptor = self.descriptor(fd)?;
            let (socket, file) = (require_udp(&descriptor)?, file(&descriptor)?);
            let mut bytes = vec![0; MOST_OF_DATAGRAM];
            for _ in 0..MOST_DROPPED {
                let (count, from) = file.receive_from(&mut bytes)?;
                if socket.serves.get() || self.ctx.network().check_peer(socket.protocol, from).is_ok() {
                    bytes.truncate(count);
                    bytes.shrink_to_fit();
                    self.ctx.usage.count(Interest::Read, u32::try_from(count).unwrap_or(u32::MAX));
                    return Ok(Datagram { bytes, from });
                }
            }
            Err(Errno::Again)
        };
        let results = |one: &Datagram| vec![count(&one.bytes), shown(one.from)];
        made(self.ctx, "sock_receive_from", || vec![Field::fd(fd)], receive, results)
    }

    /// Begins to look a name up. EINVAL: it is none, or not in ASCII; EACCES: the guest may not connect
    /// there; ENOBUFS: it looks up too many, or all guests do.
    pub fn look_up(self, name: &str) -> Result<Addresses> {
        let look_up = || {
            self.ctx.descriptors.require_room()?;
            Ok(match self.ctx.network().look_up(name)? {
                Found::Address(address) => Addresses::One(address),
                Found::Begun(lookup, end) => {
                    Addresses::Lookup(self.ctx.descriptors.insert(Descriptor::lookup(end.into(), lookup))?)
                }
            })
        };
        let results = |found: &Addresses| match found {
            Addresses::One(address) => vec![shown(*address)],
            Addresses::Lookup(fd) => vec![Field::fd(*fd)],
        };
        // A name is bounded, and the text of a guest that is none need not be shown as a whole.
        let start = || name.as_bytes().get(..name.len().min(300)).unwrap_or_default().to_owned();
        made(self.ctx, "sock_look_up", || vec![Field::new("name", Value::Text(start()))], look_up, results)
    }

    /// The next address of a lookup, to which the guest may connect as to the name from now on; none
    /// after the last. EAGAIN: it goes on; ENOENT: there is no such name; ETIMEDOUT: nobody has answered
    /// in time; EIO: another reason.
    pub fn next_address(self, fd: Fd) -> Result<Option<IpAddr>> {
        let next = || self.ctx.network().next_address(self.ctx.descriptors.get(fd)?.as_lookup()?);
        let results = |next: &Option<IpAddr>| next.map(shown).into_iter().collect();
        made(self.ctx, "sock_next_address", || vec![Field::fd(fd)], next, results)
    }
}

/// The results of a call that has none.
const fn nothing((): &()) -> Vec<Field> {
    Vec::new()
}

/// An address that is shown.
fn shown(address: impl ToString) -> Field {
    Field::new("address", Value::Word(address.to_string()))
}

/// The number of bytes of a datagram.
const fn count(bytes: &[u8]) -> Field {
    Field::new("bytes", Value::Number(bytes.len() as u64))
}

fn file(descriptor: &Descriptor) -> Result<&File> {
    descriptor.object.file_or(Errno::Notsock)
}

/// EINVAL unless the socket has addresses of this family.
fn require_family(socket: &Socket, address: &SocketAddr) -> Result {
    if Family::of(address) == socket.family { Ok(()) } else { Err(Errno::Inval) }
}

/// The socket; EINVAL if it is not for datagrams.
fn require_udp(descriptor: &Descriptor) -> Result<&Socket> {
    let socket = descriptor.as_socket()?;
    if socket.protocol == Protocol::Udp { Ok(socket) } else { Err(Errno::Inval) }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::super::testing::Guest;
    use super::super::trace::names;
    use super::*;
    use crate::abi::flags::Eventtype;
    use crate::abi::records::{Event, Record, SubscriptionFd};
    use crate::network::Network;
    use crate::network::rules::{Rule, Way};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};

    const V4: (Protocol, Family) = (Protocol::Tcp, Family::V4);
    const DATAGRAMS: (Protocol, Family) = (Protocol::Udp, Family::V4);

    /// A guest with these rules: `tcp connect HOST:PORT`.
    fn guest(rules: &[&str]) -> Guest {
        let rule = |text: &&str| {
            let [protocol, way, text] = text.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            let protocol = if protocol == "tcp" { Protocol::Tcp } else { Protocol::Udp };
            let way = if way == "connect" { Way::Connect } else { Way::Listen };
            Rule::parse(way, protocol, text).unwrap()
        };
        Guest::new().networking(Network::new(rules.iter().map(rule).collect()))
    }

    fn calls(guest: &Guest) -> Sockets<'_> {
        Sockets::of(&guest.ctx)
    }

    fn open(guest: &Guest, (protocol, family): (Protocol, Family)) -> Fd {
        calls(guest).open(protocol, family).unwrap()
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// Waits with `poll_oneoff`.
    fn wait(guest: &Guest, fd: Fd, tag: Eventtype) {
        let subscription = SubscriptionFd { userdata: 0, tag: tag.number(), file_descriptor: fd.0 };
        guest.memory.put(0, &subscription.encode());
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 1, 900]), Errno::Success);
        assert_eq!(guest.record::<Event>(512).error, Errno::Success.number());
    }

    fn connect(guest: &Guest, address: SocketAddr) -> Result<Fd> {
        let fd = open(guest, V4);
        assert_eq!(calls(guest).finish_connect(fd), Err(Errno::Notconn));
        match calls(guest).connect(fd, address) {
            Err(Errno::Inprogress) => wait(guest, fd, Eventtype::FdWrite),
            begun => begun?,
        }
        calls(guest).finish_connect(fd).map(|()| fd)
    }

    #[test]
    fn a_client_sends_and_receives_by_the_calls_of_the_list() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let guest = guest(&[&format!("tcp connect {address}")]);
        let fd = connect(&guest, address).unwrap();
        let (mut peer, client) = server.accept().unwrap();
        assert_eq!(calls(&guest).local_address(fd), Ok(client));
        assert_eq!(calls(&guest).remote_address(fd), Ok(address));
        guest.memory.put(2000, b"hello");
        let [iovec, count] = guest.iovec(1000, 2000, 5);
        assert_eq!(guest.call("fd_read", &[fd.0.into(), iovec, count, 1100]), Errno::Again);
        assert_eq!(guest.call("fd_write", &[fd.0.into(), iovec, count, 1100]), Errno::Success);
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).unwrap();
        peer.write_all(b"world").unwrap();
        wait(&guest, fd, Eventtype::FdRead);
        assert_eq!(guest.call("fd_read", &[fd.0.into(), iovec, count, 1100]), Errno::Success);
        assert_eq!((&bytes, &guest.bytes(2000, 5)[..]), (b"hello", &b"world"[..]));
        assert_eq!((guest.ctx.usage.read(), guest.ctx.usage.written()), (5, 5));
        assert_eq!(calls(&guest).shutdown(fd, Sdflags::WR), Ok(()));
        assert_eq!(peer.read(&mut bytes).unwrap(), 0);
        assert_eq!(guest.call("fd_write", &[fd.0.into(), iovec, count, 1100]), Errno::Pipe);
        assert_eq!(guest.call("fd_close", &[fd.0.into()]), Errno::Success);
        assert_eq!(calls(&guest).remote_address(fd), Err(Errno::Badf));
    }

    #[test]
    fn a_server_takes_connections() {
        let guest = guest(&["tcp listen 127.0.0.1:0"]);
        let fd = open(&guest, V4);
        assert_eq!(calls(&guest).listen(fd, 1), Err(Errno::Acces), "it is not bound");
        assert_eq!(calls(&guest).bind(fd, at("0.0.0.0:0")), Err(Errno::Acces));
        assert_eq!(calls(&guest).bind(fd, at("[::1]:0")), Err(Errno::Inval));
        assert_eq!(calls(&guest).bind(fd, at("127.0.0.1:0")), Ok(()));
        assert_eq!(calls(&guest).bind(fd, at("127.0.0.1:0")), Err(Errno::Inval), "it is bound");
        assert_eq!(calls(&guest).accept(fd), Err(Errno::Inval));
        assert_eq!(calls(&guest).listen(fd, 8), Ok(()));
        assert_eq!(calls(&guest).listen(fd, 16), Ok(()));
        assert_eq!(calls(&guest).accept(fd), Err(Errno::Again));
        let mut client = TcpStream::connect(calls(&guest).local_address(fd).unwrap()).unwrap();
        wait(&guest, fd, Eventtype::FdRead);
        let connection = calls(&guest).accept(fd).unwrap();
        assert_eq!(calls(&guest).remote_address(connection), Ok(client.local_addr().unwrap()));
        assert_eq!(calls(&guest).accept(fd), Err(Errno::Again));
        client.write_all(b"x").unwrap();
        wait(&guest, connection, Eventtype::FdRead);
        let [iovec, count] = guest.iovec(1000, 2000, 5);
        assert_eq!(guest.call("fd_read", &[connection.0.into(), iovec, count, 1100]), Errno::Success);
        assert_eq!(guest.u32(1100), 1);
        guest.ctx.descriptors.clear();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn peers_without_a_rule_are_not_reached() {
        let (server, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let [address, other] = [server, other].map(|server| server.local_addr().unwrap());
        let guest = guest(&[&format!("tcp connect {address}")]);
        assert_eq!(connect(&guest, other), Err(Errno::Acces));
        assert_eq!(connect(&guest, SocketAddr::new("0.0.0.0".parse().unwrap(), address.port())), Err(Errno::Inval));
        let v6 = calls(&guest).open(Protocol::Tcp, Family::V6).unwrap();
        for mapped in ["::ffff:127.0.0.1", "::1", "::127.0.0.1"] {
            let address = SocketAddr::new(mapped.parse().unwrap(), address.port());
            assert!(matches!(calls(&guest).connect(v6, address), Err(Errno::Inval | Errno::Acces)), "{mapped}");
        }
        assert_eq!(calls(&guest).connect(v6, address), Err(Errno::Inval));
        assert_eq!(calls(&guest).open(Protocol::Udp, Family::V4), Err(Errno::Acces));
        assert_eq!(calls(&guest).bind(v6, at("[::1]:0")), Err(Errno::Acces));
        assert_eq!(calls(&guest).listen(v6, 1), Err(Errno::Acces));
    }

    #[test]
    fn a_client_that_chose_its_address_does_not_listen() {
        let guest = guest(&["tcp connect 127.0.0.1:*"]);
        let fd = open(&guest, V4);
        assert_eq!(calls(&guest).bind(fd, at("0.0.0.0:0")), Ok(()));
        assert_eq!(calls(&guest).listen(fd, 1), Err(Errno::Acces));
    }

    #[test]
    fn nobody_there_is_econnrefused_once() {
        let guest = guest(&["tcp connect 127.0.0.1:*"]);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fd = open(&guest, V4);
        match calls(&guest).connect(fd, address) {
            Err(Errno::Inprogress) => wait(&guest, fd, Eventtype::FdWrite),
            begun => assert_eq!(begun, Err(Errno::Connrefused)),
        }
        assert_eq!(calls(&guest).finish_connect(fd), Err(Errno::Connrefused));
        assert_eq!(calls(&guest).finish_connect(fd), Err(Errno::Notconn));
    }

    #[test]
    fn datagrams_go_both_ways_and_others_are_dropped() {
        let (peer, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let [address, stranger] = [&peer, &other].map(|socket| socket.local_addr().unwrap());
        let guest = guest(&[&format!("udp connect {address}")]);
        let fd = open(&guest, DATAGRAMS);
        assert_eq!(calls(&guest).send(fd, b"x", None), Err(Errno::Destaddrreq));
        assert_eq!(calls(&guest).send(fd, b"x", Some(stranger)), Err(Errno::Acces));
        assert_eq!(calls(&guest).send(fd, &[0; 70_000], Some(address)), Err(Errno::Msgsize));
        assert_eq!(calls(&guest).send(fd, b"hello", Some(address)), Ok(()));
        let mut bytes = [0; 10];
        let (count, from) = peer.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..count], b"hello");
        for _ in 0..MOST_DROPPED - 1 {
            other.send_to(b"not this", from).unwrap();
        }
        peer.send_to(b"", from).unwrap();
        wait(&guest, fd, Eventtype::FdRead);
        assert_eq!(calls(&guest).receive(fd), Ok(Datagram { bytes: vec![], from: address }));
        assert_eq!(calls(&guest).receive(fd), Err(Errno::Again));
        for call in ["fd_read", "fd_write"] {
            let [iovec, count] = guest.iovec(1000, 2000, 5);
            assert_eq!(guest.call(call, &[fd.0.into(), iovec, count, 1100]), Errno::Notcapable);
        }
        assert_eq!(calls(&guest).connect(fd, stranger), Err(Errno::Acces));
        assert_eq!(calls(&guest).connect(fd, address), Ok(()));
        assert_eq!(calls(&guest).send(fd, b"connected", None), Ok(()));
        assert_eq!(calls(&guest).remote_address(fd), Ok(address));
        let port = calls(&guest).local_address(fd).unwrap().port();
        assert_eq!(calls(&guest).disconnect(fd), Ok(()));
        assert_eq!(calls(&guest).local_address(fd).map(|local| local.port()), Ok(port));
        assert_eq!(calls(&guest).remote_address(fd), Err(Errno::Notconn));
    }

    #[test]
    fn a_socket_bound_to_a_listening_address_hears_anybody() {
        let guest = guest(&["udp listen 127.0.0.1:0"]);
        let fd = open(&guest, DATAGRAMS);
        assert_eq!(calls(&guest).bind(fd, at("127.0.0.1:0")), Ok(()));
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.send_to(b"hello", calls(&guest).local_address(fd).unwrap()).unwrap();
        wait(&guest, fd, Eventtype::FdRead);
        let from = other.local_addr().unwrap();
        assert_eq!(calls(&guest).receive(fd), Ok(Datagram { bytes: b"hello".to_vec(), from }));
        assert_eq!(calls(&guest).send(fd, b"answer", Some(from)), Err(Errno::Acces));
    }

    #[test]
    fn an_address_of_a_name_may_be_connected_to() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let guest = guest(&[&format!("tcp connect localhost:{}", address.port())]);
        assert_eq!(connect(&guest, address), Err(Errno::Acces));
        assert_eq!(calls(&guest).look_up("other.example"), Err(Errno::Acces));
        assert_eq!(calls(&guest).look_up("127.0.0.1"), Err(Errno::Acces));
        let Addresses::Lookup(lookup) = calls(&guest).look_up("localhost").unwrap() else { panic!("an address") };
        wait(&guest, lookup, Eventtype::FdRead);
        let found: Vec<_> = std::iter::from_fn(|| calls(&guest).next_address(lookup).unwrap()).collect();
        assert!(found.contains(&address.ip()), "{found:?}");
        connect(&guest, address).unwrap();
        assert_eq!(calls(&guest).look_up("127.0.0.1"), Ok(Addresses::One(address.ip())));
    }

    #[test]
    fn other_descriptors_are_no_sockets_and_no_lookups() {
        let guest = guest(&["tcp connect *:*"]);
        let fd = open(&guest, V4);
        for (other, errno) in [(Fd(1), Errno::Notsock), (Fd(99), Errno::Badf)] {
            assert_eq!(calls(&guest).bind(other, at("127.0.0.1:0")), Err(errno));
            assert_eq!(calls(&guest).connect(other, at("127.0.0.1:1")), Err(errno));
            assert_eq!(calls(&guest).accept(other), Err(errno));
            assert_eq!(calls(&guest).receive(other), Err(errno));
            assert_eq!(calls(&guest).setting(other, Setting::HopLimit), Err(errno));
        }
        assert_eq!(calls(&guest).next_address(fd), Err(Errno::Inval));
        assert_eq!(calls(&guest).receive(fd), Err(Errno::Inval));
        assert_eq!(calls(&guest).disconnect(fd), Err(Errno::Inval));
    }

    #[test]
    fn sockets_and_lookups_are_descriptors_of_the_guest() {
        let guest = guest(&["tcp connect *:*"]).limiting_open_files(2);
        let fds = [open(&guest, V4), open(&guest, V4)];
        assert_eq!(calls(&guest).open(Protocol::Tcp, Family::V4), Err(Errno::Mfile));
        assert_eq!(calls(&guest).look_up("localhost"), Err(Errno::Mfile));
        guest.ctx.descriptors.remove(fds[0]).unwrap();
        assert!(calls(&guest).look_up("localhost").is_ok());
    }

    #[test]
    fn each_call_has_a_number() {
        let [source, _] = include_str!("sockets.rs").split("#[cfg(test)]").take(2).collect::<Vec<_>>()[..] else {
            panic!("no tests")
        };
        let named = source.split("made(self.ctx, \"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut named: Vec<_> = named.collect();
        assert_eq!(named.len(), 16);
        named.retain(|name| !names().any(|known| known == *name));
        assert_eq!(named, [""; 0]);
    }

    #[test]
    fn a_traced_guest_shows_its_calls() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let guest = guest(&["tcp connect 127.0.0.1:80"]).traced_to(writer);
        let fd = open(&guest, V4);
        let _ = calls(&guest).connect(fd, at("127.0.0.1:81"));
        let _ = calls(&guest).look_up("a\nb");
        let _ = calls(&guest).set_setting(fd, Setting::KeepAlive, 1);
        let _ = calls(&guest).setting(fd, Setting::KeepAlive);
        let _ = calls(&guest).shutdown(fd, Sdflags::RD);
        drop(guest);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected = "sock_open(protocol: TCP, family: V4) = 0, fd 4\n\
                        sock_connect(fd: 4, address: 127.0.0.1:81) = EACCES\n\
                        sock_look_up(name: \"a\\nb\") = EINVAL\n\
                        sock_set_setting(fd: 4, setting: KEEP_ALIVE, value: 1) = 0\n\
                        sock_setting(fd: 4, setting: KEEP_ALIVE) = 0, value 1\n\
                        sock_shutdown(fd: 4, how: RD) = ENOTCONN\n";
        assert_eq!(text, expected);
    }
}

//! The sockets that a guest of preview 1 is started with: it has no call that makes one.

use super::sockets::Sockets;
use crate::abi::Fd;
use crate::abi::errno::{Errno, Result};
use crate::ctx::{Ctx, open_error};
use crate::descriptors::Descriptor;
use crate::host::file::File;
use crate::network::rules::{Rule, Way};
use std::net::SocketAddr;

/// Connections that may wait to be taken, as many as Node lets wait.
const BACKLOG: u64 = 511;

/// An entry of the option `sockets`.
#[derive(Debug)]
pub enum Entry {
    /// A rule. The guest gets a socket that listens there, if it is for one address.
    Rule(Rule),
    /// A socket that listens already.
    Open(File),
}

impl Entry {
    /// The rule, if it is one.
    pub const fn rule(&self) -> Option<&Rule> {
        if let Self::Rule(rule) = self { Some(rule) } else { None }
    }
}

/// A socket that a guest was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its number.
    pub fd: Fd,
    /// The address that it listens at; none if that is not one of the internet.
    pub address: Option<SocketAddr>,
}

/// Gives the guest the sockets of these entries, under the next numbers. Its network must have the rules. The
/// error has a message.
pub fn serve(ctx: &Ctx, entries: impl IntoIterator<Item = Entry>) -> std::result::Result<Vec<Served>, (Errno, String)> {
    let mut served = Vec::new();
    for (number, entry) in entries.into_iter().enumerate() {
        let option = format!("options.sockets[{number}]");
        let (pushed, what) = match entry {
            Entry::Rule(Rule { way: Way::Connect, .. }) => continue,
            Entry::Rule(rule) => {
                let Some(address) = rule.address() else {
                    let why = format!("{option}.listen {NOT_ONE}");
                    return Err((Errno::Inval, why));
                };
                (listen(ctx, address), format!("can't listen at '{address}' for {option}"))
            }
            Entry::Open(socket) => (push(ctx, socket), format!("can't use the descriptor of {option}")),
        };
        let fd = pushed.map_err(|errno| (errno, open_error(what, errno)))?;
        served.push(Served { fd, address: address_of(ctx, fd) });
    }
    Ok(served)
}

/// The reason why a rule is none for a socket that a guest is started with, after the name of the option.
pub const NOT_ONE: &str =
    "must be one address and one port, for TCP: a program that is no component gets a socket that listens there";

fn listen(ctx: &Ctx, address: SocketAddr) -> Result<Fd> {
    ctx.descriptors.require_room()?;
    push(ctx, Sockets::of(ctx).listening(address, BACKLOG)?)
}

fn push(ctx: &Ctx, socket: File) -> Result<Fd> {
    ctx.descriptors.insert(Descriptor::serving(socket))
}

fn address_of(ctx: &Ctx, fd: Fd) -> Option<SocketAddr> {
    let descriptor = ctx.descriptors.get(fd).ok()?;
    descriptor.object.file_or(Errno::Notsock).ok()?.local_address().ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::super::testing::Guest;
    use super::*;
    use crate::abi::socket::Protocol;
    use crate::host::stream::{Output, Stream};
    use crate::network::Network;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    fn rule(way: Way, text: &str) -> Rule {
        Rule::parse(way, Protocol::Tcp, text).unwrap()
    }

    /// A guest with these rules, and what comes of them.
    fn guest(rules: &[Rule]) -> (Guest, std::result::Result<Vec<Served>, (Errno, String)>) {
        let mut guest = Guest::new();
        guest.ctx = guest.ctx.networking(Network::new(rules.to_vec()));
        let served = serve(&guest.ctx, rules.iter().cloned().map(Entry::Rule));
        (guest, served)
    }

    #[test]
    fn a_guest_takes_connections_where_a_rule_says() {
        let (guest, served) = guest(&[rule(Way::Connect, "*:1"), rule(Way::Listen, "127.0.0.1:0")]);
        let served = served.unwrap();
        let [Served { fd, address: Some(address) }] = served[..] else { panic!("{served:?}") };
        let fd = u64::from(fd.0);
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 4]), Errno::Success);
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Again);
        assert_eq!(guest.call("fd_prestat_get", &[fd, 40]), Errno::Badf, "wasi-libc looks for the last directory");
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Success);
        client.write_all(b"abc").unwrap();
        let [data, len] = guest.iovec(0, 100, 3);
        let connection = u64::from(guest.u32(40));
        assert_eq!(guest.call("sock_recv", &[connection, data, len, 0, 48, 52]), Errno::Success);
        assert_eq!(guest.call("sock_send", &[connection, data, len, 0, 48]), Errno::Success);
        let mut found = [0; 3];
        client.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"abc");
    }

    #[test]
    fn connections_wait_while_the_table_is_full() {
        let mut guest = Guest::new();
        let rules = [rule(Way::Listen, "127.0.0.1:0")];
        guest.ctx = guest.ctx.networking(Network::new(rules.to_vec()));
        let served = serve(&guest.ctx, rules.map(Entry::Rule)).unwrap();
        let fd = u64::from(served[0].fd.0);
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 4]), Errno::Success);
        let _client = TcpStream::connect(served[0].address.unwrap()).unwrap();
        let output = || Stream::Output(Arc::new(Output::discarding()));
        while guest.ctx.push_stream(output()).is_ok() {}
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Mfile);
        assert_eq!(guest.call("fd_close", &[fd + 1]), Errno::Success);
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Success);
    }

    #[test]
    fn what_is_not_one_address_is_refused() {
        for text in ["*:80", "127.0.0.0/8:80", "127.0.0.1:*", "127.0.0.1:80-81"] {
            let (errno, why) = guest(&[rule(Way::Listen, text)]).1.unwrap_err();
            assert!(errno == Errno::Inval && why.starts_with("options.sockets[0].listen must be one address"), "{why}");
        }
        let datagrams = Rule::parse(Way::Listen, Protocol::Udp, "127.0.0.1:0").unwrap();
        assert_eq!(guest(&[datagrams]).1.unwrap_err().0, Errno::Inval);
    }

    #[test]
    fn an_address_that_is_in_use_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let (errno, why) = guest(&[rule(Way::Listen, &address.to_string())]).1.unwrap_err();
        assert_eq!((errno, why), (Errno::Addrinuse, format!("can't listen at '{address}' for options.sockets[0]")));
    }
}

//! The network as one guest may use it: rules, names, and what has come of its lookups. Nothing here makes a
//! call of sockets; `syscalls::sockets` asks here before each, with the very address that goes to the kernel.
//!
//! | module | content |
//! | --- | --- |
//! | [`rules`] | a rule: its text, and what it permits |
//! | [`name`] | names of hosts |
//! | [`lookup`] | lookups of names, on threads of their own |

pub mod lookup;
pub mod name;
pub mod rules;

use crate::abi::errno::{Errno, Result};
use crate::abi::socket::Protocol;
use lookup::{End, Lookup};
use name::Name;
use rules::{Rule, Way};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The most addresses that are remembered, each with one of the rules it was found by. The oldest is
/// forgotten for a new one; a guest that has one forgotten looks the name up again.
const MOST_KNOWN: usize = 1024;

/// The network of one guest.
#[derive(Debug, Default)]
pub struct Network {
    rules: Vec<Rule>,
    /// Addresses that lookups have found, with the number of the rule that permits the name.
    known: RefCell<VecDeque<(IpAddr, usize)>>,
    /// Each lookup that goes on has one more owner of this.
    lookups: Arc<()>,
}

/// The permission to be bound to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// Anybody may connect, or send datagrams.
    Serves,
    /// Only peers that the guest may connect or send to.
    Client,
}

/// The outcome of asking for a name.
#[derive(Debug)]
pub enum Found {
    /// It is an address, written out.
    Address(IpAddr),
    /// It is being looked up; the file is readable when that is over.
    Begun(Lookup, End),
}

impl Network {
    /// A network with these rules. Without any, everything is denied.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, ..Self::default() }
    }

    fn rules(&self, way: Way, protocol: Protocol) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.way == way && rule.protocol == protocol)
    }

    /// EACCES unless there is a rule for this protocol.
    pub fn check_protocol(&self, protocol: Protocol) -> Result {
        let has_one = self.rules.iter().any(|rule| rule.protocol == protocol);
        if has_one { Ok(()) } else { Err(Errno::Acces) }
    }

    /// EACCES unless this may be connected to, sent to, or received from. EINVAL if nobody has such an
    /// address: Linux, for one, takes 0.0.0.0 for the host itself.
    pub fn check_peer(&self, protocol: Protocol, address: SocketAddr) -> Result {
        if address.port() == 0 || address.ip().is_unspecified() || is_mapped(address.ip()) {
            return Err(Errno::Inval);
        }
        if protocol == Protocol::Tcp && !is_unicast(address.ip()) {
            return Err(Errno::Inval);
        }
        let known = self.known.borrow();
        let permits = |(number, rule): (usize, &Rule)| {
            rule.has_port(address.port()) && (rule.has_address(address.ip()) || known.contains(&(address.ip(), number)))
        };
        if self.rules(Way::Connect, protocol).any(permits) { Ok(()) } else { Err(Errno::Acces) }
    }

    /// The permission to be bound to this address; EACCES if there is none. A client may choose the address
    /// that it is seen by, but no port.
    pub fn check_local(&self, protocol: Protocol, address: SocketAddr) -> Result<Local> {
        if is_mapped(address.ip()) || (protocol == Protocol::Tcp && !is_unicast(address.ip())) {
            return Err(Errno::Inval);
        }
        let is_there = |(_, rule): &(usize, &Rule)| rule.has_address(address.ip());
        let mut serving = self.rules(Way::Listen, protocol).filter(is_there).peekable();
        let has_address = serving.peek().is_some() || address.ip().is_unspecified();
        if serving.any(|(_, rule)| rule.has_port(address.port())) {
            return Ok(Local::Serves);
        }
        let is_client = address.port() == 0 && has_address && self.rules(Way::Connect, protocol).next().is_some();
        if is_client { Ok(Local::Client) } else { Err(Errno::Acces) }
    }

    /// Begins to look a name up, or reads it as an address. EINVAL: no name; EACCES: none that may be
    /// connected to; ENOBUFS: too many lookups go on.
    pub fn look_up(&self, name: &str) -> Result<Found> {
        let connecting = || self.rules.iter().enumerate().filter(|(_, rule)| rule.way == Way::Connect);
        if let Ok(address) = name.parse::<IpAddr>() {
            let is_permitted = connecting().any(|(_, rule)| rule.has_address(address))
                || self.known.borrow().iter().any(|(known, _)| *known == address);
            return if is_permitted { Ok(Found::Address(address)) } else { Err(Errno::Acces) };
        }
        let name = Name::parse(name).ok_or(Errno::Inval)?;
        let rules: Vec<_> = connecting().filter(|(_, rule)| rule.has_name(&name)).map(|(number, _)| number).collect();
        if rules.is_empty() {
            return Err(Errno::Acces);
        }
        let (lookup, end) = Lookup::begin(&name, rules.into(), &self.lookups)?;
        Ok(Found::Begun(lookup, end))
    }

    /// The next address that a lookup has found, which may be connected to from now on as its name may.
    /// None after the last. EAGAIN while it goes on; ENOENT: there is no such name; ETIMEDOUT: nobody has
    /// answered; EIO: another reason.
    pub fn next_address(&self, lookup: &Lookup) -> Result<Option<IpAddr>> {
        let Some(address) = lookup.next()? else { return Ok(None) };
        let mut known = self.known.borrow_mut();
        for rule in lookup.rules() {
            let pair = (address, *rule);
            known.retain(|one| *one != pair);
            known.push_back(pair);
            if known.len() > MOST_KNOWN {
                known.pop_front();
            }
        }
        Ok(Some(address))
    }
}

/// True for an address of IPv6 that stands for one of IPv4, `::ffff:1.2.3.4`.
const fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// True for an address of one host. (Of the broadcasts, only that of all networks can be told.)
const fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(rules: &[&str]) -> Network {
        let rule = |text: &&str| {
            let (protocol, text) = match text.strip_prefix("udp ") {
                Some(text) => (Protocol::Udp, text),
                None => (Protocol::Tcp, *text),
            };
            let (way, text) = text.split_once(' ').unwrap();
            let way = if way == "connect" { Way::Connect } else { Way::Listen };
            Rule::parse(way, protocol, text).unwrap()
        };
        Network::new(rules.iter().map(rule).collect())
    }

    /// Looks a name up that is known without a server, and takes all addresses.
    fn addresses(network: &Network, name: &str) -> Vec<IpAddr> {
        let Found::Begun(lookup, end) = network.look_up(name).unwrap() else { panic!("{name} is an address") };
        std::io::Read::read_to_end(&mut std::fs::File::from(end), &mut Vec::new()).unwrap();
        std::iter::from_fn(|| network.next_address(&lookup).unwrap()).collect()
    }

    /// Answers: `ok`, `denied`, `invalid`.
    fn peer(network: &Network, protocol: Protocol, address: &str) -> &'static str {
        word(network.check_peer(protocol, address.parse().unwrap()))
    }

    fn word<T>(result: Result<T>) -> &'static str {
        match result {
            Ok(_) => "ok",
            Err(Errno::Acces) => "denied",
            Err(Errno::Inval) => "invalid",
            Err(other) => other.name(),
        }
    }

    #[test]
    fn peers_are_those_of_the_rules() {
        let network = network(&[
            "connect 10.0.0.0/8:80",
            "connect 192.0.2.7:8000-8010",
            "connect [2001:db8::]/32:443",
            "connect [::1]:*",
            "connect db.example:5432",
            "udp connect 192.0.2.7:53",
            "listen 127.0.0.1:9000",
        ]);
        for (address, expected) in [
            ("10.255.255.255:80", "ok"),
            ("10.0.0.0:80", "ok"),
            ("11.0.0.0:80", "denied"),
            ("9.255.255.255:80", "denied"),
            ("10.0.0.1:81", "denied"),
            ("192.0.2.7:7999", "denied"),
            ("192.0.2.7:8000", "ok"),
            ("192.0.2.7:8010", "ok"),
            ("192.0.2.7:8011", "denied"),
            ("192.0.2.7:53", "denied"),
            ("127.0.0.1:9000", "denied"),
            ("[2001:db8:ffff::1]:443", "ok"),
            ("[2001:db9::1]:443", "denied"),
            ("[::1]:1", "ok"),
            ("[::1%7]:1", "ok"),
            ("[::1]:0", "invalid"),
            // IPv4 by another way.
            ("[::ffff:10.0.0.1]:80", "invalid"),
            ("[::10.0.0.1]:80", "denied"),
            ("[64:ff9b::10.0.0.1]:80", "denied"),
            // The host itself, for Linux.
            ("0.0.0.0:80", "invalid"),
            ("[::]:443", "invalid"),
            ("255.255.255.255:80", "invalid"),
            ("224.0.0.1:80", "invalid"),
            ("[ff02::1]:443", "invalid"),
        ] {
            assert_eq!(peer(&network, Protocol::Tcp, address), expected, "{address}");
        }
        assert_eq!(peer(&network, Protocol::Udp, "192.0.2.7:53"), "ok");
        assert_eq!(peer(&network, Protocol::Udp, "10.0.0.1:80"), "denied");
        assert_eq!(peer(&network, Protocol::Udp, "255.255.255.255:53"), "denied");
    }

    #[test]
    fn a_star_permits_what_can_be_a_peer() {
        let network = network(&["connect *:*", "udp connect *:53"]);
        assert_eq!(peer(&network, Protocol::Tcp, "192.0.2.1:1"), "ok");
        assert_eq!(peer(&network, Protocol::Tcp, "[2001:db8::1]:65535"), "ok");
        assert_eq!(peer(&network, Protocol::Tcp, "0.0.0.0:1"), "invalid");
        assert_eq!(peer(&network, Protocol::Tcp, "[::ffff:127.0.0.1]:1"), "invalid");
        assert_eq!(peer(&network, Protocol::Udp, "224.0.0.251:53"), "ok");
        assert_eq!(peer(&network, Protocol::Udp, "192.0.2.1:54"), "denied");
    }

    #[test]
    fn nothing_is_permitted_without_rules() {
        let network = Network::default();
        assert_eq!(word(network.check_protocol(Protocol::Tcp)), "denied");
        assert_eq!(peer(&network, Protocol::Tcp, "127.0.0.1:80"), "denied");
        assert_eq!(word(network.check_local(Protocol::Udp, "127.0.0.1:0".parse().unwrap())), "denied");
        assert_eq!(word(network.look_up("localhost")), "denied");
        assert_eq!(word(network.look_up("127.0.0.1")), "denied");
    }

    #[test]
    fn a_server_is_bound_where_the_rules_say_and_a_client_to_no_port() {
        let network = network(&[
            "listen 127.0.0.1:8000",
            "listen 127.0.0.2:0",
            "listen 10.0.0.0/8:1-100",
            "connect 192.0.2.1:80",
            "udp listen *:*",
        ]);
        for (address, expected) in [
            ("127.0.0.1:8000", Ok(Local::Serves)),
            ("127.0.0.1:8001", Err(Errno::Acces)),
            ("127.0.0.1:0", Ok(Local::Client)),
            ("127.0.0.2:0", Ok(Local::Serves)),
            ("127.0.0.2:5", Err(Errno::Acces)),
            ("127.0.0.3:0", Err(Errno::Acces)),
            ("10.1.2.3:7", Ok(Local::Serves)),
            ("10.1.2.3:0", Ok(Local::Client)),
            ("0.0.0.0:0", Ok(Local::Client)),
            ("0.0.0.0:8000", Err(Errno::Acces)),
            ("[::]:0", Ok(Local::Client)),
            ("[::1]:8000", Err(Errno::Acces)),
            ("[::ffff:127.0.0.1]:8000", Err(Errno::Inval)),
            ("224.0.0.1:0", Err(Errno::Inval)),
            ("255.255.255.255:0", Err(Errno::Inval)),
        ] {
            assert_eq!(network.check_local(Protocol::Tcp, address.parse().unwrap()), expected, "{address}");
        }
        for address in ["0.0.0.0:0", "0.0.0.0:5353", "[::]:7"] {
            assert_eq!(network.check_local(Protocol::Udp, address.parse().unwrap()), Ok(Local::Serves), "{address}");
        }
    }

    #[test]
    fn a_network_does_not_stand_for_all_addresses_of_the_host() {
        let network = network(&["listen 0.0.0.0/0:80", "listen [::]/0:80", "udp listen 0.0.0.0:80"]);
        for address in ["0.0.0.0:80", "[::]:80"] {
            assert_eq!(network.check_local(Protocol::Tcp, address.parse().unwrap()), Err(Errno::Acces), "{address}");
        }
        assert_eq!(network.check_local(Protocol::Udp, "0.0.0.0:80".parse().unwrap()), Ok(Local::Serves));
    }

    #[test]
    fn an_address_of_a_name_may_be_connected_to_as_the_name_may() {
        let one = network(&["connect localhost:80-90", "udp connect localhost:53", "connect other.example:99"]);
        assert_eq!(peer(&one, Protocol::Tcp, "127.0.0.1:80"), "denied");
        let found = addresses(&one, "LOCALHOST");
        assert!(!found.is_empty());
        for address in found {
            let peer = |protocol, port| word(one.check_peer(protocol, SocketAddr::new(address, port)));
            assert_eq!([peer(Protocol::Tcp, 80), peer(Protocol::Tcp, 90), peer(Protocol::Udp, 53)], ["ok"; 3]);
            let others = [peer(Protocol::Tcp, 53), peer(Protocol::Tcp, 99), peer(Protocol::Udp, 80)];
            assert_eq!(others, ["denied"; 3], "{address}");
            assert_eq!(word(one.look_up(&address.to_string())), "ok");
        }
        // Nothing of it goes to another guest.
        assert_eq!(peer(&network(&["connect localhost:80-90"]), Protocol::Tcp, "127.0.0.1:80"), "denied");
    }

    #[test]
    fn names_are_looked_up_that_may_be_connected_to() {
        let network = network(&["connect *.example.com:443", "listen *:80", "connect 192.0.2.7:1"]);
        for (name, expected) in [
            ("example.com", "denied"),
            ("badexample.com", "denied"),
            ("a.example.com.evil.test", "denied"),
            ("localhost", "denied"),
            ("192.0.2.7", "ok"),
            ("192.0.2.8", "denied"),
            ("::ffff:192.0.2.7", "denied"),
            ("[::1]", "invalid"),
            ("3221225991", "invalid"),
            ("0xC0000207", "invalid"),
            ("192.0.519", "invalid"),
            ("", "invalid"),
            (".", "invalid"),
            ("a..example.com", "invalid"),
            ("a b.example.com", "invalid"),
            ("a\0.example.com", "invalid"),
            ("bücher.example.com", "invalid"),
            ("fe80::1%eth0", "invalid"),
        ] {
            assert_eq!(word(network.look_up(name)), expected, "{name:?}");
        }
    }

    #[test]
    fn the_oldest_address_is_forgotten() {
        let network = network(&["connect *.example.com:443"]);
        let lookup = |from: u16, count: u16| {
            Lookup::found(
                (from..from + count).map(|n| IpAddr::from((0x0a00_0000 | u32::from(n)).to_be_bytes())).collect(),
                [0],
            )
        };
        for (from, count) in [(0, 1), (1, 1023), (0, 1), (2000, 1)] {
            let lookup = lookup(from, count);
            while network.next_address(&lookup).unwrap().is_some() {}
        }
        assert_eq!(network.known.borrow().len(), MOST_KNOWN);
        // The first one was found again.
        assert_eq!(peer(&network, Protocol::Tcp, "10.0.0.0:443"), "ok");
        assert_eq!(peer(&network, Protocol::Tcp, "10.0.0.1:443"), "denied");
        assert_eq!(peer(&network, Protocol::Tcp, "10.0.7.208:443"), "ok");
    }
}

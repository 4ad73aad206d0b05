//! The rules of a guest's network: where it may connect to, and where it may listen. A rule is written as
//! `HOST:PORT`.

use super::name::Name;
use crate::abi::socket::Protocol;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The thing that a rule permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To connect there; with UDP, to send there and to receive from there.
    Connect,
    /// To listen there; with UDP, to be bound there and to receive from anybody.
    Listen,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The thing it permits.
    pub way: Way,
    /// The protocol it is for.
    pub protocol: Protocol,
    host: Host,
    ports: RangeInclusive<u16>,
}

/// The hosts of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Name(Name),
    /// The names below this one.
    Below(Name),
    Address(IpAddr),
    /// The addresses that have these first bits.
    Network(IpAddr, u32),
}

impl Rule {
    /// Reads a rule. The error says, after the name of the option, what is wrong.
    pub fn parse(way: Way, protocol: Protocol, text: &str) -> Result<Self, String> {
        let form = match way {
            Way::Connect => "must be HOST:PORT, such as 'db.example:5432' or '10.0.0.0/8:*'",
            Way::Listen => "must be ADDRESS:PORT, such as '127.0.0.1:8080' or '[::1]:0'",
        };
        let (host, port) = text.rsplit_once(':').ok_or(form)?;
        Ok(Self { way, protocol, host: Host::parse(way, host)?, ports: ports(way, port)? })
    }

    /// True if it is for this port. (Port 0 asks the system for one.)
    pub fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// True if it is for this address, by number.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Name(_) | Host::Below(_) => false,
            Host::Address(one) => *one == address,
            // All addresses of the host are more than those of a network.
            Host::Network(network, bits) => !address.is_unspecified() && network_of(address, *bits) == Some(*network),
        }
    }

    /// The address, if the rule is for no other, by TCP.
    pub fn address(&self) -> Option<SocketAddr> {
        let port = *self.ports.start();
        match self.host {
            Host::Address(ip) if self.protocol == Protocol::Tcp && port == *self.ports.end() => Some((ip, port).into()),
            _ => None,
        }
    }

    /// True if it is for this name.
    pub fn has_name(&self, name: &Name) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Name(one) => name.is(one),
            Host::Below(one) => name.is_below(one),
            Host::Address(_) | Host::Network(..) => false,
        }
    }
}

/// The ports of a rule.
fn ports(way: Way, text: &str) -> Result<RangeInclusive<u16>, String> {
    let least = u16::from(way == Way::Connect);
    if text == "*" {
        return Ok(least..=u16::MAX);
    }
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number)
    };
    let wrong = || format!("must end in a port: a number up to 65535, a range (8000-8010) or *, not '{text}'");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
    if first == 0 && way == Way::Connect {
        return Err("can't have the port 0, at which nobody is".to_owned());
    }
    if first == 0 && last != 0 {
        return Err("can't have a range from port 0, which is for a port of the system's choice".to_owned());
    }
    if first > last {
        return Err(format!("has a range of ports that ends before it begins: '{text}'"));
    }
    Ok(first..=last)
}

impl Host {
    fn parse(way: Way, text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => Some(address_in_brackets(inner)?),
            None => address.parse().ok().filter(IpAddr::is_ipv4),
        };
        match (address, bits) {
            (Some(address), Some(bits)) => Self::network(address, bits),
            (Some(address), None) => Ok(Self::Address(address)),
            (None, Some(_)) => Err(format!("has no address before its '/': '{text}'")),
            (None, None) => Self::name(way, text),
        }
    }

    fn network(address: IpAddr, bits: &str) -> Result<Self, String> {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let number = bits.parse().ok().filter(|number| is_number && *number <= most);
        let number = number.ok_or_else(|| format!("has a network of 0 to {most} bits, not of '{bits}'"))?;
        match network_of(address, number) {
            Some(network) if network != address => {
                Err(format!("has a network with bits beyond its first {number}: write {network}/{number}"))
            }
            _ => Ok(Self::Network(address, number)),
        }
    }

    fn name(way: Way, text: &str) -> Result<Self, String> {
        if text.contains(':') {
            return Err(format!("has an address of IPv6, which must be in brackets: '[{text}]'"));
        }
        if way == Way::Listen {
            let example = "such as 127.0.0.1, [::1], or * for all of the host";
            return Err(format!("must have an IP address to listen at, {example}, not '{text}'"));
        }
        let below = text.strip_prefix("*.");
        let name = Name::parse(below.unwrap_or(text)).ok_or_else(|| match text.is_ascii() {
            true => format!("has no name or address of a host: '{text}'"),
            false => format!("has a name that is not of ASCII, and must be written in Punycode (xn--...): '{text}'"),
        })?;
        Ok(if below.is_some() { Self::Below(name) } else { Self::Name(name) })
    }
}

fn address_in_brackets(text: &str) -> Result<IpAddr, String> {
    if text.contains('%') {
        return Err(format!("can't have a zone: '{text}'"));
    }
    let address: std::net::Ipv6Addr =
        text.parse().map_err(|_| format!("has no address of IPv6 in brackets: '{text}'"))?;
    match address.to_ipv4_mapped() {
        Some(v4) => Err(format!("has an address of IPv4 as one of IPv6: write {v4}")),
        None => Ok(address.into()),
    }
}

/// The address without all but its first bits; none for more bits than it has.
fn network_of(address: IpAddr, bits: u32) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
            (bits <= 32).then(|| std::net::Ipv4Addr::from_bits(address.to_bits() & !rest))?.into()
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
            (bits <= 128).then(|| std::net::Ipv6Addr::from_bits(address.to_bits() & !rest))?.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        for text in [
            "db.example:5432",
            "DB.Example.:5432",
            "*.example.com:443",
            "xn--bcher-kva.example:1",
            "localhost:8000-8010",
            "127.0.0.1:*",
            "10.0.0.0/8:80",
            "0.0.0.0/0:80",
            "[::1]:80",
            "[fd00::]/8:80",
            "[::]/0:*",
            "*:*",
            "*:1-65535",
        ] {
            Rule::parse(Way::Connect, Protocol::Tcp, text).expect(text);
        }
        for text in ["127.0.0.1:0", "0.0.0.0:80", "[::]:0", "*:0", "*:*", "10.0.0.0/8:1-10"] {
            Rule::parse(Way::Listen, Protocol::Tcp, text).expect(text);
        }
    }

    #[test]
    fn wrong_rules_say_what_is_wrong() {
        let wrong = |way, text| Rule::parse(way, Protocol::Tcp, text).expect_err(text);
        for (text, expected) in [
            ("", "must be HOST:PORT"),
            ("db.example", "must be HOST:PORT"),
            ("db.example:", "must end in a port"),
            ("db.example:http", "must end in a port"),
            ("db.example:65536", "must end in a port"),
            ("db.example:+80", "must end in a port"),
            ("db.example: 80", "must end in a port"),
            ("db.example:80-", "must end in a port"),
            ("db.example:1-2-3", "must end in a port"),
            ("db.example:90-80", "ends before it begins"),
            ("db.example:0", "port 0"),
            ("db.example:0-80", "port 0"),
            (":80", "no name or address"),
            ("https://db.example:80", "no address before its '/'"),
            ("a b:80", "no name or address"),
            ("bücher.example:80", "Punycode"),
            ("*.bücher.example:80", "Punycode"),
            ("a.*.example:80", "no name or address"),
            ("**:80", "no name or address"),
            ("*example.com:80", "no name or address"),
            ("127.1:80", "no name or address"),
            ("2130706433:80", "no name or address"),
            ("0177.0.0.1:80", "no name or address"),
            ("256.0.0.1:80", "no name or address"),
            ("::1:80", "in brackets: '[::1]'"),
            ("[::1:80", "in brackets"),
            ("[127.0.0.1]:80", "no address of IPv6"),
            ("[fe80::1%eth0]:80", "zone"),
            ("[::ffff:10.0.0.1]:80", "write 10.0.0.1"),
            ("[::ffff:0:0]/96:80", "write 0.0.0.0"),
            ("10.0.0.0/33:80", "0 to 32 bits"),
            ("10.0.0.0/:80", "0 to 32 bits"),
            ("10.0.0.0/+8:80", "0 to 32 bits"),
            ("[fd00::]/129:80", "0 to 128 bits"),
            ("10.0.0.1/8:80", "write 10.0.0.0/8"),
            ("[fd00::1]/8:80", "write fd00::/8"),
            ("db.example/8:80", "no address before its '/'"),
        ] {
            let why = wrong(Way::Connect, text);
            assert!(why.contains(expected), "{text:?}: {why}");
        }
        for (text, expected) in [
            ("8080", "must be ADDRESS:PORT"),
            ("localhost:8080", "an IP address to listen at"),
            ("*.example:80", "an IP address to listen at"),
            ("127.0.0.1:0-80", "port 0"),
        ] {
            let why = wrong(Way::Listen, text);
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }

    #[test]
    fn a_network_ends_where_its_bits_say() {
        let has = |rule: &str, address: &str| {
            Rule::parse(Way::Connect, Protocol::Tcp, rule).unwrap().has_address(address.parse().unwrap())
        };
        assert!(has("10.1.2.3/32:1", "10.1.2.3") && !has("10.1.2.3/32:1", "10.1.2.2"));
        assert!(has("0.0.0.0/0:1", "255.0.0.1") && !has("0.0.0.0/0:1", "::1"));
        assert!(has("128.0.0.0/1:1", "255.0.0.1") && !has("128.0.0.0/1:1", "127.255.255.255"));
        assert!(has("[::1]/128:1", "::1") && !has("[::1]/128:1", "::2"));
        assert!(has("[::]/0:1", "fd00::") && !has("[::]/0:1", "10.0.0.1"));
        assert!(has("[8000::]/1:1", "ffff::1") && !has("[8000::]/1:1", "7fff::1"));
    }
}

//! Addresses, as the interfaces have them. Those of WASI 0.3 are types of the same names.

/// The functions between addresses of the host and those of the types in this module.
macro_rules! addresses {
    ($($module:tt)*) => {
        use $($module)*::{IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress};
        use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
        use wasi_rs_core::abi::socket::Family;

        /// The address of the host that an interface names.
        pub fn address_of(given: IpSocketAddress) -> SocketAddr {
            match given {
                IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (a, b, c, d) }) => {
                    SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into()
                }
                IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info, address, scope_id }) => {
                    let (a, b, c, d, e, f, g, h) = address;
                    SocketAddrV6::new(Ipv6Addr::new(a, b, c, d, e, f, g, h), port, flow_info, scope_id).into()
                }
            }
        }

        /// The same the other way.
        pub fn shown(address: SocketAddr) -> IpSocketAddress {
            match address {
                SocketAddr::V4(v4) => IpSocketAddress::Ipv4(Ipv4SocketAddress { port: v4.port(), address: quad(*v4.ip()) }),
                SocketAddr::V6(v6) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
                    port: v6.port(),
                    flow_info: v6.flowinfo(),
                    address: groups(*v6.ip()),
                    scope_id: v6.scope_id(),
                }),
            }
        }

        /// An address without a port.
        pub fn shown_ip(address: IpAddr) -> IpAddress {
            match address {
                IpAddr::V4(v4) => IpAddress::Ipv4(quad(v4)),
                IpAddr::V6(v6) => IpAddress::Ipv6(groups(v6)),
            }
        }

        fn quad(address: Ipv4Addr) -> (u8, u8, u8, u8) {
            address.octets().into()
        }

        fn groups(address: Ipv6Addr) -> (u16, u16, u16, u16, u16, u16, u16, u16) {
            address.segments().into()
        }

        /// The family that an interface names.
        pub const fn family_of(given: IpAddressFamily) -> Family {
            match given {
                IpAddressFamily::Ipv4 => Family::V4,
                IpAddressFamily::Ipv6 => Family::V6,
            }
        }

        /// The same the other way.
        pub const fn shown_family(family: Family) -> IpAddressFamily {
            match family {
                Family::V4 => IpAddressFamily::Ipv4,
                Family::V6 => IpAddressFamily::Ipv6,
            }
        }
    };
}

pub(in crate::wasi) use addresses;

addresses!(crate::wasi::generated::sockets::network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_both_ways() {
        for text in ["192.0.2.7:80", "[2001:db8::7%3]:443", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(address_of(shown(address)), address);
        }
        assert!(matches!(shown_ip("192.0.2.7".parse().unwrap()), IpAddress::Ipv4((192, 0, 2, 7))));
        for family in [Family::V4, Family::V6] {
            assert_eq!(family_of(shown_family(family)), family);
        }
    }
}

//! wasi:sockets/ip-name-lookup.

use super::addresses::shown_ip;
use super::errors::{SocketFailed, code_of_lookup};
use super::network::Network;
use crate::wasi::View;
use crate::wasi::generated::sockets::ip_name_lookup;
use crate::wasi::generated::sockets::network::IpAddress;
use crate::wasi::poll::Pollable;
use std::net::IpAddr;
use wasi_rs_core::abi::Fd;
use wasi_rs_core::syscalls::sockets::Addresses;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The resource `resolve-address-stream`.
#[derive(Debug)]
pub enum ResolveAddressStream {
    /// The descriptor of a lookup.
    Lookup(u32),
    /// The name was an address, which is still to be taken.
    Address(Option<IpAddr>),
}

impl ip_name_lookup::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketFailed> {
        self.wasi.table.get(&network)?;
        let found = self.sockets(|sockets| sockets.look_up(&name))?.map_err(code_of_lookup)?;
        let stream = match found {
            Addresses::One(address) => ResolveAddressStream::Address(Some(address)),
            Addresses::Lookup(Fd(fd)) => ResolveAddressStream::Lookup(fd),
        };
        Ok(self.wasi.table.push(stream)?)
    }
}

impl ip_name_lookup::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketFailed> {
        let next = match self.wasi.table.get_mut(&stream)? {
            ResolveAddressStream::Address(address) => address.take(),
            ResolveAddressStream::Lookup(fd) => {
                let fd = Fd(*fd);
                self.sockets(|sockets| sockets.next_address(fd))?.map_err(code_of_lookup)?
            }
        };
        Ok(next.map(shown_ip))
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Resource<Pollable>> {
        let pollable = match self.wasi.table.get(&stream)? {
            ResolveAddressStream::Address(_) => Pollable::Ready,
            ResolveAddressStream::Lookup(fd) => Pollable::Read(*fd),
        };
        Ok(self.wasi.table.push(pollable)?)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> Result<()> {
        match self.wasi.table.delete(stream)? {
            ResolveAddressStream::Address(_) => Ok(()),
            ResolveAddressStream::Lookup(fd) => self.calls().close(fd),
        }
    }
}

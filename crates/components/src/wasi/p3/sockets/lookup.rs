//! wasi:sockets/ip-name-lookup.

use super::addresses::shown_ip;
use crate::wasi::calls::Awaited;
use crate::wasi::generated::sockets::network::ErrorCode as Older;
use crate::wasi::p3::generated::sockets::ip_name_lookup::{self, ErrorCode};
use crate::wasi::p3::generated::sockets::types::IpAddress;
use crate::wasi::p3::reactor::{Held, Left};
use crate::wasi::sockets::errors::code_of_lookup;
use crate::wasi::{OpenFile, View, Views};
use std::sync::Arc;
use wasi_rs_core::abi::{Errno, Fd};
use wasi_rs_core::syscalls::sockets::Addresses;
use wasmtime::Result;
use wasmtime::component::Accessor;

fn code_of(errno: Errno) -> ErrorCode {
    match code_of_lookup(errno) {
        Older::AccessDenied => ErrorCode::AccessDenied,
        Older::InvalidArgument => ErrorCode::InvalidArgument,
        Older::NameUnresolvable => ErrorCode::NameUnresolvable,
        Older::TemporaryResolverFailure => ErrorCode::TemporaryResolverFailure,
        Older::PermanentResolverFailure => ErrorCode::PermanentResolverFailure,
        _ => ErrorCode::Other(None),
    }
}

impl ip_name_lookup::Host for View<'_> {}

impl<U: Send + 'static> ip_name_lookup::HostWithStore<U> for Views {
    async fn resolve_addresses(
        store: &Accessor<U, Self>,
        name: String,
    ) -> Result<std::result::Result<Vec<IpAddress>, ErrorCode>> {
        let found = store.with(|mut store| store.get().sockets(|sockets| sockets.look_up(&name)))?;
        let Fd(fd) = match found {
            Ok(Addresses::Lookup(fd)) => fd,
            Ok(Addresses::One(address)) => return Ok(Ok(vec![shown_ip(address)])),
            Err(errno) => return Ok(Err(code_of(errno))),
        };
        let reactor = store.with(|mut store| Arc::clone(&store.get().wasi.reactor));
        let file = Arc::new(OpenFile::new(fd, true));
        let _open = Held::new(Left::File(file), Arc::clone(&reactor));
        let mut all = Vec::new();
        loop {
            match store.with(|mut store| store.get().sockets(|sockets| sockets.next_address(Fd(fd))))? {
                Ok(Some(address)) => all.push(shown_ip(address)),
                Ok(None) => return Ok(Ok(all)),
                Err(Errno::Again) => reactor.wait(Awaited::Read(fd)).await,
                Err(errno) => return Ok(Err(code_of(errno))),
            }
        }
    }
}

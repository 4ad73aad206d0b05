//! wasi:sockets/network and instance-network: the one network of a guest.

use super::errors::{SocketFailed, code_of};
use crate::wasi::View;
use crate::wasi::errors::IoError;
use crate::wasi::generated::sockets::network::ErrorCode;
use crate::wasi::generated::sockets::{instance_network, network};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::syscalls::sockets::Sockets;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The resource `network`. It gives no right by itself: the guest's rules do.
#[derive(Debug)]
pub struct Network;

impl View<'_> {
    /// Makes a call of sockets.
    pub fn sockets<T>(
        &mut self,
        call: impl FnOnce(Sockets<'_>) -> std::result::Result<T, Errno>,
    ) -> Result<std::result::Result<T, Errno>> {
        let (mut call, mut result) = (Some(call), Err(Errno::Canceled));
        self.system.enter(&mut |ctx| {
            if let Some(call) = call.take() {
                result = call(Sockets::of(ctx));
            }
        })?;
        Ok(result)
    }
}

impl network::Host for View<'_> {
    fn convert_error_code(&mut self, failed: SocketFailed) -> Result<ErrorCode> {
        match failed {
            SocketFailed::Code(code) => Ok(code),
            SocketFailed::Trap(error) => Err(error),
        }
    }

    fn network_error_code(&mut self, error: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(match self.wasi.table.get(&error)? {
            IoError::Errno(errno) => Some(code_of(*errno)),
            IoError::Http(_) => None,
        })
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        self.wasi.table.delete(network)?;
        Ok(())
    }
}

impl instance_network::Host for View<'_> {
    fn instance_network(&mut self) -> Result<Resource<Network>> {
        Ok(self.wasi.table.push(Network)?)
    }
}

//! wasi:sockets/network and instance-network: the one network of a guest.

use super::errors::{SocketFailed, code_of};
use crate::wasi::View;
use crate::wasi::errors::IoError;
use crate::wasi::generated::sockets::network::ErrorCode;
use crate::wasi::generated::sockets::{instance_network, network};
use wasi_rs_core::abi::socket::Setting;
use wasi_rs_core::abi::{Errno, Fd};
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

/// A resource that is a socket.
pub trait Socket: 'static {
    /// Its descriptor.
    fn fd(&self) -> u32;
}

impl View<'_> {
    /// The value of a setting.
    pub fn setting(
        &mut self,
        socket: &Resource<impl Socket>,
        setting: Setting,
    ) -> std::result::Result<u64, SocketFailed> {
        let fd = Fd(self.wasi.table.get(socket)?.fd());
        Ok(self.sockets(|sockets| sockets.setting(fd, setting))??)
    }

    /// Changes a setting.
    pub fn set_setting(
        &mut self,
        socket: &Resource<impl Socket>,
        setting: Setting,
        value: u64,
    ) -> std::result::Result<(), SocketFailed> {
        let fd = Fd(self.wasi.table.get(socket)?.fd());
        Ok(self.sockets(|sockets| sockets.set_setting(fd, setting, value))??)
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

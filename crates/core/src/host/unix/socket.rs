use crate::abi::errno::Result;
use crate::abi::flags::Sdflags;
use crate::host::handle::File;
use rustix::net::Shutdown;

pub use super::system::{accept, is_listening};

pub fn shutdown(file: &File, how: Sdflags) -> Result {
    let how = match (how.contains(Sdflags::RD), how.contains(Sdflags::WR)) {
        (true, true) => Shutdown::Both,
        (true, false) => Shutdown::Read,
        _ => Shutdown::Write,
    };
    Ok(rustix::net::shutdown(file, how)?)
}

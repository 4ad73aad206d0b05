//! Stand-ins for systems without leases.

use std::fs::File;
use std::os::fd::RawFd;
use std::sync::Arc;
use wasmtime::{AsContextMut, Instance, Module};

/// A lease, of which there is none.
pub enum Lease {}

/// A registration with a lease, of which there is none.
pub enum Registration {}

/// Memories that are mapped from no file.
#[derive(Debug, Default)]
pub struct Memories;

impl Lease {
    /// Takes no lease.
    pub fn take(_: &File) -> Option<Self> {
        None
    }

    pub(super) fn cover(&self, _: &Module, _: RawFd) {
        match *self {}
    }

    pub(super) fn register(&self, _: &Arc<Memories>) -> Option<Registration> {
        match *self {}
    }
}

impl Memories {
    /// False: no memory is copied.
    pub const fn can_be_copied(_: &Module) -> bool {
        false
    }

    /// Does nothing.
    pub fn record(&self, _: &Instance, _: impl AsContextMut) {}

    /// Does nothing.
    pub const fn check(&self) {}

    /// Does nothing.
    pub const fn release(&self) {}

    /// Does nothing.
    pub const fn acquire(&self) {}
}

//! Systems that have no leases.

use std::fs::File;
use std::os::fd::RawFd;
use std::sync::Arc;
use wasmtime::{AsContextMut, Instance, Module};

/// There is none.
pub enum Lease {}

/// Nor anything under one.
pub enum Tenancy {}

/// Memories that are mapped from no file.
#[derive(Debug, Default)]
pub struct Memories;

impl Lease {
    /// There is none to be had.
    pub fn take(_: &File) -> Option<Self> {
        None
    }

    pub(super) fn cover(&self, _: &Module, _: RawFd) {
        match *self {}
    }

    pub(super) fn lodge(&self, _: &Arc<Memories>) -> Option<Tenancy> {
        match *self {}
    }
}

impl Memories {
    /// None is looked for.
    pub const fn are_known(_: &Module) -> bool {
        false
    }

    /// Nothing is to be copied.
    pub fn note(&self, _: &Instance, _: impl AsContextMut) {}

    /// Nothing is to be copied.
    pub const fn look(&self) {}

    /// Nobody wants to know.
    pub const fn rest(&self) {}

    /// Nobody wants to know.
    pub const fn resume(&self) {}
}

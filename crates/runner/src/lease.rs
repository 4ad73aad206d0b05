//! Machine code that is mapped from a file, and what happens when somebody is about to change the file.
//!
//! A mapped file that is cut off ends the process (SIGBUS), one that is written to runs as written. So the file is mapped under
//! a lease: the kernel holds up whoever opens it for writing or cuts it off by its path, of any process and root's too, and tells the
//! holder with a signal. A thread answers that: it puts a copy in the place of what is mapped, under those who execute it, and gives the
//! lease back. The thread is there as long as leases are.
//!
//! The memory of a guest begins as pages of the same file, and the guest may be writing to it. That is copied while its thread
//! does not: by that thread itself, or while it waits ([`memories`]).

#[cfg(target_os = "linux")]
mod memories;
#[cfg(not(target_os = "linux"))]
mod none;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(not(target_os = "linux"))]
pub use none::{Lease, Memories, Tenancy};
#[cfg(target_os = "linux")]
pub use {
    memories::Memories,
    watch::{Lease, Tenancy},
};

use std::os::fd::RawFd;
use std::sync::Arc;
use wasmtime::Module;

/// Machine code that is ready, with the lease it is mapped under.
pub struct Loaded {
    // Goes before the module does, whose memory its thread reads.
    lease: Option<Lease>,
    /// The machine code.
    pub module: Module,
}

impl Loaded {
    /// Mapped under this lease from the file that this descriptor, which is the module's, is of. Memories of its instances
    /// [are known](Memories::are_known).
    pub fn mapped(module: Module, lease: Lease, descriptor: RawFd) -> Self {
        lease.cover(&module, descriptor);
        Self { lease: Some(lease), module }
    }

    /// Has these memories, which are about to be made, change with the file no more than the machine code does.
    pub fn lodge(&self, memories: &Arc<Memories>) -> Option<Tenancy> {
        self.lease.as_ref()?.lodge(memories)
    }
}

impl From<Module> for Loaded {
    /// In memory that belongs to no file.
    fn from(module: Module) -> Self {
        Self { lease: None, module }
    }
}

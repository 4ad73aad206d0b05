//! Machine code that is mapped from a file, and the copy that is made of it before the file changes.
//!
//! If a mapped file is truncated, the process ends (SIGBUS); if it is written to, the code that runs changes.
//! So the file is mapped under a lease: when a process, even one of root's, opens the file for writing or
//! truncates it by its path, the kernel makes it wait and sends a signal to the holder of the lease. A thread
//! receives the signal, replaces the mapped pages by a copy while other threads execute them, and gives the
//! lease back. The thread exists as long as there are leases.
//!
//! The memory of a guest begins as pages of the same file, and the guest may be writing to it. These pages
//! are copied by the guest's own thread, or by another while that thread waits ([`memories`]).

#[cfg(target_os = "linux")]
mod memories;
#[cfg(not(target_os = "linux"))]
mod none;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(not(target_os = "linux"))]
pub use none::{Lease, Memories, Registration};
#[cfg(target_os = "linux")]
pub use {
    memories::Memories,
    watch::{Lease, Registration},
};

use std::os::fd::RawFd;
use std::sync::Arc;
use wasmtime::Module;

/// Loaded machine code, and its lease if it is mapped from a file.
pub struct Loaded {
    // Dropped before the module: the thread of the leases reads the module's memory.
    lease: Option<Lease>,
    /// The machine code.
    pub module: Module,
}

impl Loaded {
    /// Machine code that is mapped under this lease. `descriptor` is the module's own, of the mapped file.
    /// The memories of its instances [can be copied](Memories::can_be_copied).
    pub fn mapped(module: Module, lease: Lease, descriptor: RawFd) -> Self {
        lease.cover(&module, descriptor);
        Self { lease: Some(lease), module }
    }

    /// Registers the memories of an instance that is about to be made. They are copied before the file
    /// changes, as the machine code is.
    pub fn register(&self, memories: &Arc<Memories>) -> Option<Registration> {
        self.lease.as_ref()?.register(memories)
    }
}

impl From<Module> for Loaded {
    /// Machine code in memory that is mapped from no file.
    fn from(module: Module) -> Self {
        Self { lease: None, module }
    }
}

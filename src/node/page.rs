//! The call page: how a syscall gets from WebAssembly to Rust.
//!
//! Node-API makes every argument of a callback cost a call of its own. So the functions a guest imports are exports of
//! a small WebAssembly module ([`shim`](super::shim)) that writes its arguments to a page of memory, which Rust reads
//! directly, and calls one native function without arguments. The errno comes back through the page as well.
//!
//! A thread has one page for all its guests: every WebAssembly memory reserves gigabytes of addresses.

use super::ffi::PageMemory;
use crate::abi::param::MAX_PARAMS;
use crate::abi::{Args, Errno};

/// Where the number of the guest stands, 32 bits.
pub const GUEST: usize = 0;
/// Where the number of the syscall stands, its place in the list, 32 bits.
pub const SYSCALL: usize = 4;
/// Where the guest memory's size stands, in pages, 32 bits.
pub const PAGES: usize = 8;
/// Where the answer stands, 32 bits.
pub const ERRNO: usize = 12;
/// Where the parameters stand, 64 bits each, an `i32` zero-extended.
pub const ARGS: usize = 16;

/// How much of the page is used.
pub const SIZE: usize = ARGS + 8 * MAX_PARAMS;

/// A call as it stands in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageCall {
    /// The guest's number.
    pub guest: u32,
    /// The syscall's place in the list.
    pub syscall: u32,
    /// The guest memory's size in pages, [`UNBOUND`](super::ffi::UNBOUND) if it has none yet.
    pub pages: u32,
    /// The parameters; those the syscall does not have are left from other calls.
    pub args: Args,
}

impl PageCall {
    /// Reads the whole call at once: a callback into JavaScript may make another, which writes the page anew.
    pub fn read(page: &PageMemory) -> Self {
        Self {
            guest: page.get::<u32, GUEST>(),
            syscall: page.get::<u32, SYSCALL>(),
            pages: page.get::<u32, PAGES>(),
            args: [
                page.get::<u64, { ARGS }>(),
                page.get::<u64, { ARGS + 8 }>(),
                page.get::<u64, { ARGS + 16 }>(),
                page.get::<u64, { ARGS + 24 }>(),
                page.get::<u64, { ARGS + 32 }>(),
                page.get::<u64, { ARGS + 40 }>(),
                page.get::<u64, { ARGS + 48 }>(),
                page.get::<u64, { ARGS + 56 }>(),
                page.get::<u64, { ARGS + 64 }>(),
            ],
        }
    }
}

/// Leaves the answer.
pub fn answer(page: &PageMemory, errno: Errno) {
    page.put::<u32, ERRNO>(u32::from(errno.number()));
}

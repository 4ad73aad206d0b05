//! The call page: how a syscall gets from WebAssembly to Rust.
//!
//! Node-API makes every argument of a callback cost a call of its own. So the functions a guest imports are exports of
//! a small WebAssembly module ([`shim`](super::shim)) that writes its arguments to a page of memory, which Rust reads
//! directly, and calls one native function without arguments. The errno comes back through the page as well.
//!
//! A thread has one page for all its guests: every WebAssembly memory reserves gigabytes of addresses.

use super::ffi::PageMemory;
use crate::abi::param::MAX_PARAMS;
use crate::abi::{Args, Errno, Ptr};

/// Where the number of the guest stands.
pub const GUEST: u32 = 0;
/// Where the number of the syscall stands, its place in the list.
pub const SYSCALL: u32 = 4;
/// Where the guest memory's size stands, in pages.
pub const PAGES: u32 = 8;
/// Where the answer stands.
pub const ERRNO: u32 = 12;
/// Where the parameters stand, eight bytes each.
pub const ARGS: u32 = 16;

const SIZE: usize = ARGS as usize + 8 * MAX_PARAMS;

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
        let mut bytes = [0; SIZE];
        // The page is a whole WebAssembly page, so it is never too short.
        let _ = page.view().copy_out(Ptr::new(0), &mut bytes);
        let (head, args) = bytes.split_at(ARGS as usize);
        let word = |at: u32| {
            head.get(at as usize..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |word| u32::from_le_bytes(*word))
        };
        let mut call = Self {
            guest: word(GUEST),
            syscall: word(SYSCALL),
            pages: word(PAGES),
            args: Args::default(),
        };
        for (arg, bytes) in call.args.iter_mut().zip(args.as_chunks().0) {
            *arg = u64::from_le_bytes(*bytes);
        }
        call
    }
}

/// Leaves the answer.
pub fn answer(page: &PageMemory, errno: Errno) {
    let _ = page.view().write(Ptr::new(ERRNO), &u32::from(errno.number()));
}

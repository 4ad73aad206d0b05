//! The call page: the way of a syscall's parameters from WebAssembly to Rust.
//!
//! Node-API makes every argument of a callback cost a call of its own. So the functions a guest imports are
//! exports of a small WebAssembly module ([`shim`](crate::call::shim)) that writes its arguments to a page of
//! memory, which Rust reads directly, and calls one native function without arguments. The errno comes back
//! through the page as well.
//!
//! A thread has one page for all its guests: every WebAssembly memory reserves gigabytes of addresses.

use crate::call::layout::{self, ARGS, After, CACHED, Cached, ERRNO, GUEST, PAGES, SYSCALL};
use crate::call::memory::PageMemory;
use wasi_rs_core::abi::errno::{Errno, Result};
use wasi_rs_core::abi::{Abi, Args, Param, Ptr};
use wasi_rs_core::memory::Memory;

/// A call as it stands in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageCall {
    /// The guest's number.
    pub guest: u32,
    number: u32,
    /// The guest memory's size in pages, [`UNBOUND`](layout::UNBOUND) if it has none yet.
    pub pages: u32,
    /// The parameters; those the syscall does not have are left from other calls.
    pub args: Args,
}

impl PageCall {
    /// Reads the whole call at once: a callback into JavaScript may make another, which writes the page anew.
    pub fn read(page: &PageMemory) -> Self {
        let number = page.get::<u32, SYSCALL>();
        let mut args = Args::default();
        args[0] = page.get::<u64, { ARGS }>();
        args[1] = page.get::<u64, { ARGS + 8 }>();
        args[2] = page.get::<u64, { ARGS + 16 }>();
        args[3] = page.get::<u64, { ARGS + 24 }>();
        if layout::has_many_params(number) {
            args[4] = page.get::<u64, { ARGS + 32 }>();
            args[5] = page.get::<u64, { ARGS + 40 }>();
            args[6] = page.get::<u64, { ARGS + 48 }>();
            args[7] = page.get::<u64, { ARGS + 56 }>();
            args[8] = page.get::<u64, { ARGS + 64 }>();
        }
        Self { guest: page.get::<u32, GUEST>(), number, pages: page.get::<u32, PAGES>(), args }
    }

    /// The syscall's index in the list.
    pub const fn index(&self) -> usize {
        layout::index_of(self.number)
    }

    /// The same call, when the guest's memory has so many pages.
    pub const fn with_pages(self, pages: u32) -> Self {
        Self { pages, ..self }
    }

    /// The task that is left once it has been answered.
    pub const fn after(&self) -> Option<After> {
        layout::after(self.number)
    }
}

/// Leaves the answer.
pub fn answer(page: &PageMemory, errno: Errno) {
    page.put::<u32, ERRNO>(u32::from(errno.number()));
}

/// The key of no descriptor: there are not as many guests.
const NO_KEY: u64 = u64::MAX;

/// The key of a guest's descriptor.
fn key_of(guest: u32, fd: u64) -> u64 {
    u64::from(guest) << 32 | fd & u64::from(u32::MAX)
}

/// Caches the record that the call has just put at the address in its second parameter.
pub fn cache(page: &PageMemory, record: usize, call: &PageCall, memory: &Memory<'_>) -> Result {
    let [fd, at, ..] = call.args;
    let at = Ptr::lift(at, Abi::Preview1)?;
    page.put_at(Cached::key(record), NO_KEY);
    for (index, word) in (0..).zip(0..CACHED.get(record).map_or(0, |cached| cached.words)) {
        page.put_at(Cached::word(record, word), memory.read::<u64>(memory.element(at, index)?)?);
    }
    page.put_at(Cached::key(record), key_of(call.guest, fd));
    Ok(())
}

/// Drops the cached records with these keys.
fn uncache(page: &PageMemory, is_meant: impl Fn(u64) -> bool) {
    for key in (0..CACHED.len()).map(Cached::key) {
        if is_meant(page.get_at(key)) {
            page.put_at(key, NO_KEY);
        }
    }
}

/// Drops all cached records.
pub fn uncache_all(page: &PageMemory) {
    uncache(page, |_| true);
}

/// Drops the cached records of the descriptors that the call has changed.
pub fn uncache_changed(page: &PageMemory, call: &PageCall) {
    let [one, other, ..] = call.args.map(|fd| key_of(call.guest, fd));
    uncache(page, |key| key == one || key == other);
}

/// Drops the cached records of a guest.
pub fn uncache_guest(page: &PageMemory, guest: usize) {
    uncache(page, |key| key >> 32 == guest as u64);
}

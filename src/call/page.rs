//! The call page: how a syscall gets from WebAssembly to Rust.
//!
//! Node-API makes every argument of a callback cost a call of its own. So the functions a guest imports are exports of
//! a small WebAssembly module ([`shim`](crate::call::shim)) that writes its arguments to a page of memory, which Rust reads
//! directly, and calls one native function without arguments. The errno comes back through the page as well.
//!
//! A thread has one page for all its guests: every WebAssembly memory reserves gigabytes of addresses.

use crate::call::memory::PageMemory;
use wasi_rs_core::abi::errno::{Errno, Result};
use wasi_rs_core::abi::param::MAX_PARAMS;
use wasi_rs_core::abi::records::{Fdstat, Prestat, Record};
use wasi_rs_core::abi::{Abi, Args, Param, Ptr};
use wasi_rs_core::memory::Memory;

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

/// Where the records stand that the shim gives out again by itself: each a key, then words.
pub const RECORDS: usize = ARGS + 8 * MAX_PARAMS;

/// How many words a record has at most.
const RECORD_WORDS: usize = 3;

/// How much of the page is used.
pub const SIZE: usize = RECORDS + RECALLED.len() * 8 * (1 + RECORD_WORDS);

/// A syscall whose last answer the page remembers: of a descriptor, a record of so many words.
#[derive(Clone, Copy, Debug)]
pub struct Recalled {
    /// Its name.
    pub name: &'static str,
    /// The record's size in words of 64 bits.
    pub words: usize,
}

/// The syscalls whose last answer is remembered, until something changes the descriptor.
pub const RECALLED: [Recalled; 2] = [
    Recalled { name: "fd_prestat_get", words: Prestat::SIZE / 8 },
    Recalled { name: "fd_fdstat_get", words: Fdstat::SIZE / 8 },
];

impl Recalled {
    /// Where the key of the record of this number stands: whose descriptor it is of, `guest << 32 | fd`.
    pub const fn key(record: usize) -> usize {
        RECORDS + record * 8 * (1 + RECORD_WORDS)
    }

    /// Where a word of the record of this number stands.
    pub const fn word(record: usize, word: usize) -> usize {
        Self::key(record) + 8 * (1 + word)
    }
}

/// The key of no descriptor: there are not as many guests.
const NOBODY: u64 = u64::MAX;

/// The key of a guest's descriptor.
fn key_of(guest: u32, fd: u64) -> u64 {
    u64::from(guest) << 32 | fd & u64::from(u32::MAX)
}

/// What is left to do once a syscall has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// To remember the answer as the record of this number.
    Remember(usize),
    /// To forget what is remembered of the descriptors in the first two parameters.
    Forget,
    /// To count how often it is called.
    Count,
}

/// The bits of [`SYSCALL`] that hold its place in the list, those that say what is left to do after it, and the one that
/// says whether it has more than [`FEW`] parameters.
const PLACE: u32 = 0xff;
const AFTER: u32 = PLACE + 1;
const MANY: u32 = 1 << 16;

/// Of most syscalls these are all parameters, and reading more would take time.
const FEW: usize = 4;

/// What the shim puts at [`SYSCALL`].
pub fn number(place: u32, after: Option<After>, params: usize) -> u32 {
    let after = match after {
        None => 0,
        Some(After::Forget) => 1,
        Some(After::Count) => 2,
        Some(After::Remember(record)) => 3 + u32::try_from(record).unwrap_or(0),
    };
    place | (after * AFTER) | if params > FEW { MANY } else { 0 }
}

/// A call as it stands in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageCall {
    /// The guest's number.
    pub guest: u32,
    number: u32,
    /// The guest memory's size in pages, [`UNBOUND`](crate::call::memory::UNBOUND) if it has none yet.
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
        if number & MANY != 0 {
            args[4] = page.get::<u64, { ARGS + 32 }>();
            args[5] = page.get::<u64, { ARGS + 40 }>();
            args[6] = page.get::<u64, { ARGS + 48 }>();
            args[7] = page.get::<u64, { ARGS + 56 }>();
            args[8] = page.get::<u64, { ARGS + 64 }>();
        }
        Self { guest: page.get::<u32, GUEST>(), number, pages: page.get::<u32, PAGES>(), args }
    }

    /// The syscall's place in the list.
    pub const fn place(&self) -> usize {
        (self.number & PLACE) as usize
    }

    /// What is left to do once it has been answered.
    pub const fn after(&self) -> Option<After> {
        match (self.number & !MANY) / AFTER {
            0 => None,
            1 => Some(After::Forget),
            2 => Some(After::Count),
            record => Some(After::Remember(record as usize - 3)),
        }
    }
}

/// Leaves the answer.
pub fn answer(page: &PageMemory, errno: Errno) {
    page.put::<u32, ERRNO>(u32::from(errno.number()));
}

/// Remembers the record that the call has just put where its second parameter points to.
pub fn remember(page: &PageMemory, record: usize, call: &PageCall, memory: &Memory<'_>) -> Result {
    let [fd, at, ..] = call.args;
    let at = Ptr::lift(at, Abi::Preview1)?;
    page.put_at(Recalled::key(record), NOBODY);
    for (index, word) in (0..).zip(0..RECALLED.get(record).map_or(0, |recalled| recalled.words)) {
        page.put_at(Recalled::word(record, word), memory.read::<u64>(memory.element(at, index)?)?);
    }
    page.put_at(Recalled::key(record), key_of(call.guest, fd));
    Ok(())
}

/// Forgets what is remembered of descriptors for which `is_meant` says so, by key.
fn forget(page: &PageMemory, is_meant: impl Fn(u64) -> bool) {
    for key in (0..RECALLED.len()).map(Recalled::key) {
        if is_meant(page.get_at(key)) {
            page.put_at(key, NOBODY);
        }
    }
}

/// Forgets everything.
pub fn forget_all(page: &PageMemory) {
    forget(page, |_| true);
}

/// Forgets what is remembered of the descriptors that the call has changed.
pub fn forget_changed(page: &PageMemory, call: &PageCall) {
    let [one, other, ..] = call.args.map(|fd| key_of(call.guest, fd));
    forget(page, |key| key == one || key == other);
}

/// Forgets what is remembered of a guest.
pub fn forget_guest(page: &PageMemory, guest: usize) {
    forget(page, |key| key >> 32 == guest as u64);
}

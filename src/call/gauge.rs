//! The gauge: the WebAssembly module that imports a guest's memory. It tells the memory's size, which the shim notes with
//! each call, answers the few syscalls whose answer never changes, tells when to skip one that nobody would miss, and
//! writes the records that the page remembers, all without leaving WebAssembly.
//!
//! Binding a memory puts the gauge's functions into the shim's table.

use crate::call::page::RECALLED;
use crate::call::shim::{put_type, slot};
use crate::call::wasm::{Bytes, GLOBAL, I32, MEMORY, body, export, function_type, import, len, module};
use wasi_rs_core::abi::Errno;

/// The syscalls it answers; all take a number or an address, and an address.
pub const ANSWERED: &[&str] = &["args_sizes_get", "environ_sizes_get", "clock_res_get"];

/// The syscall that is skipped now and then: a guest with a memory of its own has no other thread that could run.
pub const SKIPPED: &str = "sched_yield";

/// One in so many goes to the kernel, the first and so on: there may be others that the guest waits for. A power of 2.
const ONE_IN: u32 = 8;

/// The name of the function that tells the size in pages.
const SIZE: &str = "size";

/// Its exports in the order of the slots they belong in: from [`slot::SIZE`] on, and from [`slot::PUTS`] on the functions
/// that write records, under the name of the syscall.
pub fn exports() -> impl Iterator<Item = (usize, &'static str)> {
    let answers = [SIZE, SKIPPED].into_iter().chain(ANSWERED.iter().copied());
    (slot::SIZE..).zip(answers).chain((slot::PUTS..).zip(RECALLED.iter().map(|recalled| recalled.name)))
}

/// The numbers it answers with, in the order in which it imports them: how many arguments and variables there are, how
/// many bytes they take, and the resolution of each clock in nanoseconds.
pub const NUMBERS: [&str; 8] =
    ["argc", "argv_buf_size", "environc", "environ_buf_size", "realtime", "monotonic", "process", "thread"];

/// A kind of WebAssembly memory: its import type says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Of one thread, with 32-bit addresses.
    Plain,
    /// Shared between threads.
    Shared,
    /// Of one thread, with 64-bit addresses. The system calls take those below 4 GiB.
    Wide,
    /// Shared, with 64-bit addresses: likewise.
    SharedWide,
}

impl MemoryKind {
    /// `memory.size` as an `i64`.
    fn wide_size(self) -> Bytes {
        let size = Bytes::default().raw(&[0x3f, 0]);
        if self.is_wide() { size } else { size.extend() }
    }

    /// `memory.size` as an `i32`.
    fn size(self) -> Bytes {
        let size = Bytes::default().raw(&[0x3f, 0]);
        if self.is_wide() { size.raw(&[0xa7]) } else { size } // i32.wrap_i64
    }

    const fn is_wide(self) -> bool {
        matches!(self, Self::Wide | Self::SharedWide)
    }

    const fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::SharedWide)
    }

    /// How the memory is imported: with at least no page; a shared one must name a most, and any is at most that.
    pub fn import(self) -> Bytes {
        import("memory", MEMORY).raw(match self {
            Self::Plain => &[0, 0],
            Self::Shared => &[3, 0, 0x80, 0x80, 0x04],
            Self::Wide => &[4, 0],
            Self::SharedWide => &[7, 0, 0x80, 0x80, 0x10], // 16 GiB, the most V8 takes
        })
    }

    /// The address in a local, as the memory's instructions want it.
    pub fn address(self, local: u32) -> Bytes {
        let address = Bytes::default().local_get(local);
        if self.is_wide() { address.extend() } else { address }
    }
}

/// The type of [`SIZE`] and [`SKIPPED`], that of the answers, and the first of the functions that write records.
const TYPE_SIZE: u32 = 0;
const TYPE_ANSWER: u32 = 1;
const TYPE_PUT: u32 = 2;

/// The gauge for a kind of memory.
pub fn gauge(kind: MemoryKind) -> Vec<u8> {
    let numbers = NUMBERS.map(|name| import(name, GLOBAL).raw(&[I32, 0]));
    let answers = [kind.size(), skips(kind), sizes(kind, 0, 1), sizes(kind, 2, 3), resolution(kind, 4)];
    const { assert!(ANSWERED.len() == 3, "one body for each") };
    let bodies = answers.into_iter().chain(RECALLED.iter().map(|recalled| put(kind, recalled.words)));
    let types = [function_type(&[], &[I32]), function_type(&[I32, I32], &[I32])];
    let types = types.into_iter().chain(RECALLED.iter().map(put_type));
    let puts = (0..).zip(RECALLED).map(|(record, _)| TYPE_PUT + record);
    let type_of_each = [TYPE_SIZE; 2].into_iter().chain(ANSWERED.iter().map(|_| TYPE_ANSWER)).chain(puts);
    let names = (0_u32..).zip(exports());
    module()
        .section(1, Bytes::default().vec(types))
        .section(2, Bytes::default().vec([kind.import()].into_iter().chain(numbers)))
        .section(3, Bytes::default().vec(type_of_each.map(|ty| Bytes::default().leb(ty))))
        .section(6, Bytes::default().vec([Bytes::default().raw(&[I32, 1]).i32_const(0).raw(&[0x0b])])) // how many yields
        .section(7, Bytes::default().vec(names.map(|(index, (_, name))| export(name, index))))
        .section(10, Bytes::default().vec(bodies.map(body)))
        .0
}

/// Returns EFAULT unless `bytes` bytes at the address in `local` are inside.
pub fn check(kind: MemoryKind, local: u32, bytes: usize) -> Bytes {
    Bytes::default()
        .local_get(local)
        .extend()
        .i64_const(bytes as u64)
        .raw(&[0x7c]) // i64.add
        .raw(&kind.wide_size().0)
        .raw(&[0x42, 16, 0x86, 0x56]) // i64.const, i64.shl: pages to bytes; i64.gt_u
        .when(Bytes::default().i32_const(Errno::Fault.number().into()).leave())
}

pub fn success() -> Bytes {
    Bytes::default().i32_const(Errno::Success.number().into())
}

/// Whether to skip a call: 0 for one in [`ONE_IN`], and for each of a guest with threads. Counts them.
fn skips(kind: MemoryKind) -> Bytes {
    if kind.is_shared() {
        return Bytes::default().i32_const(0);
    }
    let count = len(NUMBERS.len());
    const { assert!(ONE_IN.is_power_of_two()) };
    Bytes::default()
        .global_get(count)
        .global_get(count)
        .i32_const(1)
        .raw(&[0x6a]) // i32.add
        .i32_const(ONE_IN - 1)
        .raw(&[0x71, 0x24]) // i32.and, global.set
        .leb(count)
}

/// Stores the words at the address.
fn put(kind: MemoryKind, words: usize) -> Bytes {
    let stores = (0..words).fold(check(kind, 0, 8 * words), |code, word| {
        code.raw(&kind.address(0).0).local_get(len(1 + word)).memory_op(0x37, 0, 8 * word) // i64.store, unaligned
    });
    stores.raw(&success().0)
}

/// Stores two of the numbers at the two addresses.
fn sizes(kind: MemoryKind, count: u32, bytes: u32) -> Bytes {
    check(kind, 0, 4)
        .raw(&check(kind, 1, 4).0)
        .raw(&kind.address(0).0)
        .global_get(count)
        .i32_store(0)
        .raw(&kind.address(1).0)
        .global_get(bytes)
        .i32_store(0)
        .raw(&success().0)
}

/// Stores the resolution of the clock with the number in the first parameter at the address in the second; EINVAL for a
/// clock there is not.
fn resolution(kind: MemoryKind, first: u32) -> Bytes {
    let choose = |left: Bytes, right: Bytes, condition: &[u8]| {
        left.raw(&right.0).local_get(0).raw(condition).raw(&[0x1b]) // select
    };
    let clock = |index| Bytes::default().global_get(first + index);
    let low = choose(clock(0), clock(1), &[0x45]); // i32.eqz
    let high = choose(clock(2), clock(3), &[0x41, 2, 0x46]); // i32.const 2, i32.eq
    let chosen = choose(low, high, &[0x41, 2, 0x49]); // i32.const 2, i32.lt_u
    Bytes::default()
        .local_get(0)
        .raw(&[0x41, 3, 0x4b]) // i32.const 3, i32.gt_u
        .when(Bytes::default().i32_const(Errno::Inval.number().into()).leave())
        .raw(&check(kind, 1, 8).0)
        .raw(&kind.address(1).0)
        .raw(&chosen.0)
        .extend()
        .i64_store(0)
        .raw(&success().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_rs_core::abi::ValType;
    use wasi_rs_core::syscalls::SYSCALLS;

    #[test]
    fn what_it_answers_takes_two_numbers() {
        for name in ANSWERED {
            let row = SYSCALLS.iter().find(|row| row.name == *name).unwrap();
            assert!(row.params.len() == 2 && row.params.iter().all(|param| param.wasm == ValType::I32), "{name}");
        }
    }
}

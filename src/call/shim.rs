//! The shim: the WebAssembly module whose exports are the functions of `wasiImport`, made from the list of syscalls.

use crate::call::answers::LEARNED;
use crate::call::gauge::{ANSWERED, SKIPPED};
use crate::call::memory::UNBOUND;
use crate::call::page::{self, After, RECALLED, Recalled};
use crate::call::wasm::{
    Bytes, EXTERNREF, FUNCREF, FUNCTION, GLOBAL, I32, I64, MEMORY, TABLE, body, export, function_type, import, len,
    module,
};
use wasi_rs_core::abi::{Errno, ValType};
use wasi_rs_core::syscalls::{SYSCALLS, Syscall};

/// The places in the shim's table, where the functions stand that are not always the same. The first of each kind; more
/// follow in the order of their list.
pub mod slot {
    use super::{ANSWERED, LEARNED, RECALLED};

    /// Tells the memory's size.
    pub const SIZE: usize = 0;
    /// Tells whether a `sched_yield` is answered at once: never, then what the gauge says.
    pub const SKIPS: usize = SIZE + 1;
    /// [`ANSWERED`]: the way to Rust, then the gauge's.
    pub const ANSWERS: usize = SKIPS + 1;
    /// [`LEARNED`]: the way to Rust, then what has been made for the guest.
    pub const LEARNS: usize = ANSWERS + ANSWERED.len();
    /// [`LEARNED`] once more: the way to Rust, to go back to.
    pub const UNLEARNS: usize = LEARNS + LEARNED.len();
    /// [`RECALLED`]: writes the record to the memory. Nothing stands there before there is a gauge.
    pub const PUTS: usize = UNLEARNS + LEARNED.len();
    /// How many there are.
    pub const COUNT: usize = PUTS + RECALLED.len();
}

/// The type of the function that takes all syscalls.
const TYPE_SYSCALL: u32 = 0;
/// The type of the functions that tell the memory's size, and whether to skip a call.
const TYPE_SIZE: u32 = 1;
/// The first type of those that write records.
const TYPE_PUT: u32 = 2;
/// How many types come before those of the syscalls.
const TYPES: usize = TYPE_PUT as usize + RECALLED.len();

/// The type of the function that writes a record: its address, and its words.
pub fn put_type(record: &Recalled) -> Bytes {
    function_type(&[&[I32], [I64].repeat(record.words).as_slice()].concat(), &[I32])
}

fn syscall_type(row: &Syscall) -> Bytes {
    let params: Vec<_> = row
        .params
        .iter()
        .map(|param| match param.wasm {
            ValType::I32 => I32,
            ValType::I64 => I64,
        })
        .collect();
    function_type(&params, if row.returns { &[I32] } else { &[] })
}

/// What is left to do after a syscall.
fn after(row: &Syscall) -> Option<After> {
    // What changes a descriptor, and has its number in the first parameter or the first two.
    const CHANGES: [&str; 4] = ["fd_close", "fd_renumber", "fd_fdstat_set_flags", "fd_fdstat_set_rights"];
    match record_of(row) {
        Some((record, _)) => Some(After::Remember(record)),
        None if CHANGES.contains(&row.name) => Some(After::Forget),
        None if LEARNED.contains(&row.name) => Some(After::Count),
        None => None,
    }
}

fn record_of(row: &Syscall) -> Option<(usize, &'static Recalled)> {
    RECALLED.iter().enumerate().find(|(_, recalled)| recalled.name == row.name)
}

/// Notes guest, syscall, the memory's size and all parameters in the page; calls; answers what stands there then.
fn way_to_rust(index: usize, row: &Syscall) -> Bytes {
    let mut code = Bytes::default()
        .i32_const(0)
        .global_get(0) // guest
        .i32_store(page::GUEST)
        .i32_const(0)
        .i32_const(page::number(len(index), after(row), row.params.len()))
        .i32_store(page::SYSCALL)
        .i32_const(0)
        .i32_const(len(slot::SIZE))
        .call_indirect(TYPE_SIZE)
        .i32_store(page::PAGES);
    for (local, param) in (0..).zip(row.params) {
        code = code.i32_const(0).local_get(local);
        if param.wasm == ValType::I32 {
            code = code.extend();
        }
        code = code.i64_store(page::ARGS + 8 * local as usize);
    }
    code = code.raw(&[0x10, 0]); // call $syscall
    if row.returns {
        code.i32_const(0).memory_op(0x28, 2, page::ERRNO)
    } else {
        code.raw(&[0x00]) // unreachable: the call has thrown
    }
}

/// Hands the parameters on to what stands in the table.
fn by_table(index: usize, slot: usize, row: &Syscall) -> Bytes {
    let code = (0..).zip(row.params).fold(Bytes::default(), |code, (local, _)| code.local_get(local));
    code.i32_const(len(slot)).call_indirect(len(TYPES + index))
}

/// Writes the record that the page remembers, if it is of this descriptor.
fn by_memory(record: usize, recalled: &Recalled) -> Bytes {
    let put = (0..recalled.words)
        .fold(Bytes::default().local_get(1), |code, word| code.i32_const(0).i64_load(Recalled::word(record, word)));
    let slot = slot::PUTS + record;
    Bytes::default()
        .i32_const(0)
        .i64_load(Recalled::key(record))
        .global_get(0) // guest
        .extend()
        .i64_const(32)
        .raw(&[0x86]) // i64.shl
        .local_get(0) // fd
        .extend()
        .raw(&[0x84, 0x51]) // i64.or, i64.eq
        .when(put.i32_const(len(slot)).call_indirect(TYPE_PUT + len(record)).leave())
}

/// Answers at once where what stands in the table says so.
fn unless_skipped(code: &Bytes) -> Bytes {
    let success = Bytes::default().i32_const(Errno::Success.number().into()).leave();
    Bytes::default().i32_const(len(slot::SKIPS)).call_indirect(TYPE_SIZE).when(success).raw(&code.0)
}

/// The body of an export.
fn exported(index: usize, row: &Syscall) -> Bytes {
    let slot_of = |first, names: &[&str]| names.iter().position(|name| *name == row.name).map(|at| first + at);
    let slot = slot_of(slot::ANSWERS, ANSWERED).or_else(|| slot_of(slot::LEARNS, LEARNED));
    match (slot, record_of(row)) {
        (Some(slot), _) => by_table(index, slot, row),
        (None, Some((record, recalled))) => by_memory(record, recalled).raw(&way_to_rust(index, row).0),
        (None, None) if row.name == SKIPPED => unless_skipped(&way_to_rust(index, row)),
        (None, None) => way_to_rust(index, row),
    }
}

/// The shim. In its table stand at first its own functions: one that answers [`UNBOUND`] for the size, one that skips no
/// call, and ways to Rust.
pub fn shim() -> Vec<u8> {
    let rows = || SYSCALLS.iter().enumerate();
    let ways: Vec<_> =
        [ANSWERED, LEARNED].concat().iter().filter_map(|name| rows().find(|(_, row)| row.name == *name)).collect();
    let slots = len(slot::COUNT);
    let imports = [
        import("syscall", FUNCTION).leb(TYPE_SYSCALL),
        import("guest", GLOBAL).raw(&[I32, 0]),
        // Nothing reads the owner: it is what keeps the guest alive while any function of the shim is.
        import("owner", GLOBAL).raw(&[EXTERNREF, 0]),
        import("page", MEMORY).raw(&[1, 1, 1]),
        import("table", TABLE).raw(&[FUNCREF, 1]).leb(slots).leb(slots),
    ];
    let types = [function_type(&[], &[]), function_type(&[], &[I32])].into_iter();
    let types = types.chain(RECALLED.iter().map(put_type)).chain(SYSCALLS.iter().map(syscall_type));
    // The functions: what is exported, the size, no skipping, the ways.
    let rows_type = |index| Bytes::default().leb(len(TYPES + index));
    let numbers = [UNBOUND, 0];
    let function_types =
        rows().map(|(index, _)| rows_type(index)).chain(numbers.map(|_| Bytes::default().leb(TYPE_SIZE)));
    let function_types = function_types.chain(ways.iter().map(|(index, _)| rows_type(*index)));
    const { assert!(UNBOUND == u32::MAX) };
    let bodies = rows().map(|(index, row)| exported(index, row));
    let bodies = bodies.chain(numbers.map(|number| Bytes::default().i32_const(number)));
    let bodies = bodies.chain(ways.iter().map(|(index, row)| way_to_rust(*index, row)));
    let first = len(1 + SYSCALLS.len());
    let learned = (numbers.len() + ANSWERED.len()..).take(LEARNED.len());
    let in_table =
        (0..numbers.len() + ways.len()).chain(learned).map(|function| Bytes::default().leb(first + len(function)));
    module()
        .section(1, Bytes::default().vec(types))
        .section(2, Bytes::default().vec(imports))
        .section(3, Bytes::default().vec(function_types))
        .section(7, Bytes::default().vec(rows().map(|(index, row)| export(row.name, len(index + 1)))))
        .section(9, Bytes::default().vec([Bytes::default().raw(&[0]).i32_const(0).raw(&[0x0b]).vec(in_table)]))
        .section(10, Bytes::default().vec(bodies.map(body)))
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shim_exports_every_syscall_and_nothing_else() {
        let shim = shim();
        assert!(shim.len() < 5000, "{} bytes", shim.len());
        for row in &SYSCALLS {
            let name = [&[u8::try_from(row.name.len()).unwrap()], row.name.as_bytes()].concat();
            assert!(shim.windows(name.len()).any(|window| window == name), "{}", row.name);
        }
    }
}

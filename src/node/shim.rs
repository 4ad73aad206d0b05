//! The shim: the WebAssembly module whose exports are the functions of `wasiImport`, made from the list of syscalls.

use super::ffi::UNBOUND;
use super::gauge::{ANSWERED, SLOTS};
use super::page;
use super::wasm::{
    Bytes, EXTERNREF, FUNCREF, FUNCTION, GLOBAL, I32, I64, MEMORY, TABLE, body, export, function_type, import, len,
    module,
};
use crate::abi::ValType;
use crate::syscalls::{SYSCALLS, Syscall};

/// The type of the function that takes all syscalls.
const TYPE_SYSCALL: u32 = 0;
/// The type of the function that tells the memory's size.
const TYPE_SIZE: u32 = 1;
/// How many types come before those of the syscalls.
const TYPES: u32 = 2;

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

/// Notes guest, syscall, the memory's size and all parameters in the page; calls; answers what stands there then.
fn syscall_body(index: u32, row: &Syscall) -> Bytes {
    let mut code = Bytes::default()
        .i32_const(0)
        .global_get(0) // guest
        .i32_store(page::GUEST)
        .i32_const(0)
        .i32_const(index)
        .i32_store(page::SYSCALL)
        .i32_const(0)
        .i32_const(0)
        .call_indirect(TYPE_SIZE)
        .i32_store(page::PAGES);
    for (local, param) in (0..).zip(row.params) {
        code = code.i32_const(0).local_get(local);
        if param.wasm == ValType::I32 {
            code = code.raw(&[0xad]); // i64.extend_i32_u
        }
        code = code.memory_op(0x37, 3, page::ARGS + 8 * local as usize); // i64.store
    }
    code = code.raw(&[0x10, 0]); // call $syscall
    body(if row.returns {
        code.i32_const(0).memory_op(0x28, 2, page::ERRNO)
    } else {
        code.raw(&[0x00]) // unreachable: the call has thrown
    })
}

/// Hands the parameters on to what stands in the table at `slot`.
fn answered_body(index: u32, slot: u32, row: &Syscall) -> Bytes {
    let code = (0..).zip(row.params).fold(Bytes::default(), |code, (local, _)| code.local_get(local));
    body(code.i32_const(slot).call_indirect(index + TYPES))
}

/// The shim. Until a gauge takes their place, what stands in its table is its own: a function that answers [`UNBOUND`]
/// for the size, and the way to Rust for each syscall that the gauge answers.
pub fn shim() -> Vec<u8> {
    let count = len(SYSCALLS.len());
    let rows = || (0..).zip(&SYSCALLS);
    // The syscalls that have a slot in the table, each with its place in the list.
    let answered: Vec<_> = ANSWERED.iter().filter_map(|name| rows().find(|(_, row)| row.name == *name)).collect();
    let slot_of = |row: &Syscall| (1..).zip(ANSWERED).find(|(_, name)| **name == row.name).map(|(slot, _)| slot);
    let slots = len(SLOTS);
    let types = [function_type(&[], &[]), function_type(&[], &[I32])];
    let imports = [
        import("syscall", FUNCTION).leb(TYPE_SYSCALL),
        import("guest", GLOBAL).raw(&[I32, 0]),
        // Nothing reads the owner: it is what keeps the guest alive while any function of the shim is.
        import("owner", GLOBAL).raw(&[EXTERNREF, 0]),
        import("page", MEMORY).raw(&[1, 1, 1]),
        import("table", TABLE).raw(&[FUNCREF, 1]).leb(slots).leb(slots),
    ];
    let exported = rows().map(|(index, row)| match slot_of(row) {
        Some(slot) => answered_body(index, slot, row),
        None => syscall_body(index, row),
    });
    let unbound = body(Bytes::default().raw(&[0x41, 0x7f])); // i32.const -1
    const { assert!(UNBOUND == u32::MAX) };
    let in_table = [unbound].into_iter().chain(answered.iter().map(|(index, row)| syscall_body(*index, row)));
    let types_in_table = [TYPE_SIZE].into_iter().chain(answered.iter().map(|(index, _)| index + TYPES));
    let to_table = Bytes::default()
        .raw(&[0])
        .i32_const(0)
        .raw(&[0x0b])
        .vec((0..slots).map(|slot| Bytes::default().leb(1 + count + slot)));
    module()
        .section(1, Bytes::default().vec(types.into_iter().chain(SYSCALLS.iter().map(syscall_type))))
        .section(2, Bytes::default().vec(imports))
        .section(
            3,
            Bytes::default()
                .vec((0..count).map(|row| row + TYPES).chain(types_in_table).map(|ty| Bytes::default().leb(ty))),
        )
        .section(7, Bytes::default().vec(rows().map(|(index, row)| export(row.name, index + 1))))
        .section(9, Bytes::default().vec([to_table]))
        .section(10, Bytes::default().vec(exported.chain(in_table)))
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

//! The counter of a guest's calls in V8: a WebAssembly module between the guest and its syscalls, with a
//! function for each that the guest imports, which counts the call and makes it. It costs a call from
//! WebAssembly to WebAssembly, 3 ns or so; a wrapper in JavaScript would cost more than a syscall that only
//! reads the clock. The numbers are in a memory shared with the thread that waits for the guest, which so can
//! tell them of a guest it had to end.

use wasi_rs_core::abi;
use wasi_rs_core::syscalls::Syscall;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg,
    MemoryType, Module, TypeSection, ValType,
};

/// The places of the numbers in that memory, in steps of 8 bytes; the `SLOT` of `lib/v8/engine.js`.
const CALLS: u32 = 0;
const READ: u32 = 1;
const WRITTEN: u32 = 2;

/// The parameters that are addresses of a number of moved bytes, and the slots in which those are counted.
const TRANSFERS: [(&str, u32); 4] =
    [("nread", READ), ("ro_datalen", READ), ("nwritten", WRITTEN), ("so_datalen", WRITTEN)];

/// The index of the function that counts moved bytes, and of its type.
const TRANSFER: u32 = 0;

/// The module that counts calls of these syscalls. It imports `m.m`, the shared memory; `m.t`, a function
/// that gets a slot and the address of a number in the guest's memory, to be added there; and the syscalls as
/// `s.<name>`. It exports them again.
pub fn call_counter(rows: &[&Syscall]) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    types.ty().function([ValType::I32; 2], []);
    imports.import("m", "m", NUMBERS).import("m", "t", EntityType::Function(TRANSFER));
    let imported = number(rows.len());
    for (syscall, row) in (TRANSFER + 1..).zip(rows) {
        let params: Vec<_> = row.params.iter().map(|param| val_type(param.wasm)).collect();
        types.ty().function(params, row.returns.then_some(ValType::I32));
        imports.import("s", row.name, EntityType::Function(syscall));
        functions.function(syscall);
        exports.export(row.name, ExportKind::Func, imported + syscall);
        code.function(&counted(row, syscall));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The memory of the numbers: one page.
const NUMBERS: MemoryType =
    MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: true, page_size_log2: None };

const fn val_type(ty: abi::ValType) -> ValType {
    match ty {
        abi::ValType::I32 => ValType::I32,
        abi::ValType::I64 => ValType::I64,
    }
}

/// The function that counts a call, makes it, and where it succeeded, counts the bytes it has moved.
fn counted(row: &Syscall, syscall: u32) -> Function {
    let place = MemArg { offset: u64::from(CALLS) * 8, align: 3, memory_index: 0 };
    let transfer = transfer(row);
    let mut function = Function::new(transfer.map(|_| (1, ValType::I32)));
    let mut code = function.instructions();
    code.i32_const(0).i32_const(0).f64_load(place).f64_const(1.0.into()).f64_add().f64_store(place);
    let params = 0..number(row.params.len());
    let errno = params.end;
    for param in params {
        code.local_get(param);
    }
    code.call(syscall);
    if let Some((slot, address)) = transfer {
        code.local_tee(errno).i32_eqz().if_(BlockType::Empty);
        code.i32_const(slot.cast_signed()).local_get(address).call(TRANSFER).end();
        code.local_get(errno);
    }
    code.end();
    function
}

/// The slot of the bytes that a call moves, and the index of the parameter that is the address of their
/// number.
fn transfer(row: &Syscall) -> Option<(u32, u32)> {
    let slot_of = |name| TRANSFERS.iter().find(|(param, _)| *param == name).map(|(_, slot)| *slot);
    (0..).zip(row.params).find_map(|(index, param)| Some((slot_of(param.name)?, index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_rs_core::syscalls::SYSCALLS;
    use wasmparser::Validator;

    #[test]
    fn the_calls_that_move_bytes_are_these() {
        let found: Vec<_> = SYSCALLS.iter().filter_map(|row| Some((row.name, transfer(row)?))).collect();
        let expected = [
            ("fd_pread", (READ, 4)),
            ("fd_pwrite", (WRITTEN, 4)),
            ("fd_read", (READ, 3)),
            ("fd_write", (WRITTEN, 3)),
            ("sock_recv", (READ, 4)),
            ("sock_send", (WRITTEN, 4)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn meters_are_valid() {
        let all: Vec<_> = SYSCALLS.iter().collect();
        for rows in [&all[..], &all[..1], &[]] {
            Validator::new().validate_all(&call_counter(rows)).unwrap();
        }
    }
}

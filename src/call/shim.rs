//! The shim: the WebAssembly module whose exports are the functions of `wasiImport`, made from the list of
//! syscalls.

use crate::call::encode::{NAMESPACE, at, body, constant, number};
use crate::call::layout::{self, After, CACHED, Cached, UNBOUND, call_number};
use crate::call::table::{self, ANSWERED, CONSTANT, SKIPPED, put_type};
use wasi_rs_core::abi::{self, Errno};
use wasi_rs_core::syscalls::{SYSCALLS, Syscall};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, FuncType,
    FunctionSection, ImportSection, InstructionSink, MemoryType, Module, RefType, TableType, TypeSection, ValType,
};

/// The type of the function that takes all syscalls.
const TYPE_SYSCALL: u32 = 0;
/// The type of the functions that return the memory's size, and 0 unless a call is to be skipped.
const TYPE_SIZE: u32 = 1;
/// The first type of those that write records.
const TYPE_PUT: u32 = 2;
/// The number of types before those of the syscalls.
const TYPES: usize = TYPE_PUT as usize + CACHED.len();

/// The function that takes all syscalls, which is imported, and the global that is the guest's number.
const SYSCALL: u32 = 0;
const GUEST: u32 = 0;

/// The answers for the memory's size and for skipping a call, while there is no memory.
const UNBOUND_ANSWERS: [i32; 2] = [UNBOUND.cast_signed(), 0];

fn syscall_type(row: &Syscall) -> FuncType {
    let params = row.params.iter().map(|param| match param.wasm {
        abi::ValType::I32 => ValType::I32,
        abi::ValType::I64 => ValType::I64,
    });
    FuncType::new(params, row.returns.then_some(ValType::I32))
}

/// The task that is left after a syscall.
fn after(row: &Syscall) -> Option<After> {
    // The syscalls that change a descriptor whose number is in the first parameter or the first two.
    const CHANGES: [&str; 4] = ["fd_close", "fd_renumber", "fd_fdstat_set_flags", "fd_fdstat_set_rights"];
    match record_of(row) {
        Some((record, _)) => Some(After::Cache(record)),
        None if CHANGES.contains(&row.name) => Some(After::Uncache),
        None if CONSTANT.contains(&row.name) => Some(After::Count),
        None => None,
    }
}

fn record_of(row: &Syscall) -> Option<(usize, &'static Cached)> {
    CACHED.iter().enumerate().find(|(_, cached)| cached.name == row.name)
}

/// Calls a function of the table.
fn call_slot(code: &mut InstructionSink<'_>, slot: usize, ty: u32) {
    code.i32_const(number(slot).cast_signed()).call_indirect(0, ty);
}

/// Stores guest, syscall, the memory's size and all parameters in the page, makes the call, and returns the
/// errno of the page.
fn way_to_rust(code: &mut InstructionSink<'_>, index: usize, row: &Syscall) {
    let call = call_number(number(index), after(row), row.params.len());
    code.i32_const(0).global_get(GUEST).i32_store(at(layout::GUEST, 2));
    code.i32_const(0).i32_const(call.cast_signed()).i32_store(at(layout::SYSCALL, 2));
    code.i32_const(0);
    call_slot(code, table::SIZE, TYPE_SIZE);
    code.i32_store(at(layout::PAGES, 2));
    for (local, param) in (0..).zip(row.params) {
        code.i32_const(0).local_get(local);
        if param.wasm == abi::ValType::I32 {
            code.i64_extend_i32_u();
        }
        code.i64_store(at(layout::ARGS + 8 * local as usize, 3));
    }
    code.call(SYSCALL);
    if row.returns {
        code.i32_const(0).i32_load(at(layout::ERRNO, 2));
    } else {
        code.unreachable(); // the call has thrown
    }
}

/// Hands the parameters on to the function in the table.
fn by_table(code: &mut InstructionSink<'_>, index: usize, slot: usize, row: &Syscall) {
    for (local, _) in (0..).zip(row.params) {
        code.local_get(local);
    }
    call_slot(code, slot, number(TYPES + index));
}

/// Writes the cached record, if it is of this descriptor, and returns.
fn by_cache(code: &mut InstructionSink<'_>, record: usize, cached: &Cached) {
    let (address, fd) = (1, 0);
    code.i32_const(0).i64_load(at(Cached::key(record), 3));
    code.global_get(GUEST).i64_extend_i32_u().i64_const(32).i64_shl();
    code.local_get(fd).i64_extend_i32_u().i64_or().i64_eq();
    code.if_(BlockType::Empty).local_get(address);
    for word in 0..cached.words {
        code.i32_const(0).i64_load(at(Cached::word(record, word), 3));
    }
    call_slot(code, table::PUTS + record, TYPE_PUT + number(record));
    code.return_().end();
}

/// Returns at once if the function in the table says so.
fn by_skipping(code: &mut InstructionSink<'_>) {
    call_slot(code, table::SKIPS, TYPE_SIZE);
    code.if_(BlockType::Empty).i32_const(Errno::Success.number().into()).return_().end();
}

/// The body of an export.
fn exported(code: &mut InstructionSink<'_>, index: usize, row: &Syscall) {
    let slot_of = |first, names: &[&str]| names.iter().position(|name| *name == row.name).map(|at| first + at);
    let slot = slot_of(table::ANSWERS, ANSWERED).or_else(|| slot_of(table::CONSTANTS, CONSTANT));
    if let Some(slot) = slot {
        return by_table(code, index, slot, row);
    }
    if let Some((record, cached)) = record_of(row) {
        by_cache(code, record, cached);
    } else if row.name == SKIPPED {
        by_skipping(code);
    }
    way_to_rust(code, index, row);
}

fn imports() -> ImportSection {
    let slots = table::SLOTS as u64;
    let memory = MemoryType { minimum: 1, maximum: Some(1), memory64: false, shared: false, page_size_log2: None };
    let element_type = RefType::FUNCREF;
    let table = TableType { element_type, table64: false, minimum: slots, maximum: Some(slots), shared: false };
    let mut imports = ImportSection::new();
    imports.import(NAMESPACE, "syscall", EntityType::Function(TYPE_SYSCALL));
    imports.import(NAMESPACE, "guest", constant(ValType::I32));
    // Nothing reads the owner: the import keeps the guest alive while any function of the shim is.
    imports.import(NAMESPACE, "owner", constant(ValType::Ref(RefType::EXTERNREF)));
    imports.import(NAMESPACE, "page", memory);
    imports.import(NAMESPACE, "table", table);
    imports
}

/// The shim. Its table begins with its own functions: one that answers [`UNBOUND`] for the size, one that
/// skips no call, and ways to Rust.
pub fn shim_module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([], [ValType::I32]);
    CACHED.iter().for_each(|cached| types.ty().func_type(&put_type(cached)));

    let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    for (index, row) in SYSCALLS.iter().enumerate() {
        types.ty().func_type(&syscall_type(row));
        functions.function(number(TYPES + index));
        exports.export(row.name, ExportKind::Func, number(index + 1));
        code.function(&body(|code| exported(code, index, row)));
    }
    for answer in UNBOUND_ANSWERS {
        functions.function(TYPE_SIZE);
        code.function(&body(|code| {
            code.i32_const(answer);
        }));
    }
    for name in [ANSWERED, CONSTANT].concat() {
        let Some((index, row)) = SYSCALLS.iter().enumerate().find(|(_, row)| row.name == name) else { continue };
        functions.function(number(TYPES + index));
        code.function(&body(|code| way_to_rust(code, index, row)));
    }

    let in_table = UNBOUND_ANSWERS.len() + ANSWERED.len() + CONSTANT.len();
    let constants = in_table - CONSTANT.len()..in_table;
    let in_table: Vec<_> = (0..in_table).chain(constants).map(|index| number(1 + SYSCALLS.len() + index)).collect();
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(in_table.into()));

    let mut module = Module::new();
    module.section(&types).section(&imports()).section(&functions).section(&exports).section(&elements).section(&code);
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shim_exports_every_syscall_and_nothing_else() {
        let shim = shim_module();
        assert!(shim.len() < 5000, "{} bytes", shim.len());
        wasmparser::Validator::new().validate_all(&shim).unwrap();
        let sections = wasmparser::Parser::new(0).parse_all(&shim);
        let exports = sections.filter_map(|section| match section.unwrap() {
            wasmparser::Payload::ExportSection(exports) => Some(exports),
            _ => None,
        });
        let names: Vec<_> = exports.flatten().map(|export| export.unwrap().name).collect();
        assert_eq!(names, SYSCALLS.each_ref().map(|row| row.name));
    }
}

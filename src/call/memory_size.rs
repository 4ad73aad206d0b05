//! The memory-size module: a WebAssembly module that imports a guest's memory. Without leaving WebAssembly,
//! it returns the memory's size, which the shim stores with each call; answers the few syscalls whose answer
//! never changes; decides when to skip one that has no effect; and writes the records that the page caches.
//!
//! Binding a memory puts the module's functions into the shim's table.

use crate::call::encode::{NAMESPACE, at, body, constant, number};
use crate::call::layout::CACHED;
use crate::call::memory_kind::MemoryKind;
use crate::call::table::{self, ANSWERED, SKIPPED, put_type};
use wasi_rs_core::abi::Errno;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType,
    ImportSection, InstructionSink, Module, TypeSection, ValType,
};

/// One `sched_yield` in this number goes to the kernel, beginning with the first: the guest may wait for
/// other processes.
const ONE_IN: i32 = 8;

/// The name of the function that tells the size in pages.
const SIZE: &str = "size";

/// The exports by the slots they belong in. The functions that write records have the name of the syscall.
pub fn exports() -> impl Iterator<Item = (usize, &'static str)> {
    let answers = [SIZE, SKIPPED].into_iter().chain(ANSWERED.iter().copied());
    (table::SIZE..).zip(answers).chain((table::PUTS..).zip(CACHED.iter().map(|cached| cached.name)))
}

/// The numbers that it answers with, in the order of their imports: the number of arguments and variables,
/// their sizes in bytes, and the resolution of each clock in nanoseconds.
pub const NUMBERS: [&str; 8] =
    ["argc", "argv_buf_size", "environc", "environ_buf_size", "realtime", "monotonic", "process", "thread"];

/// The type of [`SIZE`] and [`SKIPPED`], that of the answers, and the first of the functions that write
/// records.
const TYPE_SIZE: u32 = 0;
const TYPE_ANSWER: u32 = 1;
const TYPE_PUT: u32 = 2;

/// The module for a kind of memory.
pub fn memory_size_module(kind: MemoryKind) -> Vec<u8> {
    const { assert!(ANSWERED.len() == 3, "one body for each") };
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import(NAMESPACE, "memory", kind.import_type());
    for name in NUMBERS {
        imports.import(NAMESPACE, name, constant(ValType::I32));
    }
    let mut globals = GlobalSection::new(); // the count of yields
    globals.global(GlobalType { mutable: true, ..constant(ValType::I32) }, &ConstExpr::i32_const(0));

    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(TYPE_SIZE).function(TYPE_SIZE);
    code.function(&body(|code| kind.size(code))).function(&body(|code| skips(code, kind)));
    functions.function(TYPE_ANSWER).function(TYPE_ANSWER).function(TYPE_ANSWER);
    code.function(&body(|code| sizes(code, kind, 0, 1)));
    code.function(&body(|code| sizes(code, kind, 2, 3)));
    code.function(&body(|code| resolution(code, kind, 4)));
    for (record, cached) in (0..).zip(CACHED) {
        types.ty().func_type(&put_type(&cached));
        functions.function(TYPE_PUT + record);
        code.function(&body(|code| put(code, kind, cached.words)));
    }
    let mut named = ExportSection::new();
    for (function, (_, name)) in (0..).zip(exports()) {
        named.export(name, ExportKind::Func, function);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&globals).section(&named).section(&code);
    module.finish()
}

/// Returns EFAULT unless `bytes` bytes at the address in `local` are inside.
pub fn check(code: &mut InstructionSink<'_>, kind: MemoryKind, local: u32, bytes: usize) {
    code.local_get(local).i64_extend_i32_u().i64_const(i64::from(number(bytes))).i64_add();
    kind.wide_size(code);
    code.i64_const(16).i64_shl().i64_gt_u(); // pages to bytes
    code.if_(BlockType::Empty);
    answer(code, Errno::Fault);
    code.return_().end();
}

/// Pushes an errno.
pub fn answer(code: &mut InstructionSink<'_>, errno: Errno) {
    code.i32_const(errno.number().into());
}

/// Returns 0 if a call is to be made: for one in [`ONE_IN`], and for each of a guest with threads. Otherwise,
/// returns another number.
fn skips(code: &mut InstructionSink<'_>, kind: MemoryKind) {
    const { assert!(ONE_IN.count_ones() == 1) };
    if kind.is_shared() {
        code.i32_const(0);
        return;
    }
    let count = number(NUMBERS.len());
    code.global_get(count);
    code.global_get(count).i32_const(1).i32_add().i32_const(ONE_IN - 1).i32_and().global_set(count);
}

/// Stores the words at the address.
fn put(code: &mut InstructionSink<'_>, kind: MemoryKind, words: usize) {
    check(code, kind, 0, 8 * words);
    for word in 0..words {
        kind.address(code, 0);
        code.local_get(number(1 + word)).i64_store(at(8 * word, 0));
    }
    answer(code, Errno::Success);
}

/// Stores two of the numbers at the two addresses.
fn sizes(code: &mut InstructionSink<'_>, kind: MemoryKind, count: u32, bytes: u32) {
    check(code, kind, 0, 4);
    check(code, kind, 1, 4);
    for (local, number) in [(0, count), (1, bytes)] {
        kind.address(code, local);
        code.global_get(number).i32_store(at(0, 2));
    }
    answer(code, Errno::Success);
}

/// Stores the resolution of the clock with the number in the first parameter at the address in the second;
/// EINVAL for a clock there is not.
fn resolution(code: &mut InstructionSink<'_>, kind: MemoryKind, first: u32) {
    code.local_get(0).i32_const(3).i32_gt_u().if_(BlockType::Empty);
    answer(code, Errno::Inval);
    code.return_().end();
    check(code, kind, 1, 8);
    kind.address(code, 1);
    code.global_get(first).global_get(first + 1).local_get(0).i32_eqz().select();
    code.global_get(first + 2).global_get(first + 3).local_get(0).i32_const(2).i32_eq().select();
    code.local_get(0).i32_const(2).i32_lt_u().select();
    code.i64_extend_i32_u().i64_store(at(0, 3));
    answer(code, Errno::Success);
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_rs_core::abi;
    use wasi_rs_core::syscalls::SYSCALLS;

    #[test]
    fn each_syscall_it_answers_takes_two_numbers() {
        for name in ANSWERED {
            let row = SYSCALLS.iter().find(|row| row.name == *name).unwrap();
            assert!(row.params.len() == 2 && row.params.iter().all(|param| param.wasm == abi::ValType::I32), "{name}");
        }
    }

    #[test]
    fn the_module_is_valid_for_each_kind_of_memory() {
        for kind in [MemoryKind::Plain, MemoryKind::Shared, MemoryKind::Wide, MemoryKind::SharedWide] {
            wasmparser::Validator::new().validate_all(&memory_size_module(kind)).unwrap();
        }
    }
}

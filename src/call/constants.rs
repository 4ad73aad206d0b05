//! Constant answers: a WebAssembly module that hands over a guest's command line and environment.
//!
//! They never change. So a guest that asks for them often (CPython does, for each path) gets a module of its
//! own with the strings in its code, which answers without leaving WebAssembly. A guest that asks once or
//! twice does not pay for this.

use crate::call::encode::{NAMESPACE, at, body};
use crate::call::memory_kind::MemoryKind;
use crate::call::memory_size::{answer, check};
use crate::call::table::CONSTANT;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::ctx::{Ctx, Strings};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, FunctionSection, ImportSection, InstructionSink, Module, TypeSection,
    ValType,
};

/// The number of calls before the module is made: making it costs about as much as these.
pub const MADE_AFTER: u32 = 4096;

/// The most bytes of such strings. Longer ones are copied by Rust, which is as fast.
const LONGEST: usize = 1024;

/// The module for a guest whose memory is of this kind; none if the strings are too long.
pub fn constants_module(kind: MemoryKind, ctx: &Ctx) -> Option<Vec<u8>> {
    let strings = [&ctx.args, &ctx.env];
    const { assert!(CONSTANT.len() == 2, "one for each") };
    if strings.iter().any(|strings| strings.bytes().len() > LONGEST) {
        return None;
    }
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import(NAMESPACE, "memory", kind.import_type());
    let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    for ((function, name), strings) in (0..).zip(CONSTANT).zip(strings) {
        functions.function(0);
        exports.export(name, ExportKind::Func, function);
        code.function(&body(|code| hand_over(code, kind, strings)));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    Some(module.finish())
}

/// Stores the strings at the address in the second parameter, and the address of each at that in the first.
fn hand_over(code: &mut InstructionSink<'_>, kind: MemoryKind, strings: &Strings) {
    let (array, buffer) = (0, 1);
    let (bytes, starts) = (strings.bytes(), strings.starts());
    check(code, kind, buffer, bytes.len());
    if !starts.is_empty() {
        check(code, kind, array, 4 * starts.len());
    }
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        kind.address(code, buffer);
        code.i64_const(i64::from_le_bytes(*word)).i64_store(at(8 * index, 0));
    }
    for (byte, offset) in rest.iter().zip(8 * words.len()..) {
        kind.address(code, buffer);
        code.i32_const((*byte).into()).i32_store8(at(offset, 0));
    }
    for (index, start) in starts.iter().enumerate() {
        kind.address(code, array);
        code.local_get(buffer).i32_const(start.cast_signed()).i32_add().i32_store(at(4 * index, 0));
    }
    answer(code, Errno::Success);
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_rs_core::abi::Abi;

    #[test]
    fn the_module_is_valid_for_each_kind_of_memory() {
        let (mut args, mut env) = (Strings::default(), Strings::default());
        ["program", "", "a longer argument"].iter().for_each(|arg| args.push(arg).unwrap());
        env.push("NAME=value").unwrap();
        for ctx in [Ctx::new(Abi::Preview1, args, env), Ctx::new(Abi::Preview1, Strings::default(), Strings::default())]
        {
            for kind in [MemoryKind::Plain, MemoryKind::Shared, MemoryKind::Wide, MemoryKind::SharedWide] {
                let module = constants_module(kind, &ctx).unwrap();
                wasmparser::Validator::new().validate_all(&module).unwrap();
            }
        }
    }

    #[test]
    fn long_strings_are_left_to_rust() {
        let mut args = Strings::default();
        args.push(&"a".repeat(LONGEST)).unwrap();
        let ctx = Ctx::new(Abi::Preview1, args, Strings::default());
        assert_eq!(constants_module(MemoryKind::Plain, &ctx), None);
    }
}

//! The parts that all modules made here have in common.

use wasm_encoder::{Function, GlobalType, InstructionSink, MemArg, ValType};

/// The import module of everything that these modules need.
pub const NAMESPACE: &str = "wasi-rs";

/// The type of a global that is imported.
pub const fn constant(val_type: ValType) -> GlobalType {
    GlobalType { val_type, mutable: false, shared: false }
}

/// A function's body, without locals of its own.
pub fn body(write: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new([]);
    write(&mut function.instructions());
    function.instructions().end();
    function
}

/// The operand of an instruction that reads or writes memory: a fixed offset, and the alignment as a power of
/// 2.
pub const fn at(offset: usize, align: u32) -> MemArg {
    MemArg { offset: offset as u64, align, memory_index: 0 }
}

/// A length or an index, in WebAssembly's type.
pub fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

//! The types of functions in words: `(i32, i64) -> i32`.

use wasi_rs_core::abi::ValType as SyscallType;
use wasi_rs_core::syscalls::Syscall;
use wasmparser::{FuncType, RefType, ValType};

/// The most types of a list that are told, more than a syscall has.
const SHOWN: usize = 16;

/// A type in words, from the names of its parts.
pub fn text<'n>(params: impl Iterator<Item = &'n str>, results: impl Iterator<Item = &'n str>) -> String {
    let (params, results): (Vec<_>, Vec<_>) = (params.collect(), results.collect());
    match &results[..] {
        [result] => format!("({}) -> {result}", list(&params)),
        _ => format!("({}) -> ({})", list(&params), list(&results)),
    }
}

fn list(names: &[&str]) -> String {
    let (shown, more) = names.split_at(names.len().min(SHOWN));
    let shown = shown.join(", ");
    if more.is_empty() { shown } else { format!("{shown} and {} more", more.len()) }
}

/// The type of a function in words.
pub fn of_function(ty: &FuncType) -> String {
    text(ty.params().iter().map(|ty| name(*ty)), ty.results().iter().map(|ty| name(*ty)))
}

/// The type of a syscall in words.
pub fn of_syscall(row: &Syscall) -> String {
    let params = row.params.iter().map(|param| match param.wasm {
        SyscallType::I32 => "i32",
        SyscallType::I64 => "i64",
    });
    text(params, row.returns.then_some("i32").into_iter())
}

const fn name(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "v128",
        ValType::Ref(RefType::FUNCREF) => "funcref",
        ValType::Ref(RefType::EXTERNREF) => "externref",
        ValType::Ref(_) => "ref",
    }
}

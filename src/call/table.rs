//! The shim's table: functions that change while a guest lives, and the syscalls that they answer.

use crate::call::layout::{CACHED, Cached};
use std::iter::repeat_n;
use wasm_encoder::{FuncType, ValType};

/// The syscalls that the memory-size module answers; all take a number or an address, and an address.
pub const ANSWERED: &[&str] = &["args_sizes_get", "environ_sizes_get", "clock_res_get"];

/// The syscalls that the module of constant answers takes over.
pub const CONSTANT: &[&str] = &["args_get", "environ_get"];

/// The syscall that is skipped now and then: a guest with a memory of its own has no other thread that could
/// run.
pub const SKIPPED: &str = "sched_yield";

/// The slot of the function that returns the memory's size.
pub const SIZE: usize = 0;
/// The slot of the function that returns 0 unless a `sched_yield` is answered at once. While there is no
/// memory, none is.
pub const SKIPS: usize = SIZE + 1;
/// The first slot of [`ANSWERED`], one for each: the way to Rust, then functions of the memory-size module.
pub const ANSWERS: usize = SKIPS + 1;
/// The first slot of [`CONSTANT`], one for each: the way to Rust, then functions made for the guest.
pub const CONSTANTS: usize = ANSWERS + ANSWERED.len();
/// The first slot of the ways to Rust of [`CONSTANT`], to go back to.
pub const CONSTANTS_IN_RUST: usize = CONSTANTS + CONSTANT.len();
/// The first slot of the functions that write the records of [`CACHED`] to the memory; empty while there is
/// none.
pub const PUTS: usize = CONSTANTS_IN_RUST + CONSTANT.len();
/// The number of slots.
pub const SLOTS: usize = PUTS + CACHED.len();

/// The type of the function that writes a record: its address, and its words.
pub fn put_type(cached: &Cached) -> FuncType {
    FuncType::new([ValType::I32].into_iter().chain(repeat_n(ValType::I64, cached.words)), [ValType::I32])
}

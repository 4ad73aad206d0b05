//! Modules that are changed before an engine gets them, each change by itself and all together.
//!
//! The fuzzer seldom makes a module of a module. So now and then it gets one such as a compiler may write.

#![no_main]

#[path = "../../crates/core/tests/common/mod.rs"]
mod common;
#[path = "../../crates/runner/tests/common/rewrites.rs"]
mod rewrites;

use common::Numbers;
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use wasm_smith::{Config, Module};

/// One change in so many is another module.
const ANEW: u32 = 8;

/// Bytes that one is made from.
const ENTROPY: usize = 2048;

/// The imports that a program may have, and its exports.
const IMPORTS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (import "env" "memory" (memory 1 9 shared)))"#;
const EXPORTS: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// A module, the same for the same seed; every other one such as could be run.
fn module(seed: u32) -> Result<Vec<u8>> {
    let mut numbers = Numbers::seeded(seed.into());
    let bytes: Vec<_> = (0..ENTROPY / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
    let mut input = Unstructured::new(&bytes);
    let mut config = Config::arbitrary(&mut input)?;
    if input.arbitrary()? {
        config.available_imports = Some(wat::parse_str(IMPORTS).unwrap());
        config.exports = Some(wat::parse_str(EXPORTS).unwrap());
    }
    config.bulk_memory_enabled = true;
    config.threads_enabled = true;
    config.multi_value_enabled = true;
    config.exceptions_enabled = input.arbitrary()?;
    config.gc_enabled = input.arbitrary()?;
    config.memory64_enabled = input.arbitrary()?;
    config.custom_page_sizes_enabled = input.arbitrary()?;
    config.max_memories = 3;
    config.max_tables = 3;
    config.max_funcs = 20;
    Ok(Module::new(config, &mut input)?.to_bytes())
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(ANEW)
        && let Ok(module) = module(seed)
        && let Some(place) = data.get_mut(..module.len().min(max_size))
        && place.len() == module.len()
    {
        place.copy_from_slice(&module);
        return module.len();
    }
    fuzzer_mutate(data, size, max_size)
});

fuzz_target!(|bytes: &[u8]| rewrites::check(bytes));

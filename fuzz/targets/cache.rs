//! Files of the cache: what was kept is taken, and nothing else.

#![no_main]

#[path = "../../crates/core/tests/common/mod.rs"]
mod common;
#[path = "../../crates/runner/tests/common/seals.rs"]
mod seals;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| seals::check(bytes));

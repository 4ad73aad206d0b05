//! Calls on files in memory, alone and above a directory of the host, and on those of the host: the same
//! answers, and the same trees.

#![no_main]

#[path = "../../crates/core/tests/common/mod.rs"]
mod common;

use common::sequences::limit_file_size;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: limit_file_size(), |bytes: &[u8]| {
    common::twins::sequence(common::Numbers::given(bytes));
});

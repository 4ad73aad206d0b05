//! Sequences of system calls on a tree with links of every kind: nothing outside the guest's directories
//! changes, nothing of what is there reaches its memory, no call panics, and no call is beyond the memory
//! (AddressSanitizer looks).

#![no_main]

#[path = "../../crates/core/tests/common/mod.rs"]
mod common;

use common::sequences::{check, limit_file_size};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: limit_file_size(), |bytes: &[u8]| check(bytes));

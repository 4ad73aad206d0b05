//! Sequences of system calls on a tree with links of every kind: nothing outside the guest's directories changes, nothing
//! of what is there reaches its memory, no call panics, and no call is beyond the memory (AddressSanitizer looks).

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::sequences::{CAPTURED, Counts, guest_in, limit_file_size, outside, plant, sequence};
use common::{Numbers, PAGE, SharedMemory};
use libfuzzer_sys::fuzz_target;
use wasi_rs::abi::Abi;

fuzz_target!(init: limit_file_size(), |bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    let before = outside(root.path());
    let abi = if first & 1 == 0 { Abi::Preview1 } else { Abi::Unstable };
    let (ctx, output) = guest_in(root.path(), abi);
    let memory = SharedMemory::new(if first & 2 == 0 { PAGE } else { usize::from(*first) });
    sequence(Numbers::given(rest), root.path(), true, &ctx, &memory, &mut Counts::default());
    assert_eq!(outside(root.path()), before, "something outside has changed");
    assert!(output.take().len() <= CAPTURED, "more is held than may be");
});

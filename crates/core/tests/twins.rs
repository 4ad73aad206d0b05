//! Files in memory beside those of the host: the same calls have the same answers, and leave the same tree.
//!
//! `FUZZ_SEQUENCES=100000 cargo test --release --test twins -- --nocapture` runs longer; `FUZZ_SEED` starts
//! elsewhere. `fuzz/` has the same sequences made from what a fuzzer finds.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

use common::Numbers;
use common::twins::sequence;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn files_in_memory_answer_as_the_host_s_do() {
    let (first, count) = (setting("FUZZ_SEED", 1), setting("FUZZ_SEQUENCES", 200));
    let (mut made, mut succeeded) = (0, 0);
    for seed in first..first + count {
        let counts = sequence(Numbers::seeded(seed));
        (made, succeeded) = (made + counts.0, succeeded + counts.1);
    }
    println!("{count} sequences, {made} calls, {succeeded} succeeded");
    assert!(succeeded > made / 10, "hardly a call succeeded: the generator is no good");
}

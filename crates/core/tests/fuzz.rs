//! Sequences of system calls that no program would make, from a generator with fixed seeds: the guest gets an
//! errno for each, nothing outside its directories changes, and nothing of what is there reaches its memory.
//!
//! `FUZZ_SEQUENCES=100000 cargo test --release --test fuzz -- --nocapture` runs longer; `FUZZ_SEED` starts
//! elsewhere. `fuzz/` has the same sequences made from what a fuzzer finds.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

#[cfg(unix)]
use common::sequences::limit_file_size;
use common::sequences::{CAPTURED, Counts, guest_in, outside, plant, sequence};
use common::{Numbers, PAGE, SharedMemory};
use std::sync::atomic::{AtomicBool, Ordering};
use wasi_rs_core::abi::Abi;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs sequences, each in a tree of its own, and looks at the outside after each. With `scribbles` another
/// thread writes to the guest's memory meanwhile.
fn run(default_count: u64, scribbles: bool) -> Counts {
    #[cfg(unix)]
    limit_file_size();
    let (first, count) = (setting("FUZZ_SEED", 1), setting("FUZZ_SEQUENCES", default_count));
    let mut counts = Counts::default();
    for seed in first..first + count {
        let root = tempfile::tempdir().unwrap();
        plant(root.path());
        let before = outside(root.path());
        let abi = if seed.is_multiple_of(4) { Abi::Unstable } else { Abi::Preview1 };
        let (ctx, output) = guest_in(root.path(), abi);
        let memory = SharedMemory::new(if seed.is_multiple_of(10) && !scribbles { 0 } else { PAGE });
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if scribbles {
                scope.spawn(|| scribble(seed, &memory, &done));
            }
            // A scribbled subscription might wait for ever.
            sequence(Numbers::seeded(seed), root.path(), !scribbles, &ctx, &memory, &mut counts);
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(outside(root.path()), before, "seed {seed}: something outside has changed");
        assert!(output.take().len() <= CAPTURED, "seed {seed}: more is held than may be");
    }
    report(&counts);
    counts
}

fn scribble(seed: u64, memory: &SharedMemory, done: &AtomicBool) {
    let mut numbers = Numbers::seeded(!seed);
    while !done.load(Ordering::Relaxed) {
        memory.put(u32::try_from(8 * numbers.below(512)).unwrap(), &numbers.next().to_le_bytes());
    }
}

#[test]
#[cfg_attr(windows, ignore = "Windows limits no file's size: a guest can fill the disk")]
fn no_sequence_of_calls_leads_outside() {
    let counts = run(300, false);
    assert!(counts.succeeded > counts.calls / 10, "hardly a call succeeded: the generator is no good");
}

/// Writes to the memory as a thread of the guest can.
#[test]
#[cfg_attr(windows, ignore = "Windows limits no file's size: a guest can fill the disk")]
fn nor_when_another_thread_changes_the_memory_meanwhile() {
    let counts = run(100, true);
    assert!(counts.succeeded > 0, "no call succeeded: the generator is no good");
}

fn report(counts: &Counts) {
    let Counts { sequences, calls, succeeded, errnos } = counts;
    println!("{sequences} sequences, {calls} calls, {succeeded} succeeded, errnos {errnos:?}");
}

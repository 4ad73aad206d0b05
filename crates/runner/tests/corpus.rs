//! The inputs of the fuzzers' corpus (`fuzz/corpus`), with the checks of the fuzz targets and without a
//! fuzzer.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

#[path = "../../core/tests/common/mod.rs"]
mod common;
#[path = "common/rewrites.rs"]
mod rewrites;
#[path = "common/seals.rs"]
mod seals;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Checks each input of the fuzz target of this name.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is no corpus");
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            eprintln!("that was {}", path.display());
            resume_unwind(panic);
        }
    }
}

#[cfg(unix)]
#[test]
fn sequences_of_calls() {
    common::sequences::limit_file_size();
    replay("syscalls", common::sequences::check);
}

#[test]
fn rewritings_of_modules() {
    replay("rewrite", rewrites::check);
}

#[test]
fn files_of_the_cache() {
    replay("cache", seals::check);
}

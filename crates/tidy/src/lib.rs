//! Checks of the source tree as a whole, as tests: `cargo test -p wasi-rs-tidy`. The floors are those of the
//! table in ARCHITECTURE.md.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the source tree is read")]

mod comments;
mod documents;
mod graph;
mod javascript;
mod plan;
mod rust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines that a file of Rust may have before its tests.
const MAX_LINES: usize = 500;

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files with an extension at these places or below them, by their paths from the top, with `/` between
/// names.
fn files(places: &[&str], extension: &str) -> BTreeMap<String, String> {
    let root = root();
    let mut found = BTreeMap::new();
    let mut paths: Vec<_> = places.iter().map(|place| root.join(place)).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty(), "no files of .{extension} at {places:?}");
    found
}

/// The edges between files of Rust, and between those of JavaScript.
fn edges() -> [Vec<graph::Edge>; 2] {
    let (rust, javascript) = (rust::edges(&rust::sources()), javascript::edges(&javascript::sources()));
    assert!(rust.len() > 200 && javascript.len() > 20, "the edges were not found");
    [rust, javascript]
}

#[test]
fn rooms_know_only_lower_floors() {
    let plan = plan::Plan::read();
    let wrong: BTreeSet<_> = edges().iter().flatten().filter_map(|(from, to)| plan.objection(from, to)).collect();
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn files_do_not_know_each_other_in_circles() {
    let edges = edges().concat();
    let circles = graph::circles(&edges);
    assert!(circles.is_empty(), "circles between files:\n{}", graph::show(&circles, &edges));
}

#[test]
fn unsafe_code_has_few_addresses() {
    let plan = plan::Plan::read();
    let addresses = plan.unsafe_addresses();
    for (path, text) in rust::sources() {
        let code = rust::code(&text).replace("unsafe_code", "");
        let has_unsafe = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        let is_allowed = addresses.iter().any(|address| plan::is_in(&path, address));
        assert!(!has_unsafe || is_allowed, "{path}: unsafe code has few addresses, {addresses:?}");
    }
}

#[test]
fn files_are_short() {
    for (path, text) in rust::sources() {
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines before its tests");
    }
}

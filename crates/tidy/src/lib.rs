//! Checks of the source tree as a whole, as tests: `cargo test -p wasi-rs-tidy`. The floors are those of the table in
//! ARCHITECTURE.md.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "the source tree is read")]

mod graph;
mod javascript;
mod plan;
mod rust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines a file of Rust may have before its tests.
const MAX_LINES: usize = 500;

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file with this extension below these places, by its path from the top, with `/` between names.
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
    assert!(!found.is_empty(), "no files of .{extension} below {places:?}");
    found
}

#[test]
fn rooms_know_only_lower_floors() {
    let plan = plan::Plan::read();
    let edges = rust::edges().into_iter().chain(javascript::edges());
    let wrong: BTreeSet<_> = edges.filter_map(|(from, to)| plan.objection(&from, &to)).collect();
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn files_do_not_know_each_other_in_circles() {
    for (language, edges) in [("Rust", rust::edges()), ("JavaScript", javascript::edges())] {
        let circles = graph::circles(&edges);
        assert!(circles.is_empty(), "circles between files of {language}:\n{}", graph::show(&circles, &edges));
    }
}

#[test]
fn unsafe_code_has_few_addresses() {
    let plan = plan::Plan::read();
    let addresses = plan.unsafe_addresses();
    assert!(!addresses.is_empty());
    for (path, text) in rust::sources() {
        let code = rust::code(&text).replace("unsafe_code", "");
        let found = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        let allowed = addresses.iter().any(|address| path.starts_with(&address[..]));
        assert!(!found || allowed, "{path}: unsafe code has few addresses, {addresses:?}");
    }
}

#[test]
fn files_are_short() {
    for (path, text) in rust::sources() {
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines before its tests");
    }
}

//! The comments of the sources: their length, and how their sentences begin.

use crate::plan::is_in;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The most characters of a line with a comment.
const MAX_WIDTH: usize = 110;

/// Words that begin no sentence of a comment: they put off its subject.
const LATE_SUBJECTS: [&str; 7] = ["What", "Whatever", "Who", "Whoever", "Whether", "Whichever", "That"];

/// Places with sources in Rust.
const RUST: [&str; 5] = ["src", "crates", "fuzz/targets", "benches/kernel/src", "build.rs"];

/// Places with sources in JavaScript and TypeScript.
const JAVASCRIPT: [&str; 12] = [
    "index.js",
    "index.d.ts",
    "compat.js",
    "compat.d.ts",
    "legacy.js",
    "legacy.d.ts",
    "register.js",
    "register.d.ts",
    "platform.js",
    "lib",
    "cli",
    "scripts",
];

/// Places whose comments are not checked yet; to be emptied, and nothing is added.
const NOT_YET: [&str; 0] = [];

/// A comment: its first line, and its text in one line.
#[derive(Debug, PartialEq, Eq)]
struct Comment {
    line: usize,
    text: String,
}

/// The comments of a source: lines that begin with `//`, `///` or `//!`, or stand between `/*` and `*/`, as
/// long as they follow each other without an empty one.
fn comments(source: &str) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let mut goes_on = false;
    let mut in_block = false;
    for (index, line) in source.lines().enumerate() {
        let line = line.trim();
        let starts_block = line.starts_with("/*");
        let text = if in_block || starts_block {
            in_block = !line.ends_with("*/");
            goes_on &= !starts_block;
            Some(line.trim_start_matches(['/', '*']).trim_end_matches(['*', '/']))
        } else {
            line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']))
        };
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        match text {
            Some(text) if goes_on => write!(comments.last_mut().unwrap().text, " {text}").unwrap(),
            Some(text) => comments.push(Comment { line: index + 1, text: text.to_owned() }),
            None => {}
        }
        goes_on = text.is_some();
    }
    comments
}

/// The sentences of a comment that begin with one of the words that none shall begin with.
fn late_subjects(text: &str) -> Vec<&str> {
    let starts = text.match_indices(". ").map(|(at, _)| at + 2);
    let sentences = std::iter::once(0).chain(starts).map(|start| &text[start..]);
    let is_late = |sentence: &&str| {
        let sentence = sentence.trim_start_matches(|c: char| !c.is_alphanumeric());
        LATE_SUBJECTS.contains(&sentence.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
    };
    sentences.filter(is_late).map(|sentence| sentence.split(". ").next().unwrap_or(sentence)).collect()
}

/// Sources whose comments are data, with a line for each cell.
const TABLES: [&str; 1] = ["crates/core/src/syscalls/mod.rs"];

/// The lines of a source that have a comment and are too long, but for those of tables in columns.
fn long_lines(source: &str) -> Vec<usize> {
    let has_comment =
        |line: &str| ["//", "/*", "* "].iter().any(|start| line.starts_with(start)) || line.contains(" // ");
    let is_table = |line: &str| line.starts_with("//") && line.contains("    ");
    let is_long = |line: &str| has_comment(line.trim()) && !is_table(line.trim()) && line.chars().count() > MAX_WIDTH;
    source.lines().enumerate().filter(|(_, line)| is_long(line)).map(|(index, _)| index + 1).collect()
}

/// The sources whose comments are checked.
fn checked() -> BTreeMap<String, String> {
    let mut sources = crate::files(&RUST, "rs");
    sources.extend(crate::files(&JAVASCRIPT, "js"));
    sources.extend(crate::files(&JAVASCRIPT, "ts"));
    sources.retain(|path, _| !path.contains("/target/") && !NOT_YET.iter().any(|place| is_in(path, place)));
    sources
}

#[test]
fn sentences_of_comments_begin_with_their_subject() {
    let mut wrong = String::new();
    for (path, source) in checked() {
        for Comment { line, text } in comments(&source) {
            for sentence in late_subjects(&text) {
                writeln!(wrong, "{path}:{line}: {sentence}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "sentences that begin with one of {LATE_SUBJECTS:?}:\n{wrong}");
}

#[test]
fn lines_of_comments_are_short() {
    let is_text = |(path, _): &(String, String)| !TABLES.contains(&&path[..]);
    let long = |(path, source): (String, String)| {
        long_lines(&source).into_iter().map(move |line| format!("{path}:{line}")).collect::<Vec<_>>()
    };
    let long: Vec<_> = checked().into_iter().filter(is_text).flat_map(long).collect();
    assert!(long.is_empty(), "more than {MAX_WIDTH} characters:\n{}", long.join("\n"));
}

#[test]
fn places_that_are_not_checked_yet_are_there() {
    for place in NOT_YET {
        assert!(crate::root().join(place).exists(), "{place} is no place: take it out of NOT_YET");
    }
}

#[test]
fn comments_are_read_from_lines_and_blocks() {
    let source = [
        "//! One",
        "//! two.",
        "",
        "/// Three.",
        "///",
        "/// Four.",
        "let a = 1; // not this",
        "/** Five",
        " * six. */",
        "/* Seven. */",
    ];
    let comment = |line, text: &str| Comment { line, text: text.to_owned() };
    let expected = [
        comment(1, "One two."),
        comment(4, "Three."),
        comment(6, "Four."),
        comment(8, "Five six."),
        comment(10, "Seven."),
    ];
    assert_eq!(comments(&source.join("\n")), expected);
    assert_eq!(late_subjects("What it is. A file, that is. `That` is. Whatsoever."), ["What it is", "`That` is"]);
    let long = "a".repeat(MAX_WIDTH);
    assert_eq!(long_lines(&format!("// {long}\n{long}{long}\n//    {long}\n * {long}\n")), [1, 4]);
}

//! The documents: each path in backticks leads to a file or folder.

use std::collections::BTreeMap;

/// Documents at the top, and folders of documents.
const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs"];

/// Folders that the paths of a document may begin in, besides the top and the document's own folder.
const FOLDERS: [(&str, &[&str]); 2] = [
    ("ARCHITECTURE.md", &["crates/core/src/host", "crates/modules/src", "crates/runner/src"]),
    ("CONTRIBUTING.md", &["__test__", "__test__/class"]),
];

/// The lines of a document that stand in no block of code, with their numbers.
fn lines_of_text(document: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    document.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// True for the path of a file or folder: it has a slash, and ends in one or in the extension of a file.
/// Paths from the root of the file system are none of the source tree's.
fn is_path(quoted: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let (folder, name) = quoted.rsplit_once('/').unwrap_or_default();
    let has_extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && extension.chars().all(|c| c.is_ascii_lowercase()) && !extension.is_empty()
    });
    !folder.is_empty()
        && !folder.starts_with('/')
        && quoted.chars().all(is_allowed)
        && (name.is_empty() || has_extension)
}

/// The paths in backticks, with the numbers of their lines.
fn paths(document: &str) -> Vec<(usize, &str)> {
    let quoted = lines_of_text(document)
        .flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |text| (number, text)));
    quoted.filter(|(_, text)| is_path(text)).collect()
}

/// The documents, by their paths.
fn documents() -> BTreeMap<String, String> {
    crate::files(&DOCUMENTS, "md")
}

#[test]
fn paths_in_documents_exist() {
    let mut missing = String::new();
    for (name, document) in documents() {
        let own = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = FOLDERS.iter().filter(|(document, _)| *document == name).flat_map(|(_, folders)| *folders);
        let folders: Vec<_> = ["", own].into_iter().chain(named.copied()).collect();
        for (line, path) in paths(&document) {
            if !folders.iter().any(|folder| crate::root().join(folder).join(path).exists()) {
                missing += &format!("{name}:{line}: {path}\n");
            }
        }
    }
    assert!(missing.is_empty(), "paths that lead to nothing:\n{missing}");
}

#[test]
fn folders_of_documents_hold_paths() {
    let documents = documents();
    for (name, folders) in FOLDERS {
        for folder in folders {
            let is_used = |(_, path): &(usize, &str)| crate::root().join(folder).join(path).exists();
            assert!(paths(&documents[name]).iter().any(is_used), "{name} has no path that begins in {folder}");
        }
    }
}

#[test]
fn paths_are_told_from_other_words() {
    let document =
        "Read `a/b.rs`, `c/` and `d.rs`.\n```\n`e/f.rs`\n```\n`/proc/self/` or `g/*.rs`, `h/i`, `j/k.md` `l/.m`.\n";
    assert_eq!(paths(document), [(1, "a/b.rs"), (1, "c/"), (5, "j/k.md")]);
}

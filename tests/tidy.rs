//! What holds for the source as a whole: see ARCHITECTURE.md.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wasi_rs::abi::ValType;
use wasi_rs::syscalls::SYSCALLS;

/// The floor of each module. A module knows those on lower floors, and on its own only itself.
const FLOORS: &[(&str, u8)] = &[
    ("abi", 0),
    ("memory", 1),
    ("host", 1),
    ("descriptors", 2),
    ("ctx", 3),
    ("syscalls", 4),
    ("module", 5),
    ("engine", 6),
    ("node", 7),
];

/// The only places that may hold unsafe code: files, folders.
const UNSAFE: &[&str] =
    &["memory.rs", "memory/", "engine/raw.rs", "engine/lease/system.rs", "host/windows/system.rs", "node/ffi/"];

/// Lines a file may have before its tests.
const MAX_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file: its path below src, and its text.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join("src").join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                sources.insert(path.to_str().unwrap().replace('\\', "/"), text);
            }
        }
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The text before the tests, without comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn module(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(module: &str) -> u8 {
    FLOORS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} has no floor")).1
}

#[test]
fn modules_know_only_lower_floors() {
    for (path, text) in sources() {
        let own = module(&path);
        if own == "lib" {
            continue;
        }
        for named in code(&text).split("crate::").skip(1) {
            let other: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(!other.is_empty(), "{path}: name what is used as crate::module::...");
            let allowed = other == own || floor(&other) < floor(own);
            assert!(allowed, "{path}: {own} must not know {other}");
        }
    }
}

#[test]
fn unsafe_has_few_addresses_and_every_block_a_reason() {
    for (path, text) in sources() {
        let code = code(&text).replace("unsafe_code", "");
        let found = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        let allowed = UNSAFE.iter().any(|address| path.starts_with(address));
        assert!(!found || allowed, "{path}: unsafe code has few addresses, {UNSAFE:?}");
    }
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines before its tests");
    }
}

#[test]
fn every_syscall_has_one_home_and_a_test_there() {
    let sources = sources();
    for row in &SYSCALLS {
        let homes: Vec<_> = sources
            .iter()
            .filter(|(_, text)| text.contains(&format!("pub(super) fn {}(", row.name)))
            .map(|(path, _)| path)
            .collect();
        let home = format!("syscalls/{}.rs", row.home);
        assert_eq!(homes, [&home], "{}", row.name);
        let tests = sources[&home].split_once("#[cfg(test)]").unwrap().1;
        assert!(tests.contains(&format!("\"{}\"", row.name)), "{} has no test in {home}", row.name);
    }
}

#[test]
fn the_documentation_lists_the_syscalls_as_they_are() {
    let path = root().join("docs/syscalls.md");
    let written = syscalls_md();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == written, "docs/syscalls.md is out of date: UPDATE_DOCS=1 cargo test --test tidy writes it");
}

fn syscalls_md() -> String {
    let mut text = String::from(
        "# The system calls\n\n\
         Made from the list in `src/syscalls/mod.rs` (`UPDATE_DOCS=1 cargo test --test tidy`); do not edit by hand.\n\n\
         Every function of `wasi_snapshot_preview1` is served on Linux; none answers ENOSYS. `wasi_unstable` has the same \
         functions with the layouts and numbers of snapshot 0. Names of functions and parameters are the standard's. `i32` \
         and `i64` are the WebAssembly types; every function returns an errno (`i32`), but for `proc_exit`, which does not \
         return.\n\n\
         Errors that several have are not repeated: EFAULT, an address outside the memory (also of a result: then nothing \
         was done); EBADF, a descriptor that is not open; ENOTCAPABLE, a right that the descriptor does not have; with a \
         path, ENOTCAPABLE if it leads outside the directory, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EILSEQ for a NUL in it, \
         and what the operating system says of permissions and space (EACCES, EROFS, EDQUOT, EIO).\n\n\
         All this is Linux's. macOS has the same calls. On Windows, what the system has no word for: `sock_*` and \
         descriptors that are sockets are ENOTSOCK; names that Windows reserves (`NUL`, `COM1`, ...), \
         what its names can't hold (a backslash, a colon, ...) and names that end in a dot or a space are EINVAL; a directory can't be renamed or removed while it is open; \
         making a symbolic link takes a privilege there; `fd_advise` is taken as the hint it is; links in a directory are \
         resolved component by component.\n\n\
         | function | parameters | what it does | errors of its own |\n| --- | --- | --- | --- |\n",
    );
    for row in &SYSCALLS {
        let params: Vec<_> = row
            .params
            .iter()
            .map(|param| {
                let wasm = match param.wasm {
                    ValType::I32 => "i32",
                    ValType::I64 => "i64",
                };
                format!("{}: {} ({wasm})", param.name.trim_start_matches("r#"), param.type_name)
            })
            .collect();
        writeln!(text, "| `{}` | {} | {} | {} |", row.name, params.join(", "), row.doc, row.errors).unwrap();
    }
    text
}

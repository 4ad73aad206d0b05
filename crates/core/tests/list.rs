//! The list of the system calls, against the sources and the documentation.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use wasi_rs_core::abi::ValType;
use wasi_rs_core::syscalls::SYSCALLS;

/// The source files of the system calls, by their names.
fn sources() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syscalls");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
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
        let home = format!("{}.rs", row.home);
        assert_eq!(homes, [&home], "{}", row.name);
        let tests = sources[&home].split_once("#[cfg(test)]").unwrap().1;
        assert!(tests.contains(&format!("\"{}\"", row.name)), "{} has no test in {home}", row.name);
    }
}

#[test]
fn the_documentation_lists_the_syscalls_as_they_are() {
    assert_written("docs/syscalls.md", &syscalls_md());
}

#[test]
fn the_types_of_the_package_list_the_syscalls_as_they_are() {
    assert_written("lib/system-calls.d.ts", &system_calls_d_ts());
}

/// Fails if a file of the package has other content; or writes it, where `UPDATE_DOCS` is set.
fn assert_written(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, content).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == content, "{name} is out of date: UPDATE_DOCS=1 cargo test -p wasi-rs-core --test list writes it");
}

/// The lines of a comment in JavaScript.
fn commented(doc: &str) -> String {
    let mut lines = vec![String::new()];
    for word in doc.split(' ') {
        if lines.last().unwrap().len() + word.len() > 100 {
            lines.push(String::new());
        }
        write!(lines.last_mut().unwrap(), " {word}").unwrap();
    }
    lines.iter().map(|line| format!("   *{line}\n")).collect()
}

/// The functions as JavaScript calls them: an `i64` is a bigint there.
fn system_calls_d_ts() -> String {
    let mut text = String::from(
        "// Made from the list in crates/core/src/syscalls/mod.rs; do not edit by hand.\n\
         // (UPDATE_DOCS=1 cargo test -p wasi-rs-core --test list)\n\n\
         /** The functions of `wasi_snapshot_preview1`. Each returns an errno, but for `proc_exit`. */\n\
         export type SystemCalls = {\n",
    );
    for row in &SYSCALLS {
        let params = row.params.iter().map(|param| {
            let number = match param.wasm {
                ValType::I32 => "number",
                ValType::I64 => "bigint",
            };
            // A keyword there is one here.
            let name = param.name.strip_prefix("r#").map_or(param.name.to_owned(), |name| format!("{name}_"));
            format!("{name}: {number}")
        });
        let params = params.collect::<Vec<_>>().join(", ");
        let result = if row.name == "proc_exit" { "void" } else { "number" };
        writeln!(text, "  /**\n{}   */\n  {}: ({params}) => {result};", commented(row.doc), row.name).unwrap();
    }
    text + "};\n"
}

fn syscalls_md() -> String {
    let mut text = String::from(
        "# The system calls\n\n\
         Made from the list in `crates/core/src/syscalls/mod.rs` (`UPDATE_DOCS=1 cargo test -p wasi-rs-core --test list`); do not edit by hand.\n\n\
         Every function of `wasi_snapshot_preview1` is served on Linux; none answers ENOSYS.\n\
         `wasi_unstable` has the same functions with the layouts and numbers of snapshot 0.\n\
         Names of functions and parameters are the standard's.\n\
         `i32` and `i64` are the WebAssembly types; every function returns an errno (`i32`), but for `proc_exit`,\n\
         which does not return.\n\n\
         Errors that several have are not repeated: EFAULT, an address outside the memory (also of a result:\n\
         then nothing was done); EBADF, a descriptor that is not open; ENOTCAPABLE,\n\
         a right that the descriptor does not have; with a path, ENOTCAPABLE if it leads outside the directory,\n\
         ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EILSEQ for a NUL in it,\n\
         and what the operating system says of permissions and space (EACCES, EROFS, EDQUOT, EIO).\n\n\
         All this is Linux's. macOS has the same calls.\n\
         On Windows, what the system has no word for: `sock_*` and descriptors that are sockets are ENOTSOCK;\n\
         names that Windows reserves (`NUL`, `COM1`, ...), what its names can't hold (a backslash, a colon, ...)\n\
         and names that end in a dot or a space are EINVAL; a directory can't be renamed or removed\n\
         while it is open; making a symbolic link takes a privilege there; `fd_advise` is taken as the hint it is;\n\
         links in a directory are resolved component by component.\n\n\
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

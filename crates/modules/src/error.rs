//! The reasons for which a program can't be run, in words.

use crate::outline::Unreadable;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use wasi_rs_core::abi::{Abi, Errno};
use wasmparser::BinaryReaderError;

/// The most unknown imports that are named.
const SHOWN_IMPORTS: usize = 3;

/// The advice for imports that tell nothing of their origin.
const USUAL_ADVICE: &str = "give it what it imports by options.imports, or build it for wasm32-wasip1";

/// The advice for imports of components.
const ADVICE_FOR_COMPONENTS: &str = "give it what it imports by options.imports";

/// The most bytes of a program's own line or name in a message.
const SHOWN_BYTES: usize = 400;

/// The part of a text that a message has.
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES {
        return Cow::Borrowed(text);
    }
    let end = (0..=SHOWN_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default()))
}

/// The reason for which a program can't be run.
#[derive(Clone, Debug)]
pub enum ProgramError {
    /// Its file can't be read.
    Unreadable(PathBuf, Errno),
    /// It imports items that do not exist.
    Import {
        /// The edition of WASI that does not have them.
        edition: &'static str,
        /// The first few.
        shown: Vec<String>,
        /// The number of others.
        more: usize,
        /// The advice for who wants to run it.
        advice: &'static str,
    },
    /// It imports from both editions of WASI.
    Editions,
    /// It is not valid, or needs what the engine does not have; in the engine's words.
    Uncompiled(String),
    /// It is no program, or can't be run here; in words.
    Wrong(String),
    /// Nobody waited for it any more.
    Cancelled,
}

impl ProgramError {
    /// The error for imports that do not exist. Each is given in words, beginning with the names of its
    /// module and of itself, as in `env.abort`.
    pub fn import(all: impl Iterator<Item: ToString>) -> Self {
        let mut advice = None;
        let (shown, more) = first_few(all.map(|one| one.to_string()).inspect(|one| {
            advice = advice.or_else(|| advice_for(one));
        }));
        Self::Import { edition: "WASI preview 1", shown, more, advice: advice.unwrap_or(USUAL_ADVICE) }
    }

    /// The error for imports of a component that do not exist, in words.
    pub fn import_of_component(all: impl Iterator<Item: ToString>) -> Self {
        let (shown, more) = first_few(all.map(|one| one.to_string()));
        Self::Import { edition: "WASI", shown, more, advice: ADVICE_FOR_COMPONENTS }
    }
}

/// The first few of several items, and the number of others.
fn first_few(all: impl Iterator<Item = String>) -> (Vec<String>, usize) {
    let (mut shown, mut more) = (Vec::new(), 0);
    for one in all {
        if shown.len() < SHOWN_IMPORTS {
            shown.push(shortened(&one).into_owned());
        } else {
            more += 1;
        }
    }
    (shown, more)
}

/// The advice for a program whose import, in words, tells who is to serve it.
fn advice_for(import: &str) -> Option<&'static str> {
    let (module, name) = import.split_once('.')?;
    Some(match (module, name) {
        ("wasi", name) if name.starts_with("thread-spawn") => {
            "it starts threads by wasi-threads, which do not run here: build it for wasm32-wasip1, without threads"
        }
        ("env" | "wasi_snapshot_preview1", name) if is_of_emscripten(name) => {
            "Emscripten has built it for a JavaScript file of its own: link it with -sSTANDALONE_WASM, or build it for \
             wasm32-wasip1"
        }
        ("wbg" | "__wbindgen_placeholder__" | "__wbindgen_externref_xform__", _) => {
            "wasm-bindgen has built it for a JavaScript file of its own: build it for wasm32-wasip1, without wasm-bindgen"
        }
        ("gojs" | "go", _) => "Go has built it for wasm_exec.js: build it with GOOS=wasip1 GOARCH=wasm",
        _ => return None,
    })
}

/// True for the name of a function that Emscripten's JavaScript serves.
fn is_of_emscripten(name: &str) -> bool {
    ["emscripten_", "_emscripten_", "__syscall_", "__cxa_", "_embind_", "invoke_", "__assert_fail"]
        .iter()
        .any(|start| name.starts_with(start))
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, errno) => write!(f, "can't be read: {}: '{}'", errno.text(), path.display()),
            Self::Import { edition, shown, more, advice } => {
                write!(f, "imports what {edition} does not have: {}", shown.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                write!(f, "; {advice}")
            }
            Self::Editions => write!(
                f,
                "imports system calls of {} and of {}, which lay out their records differently; build all of it for one of them",
                Abi::Unstable.module(),
                Abi::Preview1.module()
            ),
            Self::Uncompiled(why) => {
                write!(f, "can't be compiled: it is not valid, or needs what this engine does not have\n  {why}")
            }
            Self::Wrong(why) => f.write_str(why),
            Self::Cancelled => f.write_str("was given up, as nobody waited for it"),
        }
    }
}

impl From<Unreadable> for ProgramError {
    fn from(error: Unreadable) -> Self {
        Self::Uncompiled(error.to_string())
    }
}

impl From<BinaryReaderError> for ProgramError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Uncompiled(error.to_string())
    }
}

/// The most bytes of a module for V8, without debug sections: V8's own limit. `compile_limits.rs` has the one
/// for wasmtime.
pub const MAX_BYTES: u64 = 1 << 30;

/// True if the bytes begin as WebAssembly's text does: with a parenthesis or a comment.
fn is_text(bytes: &[u8]) -> bool {
    let begun = bytes.trim_ascii_start();
    begun.starts_with(b"(") || begun.starts_with(b";;")
}

/// The form of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A core module.
    Module,
    /// A component, which wasmtime runs.
    Component,
}

impl Form {
    /// The form of the program that begins with these bytes; the first eight tell.
    pub fn of(bytes: &[u8]) -> Result<Self, ProgramError> {
        let why = match bytes {
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(Self::Module),
            // A component has its "layer" where a core module has the upper half of its version.
            [0, b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(Self::Component),
            [0, b'a', b's', b'm', a, b, c, d, ..] => format!("its version is {}", u32::from_le_bytes([*a, *b, *c, *d])),
            [0, b'a', b's', b'm', ..] => "it is cut off".to_owned(),
            [0x7f, b'E', b'L', b'F', ..] => "it is a program for this machine; build it for wasm32-wasip1".to_owned(),
            [] => "it is empty".to_owned(),
            _ if is_text(bytes) => "it is WebAssembly's text; assemble it first, for instance with wat2wasm".to_owned(),
            _ => "it does not begin with '\\0asm'".to_owned(),
        };
        Err(ProgramError::Wrong(format!("is not a WebAssembly module: {why}")))
    }
}

/// An error unless the bytes begin as a module does that each engine takes; the first eight tell.
pub fn expect_core_module(bytes: &[u8]) -> Result<(), ProgramError> {
    match Form::of(bytes)? {
        Form::Module => Ok(()),
        Form::Component => Err(ProgramError::Wrong("is a component, which V8 does not run; wasmtime does".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_core_modules_are_told_by_their_beginning() {
        let refusal = |bytes: &[u8]| expect_core_module(bytes).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(refusal(b"\0asm\x01\0\0\0"), "");
        assert_eq!(refusal(b""), "is not a WebAssembly module: it is empty");
        assert_eq!(refusal(b"\0asm\x01"), "is not a WebAssembly module: it is cut off");
        assert_eq!(refusal(b"\0asm\x02\0\0\0"), "is not a WebAssembly module: its version is 2");
        assert_eq!(refusal(b"#!/bin/sh"), "is not a WebAssembly module: it does not begin with '\\0asm'");
        for text in [&b"(module)"[..], b"\n  (modu", b";; a comm", b"(; one ;"] {
            assert!(refusal(text).starts_with("is not a WebAssembly module: it is WebAssembly's text; "), "{text:?}");
        }
        assert!(refusal(b"\x7fELF\x02\x01").ends_with("a program for this machine; build it for wasm32-wasip1"));
        assert!(refusal(b"\0asm\x0d\0\x01\0").starts_with("is a component, which V8 "));
    }

    #[test]
    fn imports_tell_what_a_program_was_built_for() {
        let advice = |imports: &[&str]| {
            let text = ProgramError::import(imports.iter()).to_string();
            text.split_once("; ").unwrap().1.to_owned()
        };
        for (import, said) in [
            ("env.f (function)", USUAL_ADVICE),
            ("wasi.thread-spawn (function)", "it starts threads by wasi-threads"),
            ("env.emscripten_notify_memory_growth (function)", "Emscripten has built it"),
            ("env.invoke_vi (function)", "Emscripten has built it"),
            ("env.__syscall_openat (function)", "Emscripten has built it"),
            ("wbg.__wbg_log_1 (function)", "wasm-bindgen has built it"),
            ("__wbindgen_placeholder__.__wbindgen_throw (function)", "wasm-bindgen has built it"),
            ("gojs.runtime.wasmExit (function)", "Go has built it for wasm_exec.js"),
        ] {
            assert!(advice(&[import]).starts_with(said), "{import}");
            assert!(advice(&["a.b", "a.c", "a.d", "a.e", import]).starts_with(said), "{import} as the last");
        }
        let text = ProgramError::import(["a.1", "a.2", "a.3", "a.4", "a.5"].iter()).to_string();
        assert_eq!(
            text,
            "imports what WASI preview 1 does not have: a.1, a.2, a.3 and 2 more; give it what it imports by options.imports, or build it for wasm32-wasip1"
        );
    }
}

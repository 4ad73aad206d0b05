//! The reasons for which a program can't be run, in words.

use crate::outline::Unreadable;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use wasi_rs_core::abi::{Abi, Errno};
use wasmparser::BinaryReaderError;

/// The most unknown imports that are named.
const SHOWN_IMPORTS: usize = 3;

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
        /// The first few.
        shown: Vec<String>,
        /// The number of others.
        more: usize,
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
    /// The error for imports that do not exist.
    pub fn import(mut all: impl Iterator<Item: ToString>) -> Self {
        let shown = all.by_ref().take(SHOWN_IMPORTS).map(|one| shortened(&one.to_string()).into_owned()).collect();
        Self::Import { shown, more: all.count() }
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, errno) => write!(f, "can't be read: {}: '{}'", errno.text(), path.display()),
            Self::Import { shown, more } => {
                write!(f, "imports what WASI preview 1 does not have: {}", shown.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                f.write_str("; build it for wasm32-wasip1")
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

/// An error unless the bytes begin as a module does that an engine takes; the first eight tell.
pub fn expect_core_module(bytes: &[u8]) -> Result<(), ProgramError> {
    let why = match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(()),
        // A component has its "layer" where a core module has the upper half of its version.
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => {
            return Err(ProgramError::Wrong(
                "is a WebAssembly component (WASI 0.2); only core modules of WASI preview 1 run here: build it for \
                 wasm32-wasip1"
                    .to_owned(),
            ));
        }
        [0, b'a', b's', b'm', a, b, c, d, ..] => format!("its version is {}", u32::from_le_bytes([*a, *b, *c, *d])),
        [0, b'a', b's', b'm', ..] => "it is cut off".to_owned(),
        [0x7f, b'E', b'L', b'F', ..] => "it is a program for this machine; build it for wasm32-wasip1".to_owned(),
        [] => "it is empty".to_owned(),
        _ => "it does not begin with '\\0asm'".to_owned(),
    };
    Err(ProgramError::Wrong(format!("is not a WebAssembly module: {why}")))
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
        assert_eq!(refusal(b"(module)"), "is not a WebAssembly module: it does not begin with '\\0asm'");
        assert!(refusal(b"\x7fELF\x02\x01").ends_with("a program for this machine; build it for wasm32-wasip1"));
        assert!(refusal(b"\0asm\x0d\0\x01\0").starts_with("is a WebAssembly component (WASI 0.2); "));
    }
}

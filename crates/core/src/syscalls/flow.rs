//! The outcome of a call.

use crate::abi::errno::{Errno, Result};

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The guest goes on, with this answer.
    Answer(Errno),
    /// The guest ends, with this exit code.
    Exit(u32),
}

/// The answer of `proc_exit`: none, the guest ends with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u32);

impl From<Result> for Flow {
    fn from(result: Result) -> Self {
        Self::Answer(result.err().unwrap_or(Errno::Success))
    }
}

impl From<Exit> for Flow {
    fn from(Exit(code): Exit) -> Self {
        Self::Exit(code)
    }
}

//! Ends of guests in wasmtime that are no traps.

use std::fmt;

/// An end of a run other than the return of `_start`. It passes through wasmtime as an error.
#[derive(Debug)]
pub enum Stop {
    /// `proc_exit`.
    Exit(u32),
    /// It was ended early.
    Ended,
    /// It wrote more than is captured, to this stream.
    Overflow(&'static str),
    /// A function of the embedder has thrown, in the call with this number.
    Thrown(u32),
}

impl std::error::Error for Stop {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "the program exited with code {code}"),
            Self::Ended => write!(f, "the program was ended"),
            Self::Overflow(stream) => write!(f, "the program wrote more to {stream} than may be captured"),
            Self::Thrown(_) => write!(f, "a function of the embedder has thrown"),
        }
    }
}

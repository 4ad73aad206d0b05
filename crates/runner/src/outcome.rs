//! The outcome of a run: how it ended, its captured output and what it used.

use super::plan::OpenError;
use std::sync::Arc;
use wasi_rs_core::watch::Tally;
use wasi_rs_modules::error::ProgramError;

/// The end of a run.
#[derive(Debug)]
pub enum End {
    /// It ended by itself, with this code.
    Exit(u32),
    /// It was ended from outside.
    Ended,
    /// It had used up its fuel.
    Fuel,
    /// It wrote more than is captured, to this stream.
    Overflow(&'static str),
    /// It was not begun: this number of others, the most allowed, had begun and not ended.
    Busy(usize),
    /// A function of the embedder has thrown, in the call with this number.
    Thrown(u32),
    /// It trapped.
    Trap(Trap),
    /// The program can't be run.
    ProgramError(ProgramError),
    /// A file that it was to have can't be opened.
    OpenError(OpenError),
    /// JavaScript threw an exception.
    Exception(Exception),
    /// It failed: there was no thread or memory for it, or wasi-rs panicked. The message.
    Failed(String),
}

/// A trap.
#[derive(Debug)]
pub struct Trap {
    /// The reason, in the words of both engines, and the functions it was in.
    pub message: String,
    /// The error of the engine, with the backtrace of the guest.
    pub cause: Option<Exception>,
}

/// An exception of JavaScript, or one that is to be made there: on its way to another thread.
#[derive(Debug, Default)]
pub struct Exception {
    /// The name of its class.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Its stack, if it has one.
    pub stack: Option<String>,
    /// Its code, if it has one.
    pub code: Option<String>,
}

/// The amounts that a run has used.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Nanoseconds from its request to its beginning, without those of compilation.
    pub queued: u64,
    /// Nanoseconds that it waited for its program to be compiled.
    pub compiled: u64,
    /// Nanoseconds from its beginning to its end.
    pub wall: u64,
    /// Nanoseconds of processor time.
    pub cpu: u64,
    /// Bytes of memory, at most.
    pub memory: u64,
    /// Fuel, if it was limited.
    pub fuel: Option<u64>,
    /// Calls to the host.
    pub calls: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
    /// Its calls by their names, if anybody has asked.
    pub tally: Option<Arc<Tally>>,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The end of the run.
    pub end: End,
    /// Captured standard output and error.
    pub captured: [Option<Vec<u8>>; 2],
    /// The amounts it used.
    pub usage: Usage,
}

/// Takes the outcome.
pub type Finish = Box<dyn FnOnce(Outcome) + Send>;

/// The end of a run for which there was no thread.
pub fn no_thread(error: &std::io::Error) -> End {
    End::Failed(format!("no thread could be started: {error}"))
}

/// The end of a run that panicked.
pub fn panicked(panic: &(dyn std::any::Any + Send)) -> End {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    End::Failed(format!("wasi-rs panicked: {}", text.unwrap_or("no message")))
}

//! Traps and other errors of wasmtime, in words.

use super::guest::Stop;
use super::outcome::End;
use std::fmt::{self, Write};
use wasi_rs_modules::error::{ProgramError, shortened};
use wasmtime::{Trap, WasmBacktrace};

/// The end of a run that wasmtime tells with an error; `early` if the program had not begun yet.
pub fn end_of(error: &wasmtime::Error, early: bool) -> End {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Exit(code)) => return End::Exit(*code),
        Some(Stop::Ended) => return End::Ended,
        Some(Stop::Overflow(stream)) => return End::Overflow(stream),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::Fuel,
        Some(trap) => End::Trap(with_backtrace(&in_words(*trap), error)),
        // A host's function that failed, or what was too large to begin with.
        None if early => End::ProgramError(ProgramError::Wrong(format!("can't be started: {}", naming_limits(error)))),
        None => End::Trap(with_backtrace(&error.root_cause().to_string(), error)),
    }
}

/// A trap in words that V8's traps have too (`lib/v8/guest.js`): one for several where V8 does not tell them
/// apart.
fn in_words(trap: Trap) -> String {
    let words = match trap {
        Trap::UnreachableCodeReached => "unreachable",
        Trap::MemoryOutOfBounds => "out of bounds memory access",
        Trap::TableOutOfBounds => "out of bounds table access",
        Trap::IndirectCallToNull | Trap::BadSignature => "null function or signature mismatch",
        Trap::IntegerDivisionByZero => "integer divide by zero",
        Trap::IntegerOverflow | Trap::BadConversionToInteger => "integer overflow or invalid conversion to integer",
        Trap::StackOverflow => "call stack exhausted",
        Trap::HeapMisaligned => "unaligned atomic",
        Trap::AtomicWaitNonSharedMemory => "atomic wait on non-shared memory",
        other => return other.to_string(),
    };
    format!("wasm trap: {words}")
}

/// An error in words that name the limit: wasmtime tells of what is too large to begin with without.
fn naming_limits(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}").replace("exceeds memory limits", "is more than limits.memory allows");
    text.replace("exceeds table limits", "is more than limits.tableElements or limits.memory allows")
}

/// The most lines of a backtrace in a message.
const MAX_LINES: usize = 100;

/// The most bytes of a backtrace before it is shortened. Its names are the program's own, and some names of
/// C++ double with each of their letters when they are written out.
const MAX_BACKTRACE: usize = 4 << 20;

/// A text that ends when it is full.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.len() + piece.len() > MAX_BACKTRACE {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// The reason, and below it the functions that were being called, innermost first.
fn with_backtrace(reason: &str, error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return reason.to_owned();
    };
    let mut text = Bounded(String::new());
    let _ = write!(text, "{backtrace}"); // it may be full
    let frames = text.0.lines().skip(1).take(MAX_LINES).map(|line| format!("\n{}", shortened(line)));
    format!("{reason}{}", frames.collect::<String>())
}

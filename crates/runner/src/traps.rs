//! Traps and other errors of wasmtime, in words.

use super::outcome::{self, End, Exception};
use super::stop::Stop;
use std::fmt::{self, Write};
use wasi_rs_modules::error::{ProgramError, shortened};
use wasmtime::{Trap, WasmBacktrace};

/// The end of a run with an error of wasmtime; `early` if the program had not begun yet.
pub fn end_of(error: &wasmtime::Error, early: bool) -> End {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Exit(code)) => return End::Exit(*code),
        Some(Stop::Ended) => return End::Ended,
        Some(Stop::Overflow(stream)) => return End::Overflow(stream),
        Some(Stop::Thrown(number)) => return End::Thrown(*number),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::Fuel,
        Some(trap) => End::Trap(trapped(&in_words(*trap), &trap.to_string(), error)),
        // A function of the host has failed, or a memory or table is too large from the beginning.
        None if early => End::ProgramError(ProgramError::Wrong(format!("can't be started: {}", naming_limits(error)))),
        None => {
            let why = error.root_cause().to_string();
            End::Trap(trapped(&why, &why, error))
        }
    }
}

/// A trap: its reason in the words of both engines, and in wasmtime's.
fn trapped(reason: &str, of_engine: &str, error: &wasmtime::Error) -> outcome::Trap {
    let cause = Exception {
        name: ERROR.to_owned(),
        message: of_engine.to_owned(),
        stack: Some(stack(of_engine, error.downcast_ref())),
        code: None,
    };
    outcome::Trap { message: with_backtrace(reason, error), cause: Some(cause) }
}

/// The class of a trap in JavaScript.
const ERROR: &str = "RuntimeError";

/// The most functions of a stack; as many in V8 (`lib/v8/guest.js`).
const MAX_FRAMES: usize = 64;

/// The most bytes of a stack.
const MAX_STACK: usize = 16 << 10;

/// The stack of an error as V8 writes it, with the functions of the guest, innermost first.
fn stack(message: &str, backtrace: Option<&WasmBacktrace>) -> String {
    let mut stack = format!("{ERROR}: {message}");
    let frames = backtrace.map(WasmBacktrace::frames).unwrap_or_default();
    for frame in frames.iter().take(MAX_FRAMES) {
        let place = frame.module_offset().map_or_else(String::new, |offset| format!(":{offset:#x}"));
        let function = format!("wasm-function[{}]{place}", frame.func_index());
        let line = match frame.func_name() {
            Some(name) => format!("\n    at {} ({function})", printable(&shortened(name))),
            None => format!("\n    at {function}"),
        };
        if stack.len() + line.len() > MAX_STACK {
            break;
        }
        stack.push_str(&line);
    }
    stack
}

/// A name without characters that a terminal would obey, which are shown as `\u{1b}`.
fn printable(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

/// The message of a trap, the same as in V8 (`lib/v8/guest.js`). Traps that V8 does not distinguish share a
/// message.
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

/// The message of an error, with the name of the limit, which wasmtime's message does not have.
fn naming_limits(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}").replace("exceeds memory limits", "is more than limits.memory allows");
    text.replace("exceeds table limits", "is more than limits.tableElements or limits.memory allows")
}

/// The most lines of a backtrace in a message.
const MAX_LINES: usize = 100;

/// The most bytes of a backtrace before it is shortened. Its names are the program's own, and demangling can
/// double the length of a name of C++ with each letter.
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
    let frames = text.0.lines().skip(1).take(MAX_LINES).map(|line| format!("\n{}", printable(&shortened(line))));
    format!("{reason}{}", frames.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_obeys_are_shown() {
        assert_eq!(printable("f<\u{e4}>\u{1b}[2J\n\u{9b}m"), "f<\u{e4}>\\u{1b}[2J\\u{a}\\u{9b}m");
    }
}

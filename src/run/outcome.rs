//! Outcomes of runs and errors of programs, for `lib/`.

use crate::node_api::{Js, JsResult, Value};
use crate::run::reader::float;
use wasi_rs_core::syscalls::trace;
use wasi_rs_core::watch::{Counted, Tally};
use wasi_rs_modules::error::ProgramError;
use wasi_rs_runner::outcome::{End, Exception, Outcome, Trap, Usage};

/// `{ end, message, code, path? }`: the error of a program; `path` is that of a file that can't be read.
pub fn program_error_to_js<'s>(js: Js<'s>, error: &ProgramError) -> JsResult<Value<'s>> {
    let answer = js.object()?;
    describe(js, answer, "programError", &error.to_string())?;
    let code = match error {
        ProgramError::Unreadable(_, errno) => errno.name(),
        ProgramError::Import { .. } | ProgramError::Editions => "ERR_WASI_IMPORT",
        ProgramError::Uncompiled(_) | ProgramError::Wrong(_) | ProgramError::Cancelled => "ERR_WASI_PROGRAM",
    };
    js.set_named(answer, "code", js.string(code)?)?;
    if let ProgramError::Unreadable(path, _) = error {
        js.set_named(answer, "path", js.string(&path.to_string_lossy())?)?;
    }
    Ok(answer)
}

fn describe<'s>(js: Js<'s>, answer: Value<'s>, end: &str, message: &str) -> JsResult<()> {
    js.set_named(answer, "end", js.string(end)?)?;
    js.set_named(answer, "message", js.string(message)?)
}

/// `{ end, message, code?, cause?, exitCode?, stdout?, stderr?, usage }`: the outcome of a run.
pub fn outcome_to_js<'s>(js: Js<'s>, outcome: &Outcome) -> JsResult<Value<'s>> {
    let answer = match &outcome.end {
        End::ProgramError(error) => program_error_to_js(js, error)?,
        _ => js.object()?,
    };
    match &outcome.end {
        End::Exit(code) => {
            describe(js, answer, "exit", "")?;
            // Signed, like an i32 that WebAssembly hands to JavaScript.
            js.set_named(answer, "exitCode", js.number(code.cast_signed().into())?)?;
        }
        End::Ended => describe(js, answer, "ended", "")?,
        End::Fuel => describe(js, answer, "fuel", "")?,
        End::Overflow(stream) => describe(js, answer, "overflow", stream)?,
        End::Busy(most) => describe(js, answer, "busy", &most.to_string())?,
        End::Thrown(call) => describe(js, answer, "thrown", &call.to_string())?,
        End::Trap(Trap { message, cause }) => {
            describe(js, answer, "trap", message)?;
            if let Some(cause) = cause {
                let object = js.object()?;
                describe_exception(js, object, cause)?;
                js.set_named(answer, "cause", object)?;
            }
        }
        End::ProgramError(_) => {}
        End::OpenError(error) => {
            describe(js, answer, "openError", &format!("{}: {}", error.what, error.errno.text()))?;
            js.set_named(answer, "code", js.string(error.errno.name())?)?;
            js.set_named(answer, "errno", js.number(f64::from(error.errno.number()))?)?;
        }
        End::Exception(exception) => describe_exception(js, answer, exception)?,
        End::Failed(why) => describe(js, answer, "failed", why)?,
    }
    for (name, captured) in ["stdout", "stderr"].into_iter().zip(&outcome.captured) {
        if let Some(bytes) = captured {
            js.set_named(answer, name, js.buffer(bytes)?)?;
        }
    }
    js.set_named(answer, "usage", usage_to_js(js, &outcome.usage)?)?;
    Ok(answer)
}

/// The parts of an exception. Another thread makes the same exception of them.
fn describe_exception<'s>(js: Js<'s>, answer: Value<'s>, exception: &Exception) -> JsResult<()> {
    let Exception { name, message, stack, code } = exception;
    describe(js, answer, "exception", message)?;
    for (key, text) in [("name", &Some(name.clone())), ("stack", stack), ("code", code)] {
        if let Some(text) = text {
            js.set_named(answer, key, js.string(text)?)?;
        }
    }
    Ok(())
}

/// The amounts that a run has used.
pub fn usage_to_js<'s>(js: Js<'s>, used: &Usage) -> JsResult<Value<'s>> {
    let usage = js.object()?;
    let milliseconds = |nanoseconds| float(nanoseconds) / 1e6;
    let numbers = [
        ("queued", Some(milliseconds(used.queued))),
        ("compiled", Some(milliseconds(used.compiled))),
        ("wall", Some(milliseconds(used.wall))),
        ("cpu", Some(milliseconds(used.cpu))),
        ("memory", Some(float(used.memory))),
        ("fuel", used.fuel.map(float)),
        ("calls", Some(float(used.calls))),
        ("read", Some(float(used.read))),
        ("written", Some(float(used.written))),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            js.set_named(usage, name, js.number(number)?)?;
        }
    }
    if let Some(tally) = &used.tally {
        js.set_named(usage, "byCall", tally_to_js(js, tally)?)?;
    }
    Ok(usage)
}

/// `{ [name]: { calls, errors, nanoseconds } }`: the system calls that were made.
fn tally_to_js<'s>(js: Js<'s>, tally: &Tally) -> JsResult<Value<'s>> {
    let table = js.object()?;
    for (number, name) in trace::names().enumerate() {
        let Some(Counted { calls, errors, nanoseconds }) = tally.counted(number) else { continue };
        let row = js.object()?;
        for (name, amount) in [("calls", calls), ("errors", errors), ("nanoseconds", nanoseconds)] {
            js.set_named(row, name, js.number(float(amount))?)?;
        }
        js.set_named(table, name, row)?;
    }
    Ok(table)
}

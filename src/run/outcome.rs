//! What came of a run, or what is wrong with a program, as `lib/` gets it.

use crate::node_api::{Js, JsResult, Value};
use wasi_rs_modules::error::ProgramError;
use wasi_rs_runner::run::{End, Outcome};

/// `{ end, message, code }`: what is wrong with a program.
pub fn unusable_to_js<'s>(js: Js<'s>, unusable: &ProgramError) -> JsResult<Value<'s>> {
    let answer = js.object()?;
    describe(js, answer, "unusable", &unusable.to_string())?;
    let code = match unusable {
        ProgramError::Unreadable(_, errno) => errno.name(),
        ProgramError::Import { .. } | ProgramError::Editions => "ERR_WASI_IMPORT",
        ProgramError::Uncompiled(_) | ProgramError::Wrong(_) | ProgramError::Cancelled => "ERR_WASI_PROGRAM",
    };
    js.set_named(answer, "code", js.string(code)?)?;
    Ok(answer)
}

fn describe<'s>(js: Js<'s>, answer: Value<'s>, end: &str, message: &str) -> JsResult<()> {
    js.set_named(answer, "end", js.string(end)?)?;
    js.set_named(answer, "message", js.string(message)?)
}

/// What came of a run.
pub fn outcome_to_js<'s>(js: Js<'s>, outcome: &Outcome) -> JsResult<Value<'s>> {
    let answer = match &outcome.end {
        End::ProgramError(unusable) => unusable_to_js(js, unusable)?,
        _ => js.object()?,
    };
    match &outcome.end {
        End::Exit(code) => {
            describe(js, answer, "exit", "")?;
            // As WebAssembly hands an i32 to JavaScript, and the class does.
            js.set_named(answer, "exitCode", js.number(code.cast_signed().into())?)?;
        }
        End::Ended => describe(js, answer, "ended", "")?,
        End::Fuel => describe(js, answer, "fuel", "")?,
        End::Overflow(stream) => describe(js, answer, "overflow", stream)?,
        End::Busy(most) => describe(js, answer, "busy", &most.to_string())?,
        End::Trap(text) => describe(js, answer, "trap", text)?,
        End::ProgramError(_) => {}
        End::Unopened(unopened) => {
            describe(js, answer, "unopened", &format!("{}: {}", unopened.what, unopened.errno.text()))?;
            js.set_named(answer, "code", js.string(unopened.errno.name())?)?;
        }
        End::Failed(why) => describe(js, answer, "failed", why)?,
    }
    for (name, captured) in ["stdout", "stderr"].into_iter().zip(&outcome.captured) {
        if let Some(bytes) = captured {
            js.set_named(answer, name, js.buffer(bytes)?)?;
        }
    }
    js.set_named(answer, "usage", usage_to_js(js, outcome)?)?;
    Ok(answer)
}

fn usage_to_js<'s>(js: Js<'s>, outcome: &Outcome) -> JsResult<Value<'s>> {
    let used = &outcome.usage;
    let usage = js.object()?;
    let milliseconds = |nanoseconds| float(nanoseconds) / 1e6;
    let numbers = [
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
    Ok(usage)
}

/// As JavaScript has it.
#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are these")]
pub fn float(number: u64) -> f64 {
    number as f64
}

//! Limits of guests, in the class and in `run()`: ranges and defaults.

use crate::node_api::{Js, JsResult, Value};

/// `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// The bytes of an output that are captured by default.
pub const CAPTURED: u32 = 64 << 20;

/// The bytes that `run()` captures at least by default, where `limits.memory` is lower than [`CAPTURED`].
const CAPTURED_AT_LEAST: u32 = 1 << 20;

/// The bytes of stack of a program without a limit.
pub const STACK: u32 = 1 << 20;

/// The most bytes of stack that a program gets.
pub const MAX_STACK: u32 = 64 << 20;

/// The greatest number of a descriptor.
pub const MAX_DESCRIPTOR: i32 = i32::MAX;

/// The whole numbers that an option may be.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The least one.
    pub least: f64,
    /// The greatest one.
    pub most: f64,
}

/// Any that JavaScript can count to.
const ANY: Range = Range { least: 0.0, most: MAX_SAFE_INTEGER };

/// A descriptor's number.
pub const DESCRIPTOR: Range = Range { least: 0.0, most: MAX_DESCRIPTOR as f64 };

/// `limits.stdout` of the class, in bytes.
pub const STDOUT: (&str, Range) = ("stdout", ANY);

/// `limits.openFiles`.
pub const OPEN_FILES: (&str, Range) = ("openFiles", ANY);

/// The limits of `run()`. The class has `openFiles`, and [`STDOUT`].
const LIMITS: [(&str, Range); 5] = [
    ("memory", ANY),
    ("tableElements", ANY),
    ("stack", Range { least: 4096.0, most: MAX_STACK as f64 }),
    ("fuel", ANY),
    OPEN_FILES,
];

/// Exports the ranges and defaults, for `lib/options.js`.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    let limits = js.object()?;
    for (name, Range { least, most }) in LIMITS {
        js.set_named(limits, name, js.array([least, most].map(|number| js.number(number)).into_iter())?)?;
    }
    let object = js.object()?;
    js.set_named(object, "limits", limits)?;
    js.set_named(object, "captured", js.number(CAPTURED.into())?)?;
    js.set_named(object, "capturedAtLeast", js.number(CAPTURED_AT_LEAST.into())?)?;
    js.set_named(object, "stack", js.number(STACK.into())?)?;
    js.set_named(object, "maxDescriptor", js.number(MAX_DESCRIPTOR.into())?)?;
    js.set_named(exports, "ranges", object)
}

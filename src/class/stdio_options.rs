//! The options of the standard streams.

use crate::class::editions::Edition;
use crate::class::validate::descriptor_number;
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Type, Value};

/// The names of the options, in the order of their numbers.
pub const NAMES: [&str; 3] = ["stdin", "stdout", "stderr"];

/// The choice of a standard stream.
pub enum Choice<'s> {
    /// A descriptor of the host.
    Descriptor(i32),
    /// An empty input, or an output that is discarded.
    Ignore,
    /// Bytes for the guest.
    Bytes(Vec<u8>),
    /// An output that is held for the embedder.
    Capture,
    /// A function that supplies or takes bytes, or a Writable.
    Handler(Value<'s>),
}

/// The choice by `options.input`.
pub fn read_input<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Choice<'s>> {
    let bytes = match js.type_of(value)? {
        Type::String => Some(js.string_of(value)?.into_bytes()),
        Type::Object => js.view_or_buffer(value)?,
        _ => None,
    };
    bytes.map(Choice::Bytes).ok_or_else(|| {
        let expected = "of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer";
        errors::invalid_arg_type(js, "options.input", Expected::OneOf(expected), value)
    })
}

/// The choice by the option of stream `number`, by default the host's own. Some editions take descriptors
/// only.
pub fn choose<'s>(js: Js<'s>, number: usize, value: Option<Value<'s>>, edition: &Edition) -> JsResult<Choice<'s>> {
    let Some(value) = value else {
        return Ok(inherit(number));
    };
    let option = format!("options.{}", name(number));
    let refuse = |expected| Err(errors::invalid_arg_type(js, &option, expected, value));
    let kind = js.type_of(value)?;
    if kind == Type::Number {
        return Ok(Choice::Descriptor(descriptor_number(js, value, &option)?));
    }
    if !edition.streams {
        return refuse(Expected::Type("number"));
    }
    let is_input = number == 0;
    match kind {
        Type::Function => return Ok(Choice::Handler(value)),
        Type::String => return choose_by_word(js, number, &option, value),
        Type::Object if is_input => {
            if let Some(bytes) = js.uint8_array(value)? {
                return Ok(Choice::Bytes(bytes));
            }
        }
        Type::Object if js.type_of(js.get_named(value, "write")?)? == Type::Function => {
            return Ok(Choice::Handler(value));
        }
        _ => {}
    }
    refuse(Expected::OneOf(if is_input {
        "one of type number, string, or function or an instance of Uint8Array"
    } else {
        "one of type number, string, or function or an instance of Writable"
    }))
}

/// The host's own.
fn inherit<'s>(number: usize) -> Choice<'s> {
    Choice::Descriptor(i32::try_from(number).unwrap_or(i32::MAX))
}

fn choose_by_word<'s>(js: Js<'s>, number: usize, option: &str, value: Value<'s>) -> JsResult<Choice<'s>> {
    let text = js.string_of(value)?;
    match (text.as_str(), number) {
        ("inherit", _) => Ok(inherit(number)),
        ("ignore", _) => Ok(Choice::Ignore),
        (_, 0) => {
            let reason = "must be one of: 'inherit', 'ignore'; what the program is to read belongs into options.input";
            Err(errors::invalid_arg_value(js, option, value, reason))
        }
        ("pipe", _) => Ok(Choice::Capture),
        _ => Err(errors::invalid_arg_value(js, option, value, "must be one of: 'inherit', 'ignore', 'pipe'")),
    }
}

/// The name of stream `number`.
pub fn name(number: usize) -> &'static str {
    NAMES.get(number).copied().unwrap_or_default()
}

//! Standard streams that JavaScript supplies and takes.
//!
//! A system call never calls back: it works on streams in memory ([`wasi_rs_core::host::stream`]). Between a call of the guest
//! and its answer, this module has the embedder's functions fill and empty them. These may do anything, also make the
//! memory grow or call the guest again.

use crate::class::options::{Edition, descriptor_number};
use crate::class::realm::{Guest, Kept, Realm};
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Type, Value};
use std::sync::Arc;
use wasi_rs_core::host::stream::{Input, Output, Stream};

/// The names of the options, in the order of their numbers.
pub const NAMES: [&str; 3] = ["stdin", "stdout", "stderr"];

/// What an option says.
pub enum Choice<'s> {
    /// A descriptor of the host.
    Descriptor(i32),
    /// Nothing comes, and what goes is lost.
    Ignore,
    /// Bytes for the guest.
    Bytes(Vec<u8>),
    /// What the guest writes is held.
    Capture,
    /// A function that supplies or takes bytes, or a Writable.
    Handler(Value<'s>),
}

/// What `options.input` says.
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

/// What the option of stream `number` says, by default the host's own; it depends on the edition whether it may be more than
/// a descriptor.
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

fn name(number: usize) -> &'static str {
    NAMES.get(number).copied().unwrap_or_default()
}

/// The streams of one guest that are not the host's descriptors.
#[derive(Debug, Default)]
pub struct Stdio {
    input: Option<Arc<Input>>,
    outputs: [Option<Tap>; 2],
}

/// An output that somebody takes.
#[derive(Debug)]
struct Tap {
    output: Arc<Output>,
    /// How much it holds for its owner; nothing if a function takes it.
    captures: Option<usize>,
}

impl Stdio {
    /// The stream for a choice, which is no descriptor; `limit` is how much is captured.
    pub fn connect(&mut self, number: usize, choice: &mut Choice<'_>, limit: usize) -> Option<Stream> {
        match choice {
            Choice::Descriptor(_) => None,
            Choice::Ignore if number == 0 => Some(Stream::Input(Arc::new(Input::new(Vec::new())))),
            Choice::Ignore => Some(Stream::Output(Arc::new(Output::discarding()))),
            Choice::Bytes(bytes) => Some(Stream::Input(Arc::new(Input::new(std::mem::take(bytes))))),
            Choice::Handler(_) if number == 0 => {
                let input = Arc::new(Input::on_demand());
                self.input = Some(Arc::clone(&input));
                Some(Stream::Input(input))
            }
            Choice::Handler(_) => self.tap(number, None),
            Choice::Capture => self.tap(number, Some(limit)),
        }
    }

    fn tap(&mut self, number: usize, captures: Option<usize>) -> Option<Stream> {
        let output = Arc::new(Output::new(captures.unwrap_or(usize::MAX)));
        let tap = self.outputs.get_mut(number.checked_sub(1)?)?;
        *tap = Some(Tap { output: Arc::clone(&output), captures });
        Some(Stream::Output(output))
    }

    /// Whether there is anything to do here.
    pub fn is_connected(&self) -> bool {
        self.input.is_some() || self.outputs.iter().any(Option::is_some)
    }

    /// What has been captured of stdout (1) or stderr (2).
    pub fn captured<'s>(&self, js: Js<'s>, number: usize) -> JsResult<Value<'s>> {
        match number.checked_sub(1).and_then(|index| self.outputs.get(index)) {
            Some(Some(tap)) => tap.output.with_bytes(|bytes| js.buffer(bytes)),
            _ => js.undefined(),
        }
    }

    /// Has the embedder supply stdin, if the guest wants more; whether it did.
    pub fn supply(&self, js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<bool> {
        let Some((input, wanted)) = self.input.as_ref().and_then(|input| Some((input, input.take_wanted()?))) else {
            return Ok(false);
        };
        let (handler, _) = handler(js, realm, guest, 0)?;
        #[allow(clippy::cast_precision_loss, reason = "it is at most some megabytes")]
        let supplied = js.call(js.undefined()?, handler, &[js.number(wanted as f64)?])?;
        let bytes = match js.type_of(supplied)? {
            Type::Null => Some(Vec::new()),
            Type::Object => js.uint8_array(supplied)?,
            _ => None,
        };
        let Some(bytes) = bytes else {
            let expected = "an instance of Uint8Array or null";
            return Err(errors::invalid_return_value(js, "options.stdin", expected, supplied));
        };
        input.supply(Some(bytes).filter(|bytes| !bytes.is_empty()));
        Ok(true)
    }

    /// Hands on what the guest has written, and ends the guest that has written too much.
    pub fn deliver(&self, js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<()> {
        for (number, tap) in (1..).zip(&self.outputs) {
            let Some(tap) = tap else { continue };
            if let Some(limit) = tap.captures {
                if tap.output.is_exceeded() {
                    return Err(errors::too_much_output(js, name(number), limit));
                }
                continue;
            }
            let written = tap.output.take();
            if !written.is_empty() {
                let (handler, this) = handler(js, realm, guest, number)?;
                js.call(this, handler, &[js.buffer(&written)?])?;
            }
        }
        Ok(())
    }
}

/// The embedder's function for a stream, and what to call it on.
fn handler<'s>(js: Js<'s>, realm: &Realm, guest: &Guest, number: usize) -> JsResult<(Value<'s>, Value<'s>)> {
    let Some(owner) = js.dereference(&guest.owner)? else {
        // Nobody can call a guest whose owner is gone.
        return Err(errors::not_started(js));
    };
    let handlers = js.get(owner, realm.get(js, Kept::Handlers)?)?;
    let handler = js.get_index(handlers, u32::try_from(number).unwrap_or(u32::MAX))?;
    match js.type_of(handler)? {
        Type::Function => Ok((handler, js.undefined()?)),
        _ => Ok((js.get_named(handler, "write")?, handler)),
    }
}

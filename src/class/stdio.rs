//! Standard streams that JavaScript supplies and takes.
//!
//! A system call never calls back: it works on streams in memory ([`wasi_rs_core::host::stream`]). Between a
//! call of the guest and its answer, this module has the embedder's functions fill and empty them. These may
//! do anything, also make the memory grow or call the guest again.

use crate::builtins::{self, Builtin};
use crate::class::kept::{Kept, kept};
use crate::class::stdio_options::{Choice, name};
use crate::class::trace::{self, To};
use crate::errors;
use crate::node_api::{Js, JsResult, Reference, Type, Value};
use crate::process::trace_file;
use std::sync::{Arc, Mutex, PoisonError};
use wasi_rs_core::host::stream::{Input, Output, Stream};
use wasi_rs_core::watch::{Form, Sink, Trace, Watch};

/// The streams of one guest that are not the host's descriptors.
#[derive(Debug, Default)]
pub struct Stdio {
    input: Option<Arc<Input>>,
    outputs: [Option<Tap>; 2],
    /// The call that was shown last, for a function or a Writable.
    shown: Option<(Shown, Form)>,
}

/// A call as bytes, until it is handed over.
type Shown = Arc<Mutex<Vec<u8>>>;

/// The number of the handler that calls are shown to, behind those of the streams.
pub const TRACE: u32 = 3;

/// An output that is captured, or goes to a function.
#[derive(Debug)]
struct Tap {
    output: Arc<Output>,
    /// The limit of captured bytes; nothing if a function takes them.
    captures: Option<usize>,
}

impl Stdio {
    /// The stream for a choice, none for a descriptor; `limit` is that of captured bytes.
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

    /// Has calls shown where the option says.
    pub fn trace(&mut self, js: Js<'_>, trace::Choice { to, selection }: trace::Choice<'_>) -> JsResult<Option<Watch>> {
        let (to, form) = match to {
            To::Stderr => (trace_file().map(Sink::File), Form::Text),
            To::File(path, option) => (Some(Sink::File(trace::open(js, &path, option)?)), Form::Text),
            To::Receiver(_, form) => {
                let shown = Shown::default();
                self.shown = Some((Arc::clone(&shown), form));
                let keep = move |bytes: Vec<u8>| {
                    shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes);
                    true
                };
                (Some(Sink::Function(Box::new(keep))), form)
            }
        };
        Ok(Watch::of(to.map(|to| Trace { to, form, selection }), None))
    }

    /// True if JavaScript supplies or takes any of the streams.
    pub fn is_connected(&self) -> bool {
        self.input.is_some() || self.outputs.iter().any(Option::is_some)
    }

    /// The bytes captured of stdout (1) or stderr (2).
    pub fn captured<'s>(&self, js: Js<'s>, number: usize) -> JsResult<Value<'s>> {
        match number.checked_sub(1).and_then(|index| self.outputs.get(index)) {
            Some(Some(tap)) => tap.output.with_bytes(|bytes| js.buffer(bytes)),
            _ => js.undefined(),
        }
    }

    /// Has the embedder supply stdin, if the guest wants more; true if it did. `owner` holds the functions.
    pub fn supply(&self, js: Js<'_>, owner: &Reference) -> JsResult<bool> {
        let Some((input, wanted)) = self.input.as_ref().and_then(|input| Some((input, input.take_wanted()?))) else {
            return Ok(false);
        };
        let (handler, _) = handler(js, owner, 0)?;
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

    /// Delivers the bytes that the guest has written, and ends the guest that has written too many.
    pub fn deliver(&self, js: Js<'_>, owner: &Reference) -> JsResult<()> {
        for (number, tap) in (1..).zip(&self.outputs) {
            let Some(tap) = tap else { continue };
            if let Some(limit) = tap.captures {
                if tap.output.is_exceeded() {
                    return Err(errors::too_much_output(js, name(number), limit, "options.limits.stdout"));
                }
                continue;
            }
            let written = tap.output.take();
            if !written.is_empty() {
                let (handler, this) = handler(js, owner, number)?;
                js.call(this, handler, &[js.buffer(&written)?])?;
            }
        }
        Ok(())
    }

    /// Hands a call that was shown to the embedder; true if it has got one.
    pub fn show(&self, js: Js<'_>, owner: &Reference) -> JsResult<bool> {
        let Some((shown, form)) = &self.shown else { return Ok(false) };
        // Taken before the embedder's function runs, which may call the guest.
        let shown = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
        if shown.is_empty() {
            return Ok(false);
        }
        let (handler, this) = handler(js, owner, TRACE as usize)?;
        let call = match form {
            Form::Text => js.buffer(&shown)?,
            Form::Json => builtins::call(js, Builtin::JsonParse, &[js.string(&String::from_utf8_lossy(&shown))?])?,
        };
        js.call(this, handler, &[call])?;
        Ok(true)
    }
}

/// The embedder's function for a stream, or another of its functions, and its `this`.
pub fn handler<'s>(js: Js<'s>, owner: &Reference, number: usize) -> JsResult<(Value<'s>, Value<'s>)> {
    let Some(owner) = js.dereference(owner)? else {
        // Nobody can call a guest whose owner is gone.
        return Err(errors::not_started(js));
    };
    let handlers = js.get(owner, kept(js, Kept::Handlers)?)?;
    let handler = js.get_index(handlers, u32::try_from(number).unwrap_or(u32::MAX))?;
    match js.type_of(handler)? {
        Type::Function => Ok((handler, js.undefined()?)),
        _ => Ok((js.get_named(handler, "write")?, handler)),
    }
}

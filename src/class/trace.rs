//! The option `trace`, of the class and of `run()` and its like: the calls that are shown, and where.

use crate::builtins::is_array;
use crate::class::file_url;
use crate::class::validate::{given, read_boolean, refuse_unknown};
use crate::errors::{self, Expected, closest::closest};
use crate::node_api::{Call, Js, JsResult, Method, Type, Value};
use crate::permission::{Scope, require_path};
use crate::process::append_to;
use wasi_rs_core::ctx::open_error;
use wasi_rs_core::host::file::File;
use wasi_rs_core::syscalls::trace::{matching, names};
use wasi_rs_core::watch::{Form, Selection};

/// The variable of the environment that stands for the option where that is not given.
const VARIABLE: &str = "WASI_RS_TRACE";

/// The option, read.
pub struct Choice<'s> {
    /// Where calls are shown.
    pub to: To<'s>,
    /// Those that are.
    pub selection: Selection,
}

/// Where calls are shown.
pub enum To<'s> {
    /// On the process's stderr.
    Stderr,
    /// In a file, which the option or variable of this name tells.
    File(String, &'static str),
    /// By a function, or a Writable.
    Receiver(Value<'s>, Form),
}

impl<'s> Choice<'s> {
    /// The function or Writable that calls are shown to.
    pub const fn receiver(&self) -> Option<Value<'s>> {
        match self.to {
            To::Receiver(receiver, _) => Some(receiver),
            _ => None,
        }
    }
}

/// Exports the function, for `lib/options.js`.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, ReadTrace::NAME, js.function::<ReadTrace>(0)?)
}

/// `readTrace(value)`: the option as `{ to?, path?, option?, isText, selection }`, where `to` is a
/// function or a Writable, and stderr is neither; undefined if nothing is shown.
struct ReadTrace;

impl Method for ReadTrace {
    const NAME: &'static str = "readTrace";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [value, ..]) = (call.js, call.args);
        let value = if js.is_undefined(value)? { None } else { Some(value) };
        let Some(Choice { to, selection }) = read(js, value)? else { return js.undefined() };
        let object = js.object()?;
        match &to {
            To::Stderr => {}
            To::File(path, option) => {
                js.set_named(object, "path", js.string(path)?)?;
                js.set_named(object, "option", js.string(option)?)?;
            }
            To::Receiver(receiver, _) => js.set_named(object, "to", *receiver)?,
        }
        js.set_named(object, "isText", js.boolean(!matches!(to, To::Receiver(_, Form::Json)))?)?;
        let bits = js.object()?;
        #[allow(clippy::cast_possible_truncation, reason = "it is one half")]
        for (name, half) in [("low", selection.calls as u32), ("high", (selection.calls >> 32) as u32)] {
            js.set_named(bits, name, js.number(half.into())?)?;
        }
        js.set_named(bits, "errors", js.boolean(selection.errors)?)?;
        js.set_named(object, "selection", bits)?;
        Ok(object)
    }
}

/// The option with this value, or what the environment says where it has none; nothing if no call is shown.
pub fn read<'s>(js: Js<'s>, value: Option<Value<'s>>) -> JsResult<Option<Choice<'s>>> {
    let Some(value) = value else { return from_environment(js) };
    let all = |to| Ok(Some(Choice { to, selection: Selection::default() }));
    match js.type_of(value)? {
        Type::Boolean => return if js.truthy(value)? { all(To::Stderr) } else { Ok(None) },
        Type::Object if !is_array(js, value)? => {}
        Type::Function => {}
        _ => {
            let expected = "one of type boolean, function, or object or an instance of Writable";
            return Err(errors::invalid_arg_type(js, "options.trace", Expected::OneOf(expected), value));
        }
    }
    if let Some(to) = receiver(js, value)? {
        return all(to);
    }
    refuse_unknown(js, value, "options.trace", &["calls", "errors", "to"])?;
    let calls = given(js, value, "calls")?.map_or(Ok(u64::MAX), |calls| read_calls(js, calls))?;
    let errors = read_boolean(js, value, "errors", "options.trace.errors")?;
    let to = given(js, value, "to")?.map_or(Ok(To::Stderr), |to| read_to(js, to))?;
    Ok(Some(Choice { to, selection: Selection { calls, errors } }))
}

/// A function or a Writable; nothing for another value.
fn receiver<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Option<To<'s>>> {
    Ok(match js.type_of(value)? {
        Type::Function => Some(To::Receiver(value, Form::Json)),
        Type::Object if js.type_of(js.get_named(value, "write")?)? == Type::Function => {
            Some(To::Receiver(value, Form::Text))
        }
        _ => None,
    })
}

fn read_to<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<To<'s>> {
    const OPTION: &str = "options.trace.to";
    if let Some(to) = receiver(js, value)? {
        return Ok(to);
    }
    let path = match js.type_of(value)? {
        Type::Boolean if js.truthy(value)? => return Ok(To::Stderr),
        Type::Boolean => {
            let reason = "must be true, for stderr, a function, a Writable or a path";
            return Err(errors::invalid_arg_value(js, OPTION, value, reason));
        }
        Type::String => Some(js.string_of(value)?),
        _ => file_url::path_of(js, value, OPTION)?,
    };
    match path {
        Some(path) if path.is_empty() || path.contains('\0') => {
            Err(errors::invalid_arg_value(js, OPTION, value, "must be a path without null bytes"))
        }
        Some(path) => Ok(To::File(path, OPTION)),
        None => {
            let expected = "one of type boolean, string, or function or an instance of Writable or URL";
            Err(errors::invalid_arg_type(js, OPTION, Expected::OneOf(expected), value))
        }
    }
}

/// The calls of a list of names and patterns: a bit for each.
fn read_calls<'s>(js: Js<'s>, list: Value<'s>) -> JsResult<u64> {
    const OPTION: &str = "options.trace.calls";
    if js.type_of(list)? != Type::Object || !is_array(js, list)? {
        return Err(errors::invalid_arg_type(js, OPTION, Expected::Array, list));
    }
    let mut calls = 0;
    for index in 0..js.array_length(list)? {
        let (name, value) = (format!("{OPTION}[{index}]"), js.get_index(list, index)?);
        if js.type_of(value)? != Type::String {
            return Err(errors::invalid_arg_type(js, &name, Expected::Type("string"), value));
        }
        let pattern = js.string_of(value)?;
        let found = matching(&pattern);
        if found == 0 {
            let mend = closest(&pattern, names()).map(|meant| format!(" (did you mean '{meant}'?)"));
            let what = if pattern.contains('*') { "matches no system call" } else { "is no system call" };
            let reason = format!("{what}{}", mend.unwrap_or_default());
            return Err(errors::invalid_arg_value(js, &name, value, &reason));
        }
        calls |= found;
    }
    if calls == 0 {
        return Err(errors::invalid_arg_value(js, OPTION, list, "must have a name of a system call, or a pattern"));
    }
    Ok(calls)
}

/// The choice that the environment makes.
fn from_environment(js: Js<'_>) -> JsResult<Option<Choice<'_>>> {
    let process = js.get_named(js.global()?, "process")?;
    if js.type_of(process)? != Type::Object {
        return Ok(None);
    }
    let env = js.get_named(process, "env")?;
    if js.type_of(env)? != Type::Object {
        return Ok(None);
    }
    let value = js.get_named(env, VARIABLE)?;
    if js.type_of(value)? != Type::String {
        return Ok(None);
    }
    let to = match js.string_of(value)?.as_str() {
        "" | "0" | "false" => return Ok(None),
        "1" | "true" => To::Stderr,
        path => To::File(path.to_owned(), VARIABLE),
    };
    Ok(Some(Choice { to, selection: Selection::default() }))
}

/// Opens the file for a trace, behind what it has. Node's permission model must permit to change it.
pub fn open(js: Js<'_>, path: &str, option: &str) -> JsResult<File> {
    let absolute = require_path(js, &[Scope::Write], path)?;
    append_to(&absolute).map_err(|error| {
        let errno = error.into();
        errors::not_initialized(js, errno, &open_error(format!("can't open '{path}' for {option}"), errno))
    })
}

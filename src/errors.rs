//! Errors in Node's own words: class, code and message as Node's documentation of errors has them, so that a
//! test or a `catch` made for node:wasi's errors works with these.

pub mod closest;
#[cfg(feature = "class")]
pub mod functions;

use crate::builtins::{self, Builtin};
use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Thrown, Type, Value};
use std::fmt::Display;
use wasi_rs_core::abi::Errno;

/// The length of the longest string that is shown whole, as in Node: longer ones are cut to 25 units.
const MAX_SHOWN: usize = 28;

/// A message, in the units JavaScript has: a string that a user passed need not be a text.
#[derive(Debug, Default)]
struct Message(Vec<u16>);

impl Message {
    fn text(mut self, text: &str) -> Self {
        self.0.extend(text.encode_utf16());
        self
    }

    fn units(mut self, units: &[u16]) -> Self {
        self.0.extend_from_slice(units);
        self
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::default().text(&text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::default().text(text)
    }
}

/// The exception that making an error leads to: the error, or one that was thrown on the way.
fn thrown(make: impl FnOnce() -> JsResult<Thrown>) -> Thrown {
    make().unwrap_or_else(|thrown| thrown)
}

fn throw(js: Js<'_>, kind: ErrorKind, code: &str, message: impl Into<Message>) -> Thrown {
    let message = message.into();
    thrown(|| Ok(js.throw(js.error(kind, Some(code), js.string_of_units(&message.0)?)?)))
}

/// Throws an error as Node's own JavaScript makes them: the code stands in the stack and in the text of
/// `toString`.
fn throw_as_node(js: Js<'_>, kind: ErrorKind, code: &str, message: impl Into<Message>) -> Thrown {
    let message = message.into();
    thrown(|| {
        let error = js.error(kind, Some(code), js.string_of_units(&message.0)?)?;
        // The stack begins with the error's name as it is when the stack is first read.
        let name = js.coerce_to_string(js.get_named(error, "name")?)?;
        builtins::define_hidden(js, error, js.string("name")?, js.string(&format!("{name} [{code}]"))?)?;
        let constructor = js.get_named(js.global()?, "Error")?;
        let capture = js.get_named(constructor, "captureStackTrace")?;
        if js.type_of(capture)? == Type::Function {
            js.call(constructor, capture, &[error])?;
        }
        js.get_named(error, "stack")?;
        js.delete_named(error, "name")?;
        builtins::define_hidden(js, error, js.string("toString")?, js.function::<NodeErrorToString>(0)?)?;
        Ok(js.throw(error))
    })
}

/// Throws a TypeError as the engine makes them: without a code.
fn throw_type_error(js: Js<'_>, message: &str) -> Thrown {
    thrown(|| Ok(js.throw(js.error(ErrorKind::TypeError, None, js.string(message)?)?)))
}

/// `toString` of such an error.
struct NodeErrorToString;

impl Method for NodeErrorToString {
    const NAME: &'static str = "toString";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, error) = (call.js, call.this);
        let part = |name| js.units_of(js.to_string(js.get_named(error, name)?)?);
        let text = Message::default().units(&part("name")?).text(" [").units(&part("code")?).text("]: ");
        js.string_of_units(&text.units(&part("message")?).0)
    }
}

/// The engine's error for a property of nothing that is read.
pub fn no_properties(js: Js<'_>, property: &str) -> Thrown {
    let message = format!("Cannot read properties of undefined (reading '{property}')");
    throw_type_error(js, &message)
}

/// The engine's error for a property that can't be assigned.
pub fn read_only<'s>(js: Js<'s>, key: Value<'s>) -> Thrown {
    thrown(|| {
        let key = js.string_of(builtins::call(js, Builtin::String, &[key])?)?;
        Ok(throw_type_error(js, &format!("Cannot assign to read only property '{key}' of object '#<WASI>'")))
    })
}

/// The engine's error for a call of something else than a function.
pub fn not_a_function(js: Js<'_>, what: &str) -> Thrown {
    let message = format!("{what} is not a function");
    throw_type_error(js, &message)
}

/// `ERR_WASI_NOT_STARTED`: a syscall before `start()`, `initialize()` or `finalizeBindings()`.
pub fn not_started(js: Js<'_>) -> Thrown {
    throw(js, ErrorKind::Error, "ERR_WASI_NOT_STARTED", "wasi.start() has not been called")
}

/// `ERR_WASI_ALREADY_STARTED`: a second `start()`, `initialize()` or `finalizeBindings()`.
pub fn already_started(js: Js<'_>) -> Thrown {
    throw_as_node(js, ErrorKind::Error, "ERR_WASI_ALREADY_STARTED", "WASI instance has already started")
}

/// `ERR_INVALID_ARG_TYPE`: the guest's memory is something else.
pub fn not_a_memory(js: Js<'_>) -> Thrown {
    let message = "\"instance.exports.memory\" property must be a WebAssembly.Memory object";
    throw(js, ErrorKind::TypeError, "ERR_INVALID_ARG_TYPE", message)
}

/// The engine's error for a class that is called without `new`.
pub fn not_constructed(js: Js<'_>) -> Thrown {
    let message = "Class constructor WASI cannot be invoked without 'new'";
    throw_type_error(js, message)
}

/// `UVWASI_...`: something that a guest is to be started with can't be opened.
pub fn not_initialized(js: Js<'_>, errno: Errno, what: &str) -> Thrown {
    not_opened(js, errno.name(), f64::from(errno.number()), &format!("{what}: {}", errno.text()))
}

/// `UVWASI_...` for the errno of this name and number. Code and the start of the message are node:wasi's.
fn not_opened(js: Js<'_>, name: &str, number: f64, why: &str) -> Thrown {
    let code = format!("UVWASI_{name}");
    thrown(|| {
        let message = js.string(&format!("{code}, uvwasi_init: {why}"))?;
        let error = js.error(ErrorKind::Error, Some(&code), message)?;
        js.set_named(error, "errno", js.number(number)?)?;
        js.set_named(error, "syscall", js.string("uvwasi_init")?)?;
        Ok(js.throw(error))
    })
}

/// `ERR_ACCESS_DENIED`: the process lacks a permission, which `flag` grants; `resource` is a path or empty.
pub fn access_denied(js: Js<'_>, permission: &str, flag: &str, resource: &str) -> Thrown {
    let message = format!("Access to this API has been restricted. Use {flag} to manage permissions.");
    thrown(|| {
        let error = js.error(ErrorKind::Error, Some("ERR_ACCESS_DENIED"), js.string(&message)?)?;
        js.set_named(error, "permission", js.string(permission)?)?;
        js.set_named(error, "resource", js.string(resource)?)?;
        Ok(js.throw(error))
    })
}

/// `ERR_WASI_STDIO_MAXBUFFER`: a guest wrote more than is captured, as the option says.
pub fn too_much_output(js: Js<'_>, stream: &str, limit: impl Display, option: &str) -> Thrown {
    let message = format!(
        "the program wrote more than {limit} bytes to {stream}, which is captured: raise {option}, or \
         pass a function or a stream as options.{stream} to take any amount"
    );
    throw_as_node(js, ErrorKind::RangeError, "ERR_WASI_STDIO_MAXBUFFER", message)
}

/// `ERR_INVALID_RETURN_VALUE`: a function of the embedder's returned something else.
pub fn invalid_return_value(js: Js<'_>, name: &str, expected: &str, value: Value<'_>) -> Thrown {
    thrown(|| {
        let message =
            Message::from(format!("Expected {expected} to be returned from the \"{name}\" function but got "));
        let message = message.units(&received(js, value)?.0).text(".");
        Ok(throw_as_node(js, ErrorKind::TypeError, "ERR_INVALID_RETURN_VALUE", message))
    })
}

/// The requirement of an option.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// A type that `typeof` names.
    Type(&'a str),
    /// An array.
    Array,
    /// `undefined`.
    Undefined,
    /// One of several types, as the message names them.
    OneOf(&'a str),
}

/// The kind of an option, or a parameter, of this name.
fn kind_of(name: &str) -> &'static str {
    if name.contains('.') { "property" } else { "argument" }
}

/// `ERR_INVALID_ARG_TYPE`.
pub fn invalid_arg_type(js: Js<'_>, name: &str, expected: Expected<'_>, value: Value<'_>) -> Thrown {
    let must = match expected {
        Expected::Type(name) => format!("of type {name}"),
        Expected::Array => "an instance of Array".to_owned(),
        Expected::Undefined => "undefined".to_owned(),
        Expected::OneOf(types) => types.to_owned(),
    };
    let kind = kind_of(name);
    thrown(|| {
        let message = Message::from(format!("The \"{name}\" {kind} must be {must}. Received "));
        let message = message.units(&received(js, value)?.0);
        Ok(throw_as_node(js, ErrorKind::TypeError, "ERR_INVALID_ARG_TYPE", message))
    })
}

/// `ERR_INVALID_ARG_VALUE`.
pub fn invalid_arg_value(js: Js<'_>, name: &str, value: Value<'_>, reason: &str) -> Thrown {
    thrown(|| {
        let shown = cut(&inspect(js, value, None)?, 128, 128);
        let message = Message::from(format!("The {} '{name}' {reason}. Received ", kind_of(name))).units(&shown.0);
        Ok(throw_as_node(js, ErrorKind::TypeError, "ERR_INVALID_ARG_VALUE", message))
    })
}

/// `ERR_INVALID_ARG_VALUE` for a property of an object that has another name than the known ones.
pub fn unknown_property(js: Js<'_>, option: &str, name: &str, value: Value<'_>, known: &[&str]) -> Thrown {
    let reason = match closest::closest(name, known.iter().copied()) {
        Some(meant) => format!("is not known (did you mean '{meant}'?)"),
        None => {
            let names: Vec<_> = known.iter().map(|name| format!("'{name}'")).collect();
            format!("is not known: {option} may have {}", names.join(", "))
        }
    };
    invalid_arg_value(js, &format!("{option}.{name}"), value, &reason)
}

/// `ERR_INCOMPATIBLE_OPTION_PAIR`: options that contradict each other.
pub fn incompatible_options(js: Js<'_>, one: &str, other: &str) -> Thrown {
    let message = format!("Option \"{one}\" cannot be used in combination with option \"{other}\"");
    throw_as_node(js, ErrorKind::TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", message)
}

/// `ERR_OUT_OF_RANGE` for a number.
pub fn out_of_range(js: Js<'_>, name: &str, range: &str, value: Value<'_>, number: f64) -> Thrown {
    thrown(|| {
        let shown = shown_number(js, value, number)?;
        let is_big = number.is_finite() && number.trunc() == number && number.abs() > 2_f64.powi(32);
        let shown = if is_big { separated(&shown) } else { shown };
        let message = format!("The value of \"{name}\" is out of range. It must be {range}. Received {shown}");
        Ok(throw_as_node(js, ErrorKind::RangeError, "ERR_OUT_OF_RANGE", message))
    })
}

/// A number as JavaScript writes it, with -0.
fn shown_number(js: Js<'_>, value: Value<'_>, number: f64) -> JsResult<String> {
    if number == 0.0 && number.is_sign_negative() { Ok("-0".to_owned()) } else { js.coerce_to_string(value) }
}

/// Digits in groups of three: `8_589_934_592`.
fn separated(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    format!("{sign}{}", groups.join("_"))
}

/// The end of a message: a description of the value that came instead.
fn received<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Message> {
    Ok(match js.type_of(value)? {
        Type::Undefined => "undefined".into(),
        Type::Null => "null".into(),
        Type::Boolean => format!("type boolean ({})", js.coerce_to_string(value)?).into(),
        Type::Number => format!("type number ({})", shown_number(js, value, js.number_of(value)?)?).into(),
        Type::Bigint => format!("type bigint ({}n)", js.coerce_to_string(value)?).into(),
        Type::Symbol => {
            let text = builtins::call(js, Builtin::String, &[value])?;
            Message::from("type symbol (").units(&js.units_of(text)?).text(")")
        }
        Type::String => received_string(js, value)?,
        Type::Function => {
            let name = js.to_string(js.get_named(value, "name")?)?;
            Message::from("function ").units(&js.units_of(name)?)
        }
        Type::Object => received_object(js, value)?,
    })
}

fn received_string<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Message> {
    let shown = cut(&js.units_of(value)?, MAX_SHOWN, 25).0;
    if !shown.contains(&u16::from(b'\'')) {
        return Ok(Message::from("type string ('").units(&shown).text("')"));
    }
    let json = builtins::call(js, Builtin::JsonStringify, &[js.string_of_units(&shown)?])?;
    Ok(Message::from("type string (").units(&js.units_of(json)?).text(")"))
}

fn received_object<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Message> {
    let constructor = js.get_named(value, "constructor")?;
    if !matches!(js.type_of(constructor)?, Type::Undefined | Type::Null) {
        let name = js.get_named(constructor, "name")?;
        if js.type_of(name)? == Type::String {
            let name = js.units_of(name)?;
            if !name.is_empty() {
                return Ok(Message::from("an instance of ").units(&name));
            }
        }
    }
    Ok(Message::default().units(&inspect(js, value, Some(-1.0))?))
}

/// The text of `util.inspect`, to this depth.
fn inspect<'s>(js: Js<'s>, value: Value<'s>, depth: Option<f64>) -> JsResult<Vec<u16>> {
    let Some(util) = builtins::node_module(js, "util")? else {
        // Node before 20.16: near enough.
        let text = match js.type_of(value)? {
            Type::String => builtins::call(js, Builtin::JsonStringify, &[value])?,
            _ => js.string("[Object: null prototype] {}")?,
        };
        return js.units_of(text);
    };
    let options = js.object()?;
    if let Some(depth) = depth {
        js.set_named(options, "depth", js.number(depth)?)?;
    }
    js.units_of(js.call(util, js.get_named(util, "inspect")?, &[value, options])?)
}

/// Cut to `keep` units with dots behind, if it is longer than `most`.
fn cut(units: &[u16], most: usize, keep: usize) -> Message {
    match units.split_at_checked(keep) {
        Some((kept, _)) if units.len() > most => Message::default().units(kept).text("..."),
        _ => Message::default().units(units),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_text(text: &str, most: usize, keep: usize) -> String {
        String::from_utf16(&cut(&text.encode_utf16().collect::<Vec<_>>(), most, keep).0).unwrap()
    }

    #[test]
    fn long_strings_are_cut_as_javascript_counts() {
        assert_eq!(cut_text(&"a".repeat(28), MAX_SHOWN, 25), "a".repeat(28));
        assert_eq!(cut_text(&"a".repeat(29), MAX_SHOWN, 25), format!("{}...", "a".repeat(25)));
        assert_eq!(cut_text(&"🐎".repeat(15), MAX_SHOWN, 24), format!("{}...", "🐎".repeat(12)));
    }

    #[test]
    fn big_numbers_are_grouped() {
        assert_eq!(separated("8589934592"), "8_589_934_592");
        assert_eq!(separated("-123456789012"), "-123_456_789_012");
        assert_eq!(separated("1"), "1");
    }
}

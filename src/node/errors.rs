//! Errors in Node's own words: class, code and message as Node's documentation of errors has them, so that a test or
//! a `catch` which knows node:wasi's errors knows ours.

use super::ffi::{ErrorKind, Js, JsResult, Thrown, Type, Value};
use crate::abi::Errno;

/// How much of a string stands in a message, as in Node: longer ones are cut to 25 characters.
const MAX_SHOWN: usize = 28;

fn throw(js: Js<'_>, kind: ErrorKind, code: &str, message: &str) -> Thrown {
    match js.error(kind, code, message) {
        Ok(error) => js.throw(error),
        Err(thrown) => thrown,
    }
}

/// `ERR_WASI_NOT_STARTED`: a syscall before `start()`, `initialize()` or `finalizeBindings()`.
pub fn not_started(js: Js<'_>) -> Thrown {
    throw(
        js,
        ErrorKind::Error,
        "ERR_WASI_NOT_STARTED",
        "wasi.start() has not been called",
    )
}

/// `ERR_WASI_ALREADY_STARTED`: a second `start()`, `initialize()` or `finalizeBindings()`.
pub fn already_started(js: Js<'_>) -> Thrown {
    throw(
        js,
        ErrorKind::Error,
        "ERR_WASI_ALREADY_STARTED",
        "WASI instance has already started",
    )
}

/// The memory is something else.
pub fn not_a_memory(js: Js<'_>) -> Thrown {
    let message = "\"instance.exports.memory\" property must be a WebAssembly.Memory object";
    throw(js, ErrorKind::TypeError, "ERR_INVALID_ARG_TYPE", message)
}

/// A class without `new`.
pub fn not_constructed(js: Js<'_>) -> Thrown {
    let message = "Class constructor WASI cannot be invoked without 'new'";
    match js.error(ErrorKind::TypeError, "ERR_CONSTRUCT_CALL_REQUIRED", message) {
        Ok(error) => js.throw(error),
        Err(thrown) => thrown,
    }
}

/// A Rust panic, which is a mistake of this package.
pub fn panicked(js: Js<'_>, panic: &str) -> Thrown {
    let message = format!("wasi-rs panicked: {panic}. This is a bug in wasi-rs; the guest can't go on");
    throw(js, ErrorKind::Error, "ERR_WASI_RS_PANIC", &message)
}

/// What a guest should be started with can't be opened. Code and the start of the message are node:wasi's.
pub fn not_initialized(js: Js<'_>, errno: Errno, what: &str) -> Thrown {
    let code = format!("UVWASI_{}", errno.name());
    let make = || {
        let error = js.error(
            ErrorKind::Error,
            &code,
            &format!("{code}, uvwasi_init: {what}: {}", errno.text()),
        )?;
        js.set_named(error, "errno", js.number(f64::from(errno.number()))?)?;
        js.set_named(error, "syscall", js.string("uvwasi_init")?)?;
        Ok(js.throw(error))
    };
    make().unwrap_or_else(|thrown| thrown)
}

/// What an option must be.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Of a type that `typeof` tells.
    Type(&'static str),
    /// An array.
    Array,
    /// Nothing at all.
    Undefined,
}

/// `ERR_INVALID_ARG_TYPE`.
pub fn invalid_arg_type(js: Js<'_>, name: &str, expected: Expected, value: Value<'_>) -> Thrown {
    let must = match expected {
        Expected::Type(name) => format!("of type {name}"),
        Expected::Array => "an instance of Array".to_owned(),
        Expected::Undefined => "undefined".to_owned(),
    };
    let kind = if name.contains('.') { "property" } else { "argument" };
    match received(js, value) {
        Ok(received) => {
            let message = format!("The \"{name}\" {kind} must be {must}. Received {received}");
            throw(js, ErrorKind::TypeError, "ERR_INVALID_ARG_TYPE", &message)
        }
        Err(thrown) => thrown,
    }
}

/// `ERR_INVALID_ARG_VALUE` for a string.
pub fn invalid_arg_value(js: Js<'_>, name: &str, value: &str, reason: &str) -> Thrown {
    let message = format!(
        "The property '{name}' {reason}. Received {}",
        cut(&quoted(value), 128, 128)
    );
    throw(js, ErrorKind::TypeError, "ERR_INVALID_ARG_VALUE", &message)
}

/// `ERR_OUT_OF_RANGE` for a number.
pub fn out_of_range(js: Js<'_>, name: &str, range: &str, value: Value<'_>, number: f64) -> Thrown {
    let shown = match shown_number(js, value, number) {
        Ok(shown) if number.trunc() == number && number.abs() > 2_f64.powi(32) => separated(&shown),
        Ok(shown) => shown,
        Err(thrown) => return thrown,
    };
    let message = format!("The value of \"{name}\" is out of range. It must be {range}. Received {shown}");
    throw(js, ErrorKind::RangeError, "ERR_OUT_OF_RANGE", &message)
}

/// A number as JavaScript writes it, with -0.
fn shown_number(js: Js<'_>, value: Value<'_>, number: f64) -> JsResult<String> {
    if number == 0.0 && number.is_sign_negative() {
        Ok("-0".to_owned())
    } else {
        js.coerce_to_string(js.rescope(value))
    }
}

/// Digits in groups of three: `8_589_934_592`.
fn separated(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    format!("{sign}{}", groups.join("_"))
}

/// The end of a message: what came instead.
fn received(js: Js<'_>, value: Value<'_>) -> JsResult<String> {
    let value = js.rescope(value);
    Ok(match js.type_of(value)? {
        Type::Undefined => "undefined".to_owned(),
        Type::Null => "null".to_owned(),
        Type::Boolean => format!("type boolean ({})", js.coerce_to_string(value)?),
        Type::Number => format!("type number ({})", shown_number(js, value, js.number_of(value)?)?),
        Type::Bigint => format!("type bigint ({}n)", js.coerce_to_string(value)?),
        Type::Symbol => {
            let description = js.get_named(value, "description")?;
            let known = !js.is_undefined(description)?;
            format!(
                "type symbol (Symbol({}))",
                if known {
                    js.string_of(description)?
                } else {
                    String::new()
                }
            )
        }
        Type::String => {
            let text = cut(&js.string_of(value)?, MAX_SHOWN, 25);
            if text.contains('\'') {
                format!("type string ({})", json(&text))
            } else {
                format!("type string ('{text}')")
            }
        }
        Type::Function => format!("function {}", js.coerce_to_string(js.get_named(value, "name")?)?),
        Type::Object => received_object(js, value)?,
    })
}

fn received_object(js: Js<'_>, value: Value<'_>) -> JsResult<String> {
    let constructor = js.get_named(value, "constructor")?;
    if !matches!(js.type_of(constructor)?, Type::Undefined | Type::Null) {
        let name = js.get_named(constructor, "name")?;
        if js.type_of(name)? == Type::String {
            let name = js.string_of(name)?;
            if !name.is_empty() {
                return Ok(format!("an instance of {name}"));
            }
        }
    }
    inspect(js, value)
}

/// What `util.inspect` says of an object without a constructor.
fn inspect<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<String> {
    let process = js.get_named(js.global()?, "process")?;
    let get_builtin = js.get_named(process, "getBuiltinModule")?;
    if js.type_of(get_builtin)? != Type::Function {
        return Ok("[Object: null prototype] {}".to_owned());
    }
    let util = js.call(process, get_builtin, &[js.string("util")?])?;
    let options = js.object()?;
    js.set_named(options, "depth", js.number(-1.0)?)?;
    js.string_of(js.call(util, js.get_named(util, "inspect")?, &[value, options])?)
}

/// Cut to `keep` characters with dots behind, if it is longer than `most`; counted as JavaScript counts.
fn cut(text: &str, most: usize, keep: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    match units.split_at_checked(keep) {
        Some((kept, _)) if units.len() > most => format!("{}...", String::from_utf16_lossy(kept)),
        _ => text.to_owned(),
    }
}

/// A string as `util.inspect` shows it: in the first quotes that it does not hold itself.
fn quoted(text: &str) -> String {
    let quote = ['\'', '"', '`']
        .into_iter()
        .find(|quote| !text.contains(*quote))
        .unwrap_or('\'');
    let mut shown = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\u{8}' => shown.push_str("\\b"),
            '\u{c}' => shown.push_str("\\f"),
            '\u{b}' => shown.push_str("\\v"),
            '\\' => shown.push_str("\\\\"),
            control @ ('\0'..='\x1f' | '\x7f'..='\u{9f}') => shown.push_str(&format!("\\x{:02X}", u32::from(control))),
            same if same == quote => shown.extend(['\\', same]),
            other => shown.push(other),
        }
    }
    shown.push(quote);
    shown
}

/// A string as `JSON.stringify` writes it.
fn json(text: &str) -> String {
    let mut shown = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\u{8}' => shown.push_str("\\b"),
            '\u{c}' => shown.push_str("\\f"),
            control @ '\0'..='\x1f' => shown.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => shown.push(other),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_inspect_does() {
        for (text, shown) in [
            ("x\ny", r"'x\ny'"),
            ("it's", "\"it's\""),
            ("'\"", "`'\"`"),
            ("'\"`", "'\\'\"`'"),
            ("\u{1b}", r"'\x1B'"),
        ] {
            assert_eq!(quoted(text), shown);
        }
        assert_eq!(json("a'\"\u{1}"), "\"a'\\\"\\u0001\"");
    }

    #[test]
    fn long_strings_are_cut_as_javascript_counts() {
        assert_eq!(cut(&"a".repeat(28), MAX_SHOWN, 25), "a".repeat(28));
        assert_eq!(cut(&"a".repeat(29), MAX_SHOWN, 25), format!("{}...", "a".repeat(25)));
        assert_eq!(cut(&"🐎".repeat(15), MAX_SHOWN, 24), format!("{}...", "🐎".repeat(12)));
    }

    #[test]
    fn big_numbers_are_grouped() {
        assert_eq!(separated("8589934592"), "8_589_934_592");
        assert_eq!(separated("-123456789012"), "-123_456_789_012");
        assert_eq!(separated("1"), "1");
    }
}

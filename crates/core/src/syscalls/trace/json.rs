//! A call as a line of JSON, which JavaScript makes an object of:
//! `{ name, params, result, errno, nanoseconds }`.

use super::call::{Call, End, Field, Value};
use std::fmt::{self, Write as _};

/// The line, with its end.
pub fn line(call: &Call) -> String {
    let (results, errno) = match &call.end {
        End::Success(results) => (results.as_slice(), None),
        End::Failure(errno) => (Default::default(), Some(errno.name())),
        End::Never => (Default::default(), None),
    };
    let mut json = format!("{{\"name\":\"{}\",\"params\":", call.name);
    object(&mut json, &call.params);
    json.push_str(",\"result\":");
    object(&mut json, results);
    let errno = errno.map_or_else(|| "null".to_owned(), |name| format!("\"{name}\""));
    let _ = writeln!(json, ",\"errno\":{errno},\"nanoseconds\":{}}}", call.nanoseconds);
    json
}

fn object(json: &mut String, fields: &[Field]) {
    json.push('{');
    for (index, Field { name, value }) in fields.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        let _ = write!(json, "\"{name}\":");
        write_value(json, value);
        if let Value::Buffers { count, .. } = value {
            let _ = write!(json, ",\"{name}_len\":{count}");
        }
    }
    json.push('}');
}

fn write_value(json: &mut String, value: &Value) {
    let _ = match value {
        Value::Number(number) => write!(json, "{number}"),
        Value::Signed(number) => write!(json, "{number}"),
        Value::Address(address) => write!(json, "{address}"),
        Value::Word(word) => write_string(json, word),
        Value::Text(bytes) => write_string(json, &String::from_utf8_lossy(bytes)),
        Value::Flags { names, others, .. } => write_flags(json, names, *others),
        Value::Buffers { first, .. } => write_buffers(json, first),
    };
}

fn write_flags(json: &mut String, names: &[&str], others: u64) -> fmt::Result {
    json.push('[');
    for (index, name) in names.iter().enumerate() {
        write!(json, "{}\"{name}\"", if index > 0 { "," } else { "" })?;
    }
    if others != 0 {
        write!(json, "{}\"{others:#x}\"", if names.is_empty() { "" } else { "," })?;
    }
    json.write_str("]")
}

fn write_buffers(json: &mut String, first: &[(u32, u32)]) -> fmt::Result {
    json.push('[');
    for (index, (address, len)) in first.iter().enumerate() {
        write!(json, "{}{{\"buf\":{address},\"buf_len\":{len}}}", if index > 0 { "," } else { "" })?;
    }
    json.write_str("]")
}

fn write_string(json: &mut String, text: &str) -> fmt::Result {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            letter if letter.is_control() => write!(json, "\\u{:04x}", u32::from(letter))?,
            letter => json.push(letter),
        }
    }
    json.push('"');
    Ok(())
}

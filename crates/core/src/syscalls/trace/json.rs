//! A call as a line of JSON, which JavaScript makes an object of:
//! `{ name, params, result, errno, nanoseconds }`.

use super::call::{Call, End, Field, Value};
use std::fmt::Write as _;

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
        Value::Flags { names, others, .. } => {
            let known = names.iter().map(|name| format!("\"{name}\""));
            let other = (*others != 0).then(|| format!("\"{others:#x}\""));
            write!(json, "[{}]", known.chain(other).collect::<Vec<_>>().join(","))
        }
        Value::Buffers { first, .. } => {
            let shown = first.iter().map(|(address, len)| format!("{{\"buf\":{address},\"buf_len\":{len}}}"));
            write!(json, "[{}]", shown.collect::<Vec<_>>().join(","))
        }
    };
}

fn write_string(json: &mut String, text: &str) -> std::fmt::Result {
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

//! A call as a line for people, in the manner of `strace`.

use super::call::{Call, End, Field, Value};
use std::fmt::{self, Write as _};

/// The room that most lines take.
const USUAL: usize = 128;

/// The line, with its end.
pub fn line(call: &Call) -> String {
    let mut text = String::with_capacity(USUAL);
    text.push_str(call.name);
    for (index, Field { name, value }) in call.params.iter().enumerate() {
        text.push_str(if index > 0 { ", " } else { "(" });
        text.push_str(name);
        text.push_str(": ");
        show(&mut text, value);
    }
    text.push_str(if call.params.is_empty() { "()" } else { ")" });
    match &call.end {
        End::Never => {}
        End::Success(results) => {
            text.push_str(" = 0");
            for Field { name, value } in results {
                text.push_str(", ");
                text.push_str(name);
                text.push(' ');
                show(&mut text, value);
            }
        }
        End::Failure(errno) => {
            text.push_str(" = ");
            text.push_str(errno.name());
        }
    }
    text.push('\n');
    text
}

fn show(text: &mut String, value: &Value) {
    let _ = match value {
        Value::Number(number) => write!(text, "{number}"),
        Value::Signed(number) => write!(text, "{number}"),
        Value::Address(address) => write!(text, "{address:#x}"),
        Value::Word(word) => text.write_str(word),
        Value::Text(bytes) => quote(text, bytes),
        Value::Flags { is_all: true, .. } => text.write_str("ALL"),
        Value::Flags { names, others, .. } => flags(text, names, *others),
        Value::Buffers { first, count } => buffers(text, first, *count),
    };
}

fn flags(text: &mut String, names: &[&str], others: u64) -> fmt::Result {
    for (index, name) in names.iter().enumerate() {
        text.push_str(if index > 0 { "|" } else { "" });
        text.push_str(name);
    }
    match (names.is_empty(), others) {
        (true, 0) => text.write_str("0"),
        (false, 0) => Ok(()),
        (true, others) => write!(text, "{others:#x}"),
        (false, others) => write!(text, "|{others:#x}"),
    }
}

fn buffers(text: &mut String, first: &[(u32, u32)], count: u32) -> fmt::Result {
    text.push('[');
    for (index, (address, len)) in first.iter().enumerate() {
        write!(text, "{}({address:#x}, {len})", if index > 0 { ", " } else { "" })?;
    }
    if count as usize > first.len() {
        write!(text, "{}... of {count}", if first.is_empty() { "" } else { ", " })?;
    }
    text.write_str("]")
}

/// Bytes as text, with escapes for what is none or is not seen.
fn quote(text: &mut String, bytes: &[u8]) -> fmt::Result {
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().escape_debug());
        write!(text, "{}", chunk.invalid().escape_ascii())?;
    }
    text.write_str("\"")
}

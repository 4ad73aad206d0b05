//! A call as a line for people, in the manner of `strace`.

use super::call::{Call, End, Field, Value};
use std::fmt::Write as _;

/// The line, with its end.
pub fn line(call: &Call) -> String {
    let mut text = format!("{}(", call.name);
    for (index, Field { name, value }) in call.params.iter().enumerate() {
        let _ = write!(text, "{}{name}: {}", if index > 0 { ", " } else { "" }, shown(value));
    }
    text.push(')');
    match &call.end {
        End::Never => {}
        End::Success(results) => {
            text.push_str(" = 0");
            for Field { name, value } in results {
                let _ = write!(text, ", {name} {}", shown(value));
            }
        }
        End::Failure(errno) => {
            let _ = write!(text, " = {}", errno.name());
        }
    }
    text.push('\n');
    text
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Address(address) => format!("{address:#x}"),
        Value::Word(word) => word.clone(),
        Value::Text(bytes) => quoted(bytes),
        Value::Flags { names, others, is_all } => flags(names, *others, *is_all),
        Value::Buffers { first, count } => buffers(first, *count),
    }
}

fn flags(names: &[&str], others: u64, is_all: bool) -> String {
    if is_all {
        return "ALL".to_owned();
    }
    let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    if others != 0 {
        names.push(format!("{others:#x}"));
    }
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

fn buffers(first: &[(u32, u32)], count: u32) -> String {
    let mut shown: Vec<_> = first.iter().map(|(address, len)| format!("({address:#x}, {len})")).collect();
    if count as usize > first.len() {
        shown.push(format!("... of {count}"));
    }
    format!("[{}]", shown.join(", "))
}

/// Bytes as text, with escapes for what is none or is not seen.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().escape_debug());
        let _ = write!(text, "{}", chunk.invalid().escape_ascii());
    }
    text.push('"');
    text
}

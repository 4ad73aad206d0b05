//! Changes of a module, put into its bytes in place.

use crate::sections::slice;
use std::ops::Range;
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, BinaryReaderError};

/// Bytes that every module begins with.
pub const PREAMBLE: usize = 8;

/// A range of a module's bytes, and those to be put in its place: at least as many.
pub type Edit = (Range<usize>, Vec<u8>);

/// Makes the changes, which are inside of sections (their numbers, and where their contents are) or of the
/// byte that is a section's number, in any order.
pub fn apply(bytes: &mut Vec<u8>, sections: &[(u8, Range<usize>)], edits: Vec<Edit>) {
    put(bytes, &with_lengths(sections, edits));
}

/// The changes in order, with those of the lengths of the sections.
fn with_lengths(sections: &[(u8, Range<usize>)], mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut edits = edits.into_iter().peekable();
    let mut all = Vec::new();
    let mut before = PREAMBLE;
    for (_, range) in sections {
        let length = before + 1..range.start; // behind the section's number
        all.extend(edits.next_if(|(place, _)| *place == (before..before + 1)));
        before = range.end;
        let within: Vec<_> = std::iter::from_fn(|| edits.next_if(|(place, _)| place.end <= range.end)).collect();
        if !within.is_empty() {
            all.push(number_at(length, number(range.len() + growth(&within))));
            all.extend(within);
        }
    }
    all
}

/// The bytes by which the module grows.
fn growth(edits: &[Edit]) -> usize {
    edits.iter().map(|(range, content)| content.len() - range.len()).sum()
}

/// Puts them in, from the end on, so that nothing is moved twice: the bytes need not be copied as a whole.
fn put(bytes: &mut Vec<u8>, edits: &[Edit]) {
    let mut end = bytes.len();
    let mut to = end + growth(edits);
    bytes.resize(to, 0);
    for (range, content) in edits.iter().rev() {
        to -= end - range.end;
        bytes.copy_within(range.end..end, to);
        to -= content.len();
        bytes.iter_mut().skip(to).zip(content).for_each(|(byte, new)| *byte = *new);
        end = range.start;
    }
}

/// A number instead of the one that stands there, in as many bytes at least.
pub fn number_at(range: Range<usize>, number: u64) -> Edit {
    let mut content = encoded(number);
    while content.len() < range.len() {
        content.last_mut().into_iter().for_each(|last| *last |= 0x80);
        content.push(0);
    }
    (range, content)
}

/// The count that a section begins with, for one item more.
pub fn one_more(bytes: &[u8], section: &Range<usize>) -> Result<Edit, BinaryReaderError> {
    let mut reader = BinaryReader::new(slice(bytes, section.clone()), section.start);
    let count = reader.read_var_u32()?;
    Ok(number_at(section.start..reader.original_position(), u64::from(count) + 1))
}

/// A number as the binary format writes it.
pub fn encoded(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

/// A length or count.
pub const fn number(length: usize) -> u64 {
    length as u64
}

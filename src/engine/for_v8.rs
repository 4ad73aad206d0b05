//! A program as V8 gets it: one that can be ended in whatever it does, without what only debuggers look at.
//!
//! V8's baseline code looks for orders to stop where it enters a function; in a loop only when the loop has gone round so
//! often that the function is to be optimised, thousands of times. Where each round fills gigabytes, that is hours. So
//! before each instruction that may take long a function is called that does nothing: V8 looks as it enters.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

use super::sections::{CODE, CUSTOM, FUNCTION, TYPE, slice};
use memchr::memchr2_iter;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, BinaryReaderError, FunctionBody, Operator, OperatorsReader, Parser, Payload, TypeRef};

/// What every module begins with.
const PREAMBLE: usize = 8;

/// How the names begin of the custom sections that only debuggers look at.
const DEBUG: &[u8] = b".debug_";

/// So many sections are looked at, each with a call of its own, one after the other.
const MAX_SECTIONS: usize = 1000;

/// A section's number, length and name begin within so many bytes.
const PEEK: usize = 32;

/// What the instructions begin with that may take long: those of arrays, and those of memories and tables.
const OF_REFERENCES: u8 = 0xfb;
const OF_BULK: u8 = 0xfc;

const I32_CONST: u8 = 0x41;

/// So many bytes are filled or copied at once in next to no time.
const SHORT: i32 = 4096;

/// More instructions than V8 inlines: what is inlined is not entered.
const MAX_INLINED: usize = 4096;

/// `(func (param i32))`.
const CHECK_TYPE: [u8; 4] = [0x60, 1, 0x7f, 0];

/// What a program's file holds for V8. (V8 makes a copy of all it gets, and debug information is half of some files.)
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let size = metadata.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    if metadata.is_file() {
        for Range { start, end } in kept(&file, size)? {
            io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
            Read::by_ref(&mut file).take(end - start).read_to_end(&mut bytes)?;
        }
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Where in a file is what is not for debuggers only; all of it where it is no module.
fn kept(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut at = PREAMBLE as u64;
    let mut ranges: Vec<_> = std::iter::once(0..at.min(size)).collect();
    for left in (0..MAX_SECTIONS).rev() {
        if at >= size {
            break;
        }
        let mut head = [0; PEEK];
        let len = file.read_at(&mut head, at)?;
        // V8 says what is wrong with the rest.
        let section = header(head.get(..len).unwrap_or_default()).ok().filter(|_| left > 0);
        let (section, is_debug) = section.unwrap_or((size - at, false));
        let end = at.saturating_add(section).min(size);
        match ranges.last_mut() {
            _ if is_debug => {}
            Some(last) if last.end == at => last.end = end,
            _ => ranges.push(at..end),
        }
        at = end;
    }
    Ok(ranges)
}

/// How long the section is that begins so, and whether it is for debuggers only.
fn header(head: &[u8]) -> Result<(u64, bool), BinaryReaderError> {
    let mut reader = BinaryReader::new(head, 0);
    let id = reader.read_u8()?;
    let content = reader.read_var_u32()?;
    let len = reader.original_position() as u64 + u64::from(content);
    if id != CUSTOM {
        return Ok((len, false));
    }
    reader.read_var_u32()?; // the length of its name
    let name = reader.read_bytes(reader.bytes_remaining())?;
    Ok((len, name.starts_with(DEBUG)))
}

/// What a module is to have instead of some of its bytes; no less than that.
type Edit = (Range<usize>, Vec<u8>);

/// Makes of a module one that can be stopped between any two of its instructions that may take long. One that has none stays
/// as it is, and so does one that can't be read: V8 says why.
pub fn make_stoppable(bytes: &mut Vec<u8>) {
    if let Ok(edits) = edits(bytes) {
        apply(bytes, &edits);
    }
}

/// In order.
fn edits(bytes: &[u8]) -> Result<Vec<Edit>, BinaryReaderError> {
    let mut sections = Vec::new();
    let (mut types, mut functions) = (0, 0);
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        sections.extend(payload.as_section());
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    types += group?.types().len();
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    functions += usize::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::FunctionSection(section) => functions += section.count() as usize,
            // Instructions that are not known here are none that were there when this was written.
            Payload::CodeSectionEntry(body) => bodies.push((body.range(), long(bytes, &body).unwrap_or_default())),
            _ => {}
        }
    }
    if bodies.iter().all(|(_, places)| places.is_empty()) {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    let mut before = PREAMBLE;
    for (id, range) in sections {
        let length = before + 1..range.start; // behind the section's number
        before = range.end;
        let (edits, item) = match id {
            TYPE => (Vec::new(), CHECK_TYPE.to_vec()),
            FUNCTION => (Vec::new(), encoded(types)),
            CODE => (calls(bytes, &range, &bodies, functions)?, check(functions)),
            _ => continue,
        };
        let mut within = vec![one_more(bytes, &range)?];
        within.extend(edits);
        within.push((range.end..range.end, item));
        let more: usize = within.iter().map(|(range, content)| content.len() - range.len()).sum();
        all.push(number_at(length, range.len() + more));
        all.extend(within);
    }
    Ok(all)
}

/// Puts them in, from the end on, so that nothing is moved twice: the bytes need not be copied as a whole.
fn apply(bytes: &mut Vec<u8>, edits: &[Edit]) {
    let mut end = bytes.len();
    let more: usize = edits.iter().map(|(range, content)| content.len() - range.len()).sum();
    let mut to = end + more;
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
fn number_at(range: Range<usize>, number: usize) -> Edit {
    let mut content = encoded(number);
    while content.len() < range.len() {
        content.last_mut().into_iter().for_each(|last| *last |= 0x80);
        content.push(0);
    }
    (range, content)
}

/// The count that a section begins with, for one item more.
fn one_more(bytes: &[u8], section: &Range<usize>) -> Result<Edit, BinaryReaderError> {
    let mut reader = BinaryReader::new(slice(bytes, section.clone()), section.start);
    let count = reader.read_var_u32()? as usize;
    Ok(number_at(section.start..reader.original_position(), count + 1))
}

/// Where the instructions of a function are that may take long by themselves, as they go over memories, tables or arrays.
fn long(bytes: &[u8], body: &FunctionBody<'_>) -> Result<Vec<usize>, BinaryReaderError> {
    let mut places = Vec::new();
    let Range { start, end } = body.range();
    let Some(last) = seek_last(slice(bytes, start..end)) else {
        return Ok(places);
    };
    let mut at = body.get_binary_reader_for_operators()?.original_position();
    let mut constant = None;
    while at <= start + last {
        let rest = slice(bytes, at..end);
        if let Some(len) = plain(rest) {
            constant = (rest.first() == Some(&I32_CONST)).then_some(at + 1);
            at += len;
            continue;
        }
        let mut reader = OperatorsReader::new(BinaryReader::new(rest, at));
        let operator = reader.read()?;
        if is_long(&operator) && !is_short(&operator, constant.map(|at| slice(bytes, at..end))) {
            places.push(at);
        }
        constant = None;
        at = reader.original_position();
    }
    Ok(places)
}

/// Where in a function's code the last instruction stands that may take long, or what looks like one: most have none.
fn seek_last(code: &[u8]) -> Option<usize> {
    memchr2_iter(OF_REFERENCES, OF_BULK, code).rev().find(|&at| match (code.get(at), code.get(at + 1)) {
        // All of these are below 128, so the first byte has all of one, also where more follow that add nothing.
        (Some(&OF_REFERENCES), Some(second)) => matches!(second & 0x7f, 6 | 7 | 9 | 10 | 16..=19),
        (Some(_), Some(second)) => matches!(second & 0x7f, 8 | 10..=12 | 14 | 15 | 17),
        _ => false,
    })
}

/// How long the instruction is that stands there, if it is one of those that make up nearly all of a program. The others
/// are wasmparser's, which takes five times as long.
fn plain(code: &[u8]) -> Option<usize> {
    let (&opcode, rest) = code.split_first()?;
    let immediates = match opcode {
        0x00 | 0x01 | 0x05 | 0x0a | 0x0b | 0x0f | 0x19..=0x1b | 0x45..=0xc4 | 0xd1 => 0,
        // Of a block that takes nothing, the type is one byte.
        0x02..=0x04 | 0x06 if matches!(rest.first(), Some(0x40 | 0x7c..=0x7f)) => 1,
        0x07..=0x09 | 0x0c | 0x0d | 0x10 | 0x12 | 0x18 | 0x20..=0x26 | 0x3f..=0x42 | 0xd2 => integers(rest, 1)?,
        // Where it is in the first of several memories.
        0x28..=0x3e if rest.first().is_some_and(|flags| *flags < 0x40) => integers(rest, 2)?,
        0x11 | 0x13 => integers(rest, 2)?,
        0x43 => 4,
        0x44 => 8,
        _ => return None,
    };
    Some(1 + immediates)
}

/// How many bytes so many integers take.
fn integers(bytes: &[u8], count: usize) -> Option<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
    ends.map(|(at, _)| at + 1).nth(count - 1)
}

/// Whether an instruction may take long by itself.
fn is_long(operator: &Operator<'_>) -> bool {
    use Operator::{
        ArrayCopy, ArrayFill, ArrayInitData, ArrayInitElem, ArrayNew, ArrayNewData, ArrayNewDefault, ArrayNewElem,
        MemoryCopy, MemoryFill, MemoryInit, TableCopy, TableFill, TableGrow, TableInit,
    };
    matches!(
        operator,
        ArrayCopy { .. }
            | ArrayFill { .. }
            | ArrayInitData { .. }
            | ArrayInitElem { .. }
            | ArrayNew { .. }
            | ArrayNewData { .. }
            | ArrayNewDefault { .. }
            | ArrayNewElem { .. }
            | MemoryCopy { .. }
            | MemoryFill { .. }
            | MemoryInit { .. }
            | TableCopy { .. }
            | TableFill { .. }
            | TableGrow { .. }
            | TableInit { .. }
    )
}

/// Whether it goes over few bytes only: over as many as the constant says that stands before it.
fn is_short(operator: &Operator<'_>, constant: Option<&[u8]>) -> bool {
    use Operator::{MemoryCopy, MemoryFill, MemoryInit};
    let len = constant.and_then(|bytes| BinaryReader::new(bytes, 0).read_var_i32().ok());
    matches!(operator, MemoryCopy { .. } | MemoryFill { .. } | MemoryInit { .. })
        && len.is_some_and(|len| (0..=SHORT).contains(&len))
}

/// Calls of the function `check` before the instructions that may take long.
fn calls(
    bytes: &[u8],
    section: &Range<usize>,
    bodies: &[(Range<usize>, Vec<usize>)],
    check: usize,
) -> Result<Vec<Edit>, BinaryReaderError> {
    let mut call = vec![I32_CONST, 0, 0x10]; // i32.const 0, call
    check.encode(&mut call);
    let mut before = one_more(bytes, section)?.0.end;
    let mut edits = Vec::new();
    for (range, places) in bodies {
        if !places.is_empty() {
            edits.push(number_at(before..range.start, range.len() + places.len() * call.len()));
            edits.extend(places.iter().map(|&at| (at..at, call.clone())));
        }
        before = range.end;
    }
    Ok(edits)
}

/// `(if (local.get 0) (then (call $check (local.get 0))))`: always called with 0, but optimised code doesn't look for
/// orders where it enters a function that calls none. (The rest is `nop`, of which no code is made.)
fn check(index: usize) -> Vec<u8> {
    let mut body = vec![1; MAX_INLINED];
    body.insert(0, 0); // no locals
    body.extend([0x20, 0, 0x04, 0x40, 0x20, 0, 0x10]);
    index.encode(&mut body);
    body.extend([0x0b, 0x0b]);
    let mut function = Vec::new();
    body.encode(&mut function);
    function
}

fn encoded(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use wasmparser::Validator;

    const FILL: [u8; 3] = [OF_BULK, 11, 0];

    /// A module with one function of this code, which need not be valid.
    fn module(code: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        code.encode(&mut body);
        let mut bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
        [&[1][..], &body].concat().as_slice().encode(&mut bytes);
        bytes
    }

    /// Where in the code of the module's only function there are long instructions.
    fn places(code: &[u8]) -> Vec<usize> {
        let bytes = module(code);
        for payload in Parser::new(0).parse_all(&bytes) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                let start = body.range().start;
                return long(&bytes, &body).unwrap_or_default().into_iter().map(|at| at - start).collect();
            }
        }
        unreachable!("there is a function");
    }

    #[test]
    fn instructions_of_every_shape_are_passed() {
        let double = [0, 0, 0, 0, 0, 0xfc, 0x0b, 0];
        let lanes = [12, 0, 0, 0, 0, 1, 28, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0];
        let vector = [&double[..], &double].concat();
        let with = |head: &[u8], rest: &[u8]| [head, rest].concat();
        let instructions = [
            vec![0x02, 0x40],                                     // block
            vec![0x03, 0x7f],                                     // loop with a result
            vec![0x04, 0xfc, 0x0b],                               // if, of type 1532
            vec![0x06, 0x63, 0x70],                               // try with a reference
            vec![0x08, 0xfc, 0x0b],                               // throw
            vec![0x0c, 0xfc, 0x0b],                               // br
            vec![0x0e, 2, 0, 0xfc, 0x0b, 1],                      // br_table
            vec![0x10, 0xfc, 0x8b, 0],                            // call
            vec![0x11, 0xfc, 0x0b, 0],                            // call_indirect
            vec![0x14, 0xfc, 0x0b],                               // call_ref
            vec![0x1c, 1, 0x64, 0xfc, 0x0b],                      // select with a type
            vec![0x1f, 0x40, 3, 0, 0xfc, 0x0b, 0, 1, 5, 1, 3, 0], // try_table
            vec![0x28, 2, 0xfc, 0x0b],                            // i32.load
            vec![0x37, 0x43, 1, 0xfc, 0x0b],                      // i64.store in another memory
            vec![0x3f, 0xfc, 0x0b],                               // memory.size
            vec![0x41, 0xfc, 0x0b],                               // i32.const
            vec![0x42, 0xfc, 0x8b, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            vec![0x43, 0xfc, 0x0b, 0, 0], // f32.const
            with(&[0x44], &double),
            vec![0x6a],
            vec![0xc4],
            vec![0xd0, 0x70], // ref.null
            vec![0xd2, 0xfc, 0x0b],
            vec![0xd6, 0],
            vec![0xfb, 0, 0xfc, 0x0b], // struct.new
            vec![0xfb, 5, 0xfc, 0x0b, 0],
            vec![0xfb, 24, 3, 0xfc, 0x0b, 0x70, 0x71], // br_on_cast
            vec![0xfb, 28],
            vec![0xfc, 7],
            vec![0xfc, 9, 0xfc, 0x0b],
            vec![0xfc, 16, 0xfc, 0x0b],   // table.size
            vec![0xfd, 0, 4, 0xfc, 0x0b], // v128.load
            with(&[0xfd, 12], &vector),   // v128.const
            with(&[0xfd, 13], &lanes),    // i8x16.shuffle
            vec![0xfd, 21, 3],            // a lane
            vec![0xfd, 84, 0, 0xfc, 0x0b, 11],
            vec![0xfd, 92, 2, 0xfc, 0x0b],
            vec![0xfd, 0x93, 0x02],       // a relaxed one
            vec![0xfe, 1, 2, 0xfc, 0x0b], // memory.atomic.wait32
            vec![0xfe, 3, 0],
            vec![0xfe, 0x4e, 2, 0xfc, 0x0b],
        ];
        for instruction in instructions {
            let code = [&[2, 3, 0x7f, 0xfc, 0x0b, 0x63, 0x70][..], &instruction, &[0x01], &FILL, &[0x0b]].concat();
            assert_eq!(places(&code), [7 + instruction.len() + 1], "{instruction:x?}");
        }
    }

    #[test]
    fn what_goes_over_memories_arrays_and_tables_takes_long() {
        let of_one = |prefix, codes: &[u8]| codes.iter().map(|&code| vec![prefix, code, 0]).collect::<Vec<_>>();
        let of_two = |prefix, codes: &[u8]| codes.iter().map(|&code| vec![prefix, code, 0, 0]).collect::<Vec<_>>();
        let all = [
            of_one(OF_REFERENCES, &[6, 7, 16]),
            of_two(OF_REFERENCES, &[9, 10, 17, 18, 19]),
            of_one(OF_BULK, &[11, 15, 17]),
            of_two(OF_BULK, &[8, 10, 12, 14]),
            vec![vec![OF_BULK, 0x8b, 0x80, 0, 0x80, 0]], // numbers of more bytes than they take
        ];
        for instruction in all.concat() {
            let code = [&[0][..], &instruction, &[0x0b]].concat();
            assert_eq!(places(&code), [1], "{instruction:x?}");
        }
        assert!(places(&[0, 0xff, 0xfc, 11, 0, 0x0b]).is_empty(), "an instruction that nobody knows");
    }

    #[test]
    fn what_goes_over_a_few_bytes_does_not() {
        let after = |instructions: &[u8]| !places(&[&[0][..], instructions, &FILL, &[0x0b]].concat()).is_empty();
        assert!(!after(&[0x41, 5]));
        assert!(!after(&[0x41, 0x80, 0x20]), "4096");
        assert!(after(&[0x41, 0x81, 0x20]), "4097");
        assert!(after(&[0x41, 0x7f]), "-1, which is four gigabytes");
        assert!(after(&[0x41, 5, 0x01]), "something else in between");
        assert!(after(&[0x23, 0x41, 0x01]), "the number of a global, which looks like an instruction");
        assert!(after(&[0x42, 5]), "of a memory of 64 bits");
        assert!(!places(&[0, 0x41, 5, OF_BULK, 17, 0, 0x0b]).is_empty(), "elements of a table are not bytes");
    }

    #[test]
    fn a_module_stays_valid_and_has_a_call_before_each() {
        let fill = "(memory.fill (i32.const 0) (i32.const 1) (local.get 0))";
        let text = format!(
            r#"(module (type (func)) (rec (type (func (param i64))) (type (struct)))
              (import "a" "f" (func (param i64))) (import "a" "m" (memory 1)) (data "abc") (table 4 funcref)
              (func (export "_start") (local i32) {fill} (call 1) {fill}) (func) (elem func 1))"#
        );
        let bytes = wat::parse_str(text).unwrap();
        let mut rewritten = bytes;
        make_stoppable(&mut rewritten);
        Validator::new().validate_all(&rewritten).unwrap();
        let mut calls = Vec::new();
        for payload in Parser::new(0).parse_all(&rewritten) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                let operators = body.get_operators_reader().unwrap();
                let called = operators.into_iter().filter_map(|operator| match operator.unwrap() {
                    Operator::Call { function_index } => Some(function_index),
                    _ => None,
                });
                calls.push(called.collect::<Vec<_>>());
            }
        }
        assert_eq!(calls, [vec![3, 1, 3], vec![], vec![3]], "the last is the check, which calls itself");
    }

    #[test]
    fn numbers_may_be_longer_than_they_need_to_be() {
        let long = |number: u8| [number | 0x80, 0x80, 0x80, 0x80, 0];
        let code = [&[0, 0x41, 0, 0x41, 1, 0x41, 0x7f][..], &FILL, &[0x0b]].concat();
        let mut bytes = [
            &b"\0asm\x01\0\0\0\x01"[..],
            &long(8),
            &long(1),
            &[0x60, 0, 0, 3],
            &long(6),
            &long(1),
            &[0, 5, 3, 1, 0, 1, 10],
            &long(21),
            &long(1),
            &long(11),
            &code,
        ]
        .concat();
        Validator::new().validate_all(&bytes).unwrap();
        make_stoppable(&mut bytes);
        Validator::new().validate_all(&bytes).unwrap();
        assert!(bytes.windows(4).any(|four| four == [I32_CONST, 0, 0x10, 1]), "the call of the check");
    }

    #[test]
    fn what_has_none_or_is_no_module_is_left_as_it_is() {
        let module = wat::parse_str("(module (memory 1) (func (drop (i32.load (i32.const 0)))))").unwrap();
        for bytes in [&module[..], &module[..module.len() - 3], b"", b"\0asm", b"no module"] {
            let mut same = bytes.to_vec();
            make_stoppable(&mut same);
            assert!(same == bytes);
        }
    }

    #[test]
    fn debug_sections_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        let custom = |name: &str, len: usize| {
            let mut content = Vec::new();
            name.encode(&mut content);
            content.resize(content.len() + len, 7);
            let mut section = vec![CUSTOM];
            content.as_slice().encode(&mut section);
            section
        };
        let module = module(&[0, 0x0b]);
        let (name, debug) = (custom("name", 10), custom(".debug_str", 100_000));
        let long_name = custom(&format!(".debug_{}", "x".repeat(100)), 0);
        let of = |parts: &[&[u8]]| {
            fs::write(&file, parts.concat()).unwrap();
            read(&file).unwrap()
        };
        assert_eq!(of(&[&module]), module);
        assert_eq!(of(&[&module, &debug, &name, &long_name, &debug]), [&module[..], &name].concat());
        assert_eq!(of(&[&module, &debug[..50]]), module, "its end is beyond the file's");
        let many = name.repeat(MAX_SECTIONS);
        assert_eq!(of(&[&module, &many, &debug]), [&module[..], &many, &debug].concat());
        for other in [&b"no module, but long enough to look at it as if it were one"[..], b"short", b""] {
            assert_eq!(of(&[other]), other);
        }
        assert_eq!(read(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(read(folder.path()).is_err());
    }
}

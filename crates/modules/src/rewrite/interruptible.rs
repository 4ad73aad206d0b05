//! The rewriting by which a program can be ended in whatever it does.
//!
//! V8's baseline code looks for orders to stop where it enters a function; in a loop only when the loop has
//! gone round so often that the function is to be optimised, thousands of times. Where each round fills
//! gigabytes, that is hours. So before each instruction that may take long a function is called that does
//! nothing: V8 looks as it enters.
//!
//! Optimised code does not look either where it enters a function that calls none. A loop of baseline code,
//! which is never optimised while it runs, and which calls a large one of these, would take minutes too. So
//! the same is called where a large function begins.

use super::edit::{Edit, encoded, number, number_at, one_more};
use crate::cancellation::Cancellation;
use crate::error::ProgramError;
use crate::instructions::{Instructions, Straight};
use crate::outline::Outline;
use crate::sections::{CODE, FUNCTION, TYPE, slice};
use memchr::memchr2_iter;
use std::ops::Range;
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// The first bytes of instructions that may take long: of those on arrays, and of those on memories and
/// tables.
const OF_REFERENCES: u8 = 0xfb;
const OF_BULK: u8 = 0xfc;

const I32_CONST: u8 = 0x41;

/// Bytes that are filled or copied in next to no time.
const SHORT: i32 = 4096;

/// Bytes of an object that is made without a check.
const SMALL_OBJECT: u32 = 64;

/// The most such instructions of a module: each takes 100 bytes for the moment. (esbuild has 3000.)
const MAX_PLACES: usize = 1_000_000;

/// Bytes of a function that is over in next to no time, if it goes round no loop and calls none: 0.2 µs.
const SOON_OVER: usize = 1024;

/// The most bytes of a function whose nested blocks are not counted.
const LARGE: usize = 128 * 1024;

/// The most nested blocks of a large function. V8 takes 1 KB for each as it compiles.
const MAX_DEPTH: usize = 50_000;

/// More instructions than V8 inlines: what is inlined is not entered.
const MAX_INLINED: usize = 4096;

/// `(func (param i32))`.
const CHECK_TYPE: [u8; 4] = [0x60, 1, 0x7f, 0];

/// The edits by which a module can be stopped between any two of its instructions that may take long; none if
/// it has no such instructions.
pub fn edits(bytes: &[u8], outline: &Outline<'_>, cancellation: &Cancellation) -> Result<Vec<Edit>, ProgramError> {
    let bodies = slow_bodies(bytes, outline, cancellation)?;
    if bodies.is_empty() {
        return Ok(Vec::new());
    }
    let functions = outline.all_functions().count();
    let mut all = Vec::new();
    for (id, range) in &outline.sections {
        let item = match *id {
            TYPE => CHECK_TYPE.to_vec(),
            FUNCTION => encoded(number(outline.types.len())),
            CODE => {
                all.extend(calls(&bodies, functions));
                check(functions)
            }
            _ => continue,
        };
        all.push(one_more(bytes, range)?);
        all.push((range.end..range.end, item));
    }
    Ok(all)
}

/// A function with instructions that may take long.
struct Slow {
    /// The place of its length.
    length: Range<usize>,
    body: Range<usize>,
    /// The places of these instructions.
    places: Vec<usize>,
}

fn slow_bodies(bytes: &[u8], outline: &Outline<'_>, cancellation: &Cancellation) -> Result<Vec<Slow>, ProgramError> {
    let code =
        outline.sections.iter().find(|(id, _)| *id == CODE).map(|(_, range)| one_more(bytes, range)).transpose()?;
    let mut before = code.map_or(0, |(count, _)| count.end);
    let (mut slow, mut count) = (Vec::new(), 0);
    for one in &outline.bodies {
        cancellation.check()?;
        let (body, mut places) = (one.range(), long(bytes, one, &outline.objects)?);
        count += places.len();
        if count > MAX_PLACES {
            let wrong = format!("can't be run in V8: more than {MAX_PLACES} of its instructions may take long");
            return Err(ProgramError::Wrong(wrong));
        }
        if body.len() > SOON_OVER {
            places.insert(0, one.get_binary_reader_for_operators()?.original_position());
        }
        let end = body.end;
        if !places.is_empty() {
            slow.push(Slow { length: before..body.start, body, places });
        }
        before = end;
    }
    Ok(slow)
}

/// The places of a function's instructions that may take long by themselves, as they go over memories, tables
/// or arrays. An error if an unknown instruction comes before them.
fn long(bytes: &[u8], body: &FunctionBody<'_>, sizes: &[u32]) -> Result<Vec<usize>, ProgramError> {
    let mut places = Vec::new();
    let Range { start, end } = body.range();
    let last = if end - start > LARGE { Some(end - start - 1) } else { seek_last(slice(bytes, start..end)) };
    let Some(last) = last else {
        return Ok(places);
    };
    let (mut depth, mut constant) = (0_usize, None);
    let mut instructions = Instructions::of(body)?;
    loop {
        let mut rest = instructions.rest();
        while let Some(Straight { opcode, .. }) = instructions.straight() {
            constant = rest.get(1..).filter(|_| opcode == I32_CONST);
            rest = instructions.rest();
        }
        let at = instructions.position();
        if at > start + last {
            break;
        }
        let Some(operator) = instructions.operator()? else { break };
        depth = match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => depth + 1,
            Operator::End => depth.saturating_sub(1),
            _ => depth,
        };
        if depth > MAX_DEPTH {
            let wrong = format!("can't be run in V8: a function has more than {MAX_DEPTH} blocks in each other");
            return Err(ProgramError::Wrong(wrong));
        }
        if (is_long(&operator) || is_large(&operator, sizes)) && !is_short(&operator, constant) {
            places.push(at);
        }
        constant = None;
    }
    Ok(places)
}

/// The place of the last instruction in a function's code that may take long, or of bytes that look like one:
/// most have none.
fn seek_last(code: &[u8]) -> Option<usize> {
    memchr2_iter(OF_REFERENCES, OF_BULK, code).rev().find(|&at| match (code.get(at), code.get(at + 1)) {
        // All of these are below 128, so the first byte has all of one, also where more follow that add
        // nothing.
        (Some(&OF_REFERENCES), Some(second)) => matches!(second & 0x7f, 0 | 1 | 6..=10 | 16..=19),
        (Some(_), Some(second)) => matches!(second & 0x7f, 8 | 10..=12 | 14 | 15 | 17),
        _ => false,
    })
}

/// True if an instruction may take long by itself.
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

/// True if an instruction makes a large object: in a loop of baseline code many of these would go past the
/// limit of V8's heap before V8 checks it.
fn is_large(operator: &Operator<'_>, sizes: &[u32]) -> bool {
    let size = |ty: u32| usize::try_from(ty).ok().and_then(|ty| sizes.get(ty)).copied().unwrap_or(0);
    match *operator {
        Operator::StructNew { struct_type_index: ty } | Operator::StructNewDefault { struct_type_index: ty } => {
            size(ty) > SMALL_OBJECT
        }
        Operator::ArrayNewFixed { array_type_index: ty, array_size } => {
            size(ty).saturating_mul(array_size) > SMALL_OBJECT
        }
        _ => false,
    }
}

/// True if an instruction goes over few bytes only, by the constant that stands before it.
fn is_short(operator: &Operator<'_>, constant: Option<&[u8]>) -> bool {
    use Operator::{MemoryCopy, MemoryFill, MemoryInit};
    let len = constant.and_then(|bytes| BinaryReader::new(bytes, 0).read_var_i32().ok());
    matches!(operator, MemoryCopy { .. } | MemoryFill { .. } | MemoryInit { .. })
        && len.is_some_and(|len| (0..=SHORT).contains(&len))
}

/// Calls of the function `check` before the instructions that may take long.
fn calls(bodies: &[Slow], check: usize) -> Vec<Edit> {
    let mut call = vec![I32_CONST, 0, 0x10]; // i32.const 0, call
    check.encode(&mut call);
    let mut edits = Vec::new();
    for Slow { length, body, places } in bodies {
        edits.push(number_at(length.clone(), number(body.len() + places.len() * call.len())));
        edits.extend(places.iter().map(|&at| (at..at, call.clone())));
    }
    edits
}

/// `(if (local.get 0) (then (call $check (local.get 0))))`: always called with 0, but optimised code doesn't
/// look for orders where it enters a function that calls none. (The rest is `nop`, of which no code is made.)
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

#[cfg(test)]
mod tests {
    use super::super::edit::apply;
    use super::*;
    use wasmparser::{Parser, Payload, Validator};

    const FILL: [u8; 3] = [OF_BULK, 11, 0];

    /// A module with one function of this code, which need not be valid.
    fn module(code: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        code.encode(&mut body);
        let mut bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
        [&[1][..], &body].concat().as_slice().encode(&mut bytes);
        bytes
    }

    fn make_stoppable(bytes: &mut Vec<u8>) {
        let outline = Outline::read(bytes).unwrap();
        let (edits, sections) = (edits(bytes, &outline, &Cancellation::default()).unwrap(), outline.sections.clone());
        apply(bytes, &sections, edits);
    }

    /// The places of long instructions in the code of the module's only function.
    fn places(code: &[u8]) -> Vec<usize> {
        let bytes = module(code);
        for payload in Parser::new(0).parse_all(&bytes) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                let start = body.range().start;
                return long(&bytes, &body, &[]).unwrap().into_iter().map(|at| at - start).collect();
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
    fn instructions_over_memories_arrays_and_tables_take_long() {
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
    }

    #[test]
    fn unknown_instructions_are_refused() {
        let bytes = module(&[0, 0xff, 0xfc, 11, 0, 0x0b]);
        assert!(edits(&bytes, &Outline::read(&bytes).unwrap(), &Cancellation::default()).is_err());
    }

    #[test]
    fn blocks_may_not_be_in_each_other_too_often() {
        let with = |depth: usize| {
            let code = [[0x02, 0x40].repeat(depth), [0x01].repeat(LARGE), [0x0b].repeat(depth + 1)].concat();
            let bytes = module(&[&[0][..], &code].concat());
            edits(&bytes, &Outline::read(&bytes).unwrap(), &Cancellation::default()).is_ok()
        };
        assert!(with(MAX_DEPTH) && !with(MAX_DEPTH + 1));
    }

    #[test]
    fn they_may_not_be_too_many() {
        let with = |count: usize| {
            let bytes = module(&[&[0][..], &FILL.repeat(count), &[0x0b]].concat());
            edits(&bytes, &Outline::read(&bytes).unwrap(), &Cancellation::default()).is_ok()
        };
        assert!(with(MAX_PLACES) && !with(MAX_PLACES + 1));
    }

    #[test]
    fn instructions_over_a_few_bytes_do_not_take_long() {
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
    fn a_large_function_begins_with_a_call() {
        let bodies = |nops: usize| {
            let mut bytes = module(&[&[1, 1, 0x7f][..], &[1].repeat(nops), &FILL, &[0x0b]].concat());
            let before = bytes.len();
            make_stoppable(&mut bytes);
            (bytes.windows(4).filter(|four| four == &[I32_CONST, 0, 0x10, 1]).count(), bytes.len() > before)
        };
        let without = SOON_OVER - 3 - FILL.len() - 1;
        assert_eq!((bodies(without), bodies(without + 1)), ((1, true), (2, true)));
    }

    #[test]
    fn a_module_without_long_instructions_is_left_as_it_is() {
        let bytes = wat::parse_str("(module (memory 1) (func (drop (i32.load (i32.const 0)))))").unwrap();
        let mut same = bytes.clone();
        make_stoppable(&mut same);
        assert!(same == bytes);
    }
}

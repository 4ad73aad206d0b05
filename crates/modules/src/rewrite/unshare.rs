//! Memories that a program declares as shared, for wasmtime: none of them is, since a program has no thread
//! but its own. So the limiter is asked before one grows, and nothing is left behind by one that waits.
//!
//! `memory.atomic.wait32` and `wait64` trap on a memory that is not shared, and inside wasmtime nothing ends
//! them. They become calls of functions that are added to the module: these load the value as the instruction
//! does, with its traps, compare it, and have the host wait (`pause` of the runner). Nobody can wake it, so
//! `memory.atomic.notify` is right as it is: 0.
//!
//! The machine code can't tell any more which memories were shared, and is all that there is of a program
//! that is deserialized. So the module gets one more export, whose name tells it ([`declared`]).

pub use super::additions::NAMESPACE;

use super::additions::{self, Addition, Change, Signature};
use super::edit::{Edit, apply, encoded, one_more};
use crate::bounds::Bounds;
use crate::cancellation::Cancellation;
use crate::error::ProgramError;
use crate::outline::{Item, Outline};
use crate::sections::EXPORT;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use wasm_encoder::{BlockType, Encode, Function, Instruction, MemArg, ValType};
use wasmparser::{BinaryReaderError, ExternalKind, Operator};

/// The name of the function that waits.
pub const PAUSE: &str = "pause";

/// The beginning of the name of the export that tells which memories were declared as shared: behind it is 1
/// for each that was, among the imports and then the exports that are memories, and 0 for each other.
const SHARED: &str = "wasi-rs shared ";

/// The most memories that the name tells of. (A name has 100000 bytes at most.)
const MAX_TOLD: usize = 50_000;

const KIND_MEMORY: u8 = 2;

/// The memories that a module declared as shared, told by the name of an export that was added here: true for
/// each, first of the imports, then of the exports. None for the name of another export.
pub fn declared(export: &str) -> Option<impl Iterator<Item = bool>> {
    let told = export.strip_prefix(SHARED)?.trim_end_matches('\'');
    told.bytes().all(|digit| digit == b'0' || digit == b'1').then(|| told.bytes().map(|digit| digit == b'1'))
}

/// The edits that add this export; none if no memory that is imported or exported is shared.
fn told(bytes: &[u8], outline: &Outline<'_>, shared: &[(bool, bool)]) -> Result<Vec<Edit>, BinaryReaderError> {
    let is_shared = |index: usize| shared.get(index).is_some_and(|(is_shared, _)| *is_shared);
    let imported = outline.imports.iter().filter(|import| matches!(import.item, Item::Memory(_))).count();
    let exported = outline.exports.iter().filter(|export| export.kind == ExternalKind::Memory);
    let memories = (0..imported).chain(exported.map(|export| export.index as usize));
    let memories: Vec<_> = memories.take(MAX_TOLD + 1).collect();
    let first = memories.iter().find(|index| is_shared(**index));
    let section = outline.sections.iter().find(|(id, _)| *id == EXPORT).map(|(_, range)| range);
    let (Some(first), Some(section), 0..=MAX_TOLD) = (first, section, memories.len()) else {
        return Ok(Vec::new());
    };
    let digits = memories.iter().map(|index| if is_shared(*index) { '1' } else { '0' });
    let mut name: String = SHARED.chars().chain(digits).collect();
    let taken: HashSet<_> =
        outline.exports.iter().map(|export| export.name).filter(|taken| taken.starts_with(SHARED)).collect();
    while taken.contains(&name[..]) {
        name.push('\'');
    }
    let mut export = Vec::new();
    name.as_str().encode(&mut export);
    export.push(KIND_MEMORY);
    export.extend(encoded(*first as u64));
    Ok(vec![one_more(bytes, section)?, (section.end..section.end, export)])
}

/// The module of this outline with no memory shared.
pub fn unshare<'b>(
    bytes: &'b [u8],
    outline: &mut Outline<'_>,
    cancellation: &Cancellation,
) -> Result<Cow<'b, [u8]>, ProgramError> {
    let mut taken = outline.imports.iter().filter(|import| import.module == NAMESPACE).peekable();
    if taken.peek().is_some() {
        return Err(ProgramError::import(taken));
    }
    let shared: Vec<_> = outline.all_memories().map(|memory| (memory.is_shared(), memory.is_wide())).collect();
    if !shared.iter().any(|(is_shared, _)| *is_shared) {
        return Ok(Cow::Borrowed(bytes));
    }
    let waits = waits(outline, &shared, cancellation)?;
    let mut edits = told(bytes, outline, &shared)?;
    edits.extend(outline.all_memories().filter(|memory| memory.is_shared()).map(unshare_memory));
    let mut bytes = bytes.to_vec();
    apply(&mut bytes, &outline.sections.clone(), edits);
    if !waits.is_empty() {
        bytes = without_waits(&bytes, waits, shared, cancellation)?;
    }
    Ok(Cow::Owned(bytes))
}

fn unshare_memory(memory: &mut Bounds) -> Edit {
    let (place, flags) = memory.unshare();
    (place, vec![flags])
}

/// A kind of instruction that waits: each becomes a function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wait {
    value: Value,
    memory: u32,
    offset: u64,
    /// True if addresses have 64 bits.
    is_wide: bool,
}

/// The type of the value that is compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    I32,
    I64,
}

impl Wait {
    /// The instruction, if it is one on a memory that is declared as shared.
    fn of(operator: &Operator<'_>, memories: &[(bool, bool)]) -> Option<Self> {
        let (value, memarg) = match operator {
            Operator::MemoryAtomicWait32 { memarg } => (Value::I32, memarg),
            Operator::MemoryAtomicWait64 { memarg } => (Value::I64, memarg),
            _ => return None,
        };
        let &(is_shared, is_wide) = memories.get(usize::try_from(memarg.memory).ok()?)?;
        is_shared.then_some(Self { value, memory: memarg.memory, offset: memarg.offset, is_wide })
    }

    const fn expected(self) -> ValType {
        match self.value {
            Value::I32 => ValType::I32,
            Value::I64 => ValType::I64,
        }
    }

    const fn address(self) -> ValType {
        if self.is_wide { ValType::I64 } else { ValType::I32 }
    }

    /// The function: address, what is expected there, and nanoseconds, to 1 (something else is there) or 2
    /// (they are over).
    fn function(self, pause: u32) -> Function {
        let place = |align| MemArg { offset: self.offset, align, memory_index: self.memory };
        let mut function = Function::new([]);
        let mut code = function.instructions();
        code.local_get(0);
        match self.value {
            Value::I32 => code.i32_atomic_load(place(2)).local_get(1).i32_ne(),
            Value::I64 => code.i64_atomic_load(place(3)).local_get(1).i64_ne(),
        };
        code.if_(BlockType::Result(ValType::I32)).i32_const(1).else_().local_get(2);
        code.call(pause).end().end();
        function
    }
}

/// The kinds of instructions that wait, in order.
fn waits(
    outline: &Outline<'_>,
    memories: &[(bool, bool)],
    cancellation: &Cancellation,
) -> Result<Vec<Wait>, ProgramError> {
    let mut found = Vec::new();
    for body in &outline.bodies {
        cancellation.check()?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            found.extend(Wait::of(&operators.read()?, memories));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The module with calls instead of these instructions.
fn without_waits(
    bytes: &[u8],
    waits: Vec<Wait>,
    memories: Vec<(bool, bool)>,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, ProgramError> {
    let outline = cancellation.outline(bytes)?;
    additions::with(&Pauses { waits: waits.into_iter().zip(0..).collect(), memories }, bytes, &outline, cancellation)
}

/// The functions that wait.
struct Pauses {
    /// The instructions that are replaced, and the index of the added function that replaces each.
    waits: BTreeMap<Wait, u32>,
    /// For each memory: true if it was shared, and true if its addresses have 64 bits.
    memories: Vec<(bool, bool)>,
}

impl Addition for Pauses {
    fn import(&self) -> &'static str {
        PAUSE
    }

    fn signatures(&self) -> Vec<Signature> {
        let waits = self.waits.keys().map(|wait| (vec![wait.address(), wait.expected(), ValType::I64], ValType::I32));
        [(vec![ValType::I64], ValType::I32)].into_iter().chain(waits).collect()
    }

    fn functions(&self, import: u32) -> Vec<(u32, Function)> {
        (1..).zip(self.waits.keys().map(|wait| wait.function(import))).collect()
    }

    fn change<'a>(&self, operator: &Operator<'_>, first: u32) -> Change<'a> {
        let place = Wait::of(operator, &self.memories).and_then(|wait| self.waits.get(&wait));
        place.map_or(Change::None, |place| Change::Instead(Instruction::Call(first.saturating_add(*place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outline::kind_of;
    use wasmparser::Validator;

    fn unshared(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ProgramError> {
        let cancellation = Cancellation::default();
        unshare(bytes, &mut cancellation.outline(bytes)?, &cancellation)
    }

    fn rewritten(text: &str) -> Vec<u8> {
        let bytes = wat::parse_str(text).unwrap();
        let result = unshared(&bytes).unwrap().into_owned();
        Validator::new().validate_all(&result).unwrap();
        let mut outline = Outline::read(&result).unwrap();
        assert!(outline.all_memories().all(|memory| !memory.is_shared()), "{text}");
        assert_eq!(unshared(&bytes).unwrap(), result, "twice the same");
        if let Ok(again) = unshared(&result) {
            assert_eq!(again, result, "nothing is left to be done");
        }
        result
    }

    #[test]
    fn a_module_without_shared_memories_is_left_as_it_is_and_an_unreadable_one_refused() {
        let wait = "(func (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))))";
        for text in ["(module)".to_owned(), format!("(module (memory 1) {wait})"), "(module (memory i64 1))".to_owned()]
        {
            let bytes = wat::parse_str(&text).unwrap();
            assert_eq!(rewritten(&text), bytes);
        }
        for bytes in [&b""[..], b"\0asm", b"no module", b"\0asm\x0d\0\x01\0"] {
            assert!(matches!(unshared(bytes), Err(ProgramError::Uncompiled(_))));
        }
    }

    #[test]
    fn memories_get_the_flag_taken_off_and_keep_their_bounds() {
        let text = r#"(module (import "a" "m" (memory 1 5 shared)) (import "a" "n" (memory 2))
            (memory 3 300 shared) (memory 4) (func (drop (memory.grow 2 (i32.const 1)))))"#;
        let bytes = rewritten(text);
        assert_eq!(bytes.len(), wat::parse_str(text).unwrap().len(), "nothing else is changed");
        let mut outline = Outline::read(&bytes).unwrap();
        let bounds: Vec<_> = outline.all_memories().map(|memory| (memory.min, memory.max)).collect();
        assert_eq!(bounds, [(1, Some(5)), (2, None), (3, Some(300)), (4, None)]);
    }

    #[test]
    fn an_export_tells_which_memories_were_shared() {
        let text = r#"(module (import "a" "m" (memory 1 5)) (import "a" "n" (memory 2 3 shared)) (memory 3 300 shared)
            (memory 4) (func (export "wasi-rs shared 01010'")) (export "x" (memory 0)) (export "y" (memory 2))
            (export "z" (memory 3)) (func (export "wasi-rs shared 01010")))"#;
        let bytes = rewritten(text);
        let outline = Outline::read(&bytes).unwrap();
        let export = outline.exports.last().unwrap();
        assert_eq!((export.name, export.index), ("wasi-rs shared 01010''", 1));
        assert_eq!(declared(export.name).unwrap().collect::<Vec<_>>(), [false, true, false, true, false]);
        for other in ["memory", "wasi-rs shared 012", "wasi-rs start"] {
            assert!(declared(other).is_none());
        }
        let own = r#"(module (memory 1 1 shared) (memory 1) (export "memory" (memory 1)))"#;
        assert_eq!(Outline::read(&rewritten(own)).unwrap().exports.len(), 1, "the shared one is the module's own");
    }

    #[test]
    fn waits_become_calls_of_functions_one_for_each_kind() {
        let text = r#"(module
            (type $t (func)) (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (memory $m (export "memory") 1 2 shared) (memory $plain 1) (memory $wide i64 1 2 shared)
            (table 2 funcref) (elem (i32.const 0) $start $yield) (global funcref (ref.func $f)) (start $start)
            (func $start (drop (call $yield)))
            (func $f (export "f") (local i64)
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))
                (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const 0)))
                (drop (memory.atomic.wait32 offset=8 (i32.const 0) (i32.const 0) (i64.const 0)))
                (drop (memory.atomic.wait64 (i32.const 0) (i64.const 0) (i64.const 0)))
                (drop (memory.atomic.wait64 $wide (i64.const 0) (i64.const 0) (i64.const 0)))
                (drop (memory.atomic.wait32 $plain (i32.const 0) (i32.const 0) (i64.const 0)))
                (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
                (call $start) (call_indirect (type $t) (i32.const 0))))"#;
        let bytes = rewritten(text);
        let outline = Outline::read(&bytes).unwrap();
        assert_eq!(outline.imports.iter().map(|import| import.name).collect::<Vec<_>>(), ["sched_yield", PAUSE]);
        assert_eq!(outline.bodies.len(), 2 + 4);
        let waits = |body: &wasmparser::FunctionBody<'_>| {
            let operators = body.get_operators_reader().unwrap().into_iter();
            operators.filter(|operator| matches!(operator, Ok(Operator::MemoryAtomicWait32 { .. }))).count()
        };
        assert_eq!(outline.bodies.iter().map(waits).sum::<usize>(), 1, "that on the memory which is its own");
        let functions: Vec<_> = outline.exports.iter().filter(|export| kind_of(export) == "function").collect();
        assert_eq!(functions[0].index, 3);
    }

    #[test]
    fn a_module_that_imports_nothing_imports_then() {
        let wait = "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))";
        for text in [
            format!("(module (memory 1 1 shared) (func {wait}))"),
            format!(r#"(module (@custom "x" (after type) "y") (memory 1 1 shared) (func {wait}))"#),
        ] {
            let bytes = rewritten(&text);
            assert_eq!(Outline::read(&bytes).unwrap().imports.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_program_that_imports_the_waiting_function_is_refused() {
        let bytes = wat::parse_str(r#"(module (import "wasi-rs" "pause" (func (param i64) (result i32))))"#).unwrap();
        let Err(ProgramError::Import { shown, more: 0, .. }) = unshared(&bytes) else { panic!("it is refused") };
        assert_eq!(shown, ["wasi-rs.pause (function)"]);
    }

    #[test]
    fn bytes_that_are_changed_anywhere_make_no_panic() {
        let text = r#"(module (memory 1 2 shared) (func (export "f")
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))))"#;
        let whole = wat::parse_str(text).unwrap();
        for at in 0..whole.len() {
            for value in 0..=u8::MAX {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let Ok(result) = unshared(&bytes) else { continue };
                if Validator::new().validate_all(&bytes).is_ok() {
                    Validator::new().validate_all(&result).unwrap();
                }
            }
        }
    }
}

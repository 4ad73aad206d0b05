//! Garbage-collected objects of a program in V8: structs, arrays, exceptions. V8 keeps them in the heap of
//! the worker, which has a limit; a worker that comes to it is ended. But one array or table that is larger
//! than what V8 adds to the heap then (16 MiB) would end the process. So where an array is made that is not
//! small, the thread is asked before whether its heap has room; if not, V8 gets a length that it refuses, and
//! the program traps.

use super::additions::{self, Addition, Change, Signature};
use crate::cancellation::Cancellation;
use crate::error::ProgramError;
use crate::outline::{Outline, size_of};
use wasm_encoder::{BlockType, Function, Instruction, ValType};
use wasmparser::Operator;

/// The imported function that tells whether there is room: `worker.js` has it.
const FITS: &str = "fits";

/// Bytes of an array that is made without asking.
const SMALL: i32 = 64 * 1024;

/// The most elements that the tables may have together of a program that makes objects. V8 makes a new array
/// as a table grows, for which nobody can ask.
pub const MAX_TABLE_ELEMENTS: u64 = 1_000_000;

/// True if the program makes objects on V8's heap.
pub fn are_made(outline: &Outline<'_>) -> bool {
    let has_types = outline.objects.iter().any(|size| *size > 0);
    has_types || outline.has_tags
}

/// The program with a check before each array that it makes. An error if it imports the function that this
/// adds.
pub fn with_checks(bytes: &[u8], outline: &Outline<'_>, cancellation: &Cancellation) -> Result<Vec<u8>, ProgramError> {
    additions::with(&Checks { sizes: &outline.objects }, bytes, outline, cancellation)
}

/// The checks before arrays are made.
struct Checks<'o> {
    /// Sizes of the types: see [`Outline::objects`].
    sizes: &'o [u32],
}

impl Checks<'_> {
    /// Bytes of an element, for an instruction that makes an array whose length is on the stack.
    fn element(&self, operator: &Operator<'_>) -> Option<u32> {
        match *operator {
            Operator::ArrayNew { array_type_index: ty }
            | Operator::ArrayNewDefault { array_type_index: ty }
            | Operator::ArrayNewData { array_type_index: ty, .. }
            | Operator::ArrayNewElem { array_type_index: ty, .. } => Some(size_of(self.sizes, ty)),
            _ => None,
        }
    }
}

/// The function that gets the length of an array and the bytes of an element, and returns the length, or -1
/// where there is no room.
fn check(fits: u32) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(0).i32_const(SMALL).local_get(1).i32_div_u().i32_le_u();
    code.if_(BlockType::Result(ValType::I32)).local_get(0);
    code.else_().local_get(0).local_get(1).call(fits).end().end();
    function
}

impl Addition for Checks<'_> {
    fn import(&self) -> &'static str {
        FITS
    }

    fn signatures(&self) -> Vec<Signature> {
        vec![(vec![ValType::I32; 2], ValType::I32)]
    }

    fn functions(&self, import: u32) -> Vec<(u32, Function)> {
        vec![(0, check(import))]
    }

    fn change<'a>(&self, operator: &Operator<'_>, first: u32) -> Change<'a> {
        self.element(operator).map_or(Change::None, |element| {
            Change::Before([Instruction::I32Const(element.cast_signed()), Instruction::Call(first)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::Validator;

    fn outlined(text: &str) -> Vec<u8> {
        let bytes = wat::parse_str(text).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        bytes
    }

    #[test]
    fn a_program_makes_objects_if_it_has_types_of_them() {
        for (text, expected) in [
            ("(module (func (param i32)) (table 1 externref))", false),
            ("(module (type (struct)))", true),
            ("(module (type (array i8)))", true),
            ("(module (tag))", true),
        ] {
            assert_eq!(are_made(&Outline::read(&outlined(text)).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_call_stands_before_each_array_whose_length_is_not_known() {
        let text = r#"(module (type $a (array (mut i64))) (type $b (array (mut i8))) (type $f (array funcref))
            (import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32))) (elem $e func $y) (data $d "abc")
            (func (export "_start") (drop (call $y))
                (drop (array.new $a (i64.const 1) (i32.const 2))) (drop (array.new_default $a (i32.const 2)))
                (drop (array.new_data $b $d (i32.const 0) (i32.const 2)))
                (drop (array.new_elem $f $e (i32.const 0) (i32.const 1)))
                (drop (array.new_fixed $a 1 (i64.const 1))) (call $after))
            (func $after (drop (ref.func $after))) (elem declare func $after))"#;
        let bytes = outlined(text);
        let changed = with_checks(&bytes, &Outline::read(&bytes).unwrap(), &Cancellation::default()).unwrap();
        Validator::new().validate_all(&changed).unwrap();
        let outline = Outline::read(&changed).unwrap();
        assert_eq!(outline.imports.iter().map(|import| import.name).collect::<Vec<_>>(), ["sched_yield", FITS]);
        let operators = outline.bodies[0].get_operators_reader().unwrap().into_iter().map(Result::unwrap);
        let sizes: Vec<_> = operators
            .collect::<Vec<_>>()
            .windows(2)
            .filter_map(|pair| match pair {
                [Operator::I32Const { value }, Operator::Call { function_index: 4 }] => Some(*value),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [8, 8, 1, 8]);
    }

    #[test]
    fn objects_made_at_the_start_are_counted_before() {
        let bytes = outlined(
            "(module (type $s (struct (field i64) (field i8))) (type $a (array i16)) (global i32 (i32.const 5))
            (global (ref $s) (struct.new_default $s)) (global (ref $a) (array.new_default $a (i32.const 1000)))
            (global (ref $a) (array.new_fixed $a 2 (i32.const 1) (i32.const 2)))
            (elem (ref null $a) (item (array.new $a (i32.const 1) (i32.const 30)))))",
        );
        assert_eq!(Outline::read(&bytes).unwrap().at_first, 25 + 2000 + 4 + 60);
        let bytes = outlined(
            "(module (type $a (array i16)) (global $n i32 (i32.const 5))
            (global (ref $a) (array.new_default $a (global.get $n))))",
        );
        assert_eq!(Outline::read(&bytes).unwrap().at_first, u128::from(u32::MAX) * 2, "it may be any");
    }
}

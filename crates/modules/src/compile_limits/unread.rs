//! The size that a function may have, told from its length: few functions need to be read.

use super::function_limits::FunctionLimits;
use super::shape::{TABLE_WORK, locals};
use super::signatures::Signatures;
use memchr::memchr_iter;
use wasmparser::{BinaryReaderError, FunctionBody};

/// The most work of a byte, but for the values that it hands over: an instruction on a table has two bytes.
const WORK_OF_A_BYTE: u64 = TABLE_WORK.div_ceil(2) + 1;

/// The opcode of `ref.func`.
const REF_FUNC: u8 = 0xd2;

/// The most values that any function of a module hands over.
pub struct Handed {
    /// Its results.
    results: u64,
    /// Its parameters and results.
    all: u64,
}

impl Handed {
    pub fn most(signatures: &Signatures) -> Self {
        let most = |values: fn(&(u64, u64)) -> u64| signatures.types.iter().map(values).max().unwrap_or(0);
        Self { results: most(|(_, results)| *results), all: most(|(params, results)| params + results) }
    }
}

/// A function whose instructions have not been read.
pub struct Unread<'a> {
    code: &'a [u8],
    locals: u64,
}

impl<'a> Unread<'a> {
    /// The next function.
    pub fn next(signatures: &Signatures, body: &FunctionBody<'a>) -> Result<Self, BinaryReaderError> {
        Ok(Self { code: body.as_bytes(), locals: locals(signatures, body)? })
    }

    /// False if it is within these limits of V8, whatever its instructions are. V8 has none for variables
    /// alone, for loops in each other, and for globals. (It compiles no function that is not valid.)
    pub fn may_exceed(&self, limits: &FunctionLimits, handed: &Handed) -> bool {
        let bytes = self.length();
        // A loop takes three bytes with its end.
        let rounds = (bytes / 3).saturating_mul(bytes);
        bytes.saturating_mul(WORK_OF_A_BYTE.max(1 + handed.all)) > limits.work
            || self.code.len() / 2 > limits.depth
            || rounds > limits.rounds
            || self.has_more_values(limits.values, handed)
            || self.has_more_choices(limits.choices)
    }

    /// True if its variables and its stack may need more values at all its branches.
    ///
    /// Where functions have one result at most, a value that is put on the stack takes two bytes, and a
    /// branch takes one; only `ref.func` is a value and two branches in two bytes. So with `v` variables, the
    /// most is `(v + s) * b` where `2 * s + b` is the length, which is half of `(2 * v + 2 * s) * b`, whose
    /// factors have a known sum: the product is largest where they are equal. (Behind a jump, a block finds
    /// the values that it takes.)
    fn has_more_values(&self, most: u64, handed: &Handed) -> bool {
        let variables = self.locals + handed.all.max(2);
        let product = |length: u64| u128::from(length + 2 * variables).pow(2) / 8 * u128::from(handed.results.max(1));
        let is_more = |length| product(length) > most.into();
        let length = self.length();
        is_more(2 * length) && (handed.results > 1 || is_more(length + 2 * count(REF_FUNC, self.code)))
    }

    const fn length(&self) -> u64 {
        self.code.len() as u64
    }

    /// True if it may have more branches that are taken or not, and conversions that may trap.
    fn has_more_choices(&self, most: u64) -> bool {
        // Each takes two bytes with the value that it needs.
        self.length() / 2 > most && look_alikes(self.code) > most
    }
}

fn count(byte: u8, code: &[u8]) -> u64 {
    memchr_iter(byte, code).count() as u64
}

/// The bytes that look like such a branch or conversion.
fn look_alikes(code: &[u8]) -> u64 {
    // In pieces whose number fits into a byte, and without jumps: many bytes are looked at together then.
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(is_choice(*byte))).sum::<u8>();
    code.chunks(255).map(|piece| u64::from(count(piece))).sum()
}

/// True without jumps.
const fn is_choice(byte: u8) -> bool {
    // if, br_if, br_table, br_on_null, br_on_non_null and the prefix of br_on_cast
    let is_branch = (byte == 0x04) | (byte == 0x0d) | (byte == 0x0e) | (byte == 0xd5) | (byte == 0xd6) | (byte == 0xfb);
    let is_conversion = (byte.wrapping_sub(0xa8) < 4) | (byte.wrapping_sub(0xae) < 4);
    is_branch | is_conversion
}

#[cfg(test)]
mod tests {
    use super::super::function_limits::UNBOUNDED;
    use super::super::shape::Shape;
    use super::*;
    use crate::outline::Outline;
    use wasmparser::Validator;

    /// A size of a function, and the limits that have one for such sizes only.
    type Measure = (u64, fn(u64) -> FunctionLimits);

    /// Checks that each function of this module may exceed what is just below its size.
    fn check(items: &str) {
        let bytes =
            wat::parse_str(format!("(module (memory 1) (table $t 1 funcref) (elem declare func $f) {items})")).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        let mut signatures = Signatures::of_outline(&outline);
        let handed = Handed::most(&signatures);
        for body in &outline.bodies {
            let (unread, shape) = (Unread::next(&signatures, body).unwrap(), Shape::read(&signatures, body).unwrap());
            let sizes: [Measure; 5] = [
                (shape.work, |work| FunctionLimits { work, ..UNBOUNDED }),
                (shape.depth as u64, |depth| FunctionLimits { depth: usize::try_from(depth).unwrap(), ..UNBOUNDED }),
                (shape.values(), |values| FunctionLimits { values, ..UNBOUNDED }),
                (shape.choices, |choices| FunctionLimits { choices, ..UNBOUNDED }),
                (shape.all_loops * shape.steps, |rounds| FunctionLimits { rounds, ..UNBOUNDED }),
            ];
            for (measure, (size, limits)) in sizes.into_iter().enumerate().filter(|(_, (size, _))| *size > 0) {
                let may_exceed = unread.may_exceed(&limits(size - 1), &handed);
                assert!(may_exceed, "measure {measure} is {size} of {items:.200}");
            }
            assert!(!unread.may_exceed(&UNBOUNDED, &handed));
            signatures.bodies += 1;
        }
    }

    #[test]
    fn no_function_is_larger_than_it_may_be_by_its_length() {
        let function = |body: &str| format!("(func $f (local i32) {body})");
        for times in [1, 2, 10, 500] {
            let of = |one: &str| one.repeat(times);
            let types = "(type $in (func (param i32 i32 i32 i32))) (type $out (func (result i32 i32 i32)))";
            for body in [
                of("block end "),
                of("loop end "),
                of("local.get 0 if end "),
                of("unreachable if end "),
                of("unreachable if ") + &of("end "),
                of("block ") + &of("end "),
                of("loop (result i32) unreachable end ") + &of("drop "),
                of("block (result i32) unreachable end ") + &of("drop "),
                of("loop (result i32) ") + "i32.const 0 " + &of("end ") + "drop",
                of("local.get 0 ") + &of("block br 0 end ") + &of("drop "),
                format!("unreachable block (result i32) i32.const 0 i32.const 0 br_table {} end drop", of("0 ")),
                of("i32.const 1 ") + &format!("block i32.const 0 br_table {} end ", of("0 ")) + &of("drop "),
                of("ref.func $f ") + &of("drop "),
                of("ref.func $f drop "),
                of("i32.const 0 ref.func $f table.set $t "),
                of("i32.const 0 table.get $t drop "),
                format!("unreachable {}", of("table.get $t drop ")),
                of("i32.const 0 call_indirect "),
                of("f32.const 0 i32.trunc_f32_s drop "),
                format!("unreachable {}", of("i32.trunc_f32_s drop ")),
                of("call $f "),
                of("i32.const 0 memory.grow drop "),
            ] {
                check(&function(&body));
                // Types of many parameters and results make no difference, if nothing is of them.
                check(&(types.to_owned() + &function(&body)));
            }
            for body in [
                format!("unreachable {}", of("loop (type $in) unreachable end ")),
                "unreachable loop (type $in) drop drop drop drop end ".to_owned(),
                of("loop (type $out) unreachable end drop drop drop "),
                of("loop (type $out) unreachable end ") + &of("drop drop drop "),
                of("i32.const 0 call_indirect (type $out) ") + &of("drop drop drop "),
                format!("unreachable block (type $out) unreachable br_table {} end drop drop drop", of("0 ")),
            ] {
                check(&(types.to_owned() + &function(&body)));
            }
        }
    }

    #[test]
    fn functions_of_which_few_bytes_look_like_branches_have_few() {
        let unread = |code| Unread { code, locals: 0 };
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(256 * 100).collect();
        assert_eq!(look_alikes(&bytes), 14 * 100);
        assert!(unread(&bytes).has_more_choices(1399) && !unread(&bytes).has_more_choices(1400));
        assert_eq!(look_alikes(&[4; 1000]), 1000);
        assert!(!unread(&[4; 1000]).has_more_choices(500), "each takes two bytes");
    }
}

//! The size of one function, told from its instructions.

use super::function_limits::{FunctionLimits, INSTRUCTIONS, within};
use super::signatures::Signatures;
use crate::rewrite::interruptible::plain;
use crate::sections::slice;
use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, ContType, FrameKind, FuncType, FunctionBody, ModuleArity, Operator,
    OperatorsReader, RefType, SubType, TryTable,
};

/// The work of a call beside the values it hands over, also of one that wasmtime answers itself: its place
/// and its target are kept until the module is compiled.
const CALL_WORK: u64 = 4;

/// The work of an instruction on memory that is a call, with its checks.
const MEMORY_WORK: u64 = 10;

/// The work of an instruction on a table, or a call through one: 20 KB, for an element is made at its first
/// use.
const TABLE_WORK: u64 = 40;

/// The most work of a byte of a function beside the values it hands over: an instruction on a table has two
/// bytes.
const WORK_OF_A_BYTE: u64 = TABLE_WORK.div_ceil(2) + 1;

/// The opcodes of `global.get` and `global.set`.
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;

/// Conversions of floats to integers that trap where there is none.
const TRUNC_32_FIRST: u8 = 0xa8;
const TRUNC_32_LAST: u8 = 0xab;
const TRUNC_64_FIRST: u8 = 0xae;
const TRUNC_64_LAST: u8 = 0xb1;

/// Bytes of a function that can have few branches and loops only: a branch that is taken or not takes two.
const SMALL: usize = 4_000;

/// The size of a function, by each measure.
#[derive(Default)]
pub struct Shape {
    pub work: u64,
    /// Its instructions.
    pub steps: u64,
    /// Globals that it may read and change.
    pub places: u64,
    pub locals: u64,
    /// The most values on its stack.
    pub height: u64,
    pub branches: u64,
    /// Those that are taken or not, and conversions that may trap.
    pub choices: u64,
    pub depth: usize,
    /// Loops in each other.
    pub loops: usize,
    /// Loops in all.
    pub all_loops: u64,
}

/// A block that has not ended yet.
struct Label {
    is_loop: bool,
    /// The values that a jump to it hands over.
    values: u64,
    /// The most values on the stack when it has ended, or its other half begins.
    height: u64,
}

impl Shape {
    pub fn read(signatures: &Signatures, body: &FunctionBody<'_>) -> Result<Self, BinaryReaderError> {
        let mut shape = Self { locals: locals(signatures, body)?, ..Self::default() };
        let (_, results) = signatures.of_function(signatures.next());
        let mut labels = vec![Label { is_loop: false, values: results, height: results }];
        let (mut loops, mut height) = (0, 0_u64);
        let start = body.range().start;
        let mut at = body.get_binary_reader_for_operators()?.original_position();
        while at < body.range().end {
            let rest = slice(body.as_bytes(), at - start..body.range().len());
            if let Some((len, taken, given)) = straight(rest) {
                height = height.saturating_sub(taken) + given;
                shape.work += 1;
                shape.steps += 1;
                shape.places += u64::from(matches!(rest, [GLOBAL_GET | GLOBAL_SET, ..]));
                shape.choices +=
                    u64::from(matches!(rest, [TRUNC_32_FIRST..=TRUNC_32_LAST | TRUNC_64_FIRST..=TRUNC_64_LAST, ..]));
                shape.height = shape.height.max(height);
                at += len;
                continue;
            }
            let (operator, len) = if let Some(found) = between_blocks(rest) {
                found
            } else {
                let mut reader = OperatorsReader::new(BinaryReader::new(rest, 0));
                (reader.read()?, reader.original_position())
            };
            at += len;
            let (branches, values) = branches_and_values(signatures, &labels, &operator)?;
            shape.branches += branches;
            shape.work += 1 + values;
            shape.steps += 1;
            shape.places += u64::from(matches!(operator, Operator::GlobalGet { .. } | Operator::GlobalSet { .. }));
            shape.choices += u64::from(is_choice(&operator));
            height = after(signatures, &labels, height, &operator);
            shape.height = shape.height.max(height);
            match operator {
                Operator::Block { blockty }
                | Operator::If { blockty }
                | Operator::Try { blockty }
                | Operator::TryTable { try_table: TryTable { ty: blockty, .. } } => {
                    let (params, results) = signatures.of_block(blockty);
                    let base = height.saturating_sub(params);
                    labels.push(Label { is_loop: false, values: results, height: base + params.max(results) });
                }
                Operator::Loop { blockty } => {
                    let (params, results) = signatures.of_block(blockty);
                    let base = height.saturating_sub(params);
                    labels.push(Label { is_loop: true, values: params, height: base + params.max(results) });
                    loops += 1;
                    shape.all_loops += 1;
                }
                Operator::End | Operator::Delegate { .. } => {
                    loops -= usize::from(labels.pop().is_some_and(|label| label.is_loop))
                }
                _ => continue,
            }
            shape.depth = shape.depth.max(labels.len());
            shape.loops = shape.loops.max(loops);
        }
        shape.places = shape.places.min(signatures.globals);
        Ok(shape)
    }

    /// No less than what is read of a function, by its length: few need to be read. `results` and
    /// `handed_over` are the most values that a call gives, or gives and takes.
    pub fn most(
        signatures: &Signatures,
        body: &FunctionBody<'_>,
        results: u64,
        handed_over: u64,
    ) -> Result<Self, BinaryReaderError> {
        let length = body.range().len();
        let bytes = length as u64;
        let (choices, all_loops) = if length > SMALL { look_alikes(body.as_bytes()) } else { (0, 0) };
        Ok(Self {
            work: bytes.saturating_mul(WORK_OF_A_BYTE + handed_over),
            locals: locals(signatures, body)?,
            // An instruction that puts values there takes two bytes, or more.
            height: (bytes / 2).saturating_mul(results.max(1)),
            branches: bytes,
            choices,
            depth: length / 2,
            loops: length / 2,
            all_loops,
            steps: bytes,
            places: 0,
        })
    }

    pub fn check(&self, who: &str, limits: &FunctionLimits) -> Result<(), String> {
        within(who, self.work, limits.work, INSTRUCTIONS)?;
        within(who, self.locals + self.height, limits.locals, "variables and values on its stack")?;
        within(who, self.depth, limits.depth, "blocks in each other")?;
        within(who, self.loops, limits.loops, "loops in each other")?;
        within(who, self.values(), limits.values, "variables and values on its stack times branches")?;
        within(who, self.places.saturating_mul(self.steps), limits.places, "globals times instructions")?;
        within(who, self.choices, limits.choices, "branches that are taken or not")?;
        within(who, self.all_loops.saturating_mul(self.steps), limits.rounds, "loops times instructions")
    }

    /// Values that its variables and its stack may need, at all its branches.
    pub const fn values(&self) -> u64 {
        (self.locals + self.height).saturating_mul(self.branches)
    }
}

/// The length of an instruction, and the numbers of values it takes and gives, if it is one of those that
/// make up most of a program and neither branch nor hand values over. (wasmparser takes four times as long.)
fn straight(code: &[u8]) -> Option<(usize, u64, u64)> {
    let (taken, given) = match *code.first()? {
        0x20 | GLOBAL_GET | 0x41..=0x44 => (0, 1),
        0x1a | 0x21 | GLOBAL_SET => (1, 0),
        0x22 | 0x28..=0x35 | 0x45 | 0x50 | 0x67..=0x69 | 0x79..=0x7b | 0x8b..=0x91 | 0x99..=0x9f | 0xa7..=0xc4 => {
            (1, 1)
        }
        0x36..=0x3e => (2, 0),
        0x46..=0xa6 => (2, 1),
        _ => return None,
    };
    Some((plain(code)?, taken, given))
}

/// Tells whether it is a branch that is taken or not.
const fn is_choice(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::If { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
    )
}

/// The most branches that are taken or not, and conversions that may trap, in these bytes of a function; and
/// the most loops.
fn look_alikes(code: &[u8]) -> (u64, u64) {
    let is_choice = |byte: u8| {
        matches!(
            byte,
            0x04 | 0x0d | 0x0e | 0xd5 | 0xd6 | 0xfb | TRUNC_32_FIRST..=TRUNC_32_LAST | TRUNC_64_FIRST..=TRUNC_64_LAST
        )
    };
    let choices = code.iter().filter(|&&byte| is_choice(byte)).count();
    let loops = code.iter().filter(|&&byte| byte == 0x03).count();
    (choices as u64, loops as u64)
}

/// An instruction that ends a block, or its first half, and its length. wasmparser reads these only behind
/// the beginnings of their blocks.
fn between_blocks(code: &[u8]) -> Option<(Operator<'_>, usize)> {
    let operator = match code.first()? {
        0x05 => Operator::Else,
        0x07 => Operator::Catch { tag_index: 0 },
        0x0b => Operator::End,
        0x18 => Operator::Delegate { relative_depth: 0 },
        0x19 => Operator::CatchAll,
        _ => return None,
    };
    Some((operator, plain(code)?))
}

/// The variables of the next function, its parameters among them.
fn locals(signatures: &Signatures, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let (mut locals, _) = signatures.of_function(signatures.next());
    for group in body.get_locals_reader()? {
        locals += u64::from(group?.0);
    }
    Ok(locals)
}

/// The values on the stack behind an instruction, where `height` were before it. Behind a jump nothing is
/// known, and nothing runs.
fn after(signatures: &Signatures, labels: &[Label], height: u64, operator: &Operator<'_>) -> u64 {
    let (taken, given) = match operator {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::Try { .. } | Operator::TryTable { .. } => (0, 0),
        Operator::If { .. } => (1, 0),
        // With what its type takes, or gives: whichever is more.
        Operator::Else | Operator::End | Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } => {
            return labels.last().map_or(0, |label| label.height);
        }
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            signatures.of_function(*function_index)
        }
        Operator::CallIndirect { type_index, .. } => {
            let (params, results) = signatures.of_type(*type_index);
            (params + 1, results)
        }
        Operator::BrIf { .. } | Operator::BrTable { .. } => (1, 0),
        other => other.operator_arity(&Nothing).map_or((0, 0), |(taken, given)| (taken.into(), given.into())),
    };
    height.saturating_sub(taken) + given
}

/// A module of which wasmparser is told nothing: it is asked only about instructions that always take and
/// give the same.
struct Nothing;

impl ModuleArity for Nothing {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}

/// The numbers of branches that an instruction makes, and of values that it hands over.
fn branches_and_values(
    signatures: &Signatures,
    labels: &[Label],
    operator: &Operator<'_>,
) -> Result<(u64, u64), BinaryReaderError> {
    let values_of = |depth: u32| {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        labels.iter().nth_back(depth).map_or(0, |label| label.values)
    };
    let of = |(params, results): (u64, u64)| params + results;
    Ok(match operator {
        Operator::Block { blockty } | Operator::Try { blockty } => (1, of(signatures.of_block(*blockty))),
        Operator::Loop { blockty } => (2, of(signatures.of_block(*blockty))),
        Operator::If { blockty } => (3, of(signatures.of_block(*blockty))),
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => (1, values_of(*relative_depth)),
        Operator::BrOnNull { relative_depth }
        | Operator::BrOnNonNull { relative_depth }
        | Operator::BrOnCast { relative_depth, .. }
        | Operator::BrOnCastFail { relative_depth, .. } => (1, values_of(*relative_depth)),
        Operator::BrTable { targets } => {
            let mut values = values_of(targets.default());
            for target in targets.targets() {
                values += 1 + values_of(target?);
            }
            (u64::from(targets.len()) + 1, values)
        }
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            (0, CALL_WORK + of(signatures.of_function(*function_index)))
        }
        Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
            (2, TABLE_WORK + of(signatures.of_type(*type_index)))
        }
        Operator::CallRef { type_index } | Operator::ReturnCallRef { type_index } => {
            (2, CALL_WORK + of(signatures.of_type(*type_index)))
        }
        Operator::TableGet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => (2, TABLE_WORK),
        Operator::MemoryGrow { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryInit { .. }
        | Operator::MemoryAtomicWait32 { .. }
        | Operator::MemoryAtomicWait64 { .. }
        | Operator::MemoryAtomicNotify { .. } => (2, MEMORY_WORK),
        Operator::TableSet { .. }
        | Operator::RefFunc { .. }
        | Operator::DataDrop { .. }
        | Operator::ElemDrop { .. } => (2, CALL_WORK),
        Operator::Return => (0, labels.first().map_or(0, |label| label.values)),
        _ => (0, 0),
    })
}

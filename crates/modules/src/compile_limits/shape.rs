//! The size of one function, told from its instructions.

use super::function_limits::{FunctionLimits, INSTRUCTIONS, within};
use super::signatures::Signatures;
use crate::instructions::{Instructions, Straight};
use wasmparser::{
    BinaryReaderError, BlockType, ContType, FrameKind, FuncType, FunctionBody, ModuleArity, Operator, RefType, SubType,
    TryTable,
};

/// The work of a call beside the values it hands over, also of one that wasmtime answers itself: its place
/// and its target are kept until the module is compiled.
const CALL_WORK: u64 = 4;

/// The work of an instruction on memory that is a call, with its checks.
const MEMORY_WORK: u64 = 10;

/// The work of an instruction on a table, or a call through one: 20 KB, for an element is made at its first
/// use.
pub const TABLE_WORK: u64 = 40;

/// The opcodes of `global.get` and `global.set`.
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;

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
        let mut instructions = Instructions::of(body)?;
        loop {
            while let Some(Straight { opcode, taken, given, .. }) = instructions.straight() {
                shape.steps += 1;
                shape.places += u64::from(matches!(opcode, GLOBAL_GET | GLOBAL_SET));
                shape.choices += u64::from(may_trap(opcode));
                height = height.saturating_sub(taken.into()) + u64::from(given);
                shape.height = shape.height.max(height);
            }
            let Some(operator) = instructions.operator()? else { break };
            shape.steps += 1;
            let (branches, values) = branches_and_values(signatures, &labels, &operator)?;
            shape.branches += branches;
            shape.work += values;
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
        shape.work += shape.steps;
        shape.places = shape.places.min(signatures.globals);
        Ok(shape)
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

/// True for conversions of floats to integers, which trap where there is none.
const fn may_trap(opcode: u8) -> bool {
    matches!(opcode, 0xa8..=0xab | 0xae..=0xb1)
}

/// The variables of the next function, its parameters among them.
pub fn locals(signatures: &Signatures, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
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
        Operator::Br { .. } | Operator::Return | Operator::Unreachable => (0, 0),
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

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::BinaryReader;

    #[test]
    fn straight_instructions_take_and_give_as_many_values_as_wasmparser_says_and_hand_none_over() {
        let mut count = 0;
        for opcode in 0..=u8::MAX {
            let code = [&[0, opcode], &[0; 8][..]].concat();
            let body = FunctionBody::new(BinaryReader::new(&code, 0));
            let Some(straight) = Instructions::of(&body).unwrap().straight() else { continue };
            let operator = body.get_operators_reader().unwrap().read().unwrap();
            let (taken, given) = operator.operator_arity(&Nothing).unwrap();
            assert_eq!((straight.taken.into(), straight.given.into()), (taken, given), "{operator:?}");
            assert_eq!(branches_and_values(&Signatures::default(), &[], &operator).unwrap(), (0, 0));
            assert!(!is_choice(&operator) && straight.opcode == opcode);
            count += 1;
        }
        assert_eq!(count, 163);
    }
}

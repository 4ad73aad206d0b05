//! What each engine is given to compile at most, so that one compilation is a matter of minutes. For Cranelift that is
//! 1.5 GB, and 200 MB for each thread; for one function in V8, 100 MB of what docs/limits.md allows, and 600 MB while it is
//! optimised.
//!
//! Both take time and memory in proportion to most of what a module has, and more than that for some. So there are bounds,
//! each several times what the largest of CPython, Ruby, esbuild and Rolldown have (in brackets), found by compiling
//! modules made to be hard. V8 runs what is beyond Cranelift's.

use super::cancellation::Cancellation;
use super::plan::Limits;
use super::program::Unusable;
use super::stoppable::plain;
use crate::module::outline::Outline;
use crate::module::sections::slice;
use std::fmt::Display;
use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, CompositeInnerType, ContType, ElementItems, FrameKind, FuncType,
    FunctionBody, ModuleArity, Operator, OperatorsReader, Parser, Payload, RefType, SubType, TryTable, TypeRef,
};

/// Bytes of a module for Cranelift (30 million). The machine code holds all its data, and for a moment there are several
/// copies.
const MAX_BYTES: u64 = 256 << 20;

/// Units of work of a module for Cranelift (10 million). A unit is an instruction, or a value that one hands to a function
/// or to the end of a block. It takes 10 µs, and 35 bytes until the module is compiled. V8 compiles function by function.
const MAX_WORK: u64 = 40_000_000;

/// What a function may have in an engine.
struct Bounds {
    /// Units of work (100 000). In Cranelift each takes 500 bytes until the function is compiled; in V8 100, and 1000 while it
    /// is optimised.
    work: u64,
    /// Variables, and values on its stack at a time (524). Cranelift's time grows with the square where all are needed at
    /// once: 0.6 s. V8 itself allows 50 000 variables.
    locals: u64,
    /// Blocks in each other (3 233). Cranelift's time grows with the square: 0.2 s. In V8 each takes 1.3 KB.
    depth: usize,
    /// Loops in each other (8). Cranelift's time grows with the third power where they change variables: 10 ms.
    loops: usize,
    /// Variables, and values on its stack, times branches (2.3 million). At each branch each may need a value of its own,
    /// which takes 26 bytes and 0.1 µs in Cranelift, and 13 bytes in V8.
    values: u64,
}

const WASMTIME: Bounds = Bounds { work: 400_000, locals: 5_000, depth: 10_000, loops: 100, values: 8_000_000 };
/// Where `limits.memory` is set: 80 MB, 13 MB and 100 MB.
const V8_LIMITED: Bounds =
    Bounds { work: 600_000, locals: u64::MAX, depth: 10_000, loops: usize::MAX, values: 8_000_000 };
/// Otherwise: 600 MB, 130 MB and 2.6 GB.
const V8: Bounds = Bounds { work: 6_000_000, locals: u64::MAX, depth: 100_000, loops: usize::MAX, values: 200_000_000 };

/// What a call costs beside the values it hands over, also one of what wasmtime answers itself: where it stands and where it
/// goes is kept until the module is compiled.
const CALL_WORK: u64 = 4;

/// What a function or a type costs beside its instructions: 5 KB and 40 µs.
const FUNCTION_WORK: u64 = 150;

/// What an element of a table costs whose value is calculated: 700 bytes until the module is compiled.
const ELEMENT_WORK: u64 = 20;

/// What a variable of the module costs, or a segment.
const ITEM_WORK: u64 = 4;

/// How many values at branches are a unit of work.
const VALUES_PER_UNIT: u64 = 100;

/// What a unit of work is called.
const INSTRUCTIONS: &str = "instructions and values they hand over";

/// Refuses a module that would take Cranelift too long, or too much memory; and one that can't be read, of which nobody knows.
pub fn check(bytes: &[u8], cancellation: &Cancellation) -> Result<(), Unusable> {
    check_bytes(bytes.len() as u64)?;
    Module::default().read(bytes, cancellation)
}

/// Refuses a module of so many bytes, if they are too many.
pub fn check_bytes(bytes: u64) -> Result<(), Unusable> {
    within("it", bytes, MAX_BYTES, "bytes").map_err(left_to_v8)
}

/// Whether wasmtime takes a module of so many bytes.
pub const fn may_be_compiled(bytes: u64) -> bool {
    bytes <= MAX_BYTES
}

/// Refuses a module with a function for which V8 would take too much memory.
pub fn check_for_v8(outline: &Outline<'_>, limits: &Limits) -> Result<(), Unusable> {
    let bounds = if limits.memory.is_some() { &V8_LIMITED } else { &V8 };
    let mut module = Module::of_outline(outline);
    let results = module.types.iter().map(|(_, results)| *results).max().unwrap_or(0);
    let handed_over = module.types.iter().map(|(params, results)| params + results).max().unwrap_or(0);
    let unreadable = |error: BinaryReaderError| Unusable::Uncompiled(error.to_string());
    for body in &outline.bodies {
        let most = Shape::most(&module, body, results, handed_over).map_err(unreadable)?;
        if most.check("", bounds).is_err() {
            let shape = Shape::read(&module, body).map_err(unreadable)?;
            shape.check(&module.name(), bounds).map_err(too_hard)?;
        }
        module.bodies += 1;
    }
    Ok(())
}

/// What is too large, unless it is within its bound.
fn within<T: PartialOrd + Display>(who: &str, number: T, bound: T, what: &str) -> Result<(), String> {
    if number <= bound { Ok(()) } else { Err(format!("{who} has {number} {what}, and {bound} is the most")) }
}

/// The error for what no engine compiles.
fn too_hard(why: String) -> Unusable {
    Unusable::Wrong(format!("is too hard to compile: {why}"))
}

/// The error for what V8 compiles.
fn left_to_v8(why: String) -> Unusable {
    too_hard(format!("{why}; run it with engine: 'v8'"))
}

/// What instructions refer to, and the work so far.
#[derive(Default)]
struct Module {
    /// How many values functions of each type take and give.
    types: Vec<(u64, u64)>,
    /// The types of all functions, the imported ones first.
    functions: Vec<u32>,
    imported: usize,
    bodies: usize,
    work: u64,
}

impl Module {
    /// Of a module that was read already: what its instructions refer to.
    fn of_outline(outline: &Outline<'_>) -> Self {
        let values = |ty: &Option<FuncType>| {
            ty.as_ref().map_or((0, 0), |ty| (ty.params().len() as u64, ty.results().len() as u64))
        };
        let functions: Vec<_> = outline.all_functions().collect();
        let imported = functions.len() - outline.functions.len();
        Self { types: outline.types.iter().map(values).collect(), functions, imported, ..Self::default() }
    }

    /// The number of the next function.
    fn next(&self) -> u32 {
        u32::try_from(self.imported + self.bodies).unwrap_or(u32::MAX)
    }

    /// What it is called.
    fn name(&self) -> String {
        format!("function {}", self.next())
    }

    fn read(&mut self, bytes: &[u8], cancellation: &Cancellation) -> Result<(), Unusable> {
        for payload in Parser::new(0).parse_all(bytes) {
            cancellation.check()?;
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let (params, results) = match ty.composite_type.inner {
                                CompositeInnerType::Func(ty) => (ty.params().len() as u64, ty.results().len() as u64),
                                _ => (0, 0),
                            };
                            self.types.push((params, results));
                            self.work += work_of(params, results);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(ty) = import?.ty {
                            self.functions.push(ty);
                            self.add_function(ty);
                        }
                    }
                    self.imported = self.functions.len();
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        let ty = ty?;
                        self.functions.push(ty);
                        self.add_function(ty);
                    }
                }
                Payload::GlobalSection(section) => self.work += ITEM_WORK * u64::from(section.count()),
                Payload::ExportSection(section) => self.work += ITEM_WORK * u64::from(section.count()),
                Payload::DataSection(section) => self.work += ITEM_WORK * u64::from(section.count()),
                Payload::ElementSection(section) => {
                    for element in section {
                        self.work += match element?.items {
                            ElementItems::Functions(items) => ITEM_WORK + u64::from(items.count()),
                            ElementItems::Expressions(_, items) => ITEM_WORK + ELEMENT_WORK * u64::from(items.count()),
                        };
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let shape = Shape::read(self, &body)?;
                    let who = self.name();
                    self.bodies += 1;
                    self.work += shape.work + shape.values() / VALUES_PER_UNIT;
                    if let Err(why) = shape.check(&who, &WASMTIME) {
                        let is_for_v8 = shape.check(&who, &V8).is_ok();
                        return Err(if is_for_v8 { left_to_v8(why) } else { too_hard(why) });
                    }
                }
                _ => continue,
            }
            within("it", self.work, MAX_WORK, INSTRUCTIONS).map_err(left_to_v8)?;
        }
        Ok(())
    }

    fn add_function(&mut self, ty: u32) {
        let (params, results) = self.of_type(ty);
        self.work += work_of(params, results);
    }

    fn of_type(&self, ty: u32) -> (u64, u64) {
        usize::try_from(ty).ok().and_then(|index| self.types.get(index)).copied().unwrap_or_default()
    }

    fn of_function(&self, function: u32) -> (u64, u64) {
        let ty = usize::try_from(function).ok().and_then(|index| self.functions.get(index));
        ty.map_or((0, 0), |ty| self.of_type(*ty))
    }

    fn of_block(&self, ty: BlockType) -> (u64, u64) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.of_type(ty),
        }
    }
}

/// The work that the type of a function makes.
const fn work_of(params: u64, results: u64) -> u64 {
    FUNCTION_WORK + 2 * (params + results)
}

/// How large a function is, in each direction.
#[derive(Default)]
struct Shape {
    work: u64,
    locals: u64,
    /// The most values on its stack.
    height: u64,
    branches: u64,
    depth: usize,
    loops: usize,
}

/// A block that has not ended yet.
struct Label {
    is_loop: bool,
    /// How many values a jump to it hands over.
    values: u64,
    /// How many are on the stack at most when it has ended, or its other half begins.
    height: u64,
}

impl Shape {
    fn read(module: &Module, body: &FunctionBody<'_>) -> Result<Self, BinaryReaderError> {
        let mut shape = Self { locals: locals(module, body)?, ..Self::default() };
        let (_, results) = module.of_function(module.next());
        let mut labels = vec![Label { is_loop: false, values: results, height: results }];
        let (mut loops, mut height) = (0, 0_u64);
        let start = body.range().start;
        let mut at = body.get_binary_reader_for_operators()?.original_position();
        while at < body.range().end {
            let rest = slice(body.as_bytes(), at - start..body.range().len());
            if let Some((len, taken, given)) = straight(rest) {
                height = height.saturating_sub(taken) + given;
                shape.work += 1;
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
            let (branches, values) = branches_and_values(module, &labels, &operator)?;
            shape.branches += branches;
            shape.work += 1 + values;
            height = after(module, &labels, height, &operator);
            shape.height = shape.height.max(height);
            match operator {
                Operator::Block { blockty }
                | Operator::If { blockty }
                | Operator::Try { blockty }
                | Operator::TryTable { try_table: TryTable { ty: blockty, .. } } => {
                    let (params, results) = module.of_block(blockty);
                    let base = height.saturating_sub(params);
                    labels.push(Label { is_loop: false, values: results, height: base + params.max(results) });
                }
                Operator::Loop { blockty } => {
                    let (params, results) = module.of_block(blockty);
                    let base = height.saturating_sub(params);
                    labels.push(Label { is_loop: true, values: params, height: base + params.max(results) });
                    loops += 1;
                }
                Operator::End | Operator::Delegate { .. } => {
                    loops -= usize::from(labels.pop().is_some_and(|label| label.is_loop))
                }
                _ => continue,
            }
            shape.depth = shape.depth.max(labels.len());
            shape.loops = shape.loops.max(loops);
        }
        Ok(shape)
    }

    /// No less than what is read of a function, by its length: few need to be read. `results` and `handed_over` are the most
    /// values that a call gives, or gives and takes.
    fn most(
        module: &Module,
        body: &FunctionBody<'_>,
        results: u64,
        handed_over: u64,
    ) -> Result<Self, BinaryReaderError> {
        let length = body.range().len();
        let bytes = length as u64;
        Ok(Self {
            work: bytes.saturating_mul(CALL_WORK + handed_over),
            locals: locals(module, body)?,
            // What puts values there takes two bytes, or more.
            height: (bytes / 2).saturating_mul(results.max(1)),
            branches: bytes,
            depth: length / 2,
            loops: length / 2,
        })
    }

    fn check(&self, who: &str, bounds: &Bounds) -> Result<(), String> {
        within(who, self.work, bounds.work, INSTRUCTIONS)?;
        within(who, self.locals + self.height, bounds.locals, "variables and values on its stack")?;
        within(who, self.depth, bounds.depth, "blocks in each other")?;
        within(who, self.loops, bounds.loops, "loops in each other")?;
        within(who, self.values(), bounds.values, "variables and values on its stack times branches")
    }

    /// Values that its variables and its stack may need, at all its branches.
    const fn values(&self) -> u64 {
        (self.locals + self.height).saturating_mul(self.branches)
    }
}

/// How long an instruction is, and how many values it takes and gives, if it is one of those that make up most of a program
/// and neither branch nor hand values over. (wasmparser takes four times as long.)
fn straight(code: &[u8]) -> Option<(usize, u64, u64)> {
    let (taken, given) = match code.first()? {
        0x20 | 0x23 | 0x41..=0x44 => (0, 1),
        0x1a | 0x21 | 0x24 => (1, 0),
        0x22 | 0x28..=0x35 | 0x45 | 0x50 | 0x67..=0x69 | 0x79..=0x7b | 0x8b..=0x91 | 0x99..=0x9f | 0xa7..=0xc4 => {
            (1, 1)
        }
        0x36..=0x3e => (2, 0),
        0x46..=0xa6 => (2, 1),
        _ => return None,
    };
    Some((plain(code)?, taken, given))
}

/// What ends a block, or its first half, and how long it is. wasmparser reads these only behind the beginnings of their
/// blocks.
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
fn locals(module: &Module, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let (mut locals, _) = module.of_function(module.next());
    for group in body.get_locals_reader()? {
        locals += u64::from(group?.0);
    }
    Ok(locals)
}

/// How many values are on the stack behind an instruction, where so many were before. Behind a jump nothing is known, and
/// nothing runs.
fn after(module: &Module, labels: &[Label], height: u64, operator: &Operator<'_>) -> u64 {
    let (taken, given) = match operator {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::Try { .. } | Operator::TryTable { .. } => (0, 0),
        Operator::If { .. } => (1, 0),
        // With what its type takes, or gives: whichever is more.
        Operator::Else | Operator::End | Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } => {
            return labels.last().map_or(0, |label| label.height);
        }
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            module.of_function(*function_index)
        }
        Operator::CallIndirect { type_index, .. } => {
            let (params, results) = module.of_type(*type_index);
            (params + 1, results)
        }
        Operator::BrIf { .. } | Operator::BrTable { .. } => (1, 0),
        other => other.operator_arity(&Nothing).map_or((0, 0), |(taken, given)| (taken.into(), given.into())),
    };
    height.saturating_sub(taken) + given
}

/// What wasmparser is told of a module: nothing, for it is asked about instructions only that always take and give the same.
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

/// How many branches an instruction makes, and how many values it hands over.
fn branches_and_values(
    module: &Module,
    labels: &[Label],
    operator: &Operator<'_>,
) -> Result<(u64, u64), BinaryReaderError> {
    let values_of = |depth: u32| {
        let depth = usize::try_from(depth).unwrap_or(usize::MAX);
        labels.iter().nth_back(depth).map_or(0, |label| label.values)
    };
    let of = |(params, results): (u64, u64)| params + results;
    Ok(match operator {
        Operator::Block { blockty } | Operator::Try { blockty } => (1, of(module.of_block(*blockty))),
        Operator::Loop { blockty } => (2, of(module.of_block(*blockty))),
        Operator::If { blockty } => (3, of(module.of_block(*blockty))),
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
            (0, CALL_WORK + of(module.of_function(*function_index)))
        }
        Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
            (2, CALL_WORK + of(module.of_type(*type_index)))
        }
        Operator::CallRef { type_index } | Operator::ReturnCallRef { type_index } => {
            (2, CALL_WORK + of(module.of_type(*type_index)))
        }
        Operator::TableGet { .. }
        | Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. }
        | Operator::MemoryGrow { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryInit { .. }
        | Operator::MemoryAtomicWait32 { .. }
        | Operator::MemoryAtomicWait64 { .. }
        | Operator::MemoryAtomicNotify { .. }
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

    /// What is wrong with a module of these functions.
    fn refusal(items: &str) -> String {
        let bytes = wat::parse_str(format!("(module (memory 1) {items})")).unwrap();
        check(&bytes, &Cancellation::default()).map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn in_each_other(begin: &str, times: usize) -> String {
        format!("(func) (func {} {})", begin.repeat(times), "end ".repeat(times))
    }

    #[test]
    fn each_bound_is_named_with_the_function_beyond_it() {
        let locals = |count| format!("(func (local {}))", "i64 ".repeat(count));
        let stack = |count| format!("(func {} {})", "i32.const 0 ".repeat(count), "drop ".repeat(count));
        let calls = |count| format!("(func $f {})", "call $f ".repeat(count));
        let branching = |locals, branches| {
            let blocks = "block i32.const 0 br_if 0 end ".repeat(branches);
            format!("(func (local {}) {blocks})", "i32 ".repeat(locals))
        };
        let cases = [
            (calls(79_999), calls(80_001), "function 0 has 400006 instructions and values they hand over, and 400000"),
            (locals(5_000), locals(5_001), "function 0 has 5001 variables and values on its stack, and 5000"),
            (stack(5_000), stack(5_001), "function 0 has 5001 variables and values on its stack, and 5000"),
            (
                in_each_other("block ", 9_999),
                in_each_other("block ", 10_000),
                "function 1 has 10001 blocks in each other",
            ),
            (
                in_each_other("loop ", 100),
                in_each_other("loop ", 101),
                "function 1 has 101 loops in each other, and 100",
            ),
            (branching(3999, 1000), branching(3999, 1001), "function 0 has 8008000 variables and values"),
        ];
        for (good, bad, said) in cases {
            assert_eq!(refusal(&good), "");
            let refusal = refusal(&bad);
            assert!(refusal.contains(said) && refusal.ends_with("run it with engine: 'v8'"), "{refusal}");
        }
    }

    /// What is wrong with a module of these functions in V8, with a limit of its memory and without.
    fn refusals_of_v8(items: &str) -> [String; 2] {
        let bytes = wat::parse_str(format!("(module (memory 1) (table 1 funcref) {items})")).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        [Some(65536), None].map(|memory| {
            let checked = check_for_v8(&outline, &Limits { memory, ..Limits::default() });
            checked.map_or_else(|error| error.to_string(), |()| String::new())
        })
    }

    #[test]
    fn v8_has_bounds_of_its_own_for_a_function() {
        let calls = |count| format!("(func) (func {})", "call 0 ".repeat(count));
        let references = |count| format!("(func $f {})", "i32.const 0 ref.func $f table.set 0 ".repeat(count));
        let branching = |locals, branches| {
            let blocks = "block i32.const 0 br_if 0 end ".repeat(branches);
            format!("(func (local {}) {blocks})", "i32 ".repeat(locals))
        };
        let cases = [
            (
                calls(119_999),
                calls(120_001),
                "function 1 has 600006 instructions and values they hand over, and 600000",
            ),
            (references(54_545), references(54_546), "function 0 has 600007 instructions"),
            (
                in_each_other("block ", 9_999),
                in_each_other("block ", 10_000),
                "function 1 has 10001 blocks in each other",
            ),
            (
                branching(39_999, 100),
                branching(40_000, 100),
                "function 0 has 8000200 variables and values on its stack",
            ),
        ];
        for (good, bad, said) in cases {
            assert_eq!(refusals_of_v8(&good), ["", ""]);
            let [limited, unlimited] = refusals_of_v8(&bad);
            assert!(limited.starts_with("is too hard to compile") && limited.contains(said), "{limited}");
            assert_eq!(unlimited, "");
        }
        let [_, unlimited] = refusals_of_v8(&calls(1_200_001));
        assert!(unlimited.contains("6000006 instructions"), "{unlimited}");
        let neither = refusal(&calls(1_200_001));
        assert!(neither.ends_with("is the most"), "no engine is named that does not take it: {neither}");
    }

    #[test]
    fn blocks_of_older_exceptions_are_blocks() {
        let all = format!("(func) (func {})", "try catch_all end try delegate 0 ".repeat(200_000));
        let within = format!("(func) (func {} {})", "try ".repeat(10_000), "catch_all end ".repeat(10_000));
        assert_eq!(refusals_of_v8(&all)[1], "");
        assert!(refusals_of_v8(&within)[0].contains("10001 blocks in each other"));
    }

    #[test]
    fn values_that_are_handed_over_count() {
        let results = "i32 ".repeat(1000);
        let values = "i32.const 0 ".repeat(1000);
        let drops = "drop ".repeat(1000);
        let body = |inside: &str| {
            format!("(type $t (func (result {results}))) (func block (type $t) {values} {inside} end {drops})")
        };
        assert_eq!(refusal(&body("")), "");
        let (br_if, br_table) =
            ("i32.const 0 br_if 0 ".repeat(400), format!("i32.const 0 br_table {}", "0 ".repeat(400)));
        for inside in [br_if, br_table] {
            assert!(refusal(&body(&inside)).contains("function 0 has 40"), "{}", refusal(&body(&inside)));
        }
        let calls = format!("(func $f (result {results}) {values}) (func {})", format!("call $f {drops}").repeat(200));
        assert!(refusal(&calls).contains("function 1 has 4"), "{}", refusal(&calls));
    }

    #[test]
    fn many_small_functions_are_too_many() {
        assert_eq!(refusal(&"(func)".repeat(200_000)), "");
        assert!(refusal(&"(func)".repeat(300_000)).contains("it has 45"));
    }

    #[test]
    fn what_a_module_begins_with_counts() {
        let elements = |count| format!("(table 1 funcref) (func $f) (elem funcref {})", "(ref.func $f)".repeat(count));
        assert_eq!(refusal(&elements(1000)), "");
        let bytes = wat::parse_str(format!("(module {})", elements(1000))).unwrap();
        let mut module = Module::default();
        assert!(module.read(&bytes, &Cancellation::default()).is_ok() && module.work >= 1000 * ELEMENT_WORK);
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        for bytes in [&b""[..], b"no module", b"\0asm\x01\0\0\0\x0a\x7f"] {
            assert!(matches!(check(bytes, &Cancellation::default()), Err(Unusable::Uncompiled(_))));
        }
        let mut bytes = wat::parse_str("(module (func nop))").unwrap();
        *bytes.iter_mut().rfind(|byte| **byte == 1).unwrap() = 0xff; // nop
        assert!(matches!(check(&bytes, &Cancellation::default()), Err(Unusable::Uncompiled(_))));
    }
}

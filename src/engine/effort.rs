//! What Cranelift is given at most, so that one compilation is a matter of minutes, 1.5 GB, and 200 MB for each thread.
//!
//! It takes time and memory in proportion to most of what a module has, and more than that for some. So there are bounds,
//! each several times what the largest of CPython, Ruby, esbuild and Rolldown have (in brackets), found by compiling
//! modules made to be hard. V8 runs what is beyond them.

use super::cancellation::Cancellation;
use super::program::Unusable;
use std::fmt::Display;
use wasmparser::{
    BinaryReaderError, BlockType, CompositeInnerType, ContType, ElementItems, FrameKind, FuncType, FunctionBody,
    ModuleArity, Operator, Parser, Payload, RefType, SubType, TryTable, TypeRef,
};

/// Bytes of a module (30 million). The machine code holds all its data, and for a moment there are several copies.
const MAX_BYTES: u64 = 256 << 20;

/// Units of work of a module (10 million). A unit is an instruction, or a value that one hands to a function or to the end
/// of a block. It takes 10 µs, and 35 bytes until the module is compiled.
const MAX_WORK: u64 = 40_000_000;

/// Units of work of one function (100 000). Each takes 500 bytes until the function is compiled.
const MAX_FUNCTION_WORK: u64 = 400_000;

/// What a call costs beside the values it hands over, also one of what wasmtime answers itself: where it stands and where it
/// goes is kept until the module is compiled.
const CALL_WORK: u64 = 4;

/// What a function or a type costs beside its instructions: 5 KB and 40 µs.
const FUNCTION_WORK: u64 = 150;

/// What an element of a table costs whose value is calculated: 700 bytes until the module is compiled.
const ELEMENT_WORK: u64 = 20;

/// What a variable of the module costs, or a segment.
const ITEM_WORK: u64 = 4;

/// Variables of a function, and values on its stack at a time (524). Time grows with the square where all are needed at once:
/// 0.6 s.
const MAX_LOCALS: u64 = 5_000;

/// Blocks in each other (3 233). Time grows with the square: 0.2 s.
const MAX_DEPTH: usize = 10_000;

/// Loops in each other (8). Time grows with the third power where they change variables: 10 ms.
const MAX_LOOPS: usize = 100;

/// Variables of a function times its branches (2.3 million). At each branch each variable may need a value of its own, which
/// takes 26 bytes and 0.1 µs.
const MAX_VALUES: u64 = 8_000_000;

/// How many of those are a unit of work.
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
    within("it", bytes, MAX_BYTES, "bytes")
}

/// Whether wasmtime takes a module of so many bytes.
pub const fn may_be_compiled(bytes: u64) -> bool {
    bytes <= MAX_BYTES
}

/// An error that names what is too large, unless it is within its bound.
fn within<T: PartialOrd + Display>(who: &str, number: T, bound: T, what: &str) -> Result<(), Unusable> {
    if number <= bound {
        return Ok(());
    }
    Err(Unusable::Wrong(format!(
        "is too hard to compile: {who} has {number} {what}, and {bound} is the most; run it with engine: 'v8'"
    )))
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
                    let who = format!("function {}", self.imported + self.bodies);
                    self.bodies += 1;
                    self.work += shape.work + shape.values() / VALUES_PER_UNIT;
                    shape.check(&who)?;
                }
                _ => continue,
            }
            within("it", self.work, MAX_WORK, INSTRUCTIONS)?;
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
        let mut shape = Self::default();
        let (params, results) = module.of_function(u32::try_from(module.imported + module.bodies).unwrap_or(u32::MAX));
        shape.locals = params;
        for group in body.get_locals_reader()? {
            shape.locals += u64::from(group?.0);
        }
        let mut labels = vec![Label { is_loop: false, values: results, height: results }];
        let (mut loops, mut height) = (0, 0);
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            let (branches, values) = branches_and_values(module, &labels, &operator)?;
            shape.branches += branches;
            shape.work += 1 + values;
            height = after(module, &labels, height, &operator);
            shape.height = shape.height.max(height);
            match operator {
                Operator::Block { blockty }
                | Operator::If { blockty }
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
                Operator::End => loops -= usize::from(labels.pop().is_some_and(|label| label.is_loop)),
                _ => continue,
            }
            shape.depth = shape.depth.max(labels.len());
            shape.loops = shape.loops.max(loops);
        }
        Ok(shape)
    }

    fn check(&self, who: &str) -> Result<(), Unusable> {
        within(who, self.work, MAX_FUNCTION_WORK, INSTRUCTIONS)?;
        within(who, self.locals + self.height, MAX_LOCALS, "variables and values on its stack")?;
        within(who, self.depth, MAX_DEPTH, "blocks in each other")?;
        within(who, self.loops, MAX_LOOPS, "loops in each other")?;
        let values = self.values();
        within(who, values, MAX_VALUES, "variables times branches")
    }

    /// Values that its variables may need, at all its branches.
    const fn values(&self) -> u64 {
        self.locals.saturating_mul(self.branches)
    }
}

/// How many values are on the stack behind an instruction, where so many were before. Behind a jump nothing is known, and
/// nothing runs.
fn after(module: &Module, labels: &[Label], height: u64, operator: &Operator<'_>) -> u64 {
    let (taken, given) = match operator {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::TryTable { .. } => (0, 0),
        Operator::If { .. } => (1, 0),
        // With what its type takes, or gives: whichever is more.
        Operator::Else | Operator::End => return labels.last().map_or(0, |label| label.height),
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
        Operator::Block { blockty } => (1, of(module.of_block(*blockty))),
        Operator::Loop { blockty } => (2, of(module.of_block(*blockty))),
        Operator::If { blockty } => (3, of(module.of_block(*blockty))),
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => (1, values_of(*relative_depth)),
        Operator::BrOnNull { relative_depth } | Operator::BrOnNonNull { relative_depth } => {
            (1, values_of(*relative_depth))
        }
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
            (branching(4000, 1000), branching(4000, 1001), "function 0 has 8008000 variables times branches"),
        ];
        for (good, bad, said) in cases {
            assert_eq!(refusal(&good), "");
            let refusal = refusal(&bad);
            assert!(refusal.contains(said) && refusal.ends_with("run it with engine: 'v8'"), "{refusal}");
        }
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

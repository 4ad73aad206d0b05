//! The most that each engine is given to compile, so that one compilation is a matter of minutes. For
//! Cranelift that is 1.5 GB, and 200 MB for each thread; for one function in V8, 100 MB of what
//! docs/limits.md allows, and 600 MB while it is optimised.
//!
//! V8 compiles each function twice: its baseline compiler when it is first called, its optimiser when it runs
//! often. The optimiser can't be stopped, and takes more than in proportion, also of memory: there are limits
//! of their own for that.
//!
//! All take time and memory in proportion to most of what a module has, and more than that for some. So
//! there are bounds, each several times what the largest of CPython, Ruby, esbuild and Rolldown have (in
//! brackets), found by compiling modules made to be hard. V8 runs what is beyond Cranelift's.

mod function_limits;
mod shape;
mod signatures;
mod unread;

use crate::cancellation::Cancellation;
use crate::error::ProgramError;
use crate::limits::Limits;
use crate::outline::Outline;
use crate::startup::Startup;
use function_limits::{INSTRUCTIONS, OPTIMISED, OPTIMISED_LIMITED, V8, V8_LIMITED, WASMTIME, within};
use shape::Shape;
use signatures::Signatures;
use unread::{Handed, Unread};
use wasmparser::{BinaryReaderError, CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};

/// Bytes of a module for Cranelift (30 million), and of what its memories and tables begin with (10 million).
/// The machine code holds all of that, and for a moment there are several copies.
const MAX_BYTES: u64 = 256 << 20;

/// Units of work of a module for Cranelift (10 million). A unit is an instruction, or a value that one hands
/// to a function or to the end of a block. It takes 10 µs, and 35 bytes until the module is compiled. V8
/// compiles function by function.
const MAX_WORK: u64 = 40_000_000;

/// Bytes of code that V8's baseline compiler gets at once (9 million), which takes 15 ns each, on all its
/// threads.
const MAX_AT_ONCE: usize = 32 << 20;

/// The work of a function or a type beside its instructions: 5 KB and 40 µs.
const FUNCTION_WORK: u64 = 150;

/// The work of a function that can be called from elsewhere, since it is exported or referred to: 6 KB and 60
/// µs.
const REFERENCE_WORK: u64 = 150;

/// The work of an export, or an import: 500 bytes.
const NAME_WORK: u64 = 15;

/// Values at branches that make a unit of work.
const VALUES_PER_UNIT: u64 = 100;

/// Refuses a module that would take Cranelift too long or too much memory, and one that can't be read.
pub fn check(bytes: &[u8], cancellation: &Cancellation) -> Result<(), ProgramError> {
    let mut module = Module::new(Total::default(), left_to_v8);
    module.read(bytes, cancellation)?;
    module.check_startup().map(drop).map_err(left_to_v8)
}

/// Refuses modules of a component, which V8 does not run, that would take Cranelift too long or too much
/// memory together.
pub fn check_all<'m>(
    mut modules: impl Iterator<Item = &'m [u8]>,
    cancellation: &Cancellation,
) -> Result<(), ProgramError> {
    let total = modules.try_fold(Total::default(), |total, bytes| {
        let mut module = Module::new(total, too_hard);
        module.read(bytes, cancellation)?;
        module.check_startup().map_err(too_hard)
    });
    total.map(drop)
}

/// Refuses a module of too many bytes.
pub fn check_bytes(bytes: u64) -> Result<(), ProgramError> {
    within("it", bytes, MAX_BYTES, "bytes").map_err(left_to_v8)
}

/// True if wasmtime takes a module of so many bytes.
pub const fn may_be_compiled(bytes: u64) -> bool {
    bytes <= MAX_BYTES
}

/// The compilers of V8 that a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compilers {
    /// The optimiser for what runs often, as usual.
    Both,
    /// There is a function that is too much for the optimiser.
    Baseline,
}

/// Refuses a module with a function for which V8 would take too much memory.
pub fn check_for_v8(
    outline: &Outline<'_>,
    limits: &Limits,
    cancellation: &Cancellation,
) -> Result<Compilers, ProgramError> {
    let (function_limits, optimised) =
        if limits.memory.is_some() { (&V8_LIMITED, &OPTIMISED_LIMITED) } else { (&V8, &OPTIMISED) };
    let mut signatures = Signatures::of_outline(outline);
    let handed = Handed::most(&signatures);
    let unreadable = |error: BinaryReaderError| ProgramError::Uncompiled(error.to_string());
    let mut for_optimiser = Ok(());
    for body in &outline.bodies {
        cancellation.check()?;
        let unread = Unread::next(&signatures, body).map_err(unreadable)?;
        if unread.may_exceed(function_limits, &handed)
            || (for_optimiser.is_ok() && unread.may_exceed(optimised, &handed))
        {
            let shape = Shape::read(&signatures, body).map_err(unreadable)?;
            shape.check(&signatures.name(), function_limits).map_err(too_hard)?;
            for_optimiser = for_optimiser.and_then(|()| shape.check(&signatures.name(), optimised));
        }
        signatures.bodies += 1;
    }
    let Err(why) = for_optimiser else { return Ok(Compilers::Both) };
    let code: usize = outline.bodies.iter().map(|body| body.range().len()).sum();
    if code > MAX_AT_ONCE {
        return Err(too_hard(format!("{why}, in a module with more than {MAX_AT_ONCE} bytes of code")));
    }
    Ok(Compilers::Baseline)
}

/// The error for a module that no engine compiles.
fn too_hard(why: String) -> ProgramError {
    ProgramError::Wrong(format!("is too hard to compile: {why}"))
}

/// The error for a module that V8 compiles.
fn left_to_v8(why: String) -> ProgramError {
    too_hard(format!("{why}; run it with engine: 'v8'"))
}

/// The amounts of the modules that are compiled together.
#[derive(Clone, Copy, Default)]
struct Total {
    work: u64,
    laid_out: u64,
}

/// A module that is read for wasmtime: its types, and the work so far.
struct Module {
    signatures: Signatures,
    startup: Startup,
    work: u64,
    /// The bytes that memories and tables of the modules before it begin with.
    laid_out: u64,
    /// Makes the error for a module that V8 may compile.
    refusal: fn(String) -> ProgramError,
}

impl Module {
    fn new(before: Total, refusal: fn(String) -> ProgramError) -> Self {
        let Total { work, laid_out } = before;
        Self { signatures: Signatures::default(), startup: Startup::default(), work, laid_out, refusal }
    }

    fn read(&mut self, bytes: &[u8], cancellation: &Cancellation) -> Result<(), ProgramError> {
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
                            self.signatures.types.push((params, results));
                            self.work += work_of(params, results);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        self.work += NAME_WORK;
                        match import?.ty {
                            TypeRef::Func(ty) => {
                                self.signatures.functions.push(ty);
                                self.add_function(ty);
                            }
                            TypeRef::Table(ty) => self.startup.imported_table(ty),
                            TypeRef::Memory(ty) => self.startup.memory(ty, true),
                            TypeRef::Global(_) => self.signatures.globals += 1,
                            _ => continue,
                        }
                    }
                    self.signatures.imported = self.signatures.functions.len();
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        let ty = ty?;
                        self.signatures.functions.push(ty);
                        self.add_function(ty);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let shape = Shape::read(&self.signatures, &body)?;
                    let who = self.signatures.name();
                    self.signatures.bodies += 1;
                    self.work += shape.work + shape.values() / VALUES_PER_UNIT;
                    if let Err(why) = shape.check(&who, &WASMTIME) {
                        let is_for_v8 = shape.check(&who, &V8).is_ok();
                        return Err(if is_for_v8 { (self.refusal)(why) } else { too_hard(why) });
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        self.startup.table(&table?)?;
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        self.startup.memory(memory?, false);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        self.signatures.globals += u64::from(self.startup.global(&global?)?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        self.work += NAME_WORK;
                        if export.kind == ExternalKind::Func {
                            self.startup.references.add(export.index);
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        self.startup.elements(element?)?;
                    }
                }
                Payload::DataSection(section) => {
                    for data in section {
                        self.startup.data(&data?)?;
                    }
                }
                _ => continue,
            }
            within("it", self.work, MAX_WORK, INSTRUCTIONS).map_err(self.refusal)?;
        }
        Ok(())
    }

    /// Checks its initialization, once all sections are read. The result is the work of all so far.
    fn check_startup(mut self) -> Result<Total, String> {
        let laid_out = self.laid_out.saturating_add(self.startup.finish());
        within("it", laid_out, MAX_BYTES, "bytes that its memories and tables begin with")?;
        let startup = self.startup;
        let shape = Shape {
            work: startup.work,
            steps: startup.steps,
            places: startup.globals,
            branches: startup.branches,
            ..Shape::default()
        };
        shape.check("what initializes it", &WASMTIME)?;
        let work = self.work + startup.work + startup.references.count * REFERENCE_WORK;
        within("it", work, MAX_WORK, INSTRUCTIONS)?;
        Ok(Total { work, laid_out })
    }

    fn add_function(&mut self, ty: u32) {
        let (params, results) = self.signatures.of_type(ty);
        self.work += work_of(params, results);
    }
}

/// The work that the type of a function makes.
const fn work_of(params: u64, results: u64) -> u64 {
    FUNCTION_WORK + 2 * (params + results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{CodeSection, Function, FunctionSection, TypeSection};

    /// The refusal of a module of these functions; empty if it is taken.
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

    /// The refusals of a module of these functions in V8, with a limit of its memory and without.
    fn refusals_of_v8(items: &str) -> [String; 2] {
        let bytes = wat::parse_str(format!("(module (memory 1) (table 1 funcref) {items})")).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        [Some(65536), None].map(|memory| {
            let checked = check_for_v8(&outline, &Limits { memory, ..Limits::default() }, &Cancellation::default());
            checked.map_or_else(|error| error.to_string(), |_| String::new())
        })
    }

    #[test]
    fn what_is_too_much_for_the_optimiser_of_v8_is_for_its_baseline_compiler() {
        let choices = |count| format!("(func (local i32) {})", "local.get 0 if end ".repeat(count));
        let tables = |count| format!("(func (local i32) {})", "block local.get 0 br_table 0 0 end ".repeat(count));
        let conversions = |count| format!("(func {})", "f32.const 0 i32.trunc_f32_s drop ".repeat(count));
        let loops = |count| format!("(func {})", "loop end ".repeat(count));
        let calls = |count| format!("(func) (func {})", "call 0 ".repeat(count));
        let large = |count| format!("(func (local i32) {})", "local.get 0 drop ".repeat(count));
        let branching = |branches| {
            let blocks = "block br 0 end ".repeat(branches);
            format!("(func (local {}) {blocks})", "i32 ".repeat(4000))
        };
        let cases = [
            (choices(2_000), choices(2_001)),
            (tables(2_000), tables(2_001)),
            (conversions(2_000), conversions(2_001)),
            (loops(4_999), loops(5_001)),
            (calls(39_999), calls(40_001)),
            (large(99_999), large(100_001)),
        ];
        let compilers = |items: &str, memory| {
            let bytes = wat::parse_str(format!("(module {items})")).unwrap();
            check_for_v8(
                &Outline::read(&bytes).unwrap(),
                &Limits { memory, ..Limits::default() },
                &Cancellation::default(),
            )
            .unwrap()
        };
        for (good, bad) in cases {
            assert_eq!(compilers(&good, Some(65536)), Compilers::Both);
            assert_eq!(compilers(&bad, Some(65536)), Compilers::Baseline);
        }
        for (good, bad) in [(choices(3_000), choices(3_001)), (branching(999), branching(1_001))] {
            assert_eq!(compilers(&good, None), Compilers::Both);
            assert_eq!(compilers(&bad, None), Compilers::Baseline);
        }
    }

    #[test]
    fn checks_are_cancelled() {
        let bytes = wat::parse_str("(module (func))").unwrap();
        let cancellation = Cancellation::default();
        cancellation.cancel();
        let for_v8 = check_for_v8(&Outline::read(&bytes).unwrap(), &Limits::default(), &cancellation);
        assert!(matches!(for_v8, Err(ProgramError::Cancelled)));
        assert!(matches!(check(&bytes, &cancellation), Err(ProgramError::Cancelled)));
    }

    #[test]
    fn v8_compiles_only_so_much_at_once() {
        const CONSTANT: [u8; 10] = [0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a]; // f64.const, drop
        let with = |choices: usize| {
            let mut code = CodeSection::new();
            for content in
                [[0x41, 0, 0x04, 0x40, 0x0b].repeat(choices)].into_iter().chain(vec![CONSTANT.repeat(99_000); 36])
            {
                let mut function = Function::new([]);
                function.raw(content).raw([0x0b]);
                code.function(&function);
            }
            let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
            types.ty().function([], []);
            for _ in 0..code.len() {
                functions.function(0);
            }
            let mut module = wasm_encoder::Module::new();
            let bytes = module.section(&types).section(&functions).section(&code).clone().finish();
            check_for_v8(&Outline::read(&bytes).unwrap(), &Limits::default(), &Cancellation::default())
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(3_000), Ok(Compilers::Both));
        let expected = "is too hard to compile: function 0 has 3001 branches that are taken or not, and 3000 is the most, \
             in a module with more than 33554432 bytes of code";
        assert_eq!(with(3_001), Err(expected.to_owned()));
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
    fn each_section_counts() {
        let globals = |count| "(func $f) ".to_owned() + &"(global funcref (ref.func $f))".repeat(count);
        let elements = |kind: &str, item: &str, count| {
            format!("(func $f) (table 100000 funcref) (elem {kind} {})", item.repeat(count))
        };
        let expressions = |count| elements("(i32.const 0) funcref", "(ref.func $f)", count);
        let passive = |count| elements("func", "$f ", count);
        let segments = |count| {
            let segment = "(data (global.get $g) \"a\")";
            format!("(global $g i32 (i32.const 0)) {}", segment.repeat(count))
        };
        let memories = |count| {
            let data = (1..=count).map(|memory| format!("(data (memory {memory}) (i32.const 0) \"a\")"));
            let ends = (1..=count).map(|memory| format!("(data (memory {memory}) (i32.const 16700000) \"a\")"));
            "(memory 256)".repeat(count) + &data.chain(ends).collect::<String>()
        };
        let tables = |count| "(func $f) ".to_owned() + &"(table 1000000 funcref (ref.func $f))".repeat(count);
        let uses = |count| {
            let used: String = (0..count).map(|global| format!("(global.set {global} (i32.const 1))")).collect();
            "(global (mut i32) (i32.const 0))".repeat(count) + "(func " + &used + ")"
        };
        let calls = |count| {
            let calls = "(call_indirect (i32.const 0))".repeat(count);
            format!("(table 1 funcref) (func {calls})")
        };
        let cases = [
            (globals(7_000), globals(7_100), "what initializes it has 100820000 globals times instructions"),
            (expressions(23_000), expressions(24_000), "what initializes it has 408009 instructions"),
            (passive(49_000), passive(51_000), "what initializes it has 408008 instructions"),
            (segments(8_000), segments(9_000), "what initializes it has 414000 instructions"),
            (memories(16), memories(17), "it has 283900017 bytes that its memories and tables begin with"),
            (tables(53), tables(54), "it has 270000000 bytes that its memories and tables begin with"),
            (uses(7_000), uses(7_100), "function 0 has 100827100 globals times instructions"),
            (calls(9_000), calls(10_000), "function 0 has 420001 instructions"),
        ];
        for (good, bad, said) in cases {
            assert_eq!(refusal(&good), "");
            let refusal = refusal(&bad);
            assert!(refusal.contains(said) && refusal.ends_with("run it with engine: 'v8'"), "{refusal}");
        }
    }

    /// A module as compilers of Go and C++ make it: nearly each function is in the table.
    #[test]
    fn a_table_of_all_functions_is_no_work_of_its_own() {
        let functions: String = (0..100_000).map(|i| format!("(func $f{i})")).collect();
        let names: String = (0..100_000).map(|i| format!("$f{i} ")).collect();
        assert_eq!(refusal(&format!("{functions} (table 100001 funcref) (elem (i32.const 1) func {names})")), "");
    }

    #[test]
    fn many_small_functions_are_too_many() {
        assert_eq!(refusal(&"(func)".repeat(200_000)), "");
        assert!(refusal(&"(func)".repeat(300_000)).contains("it has 45"));
    }

    #[test]
    fn unreadable_modules_are_refused() {
        for bytes in [&b""[..], b"no module", b"\0asm\x01\0\0\0\x0a\x7f"] {
            assert!(matches!(check(bytes, &Cancellation::default()), Err(ProgramError::Uncompiled(_))));
        }
        let mut bytes = wat::parse_str("(module (func nop))").unwrap();
        *bytes.iter_mut().rfind(|byte| **byte == 1).unwrap() = 0xff; // nop
        assert!(matches!(check(&bytes, &Cancellation::default()), Err(ProgramError::Uncompiled(_))));
    }
}

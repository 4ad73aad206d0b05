//! Properties of all rewritings of modules, for any bytes: a rewriting has the same result each time; it
//! makes a valid module from a valid one; and the result is within the limits, with the memories and tables
//! that the rewriting reports. And the instructions of a valid module are read as wasmparser reads them.

use std::borrow::Cow;
use std::fs;
use tempfile::NamedTempFile;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::compile_limits;
use wasi_rs_modules::instructions::Instructions;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::outline::{Item, Outline};
use wasi_rs_modules::rewrite::array_checks;
use wasi_rs_modules::rewrite::edit::{Edit, apply};
use wasi_rs_modules::rewrite::interruptible;
use wasi_rs_modules::rewrite::limit;
use wasi_rs_modules::rewrite::start_function;
use wasi_rs_modules::rewrite::unshare::unshare;
use wasi_rs_modules::rewrite::v8_module::{V8Module, for_main_thread, for_thread};
use wasi_rs_runner::source::Source;
use wasmparser::{Validator, WasmFeatures};

const PAGE: u64 = 65536;

/// Checks each rewriting, and all together, with this module.
pub fn check(bytes: &[u8]) {
    let was_valid = is_valid(bytes);
    if was_valid {
        check_instructions(bytes);
    }
    let _ = compile_limits::check(bytes, &wanted()); // may refuse the module, but not panic
    for rewriting in REWRITINGS {
        rewriting.check(bytes, was_valid);
    }
    for limits in limits() {
        check_limits(bytes, was_valid, &limits);
        check_for_v8(bytes, was_valid, Some(&limits));
    }
    check_for_v8(bytes, was_valid, None);
}

/// The cancellation of work that is not cancelled.
fn wanted() -> Cancellation {
    Cancellation::default()
}

fn is_valid(bytes: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).is_ok()
}

fn check_instructions(bytes: &[u8]) {
    // A valid module may have more of something than is read here.
    let Ok(outline) = Outline::read(bytes) else { return };
    for body in &outline.bodies {
        let mut instructions = Instructions::of(body).unwrap();
        for expected in body.get_operators_reader().unwrap().into_iter_with_offsets() {
            let (operator, at) = expected.unwrap();
            assert_eq!(instructions.position(), at, "an instruction begins elsewhere");
            if instructions.straight().is_none() {
                assert_eq!(instructions.operator().unwrap(), Some(operator));
            }
        }
        assert!(instructions.rest().is_empty(), "there are more instructions");
    }
}

/// No limits, a limit of memory only, small limits, and the largest limits.
fn limits() -> [Limits; 4] {
    let limits = |memory, table_elements| Limits { memory, table_elements, ..Limits::default() };
    [
        limits(None, None),
        limits(Some(300 * PAGE), None),
        limits(Some(5 * PAGE), Some(20)),
        limits(Some(u64::MAX), Some(u64::MAX)),
    ]
}

/// A rewriting of a module.
struct Rewriting {
    name: &'static str,
    /// The rewriting; none if it refuses the module.
    of: fn(&[u8]) -> Option<Vec<u8>>,
    /// True if it leaves a module as it is that it has changed before.
    is_once: bool,
}

const REWRITINGS: [Rewriting; 5] = [
    Rewriting { name: "unshare", of: without_sharing, is_once: true },
    Rewriting { name: "start", of: with_start, is_once: true },
    Rewriting { name: "interruptible", of: with_interrupts, is_once: false },
    Rewriting { name: "array_checks", of: with_array_checks, is_once: false },
    Rewriting { name: "debug sections", of: without_debug_sections, is_once: false },
];

impl Rewriting {
    fn check(&self, bytes: &[u8], was_valid: bool) {
        let name = self.name;
        let changed = (self.of)(bytes);
        assert!((self.of)(bytes) == changed, "{name}: the same is changed otherwise");
        let Some(changed) = changed else { return };
        assert!(!was_valid || is_valid(&changed), "{name}: a valid module is not valid any more");
        if was_valid
            && self.is_once
            && let Some(again) = (self.of)(&changed)
        {
            assert!(again == changed, "{name}: something is left to be done");
        }
    }
}

fn edited(bytes: &[u8], outline: &Outline<'_>, edits: Vec<Edit>) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    apply(&mut changed, &outline.sections, edits);
    changed
}

fn without_sharing(bytes: &[u8]) -> Option<Vec<u8>> {
    unshare(bytes, &mut Outline::read(bytes).ok()?, &wanted()).ok().map(Cow::into_owned)
}

fn with_start(bytes: &[u8]) -> Option<Vec<u8>> {
    let outline = Outline::read(bytes).ok()?;
    let (edits, _) = start_function::edits(bytes, &outline).ok()?.unwrap_or_default();
    Some(edited(bytes, &outline, edits))
}

fn with_interrupts(bytes: &[u8]) -> Option<Vec<u8>> {
    let outline = Outline::read(bytes).ok()?;
    let edits = interruptible::edits(bytes, &outline, &wanted()).ok()?;
    Some(edited(bytes, &outline, edits))
}

fn with_array_checks(bytes: &[u8]) -> Option<Vec<u8>> {
    let outline = Outline::read(bytes).ok()?;
    if !array_checks::are_made(&outline) {
        return None;
    }
    array_checks::with_checks(bytes, &outline, &wanted()).ok()
}

fn without_debug_sections(bytes: &[u8]) -> Option<Vec<u8>> {
    // One for each thread, removed when the thread ends.
    thread_local! {
        static FILE: NamedTempFile = NamedTempFile::new().unwrap();
    }
    FILE.with(|file| {
        fs::write(file.path(), bytes).unwrap();
        Source::File(file.path().to_owned()).for_v8(&wanted()).ok()
    })
}

fn check_limits(bytes: &[u8], was_valid: bool, limits: &Limits) {
    let limited = |bytes: &[u8]| {
        let mut outline = Outline::read(bytes).ok()?;
        let edits = limit::limited(&mut outline, limits).ok()?.edits;
        let changed = edited(bytes, &outline, edits);
        Some((changed, bounds(&mut outline)))
    };
    let once = limited(bytes);
    assert!(limited(bytes) == once, "the same is limited otherwise");
    let Some((changed, said)) = once else { return };
    if !was_valid {
        return;
    }
    assert!(is_valid(&changed), "a valid module is not valid any more within its limits");
    assert!(bounds(&mut Outline::read(&changed).unwrap()) == said, "its bounds are not what was said");
    let (again, _) = limited(&changed).unwrap();
    assert!(again == changed, "a module within its limits is changed");
    let mut outline = Outline::read(&changed).unwrap();
    let memory = outline.all_memories().map(|bounds| bounds.most()).sum::<u128>();
    assert!(limits.memory.is_none_or(|limit| memory <= limit.into()), "its memories are beyond the limit");
    let elements = outline.all_tables().map(|bounds| bounds.most()).sum::<u128>();
    assert!(elements <= limits.table_elements().into(), "its tables are beyond the limit");
}

/// The least and the largest size of each memory, and of each table.
fn bounds(outline: &mut Outline<'_>) -> [Vec<(u64, Option<u64>)>; 2] {
    let memories = outline.all_memories().map(|bounds| (bounds.min, bounds.max)).collect();
    [memories, outline.all_tables().map(|bounds| (bounds.min, bounds.max)).collect()]
}

/// Checks the module for V8: in a thread of its own within these limits, or on the main thread.
fn check_for_v8(bytes: &[u8], was_valid: bool, limits: Option<&Limits>) {
    let rewritten = || {
        let bytes = bytes.to_vec();
        let program = limits
            .map_or_else(|| for_main_thread(bytes.clone()), |limits| for_thread(bytes.clone(), limits, &wanted()));
        program.map_err(|error| error.to_string())
    };
    let program = match (rewritten(), rewritten()) {
        (Ok(once), Ok(again)) => {
            assert!(all_of(&once) == all_of(&again), "the same is changed otherwise");
            once
        }
        (Err(once), Err(again)) => return assert_eq!(once, again, "the same is refused otherwise"),
        _ => panic!("refused once, but not the other time"),
    };
    if !was_valid {
        return;
    }
    assert!(is_valid(&program.bytes), "a valid module is not valid any more");
    // V8 may accept modules that can't be read here.
    let Ok(outline) = Outline::read(&program.bytes) else { return };
    if let Some(name) = &program.start {
        assert!(outline.exports_function(name), "what starts it is not exported");
    }
    let mut memories = program.memories.iter();
    for import in &outline.imports {
        if let Item::Memory(bounds) = &import.item {
            let said = memories.next().unwrap();
            assert_eq!((&said.module[..], &said.name[..]), (import.module, import.name));
            assert_eq!((said.bounds.min, said.bounds.max), (bounds.min, bounds.max));
        }
    }
    assert!(memories.next().is_none(), "there is a memory that it does not import");
}

/// The parts of a module for V8, to be compared.
fn all_of(program: &V8Module) -> impl PartialEq + '_ {
    let memories = program.memories.iter().map(|memory| (&memory.module, &memory.name, &memory.bounds));
    let what = (&program.bytes, program.abi.module(), &program.start, program.objects, program.compilers);
    (what, memories.collect::<Vec<_>>())
}

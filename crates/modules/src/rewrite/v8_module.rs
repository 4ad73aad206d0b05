//! A program as V8 gets it: without sections for debuggers, within its limits, and interruptible.

use super::edit::{self, Edit};
use super::limit::{self, Limited};
use super::{array_checks, interruptible, start_function};
use crate::bounds::Bounds;
use crate::cancellation::Cancellation;
use crate::compile_limits::{self, Compilers};
use crate::error::{ProgramError, expect_core_module};
use crate::interface::{Interface, Names, Purpose};
use crate::limits::Limits;
use crate::outline::{Item, Outline};
use std::ops::Range;
use wasi_rs_core::abi::Abi;

/// A program as V8 gets it.
pub struct V8Module {
    /// The module.
    pub bytes: Vec<u8>,
    /// The memories that are to be made for it.
    pub memories: Vec<ImportedMemory>,
    /// The edition of WASI it is for.
    pub abi: Abi,
    /// The export name of its start function, which the code that runs it calls.
    pub start: Option<String>,
    /// The most bytes of its garbage-collected objects; none if it makes none, or is not limited. On the main
    /// thread any number means that it makes objects, which are refused there.
    pub objects: Option<u64>,
    /// The compilers of V8 that it is for.
    pub compilers: Compilers,
}

/// A section, `wasi-rs baseline`, of modules for V8's baseline compiler alone. V8 gives equal bytes the same
/// code; the same module compiled for another purpose is to be optimised.
const MARK: &[u8] = b"\0\x11\x10wasi-rs baseline";

/// A memory that a program imports.
pub struct ImportedMemory {
    /// The name of the module it is imported from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// Its bounds.
    pub bounds: Bounds,
}

/// The module for a thread of its own, under limits.
///
/// A module that can't be read here is refused, whatever V8 thinks of it: it could be neither limited nor
/// ended.
pub fn for_thread(bytes: Vec<u8>, limits: &Limits, cancellation: &Cancellation) -> Result<V8Module, ProgramError> {
    expect_core_module(&bytes)?;
    let outline = cancellation.outline(&bytes)?;
    let abi = Interface::of_outline(&outline).check(Purpose::Command)?;
    let compilers = compile_limits::check_for_v8(&outline, limits, cancellation)?;
    let checked = if array_checks::are_made(&outline) {
        Some(array_checks::with_checks(&bytes, &outline, cancellation)?)
    } else {
        None
    };
    let changed = match &checked {
        Some(bytes) => changed(bytes, cancellation.outline(bytes)?, limits, cancellation)?,
        None => changed(&bytes, outline, limits, cancellation)?,
    };
    let Changed { edits, sections, memories, start, objects } = changed;
    let mut bytes = checked.unwrap_or(bytes);
    edit::apply(&mut bytes, &sections, edits);
    mark(&mut bytes, compilers);
    Ok(V8Module { bytes, memories, abi, start, objects, compilers })
}

/// The changes of a program, and its parts that are known then.
struct Changed {
    edits: Vec<Edit>,
    sections: Vec<(u8, Range<usize>)>,
    memories: Vec<ImportedMemory>,
    start: Option<String>,
    objects: Option<u64>,
}

fn changed(
    bytes: &[u8],
    mut outline: Outline<'_>,
    limits: &Limits,
    cancellation: &Cancellation,
) -> Result<Changed, ProgramError> {
    let Limited { mut edits, objects } = limit::limited(&mut outline, limits)?;
    edits.extend(interruptible::edits(bytes, &outline, cancellation)?);
    let (starts, start) = start_function::edits(bytes, &outline)?.unzip();
    edits.extend(starts.unwrap_or_default());
    Ok(Changed { edits, memories: memories(&outline), start, objects, sections: outline.sections })
}

/// The module for the main thread, without limits of its own, and not interruptible.
pub fn for_main_thread(mut bytes: Vec<u8>) -> Result<V8Module, ProgramError> {
    expect_core_module(&bytes)?;
    let mut outline = Outline::read(&bytes)?;
    let abi = Interface::of_outline(&outline).check(Purpose::Command)?;
    let compilers = compile_limits::check_for_v8(&outline, &Limits::default(), &Cancellation::default())?;
    let objects = array_checks::are_made(&outline).then_some(u64::MAX);
    let Limited { mut edits, .. } = limit::limited(&mut outline, &Limits::default())?;
    let (starts, start) = start_function::edits(&bytes, &outline)?.unzip();
    edits.extend(starts.unwrap_or_default());
    let (memories, sections) = (memories(&outline), outline.sections);
    edit::apply(&mut bytes, &sections, edits);
    mark(&mut bytes, compilers);
    Ok(V8Module { bytes, memories, abi, start, objects, compilers })
}

/// The program of a module that V8 has compiled already: the module stays as it is, and nobody has its bytes.
pub fn of_names(names: &Names) -> Result<V8Module, ProgramError> {
    let abi = Interface::of_names(names).check(Purpose::Command)?;
    let (bytes, memories) = (Vec::new(), Vec::new());
    Ok(V8Module { bytes, memories, abi, start: None, objects: None, compilers: Compilers::Both })
}

fn mark(bytes: &mut Vec<u8>, compilers: Compilers) {
    if compilers == Compilers::Baseline {
        bytes.extend(MARK);
    }
}

fn memories(outline: &Outline<'_>) -> Vec<ImportedMemory> {
    let imported = outline.imports.iter().filter_map(|import| match &import.item {
        Item::Memory(bounds) => Some((import, bounds.clone())),
        _ => None,
    });
    imported
        .map(|(import, bounds)| ImportedMemory {
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            bounds,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITED: Limits = Limits {
        memory: Some(5 * 65536),
        table_elements: None,
        stack: None,
        fuel: None,
        open_files: None,
        is_deterministic: false,
    };

    fn prepared(text: &str, limits: &Limits) -> Result<V8Module, String> {
        for_thread(wat::parse_str(text).unwrap(), limits, &Cancellation::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn unreadable_modules_are_refused() {
        let module = wat::parse_str(
            r#"(module (memory 1) (func (export "_start") (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))))"#,
        );
        let module = module.unwrap();
        // Of the function: its length, no variables, i32.const 0.
        let body = module.windows(4).position(|four| four == [0, 0x41, 0, 0x41]).unwrap();
        let mut unknown = module.clone();
        unknown[body + 1] = 0xff;
        let long = format!(r#"(module (memory (export "{}") 1) (func (export "_start")))"#, "x".repeat(100_001));
        let named = wat::parse_str(long.replacen("xx", "x", 1)).unwrap();
        assert!(for_thread(named, &Limits::default(), &Cancellation::default()).is_ok());
        for bytes in [
            &module[..module.len() - 3],
            b"\0asm\x01\0\0\0\x7f",
            b"\0asm\x01\0\0\0\x02\x05\xff\xff\xff\xff\x0f",
            &wat::parse_str(long).unwrap(),
        ] {
            for limits in [&Limits::default(), &LIMITED] {
                assert!(matches!(
                    for_thread(bytes.to_vec(), limits, &Cancellation::default()),
                    Err(ProgramError::Uncompiled(_))
                ));
            }
            assert!(matches!(for_main_thread(bytes.to_vec()), Err(ProgramError::Uncompiled(_))));
        }
        assert!(
            matches!(
                for_thread(unknown, &Limits::default(), &Cancellation::default()),
                Err(ProgramError::Uncompiled(_))
            ),
            "an instruction"
        );
        for bytes in [&b""[..], b"\0asm", b"no module", b"\0asm\x0d\0\x01\0"] {
            assert!(matches!(
                for_thread(bytes.to_vec(), &Limits::default(), &Cancellation::default()),
                Err(ProgramError::Wrong(_))
            ));
            assert!(matches!(for_main_thread(bytes.to_vec()), Err(ProgramError::Wrong(_))));
        }
    }

    #[test]
    fn a_program_is_limited_and_interruptible() {
        let text = r#"(module
            (import "wasi_unstable" "proc_exit" (func (param i32))) (import "wasi_unstable" "proc_exit" (func (param i32)))
            (import "wasi_unstable" "fd_close" (func (param i32) (result i32))) (import "env" "memory" (memory 2 9 shared))
            (memory 1) (func (export "_start") (memory.fill (i32.const 0) (i32.const 0) (i32.const 9999))))"#;
        let program = prepared(text, &LIMITED).unwrap();
        wasmparser::Validator::new().validate_all(&program.bytes).unwrap();
        assert_eq!(program.abi, Abi::Unstable);
        let mut outline = Outline::read(&program.bytes).unwrap();
        assert_eq!(outline.bodies.len(), 2, "there is a check");
        let memories: Vec<_> = outline.all_memories().map(|bounds| (bounds.min, bounds.max)).collect();
        assert_eq!(memories, [(2, Some(4)), (1, Some(1))]);
        let [memory] = &program.memories[..] else { panic!("it imports one") };
        assert_eq!((&memory.module[..], &memory.name[..]), ("env", "memory"));
        assert_eq!((memory.bounds.min, memory.bounds.max, memory.bounds.is_shared()), (2, Some(4), true));
        let bytes = wat::parse_str(text.replace("(memory 1)", "")).unwrap();
        let here = for_main_thread(bytes.clone()).unwrap();
        assert!(here.bytes == bytes && here.objects.is_none());
        let objects = r#"(module (type (struct)) (func (export "_start")))"#;
        assert!(for_main_thread(wat::parse_str(objects).unwrap()).unwrap().objects.is_some());
    }

    #[test]
    fn what_v8_is_not_to_optimise_has_bytes_of_its_own() {
        let text = |count| format!(r#"(module (func (export "_start") {}))"#, "i32.const 0 if end ".repeat(count));
        let [few, many] = [3_000, 3_001].map(|count| wat::parse_str(text(count)).unwrap());
        let (few_here, many_here) = (for_main_thread(few.clone()).unwrap(), for_main_thread(many.clone()).unwrap());
        assert!(few_here.bytes == few && few_here.compilers == Compilers::Both);
        assert!(many_here.bytes != many && many_here.compilers == Compilers::Baseline);
        wasmparser::Validator::new().validate_all(&many_here.bytes).unwrap();
        assert_eq!(prepared(&text(3_001), &Limits::default()).unwrap().compilers, Compilers::Baseline);
    }

    #[test]
    fn without_a_limit_there_is_one_of_4_gib_in_all() {
        let text = r#"(module (memory i64 1) (memory 1) (func (export "_start")))"#;
        for program in
            [prepared(text, &Limits::default()).unwrap(), for_main_thread(wat::parse_str(text).unwrap()).unwrap()]
        {
            let mut outline = Outline::read(&program.bytes).unwrap();
            let most: Vec<_> = outline.all_memories().map(|bounds| bounds.max).collect();
            assert_eq!(most, [Some(65535), Some(1)]);
        }
    }

    #[test]
    fn a_module_that_is_no_program_is_refused_with_the_reason() {
        let refusal = |text| prepared(text, &Limits::default()).err().unwrap();
        assert_eq!(refusal("(module)"), "is not a command: it exports no function '_start'; load() gives its exports");
        assert_eq!(refusal(r#"(module (memory (export "_start") 1))"#), refusal("(module)"));
        let text = r#"(module (import "a" "f" (func)) (import "a" "g" (global i32)) (import "a" "t" (table 1 funcref))
            (import "wasi_unstable" "fd_shut" (func))
            (func (export "_start")))"#;
        let expected = "imports what WASI preview 1 does not have: a.f (function), a.g (global), a.t (table) and 1 more; \
             give it what it imports by options.imports, or build it for wasm32-wasip1";
        assert_eq!(refusal(text), expected);
        assert!(for_main_thread(wat::parse_str(text).unwrap()).is_err());
    }
}

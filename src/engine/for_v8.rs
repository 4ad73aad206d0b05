//! A program as V8 gets it: without what only debuggers look at, within its limits, with what counts its calls, and one that
//! can be ended in whatever it does.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

use super::edit::{self, Edit, PREAMBLE};
use super::fit::Face;
use super::limit::{self, Limited};
use super::plan::Limits;
use super::program::{Unusable, expect_core_module};
use super::{meter, objects, start, stoppable};
use crate::abi::Abi;
use crate::module::bounds::Bounds;
use crate::module::outline::{Item, Outline};
use crate::module::sections::CUSTOM;
use crate::syscalls::{SYSCALLS, Syscall};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use wasmparser::{BinaryReader, BinaryReaderError};

/// How the names begin of the custom sections that only debuggers look at.
const DEBUG: &[u8] = b".debug_";

/// So many sections are looked at, each with a call of its own, one after the other.
const MAX_SECTIONS: usize = 1000;

/// A section's number, length and name begin within so many bytes.
const PEEK: usize = 32;

/// A program as V8 gets it.
pub struct ForV8 {
    /// The module.
    pub bytes: Vec<u8>,
    /// The module that counts its calls.
    pub meter: Vec<u8>,
    /// The memories that are to be made for it.
    pub memories: Vec<ImportedMemory>,
    /// The edition of WASI it is for.
    pub abi: Abi,
    /// What its start function is exported as, for who runs it to call.
    pub start: Option<String>,
    /// How many bytes its garbage-collected objects may have; nothing if it makes none, or is not limited.
    pub objects: Option<u64>,
}

/// A memory that a program imports.
pub struct ImportedMemory {
    /// Whence.
    pub module: String,
    /// As what.
    pub name: String,
    /// How large.
    pub bounds: Bounds,
}

/// For a thread of its own, under limits.
///
/// A module that can't be read here, V8 gets as it is: it says what is wrong, or knows more. Only it can't be limited.
pub fn for_thread(bytes: Vec<u8>, limits: &Limits) -> Result<ForV8, Unusable> {
    expect_core_module(&bytes)?;
    let outline = match Outline::read(&bytes) {
        Ok(outline) => outline,
        Err(error) if limits.memory.is_some() || limits.table_elements.is_some() => return Err(unreadable(&error)),
        Err(_) => return Ok(unread(bytes)),
    };
    let abi = Face::of_outline(&outline).check()?;
    let meter = meter::meter(&calls(&outline, abi));
    let looked_at = if objects::are_made(&outline) { Some(objects::looked_at(&bytes, &outline)?) } else { None };
    let changed = match &looked_at {
        Some(bytes) => changed(bytes, Outline::read(bytes).map_err(|error| unreadable(&error))?, limits)?,
        None => changed(&bytes, outline, limits)?,
    };
    let Changed { edits, sections, memories, start, objects } = changed;
    let mut bytes = looked_at.unwrap_or(bytes);
    edit::apply(&mut bytes, &sections, edits);
    Ok(ForV8 { bytes, meter, memories, abi, start, objects })
}

/// What is changed of a program, and what is known of it then.
struct Changed {
    edits: Vec<Edit>,
    sections: Vec<(u8, Range<usize>)>,
    memories: Vec<ImportedMemory>,
    start: Option<String>,
    objects: Option<u64>,
}

fn changed(bytes: &[u8], mut outline: Outline<'_>, limits: &Limits) -> Result<Changed, Unusable> {
    let Limited { mut edits, objects } = limit::limited(&mut outline, limits)?;
    edits.extend(stoppable::edits(bytes, &outline).unwrap_or_default());
    let (starts, start) = start::edits(bytes, &outline).ok().flatten().unzip();
    edits.extend(starts.unwrap_or_default());
    Ok(Changed { edits, memories: memories(&outline), start, objects, sections: outline.sections })
}

fn unreadable(error: &impl std::fmt::Display) -> Unusable {
    Unusable::Uncompiled(error.to_string())
}

/// For the main thread, without limits of its own, and with nobody to end it.
pub fn for_main_thread(mut bytes: Vec<u8>) -> Result<ForV8, Unusable> {
    expect_core_module(&bytes)?;
    let Ok(mut outline) = Outline::read(&bytes) else {
        return Ok(unread(bytes));
    };
    let abi = Face::of_outline(&outline).check()?;
    let Limited { mut edits, .. } = limit::limited(&mut outline, &Limits::default())?;
    let (starts, start) = start::edits(&bytes, &outline).ok().flatten().unzip();
    edits.extend(starts.unwrap_or_default());
    let (memories, sections) = (memories(&outline), outline.sections);
    edit::apply(&mut bytes, &sections, edits);
    Ok(ForV8 { bytes, meter: Vec::new(), memories, abi, start, objects: None })
}

/// A program of which nothing is known.
fn unread(bytes: Vec<u8>) -> ForV8 {
    let all: Vec<_> = SYSCALLS.iter().collect();
    let (meter, memories) = (meter::meter(&all), Vec::new());
    ForV8 { bytes, meter, memories, abi: Abi::Preview1, start: None, objects: None }
}

/// The syscalls it imports, each once: a program may import one twice.
fn calls(outline: &Outline<'_>, abi: Abi) -> Vec<&'static Syscall> {
    let mut rows: Vec<_> = outline.imports.iter().filter_map(|import| import.syscall(abi)).collect();
    rows.sort_by_key(|row| row.name);
    rows.dedup_by_key(|row| row.name);
    rows
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

/// What a program's file holds for V8. (V8 makes a copy of all it gets, and debug information is half of some files.)
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let size = metadata.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    if metadata.is_file() {
        for Range { start, end } in kept(&file, size)? {
            io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
            Read::by_ref(&mut file).take(end - start).read_to_end(&mut bytes)?;
        }
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Where in a file is what is not for debuggers only; all of it where it is no module.
fn kept(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut at = PREAMBLE as u64;
    let mut ranges: Vec<_> = std::iter::once(0..at.min(size)).collect();
    for left in (0..MAX_SECTIONS).rev() {
        if at >= size {
            break;
        }
        let mut head = [0; PEEK];
        let len = file.read_at(&mut head, at)?;
        // V8 says what is wrong with the rest.
        let section = header(head.get(..len).unwrap_or_default()).ok().filter(|_| left > 0);
        let (section, is_debug) = section.unwrap_or((size - at, false));
        let end = at.saturating_add(section).min(size);
        match ranges.last_mut() {
            _ if is_debug => {}
            Some(last) if last.end == at => last.end = end,
            _ => ranges.push(at..end),
        }
        at = end;
    }
    Ok(ranges)
}

/// How long the section is that begins so, and whether it is for debuggers only.
fn header(head: &[u8]) -> Result<(u64, bool), BinaryReaderError> {
    let mut reader = BinaryReader::new(head, 0);
    let id = reader.read_u8()?;
    let content = reader.read_var_u32()?;
    let len = reader.original_position() as u64 + u64::from(content);
    if id != CUSTOM {
        return Ok((len, false));
    }
    reader.read_var_u32()?; // the length of its name
    let name = reader.read_bytes(reader.bytes_remaining())?;
    Ok((len, name.starts_with(DEBUG)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use wasm_encoder::Encode;

    const LIMITED: Limits = Limits {
        memory: Some(5 * 65536),
        table_elements: None,
        stack: None,
        fuel: None,
        open_files: None,
        stdout: None,
    };

    fn prepared(text: &str, limits: &Limits) -> Result<ForV8, String> {
        for_thread(wat::parse_str(text).unwrap(), limits).map_err(|error| error.to_string())
    }

    /// What a module exports.
    fn exports(bytes: &[u8]) -> Vec<&str> {
        Outline::read(bytes).unwrap().exports.iter().map(|export| export.name).collect()
    }

    #[test]
    fn what_can_not_be_read_is_v8_s_unless_it_is_to_be_limited() {
        let module =
            wat::parse_str("(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))))");
        let module = module.unwrap();
        for bytes in
            [&module[..module.len() - 3], b"\0asm\x01\0\0\0\x7f", b"\0asm\x01\0\0\0\x02\x05\xff\xff\xff\xff\x0f"]
        {
            let program = for_thread(bytes.to_vec(), &Limits::default()).unwrap();
            assert!(program.bytes == bytes);
            assert_eq!(exports(&program.meter).len(), SYSCALLS.len(), "it may want any");
            assert!(for_main_thread(bytes.to_vec()).unwrap().bytes == bytes);
            assert!(matches!(for_thread(bytes.to_vec(), &LIMITED), Err(Unusable::Uncompiled(_))));
        }
        for bytes in [&b""[..], b"\0asm", b"no module", b"\0asm\x0d\0\x01\0"] {
            assert!(matches!(for_thread(bytes.to_vec(), &Limits::default()), Err(Unusable::Wrong(_))));
            assert!(matches!(for_main_thread(bytes.to_vec()), Err(Unusable::Wrong(_))));
        }
    }

    #[test]
    fn it_is_limited_metered_and_can_be_ended() {
        let text = r#"(module
            (import "wasi_unstable" "proc_exit" (func (param i32))) (import "wasi_unstable" "proc_exit" (func (param i32)))
            (import "wasi_unstable" "fd_close" (func (param i32) (result i32))) (import "env" "memory" (memory 2 9 shared))
            (memory 1) (func (export "_start") (memory.fill (i32.const 0) (i32.const 0) (i32.const 9999))))"#;
        let program = prepared(text, &LIMITED).unwrap();
        wasmparser::Validator::new().validate_all(&program.bytes).unwrap();
        assert_eq!(program.abi, Abi::Unstable);
        assert_eq!(exports(&program.meter), ["fd_close", "proc_exit"], "each once");
        let mut outline = Outline::read(&program.bytes).unwrap();
        assert_eq!(outline.bodies.len(), 2, "there is a check");
        let memories: Vec<_> = outline.all_memories().map(|bounds| (bounds.min, bounds.max)).collect();
        assert_eq!(memories, [(2, Some(4)), (1, Some(1))]);
        let [memory] = &program.memories[..] else { panic!("it imports one") };
        assert_eq!((&memory.module[..], &memory.name[..]), ("env", "memory"));
        assert_eq!((memory.bounds.min, memory.bounds.max, memory.bounds.is_shared()), (2, Some(4), true));
        let bytes = wat::parse_str(text.replace("(memory 1)", "")).unwrap();
        assert!(for_main_thread(bytes.clone()).unwrap().bytes == bytes);
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
    fn what_is_no_program_says_why() {
        let refusal = |text| prepared(text, &Limits::default()).err().unwrap();
        assert_eq!(refusal("(module)"), "is not a command: it exports no function '_start'");
        assert_eq!(refusal(r#"(module (memory (export "_start") 1))"#), refusal("(module)"));
        let text = r#"(module (import "a" "f" (func)) (import "a" "g" (global i32)) (import "a" "t" (table 1 funcref))
            (import "wasi_unstable" "fd_shut" (func))
            (func (export "_start")))"#;
        let expected = "imports what WASI preview 1 does not have: a.f (function), a.g (global), a.t (table) and 1 more; \
             build it for wasm32-wasip1";
        assert_eq!(refusal(text), expected);
        assert!(for_main_thread(wat::parse_str(text).unwrap()).is_err());
    }

    #[test]
    fn debug_sections_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        let custom = |name: &str, len: usize| {
            let mut content = Vec::new();
            name.encode(&mut content);
            content.resize(content.len() + len, 7);
            let mut section = vec![CUSTOM];
            content.as_slice().encode(&mut section);
            section
        };
        let module = wat::parse_str("(module (func))").unwrap();
        let (name, debug) = (custom("name", 10), custom(".debug_str", 100_000));
        let long_name = custom(&format!(".debug_{}", "x".repeat(100)), 0);
        let of = |parts: &[&[u8]]| {
            fs::write(&file, parts.concat()).unwrap();
            read(&file).unwrap()
        };
        assert_eq!(of(&[&module]), module);
        assert_eq!(of(&[&module, &debug, &name, &long_name, &debug]), [&module[..], &name].concat());
        assert_eq!(of(&[&module, &debug[..50]]), module, "its end is beyond the file's");
        let many = name.repeat(MAX_SECTIONS);
        assert_eq!(of(&[&module, &many, &debug]), [&module[..], &many, &debug].concat());
        for other in [&b"no module, but long enough to look at it as if it were one"[..], b"short", b""] {
            assert_eq!(of(&[other]), other);
        }
        assert_eq!(read(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(read(folder.path()).is_err());
    }
}

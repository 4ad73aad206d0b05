//! Memories that a program defines for itself, where some are shared: turned into imports, which each run is given its own
//! of. wasmtime asks nobody before a shared memory grows, so one that it makes itself would have no limit.

use crate::module::sections::{CUSTOM, IMPORT, MEMORY, TYPE, slice};
use std::borrow::Cow;
use std::ops::Range;
use wasm_encoder::{Encode, Module, RawSection};
use wasmparser::{BinaryReaderError, MemorySectionReader, Parser, Payload};

/// The module that they are imported from.
const NAMESPACE: &str = "wasi-rs";

/// An import's kind.
const KIND_MEMORY: u8 = 2;

/// The module with all its memories imported, if it defines shared ones: in the same order, so that their numbers stay.
/// One that can't be read is left as it is, for wasmtime to say why.
pub fn imported(bytes: &[u8]) -> Cow<'_, [u8]> {
    rewritten(bytes).ok().flatten().map_or(Cow::Borrowed(bytes), Cow::Owned)
}

fn rewritten(bytes: &[u8]) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    let mut sections = Vec::new();
    let (mut count, mut items) = (0, &[][..]);
    let mut memories = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        sections.extend(payload.as_section());
        match payload {
            // Its position is behind the count.
            Payload::ImportSection(section) => {
                count = section.count() as usize;
                items = slice(bytes, section.original_position()..section.range().end);
            }
            Payload::MemorySection(section) => memories = defined(bytes, section)?,
            _ => {}
        }
    }
    if !memories.iter().any(|(is_shared, _)| *is_shared) {
        return Ok(None);
    }
    let mut content = Vec::new();
    (count + memories.len()).encode(&mut content);
    content.extend(items);
    for (index, (_, ty)) in memories.into_iter().enumerate() {
        NAMESPACE.encode(&mut content);
        index.to_string().encode(&mut content);
        content.push(KIND_MEMORY);
        content.extend(ty);
    }
    Ok(Some(assembled(bytes, sections, &content)))
}

/// The types of the memories, as they stand in the module, and whether each is shared.
fn defined<'a>(bytes: &'a [u8], section: MemorySectionReader<'_>) -> Result<Vec<(bool, &'a [u8])>, BinaryReaderError> {
    let end = section.range().end;
    let found: Vec<_> = section.into_iter_with_offsets().collect::<Result<_, _>>()?;
    let ends = found.iter().skip(1).map(|(at, _)| *at).chain([end]);
    Ok(found.iter().zip(ends).map(|((at, ty), end)| (ty.shared, slice(bytes, *at..end))).collect())
}

/// The module with this import section and without a section of memories.
fn assembled(bytes: &[u8], sections: Vec<(u8, Range<usize>)>, imports: &[u8]) -> Vec<u8> {
    let mut module = Module::new();
    let mut imports = Some(RawSection { id: IMPORT, data: imports });
    for (id, range) in sections {
        // It stands behind the types, also where there was none.
        if !matches!(id, CUSTOM | TYPE)
            && let Some(imports) = imports.take()
        {
            module.section(&imports);
        }
        if !matches!(id, IMPORT | MEMORY) {
            module.section(&RawSection { id, data: slice(bytes, range) });
        }
    }
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{TypeRef, Validator};

    /// What the module imports as memories, and how many it defines.
    fn memories(bytes: &[u8]) -> (Vec<(String, u64, Option<u64>)>, u32) {
        Validator::new().validate_all(bytes).unwrap();
        let (mut imported, mut defined) = (Vec::new(), 0);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.unwrap() {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.unwrap();
                        if let TypeRef::Memory(ty) = import.ty {
                            imported.push((format!("{}.{}", import.module, import.name), ty.initial, ty.maximum));
                        }
                    }
                }
                Payload::MemorySection(section) => defined = section.count(),
                _ => {}
            }
        }
        (imported, defined)
    }

    #[test]
    fn modules_without_shared_memories_stay() {
        for text in ["(module)", "(module (memory 1))", "(module (import \"a\" \"b\" (memory 1 2 shared)))"] {
            assert!(matches!(imported(&wat::parse_str(text).unwrap()), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(imported(b"\0asm\x01\0\0\0\x05\x7f"), Cow::Borrowed(_)));
    }

    #[test]
    fn all_memories_are_imported_in_their_order() {
        let text = r#"(module (import "a" "f" (func)) (import "a" "m" (memory 9)) (memory 1 300 shared) (memory 2)
            (func (export "g") (drop (memory.grow 1 (i32.const 1))) (i32.store 2 (i32.const 0) (i32.const 1)))
            (data (memory 1) (i32.const 0) "x"))"#;
        let bytes = wat::parse_str(text).unwrap();
        let (found, defined) = memories(&imported(&bytes));
        assert_eq!(defined, 0);
        let expected = [("a.m", 9, None), ("wasi-rs.0", 1, Some(300)), ("wasi-rs.1", 2, None)];
        assert_eq!(found, expected.map(|(name, least, most)| (name.to_owned(), least, most)));
    }

    #[test]
    fn a_module_need_not_import_anything_else() {
        for text in [
            "(module (memory 1 1 shared))",
            r#"(module (@custom "x" "y") (type (func)) (memory 1 1 shared) (func (export "f")))"#,
        ] {
            let (found, _) = memories(&imported(&wat::parse_str(text).unwrap()));
            assert_eq!(found, [("wasi-rs.0".to_owned(), 1, Some(1))], "{text}");
        }
    }
}

//! V8 limits no memory and no table but by what the module itself declares as their maximum; so that is
//! lowered. Nobody is asked later, so what each may have is set aside before the program begins.

use super::array_checks;
use super::edit::{Edit, number_at};
use crate::bounds::Bounds;
use crate::error::ProgramError;
use crate::limits::Limits;
use crate::limits::MEMORY;
use crate::outline::Outline;

/// Bytes that an element of a table takes in V8: 40 of one for functions, and while it grows there are two of
/// it.
const ELEMENT: u128 = 64;

/// Bytes that V8 makes of a function once something refers to it as a value.
const FUNCTION: u128 = 500;

/// Bytes that it makes of an export before the program begins.
const EXPORT: u128 = 1000;

/// Bytes for functions and exports that are in the allowance: most programs have less.
const FUNCTIONS_ALLOWED: u128 = 16 << 20;

/// The share by which tables may grow, of what is left beside all that the program begins with.
const TABLES_SHARE: u128 = 8;

/// The share of objects in what is left, if the program makes any.
const OBJECTS_SHARE: u128 = 2;

/// The changes that keep a program within its limits.
pub struct Limited {
    /// The edits that lower what it declares.
    pub edits: Vec<Edit>,
    /// The most bytes of its garbage-collected objects; none if it makes none, or is not limited.
    pub objects: Option<u64>,
}

/// Lowers what a module declares, as far as the limits say, here and in what is returned.
pub fn limited(outline: &mut Outline<'_>, limits: &Limits) -> Result<Limited, ProgramError> {
    let makes_objects = array_checks::are_made(outline);
    let mut elements = limits.table_elements();
    if makes_objects {
        elements = elements.min(array_checks::MAX_TABLE_ELEMENTS);
    }
    let at_first = outline.at_first;
    let tables_at_first = outline.all_tables().map(|bounds| bounds.least()).sum::<u128>();
    let mut left = None;
    if let Some(limit) = limits.memory {
        let memories = outline.all_memories().map(|bounds| bounds.least()).sum::<u128>();
        let least = memories + tables_at_first * ELEMENT + at_first + functions(outline);
        let rest = u128::from(limit).checked_sub(least);
        let rest = rest.ok_or_else(|| too_much(&format!("{least} bytes of memory"), limit, "memory"))?;
        let grown = tables_at_first + rest / TABLES_SHARE / ELEMENT;
        elements = elements.min(u64::try_from(grown).unwrap_or(u64::MAX)).max(elements.min(whole(tables_at_first)));
        left = Some(rest);
    }
    let mut tables: Vec<_> = outline.all_tables().collect();
    let lowered = lower(&mut tables, elements);
    let mut edits =
        lowered.map_err(|least| too_much(&format!("tables of {least} elements"), elements, "tableElements"))?;
    let Some(rest) = left else {
        // Also without a limit there is one, as in wasmtime: memories with addresses of 64 bits, or several,
        // could have more.
        let lowered = lower(&mut outline.all_memories().collect::<Vec<_>>(), MEMORY);
        edits.extend(lowered.map_err(|least| too_much(&format!("{least} bytes of memory"), MEMORY, "memory"))?);
        if at_first > u128::from(MAX_AT_FIRST) {
            return Err(ProgramError::Wrong(format!("can't be started: it begins with objects of {at_first} bytes")));
        }
        return Ok(Limited { edits, objects: None });
    };
    let growth = outline.all_tables().map(|bounds| bounds.most() - bounds.least()).sum::<u128>() * ELEMENT;
    let objects = if makes_objects { (rest - growth) / OBJECTS_SHARE } else { 0 };
    let mut memories: Vec<_> = outline.all_memories().collect();
    let least = memories.iter().map(|bounds| bounds.least()).sum::<u128>();
    let most = whole(least + rest - growth - objects);
    edits.extend(lower(&mut memories, most).unwrap_or_default());
    Ok(Limited { edits, objects: makes_objects.then(|| whole(objects + at_first)) })
}

/// Bytes of objects that a program may begin with where there is no limit: V8's heap holds more.
const MAX_AT_FIRST: u64 = 64 << 20;

/// Bytes that V8 may keep on its heap for the functions and exports of a program, beyond what the allowance
/// has for them.
fn functions(outline: &Outline<'_>) -> u128 {
    let (functions, exports) = (outline.all_functions().count() as u128, outline.exports.len() as u128);
    (functions * FUNCTION + exports * EXPORT).saturating_sub(FUNCTIONS_ALLOWED)
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Lowers the bounds: the first may grow as far as its own maximum and the first sizes of the others allow,
/// the second by what that leaves, and so on. The error is the sum of the first sizes, if that is too much.
fn lower(all: &mut [&mut Bounds], limit: u64) -> Result<Vec<Edit>, u128> {
    let least = all.iter().map(|bounds| bounds.least()).sum();
    let mut room = u128::from(limit).checked_sub(least).ok_or(least)?;
    let mut edits = Vec::new();
    for bounds in all {
        let growth = bounds.most().saturating_sub(bounds.least()).min(room) / bounds.unit * bounds.unit;
        room -= growth;
        let most = bounds.least() + growth;
        if most < bounds.most() {
            let max = u64::try_from(most / bounds.unit).unwrap_or(u64::MAX);
            edits.extend(bounds.set_max(max).map(|(range, number)| number_at(range, number)));
        }
    }
    Ok(edits)
}

fn too_much(needed: &str, limit: u64, name: &str) -> ProgramError {
    ProgramError::Wrong(format!("can't be started: it needs {needed}, more than the {limit} of limits.{name}"))
}

#[cfg(test)]
mod tests {
    use super::super::edit::apply;
    use super::*;
    use wasmparser::Validator;

    const PAGE: u64 = 65536;

    /// The first and the most units of each memory and table.
    type Found = Vec<(u64, Option<u64>)>;

    /// The module under these limits; an error if it needs more.
    fn limited(bytes: &[u8], memory: Option<u64>, table_elements: Option<u64>) -> Result<Vec<u8>, String> {
        let mut outline = Outline::read(bytes).map_err(|error| error.to_string())?;
        let limits = Limits { memory, table_elements, ..Limits::default() };
        let edits = super::limited(&mut outline, &limits).map_err(|error| error.to_string())?.edits;
        let sections = outline.sections.clone();
        let declared = found(&mut outline);
        let mut limited = bytes.to_vec();
        apply(&mut limited, &sections, edits);
        assert_eq!(bounds(&limited), declared, "what is said of it is what it says");
        Ok(limited)
    }

    fn found(outline: &mut Outline<'_>) -> (Found, Found) {
        let memories = outline.all_memories().map(|bounds| (bounds.min, bounds.max)).collect();
        (memories, outline.all_tables().map(|bounds| (bounds.min, bounds.max)).collect())
    }

    fn bounds(bytes: &[u8]) -> (Found, Found) {
        found(&mut Outline::read(bytes).unwrap())
    }

    fn wat(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_module_that_asks_for_no_more_is_left_as_it_is() {
        for text in ["(module)", "(module (memory 1 4))", "(module (table 3 9 funcref))"] {
            let bytes = wat(text);
            assert_eq!(limited(&bytes, Some(4 * PAGE), Some(9)).unwrap(), bytes);
            assert_eq!(limited(&bytes, None, None).unwrap(), bytes);
        }
        let both = wat("(module (memory 1) (table 1 funcref))");
        assert_eq!(bounds(&limited(&both, None, Some(5)).unwrap()), (vec![(1, None)], vec![(1, Some(5))]));
        assert_eq!(bounds(&limited(&both, Some(5 * PAGE), None).unwrap()), (vec![(1, Some(4))], vec![(1, Some(512))]));
    }

    #[test]
    fn a_maximum_is_lowered_or_put_where_there_was_none() {
        for (limits, least) in [("1", 1), ("1 65536", 1), ("3 3", 3), ("2 4", 2), ("2 5", 2)] {
            let bytes = limited(&wat(&format!("(module (memory {limits}))")), Some(4 * PAGE - 1), None).unwrap();
            Validator::new().validate_all(&bytes).unwrap();
            assert_eq!(bounds(&bytes).0, [(least, Some(3))], "{limits}");
        }
    }

    #[test]
    fn the_limit_is_for_all_of_them_first_come_first_served() {
        let bytes = wat("(module (table 1 funcref) (table 2 5 funcref) (table 3 funcref))");
        for (limit, expected) in [
            (6, [Some(1), Some(2), Some(3)]),
            (10, [Some(5), Some(2), Some(3)]),
            (1000, [Some(995), Some(2), Some(3)]),
            (1 << 40, [Some(9_999_995), Some(2), Some(3)]),
        ] {
            let tables = bounds(&limited(&bytes, None, Some(limit)).unwrap()).1;
            assert_eq!(tables.iter().map(|(_, max)| *max).collect::<Vec<_>>(), expected);
        }
        assert_eq!(
            limited(&bytes, None, Some(5)).unwrap_err(),
            "can't be started: it needs tables of 6 elements, more than the 5 of limits.tableElements"
        );
    }

    #[test]
    fn functions_and_exports_count_where_there_are_many() {
        let bytes = wat(&format!("(module (memory 1) {})", "(func)".repeat(40_000)));
        let least = PAGE + 40_000 * 500 - (16 << 20);
        assert_eq!(bounds(&limited(&bytes, Some(least + PAGE), None).unwrap()).0, [(1, Some(2))]);
        assert!(limited(&bytes, Some(least - 1), None).unwrap_err().contains(&format!("needs {least} bytes")));
        let bytes = wat(&format!("(module (memory 1) {})", "(func)".repeat(33_000)));
        assert_eq!(bounds(&limited(&bytes, Some(PAGE), None).unwrap()).0, [(1, Some(1))]);
        let exports: String = (0..20_000).map(|i| format!(r#"(export "{i}" (func 0))"#)).collect();
        let bytes = wat(&format!("(module (memory 1) (func) {exports})"));
        assert!(limited(&bytes, Some(PAGE), None).is_err());
    }

    #[test]
    fn imports_count_too_and_shared_memories() {
        let text = r#"(module (import "a" "m" (memory 1 100 shared)) (import "a" "g" (global i32))
            (import "a" "t" (table 1 funcref)) (import "a" "f" (func (param i64) (result f64)))
            (import "a" "e" (tag)) (memory 2))"#;
        let bytes = limited(&wat(text), Some(5 * PAGE), Some(7)).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        assert_eq!(bounds(&bytes), (vec![(1, Some(2)), (2, Some(2))], vec![(1, Some(7))]));
        assert_eq!(
            limited(&wat(text), Some(3 * PAGE - 1), None).unwrap_err(),
            "can't be started: it needs 196672 bytes of memory, more than the 196607 of limits.memory"
        );
    }

    #[test]
    fn sections_may_get_lengths_of_more_bytes() {
        // 40 tables that get a maximum: the section grows past 127 bytes.
        let text = format!("(module {} (memory 1))", "(table 1 funcref)".repeat(40));
        let bytes = limited(&wat(&text), Some(300 * PAGE), Some(1_000_000)).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        let mut expected = [(1, Some(1)); 40];
        expected[0] = (1, Some(38_268)); // an eighth of what is left when 40 are there
        assert_eq!(bounds(&bytes), (vec![(1, Some(262))], expected.to_vec()));
    }

    /// A module of these sections, each of less than 128 bytes.
    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, content) in sections {
            bytes.extend([*id, u8::try_from(content.len()).unwrap()]);
            bytes.extend(*content);
        }
        bytes
    }

    #[test]
    fn types_and_tables_of_newer_proposals_are_limited() {
        // (rec (type (sub (func))) (type (struct (field (mut i8)) (field (ref null 0)))) (type (array i64)))
        // (type (func))
        let types =
            [&[2, 0x4e, 3, 0x50, 0, 0x60, 0, 0, 0x5f, 2, 0x78, 1, 0x63, 0, 0][..], &[0x5e, 0x7e, 0, 0x60, 0, 0]]
                .concat();
        // (table 2 (ref null func) (ref.func 0)), (table 1 externref), (table i64 3 9 funcref)
        let tables = [3, 0x40, 0, 0x63, 0x70, 0, 2, 0xd2, 0, 0x0b, 0x6f, 0, 1, 0x70, 5, 3, 9];
        let wide = [1, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x10]; // i64, up to 2^32 pages
        let bytes = module(&[(1, &types), (3, &[1, 3]), (4, &tables), (5, &wide), (10, &[1, 2, 0, 0x0b])]);
        Validator::new().validate_all(&bytes).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        assert_eq!(outline.types.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, true]);
        assert_eq!(bounds(&bytes), (vec![(1, Some(1 << 32))], vec![(2, None), (1, None), (3, Some(9))]));
        let bytes = limited(&bytes, Some(10 * PAGE), Some(8)).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        assert_eq!(bounds(&bytes), (vec![(1, Some(5))], vec![(2, Some(4)), (1, Some(1)), (3, Some(3))]));
        let wide = wat("(module (memory i64 1) (table i64 1 funcref))");
        let most = limited(&wide, Some(u64::MAX), Some(u64::MAX)).unwrap();
        let memory = (u64::MAX - 64 * 10_000_000) / PAGE;
        assert_eq!(bounds(&most), (vec![(1, Some(memory))], vec![(1, None)]), "V8 has its own maximum");
    }

    #[test]
    fn pages_may_have_other_sizes() {
        let bytes = limited(&wat("(module (memory 10 (pagesize 1)))"), Some(77), None).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        assert_eq!((bounds(&bytes).0, outline.memories[0].unit), (vec![(10, Some(77))], 1));
    }

    #[test]
    fn mutated_modules_are_refused_or_limited() {
        let whole = wat(r#"(module (import "a" "f" (func (param i32))) (memory (export "m") 1) (table 1 funcref)
                (func (export "g") (param i64) (result i64) (local.get 0)))"#);
        for len in 0..whole.len() {
            if let Ok(cut) = limited(&whole[..len], Some(PAGE), Some(1)) {
                assert!(bounds(&cut).0.iter().all(|(_, max)| max.is_some()), "{len}");
            }
        }
        let mut accepted = 0;
        for at in 8..whole.len() {
            for value in 0..=u8::MAX {
                let mut changed = whole.clone();
                changed[at] = value;
                if let Ok(bytes) = limited(&changed, Some(2 * PAGE), Some(3))
                    && Validator::new().validate_all(&bytes).is_ok()
                {
                    accepted += 1;
                    let (memories, tables) = bounds(&bytes);
                    assert!(memories.iter().all(|(_, max)| max.is_some_and(|max| max <= 2)), "{at} {value}");
                    assert!(tables.iter().all(|(_, max)| max.is_some_and(|max| max <= 3)), "{at} {value}");
                }
            }
        }
        assert!(accepted > 100, "{accepted} modules");
    }

    #[test]
    fn modules_with_unknown_parts_are_refused() {
        for section in [
            &[5, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..],
            &[5, 0xff, 0xff, 0xff, 0xff, 0x1f],
            &[5, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[5, 4, 1, 16, 1, 1],                  // unknown flags of a memory
            &[4, 4, 1, 0x70, 8, 1],                // unknown flags of a table
            &[2, 5, 1, 0, 0, 9, 0],                // an unknown kind of import
            &[2, 8, 1, 0, 0, 0x7f, 1, 0, 2, 0, 1], // several imports at once
            &[1, 2, 1, 0x4d],                      // an unknown kind of type
        ] {
            let bytes = [&b"\0asm\x01\0\0\0"[..], section].concat();
            assert!(limited(&bytes, Some(PAGE), None).is_err(), "{section:x?}");
        }
        for bytes in [&b"\0asm\x0d\0\x01\0"[..], b"", b"\0asm", b"no module"] {
            assert!(limited(bytes, Some(PAGE), None).is_err());
        }
    }
}

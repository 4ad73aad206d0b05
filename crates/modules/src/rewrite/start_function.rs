//! The rewriting of a module's start function for V8: it is exported, and called by the code that runs the
//! module, rather than by V8 as it makes the instance. Its system calls need the memory, which is known only
//! when there is an instance.

use super::edit::{Edit, encoded, one_more};
use crate::outline::Outline;
use crate::sections::{CUSTOM, EXPORT, START, slice};
use std::collections::HashSet;
use wasm_encoder::Encode;
use wasmparser::{BinaryReader, BinaryReaderError};

/// The name it is exported by, if the module does not export something by this name itself.
const NAME: &str = "wasi-rs start";

const KIND_FUNCTION: u8 = 0;

/// The edits that export the start function and remove its call, and its name as an export; none where there
/// is no start function, or it can make no call. A program exports something: its `_start`.
pub fn edits(bytes: &[u8], outline: &Outline<'_>) -> Result<Option<(Vec<Edit>, String)>, BinaryReaderError> {
    let range_of = |id| outline.sections.iter().find(|(section, _)| *section == id).map(|(_, range)| range);
    let (Some(start), Some(exports)) = (range_of(START), range_of(EXPORT)) else {
        return Ok(None);
    };
    let function = BinaryReader::new(slice(bytes, start.clone()), start.start).read_var_u32()?;
    let mut name = NAME.to_owned();
    let taken: HashSet<_> =
        outline.exports.iter().map(|export| export.name).filter(|name| name.starts_with(NAME)).collect();
    while taken.contains(&name[..]) {
        name.push('\'');
    }
    let mut export = Vec::new();
    name.as_str().encode(&mut export);
    export.push(KIND_FUNCTION);
    export.extend(encoded(function.into()));
    let number = outline.sections.iter().take_while(|(id, _)| *id != START).last().map_or(0, |(_, range)| range.end);
    let edits = vec![
        one_more(bytes, exports)?,
        (exports.end..exports.end, export),
        // It becomes a custom section without a name.
        (number..number + 1, vec![CUSTOM]),
        (start.start..start.start, vec![0]),
    ];
    Ok(Some((edits, name)))
}

#[cfg(test)]
mod tests {
    use super::super::edit::apply;
    use super::*;
    use wasmparser::Validator;

    fn rewritten(text: &str) -> Option<(Vec<u8>, String)> {
        let mut bytes = wat::parse_str(text).unwrap();
        let outline = Outline::read(&bytes).unwrap();
        let (edits, name) = edits(&bytes, &outline).unwrap()?;
        let sections = outline.sections.clone();
        apply(&mut bytes, &sections, edits);
        Validator::new().validate_all(&bytes).unwrap();
        Some((bytes, name))
    }

    #[test]
    fn the_start_function_is_exported_and_no_longer_called() {
        let body = "(func) ".repeat(200);
        for (function, name) in [(1, "x"), (150, "x"), (0, NAME)] {
            let text = format!(
                r#"(module (import "a" "f" (func)) {body} (export "_start" (func 3)) (export "{name}" (func 2))
                (start {function}) (func (drop (i32.const 0))) (memory 1) (data (i32.const 0) "x"))"#
            );
            let (bytes, found) = rewritten(&text).unwrap();
            assert_eq!(found == NAME, name == "x");
            let outline = Outline::read(&bytes).unwrap();
            assert!(outline.sections.iter().all(|(id, _)| *id != START));
            let export = outline.exports.iter().find(|export| export.name == found).unwrap();
            assert_eq!(export.index, function);
            assert_eq!((outline.exports.len(), outline.bodies.len()), (3, 201));
        }
    }

    #[test]
    fn a_module_without_one_stays() {
        assert!(rewritten(r#"(module (func (export "_start")))"#).is_none());
        assert!(rewritten("(module (func) (start 0))").is_none(), "no program");
    }
}

//! A component without the bodies of its functions. It has the types of the whole one, and is compiled in no
//! time.

use crate::error::ProgramError;
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{CodeSection, Component, Function, Module};
use wasmparser::{CustomSectionReader, FunctionBody, Parser};

/// Copies all of a component but the bodies of functions, and sections that tell of these.
struct Bodiless;

impl Reencode for Bodiless {
    type Error = Infallible;

    fn parse_function_body(&mut self, code: &mut CodeSection, _: FunctionBody<'_>) -> Result<(), Error> {
        let mut function = Function::new([]);
        function.instructions().unreachable().end();
        code.function(&function);
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl ReencodeComponent for Bodiless {
    fn parse_component_custom_section(&mut self, _: &mut Component, _: CustomSectionReader<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// A component like this one, of which each function is an instruction that traps.
pub fn of_component(bytes: &[u8]) -> Result<Vec<u8>, ProgramError> {
    let mut made = Component::new();
    Bodiless
        .parse_component(&mut made, Parser::new(0), bytes)
        .map_err(|error| ProgramError::Uncompiled(error.to_string()))?;
    Ok(made.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Payload, Validator, WasmFeatures};

    #[test]
    fn the_types_stay_and_the_bodies_go() {
        let whole = wat::parse_str(
            r#"(component $c
                (import "my:a/b" (instance (export "f" (func (param "x" (list string)) (result u32)))))
                (component (core module (func (i32.const 1) (drop))))
                (core module $m
                    (memory (export "memory") 1)
                    (data (i32.const 8) "text")
                    (table 1 funcref)
                    (elem (i32.const 0) $g)
                    (func $g (export "g") (param i32) (result i32) (local i64) (i32.add (local.get 0) (i32.const 7))))
                (core instance $i (instantiate $m))
                (func (export "g") (param "x" u32) (result u32) (canon lift (core func $i "g"))))"#,
        )
        .unwrap();
        let made = of_component(&whole).unwrap();
        Validator::new_with_features(WasmFeatures::all()).validate_all(&made).unwrap();
        let (mut bodies, mut exports) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(&made) {
            match payload.unwrap() {
                Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes().to_owned()),
                Payload::ComponentExportSection(all) => {
                    exports.extend(all.into_iter().map(|one| one.unwrap().name.name))
                }
                Payload::CustomSection(_) => panic!("there are names of what is gone"),
                _ => {}
            }
        }
        // No locals, `unreachable`, `end`.
        assert_eq!((bodies, exports), (vec![vec![0, 0, 0x0b]; 2], vec!["g"]));
        assert!(made.len() < whole.len());
    }

    #[test]
    fn no_component_is_refused() {
        for bytes in [&b""[..], b"text", b"\0asm\x0d\0\x01\0\xff"] {
            let _ = of_component(bytes).err();
        }
        assert!(of_component(b"\0asm\x0d\0\x01\0\x01\xff").is_err());
    }
}

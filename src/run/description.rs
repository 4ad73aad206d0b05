//! Descriptions of programs, in the form of `wasi-rs inspect --json`.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::permission::require_wasi;
use crate::run::reader::{float, held};
use wasi_rs_core::abi::Abi;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::interface::{Described, DescribedMemory, Description};

/// Defines the function, as a property of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, DescribeProgram::NAME, js.function::<DescribeProgram>(0)?)
}

/// `describe(program)`: `{ kind, version, imports, exports, memory, missing }` of a program that was compiled
/// to be kept; undefined for another.
struct DescribeProgram;

impl Method for DescribeProgram {
    const NAME: &'static str = "describe";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        require_wasi(call.js)?;
        match held::<Executable>(call.js, call.args[0])?.describe() {
            Some((abi, description, missing)) => description_to_js(call.js, abi, &description, &missing),
            None => call.js.undefined(),
        }
    }
}

/// `{ kind, version, imports, exports, memory, missing }` of a program for this edition of WASI.
pub fn description_to_js<'s>(
    js: Js<'s>,
    abi: Abi,
    description: &Description,
    missing: &[String],
) -> JsResult<Value<'s>> {
    let Description { kind, version, imports, exports, memories } = description;
    let report = js.object()?;
    js.set_named(report, "kind", js.string(kind)?)?;
    js.set_named(report, "missing", js.array(missing.iter().map(|text| js.string(text)))?)?;
    let uses_wasi = imports.iter().any(|import| import.module.as_deref() == Some(abi.module()));
    let version = version.as_deref().or_else(|| uses_wasi.then(|| abi.version()));
    js.set_named(report, "version", version.map_or_else(|| js.null(), |version| js.string(version))?)?;
    js.set_named(report, "imports", js.array(imports.iter().map(|import| described_to_js(js, import)))?)?;
    js.set_named(report, "exports", js.array(exports.iter().map(|export| described_to_js(js, export)))?)?;
    js.set_named(report, "memory", js.array(memories.iter().map(|memory| memory_to_js(js, memory)))?)?;
    Ok(report)
}

fn described_to_js<'s>(js: Js<'s>, described: &Described) -> JsResult<Value<'s>> {
    let Described { module, name, kind, signature } = described;
    let object = js.object()?;
    let texts =
        [("module", module.as_deref()), ("name", Some(name)), ("kind", Some(kind)), ("type", signature.as_deref())];
    for (key, text) in texts {
        if let Some(text) = text {
            js.set_named(object, key, js.string(text)?)?;
        }
    }
    Ok(object)
}

fn memory_to_js<'s>(js: Js<'s>, memory: &DescribedMemory) -> JsResult<Value<'s>> {
    let object = js.object()?;
    js.set_named(object, "imported", js.boolean(memory.is_imported)?)?;
    js.set_named(object, "shared", js.boolean(memory.is_shared)?)?;
    js.set_named(object, "wide", js.boolean(memory.is_wide)?)?;
    js.set_named(object, "min", js.number(float(memory.min))?)?;
    js.set_named(object, "max", memory.max.map_or_else(|| js.null(), |max| js.number(float(max)))?).map(|()| object)
}

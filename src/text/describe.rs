//! Descriptions of modules, for `wasi-rs inspect`: imports, exports, memories, and missing system calls.

use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Value};
use wasi_rs_modules::bounds::Bounds;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::component::Component;
use wasi_rs_modules::error::{Form, MAX_BYTES, ProgramError};
use wasi_rs_modules::outline::{Import, Item, Outline, is_type_of, kind_of};
use wasi_rs_modules::signature;
use wasmparser::Export;

/// Defines the function.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, Describe::NAME, js.function::<Describe>(0)?)?;
    js.set_named(exports, Refusal::NAME, js.function::<Refusal>(0)?)?;
    #[allow(clippy::cast_precision_loss, reason = "it is less than 2 to the power of 53")]
    js.set_named(exports, "maxBytes", js.number(MAX_BYTES as f64)?)
}

/// `refusal(bytes)`: the reason why a file that begins with these bytes is no module or component, to follow
/// its name; undefined if it is one.
struct Refusal;

impl Method for Refusal {
    const NAME: &'static str = "refusal";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        match Form::of(&js.uint8_array(call.args[0])?.unwrap_or_default()) {
            Ok(_) => js.undefined(),
            Err(error) => js.string(&error.to_string()),
        }
    }
}

/// `describe(bytes)`: `{ kind, version, memory, imports, exports, missing }` of a module or component; an
/// exception if it can't be read.
struct Describe;

impl Method for Describe {
    const NAME: &'static str = "describe";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let bytes = js.uint8_array(call.args[0])?.unwrap_or_default();
        let read = match Form::of(&bytes) {
            Ok(Form::Component) => Component::read(&bytes, &Cancellation::default()).map(|one| of_component(js, &one)),
            _ => Outline::read(&bytes).map_err(ProgramError::from).map(|mut outline| describe(js, &mut outline)),
        };
        match read {
            Ok(described) => described,
            Err(error) => {
                let why = if let ProgramError::Uncompiled(why) = &error { why } else { &error.to_string() };
                let message = js.string(why)?;
                Err(js.throw(js.error(ErrorKind::Error, Some("ERR_WASI_PROGRAM"), message)?))
            }
        }
    }
}

fn of_component<'s>(js: Js<'s>, component: &Component<'_>) -> JsResult<Value<'s>> {
    let report = js.object()?;
    set_text(js, report, "kind", if component.run().is_some() { "command" } else { "component" })?;
    set_text(js, report, "version", &component.version())?;
    js.set_named(report, "memory", js.array(std::iter::empty())?)?;
    let named = |name: &&str| {
        let object = js.object()?;
        set_text(js, object, "name", name)?;
        let kind = if name.contains(':') { "interface" } else { "function" };
        set_text(js, object, "kind", kind).map(|()| object)
    };
    let imports = component.imports.iter().map(|name| {
        let object = named(name)?;
        set_text(js, object, "module", "")?;
        Ok(object)
    });
    js.set_named(report, "imports", js.array(imports)?)?;
    js.set_named(report, "exports", js.array(component.exports.iter().map(named))?)?;
    let missing = component.needs.iter().filter(|name| !is_given(name));
    let missing = missing.map(|name| (*name).to_owned());
    // A component without that interface is no command, and loaded.
    let run = component.run().and_then(|_| component.check_command().err()).map(|why| format!("it {why}"));
    js.set_named(report, "missing", js.array(missing.chain(run).map(|text| js.string(&text)))?)?;
    Ok(report)
}

/// True for an interface that the engine has for components.
#[cfg(feature = "engine")]
fn is_given(name: &str) -> bool {
    wasi_rs_components::wasi::is_known(name)
}

/// True for an interface that the engine has for components: it is not there.
#[cfg(not(feature = "engine"))]
fn is_given(_: &str) -> bool {
    false
}

fn describe<'s>(js: Js<'s>, outline: &mut Outline<'_>) -> JsResult<Value<'s>> {
    let report = js.object()?;
    let kind = ["command", "reactor"].into_iter().zip(["_start", "_initialize"]);
    let kind = kind.filter(|(_, entry)| outline.exports_function(entry)).map(|(kind, _)| kind).next();
    set_text(js, report, "kind", kind.unwrap_or("unknown"))?;
    let abi = Some(outline.abi()).filter(|abi| outline.imports_from(*abi));
    js.set_named(report, "version", abi.map_or_else(|| js.null(), |abi| js.string(abi.version()))?)?;
    let defined = outline.memories.len();
    let memories: Vec<_> = outline.all_memories().collect();
    let imported = memories.len() - defined;
    let memories = memories.iter().enumerate().map(|(index, bounds)| memory(js, bounds, index < imported));
    js.set_named(report, "memory", js.array(memories)?)?;
    js.set_named(report, "imports", js.array(outline.imports.iter().map(|one| import(js, outline, one)))?)?;
    let functions: Vec<_> = outline.all_functions().collect();
    let exports = outline.exports.iter().map(|one| exported(js, outline, &functions, one));
    js.set_named(report, "exports", js.array(exports)?)?;
    let mut missing = missing(outline);
    missing.extend(kind.is_none().then(|| "a function _start or _initialize".to_owned()));
    if kind == Some("command") && missing.is_empty() {
        missing.extend(
            wasi_rs_modules::interface::Interface::of_outline(outline)
                .check(wasi_rs_modules::interface::Purpose::Command)
                .err()
                .map(|why| format!("it {why}")),
        );
    }
    js.set_named(report, "missing", js.array(missing.iter().map(|text| js.string(text)))?)?;
    Ok(report)
}

fn memory<'s>(js: Js<'s>, bounds: &Bounds, is_imported: bool) -> JsResult<Value<'s>> {
    let memory = js.object()?;
    js.set_named(memory, "imported", js.boolean(is_imported)?)?;
    js.set_named(memory, "shared", js.boolean(bounds.is_shared())?)?;
    js.set_named(memory, "wide", js.boolean(bounds.is_wide())?)?;
    js.set_named(memory, "min", js.number(float(bounds.least()))?)?;
    let max = bounds.max.map(|_| bounds.most());
    js.set_named(memory, "max", max.map_or_else(|| js.null(), |max| js.number(float(max)))?)?;
    Ok(memory)
}

fn import<'s>(js: Js<'s>, outline: &Outline<'_>, import: &Import<'_>) -> JsResult<Value<'s>> {
    let object = js.object()?;
    set_text(js, object, "module", import.module)?;
    set_text(js, object, "name", import.name)?;
    set_text(js, object, "kind", import.item.kind())?;
    match &import.item {
        Item::Function(ty) => set_type(js, object, outline, *ty)?,
        Item::Table(Bounds { min, max, .. }) | Item::Memory(Bounds { min, max, .. }) => {
            let max = max.map_or("any".to_owned(), |max| max.to_string());
            set_text(js, object, "limits", &format!("{min} to {max}"))?;
        }
        Item::Global | Item::Tag => {}
    }
    Ok(object)
}

fn exported<'s>(js: Js<'s>, outline: &Outline<'_>, functions: &[u32], export: &Export<'_>) -> JsResult<Value<'s>> {
    let (object, kind) = (js.object()?, kind_of(export));
    set_text(js, object, "name", export.name)?;
    set_text(js, object, "kind", kind)?;
    let index = usize::try_from(export.index).ok();
    if let Some(ty) = index.and_then(|index| functions.get(index)).filter(|_| kind == "function") {
        set_type(js, object, outline, *ty)?;
    }
    Ok(object)
}

/// The imports that a module does not get: those that are not there, then those that have another type.
fn missing(outline: &Outline<'_>) -> Vec<String> {
    let misfits = outline.imports.iter().filter_map(|import| {
        let row = import.syscall(outline.abi())?;
        let Item::Function(ty) = import.item else { return None };
        let ty = outline.function_type(ty).filter(|ty| !is_type_of(ty, row))?;
        Some(format!("{}.{} as {}", import.module, import.name, signature::of_function(ty)))
    });
    outline.missing().map(ToString::to_string).chain(misfits).collect()
}

fn set_type(js: Js<'_>, object: Value<'_>, outline: &Outline<'_>, ty: u32) -> JsResult<()> {
    match outline.function_type(ty) {
        Some(ty) => set_text(js, object, "type", &signature::of_function(ty)),
        None => Ok(()),
    }
}

fn set_text(js: Js<'_>, object: Value<'_>, name: &str, text: &str) -> JsResult<()> {
    js.set_named(object, name, js.string(text)?)
}

#[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are these")]
fn float(number: u128) -> f64 {
    number as f64
}

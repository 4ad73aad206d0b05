//! Built-in functions of the engine, as they were when the addon was loaded: scripts may replace them later.

use crate::node_api::{Js, JsResult, Key, Store, Type, Value};

/// A built-in function.
#[derive(Clone, Copy, Debug)]
pub enum Builtin {
    /// `WebAssembly.Module`.
    Module,
    /// `WebAssembly.Instance`.
    Instance,
    /// `WebAssembly.Table`.
    Table,
    /// `WebAssembly.Table.prototype.set`.
    TableSet,
    /// `WebAssembly.Table.prototype.get`.
    TableGet,
    /// The getter of `WebAssembly.Memory.prototype.buffer`, which throws for anything but a memory, of any
    /// realm.
    MemoryBuffer,
    /// `Uint8Array`.
    Uint8Array,
    /// `String`.
    String,
    /// `Array.isArray`: Node-API's own does not look into a Proxy.
    IsArray,
    /// `Array.prototype.map`.
    ArrayMap,
    /// `Object.entries`.
    ObjectEntries,
    /// `Object.assign`.
    ObjectAssign,
    /// `Object.defineProperty`.
    DefineProperty,
    /// `Reflect.set`.
    ReflectSet,
    /// `JSON.stringify`.
    JsonStringify,
    /// `JSON.parse`.
    JsonParse,
}

impl Key for Builtin {
    fn index(self) -> u32 {
        self as u32
    }
}

/// The built-in functions of an environment.
struct Builtins(Store<Builtin>);

/// Takes them, as the addon is loaded.
pub fn capture(js: Js<'_>) -> JsResult<()> {
    let global = js.global()?;
    let path = |names: &[&str]| names.iter().try_fold(global, |object, name| js.get_named(object, name));
    let wasm = path(&["WebAssembly"])?;
    let store = Store::new(js)?;
    store.put(
        js,
        [
            (Builtin::Module, js.get_named(wasm, "Module")?),
            (Builtin::Instance, js.get_named(wasm, "Instance")?),
            (Builtin::Table, js.get_named(wasm, "Table")?),
            (Builtin::TableSet, path(&["WebAssembly", "Table", "prototype", "set"])?),
            (Builtin::TableGet, path(&["WebAssembly", "Table", "prototype", "get"])?),
            (Builtin::MemoryBuffer, memory_buffer_getter(js)?),
            (Builtin::Uint8Array, path(&["Uint8Array"])?),
            (Builtin::String, path(&["String"])?),
            (Builtin::IsArray, path(&["Array", "isArray"])?),
            (Builtin::ArrayMap, path(&["Array", "prototype", "map"])?),
            (Builtin::ObjectEntries, path(&["Object", "entries"])?),
            (Builtin::ObjectAssign, path(&["Object", "assign"])?),
            (Builtin::DefineProperty, path(&["Object", "defineProperty"])?),
            (Builtin::ReflectSet, path(&["Reflect", "set"])?),
            (Builtin::JsonStringify, path(&["JSON", "stringify"])?),
            (Builtin::JsonParse, path(&["JSON", "parse"])?),
        ],
    )?;
    js.add_state(Builtins(store)).map(drop)
}

fn memory_buffer_getter(js: Js<'_>) -> JsResult<Value<'_>> {
    let global = js.global()?;
    let object = js.get_named(global, "Object")?;
    let memory = js.get_named(js.get_named(global, "WebAssembly")?, "Memory")?;
    let prototype = js.get_named(memory, "prototype")?;
    let describe = js.get_named(object, "getOwnPropertyDescriptor")?;
    let descriptor = js.call(object, describe, &[prototype, js.string("buffer")?])?;
    js.get_named(descriptor, "get")
}

/// A built-in function.
pub fn get(js: Js<'_>, builtin: Builtin) -> JsResult<Value<'_>> {
    js.state::<Builtins>()?.0.get(js, builtin)
}

/// Calls a built-in function that does without `this`.
pub fn call<'s>(js: Js<'s>, builtin: Builtin, args: &[Value<'s>]) -> JsResult<Value<'s>> {
    js.call(js.undefined()?, get(js, builtin)?, args)
}

/// `Array.isArray(value)`.
pub fn is_array<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<bool> {
    js.boolean_of(call(js, Builtin::IsArray, &[value])?)
}

/// `Object.defineProperty(object, key, descriptor)`.
pub fn define_property<'s>(js: Js<'s>, object: Value<'s>, key: Value<'s>, descriptor: Value<'s>) -> JsResult<()> {
    call(js, Builtin::DefineProperty, &[object, key, descriptor]).map(drop)
}

/// Defines a property with the attributes of a class's methods: writable and configurable, but not
/// enumerable.
pub fn define_hidden<'s>(js: Js<'s>, object: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
    let descriptor = js.object()?;
    js.set_named(descriptor, "value", value)?;
    for attribute in ["writable", "configurable"] {
        js.set_named(descriptor, attribute, js.boolean(true)?)?;
    }
    define_property(js, object, key, descriptor)
}

/// The buffer of a WebAssembly memory: an ArrayBuffer, or a SharedArrayBuffer. Throws for anything else.
pub fn memory_buffer<'s>(js: Js<'s>, memory: Value<'s>) -> JsResult<Value<'s>> {
    js.call(memory, get(js, Builtin::MemoryBuffer)?, &[])
}

/// A module of Node, where Node gives it without `require`.
pub fn node_module<'s>(js: Js<'s>, name: &str) -> JsResult<Option<Value<'s>>> {
    let process = js.get_named(js.global()?, "process")?;
    let get_builtin = js.get_named(process, "getBuiltinModule")?;
    if js.type_of(get_builtin)? != Type::Function {
        return Ok(None);
    }
    js.call(process, get_builtin, &[js.string(name)?]).map(Some)
}

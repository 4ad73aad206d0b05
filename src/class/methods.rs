//! The methods that bind and run a guest.

use crate::builtins::{self, Builtin};
use crate::class::control::{call_property, request};
use crate::class::hooks::{Guest, Realm, run};
use crate::class::kept::{Kept, kept};
use crate::class::validate::{validate_function, validate_object, validate_undefined};
use crate::errors;
use crate::node_api::{Call, Js, JsResult, Method, Type, Value};
use std::rc::Rc;

/// `this`, unless there is none. A function of the engine's interface is called on the global object then; a
/// method of a class fails when it first reads a property.
fn receiver<'s>(call: &Call<'s>, first_read: &str) -> JsResult<Value<'s>> {
    let js = call.js;
    if js.strict_equals(call.this, js.global()?)? { Err(errors::no_properties(js, first_read)) } else { Ok(call.this) }
}

/// `wasi[key] = value`, which fails on an object that is frozen.
fn assign<'s>(js: Js<'s>, wasi: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
    let done = builtins::call(js, Builtin::ReflectSet, &[wasi, key, value])?;
    if js.boolean_of(done)? { Ok(()) } else { Err(errors::read_only(js, key)) }
}

/// `wasi.finalizeBindings(instance, { memory })`.
pub struct FinalizeBindings;

impl Method for FinalizeBindings {
    const NAME: &'static str = "finalizeBindings";
    const LENGTH: u32 = 1;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [instance, options, ..]) = (call.js, call.args);
        let given = if js.is_undefined(options)? { options } else { js.get_named(options, "memory")? };
        let memory = if js.is_undefined(given)? { exported_memory(js, instance)? } else { given };
        let wasi = receiver(call, "Symbol(kStarted)")?;
        let started = kept(js, Kept::Started)?;
        if js.truthy(js.get(wasi, started)?)? {
            return Err(errors::already_started(js));
        }
        validate_object(js, instance, "instance")?;
        validate_object(js, js.get_named(instance, "exports")?, "instance.exports")?;
        call_property(js, wasi, kept(js, Kept::SetMemory)?, "[kSetMemory]", memory)?;
        assign(js, wasi, kept(js, Kept::Instance)?, instance)?;
        assign(js, wasi, started, js.boolean(true)?)?;
        js.undefined()
    }
}

/// `instance?.exports?.memory`.
fn exported_memory<'s>(js: Js<'s>, instance: Value<'s>) -> JsResult<Value<'s>> {
    let is_nothing = |value| Ok(matches!(js.type_of(value)?, Type::Undefined | Type::Null));
    if is_nothing(instance)? {
        return js.undefined();
    }
    let exports = js.get_named(instance, "exports")?;
    if is_nothing(exports)? { js.undefined() } else { js.get_named(exports, "memory") }
}

/// Binds, and reads `_start` and `_initialize` of the instance's exports.
fn bind_and_read<'s>(call: &Call<'s>) -> JsResult<(Value<'s>, Value<'s>)> {
    let (js, [instance, ..]) = (call.js, call.args);
    let wasi = receiver(call, FinalizeBindings::NAME)?;
    call_property(js, wasi, js.string(FinalizeBindings::NAME)?, ".finalizeBindings", instance)?;
    let bound = js.get(wasi, kept(js, Kept::Instance)?)?;
    let exports = js.get_named(bound, "exports")?;
    Ok((js.get_named(exports, "_start")?, js.get_named(exports, "_initialize")?))
}

/// `wasi.start(instance)`.
pub struct Start;

impl Method for Start {
    const NAME: &'static str = "start";
    const LENGTH: u32 = 1;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (start, initialize) = bind_and_read(call)?;
        validate_function(js, start, "instance.exports._start")?;
        validate_undefined(js, initialize, "instance.exports._initialize")?;
        let sentinel = kept(js, Kept::ExitCode)?;
        match run_guest(call, start)? {
            Some(exception) if !js.strict_equals(exception, sentinel)? => Err(js.throw(exception)),
            _ => js.get(call.this, sentinel),
        }
    }
}

/// Calls a function of the guest's. The exception that the guest ended with, if it did not return.
fn run_guest<'s>(call: &Call<'s>, function: Value<'s>) -> JsResult<Option<Value<'s>>> {
    let js = call.js;
    let number = request(call, Kept::Number)?;
    let guest = if js.type_of(number)? == Type::Number { guest_of(js, number)? } else { None };
    let Some(guest) = guest else {
        // `kSetMemory` has been replaced by another function.
        return js
            .call(js.undefined()?, function, &[])
            .map(|_| None)
            .or_else(|thrown| js.take_exception(thrown).map(Some));
    };
    // The exit code of an earlier run is not that of this one.
    if guest.hooks.has_exited.take()
        && let Some(wasi) = js.dereference(&guest.hooks.wasi)?
    {
        js.set(wasi, kept(js, Kept::ExitCode)?, js.number(0.0)?)?;
    }
    run(js, &guest, function)
}

fn guest_of<'s>(js: Js<'s>, number: Value<'s>) -> JsResult<Option<Rc<Guest>>> {
    let number = js.number_of(number)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "out of range it is nobody's number")]
    Ok(js.state::<Realm>()?.guest(number as usize))
}

/// `wasi.initialize(instance)`.
pub struct Initialize;

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    const LENGTH: u32 = 1;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (start, initialize) = bind_and_read(call)?;
        validate_undefined(js, start, "instance.exports._start")?;
        if !js.is_undefined(initialize)? {
            validate_function(js, initialize, "instance.exports._initialize")?;
            if let Some(exception) = run_guest(call, initialize)? {
                return Err(js.throw(exception));
            }
        }
        js.undefined()
    }
}

/// `wasi.getImportObject()`.
pub struct GetImportObject;

impl Method for GetImportObject {
    const NAME: &'static str = "getImportObject";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, wasi) = (call.js, receiver(call, "Symbol(kBindingName)")?);
        let imports = js.object()?;
        let name = js.get(wasi, kept(js, Kept::BindingName)?)?;
        js.set(imports, name, js.get_named(wasi, "wasiImport")?)?;
        Ok(imports)
    }
}

//! The class `WASI`.
//!
//! Its methods find their state by property, as node:wasi's do, so that they work on a Proxy of the object, on an
//! object that inherits from it, and for packages that look for the symbols by description.

use crate::call::bind::{self, instantiate};
use crate::call::memory::GuestMemory;
use crate::call::page::forget_guest;
use crate::call::shim::{self, slot};
use crate::call::wasm::len;
use crate::class::ending::{self, Ending};
use crate::class::options::{self, COMPAT, Edition, LEGACY, Options, STANDARD, validate_object};
use crate::class::realm::{Guest, Kept, Realm};
use crate::class::stdio::{self, Choice};
use crate::errors::{self, Expected};
use crate::node_api;
use crate::node_api::{Call, Js, JsResult, Method, Type, Value, method};
use napi::Env;
use napi::bindgen_prelude::{Function, JsObjectValue, Object, Unknown};
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

/// The class's name.
pub const NAME: &str = "WASI";

/// Exports the class, and what defines it in another edition, which few programs want.
pub fn export(env: &Env, exports: &mut Object<'_>) -> napi::Result<()> {
    exports.set_named_property(STANDARD.export, define::<Standard>(env)?)?;
    node_api::within(env, |js| js.set_named(js.adopt(exports), InEdition::NAME, js.function::<InEdition>(0)?))
}

fn define<E: EditionOf>(env: &Env) -> napi::Result<Function<'_, (), Unknown<'_>>> {
    // Without methods: those of a class defined by Node-API can't be called on a Proxy of an object, or on one that
    // inherits from it.
    let class = env.define_class(NAME, method::<Construct<E>>, &[])?;
    node_api::within(env, |js| define_methods(js, js.adopt(&class)))?;
    Ok(class)
}

/// `edition(name)`: the class in the edition of this name, undefined if there is none.
struct InEdition;

impl Method for InEdition {
    const NAME: &'static str = "edition";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let name = js.string_of(call.args[0])?;
        js.with_env(|env| {
            let class = match name.as_str() {
                name if name == COMPAT.export => define::<Compat>(env)?,
                name if name == LEGACY.export => define::<Legacy>(env)?,
                _ => return Ok(None),
            };
            Ok(Some(js.rescope(js.adopt(&class))))
        })
        .and_then(|class| class.map_or_else(|| js.undefined(), Ok))
    }
}

/// `this`, unless there is none. A function of the engine's interface is called on the global object then; a method of
/// a class fails when it first reads a property.
fn receiver<'s>(call: &Call<'s>, first_read: &str) -> JsResult<Value<'s>> {
    let js = call.js;
    if js.strict_equals(call.this, js.global()?)? { Err(errors::no_properties(js, first_read)) } else { Ok(call.this) }
}

/// Calls what stands at a property of the object.
fn call_property<'s>(
    js: Js<'s>,
    wasi: Value<'s>,
    key: Value<'s>,
    name: &str,
    argument: Value<'s>,
) -> JsResult<Value<'s>> {
    let function = js.get(wasi, key)?;
    match js.type_of(function)? {
        Type::Function => js.call(wasi, function, &[argument]),
        _ => Err(errors::not_a_function(js, &format!("this{name}"))),
    }
}

/// `wasi[key] = value`, which fails on an object that is frozen.
fn assign<'s>(js: Js<'s>, wasi: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
    let done = js.call(js.undefined()?, js.realm()?.get(js, Kept::ReflectSet)?, &[wasi, key, value])?;
    if js.boolean_of(done)? { Ok(()) } else { Err(errors::read_only(js, key)) }
}

/// Gives a class its methods, with the attributes of methods of a JavaScript class.
fn define_methods<'s>(js: Js<'s>, class: Value<'s>) -> JsResult<()> {
    let prototype = js.get_named(class, "prototype")?;
    let fixed = js.object()?;
    js.set_named(fixed, "writable", js.boolean(false)?)?;
    js.realm()?.define_property(js, class, js.string("prototype")?, fixed)?;
    define_method::<FinalizeBindings>(js, prototype, js.string(FinalizeBindings::NAME)?)?;
    define_method::<Start>(js, prototype, js.string(Start::NAME)?)?;
    define_method::<Initialize>(js, prototype, js.string(Initialize::NAME)?)?;
    define_method::<GetImportObject>(js, prototype, js.string(GetImportObject::NAME)?)?;
    let dispose = js.get_named(js.get_named(js.global()?, "Symbol")?, "dispose")?;
    if js.type_of(dispose)? == Type::Symbol {
        define_method::<Dispose>(js, prototype, dispose)?;
    }
    Ok(())
}

fn define_method<'s, M: Method>(js: Js<'s>, prototype: Value<'s>, key: Value<'s>) -> JsResult<()> {
    let realm = js.realm()?;
    let function = js.function::<M>(0)?;
    let length = js.object()?;
    js.set_named(length, "value", js.number(f64::from(M::LENGTH))?)?;
    realm.define_property(js, function, js.string("length")?, length)?;
    realm.define_hidden(js, prototype, key, function)
}

/// Names an edition where a type is wanted.
trait EditionOf: 'static {
    const EDITION: Edition;
}

macro_rules! editions {
    ($($name:ident = $edition:ident;)*) => {$(
        struct $name;
        impl EditionOf for $name {
            const EDITION: Edition = $edition;
        }
    )*};
}

editions! {
    Standard = STANDARD;
    Compat = COMPAT;
    Legacy = LEGACY;
}

/// `new WASI(options)`.
struct Construct<E>(PhantomData<E>);

impl<E: EditionOf> Method for Construct<E> {
    const NAME: &'static str = NAME;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, wasi, [options, _]) = (call.js, call.this, call.args);
        if !call.is_construct {
            return Err(errors::not_constructed(js));
        }
        let options = if js.is_undefined(options)? { js.object()? } else { options };
        validate_object(js, options, "options")?;
        let realm = js.realm()?;
        let abi = options::read_version(js, options, &E::EDITION)?;
        js.set(wasi, realm.get(js, Kept::BindingName)?, js.string(abi.module())?)?;
        let options = options::read(js, realm, options, abi, &E::EDITION)?;
        define_captures(js, realm, wasi, &options.choices)?;
        let Made { set_memory, functions, .. } = make_guest(js, realm, wasi, options)?;
        js.set(wasi, realm.get(js, Kept::SetMemory)?, set_memory)?;
        js.set_named(wasi, "wasiImport", functions)?;
        js.set(wasi, realm.get(js, Kept::Started)?, js.boolean(false)?)?;
        js.set(wasi, realm.get(js, Kept::ExitCode)?, js.number(0.0)?)?;
        js.set(wasi, realm.get(js, Kept::InstanceSymbol)?, js.undefined()?)?;
        Ok(wasi)
    }
}

/// A guest that was made.
pub struct Made<'s> {
    /// Its number.
    pub number: u32,
    /// The function that binds a memory to it.
    pub set_memory: Value<'s>,
    /// Its system calls.
    pub functions: Value<'s>,
}

/// Makes a guest; `wasi` is the object that gets its exit code.
pub fn make_guest<'s>(js: Js<'s>, realm: &Realm, wasi: Value<'s>, options: Options<'s>) -> JsResult<Made<'s>> {
    let table_type = js.object()?;
    js.set_named(table_type, "element", js.string("anyfunc")?)?;
    let slots = len(slot::COUNT);
    for limit in ["initial", "maximum"] {
        js.set_named(table_type, limit, js.number(f64::from(slots))?)?;
    }
    let table = js.construct(realm.get(js, Kept::Table)?, &[table_type])?;
    let number = realm.next_guest(js)?;
    let set_memory = js.function::<SetMemory>(number as usize)?;
    hold_handlers(js, realm, set_memory, &options.choices)?;

    let imports = js.object()?;
    js.set_named(imports, "guest", js.number(f64::from(number))?)?;
    js.set_named(imports, "owner", set_memory)?;
    js.set_named(imports, "page", realm.get(js, Kept::Page)?)?;
    js.set_named(imports, "table", table)?;
    js.set_named(imports, "syscall", realm.get(js, Kept::Syscall)?)?;
    let module = realm.module(js, Kept::Shim, shim::shim)?;
    let exports = instantiate(js, realm, module, imports)?;
    // The instance's exports are frozen; packages replace functions of `wasiImport`.
    let functions = js.call(js.undefined()?, realm.get(js, Kept::ObjectAssign)?, &[js.object()?, exports])?;

    let guest = Guest {
        attended: Cell::new(false),
        has_exited: Cell::new(false),
        ctx: options.ctx,
        memory: GuestMemory::unbound(),
        wasi: js.watch(wasi)?,
        table: js.watch(table)?,
        owner: js.watch(set_memory)?,
        asked: Cell::new(0),
        return_on_exit: options.return_on_exit,
        stdio: options.stdio,
        observer: options.observer,
        ending: Ending::default(),
    };
    guest.attend();
    let ticket = realm.insert_guest(js, number, guest)?;
    js.forget_guest_with(set_memory, ticket)?;
    Ok(Made { number, set_memory, functions })
}

/// `wasi[kSetMemory](memory)`: binds the guest to a memory, the first time or again.
struct SetMemory;

impl Method for SetMemory {
    // As node:wasi's: a bound function of its binding.
    const NAME: &'static str = "bound _setMemory";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [memory, _]) = (call.js, call.args);
        let realm = js.realm()?;
        if js.type_of(memory)? == Type::Symbol {
            for order in [Kept::Dispose, Kept::Number, Kept::Stdout, Kept::Stderr] {
                if js.strict_equals(memory, realm.get(js, order)?)? {
                    return obey(js, realm, call.data, order);
                }
            }
        }
        let buffer = match realm.memory_buffer(js, memory) {
            Ok(buffer) => buffer,
            Err(thrown) => {
                js.take_exception(thrown)?;
                return Err(errors::not_a_memory(js));
            }
        };
        if let Some(guest) = realm.guest(call.data) {
            bind::bind(js, realm, &guest, memory, js.is_array_buffer(buffer)?)?;
        }
        js.undefined()
    }
}

/// Does what an order says, other than binding a memory.
fn obey<'s>(js: Js<'s>, realm: &Realm, number: usize, order: Kept) -> JsResult<Value<'s>> {
    let Some(guest) = realm.guest(number) else {
        return js.undefined();
    };
    match order {
        Kept::Number => js.number(f64::from(len(number))),
        Kept::Stdout => guest.stdio.captured(js, 1),
        Kept::Stderr => guest.stdio.captured(js, 2),
        _ => {
            guest.ctx.descriptors.clear();
            forget_guest(&realm.page, number);
            js.undefined()
        }
    }
}

/// Gives the object the properties that tell what was captured.
fn define_captures<'s>(js: Js<'s>, realm: &Realm, wasi: Value<'s>, choices: &[Choice<'_>; 3]) -> JsResult<()> {
    for (name, choice) in stdio::NAMES.into_iter().zip(choices) {
        if matches!(choice, Choice::Capture) {
            let getter = if name == "stdout" { js.function::<Stdout>(0)? } else { js.function::<Stderr>(0)? };
            let descriptor = js.object()?;
            js.set_named(descriptor, "get", getter)?;
            js.set_named(descriptor, "configurable", js.boolean(true)?)?;
            realm.define_property(js, wasi, js.string(name)?, descriptor)?;
        }
    }
    Ok(())
}

/// Has the function that owns the guest hold the embedder's: like everything else of the guest's they live as long as it.
fn hold_handlers<'s>(js: Js<'s>, realm: &Realm, owner: Value<'s>, choices: &[Choice<'s>; 3]) -> JsResult<()> {
    if !choices.iter().any(|choice| matches!(choice, Choice::Handler(_))) {
        return Ok(());
    }
    let handlers = js.object()?;
    for (number, choice) in (0..).zip(choices) {
        if let Choice::Handler(handler) = choice {
            js.set_index(handlers, number, *handler)?;
        }
    }
    realm.define_hidden(js, owner, realm.get(js, Kept::Handlers)?, handlers)
}

/// Asks or orders something by way of the function at `kSetMemory`, which knows the guest.
fn order<'s>(call: &Call<'s>, order: Kept) -> JsResult<Value<'s>> {
    let (js, realm) = (call.js, call.js.realm()?);
    call_property(js, call.this, realm.get(js, Kept::SetMemory)?, "[kSetMemory]", realm.get(js, order)?)
}

/// `wasi.stdout`: what has been captured of it.
struct Stdout;

impl Method for Stdout {
    const NAME: &'static str = "get stdout";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        order(call, Kept::Stdout)
    }
}

/// `wasi.stderr`: what has been captured of it.
struct Stderr;

impl Method for Stderr {
    const NAME: &'static str = "get stderr";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        order(call, Kept::Stderr)
    }
}

/// `wasi[Symbol.dispose]()`: closes all that the guest has open; its calls find no descriptor any more.
struct Dispose;

impl Method for Dispose {
    const NAME: &'static str = "[Symbol.dispose]";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        order(call, Kept::Dispose)
    }
}

/// `wasi.finalizeBindings(instance, { memory })`.
struct FinalizeBindings;

impl Method for FinalizeBindings {
    const NAME: &'static str = "finalizeBindings";
    const LENGTH: u32 = 1;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [instance, options]) = (call.js, call.args);
        let given = if js.is_undefined(options)? { options } else { js.get_named(options, "memory")? };
        let memory = if js.is_undefined(given)? { exported_memory(js, instance)? } else { given };
        let realm = js.realm()?;
        let wasi = receiver(call, "Symbol(kStarted)")?;
        let started = realm.get(js, Kept::Started)?;
        if js.truthy(js.get(wasi, started)?)? {
            return Err(errors::already_started(js));
        }
        validate_object(js, instance, "instance")?;
        validate_object(js, js.get_named(instance, "exports")?, "instance.exports")?;
        call_property(js, wasi, realm.get(js, Kept::SetMemory)?, "[kSetMemory]", memory)?;
        assign(js, wasi, realm.get(js, Kept::InstanceSymbol)?, instance)?;
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
    let (js, [instance, _]) = (call.js, call.args);
    let wasi = receiver(call, FinalizeBindings::NAME)?;
    call_property(js, wasi, js.string(FinalizeBindings::NAME)?, ".finalizeBindings", instance)?;
    let bound = js.get(wasi, js.realm()?.get(js, Kept::InstanceSymbol)?)?;
    let exports = js.get_named(bound, "exports")?;
    Ok((js.get_named(exports, "_start")?, js.get_named(exports, "_initialize")?))
}

fn validate_function(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    let value = js.rescope(value);
    match js.type_of(value)? {
        Type::Function => Ok(()),
        _ => Err(errors::invalid_arg_type(js, name, Expected::Type("function"), value)),
    }
}

fn validate_undefined(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    let value = js.rescope(value);
    if js.is_undefined(value)? { Ok(()) } else { Err(errors::invalid_arg_type(js, name, Expected::Undefined, value)) }
}

/// `wasi.start(instance)`.
struct Start;

impl Method for Start {
    const NAME: &'static str = "start";
    const LENGTH: u32 = 1;

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (start, initialize) = bind_and_read(call)?;
        validate_function(js, start, "instance.exports._start")?;
        validate_undefined(js, initialize, "instance.exports._initialize")?;
        let sentinel = js.realm()?.get(js, Kept::ExitCode)?;
        match run_guest(call, start)? {
            Some(exception) if !js.strict_equals(exception, sentinel)? => Err(js.throw(exception)),
            _ => js.get(call.this, sentinel),
        }
    }
}

/// Calls a function of the guest's. The exception that the guest ended with, if it did not return.
fn run_guest<'s>(call: &Call<'s>, function: Value<'s>) -> JsResult<Option<Value<'s>>> {
    let (js, realm) = (call.js, call.js.realm()?);
    let number = order(call, Kept::Number)?;
    let guest = if js.type_of(number)? == Type::Number { guest_of(js, realm, number)? } else { None };
    let Some(guest) = guest else {
        // What stands at `kSetMemory` is not ours any more.
        return js
            .call(js.undefined()?, function, &[])
            .map(|_| None)
            .or_else(|thrown| js.take_exception(thrown).map(Some));
    };
    // What came of a run before is not what comes of this one.
    if guest.has_exited.take()
        && let Some(wasi) = js.dereference(&guest.wasi)?
    {
        js.set(wasi, realm.get(js, Kept::ExitCode)?, js.number(0.0)?)?;
    }
    ending::run(js, realm, &guest, function)
}

fn guest_of<'s>(js: Js<'s>, realm: &Realm, number: Value<'s>) -> JsResult<Option<Rc<Guest>>> {
    let number = js.number_of(number)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "out of range it is nobody's number")]
    Ok(realm.guest(number as usize))
}

/// `wasi.initialize(instance)`.
struct Initialize;

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
struct GetImportObject;

impl Method for GetImportObject {
    const NAME: &'static str = "getImportObject";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, wasi) = (call.js, receiver(call, "Symbol(kBindingName)")?);
        let imports = js.object()?;
        let name = js.get(wasi, js.realm()?.get(js, Kept::BindingName)?)?;
        js.set(imports, name, js.get_named(wasi, "wasiImport")?)?;
        Ok(imports)
    }
}

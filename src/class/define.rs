//! Definitions of the class in its editions, with the attributes of a JavaScript class.
//!
//! Its methods find their state by property, as node:wasi's do, so that they work on a Proxy of the object,
//! on an object that inherits from it, and for packages that look for the symbols by description.

use crate::builtins::{self, define_hidden, define_property};
use crate::class::construct::{Construct, EditionOf};
use crate::class::control::Dispose;
use crate::class::editions::{COMPAT, Edition, LEGACY, STANDARD};
use crate::class::hooks::Realm;
use crate::class::kept;
use crate::class::methods::{FinalizeBindings, GetImportObject, Initialize, Start};
use crate::node_api::{Call, Js, JsResult, Method, Type, Value};

/// Exports the class, and the function that defines it in another edition, which few programs want.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    init(js)?;
    js.set_named(exports, STANDARD.export, define::<Standard>(js)?)?;
    js.set_named(exports, InEdition::NAME, js.function::<InEdition>(0)?)
}

/// Makes all that guests need, unless that has been done.
pub fn init(js: Js<'_>) -> JsResult<()> {
    if js.has_state::<Realm>()? {
        return Ok(());
    }
    builtins::capture(js)?;
    kept::init(js)?;
    Realm::init(js)
}

fn define<E: EditionOf>(js: Js<'_>) -> JsResult<Value<'_>> {
    // Without methods: those of a class defined by Node-API can't be called on a Proxy of an object, or on
    // one that inherits from it.
    let class = js.class::<Construct<E>>()?;
    define_methods(js, class)?;
    Ok(class)
}

/// `edition(name)`: the class in the edition of this name, undefined if there is none.
struct InEdition;

impl Method for InEdition {
    const NAME: &'static str = "edition";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        match js.string_of(call.args[0])?.as_str() {
            name if name == COMPAT.export => define::<Compat>(js),
            name if name == LEGACY.export => define::<Legacy>(js),
            _ => js.undefined(),
        }
    }
}

/// Gives a class its methods, with the attributes of methods of a JavaScript class.
fn define_methods<'s>(js: Js<'s>, class: Value<'s>) -> JsResult<()> {
    let prototype = js.get_named(class, "prototype")?;
    let fixed = js.object()?;
    js.set_named(fixed, "writable", js.boolean(false)?)?;
    define_property(js, class, js.string("prototype")?, fixed)?;
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
    let function = js.function::<M>(0)?;
    let length = js.object()?;
    js.set_named(length, "value", js.number(f64::from(M::LENGTH))?)?;
    define_property(js, function, js.string("length")?, length)?;
    define_hidden(js, prototype, key, function)
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

//! The constructor.

use crate::builtins::{define_hidden, define_property};
use crate::call::bind::instantiate_shim;
use crate::class::control::{SetMemory, Stderr, Stdout};
use crate::class::editions::Edition;
use crate::class::fixed;
use crate::class::hooks::{ClassHooks, Guest, Realm};
use crate::class::kept::{Kept, kept};
use crate::class::options::{self, Options};
use crate::class::pending_exit::PendingExit;
use crate::class::stdio::TRACE;
use crate::class::stdio_options::{Choice, NAMES};
use crate::class::validate::validate_object;
use crate::errors;
use crate::node_api::{Call, Js, JsResult, Method, Value};
use std::cell::Cell;
use std::marker::PhantomData;

/// An edition as a type parameter.
pub trait EditionOf: 'static {
    /// The edition.
    const EDITION: Edition;
}

/// `new WASI(options)`.
pub struct Construct<E>(PhantomData<E>);

impl<E: EditionOf> Method for Construct<E> {
    const NAME: &'static str = "WASI";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, wasi, [options, ..]) = (call.js, call.this, call.args);
        if !call.is_construct()? {
            return Err(errors::not_constructed(js));
        }
        let options = if js.is_undefined(options)? { js.object()? } else { options };
        validate_object(js, options, "options")?;
        let abi = options::read_version(js, options, &E::EDITION)?;
        js.set(wasi, kept(js, Kept::BindingName)?, js.string(abi.module())?)?;
        let options = options::read(js, options, abi, &E::EDITION)?;
        define_captures(js, wasi, &options.choices)?;
        let Made { set_memory, functions, .. } = make_guest(js, wasi, options)?;
        js.set(wasi, kept(js, Kept::SetMemory)?, set_memory)?;
        js.set_named(wasi, "wasiImport", functions)?;
        js.set(wasi, kept(js, Kept::Started)?, js.boolean(false)?)?;
        js.set(wasi, kept(js, Kept::ExitCode)?, js.number(0.0)?)?;
        js.set(wasi, kept(js, Kept::Instance)?, js.undefined()?)?;
        Ok(wasi)
    }
}

/// A new guest.
pub struct Made<'s> {
    /// Its number.
    pub number: u32,
    /// The function that binds a memory to it.
    pub set_memory: Value<'s>,
    /// Its system calls.
    pub functions: Value<'s>,
}

/// Makes a guest; `wasi` is the object that gets its exit code.
pub fn make_guest<'s>(js: Js<'s>, wasi: Value<'s>, options: Options<'s>) -> JsResult<Made<'s>> {
    let realm = js.state::<Realm>()?;
    let number = realm.next_guest(js)?;
    let set_memory = js.function::<SetMemory>(number as usize)?;
    hold_handlers(js, set_memory, &options)?;
    let (table, functions) = instantiate_shim(js, realm, number, set_memory)?;
    let hooks = ClassHooks {
        wasi: js.watch(wasi)?,
        return_on_exit: options.return_on_exit,
        stdio: options.stdio,
        told: options.told.map(|function| function.is_some()),
        observer: options.observer,
        pending_exit: PendingExit::default(),
        has_exited: Cell::new(false),
    };
    let guest = Guest::new(options.ctx, js.watch(table)?, js.watch(set_memory)?, hooks);
    realm.add_guest(js, number, set_memory, guest)?;
    Ok(Made { number, set_memory, functions })
}

/// Gives the object the properties with the bytes that were captured.
fn define_captures<'s>(js: Js<'s>, wasi: Value<'s>, choices: &[Choice<'_>; 3]) -> JsResult<()> {
    for (name, choice) in NAMES.into_iter().zip(choices) {
        if matches!(choice, Choice::Capture) {
            let getter = if name == "stdout" { js.function::<Stdout>(0)? } else { js.function::<Stderr>(0)? };
            let descriptor = js.object()?;
            js.set_named(descriptor, "get", getter)?;
            js.set_named(descriptor, "configurable", js.boolean(true)?)?;
            define_property(js, wasi, js.string(name)?, descriptor)?;
        }
    }
    Ok(())
}

/// Keeps the embedder's functions as a property of the function that owns the guest: they live as long as the
/// guest.
fn hold_handlers<'s>(js: Js<'s>, owner: Value<'s>, options: &Options<'s>) -> JsResult<()> {
    let streams = (0..).zip(&options.choices).filter_map(|(number, choice)| match choice {
        Choice::Handler(handler) => Some((number, *handler)),
        _ => None,
    });
    let told = (fixed::FIRST..).zip(options.told).filter_map(|(number, function)| Some((number, function?)));
    let receiver = options.receiver.map(|receiver| (TRACE, receiver));
    let mut all = streams.chain(receiver).chain(told).peekable();
    if all.peek().is_none() {
        return Ok(());
    }
    let handlers = js.object()?;
    for (number, handler) in all {
        js.set_index(handlers, number, handler)?;
    }
    define_hidden(js, owner, kept(js, Kept::Handlers)?, handlers)
}

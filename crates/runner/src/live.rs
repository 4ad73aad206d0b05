//! An instance in its store, and how it comes to be there.

use super::export_call::{Callee, ComponentFunction};
use super::guest::Guest;
use super::in_wasmtime::{self, instantiate, store_of};
use super::lease::Registration;
use super::numbers::Signature;
use super::outcome::End;
use super::plan::Plan;
use super::prepared::{Prepared, PreparedComponent, PreparedModule};
use super::run::Run;
use super::snapshot;
use super::traps::end_of;
use std::sync::Arc;
use wasi_rs_modules::error::ProgramError;
use wasmtime::{Extern, Store};

/// The name of the function that makes a reactor ready for calls.
const INITIALIZE: &str = "_initialize";

/// An exported function.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name; empty for a function of a component, which is known by its index in the description.
    pub name: String,
    /// The function; none if it takes or returns what the embedder can't give or get.
    pub callee: Option<Callee>,
}

/// The instance in its store.
pub struct Live {
    /// Its store.
    pub store: Store<Guest>,
    /// The module's or the component's instance there.
    pub exports: snapshot::Exports,
    /// The memory that it exports.
    pub memory: Option<wasmtime::Memory>,
    // Dropped after the store.
    /// The registration of its memories, if they are pages of a file.
    pub registration: Option<Registration>,
    _prepared: Arc<Prepared>,
}

impl Live {
    /// Instantiates a program, and initializes it. The functions that it exports come with it.
    pub fn open(run: &Arc<Run>, prepared: &Arc<Prepared>, plan: Plan) -> Result<(Box<Live>, Vec<Export>), End> {
        let guest = in_wasmtime::open(run, prepared, plan)?;
        let (parts, functions) = match &**prepared {
            Prepared::Module(module) => open_module(run, module, guest)?,
            Prepared::Component(component) => open_component(run, component, guest)?,
        };
        let Parts { store, exports, memory, registration } = parts;
        let live = Live { store, exports, memory, registration, _prepared: Arc::clone(prepared) };
        Ok((Box::new(live), functions))
    }

    /// True if several calls can be made at the same time.
    pub fn is_concurrent(&self) -> bool {
        self.store.engine().get_concurrency_support()
    }
}

/// An instance in its store, its memory, and the registration of that.
struct Parts {
    store: Store<Guest>,
    exports: snapshot::Exports,
    memory: Option<wasmtime::Memory>,
    registration: Option<Registration>,
}

fn open_module(run: &Run, module: &PreparedModule, guest: Guest) -> Result<(Parts, Vec<Export>), End> {
    let registration = module.code.register(&run.control.memories);
    let (mut store, instance) = instantiate(run, module, guest)?;
    if let Some(initialize) = instance.get_func(&mut store, INITIALIZE) {
        let initialize = initialize.typed::<(), ()>(&store).map_err(|_| {
            let why = "can't be initialized: its '_initialize' must take nothing and return nothing";
            End::ProgramError(ProgramError::Wrong(why.to_owned()))
        })?;
        initialize.call(&mut store, ()).map_err(|error| end_of(&error, false))?;
        run.record_fuel(&store);
    }
    let functions = instance.exports(&mut store).map(|export| (export.name().to_owned(), export.into_extern()));
    let functions: Vec<_> = functions
        .filter_map(|(name, item)| Some((name, item.into_func()?)))
        .filter(|(name, _)| name != INITIALIZE)
        .collect();
    let exports = functions.into_iter().map(|(name, func)| {
        let signature = Signature::of(&func.ty(&store)).map(Arc::new);
        Export { name, callee: signature.map(|signature| Callee::Module(func, signature)) }
    });
    let exports = exports.collect();
    let memory = instance.get_export(&mut store, "memory").and_then(Extern::into_memory);
    Ok((Parts { store, exports: snapshot::Exports::Module(instance), memory, registration }, exports))
}

fn open_component(run: &Run, component: &PreparedComponent, guest: Guest) -> Result<(Parts, Vec<Export>), End> {
    let mut store = store_of(run, component.code.engine(), guest)?;
    let instance = component.instantiate(&mut store).map_err(|error| end_of(&error, true))?;
    run.record_fuel(&store);
    let exports = component.exports.iter().map(|export| {
        let function = export.as_ref().and_then(|(index, ty)| {
            let func = instance.get_func(&mut store, index)?;
            Some(Callee::Component(Arc::new(ComponentFunction { func, ty: ty.clone() })))
        });
        Export { name: String::new(), callee: function }
    });
    let functions = exports.collect();
    let exports = snapshot::Exports::Component(instance);
    Ok((Parts { store, exports, memory: None, registration: None }, functions))
}

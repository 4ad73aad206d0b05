//! A component that is ready to run: its machine code and its imports.

use super::foreign::Foreign;
use crate::compile::refused;
use crate::guest::Guest;
use crate::interface::{Described, Description};
use wasi_rs_components::wasi;
use wasi_rs_modules::component::{check_command, is_run};
use wasi_rs_modules::error::ProgramError;
use wasi_rs_modules::interface::Purpose;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Linker, TypedFunc};

/// The function of the interface by which a command is run.
const RUN: &str = "run";

/// The function by which a command is run.
pub type Start = TypedFunc<(), (Result<(), ()>,)>;

/// A component that is ready to run in one mode.
pub struct PreparedComponent {
    /// Its machine code.
    pub code: Component,
    /// The functions it imports that are not WASI's.
    pub foreign: Vec<Foreign>,
    linked: Option<InstancePre<Guest>>,
    /// The name of the interface by which it is run, if it is a command, and the function.
    run: Option<(String, ComponentExportIndex)>,
}

impl PreparedComponent {
    /// A component of this machine code, for this purpose.
    pub fn new(code: Component, purpose: Purpose) -> Result<Self, ProgramError> {
        let run = run_of(&code);
        if purpose == Purpose::Command {
            check_command(run.as_ref().map(|(name, _)| name.as_str()))?;
        }
        let mut linker = Linker::new(code.engine());
        wasi::link(&mut linker, Guest::view).map_err(refused)?;
        let foreign = foreign_functions(&code);
        let linked = if foreign.is_empty() { Some(linker.instantiate_pre(&code).map_err(refused)?) } else { None };
        Ok(Self { code, foreign, linked, run })
    }

    /// An error if it is no command.
    pub fn check_start(&self) -> Result<(), ProgramError> {
        check_command(self.run.as_ref().map(|(name, _)| name.as_str()))
    }

    /// An instance in this store.
    pub fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
        let Some(linked) = &self.linked else { return Err(wasmtime::Error::msg("it has imports")) };
        linked.instantiate(store)
    }

    /// Instantiates it, and finds the function by which it is run. The inner error is the refusal of a function
    /// of another type.
    pub fn start(&self, store: &mut Store<Guest>) -> wasmtime::Result<wasmtime::Result<Start>> {
        let instance = self.instantiate(store)?;
        let run = self.run.as_ref().and_then(|(_, run)| instance.get_func(&mut *store, run));
        let run = run.ok_or_else(|| wasmtime::Error::msg("exports no function 'run' in wasi:cli/run"));
        Ok(run.and_then(|run| run.typed(&*store)))
    }

    /// Its description.
    pub fn describe(&self) -> Description {
        let (engine, ty) = (self.code.engine(), self.code.component_type());
        let described = |name: &str, item: &ComponentItem| Described {
            module: None,
            name: name.to_owned(),
            kind: kind_of(item),
            signature: None,
        };
        Description {
            kind: if self.run.is_some() { "command" } else { "component" },
            imports: ty.imports(engine).map(|(name, item)| described(name, &item.ty)).collect(),
            exports: ty.exports(engine).map(|(name, item)| described(name, &item.ty)).collect(),
            memories: Vec::new(),
        }
    }
}

const fn kind_of(item: &ComponentItem) -> &'static str {
    match item {
        ComponentItem::ComponentFunc(_) | ComponentItem::CoreFunc(_) => "function",
        ComponentItem::ComponentInstance(_) => "interface",
        ComponentItem::Component(_) => "component",
        ComponentItem::Module(_) => "module",
        ComponentItem::Resource(_) => "resource",
        ComponentItem::Type(_) => "type",
    }
}

fn run_of(code: &Component) -> Option<(String, ComponentExportIndex)> {
    let ty = code.component_type();
    let (name, _) = ty.exports(code.engine()).find(|(name, _)| is_run(name))?;
    let (_, interface) = code.get_export(None, name)?;
    let (_, run) = code.get_export(Some(&interface), RUN)?;
    Some((name.to_owned(), run))
}

/// The functions that a component imports and that are not WASI's.
fn foreign_functions(code: &Component) -> Vec<Foreign> {
    let engine = code.engine();
    let mut all = Vec::new();
    for (import, item) in code.component_type().imports(engine) {
        if wasi::is_known(import) {
            continue;
        }
        match item.ty {
            ComponentItem::ComponentFunc(_) => all.push(Foreign { module: String::new(), name: import.to_owned() }),
            ComponentItem::ComponentInstance(instance) => {
                let functions =
                    instance.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
                all.extend(functions.map(|(name, _)| Foreign { module: import.to_owned(), name: name.to_owned() }));
            }
            _ => {}
        }
    }
    all
}

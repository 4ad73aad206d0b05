//! A component that is ready to run: its machine code and its imports.

use super::foreign::{DROP, Foreign};
use crate::compile::refused;
use crate::component_type::ComponentType;
use crate::guest::Guest;
use crate::imported;
use crate::interface::{Described, Description};
use crate::tasks;
use std::sync::Arc;
use wasi_rs_components::description::{self, Description as Interface, Item, describe};
use wasi_rs_components::wasi::{self, IncomingRequest, ResponseOutparam};
use wasi_rs_modules::error::ProgramError;
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::worlds::{check_command, handler_of, is_asynchronous_handler, run_of, version};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Accessor, Component, ComponentExportIndex, Func, Instance, InstancePre, Linker, Resource, ResourceType,
};
use wasmtime::{Store, StoreContextMut};

/// The most bytes that the values count which a component hands to the host in one call. Each value counts
/// 32, so that is a `list<u8>` of four million.
const MOST_COPIED: usize = 128 << 20;

/// The most parts that a handle has in wasmtime's own table: the two ends of a stream and its state, ...
const PARTS: usize = 10;

/// The bytes of the host for each byte counted that are let pass: those of a record with short names.
const USUAL_BYTES: usize = 3;

/// The function of the interface by which a command is run.
const RUN: &str = "run";

/// The function of the interface by which a handler of HTTP is called.
const HANDLE: &str = "handle";

/// The function that runs a component to its end. The result is its exit code.
pub type Entry = Box<dyn FnOnce(&mut Store<Guest>) -> wasmtime::Result<u32>>;

/// A component that is ready to run in one mode.
pub struct PreparedComponent {
    /// Its machine code.
    pub code: Component,
    /// The functions it imports that are not WASI's.
    pub foreign: Vec<Foreign>,
    /// The functions it exports, with their types; none for one that can't be called.
    pub exports: Vec<Option<(ComponentExportIndex, ComponentType)>>,
    /// The description of these functions and their types, for JavaScript.
    pub interface: String,
    /// The types.
    pub types: Arc<[description::Described]>,
    /// The most bytes that the values count which it hands to the host in one call.
    most_copied: usize,
    /// Its imports, or the reason why what it imports can't be given, which is told once nothing is missing.
    linked: Result<InstancePre<Guest>, String>,
    /// The name of the interface by which it is run, if it is a command, and the function.
    run: Option<(String, ComponentExportIndex)>,
    /// The same of a handler of HTTP.
    handler: Option<(String, ComponentExportIndex)>,
}

impl PreparedComponent {
    /// A component of this machine code, for this purpose.
    pub fn new(code: Component, purpose: Purpose) -> Result<Self, ProgramError> {
        let (run, handler) =
            (entry_of(&code, RUN, |names| run_of(names)), entry_of(&code, HANDLE, |names| handler_of(names)));
        if purpose == Purpose::Command {
            check_command(run.as_ref().map(|(name, _)| name.as_str()), handler.is_some())?;
        }
        let interface = describe(&code, code.engine(), wasi::is_known).map_err(refused)?;
        let mut linker = Linker::new(code.engine());
        wasi::link(&mut linker, Guest::view).map_err(refused)?;
        if code.engine().get_concurrency_support() {
            wasi::p3::link(&mut linker, Guest::view).map_err(refused)?;
        }
        let linked = define_foreign(&mut linker, &interface).and_then(|()| linker.instantiate_pre(&code));
        let linked = linked.map_err(|error| format!("{error:#}"));
        let dropped = interface.resources.iter().map(|item| Foreign { name: drop_of(&item.name), ..foreign_of(item) });
        let foreign = interface.imports.iter().map(|function| foreign_of(&function.item)).chain(dropped).collect();
        let exports = interface.exports.iter().map(|function| {
            let ty = ComponentType::new(&interface.types, function);
            Some((index_of(&code, &function.item)?, ty))
        });
        let exports = exports.collect();
        let bytes = interface.bytes_per_counted().max(USUAL_BYTES);
        let most_copied = MOST_COPIED.saturating_mul(USUAL_BYTES).checked_div(bytes).unwrap_or(MOST_COPIED);
        let types = Arc::clone(&interface.types);
        Ok(Self { code, foreign, exports, interface: interface.json, types, most_copied, linked, run, handler })
    }

    /// An error if it is no command.
    pub fn check_start(&self) -> Result<(), ProgramError> {
        check_command(self.run.as_ref().map(|(name, _)| name.as_str()), self.handler.is_some())
    }

    /// An instance in this store.
    pub fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
        store.set_hostcall_fuel(self.most_copied);
        let handles = store.data().limiter.handles();
        store.set_max_component_handles(handles);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(handles.saturating_mul(PARTS));
        }
        match &self.linked {
            Ok(linked) if store.engine().get_concurrency_support() => {
                tasks::block_on(store, async |store| linked.instantiate_async(store).await)?
            }
            Ok(linked) => linked.instantiate(store),
            Err(why) => Err(wasmtime::Error::msg(why.clone())),
        }
    }

    /// The name of the interface by which it handles requests of HTTP, if it does.
    pub fn handler_name(&self) -> Option<&str> {
        self.handler.as_ref().map(|(name, _)| name.as_str())
    }

    /// Instantiates it, and finds the function by which it is run. The inner error is the refusal of a
    /// function of another type.
    pub fn start(&self, store: &mut Store<Guest>) -> wasmtime::Result<wasmtime::Result<Entry>> {
        let run = self.entry(store, self.run.as_ref())?.typed::<(), (Result<(), ()>,)>(&*store);
        Ok(run.map(|run| -> Entry {
            Box::new(move |store| tasks::call(store, run, ()).map(|(result,)| u32::from(result.is_err())))
        }))
    }

    /// The same of a handler of HTTP, for the request that comes by these sockets.
    pub fn handler(&self, store: &mut Store<Guest>, exchange: [u32; 2]) -> wasmtime::Result<wasmtime::Result<Entry>> {
        let handle = self.entry(store, self.handler.as_ref())?;
        if self.handler_name().is_some_and(is_asynchronous_handler) {
            return Ok(handle.typed(&*store).map(|handle| -> Entry {
                Box::new(move |store| {
                    let act = async |store: &Accessor<Guest>| {
                        wasi::p3::http::handle(store, Guest::view, handle, exchange).await.map(|()| 0)
                    };
                    tasks::run(store, act)
                })
            }));
        }
        let handle = handle.typed::<(Resource<IncomingRequest>, Resource<ResponseOutparam>), ()>(&*store);
        Ok(handle.map(|handle| -> Entry {
            Box::new(move |store| {
                let params = store.data_mut().view().exchange(exchange)?;
                tasks::call(store, handle, params).map(|()| 0)
            })
        }))
    }

    fn entry(
        &self,
        store: &mut Store<Guest>,
        place: Option<&(String, ComponentExportIndex)>,
    ) -> wasmtime::Result<Func> {
        let instance = self.instantiate(store)?;
        let func = place.and_then(|(_, index)| instance.get_func(&mut *store, index));
        func.ok_or_else(|| wasmtime::Error::msg("exports no function to be run by"))
    }

    /// Its description.
    pub fn describe(&self) -> Description {
        let (engine, ty) = (self.code.engine(), self.code.component_type());
        let described = |module: Option<&str>, name: &str, item: &ComponentItem| Described {
            module: module.map(str::to_owned),
            name: name.to_owned(),
            kind: kind_of(item),
            signature: None,
        };
        let (imports, exports) = (ty.imports(engine), ty.exports(engine));
        let names = imports.map(|(name, _)| name).chain(exports.map(|(name, _)| name));
        Description {
            kind: if self.run.is_some() { "command" } else { "component" },
            version: Some(version(names, engine.get_concurrency_support())),
            imports: ty.imports(engine).map(|(name, item)| described(Some(""), name, &item.ty)).collect(),
            exports: ty.exports(engine).map(|(name, item)| described(None, name, &item.ty)).collect(),
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

/// The function by which a component is run: that of this name, in the one of its interfaces that is chosen.
fn entry_of(
    code: &Component,
    function: &str,
    choose: impl for<'n> Fn(&mut dyn Iterator<Item = &'n str>) -> Option<&'n str>,
) -> Option<(String, ComponentExportIndex)> {
    let ty = code.component_type();
    let name = choose(&mut ty.exports(code.engine()).map(|(name, _)| name))?;
    let (_, interface) = code.get_export(None, name)?;
    let (_, index) = code.get_export(Some(&interface), function)?;
    Some((name.to_owned(), index))
}

fn foreign_of(item: &Item) -> Foreign {
    Foreign { module: item.interface.clone().unwrap_or_default(), name: item.name.clone() }
}

/// The place of an exported function.
fn index_of(code: &Component, item: &Item) -> Option<ComponentExportIndex> {
    let interface = match &item.interface {
        Some(name) => Some(code.get_export(None, name)?.1),
        None => None,
    };
    code.get_export(interface.as_ref(), &item.name).map(|(_, index)| index)
}

/// Defines what a component imports that is not WASI's: functions and resources of the embedder.
fn define_foreign(linker: &mut Linker<Guest>, interface: &Interface) -> wasmtime::Result<()> {
    for (index, function) in interface.imports.iter().enumerate() {
        let (item, ty) = (&function.item, ComponentType::new(&interface.types, function));
        let mut place = match &item.interface {
            Some(interface) => linker.instance(interface)?,
            None => linker.root(),
        };
        if function.is_async {
            place.func_new_concurrent(&item.name, move |store, _, args, results| {
                let ty = ty.clone();
                Box::pin(async move { imported::call_concurrently(store, index, &ty, args, results).await })
            })?;
        } else {
            place.func_new(&item.name, move |store, _, args, results| {
                imported::call_of_component(store, index, &ty, args, results)
            })?;
        }
    }
    let first = interface.imports.len();
    for (number, item) in (0..).zip(&interface.resources) {
        let (ty, index) = (ResourceType::host_dynamic(number), first.saturating_add(number as usize));
        let end = move |store: StoreContextMut<'_, Guest>, rep: u32| imported::end_resource(store, index, rep);
        match &item.interface {
            Some(interface) => linker.instance(interface)?.resource(&item.name, ty, end)?,
            None => linker.root().resource(&item.name, ty, end)?,
        }
    }
    Ok(())
}

/// The name of the function that ends a resource of the embedder, as the canonical ABI has it.
fn drop_of(resource: &str) -> String {
    format!("{DROP}{resource}")
}

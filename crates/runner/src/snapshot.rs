//! Programs that begin where an instance has stopped: with its memory and its globals. wasmtime-wizer changes
//! a program so that these can be asked for, and makes a new program of them.

use super::compile::refused;
use super::guest::Guest;
use super::tasks;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasi_rs_modules::error::{Form, ProgramError};
use wasmtime::component::{self, Lift, WasmList};
use wasmtime::{Error, Instance, Store, Val};
use wasmtime_wizer::{ComponentInstanceState, InstanceState, SnapshotVal, ValType, Wizer};

/// An instance of a program, as its state is asked for.
#[derive(Clone, Copy)]
pub enum Exports {
    /// One of a module.
    Module(Instance),
    /// One of a component.
    Component(component::Instance),
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    // A module loses its `_initialize` all the same. Modules in a component keep theirs, which others of it
    // import and call from start functions: those are left out.
    wizer.keep_init_func(true);
    wizer
}

/// A program like this one, whose instances tell their state.
pub fn instrument(bytes: &[u8], form: Form) -> Result<Vec<u8>, ProgramError> {
    match form {
        Form::Module => wizer().instrument(bytes).map(|(_, instrumented)| instrumented),
        Form::Component => wizer().instrument_component(bytes).map(|(_, instrumented)| instrumented),
    }
    .map_err(unprepared)
}

/// The program that begins with the state of an instance of its instrumented form.
pub fn snapshot(bytes: &[u8], store: &mut Store<Guest>, exports: Exports) -> Result<Vec<u8>, ProgramError> {
    let wizer = wizer();
    let mut state = State { store, error: None };
    let made = match exports {
        Exports::Module(instance) => {
            let (context, _) = wizer.instrument(bytes).map_err(unprepared)?;
            now(wizer.snapshot(&context, &mut ModuleState { state: &mut state, instance }))
        }
        Exports::Component(instance) => {
            let (context, _) = wizer.instrument_component(bytes).map_err(unprepared)?;
            now(wizer.snapshot_component(&context, &mut ComponentState { state: &mut state, instance }))
        }
    };
    match (state.error, made) {
        (Some(error), _) => Err(refused(error)),
        (None, Some(made)) => made.map_err(unprepared),
        (None, None) => Err(ProgramError::Wrong("can't be prepared: its state was not told at once".to_owned())),
    }
}

fn unprepared(error: Error) -> ProgramError {
    ProgramError::Wrong(format!("can't be prepared: {error:#}"))
}

/// The result of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

struct State<'s> {
    store: &'s mut Store<Guest>,
    /// The first error: a part of the state that is not there.
    error: Option<Error>,
}

impl State<'_> {
    fn fail(&mut self, name: &str) {
        self.error.get_or_insert_with(|| Error::msg(format!("'{name}' of its instrumented form is not there")));
    }
}

struct ModuleState<'a, 's> {
    state: &'a mut State<'s>,
    instance: Instance,
}

impl InstanceState for ModuleState<'_, '_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.state.store, name);
        match global.map(|global| global.get(&mut *self.state.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            _ => {
                self.state.fail(name);
                SnapshotVal::I32(0)
            }
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.instance.get_memory(&mut *self.state.store, name) {
            Some(memory) => contents(memory.data(&*self.state.store)),
            None => {
                self.state.fail(name);
                contents(&[]);
            }
        }
    }
}

struct ComponentState<'a, 's> {
    state: &'a mut State<'s>,
    instance: component::Instance,
}

impl ComponentState<'_, '_> {
    /// Calls a function of the instrumented form.
    fn call<R: Lift + Send + Sync + 'static>(&mut self, interface: &str, name: &str) -> Option<R> {
        let (instance, store) = (self.instance, &mut *self.state.store);
        let found = instance.get_export_index(&mut *store, None, interface);
        let found = found.and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), name));
        let called = found.map(|index| {
            let function = instance.get_typed_func::<(), (R,)>(&mut *store, index)?;
            // If functions may be asynchronous in a store, wasmtime wants all calls to be.
            let made = if store.engine().get_concurrency_support() {
                tasks::block_on(store, async |store| function.call_async(store, ()).await)?
            } else {
                function.call(&mut *store, ())
            };
            made.map(|(result,)| result)
        });
        match called {
            Some(Ok(result)) => return Some(result),
            Some(Err(error)) => {
                self.state.error.get_or_insert(error);
            }
            None => self.state.fail(name),
        }
        None
    }
}

impl ComponentInstanceState for ComponentState<'_, '_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.call::<WasmList<u8>>(instance, func) {
            Some(list) => contents(list.as_le_slice(&*self.state.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).unwrap_or_default().to_bits()
    }
}

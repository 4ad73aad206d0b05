//! Asynchronous work in a guest's store, on the guest's thread.

use super::component_type::ComponentType;
use super::export_call::{Callee, ComponentFunction, ExportCall, Returned};
use super::guest::Guest;
use super::stacks::counting;
use std::sync::Arc;
use wasi_rs_components::handles::with_handles;
use wasi_rs_components::wasi::p3;
use wasmtime::component::{Accessor, Val};
use wasmtime::{Result, Store};

/// Does something asynchronous with a store. An error is the end of the guest.
pub fn block_on<R>(store: &mut Store<Guest>, act: impl AsyncFnOnce(&mut Store<Guest>) -> R) -> Result<R> {
    let (mut calls, share) = (store.data().calls.waiting(), Arc::clone(&store.data().stacks));
    counting(&share, || p3::block_on(store, Guest::view, &mut calls, act))
}

/// Does something in the event loop of a store, then waits until all that the guest has begun is done.
pub fn run<R>(store: &mut Store<Guest>, act: impl AsyncFnOnce(&Accessor<Guest>) -> Result<R>) -> Result<R> {
    let (mut calls, share) = (store.data().calls.waiting(), Arc::clone(&store.data().stacks));
    counting(&share, || p3::run(store, Guest::view, &mut calls, act))
}

/// Makes a call in a store that nobody is in: as a task, if its functions may be asynchronous. An error is
/// the end of the instance, and there is no answer then.
pub fn make(call: &ExportCall, store: &mut Store<Guest>) -> Result<Returned> {
    match &call.callee {
        Callee::Component(function) if function.is_concurrent => call_of(function, store, &call.args),
        Callee::Drop if store.engine().get_concurrency_support() => {
            match with_handles(&mut *store, |handles| handles.take(&call.args)) {
                Ok(resource) => {
                    block_on(store, async |store| resource.resource_drop_async(store).await)??;
                    Ok(Returned::Values(Vec::new()))
                }
                Err(error) => Ok(Returned::Refused(error.to_string())),
            }
        }
        _ => call.make(store),
    }
}

/// Calls a function, and waits for all that it has begun.
fn call_of(function: &ComponentFunction, store: &mut Store<Guest>, args: &[u8]) -> Result<Returned> {
    let ComponentType { types, params, results, .. } = &function.ty;
    let args = match with_handles(&mut *store, |handles| handles.decode(types, params, args)) {
        Ok(args) => args,
        Err(error) => {
            with_handles(&mut *store, |handles| handles.take_back())?;
            return Ok(Returned::Refused(error.to_string()));
        }
    };
    let mut values = vec![Val::Bool(false); results.len()];
    let call = async |store: &Accessor<Guest>| function.func.call_concurrent(store, &args, &mut values).await;
    run(store, call)?;
    with_handles(store, |handles| {
        handles.take_back()?;
        handles.encode(types, results, &values).map(Returned::Values)
    })
}

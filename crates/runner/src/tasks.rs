//! Asynchronous work in a guest's store, on the guest's thread.

use super::export_call::{Callee, ExportCall, Returned};
use super::guest::Guest;
use super::stacks::counting;
use std::sync::Arc;
use wasi_rs_components::handles::with_handles;
use wasi_rs_components::values::Reader;
use wasi_rs_components::wasi::p3;
use wasmtime::component::{Accessor, ComponentNamedList, Lift, Lower, TypedFunc};
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

/// Calls a function of a component: as a task, if functions may be asynchronous in this store.
pub fn call<P, R>(store: &mut Store<Guest>, function: TypedFunc<P, R>, params: P) -> Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    if store.engine().get_concurrency_support() {
        run(store, async |store| function.call_concurrent(store, params).await)
    } else {
        function.call(store, params)
    }
}

/// Makes a call in a store that nobody is in: as a task, if functions may be asynchronous there. An error is
/// the end of the instance, and there is no answer then.
pub fn make(call: &ExportCall, store: &mut Store<Guest>) -> Result<Returned> {
    match &call.callee {
        Callee::Component(function) if store.engine().get_concurrency_support() => {
            run(store, async |store| function.call_concurrent(store, call.number, &call.args).await)
        }
        Callee::Drop if store.engine().get_concurrency_support() => end_resource(store, &call.args),
        _ => call.make(store),
    }
}

/// Ends a resource of the guest: that with the number in these bytes.
pub fn end_resource(store: &mut Store<Guest>, number: &[u8]) -> Result<Returned> {
    match with_handles(&mut *store, |handles| handles.take(number)) {
        Ok(resource) => {
            block_on(store, async |store| resource.resource_drop_async(store).await)??;
            Ok(Returned::Values(Vec::new()))
        }
        Err(error) => Ok(Returned::Refused(error.to_string())),
    }
}

/// The numbers in bytes.
pub fn numbers<const N: usize>(bytes: &[u8]) -> Result<[u32; N]> {
    let mut reader = Reader(bytes);
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = reader.number()?;
    }
    Ok(numbers)
}

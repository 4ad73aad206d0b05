//! Functions of the embedder, as a guest in wasmtime calls them.

use super::callers::caller;
use super::component_type::ComponentType;
use super::control::Control;
use super::guest::Guest;
use super::host_calls::{Answer, Event, Given, HostCall, HostCalls};
use super::numbers::{Signature, cells, values};
use super::stop::Stop;
use std::sync::Arc;
use wasi_rs_components::handles::{Loans, with_handles};
use wasmtime::component::{self, Accessor};
use wasmtime::{AsContextMut, Caller, Extern, Memory, Result, StoreContextMut, Val};

/// Calls a function of the embedder, which a module imports as number `import` of these, and waits for its
/// answer.
pub fn call(
    mut caller: Caller<'_, Guest>,
    import: usize,
    signature: &Arc<Signature>,
    args: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let memory = |caller: &mut Caller<'_, Guest>| match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    };
    let answer = ask(&mut caller, memory, import, Some(signature), cells(args))?;
    for (result, value) in results.iter_mut().zip(values(&signature.results, &answer)) {
        *result = value;
    }
    Ok(())
}

/// Calls a function of the embedder, which a component imports as number `import` of these, and waits for its
/// answer.
pub fn call_of_component(
    mut store: StoreContextMut<'_, Guest>,
    import: usize,
    ty: &ComponentType,
    args: &[component::Val],
    results: &mut [component::Val],
) -> Result<()> {
    let (bytes, loans) = with_handles(&mut store, |handles| handles.encode(&ty.types, &ty.params, args))?;
    let answered = ask(&mut store, |_| None, import, None, bytes);
    finish(store, ty, loans, answered, results)
}

/// The same for an asynchronous function: the guest's other tasks go on meanwhile.
pub async fn call_concurrently(
    store: &Accessor<Guest>,
    import: usize,
    ty: &ComponentType,
    args: &[component::Val],
    results: &mut [component::Val],
) -> Result<()> {
    let (asked, loans) = store.with(|mut store| {
        let (bytes, loans) =
            with_handles(store.as_context_mut(), |handles| handles.encode(&ty.types, &ty.params, args))?;
        let caller = caller(store.as_context_mut())?;
        Ok::<_, wasmtime::Error>((ask_concurrently(store.data_mut(), import, bytes, caller), loans))
    })?;
    let answered = match asked {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    store.with(|mut store| finish(store.as_context_mut(), ty, loans, answered, results))
}

/// The end of a call of a component: its results, of their bytes.
fn finish(
    store: StoreContextMut<'_, Guest>,
    ty: &ComponentType,
    loans: Loans,
    answered: Result<Vec<u8>>,
    results: &mut [component::Val],
) -> Result<()> {
    let answer = with_handles(store, |handles| {
        handles.end_loans(loans)?;
        let (answer, lent) = handles.decode(&ty.types, &ty.results, &answered?);
        handles.take_back(lent)?;
        answer
    })?;
    for (result, value) in results.iter_mut().zip(answer) {
        *result = value;
    }
    Ok(())
}

/// The answer of a function of the embedder, for whose results it is asked.
fn ask_concurrently(
    guest: &mut Guest,
    import: usize,
    args: Vec<u8>,
    caller: Option<u64>,
) -> Result<impl Future<Output = Result<Vec<u8>>> + Send + use<>> {
    let (host, function) = given(guest, import)?;
    guest.control().count_call();
    let reactor = Arc::clone(guest.view().reactor());
    Ok(async move { host.ask(function, args, caller, &reactor).await })
}

/// The functions of the embedder, and the index there of function `import`.
fn given(guest: &Guest, import: usize) -> Result<(Arc<HostCalls>, u32)> {
    let Some(Given { calls, indices }) = &guest.given else { return Err(Stop::Ended.into()) };
    match indices.get(import) {
        Some(function) if !guest.control().is_ended() => Ok((Arc::clone(calls), *function)),
        _ => Err(Stop::Ended.into()),
    }
}

/// Tells the embedder that a component has ended the resource with this number, by function `import`.
pub fn end_resource(mut store: StoreContextMut<'_, Guest>, import: usize, rep: u32) -> Result<()> {
    ask(&mut store, |_| None, import, None, rep.to_le_bytes().into()).map(drop)
}

/// Asks the embedder for the results of a function, and waits for them.
fn ask<S: AsContextMut<Data = Guest>>(
    store: &mut S,
    memory: impl Fn(&mut S) -> Option<Memory>,
    import: usize,
    signature: Option<&Arc<Signature>>,
    args: Vec<u8>,
) -> Result<Vec<u8>> {
    let caller = caller(store.as_context_mut())?;
    let context = store.as_context();
    let control = Arc::clone(context.data().control());
    let (host, function) = given(context.data(), import)?;
    control.count_call();
    let number = host.begin();
    let request = HostCall { number, function, signature: signature.cloned(), args, caller };
    let answered = answer_of(store, memory, &host, &control, request);
    host.end(number);
    answered?.ok_or_else(|| Stop::Thrown(number).into())
}

/// The answer to a call. Until it comes, the calling thread does the calls of exports that come.
fn answer_of<S: AsContextMut<Data = Guest>>(
    store: &mut S,
    memory: impl Fn(&mut S) -> Option<Memory>,
    host: &HostCalls,
    control: &Control,
    request: HostCall,
) -> Result<Answer> {
    let number = request.number;
    let mut request = Some(request);
    loop {
        let memory = memory(store);
        match host.wait((number, request.take()), control, memory, &*store) {
            Event::Answer(answer) => return Ok(answer),
            Event::Inner(call) => {
                let returned = call.make(&mut *store)?;
                call.answer(returned);
            }
            Event::Ended => return Err(Stop::Ended.into()),
        }
    }
}

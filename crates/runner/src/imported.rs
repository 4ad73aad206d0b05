//! Functions of the embedder, as a guest in wasmtime calls them.

use super::component_type::ComponentType;
use super::control::Control;
use super::guest::Guest;
use super::host_calls::{Answer, Event, Given, HostCall, HostCalls};
use super::numbers::{Signature, cells, values};
use super::stop::Stop;
use std::sync::Arc;
use wasi_rs_components::handles::with_handles;
use wasmtime::component;
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
    let (bytes, loans) = with_handles(&mut store, |handles| {
        let loans = handles.loans();
        Ok::<_, wasmtime::Error>((handles.encode(&ty.types, &ty.params, args)?, loans))
    })?;
    let answered = ask(&mut store, |_| None, import, None, bytes);
    let answer = with_handles(&mut store, |handles| {
        handles.end_loans(loans)?;
        handles.decode(&ty.types, &ty.results, &answered?)
    })?;
    for (result, value) in results.iter_mut().zip(answer) {
        *result = value;
    }
    Ok(())
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
    let context = store.as_context();
    let control = Arc::clone(context.data().control());
    let Some(Given { calls: host, indices }) = context.data().given.clone() else {
        return Err(Stop::Ended.into());
    };
    let (Some(function), false) = (indices.get(import).copied(), control.is_ended()) else {
        return Err(Stop::Ended.into());
    };
    control.count_call();
    let number = host.begin();
    let request = HostCall { number, function, signature: signature.cloned(), args };
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

//! Functions of the embedder, as a guest in wasmtime calls them.

use super::control::Control;
use super::guest::Guest;
use super::host_calls::{Answer, Event, Given, HostCall, HostCalls};
use super::numbers::{Signature, cells, values};
use super::stop::Stop;
use std::sync::Arc;
use wasmtime::{Caller, Extern, Result, Val};

/// Calls a function of the embedder, which the guest imports as number `import` of these, and waits for its
/// answer.
pub fn call(
    mut caller: Caller<'_, Guest>,
    import: usize,
    signature: &Arc<Signature>,
    args: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let control = Arc::clone(caller.data().control());
    let Some(Given { calls: host, indices }) = caller.data().given.clone() else {
        return Err(Stop::Ended.into());
    };
    let (Some(function), false) = (indices.get(import).copied(), control.is_ended()) else {
        return Err(Stop::Ended.into());
    };
    control.count_call();
    let number = host.begin();
    let request = HostCall { number, function, signature: Some(Arc::clone(signature)), args: cells(args) };
    let answered = answer_of(&mut caller, &host, &control, request);
    host.end(number);
    let Some(answer) = answered? else {
        return Err(Stop::Thrown(number).into());
    };
    for (result, value) in results.iter_mut().zip(values(&signature.results, &answer)) {
        *result = value;
    }
    Ok(())
}

/// The answer to a call. Until it comes, the calling thread does the calls of exports that come.
fn answer_of(caller: &mut Caller<'_, Guest>, host: &HostCalls, control: &Control, request: HostCall) -> Result<Answer> {
    let number = request.number;
    let mut request = Some(request);
    loop {
        let memory = match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Some(memory),
            _ => None,
        };
        match host.wait((number, request.take()), control, memory, &*caller) {
            Event::Answer(answer) => return Ok(answer),
            Event::Inner(call) => {
                let returned = call.make(&mut *caller)?;
                call.answer(returned);
            }
            Event::Ended => return Err(Stop::Ended.into()),
        }
    }
}

//! Functions of the embedder, and the memory of the guest that calls them.

use crate::node_api::{Call, Js, JsResult, Method, Value, with_lent};
use crate::permission::require_wasi;
use crate::run::cells::letters;
use crate::run::prompt::Prompts;
use crate::run::reader::{Reader, float, held, number_as_id, whole};
use crate::run::requests::Requests;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasi_rs_core::abi::Ptr;
use wasi_rs_core::memory::Memory;
use wasi_rs_runner::host_calls::{Ask, HostCall, HostCalls};
use wasi_rs_runner::instance::{Instance, Unreachable};
use wasi_rs_runner::outcome::Outcome;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, AnswerHostCall::NAME, js.function::<AnswerHostCall>(0)?)?;
    js.set_named(object, ReadMemory::NAME, js.function::<ReadMemory>(0)?)?;
    js.set_named(object, WriteMemory::NAME, js.function::<WriteMemory>(0)?)?;
    js.set_named(object, MemorySize::NAME, js.function::<MemorySize>(0)?)
}

/// A guest that is given functions of the embedder, or lives on, as JavaScript holds it.
pub struct Hosted {
    /// The functions that it is given.
    pub host: Option<Arc<HostCalls>>,
    /// The instance, if it lives on.
    pub instance: Option<Arc<Instance>>,
    /// The calls of its exports that its environment waits for.
    pub prompts: Arc<Prompts>,
    /// The requests of its environment.
    pub requests: Arc<Requests>,
    /// The number of its request.
    pub id: u32,
    /// The outcome of an instance that is called on this thread, once it has ended.
    pub ended: Arc<Mutex<Option<Outcome>>>,
    /// True if calls of such an instance call the function that they are made with.
    pub calls_back: bool,
    /// The time that each call of such an instance may take.
    pub timeout: Option<Duration>,
}

impl Hosted {
    /// A run with functions of the embedder.
    pub fn run(requests: Arc<Requests>, id: u32, host: Arc<HostCalls>) -> Self {
        Self {
            host: Some(host),
            instance: None,
            prompts: Arc::default(),
            requests,
            id,
            ended: Arc::default(),
            calls_back: false,
            timeout: None,
        }
    }

    fn with_memory<T>(&self, act: impl FnOnce(&Memory<'_>) -> T) -> Result<T, Unreachable> {
        match (&self.instance, &self.host) {
            (Some(instance), _) => instance.with_memory(act),
            (None, Some(host)) => host.with_memory(act).ok_or(Unreachable::Busy),
            (None, None) => Err(Unreachable::Gone),
        }
    }
}

impl Drop for Hosted {
    /// Ends an instance that nobody can call any more.
    fn drop(&mut self) {
        if let Some(instance) = &self.instance {
            instance.end();
        }
    }
}

/// The functions of the embedder in a request, `imports: [module, name][]`, if there are any.
pub fn host_calls(request: &Reader<'_>, ask: impl FnOnce() -> Ask) -> JsResult<Option<Arc<HostCalls>>> {
    Ok(request.pairs("imports")?.map(|names| HostCalls::new(names, ask())))
}

/// Asks an environment that waits for a call at once; otherwise a message asks.
pub fn ask_by_message(requests: &Arc<Requests>, id: u32, prompts: &Arc<Prompts>) -> Ask {
    let (requests, prompts) = (Arc::clone(requests), Arc::clone(prompts));
    Box::new(move |call: HostCall| {
        if let Some(call) = prompts.ask(call) {
            requests.send(id, move |js| host_call_to_js(js, &call));
        }
        None
    })
}

/// Asks the function that is lent on the calling thread.
pub fn ask_here() -> Ask {
    Box::new(|call: HostCall| {
        let answered = with_lent(|js, dispatch| {
            let answer = js.call(js.undefined()?, dispatch, &[host_call_to_js(js, &call)?])?;
            js.view_or_buffer(answer)
        });
        // A worker that is terminated answers nothing more.
        Some(answered.and_then(Result::ok).flatten())
    })
}

/// Shows a call to the function that is lent on the calling thread, by a message `{ traced }`; false if the
/// guest is to end.
pub fn show_here(bytes: Vec<u8>) -> bool {
    let shown = with_lent(|js, dispatch| {
        let message = js.object()?;
        js.set_named(message, "traced", js.buffer(&bytes)?)?;
        js.truthy(js.call(js.undefined()?, dispatch, &[message])?)
    });
    matches!(shown, Some(Ok(true)))
}

/// `{ hostCall, function, params?, results?, caller?, bytes }`: a call of a function of the embedder.
pub fn host_call_to_js<'s>(js: Js<'s>, call: &HostCall) -> JsResult<Value<'s>> {
    let message = js.object()?;
    js.set_named(message, "hostCall", js.number(call.number.into())?)?;
    js.set_named(message, "function", js.number(call.function.into())?)?;
    if let Some(signature) = &call.signature {
        js.set_named(message, "params", letters(js, &signature.params)?)?;
        js.set_named(message, "results", letters(js, &signature.results)?)?;
    }
    if let Some(caller) = call.caller {
        js.set_named(message, "caller", js.number(float(caller))?)?;
    }
    js.set_named(message, "bytes", js.array_buffer(&call.args)?)?;
    Ok(message)
}

/// `answer(guest, number, bytes)`: the results of a function of the embedder; undefined if it has thrown. The
/// result is false if nobody waits for them any more.
struct AnswerHostCall;

impl Method for AnswerHostCall {
    const NAME: &'static str = "answer";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [guest, number, bytes, ..]) = (call.js, call.args);
        require_wasi(js)?;
        let bytes = js.view_or_buffer(bytes)?;
        let (guest, number) = (held::<Hosted>(js, guest)?, number_as_id(js.number_of(number)?));
        let is_awaited = guest.host.as_ref().is_some_and(|host| host.answer(number, bytes));
        js.boolean(is_awaited)
    }
}

/// The reason why the memory can't be reached, as a word.
const fn word(why: Unreachable) -> &'static str {
    match why {
        Unreachable::None => "none",
        Unreachable::Early => "early",
        Unreachable::Busy => "busy",
        Unreachable::Gone => "gone",
    }
}

/// The word for bytes beyond the end of the memory.
const OUTSIDE: &str = "outside";

/// An address in the memory. Numbers beyond 32 bits are outside of it, also where there is such memory: the
/// system calls can't reach that either.
fn address(js: Js<'_>, offset: Value<'_>) -> JsResult<Option<Ptr<u8>>> {
    Ok(u32::try_from(whole(js.number_of(offset)?)).ok().map(Ptr::new))
}

/// `readMemory(guest, offset, length)`: a Buffer; a word if it can't be read.
struct ReadMemory;

impl Method for ReadMemory {
    const NAME: &'static str = "readMemory";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [guest, offset, length, ..]) = (call.js, call.args);
        require_wasi(js)?;
        let length = usize::try_from(whole(js.number_of(length)?)).unwrap_or(usize::MAX);
        let Some(offset) = address(js, offset)? else { return js.string(OUTSIDE) };
        let copy = |memory: &Memory<'_>| {
            // Before there is room made for them.
            if length as u64 > memory.len() {
                return None;
            }
            let mut bytes = vec![0; length];
            memory.copy_out(offset, &mut bytes).ok().map(|()| bytes)
        };
        match held::<Hosted>(js, guest)?.with_memory(copy) {
            Ok(Some(bytes)) => js.owned_buffer(bytes),
            Ok(None) => js.string(OUTSIDE),
            Err(why) => js.string(word(why)),
        }
    }
}

/// `writeMemory(guest, offset, bytes)`: a word if it can't be written.
struct WriteMemory;

impl Method for WriteMemory {
    const NAME: &'static str = "writeMemory";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [guest, offset, bytes, ..]) = (call.js, call.args);
        require_wasi(js)?;
        let bytes = js.view_or_buffer(bytes)?.unwrap_or_default();
        let Some(offset) = address(js, offset)? else { return js.string(OUTSIDE) };
        match held::<Hosted>(js, guest)?.with_memory(|memory| memory.copy_in(offset, &bytes).is_ok()) {
            Ok(true) => js.undefined(),
            Ok(false) => js.string(OUTSIDE),
            Err(why) => js.string(word(why)),
        }
    }
}

/// `memorySize(guest)`: bytes; a word if there is no memory to be reached.
struct MemorySize;

impl Method for MemorySize {
    const NAME: &'static str = "memorySize";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        match held::<Hosted>(js, call.args[0])?.with_memory(|memory| memory.len()) {
            Ok(bytes) => js.number(float(bytes)),
            Err(why) => js.string(word(why)),
        }
    }
}

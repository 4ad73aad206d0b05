//! Instances that live on: loaded, called, ended.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::permission::require_wasi;
use crate::run::cells::letters;
use crate::run::host::{Hosted, ask_by_message, host_call_to_js};
use crate::run::outcome::{outcome_to_js, usage_to_js};
use crate::run::programs::{Found, respond};
use crate::run::prompt::{Event, Prompts};
use crate::run::reader::{Reader, float, held, whole};
use crate::run::requests::{Cancel, Requests};
use crate::run::runs::Asked;
use std::sync::Arc;
use wasi_rs_modules::error::ProgramError;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::export_call::{Callee, Reply, Returned};
use wasi_rs_runner::instance;
use wasi_rs_runner::live::Export;
use wasi_rs_runner::run::Engine;
use wasi_rs_runner::scheduler::SCHEDULER;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, Load::NAME, js.function::<Load>(0)?)?;
    js.set_named(object, CallExport::NAME, js.function::<CallExport>(0)?)?;
    js.set_named(object, AwaitCall::NAME, js.function::<AwaitCall>(0)?)?;
    js.set_named(object, UsageOfInstance::NAME, js.function::<UsageOfInstance>(0)?)?;
    js.set_named(object, Snapshot::NAME, js.function::<Snapshot>(0)?)?;
    js.set_named(object, KeepAlive::NAME, js.function::<KeepAlive>(0)?)
}

/// `load(requests, { id, program, args, env, preopens, stdio, limits, concurrency?, trace?, byCall?, imports?
/// })`: a guest that lives on. Messages: `{ loaded: exports, hasMemory }`; for each call `{ returned, bytes?
/// }`, or with `thrown` or `isBusy`; and the outcome.
struct Load;

impl Method for Load {
    const NAME: &'static str = "load";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let prompts = Arc::<Prompts>::default();
        let ask = |requests: &Arc<Requests>, id| ask_by_message(requests, id, &prompts);
        let (asked, request) = Asked::read(call, Engine::Wasmtime, ask)?;
        let program = held::<Executable>(js, request.get("program")?)?;
        let Asked { requests, id, mut plan } = asked;
        plan.concurrency = request.size("concurrency")?.unwrap_or(instance::MOST);
        let (at_begin, at_end) = (Arc::clone(&requests), Arc::clone(&requests));
        let loaded = move |exports: &[Export], has_memory: bool| {
            let exports = exports.to_vec();
            at_begin.send(id, move |js| {
                let message = js.object()?;
                loaded_to_js(js, message, &exports, has_memory)?;
                Ok(message)
            });
        };
        let finish = Box::new(move |outcome| {
            at_end.drop_kept(id);
            at_end.send(id, move |js| outcome_to_js(js, &outcome));
        });
        let host = plan.host.clone();
        let instance = instance::load(program, plan, Box::new(loaded), finish);
        requests.keep(id, Cancel::Instance(Arc::clone(&instance)));
        if instance.run.is_over() {
            requests.drop_kept(id); // it ended before it was kept
        }
        js.hold(Arc::new(Hosted {
            host,
            instance: Some(instance),
            prompts,
            requests,
            id,
            ended: Arc::default(),
            calls_back: false,
            timeout: None,
        }))
    }
}

/// `{ loaded: exports, hasMemory }`, as properties of a message.
pub fn loaded_to_js(js: Js<'_>, message: Value<'_>, exports: &[Export], has_memory: bool) -> JsResult<()> {
    js.set_named(message, "loaded", js.array(exports.iter().map(|export| export_to_js(js, export)))?)?;
    js.set_named(message, "hasMemory", js.boolean(has_memory)?)
}

/// `{ name, params?, results? }`.
fn export_to_js<'s>(js: Js<'s>, export: &Export) -> JsResult<Value<'s>> {
    let object = js.object()?;
    js.set_named(object, "name", js.string(&export.name)?)?;
    if let Some(Callee::Module(_, signature)) = &export.callee {
        js.set_named(object, "params", letters(js, &signature.params)?)?;
        js.set_named(object, "results", letters(js, &signature.results)?)?;
    }
    Ok(object)
}

/// `callExport(guest, { number, index, bytes, isInner })`: calls an export of a loaded guest. The result is
/// `{ returned: number, ... }` if the call is over soon (with `goesOn` if the guest goes on, until the
/// message `{ isIdle }`), and `{ hostCall, ... }` if a function of the embedder is to be called first. If
/// not, it is undefined, and events of the call come as messages; none is the last if the guest ends with the
/// call.
struct CallExport;

impl Method for CallExport {
    const NAME: &'static str = "callExport";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        let guest = held::<Hosted>(js, call.args[0])?;
        let request = Reader { js, object: call.args[1] };
        let number = request.number("number")?.map_or(0, whole);
        let index = request.size("index")?.unwrap_or(usize::MAX);
        let bytes = js.view_or_buffer(request.get("bytes")?)?.unwrap_or_default();
        let is_inner = js.truthy(request.get("isInner")?)?;
        let Some(instance) = &guest.instance else { return js.undefined() };
        let (requests, id, prompt) = (Arc::clone(&guest.requests), guest.id, guest.prompts.open(number));
        let answer = move |reply: Reply| match reply {
            Reply::Idle => requests.send(id, idle_to_js),
            reply => {
                if let Some(event) = prompt.give(Event::Reply(reply)) {
                    requests.send(id, move |js| event_to_js(js, number, &event));
                }
            }
        };
        instance.call(number, index, bytes, is_inner, Box::new(answer));
        next_event(js, &guest, number, true)
    }
}

/// `awaitCall(guest, number, isPatient)`: the next event of a call of an export, after a `hostCall`, as of
/// `callExport`. Without patience events come as messages from now on.
struct AwaitCall;

impl Method for AwaitCall {
    const NAME: &'static str = "awaitCall";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [guest, number, is_patient, ..]) = (call.js, call.args);
        require_wasi(js)?;
        let number = whole(js.number_of(number)?);
        next_event(js, &*held::<Hosted>(js, guest)?, number, js.truthy(is_patient)?)
    }
}

fn next_event<'s>(js: Js<'s>, guest: &Hosted, number: u64, is_patient: bool) -> JsResult<Value<'s>> {
    match guest.prompts.next(number, is_patient) {
        Some(event) => event_to_js(js, number, &event),
        None => js.undefined(),
    }
}

fn event_to_js<'s>(js: Js<'s>, number: u64, event: &Event) -> JsResult<Value<'s>> {
    match event {
        Event::Reply(Reply::Returned(returned)) => returned_to_js(js, number, returned),
        Event::Reply(Reply::GoesOn(returned)) => {
            let message = returned_to_js(js, number, returned)?;
            js.set_named(message, "goesOn", js.boolean(true)?)?;
            Ok(message)
        }
        Event::Reply(Reply::Idle) => idle_to_js(js),
        Event::HostCall(call) => host_call_to_js(js, call),
    }
}

/// `{ isIdle: true }`: a guest that went on after a call has returned does not any more.
fn idle_to_js(js: Js<'_>) -> JsResult<Value<'_>> {
    let message = js.object()?;
    js.set_named(message, "isIdle", js.boolean(true)?)?;
    Ok(message)
}

/// `{ returned: number, bytes? | thrown? | isBusy? | refused? }`.
pub fn returned_to_js<'s>(js: Js<'s>, number: u64, returned: &Returned) -> JsResult<Value<'s>> {
    let message = js.object()?;
    js.set_named(message, "returned", js.number(float(number))?)?;
    match returned {
        Returned::Values(bytes) => js.set_named(message, "bytes", js.array_buffer(bytes)?)?,
        Returned::Thrown(call) => js.set_named(message, "thrown", js.number((*call).into())?)?,
        Returned::Busy => js.set_named(message, "isBusy", js.boolean(true)?)?,
        Returned::Refused(why) => js.set_named(message, "refused", js.string(why)?)?,
    }
    Ok(message)
}

/// `usage(guest)`: the amounts that a loaded guest has used by now.
struct UsageOfInstance;

impl Method for UsageOfInstance {
    const NAME: &'static str = "usage";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        require_wasi(call.js)?;
        match &held::<Hosted>(call.js, call.args[0])?.instance {
            Some(instance) => usage_to_js(call.js, &instance.run.usage()),
            None => call.js.undefined(),
        }
    }
}

/// `snapshot(requests, { id, guest, program })`: the program that begins with the state of a guest, which is
/// of the program's instrumented form. It is the answer, as to `ask`.
struct Snapshot;

impl Method for Snapshot {
    const NAME: &'static str = "snapshot";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        require_wasi(js)?;
        let request = Reader { js, object: call.args[1] };
        let (id, guest) = (request.id()?, held::<Hosted>(js, request.get("guest")?)?);
        let program = held::<Executable>(js, request.get("program")?)?;
        requests.expect(js);
        let answer = Arc::clone(&requests);
        let make = move || {
            let made = guest.instance.as_ref().and_then(|instance| instance.snapshot(&program));
            let busy =
                || Err(ProgramError::Wrong("can't be prepared: its instance has ended, or is in a call".to_owned()));
            respond(answer, id, made.unwrap_or_else(busy).map(Found::Bytes));
        };
        if let Err(error) = SCHEDULER.submit(Box::new(make)) {
            let why = format!("can't be prepared: no thread could be started: {error}");
            respond(requests, id, Err(ProgramError::Wrong(why)));
        }
        js.undefined()
    }
}

/// `keepAlive(requests, isToLive)`: keeps the event loop from ending, once more or once less.
struct KeepAlive;

impl Method for KeepAlive {
    const NAME: &'static str = "keepAlive";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        if js.truthy(call.args[1])? {
            requests.expect(js)
        } else {
            requests.expect_less(js)
        }
        js.undefined()
    }
}

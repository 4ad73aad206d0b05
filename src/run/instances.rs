//! Instances that live on: loaded, called, ended.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::permission::require_wasi;
use crate::run::cells::{cells_to_js, letters, read_cells};
use crate::run::host::Hosted;
use crate::run::outcome::{outcome_to_js, usage_to_js};
use crate::run::reader::{Reader, held};
use crate::run::requests::{Cancel, Requests};
use crate::run::runs::Asked;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::export_call::Returned;
use wasi_rs_runner::instance::{self, Export};
use wasi_rs_runner::run::Engine;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, Load::NAME, js.function::<Load>(0)?)?;
    js.set_named(object, CallExport::NAME, js.function::<CallExport>(0)?)?;
    js.set_named(object, UsageOfInstance::NAME, js.function::<UsageOfInstance>(0)?)?;
    js.set_named(object, KeepAlive::NAME, js.function::<KeepAlive>(0)?)
}

/// `load(requests, { id, program, args, env, preopens, stdio, limits, concurrency?, trace, imports? })`: a
/// guest that lives on. Messages: `{ loaded: exports, hasMemory }`; for each call `{ returned, cells? }`, or
/// with `thrown` or `isBusy`; and the outcome.
struct Load;

impl Method for Load {
    const NAME: &'static str = "load";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (asked, request) = Asked::read(call, Engine::Wasmtime)?;
        let program = held::<Executable>(js, request.get("program")?)?;
        let Asked { requests, id, mut plan } = asked;
        plan.concurrency = request.size("concurrency")?.unwrap_or(instance::MOST);
        let (at_begin, at_end) = (Arc::clone(&requests), Arc::clone(&requests));
        let loaded = move |exports: &[Export], has_memory: bool| {
            let exports = exports.to_vec();
            at_begin.send(id, move |js| {
                let message = js.object()?;
                js.set_named(message, "loaded", js.array(exports.iter().map(|export| export_to_js(js, export)))?)?;
                js.set_named(message, "hasMemory", js.boolean(has_memory)?)?;
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
        js.hold(Arc::new(Hosted { host, instance: Some(instance), requests, id }))
    }
}

/// `{ name, params?, results? }`.
fn export_to_js<'s>(js: Js<'s>, export: &Export) -> JsResult<Value<'s>> {
    let object = js.object()?;
    js.set_named(object, "name", js.string(&export.name)?)?;
    if let Some(signature) = &export.signature {
        js.set_named(object, "params", letters(js, &signature.params)?)?;
        js.set_named(object, "results", letters(js, &signature.results)?)?;
    }
    Ok(object)
}

/// The time that the caller waits for a call to return before it leaves that to a message. The message takes
/// longer than this, and the event loop is held up by as much as any function of JavaScript would.
const PATIENCE: Duration = Duration::from_micros(20);

/// The answer to a call, which the caller waits for a short time for.
#[derive(Default)]
struct Prompt {
    answer: Mutex<Answering>,
    is_there: AtomicBool,
}

#[derive(Default)]
enum Answering {
    #[default]
    Awaited,
    Answered(Returned),
    /// The caller has stopped waiting.
    Late,
}

impl Prompt {
    fn answer(&self) -> MutexGuard<'_, Answering> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the answer to the caller; gives it back if that has stopped waiting.
    fn give(&self, returned: Returned) -> Option<Returned> {
        let mut answer = self.answer();
        if matches!(*answer, Answering::Late) {
            return Some(returned);
        }
        *answer = Answering::Answered(returned);
        self.is_there.store(true, Release);
        None
    }

    /// Waits for the answer, for a short time.
    fn wait(&self) -> Option<Returned> {
        let since = Instant::now();
        while !self.is_there.load(Acquire) && since.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
        match std::mem::replace(&mut *self.answer(), Answering::Late) {
            Answering::Answered(returned) => Some(returned),
            Answering::Awaited | Answering::Late => None,
        }
    }
}

/// `callExport(guest, { number, index, cells, isInner })`: calls an export of a loaded guest. The result is
/// `{ returned: number, ... }` if the call is over soon; if not, undefined, and that comes as a message
/// unless the guest ends with the call.
struct CallExport;

impl Method for CallExport {
    const NAME: &'static str = "callExport";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        let guest = held::<Hosted>(js, call.args[0])?;
        let request = Reader { js, object: call.args[1] };
        let number = request.number("number")?.unwrap_or_default();
        let index = request.size("index")?.unwrap_or(usize::MAX);
        let cells = read_cells(js, request.get("cells")?)?;
        let is_inner = js.truthy(request.get("isInner")?)?;
        let Some(instance) = &guest.instance else { return js.undefined() };
        let (requests, id, prompt) = (Arc::clone(&guest.requests), guest.id, Arc::new(Prompt::default()));
        let waiting = Arc::clone(&prompt);
        let answer = move |returned: Returned| {
            if let Some(returned) = prompt.give(returned) {
                requests.send(id, move |js| returned_to_js(js, number, &returned));
            }
        };
        instance.call(index, cells, is_inner, Box::new(answer));
        match waiting.wait() {
            Some(returned) => returned_to_js(js, number, &returned),
            None => js.undefined(),
        }
    }
}

/// `{ returned: number, cells? | thrown? | isBusy? }`.
fn returned_to_js<'s>(js: Js<'s>, number: f64, returned: &Returned) -> JsResult<Value<'s>> {
    let message = js.object()?;
    js.set_named(message, "returned", js.number(number)?)?;
    match returned {
        Returned::Values(cells) => js.set_named(message, "cells", cells_to_js(js, cells)?)?,
        Returned::Thrown(call) => js.set_named(message, "thrown", js.number((*call).into())?)?,
        Returned::Busy => js.set_named(message, "isBusy", js.boolean(true)?)?,
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

//! Instances that live on and are called on the thread of their environment.

use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Value};
use crate::permission::require_wasi;
use crate::process::stack_left;
use crate::run::host::{Hosted, ask_here};
use crate::run::instances::{loaded_to_js, returned_to_js};
use crate::run::outcome::outcome_to_js;
use crate::run::reader::{float, held, whole};
use crate::run::runs::Asked;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::export_call::Returned;
use wasi_rs_runner::instance;
use wasi_rs_runner::live::Export;
use wasi_rs_runner::mode;
use wasi_rs_runner::outcome::Outcome;
use wasi_rs_runner::run::Engine;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, LoadHere::NAME, js.function::<LoadHere>(0)?)?;
    js.set_named(object, CallHere::NAME, js.function::<CallHere>(0)?)?;
    js.set_named(object, EndHere::NAME, js.function::<EndHere>(0)?)
}

thread_local! {
    /// The guests of this thread that JavaScript holds, by the numbers that calls have for them: to look at
    /// an object that holds one takes six times as long.
    static GUESTS: RefCell<HashMap<u64, Weak<Hosted>>> = RefCell::default();
}

/// Gives a guest its number, which none of another thread has.
fn number_of(guest: &Arc<Hosted>) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    GUESTS.with_borrow_mut(|guests| {
        if guests.len() == guests.capacity() {
            guests.retain(|_, guest| guest.strong_count() > 0);
        }
        guests.insert(number, Arc::downgrade(guest));
    });
    number
}

/// `loadHere(requests, { id, program, args, env, preopens, stdio, limits, concurrency?, trace?, byCall?,
/// timeout, imports? }, dispatch)`: a guest that lives on, and is called by `callHere`. The result is
/// `{ guest, number, loaded, hasMemory }`, or `{ guest, number, ended: outcome }` if it can't be loaded. Each
/// call may take `timeout` milliseconds (0: without end). `dispatch` makes the calls of functions of the
/// embedder: it gets what `hostCall` messages have, and returns the bytes of the results, or nothing. With
/// `{ traced }`, a call that is shown, it returns true if the guest goes on.
struct LoadHere;

impl Method for LoadHere {
    const NAME: &'static str = "loadHere";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (asked, request) = Asked::read(call, Engine::Wasmtime, |_, _| ask_here())?;
        let program = held::<Executable>(js, request.get("program")?)?;
        let Asked { requests, id, mut plan } = asked;
        require_stack(js, plan.limits.stack)?;
        plan.concurrency = request.size("concurrency")?.unwrap_or(instance::MOST);
        let timeout = request.number("timeout")?.map(whole).filter(|timeout| *timeout > 0).map(Duration::from_millis);
        let (ended, exports) = (Arc::<Mutex<Option<Outcome>>>::default(), Arc::<Mutex<_>>::default());
        let (at_end, at_begin) = (Arc::clone(&ended), Arc::clone(&exports));
        let finish = move |outcome| *at_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        let loaded = move |all: &[Export], has_memory: bool| {
            *at_begin.lock().unwrap_or_else(PoisonError::into_inner) = Some((all.to_vec(), has_memory));
        };
        let host = plan.host.clone();
        let calls_back = host.is_some() || plan.trace.is_some();
        let instance = js
            .lending(call.args[2], || instance::load_here(&program, plan, timeout, Box::new(loaded), Box::new(finish)));
        let prompts = Arc::default();
        let guest = Hosted { host, instance: Some(instance), prompts, requests, id, ended, calls_back, timeout };
        let message = js.object()?;
        let loaded = exports.lock().unwrap_or_else(PoisonError::into_inner).take();
        match loaded {
            Some((exports, has_memory)) => loaded_to_js(js, message, &exports, has_memory)?,
            None => set_ended(js, message, &guest)?,
        }
        let guest = Arc::new(guest);
        js.set_named(message, "number", js.number(float(number_of(&guest)))?)?;
        js.set_named(message, "guest", js.hold(guest)?)?;
        Ok(message)
    }
}

/// The bytes of stack for functions of the embedder that a guest calls, and for this addon.
const RESERVE: usize = 256 << 10;

/// A RangeError if this thread has less stack left than a guest may use.
fn require_stack(js: Js<'_>, limit: Option<usize>) -> JsResult<()> {
    let wanted = limit.unwrap_or(mode::STACK);
    match stack_left() {
        Some(left) if left < wanted.saturating_add(RESERVE) => {
            let message = format!(
                "the guest may use {wanted} bytes of stack, and {left} are left on this thread, of which functions it \
                 calls need {RESERVE}: set options.limits.stack to less, call it with less stack in use, or use load()"
            );
            Err(js.throw(js.error(ErrorKind::RangeError, None, js.string(&message)?)?))
        }
        _ => Ok(()),
    }
}

/// Sets the outcome as a property of a message, if the guest has ended.
fn set_ended(js: Js<'_>, message: Value<'_>, guest: &Hosted) -> JsResult<()> {
    match &*guest.ended.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(outcome) => js.set_named(message, "ended", outcome_to_js(js, outcome)?),
        None => Ok(()),
    }
}

/// `callHere.call(dispatch, number, index, bytes, length)`: calls an export of the guest with this number on
/// this thread. The first `length` of the bytes, a Uint8Array, are its parameters. If there is room, they are
/// replaced by its results, and the result is their number; otherwise it is an ArrayBuffer of them. It is
/// `{ thrown? | isBusy? | refused? }` if there are none, or `{ ended: outcome }` if the guest has ended with
/// the call, or before.
struct CallHere;

impl Method for CallHere {
    const NAME: &'static str = "callHere";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [number, index, bytes, length]) = (call.js, call.args);
        let number = whole(js.number_of(number)?);
        let guest = GUESTS.with_borrow(|guests| guests.get(&number).and_then(Weak::upgrade));
        let Some(guest) = guest else { return js.undefined() };
        let size = |value| Ok(usize::try_from(whole(js.number_of(value)?)).unwrap_or(usize::MAX));
        let (index, length) = (size(index)?, size(length)?);
        let args = js.first_bytes(bytes, length)?;
        let Some(instance) = &guest.instance else { return js.undefined() };
        require_stack(js, instance.run.limits.stack)?;
        let make = || instance.call_here(index, args, guest.timeout);
        let returned = if guest.calls_back { js.lending(call.this, make) } else { make() };
        match returned {
            Some(Returned::Values(results)) => match js.put_bytes(bytes, &results)? {
                true => js.number(float(results.len() as u64)),
                false => js.array_buffer(&results),
            },
            Some(returned) if !instance.run.is_over() => returned_to_js(js, 0, &returned),
            _ => {
                let message = js.object()?;
                set_ended(js, message, &guest)?;
                Ok(message)
            }
        }
    }
}

/// `endHere(guest)`: ends a guest that is not in a call. The result is its outcome; undefined if it is in a
/// call.
struct EndHere;

impl Method for EndHere {
    const NAME: &'static str = "endHere";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        let guest = held::<Hosted>(js, call.args[0])?;
        if let Some(instance) = &guest.instance {
            instance.end_here();
        }
        match &*guest.ended.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(outcome) => outcome_to_js(js, outcome),
            None => js.undefined(),
        }
    }
}

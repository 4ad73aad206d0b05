//! The function at `kSetMemory`, which knows the guest: it binds a memory, and takes control requests.

use crate::builtins;
use crate::call::bind;
use crate::call::page::uncache_guest;
use crate::class::hooks::Realm;
use crate::class::kept::{Kept, kept};
use crate::errors;
use crate::node_api::{Call, Js, JsResult, Method, Type, Value};

/// Calls the function at a property of the object.
pub fn call_property<'s>(
    js: Js<'s>,
    wasi: Value<'s>,
    key: Value<'s>,
    name: &str,
    argument: Value<'s>,
) -> JsResult<Value<'s>> {
    let function = js.get(wasi, key)?;
    match js.type_of(function)? {
        Type::Function => js.call(wasi, function, &[argument]),
        _ => Err(errors::not_a_function(js, &format!("this{name}"))),
    }
}

/// `wasi[kSetMemory](memory)`: binds the guest to a memory, the first time or again.
pub struct SetMemory;

impl Method for SetMemory {
    // As node:wasi's: a bound function of its binding.
    const NAME: &'static str = "bound _setMemory";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [memory, ..]) = (call.js, call.args);
        let realm = js.state::<Realm>()?;
        if js.type_of(memory)? == Type::Symbol {
            for request in [Kept::Dispose, Kept::Number, Kept::Stdout, Kept::Stderr] {
                if js.strict_equals(memory, kept(js, request)?)? {
                    return control(js, realm, call.data, request);
                }
            }
        }
        let buffer = match builtins::memory_buffer(js, memory) {
            Ok(buffer) => buffer,
            Err(thrown) => {
                js.take_exception(thrown)?;
                return Err(errors::not_a_memory(js));
            }
        };
        if let Some(guest) = realm.guest(call.data) {
            bind::bind(js, realm, &guest, memory, js.is_array_buffer(buffer)?)?;
        }
        js.undefined()
    }
}

/// Serves a control request to the guest of this number.
fn control<'s>(js: Js<'s>, realm: &Realm, number: usize, request: Kept) -> JsResult<Value<'s>> {
    let Some(guest) = realm.guest(number) else {
        return js.undefined();
    };
    match request {
        Kept::Number => js.number(f64::from(u32::try_from(number).unwrap_or(u32::MAX))),
        Kept::Stdout => guest.hooks.stdio.captured(js, 1),
        Kept::Stderr => guest.hooks.stdio.captured(js, 2),
        _ => {
            guest.ctx.descriptors.clear();
            uncache_guest(&realm.page, number);
            js.undefined()
        }
    }
}

/// Makes a control request.
pub fn request<'s>(call: &Call<'s>, request: Kept) -> JsResult<Value<'s>> {
    let js = call.js;
    call_property(js, call.this, kept(js, Kept::SetMemory)?, "[kSetMemory]", kept(js, request)?)
}

/// `wasi.stdout`: the bytes that were captured.
pub struct Stdout;

impl Method for Stdout {
    const NAME: &'static str = "get stdout";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        request(call, Kept::Stdout)
    }
}

/// `wasi.stderr`: the bytes that were captured.
pub struct Stderr;

impl Method for Stderr {
    const NAME: &'static str = "get stderr";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        request(call, Kept::Stderr)
    }
}

/// `wasi[Symbol.dispose]()`: closes all that the guest has open; its calls find no descriptor any more.
pub struct Dispose;

impl Method for Dispose {
    const NAME: &'static str = "[Symbol.dispose]";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        request(call, Kept::Dispose)
    }
}

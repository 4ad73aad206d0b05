//! What the engine calls: methods, syscalls, finalizers. None of them lets a panic out.

use super::{Js, JsResult, Thrown, Value};
use crate::call::enter;
use crate::call::page::PageCall;
use crate::class::ending;
use crate::class::realm::{Environment, Realm};
use crate::errors;
use napi::sys;
use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// A function that JavaScript calls.
pub trait Method: 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its `length`: how many parameters come before one that may be left out.
    const LENGTH: u32 = 0;
    /// What it does.
    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>>;
}

/// A call from JavaScript.
pub struct Call<'s> {
    /// The engine.
    pub js: Js<'s>,
    /// `this`.
    pub this: Value<'s>,
    /// The first parameters, undefined where there are fewer.
    pub args: [Value<'s>; 2],
    /// The number that the function was made with.
    pub data: usize,
    /// Whether it was called with `new`.
    pub is_construct: bool,
}

/// The Node-API face of a [`Method`].
///
/// # Safety
/// Only for the engine to call.
pub unsafe extern "C" fn method<M: Method>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    guarded(js, || {
        let mut count = 2;
        let (mut args, mut this, mut data) = ([ptr::null_mut(); 2], ptr::null_mut(), ptr::null_mut());
        // SAFETY: `args` has room for `count` values; the other results are locals.
        js.check(unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, args.as_mut_ptr(), &raw mut this, &raw mut data)
        })?;
        let mut target = ptr::null_mut();
        // SAFETY: `info` is this call's.
        js.check(unsafe { sys::napi_get_new_target(env, info, &raw mut target) })?;
        let call = Call {
            js,
            this: js.value(this),
            args: args.map(|raw| js.value(raw)),
            data: data.addr(),
            // Deno hands out undefined.
            is_construct: !target.is_null() && !js.is_undefined(js.value(target))?,
        };
        M::call(&call).map(|value| value.raw)
    })
    .unwrap_or(ptr::null_mut())
}

/// The Node-API face of all syscalls.
pub(super) unsafe extern "C" fn syscall(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    let mut data = ptr::null_mut();
    // SAFETY: only the data is asked for.
    unsafe {
        sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data);
    }
    // SAFETY: `syscall_function` put the environment's realm there.
    if let Some(realm) = unsafe { data.cast::<Realm>().as_ref() } {
        let call = PageCall::read(&realm.page);
        if let Err(thrown) = guarded(js, || enter::enter(js, realm, &call)) {
            let _ = guarded(js, || Err::<(), _>(ending::end(js, realm, call.guest, thrown)));
        }
    }
    ptr::null_mut()
}

/// Runs what the engine called; a panic becomes an exception.
pub(super) fn guarded<T>(js: Js<'_>, run: impl FnOnce() -> JsResult<T>) -> JsResult<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err::<T, Thrown>(errors::panicked(js, &panic_message(panic.as_ref()))))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

pub(super) unsafe extern "C" fn environment_ended(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `set_environment` boxed it, and the environment runs this once.
    let environment = unsafe { Box::from_raw(data.cast::<Environment>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(environment)));
}

pub(super) unsafe extern "C" fn guest_collected(env: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let Ok(realm) = js.realm() {
            realm.forget_guest(js, data.addr());
        }
    }));
}

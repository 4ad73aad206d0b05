//! Functions: those that JavaScript calls, and those that are called here.

use super::panics::{contained, guarded};
use super::scope::{Js, JsResult, Thrown, Value, value_of};
use super::strings::signed;
use napi::sys;
use std::ffi::{CStr, c_void};
use std::ptr;

/// A function that JavaScript calls.
pub trait Method: 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its `length`: the number of parameters before the first that may be left out.
    const LENGTH: u32 = 0;
    /// Its body.
    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>>;
}

/// The most parameters that a function gets.
const MAX_ARGS: usize = 4;

/// A call from JavaScript.
#[derive(Debug)]
pub struct Call<'s> {
    /// The engine.
    pub js: Js<'s>,
    /// `this`.
    pub this: Value<'s>,
    /// The first parameters, undefined where there are fewer.
    pub args: [Value<'s>; MAX_ARGS],
    /// The number that the function was made with.
    pub data: usize,
    info: sys::napi_callback_info,
}

impl Call<'_> {
    /// True for a call with `new`.
    pub fn is_construct(&self) -> JsResult<bool> {
        let (js, mut target) = (self.js, ptr::null_mut());
        // SAFETY: `info` is this call's, which lasts as long as `js`.
        js.check(unsafe { sys::napi_get_new_target(js.env, self.info, &raw mut target) })?;
        // Deno hands out undefined.
        Ok(!target.is_null() && !js.is_undefined(js.value(target))?)
    }
}

/// A function without parameters and result on a value that the environment has once: as cheap as a callback
/// can be. The value knows where the parameters of the call are.
pub trait StateFunction: 'static {
    /// Its name.
    const NAME: &'static CStr;
    /// The parameters of a call.
    type Call;
    /// Takes the parameters, before anything else runs.
    fn take_call(&self) -> Self::Call;
    /// Makes the call.
    fn call(&self, js: Js<'_>, call: &Self::Call) -> JsResult<()>;
    /// Sees the exception of a call that failed, and may put another in its place.
    fn failed(&self, js: Js<'_>, call: &Self::Call, thrown: Thrown) -> Thrown;
}

/// A function that runs once an object has been collected, or when the environment ends.
pub trait Finalizer: 'static {
    /// Its body; `data` is the number that it was added with.
    fn collected(js: Js<'_>, data: usize);
}

unsafe extern "C" fn enter_method<M: Method>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    guarded(js, || {
        let mut count = MAX_ARGS;
        let (mut args, mut this, mut data) = ([ptr::null_mut(); MAX_ARGS], ptr::null_mut(), ptr::null_mut());
        // SAFETY: `args` has room for `count` values; the other results are locals.
        js.check(unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, args.as_mut_ptr(), &raw mut this, &raw mut data)
        })?;
        let call = Call { js, this: js.value(this), args: args.map(|raw| js.value(raw)), data: data.addr(), info };
        M::call(&call).map(|value| value.raw)
    })
    .unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn enter_state_function<S: StateFunction>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    let mut data = ptr::null_mut();
    // SAFETY: only the data is asked for.
    unsafe {
        sys::napi_get_cb_info(env, info, ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), &raw mut data);
    }
    // SAFETY: `state_function` put a value of the environment there, which stays until the environment ends.
    if let Some(state) = unsafe { data.cast::<S>().as_ref() } {
        let call = state.take_call();
        if let Err(thrown) = guarded(js, || state.call(js, &call)) {
            let _ = guarded(js, || Err::<(), _>(state.failed(js, &call, thrown)));
        }
    }
    ptr::null_mut()
}

unsafe extern "C" fn enter_finalizer<F: Finalizer>(env: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the engine calls with its environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    contained(|| F::collected(js, data.addr()));
}

impl<'s> Js<'s> {
    /// A function backed by a [`Method`], which finds `data` (see [`Call::data`]).
    pub fn function<M: Method>(self, data: usize) -> JsResult<Value<'s>> {
        let (name, data) = (M::NAME, ptr::without_provenance_mut(data));
        value_of!(self, napi_create_function(name.as_ptr().cast(), signed(name.len()), Some(enter_method::<M>), data))
    }

    /// A class without properties, whose constructor is a [`Method`].
    pub fn class<M: Method>(self) -> JsResult<Value<'s>> {
        let (name, no_data, no_properties) = (M::NAME, ptr::null_mut(), ptr::null());
        value_of!(
            self,
            napi_define_class(
                name.as_ptr().cast(),
                signed(name.len()),
                Some(enter_method::<M>),
                no_data,
                0,
                no_properties
            )
        )
    }

    /// The function of the environment's value of type `S`.
    pub fn state_function<S: StateFunction>(self) -> JsResult<Value<'s>> {
        let data = ptr::from_ref(self.state::<S>()?).cast_mut().cast();
        let (name, len) = (S::NAME.as_ptr(), signed(S::NAME.count_bytes()));
        value_of!(self, napi_create_function(name, len, Some(enter_state_function::<S>), data))
    }

    /// Has a [`Finalizer`] run once `object` has been collected.
    pub fn add_finalizer<F: Finalizer>(self, object: Value<'s>, data: usize) -> JsResult<()> {
        let (data, hint, no_reference) = (ptr::without_provenance_mut(data), ptr::null_mut(), ptr::null_mut());
        // SAFETY: as in `result_of!`; the data is a number, not a pointer.
        self.check(unsafe {
            sys::napi_add_finalizer(self.env, object.raw, data, Some(enter_finalizer::<F>), hint, no_reference)
        })
    }

    /// `function.call(this, ...args)`.
    pub fn call(self, this: Value<'s>, function: Value<'s>, args: &[Value<'s>]) -> JsResult<Value<'s>> {
        // A `Value` is its handle and nothing else, so a slice of the one is a slice of the other.
        value_of!(self, napi_call_function(this.raw, function.raw, args.len(), args.as_ptr().cast()))
    }

    /// `new constructor(...args)`.
    pub fn construct(self, constructor: Value<'s>, args: &[Value<'s>]) -> JsResult<Value<'s>> {
        value_of!(self, napi_new_instance(constructor.raw, args.len(), args.as_ptr().cast()))
    }
}

//! The engine during one callback, and values of that callback.

use napi::sys;
use std::marker::PhantomData;
use std::ptr;

/// A pending JavaScript exception: the callback returns to the engine, or takes the exception.
#[derive(Debug)]
pub struct Thrown;

/// The result of a call into the engine.
pub type JsResult<T> = Result<T, Thrown>;

/// The right to call the engine during one callback, whose lifetime is `'s`.
///
/// The lifetime may be shortened and never lengthened, here and in [`Value`]: values of an outer callback
/// serve in an inner one, and none outlives its own.
#[derive(Clone, Copy, Debug)]
pub struct Js<'s> {
    pub(super) env: sys::napi_env,
    callback: PhantomData<&'s ()>,
}

/// A JavaScript value, during one callback.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Value<'s> {
    pub(super) raw: sys::napi_value,
    callback: PhantomData<&'s ()>,
}

/// Calls a Node-API function whose last parameter is the address of its result.
///
/// SAFETY of every use: `env` is valid during the callback that `Js` stands for, values are handles of that
/// callback, strings are passed with their length, and the result is a local of the type the function writes.
macro_rules! result_of {
    ($js:expr, $function:ident($($arg:expr),*) -> $result:ty) => {{
        let mut result: $result = <$result as $crate::node_api::scope::Empty>::EMPTY;
        // SAFETY: see the macro.
        let status = unsafe { napi::sys::$function($js.env, $($arg,)* &mut result) };
        $js.check(status).map(|()| result)
    }};
}

/// The same for a function whose result is a value of this callback.
macro_rules! value_of {
    ($js:expr, $function:ident($($arg:expr),*)) => {
        $crate::node_api::scope::result_of!($js, $function($($arg),*) -> napi::sys::napi_value)
            .map(|raw| $js.value(raw))
    };
}

pub(super) use {result_of, value_of};

/// The content of a result before it is written.
pub(super) trait Empty {
    const EMPTY: Self;
}

macro_rules! empty {
    ($($type:ty = $value:expr;)*) => {$(impl Empty for $type { const EMPTY: Self = $value; })*};
}

empty! {
    sys::napi_value = ptr::null_mut();
    sys::napi_ref = ptr::null_mut();
    bool = false;
    f64 = 0.0;
    u32 = 0;
    i64 = 0;
    usize = 0;
    sys::napi_valuetype = 0;
}

impl<'s> Js<'s> {
    /// The engine of a callback.
    ///
    /// # Safety
    /// `env` must be the environment of a callback that is running, and `'s` no longer than it.
    pub(super) unsafe fn new(env: sys::napi_env) -> Self {
        Self { env, callback: PhantomData }
    }

    /// A handle that Node-API has made in this callback, or handed to it.
    pub(super) fn value(self, raw: sys::napi_value) -> Value<'s> {
        Value { raw, callback: PhantomData }
    }

    /// Makes sure that a failed call has left an exception.
    pub(super) fn check(self, status: sys::napi_status) -> JsResult<()> {
        match status {
            sys::Status::napi_ok => Ok(()),
            sys::Status::napi_pending_exception | sys::Status::napi_cannot_run_js => Err(Thrown),
            other => {
                let message = format!("Node-API call failed with status {other}\0");
                // SAFETY: the message ends in NUL; no code is given.
                unsafe { sys::napi_throw_error(self.env, ptr::null(), message.as_ptr().cast()) };
                Err(Thrown)
            }
        }
    }
}

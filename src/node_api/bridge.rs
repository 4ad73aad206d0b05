//! From napi-rs to what stands here, and back.

use super::{Js, JsResult, Thrown, Value};
use napi::JsValue;
use napi::bindgen_prelude::BufferSlice;

/// Does something in a callback that napi-rs serves.
pub fn within<T>(env: &napi::Env, run: impl FnOnce(Js<'_>) -> JsResult<T>) -> napi::Result<T> {
    // SAFETY: napi-rs hands out an environment only while a callback of it runs.
    let js = unsafe { Js::new(env.raw()) };
    // napi-rs passes a pending exception on as it is.
    run(js).map_err(|Thrown| napi::Error::from_status(napi::Status::PendingException))
}

impl<'s> Js<'s> {
    /// Does something by way of napi-rs; its errors become exceptions.
    pub fn with_env<T>(self, run: impl FnOnce(&napi::Env) -> napi::Result<T>) -> JsResult<T> {
        run(&napi::Env::from_raw(self.env)).map_err(|error| {
            if error.status != napi::Status::PendingException {
                // SAFETY: the environment is that of the running callback.
                unsafe { napi::JsError::from(error).throw_into(self.env) };
            }
            Thrown
        })
    }

    /// A new Buffer of these bytes, which are not copied where the host has no objection.
    pub fn owned_buffer(self, bytes: Vec<u8>) -> JsResult<Value<'s>> {
        self.with_env(|env| Ok(BufferSlice::from_data(env, bytes)?.raw())).map(|raw| self.value(raw))
    }

    /// A value of napi-rs, of the same callback.
    pub fn adopt<'v: 's>(self, value: &impl napi::JsValue<'v>) -> Value<'s> {
        self.value(value.raw())
    }
}

//! The way from napi-rs, which registers the addon, to this room, and back.

use super::scope::{Js, JsResult, Thrown, Value};
use napi::JsValue;
use napi::bindgen_prelude::BufferSlice;

/// Runs a function in a callback that napi-rs serves.
pub fn within<T>(env: &napi::Env, run: impl FnOnce(Js<'_>) -> JsResult<T>) -> napi::Result<T> {
    // SAFETY: napi-rs hands out an environment only while a callback of it runs.
    let js = unsafe { Js::new(env.raw()) };
    // napi-rs passes a pending exception on as it is.
    run(js).map_err(|Thrown| napi::Error::from_status(napi::Status::PendingException))
}

impl<'s> Js<'s> {
    /// A value of napi-rs, of the same callback.
    pub fn adopt<'v: 's>(self, value: &impl napi::JsValue<'v>) -> Value<'s> {
        self.value(value.raw())
    }

    /// A new Buffer of these bytes, which are not copied where the host has no objection.
    pub fn owned_buffer(self, bytes: Vec<u8>) -> JsResult<Value<'s>> {
        match BufferSlice::from_data(&napi::Env::from_raw(self.env), bytes) {
            Ok(buffer) => Ok(self.value(buffer.raw())),
            Err(error) => {
                if error.status != napi::Status::PendingException {
                    // SAFETY: the environment is that of the running callback.
                    unsafe { napi::JsError::from(error).throw_into(self.env) };
                }
                Err(Thrown)
            }
        }
    }
}

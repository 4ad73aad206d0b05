//! Exceptions.

use super::scope::{Js, JsResult, Thrown, Value, value_of};
use napi::sys;
use std::ptr;

/// The constructor that makes an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `Error`.
    Error,
    /// `TypeError`.
    TypeError,
    /// `RangeError`.
    RangeError,
}

impl<'s> Js<'s> {
    /// Throws a value.
    pub fn throw(self, value: Value<'s>) -> Thrown {
        // SAFETY: as in `result_of!`.
        unsafe { sys::napi_throw(self.env, value.raw) };
        Thrown
    }

    /// A new error.
    pub fn error(self, kind: ErrorKind, code: Option<&str>, message: Value<'s>) -> JsResult<Value<'s>> {
        let code = match code {
            Some(code) => self.string(code)?.raw,
            None => ptr::null_mut(),
        };
        match kind {
            ErrorKind::Error => value_of!(self, napi_create_error(code, message.raw)),
            ErrorKind::TypeError => value_of!(self, napi_create_type_error(code, message.raw)),
            ErrorKind::RangeError => value_of!(self, napi_create_range_error(code, message.raw)),
        }
    }

    /// Takes the pending exception. There is none that could be taken when the thread is being terminated.
    pub fn take_exception(self, thrown: Thrown) -> JsResult<Value<'s>> {
        let mut pending = false;
        // SAFETY: as in `result_of!`.
        let status = unsafe { sys::napi_is_exception_pending(self.env, &raw mut pending) };
        if status != sys::Status::napi_ok || !pending {
            return Err(thrown);
        }
        let mut raw = ptr::null_mut();
        // SAFETY: as in `result_of!`.
        match unsafe { sys::napi_get_and_clear_last_exception(self.env, &raw mut raw) } {
            sys::Status::napi_ok => Ok(self.value(raw)),
            _ => Err(thrown),
        }
    }
}

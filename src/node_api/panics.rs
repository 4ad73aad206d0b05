//! Panics: none is let out of a callback.

use super::errors::ErrorKind;
use super::scope::{Js, JsResult, Thrown};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a callback; a panic becomes an exception.
pub(super) fn guarded<T>(js: Js<'_>, run: impl FnOnce() -> JsResult<T>) -> JsResult<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(js, panic.as_ref())))
}

/// Runs the body of a callback that throws nothing, such as a finalizer; a panic ends it.
pub(super) fn contained(run: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(run));
}

/// Throws `ERR_WASI_RS_PANIC`: a panic is a mistake of this package.
fn panicked(js: Js<'_>, panic: &(dyn Any + Send)) -> Thrown {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    let message = format!("wasi-rs panicked: {text}. This is a bug in wasi-rs; the guest can't go on");
    let error = js.string(&message).and_then(|text| js.error(ErrorKind::Error, Some("ERR_WASI_RS_PANIC"), text));
    error.map_or_else(|thrown| thrown, |error| js.throw(error))
}

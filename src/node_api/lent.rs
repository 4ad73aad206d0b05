//! Calls into the engine from deep within a callback, through code that knows nothing of it.

use super::scope::{Js, JsResult, Value};
use napi::sys;
use std::cell::Cell;
use std::ptr;

/// The environment of a callback, and a function that it lends.
type Lent = (sys::napi_env, sys::napi_value);

thread_local! {
    /// The innermost function that is lent on this thread.
    static LENT: Cell<Option<Lent>> = const { Cell::new(None) };
}

/// Takes a lent function back, also when there is a panic.
struct Until(Option<Lent>);

impl Drop for Until {
    fn drop(&mut self) {
        LENT.set(self.0);
    }
}

impl<'s> Js<'s> {
    /// Calls `act`. Meanwhile code on this thread finds the function by [`with_lent`].
    pub fn lending<T>(self, function: Value<'s>, act: impl FnOnce() -> T) -> T {
        let _until = Until(LENT.replace(Some((self.env, function.raw))));
        act()
    }
}

/// Calls `act` with the function that is lent on this thread. None if none is.
pub fn with_lent<T>(act: impl for<'s> FnOnce(Js<'s>, Value<'s>) -> JsResult<T>) -> Option<JsResult<T>> {
    let (env, function) = LENT.get()?;
    // SAFETY: the callback that lends the function is running, further up on this thread's stack: `lending`
    // takes it back before it returns.
    let js = unsafe { Js::new(env) };
    let mut scope = ptr::null_mut();
    // Without a scope of their own, the values of many calls would stay until the callback ends.
    // SAFETY: the scope is closed below, by this thread, and none that was opened later is open then.
    if let Err(thrown) = js.check(unsafe { sys::napi_open_handle_scope(env, &raw mut scope) }) {
        return Some(Err(thrown));
    }
    let result = act(js, js.value(function));
    // SAFETY: see above. A panic leaves the scope to the callback's own.
    let closed = js.check(unsafe { sys::napi_close_handle_scope(env, scope) });
    Some(closed.and(result))
}

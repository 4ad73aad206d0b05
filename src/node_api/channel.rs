//! A channel from any thread to the thread of an environment.

use super::panics::guarded;
use super::scope::{Js, JsResult, Value};
use napi::sys;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A message: a function that runs on the environment's thread. It gets the function of the channel.
pub type Message = Box<dyn for<'s> FnOnce(Js<'s>, Value<'s>) -> JsResult<()> + Send>;

/// A channel from any thread to the thread of an environment, open as long as the environment is.
pub struct Channel {
    open: Mutex<Option<Open>>,
}

struct Open {
    env: sys::napi_env,
    function: sys::napi_threadsafe_function,
    /// Runs when the environment ends, while its threads can still be reached.
    at_end: Box<dyn FnOnce() + Send>,
}

// SAFETY: a thread-safe function may be called from any thread. It is only used while it is in the channel,
// and taken out before Node frees it. The environment is only compared.
unsafe impl Send for Open {}

impl Channel {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, which runs on the environment's thread soon. It is dropped if the environment has
    /// ended.
    pub fn send(&self, message: Message) {
        let open = self.open();
        let Some(Open { function, .. }) = &*open else {
            return;
        };
        let message = Box::into_raw(Box::new(message));
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: the function is there while the lock is held: `environment_ends` takes it out before Node
        // frees it.
        let status = unsafe { sys::napi_call_threadsafe_function(*function, message.cast(), mode) };
        if status != sys::Status::napi_ok {
            // SAFETY: it was just boxed, and nobody else got it.
            drop(unsafe { Box::from_raw(message) });
        }
    }

    /// Has the channel keep the event loop alive, or not: `ref()` and `unref()` of Node. It takes effect in a
    /// callback of the channel's own environment only.
    pub fn set_ref(&self, js: Js<'_>, keeps_alive: bool) {
        if let Some(Open { env, function, .. }) = &*self.open()
            && *env == js.env
        {
            // SAFETY: the function is there, as in `send`, and a callback of its environment is on its
            // thread.
            unsafe {
                if keeps_alive {
                    sys::napi_ref_threadsafe_function(js.env, *function);
                } else {
                    sys::napi_unref_threadsafe_function(js.env, *function);
                }
            }
        }
    }
}

/// Runs a message.
unsafe extern "C" fn receive(
    env: sys::napi_env,
    function: sys::napi_value,
    _context: *mut c_void,
    message: *mut c_void,
) {
    // SAFETY: `send` boxed it, and Node hands out each once.
    let message = unsafe { Box::from_raw(message.cast::<Message>()) };
    if env.is_null() {
        return; // the environment is ending: only to be dropped
    }
    // SAFETY: Node calls with the environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    let _ = guarded(js, || message(js, js.value(function)));
}

/// Closes the channel, before anything it needs is gone.
unsafe extern "C" fn environment_ends(channel: *mut c_void) {
    // SAFETY: `channel` leaked this reference for the hook, which is run once.
    let channel = unsafe { Arc::from_raw(channel.cast::<Channel>()) };
    let open = channel.open().take();
    if let Some(Open { at_end, .. }) = open {
        at_end();
    }
}

impl<'s> Js<'s> {
    /// A channel whose messages get `function`; `at_end` runs when the environment ends. The function is the
    /// resource that async_hooks are shown: who looks for open handles, as jest does, asks its `hasRef()`.
    pub fn channel(self, function: Value<'s>, at_end: Box<dyn FnOnce() + Send>) -> JsResult<Arc<Channel>> {
        let name = self.string("wasi-rs")?;
        let mut made = ptr::null_mut();
        // SAFETY: `env` and the values are of this callback; there is no context and nothing to finalize.
        self.check(unsafe {
            sys::napi_create_threadsafe_function(
                self.env,
                function.raw,
                function.raw,
                name.raw,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                Some(receive),
                &raw mut made,
            )
        })?;
        let channel = Arc::new(Channel { open: Mutex::new(Some(Open { env: self.env, function: made, at_end })) });
        channel.set_ref(self, false);
        let for_hook = Arc::into_raw(Arc::clone(&channel)).cast_mut().cast();
        // SAFETY: the hook takes the reference back. Hooks run latest first, so this one runs before the
        // function's own.
        self.check(unsafe { sys::napi_add_env_cleanup_hook(self.env, Some(environment_ends), for_hook) })?;
        Ok(channel)
    }
}

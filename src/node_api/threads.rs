//! What has to do with other threads: a way from any of them to the environment's own, and values that belong to Rust.

use super::{Js, JsResult, Thrown, Value, callback};
use napi::sys;
use std::any::Any;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is done on the environment's thread: it gets the mailbox's function.
pub type Letter = Box<dyn FnOnce(Js<'_>, Value<'_>) -> JsResult<()> + Send>;

/// A way from any thread to the thread of an environment, as long as there is one.
pub struct Mailbox {
    open: Mutex<Option<Open>>,
}

struct Open {
    function: sys::napi_threadsafe_function,
    /// What is done when the environment ends, while its threads can still be told.
    at_end: Box<dyn FnOnce() + Send>,
}

// SAFETY: that a thread-safe function may be called from any thread is what it is for. It is only used while it is in
// the mailbox, and taken out before Node frees it.
unsafe impl Send for Open {}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a letter opened on the environment's thread soon. It is thrown away if the environment has ended.
    pub fn post(&self, letter: Letter) {
        let open = self.open();
        let Some(Open { function, .. }) = &*open else {
            return;
        };
        let letter = Box::into_raw(Box::new(letter));
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: the function is there while the lock is held: `environment_ends` takes it out before Node frees it.
        let status = unsafe { sys::napi_call_threadsafe_function(*function, letter.cast(), mode) };
        if status != sys::Status::napi_ok {
            // SAFETY: it was just boxed, and nobody else got it.
            drop(unsafe { Box::from_raw(letter) });
        }
    }

    /// Says whether letters are expected: then the event loop does not end. On the environment's own thread.
    pub fn expect(&self, js: Js<'_>, expected: bool) {
        if let Some(Open { function, .. }) = &*self.open() {
            // SAFETY: the function is there, as in `post`, and `js` is proof of the thread.
            unsafe {
                if expected {
                    sys::napi_ref_threadsafe_function(js.env, *function);
                } else {
                    sys::napi_unref_threadsafe_function(js.env, *function);
                }
            }
        }
    }
}

/// Opens a letter.
unsafe extern "C" fn open_letter(
    env: sys::napi_env,
    function: sys::napi_value,
    _context: *mut c_void,
    letter: *mut c_void,
) {
    // SAFETY: `post` boxed it, and Node hands out each once.
    let letter = unsafe { Box::from_raw(letter.cast::<Letter>()) };
    if env.is_null() {
        return; // the environment is ending: only to be thrown away
    }
    // SAFETY: Node calls with the environment, which lasts for the call.
    let js = unsafe { Js::new(env) };
    let _ = callback::guarded(js, || letter(js, js.value(function)));
}

/// Closes the mailbox, before anything it needs is gone.
unsafe extern "C" fn environment_ends(mailbox: *mut c_void) {
    // SAFETY: `mailbox` leaked this reference for the hook, which is run once.
    let mailbox = unsafe { Arc::from_raw(mailbox.cast::<Mailbox>()) };
    let open = mailbox.open().take();
    if let Some(Open { at_end, .. }) = open {
        at_end();
    }
}

/// A Rust value behind a JavaScript object.
struct Held(Box<dyn Any>);

/// What marks the objects that hold one: nobody else has this number.
static TAG: sys::napi_type_tag = sys::napi_type_tag { lower: 0x8d2c_71f0_5b1e_4a9d, upper: 0x93e6_0c54_d7a8_421b };

unsafe extern "C" fn release_held(_: sys::napi_env, held: *mut c_void, _: *mut c_void) {
    // SAFETY: `hold` boxed it, and the engine finalizes it once.
    drop(unsafe { Box::from_raw(held.cast::<Held>()) });
}

impl<'s> Js<'s> {
    /// A mailbox whose letters get `function`; `at_end` is done when the environment ends.
    pub fn mailbox(self, function: Value<'s>, at_end: Box<dyn FnOnce() + Send>) -> JsResult<Arc<Mailbox>> {
        let name = self.string("wasi-rs")?;
        let mut made = ptr::null_mut();
        // SAFETY: `env` and the values are of this callback; there is no context and nothing to finalize.
        self.check(unsafe {
            sys::napi_create_threadsafe_function(
                self.env,
                function.raw,
                ptr::null_mut(),
                name.raw,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                Some(open_letter),
                &raw mut made,
            )
        })?;
        let mailbox = Arc::new(Mailbox { open: Mutex::new(Some(Open { function: made, at_end })) });
        mailbox.expect(self, false);
        let for_hook = Arc::into_raw(Arc::clone(&mailbox)).cast_mut().cast();
        // SAFETY: the hook takes the reference back. Hooks run latest first, so this one runs before the function's own.
        self.check(unsafe { sys::napi_add_env_cleanup_hook(self.env, Some(environment_ends), for_hook) })?;
        Ok(mailbox)
    }

    /// An object that holds a Rust value, until it is collected.
    pub fn hold<T: 'static>(self, value: T) -> JsResult<Value<'s>> {
        let object = self.object()?;
        let held = Box::into_raw(Box::new(Held(Box::new(value))));
        // SAFETY: the finalizer takes the box back; the object is new, so it neither wraps nor is marked yet.
        unsafe {
            self.check(sys::napi_wrap(
                self.env,
                object.raw,
                held.cast(),
                Some(release_held),
                ptr::null_mut(),
                ptr::null_mut(),
            ))?;
            self.check(sys::napi_type_tag_object(self.env, object.raw, &raw const TAG))?;
        }
        Ok(object)
    }

    /// The Rust value that an object holds, if it holds one of this type.
    pub fn held<T: Clone + 'static>(self, object: Value<'s>) -> JsResult<Option<T>> {
        let (mut is_ours, mut held) = (false, ptr::null_mut());
        // SAFETY: `env` and the value are of this callback.
        unsafe {
            self.check(sys::napi_check_object_type_tag(self.env, object.raw, &raw const TAG, &raw mut is_ours))?;
            if !is_ours {
                return Ok(None);
            }
            self.check(sys::napi_unwrap(self.env, object.raw, &raw mut held))?;
        }
        // SAFETY: only `hold` marks objects, and what it wraps stays until the object is collected.
        let held = unsafe { held.cast::<Held>().as_ref() }.ok_or(Thrown)?;
        Ok(held.0.downcast_ref::<T>().cloned())
    }
}

//! Values of Rust behind JavaScript objects.

use super::panics::contained;
use super::scope::{Js, JsResult, Thrown, Value};
use napi::sys;
use std::any::Any;
use std::ffi::c_void;
use std::ptr;

/// The value behind an object, and its bytes of memory that the engine knows of.
struct Held(Box<dyn Any>, i64);

/// The mark of objects that hold a value. Its address is part of it: another load of an addon, perhaps of
/// another version, has another mark.
fn mark() -> sys::napi_type_tag {
    static HERE: u8 = 0;
    sys::napi_type_tag { lower: 0x8d2c_71f0_5b1e_4a9d, upper: (&raw const HERE).addr() as u64 }
}

unsafe extern "C" fn release_held(env: sys::napi_env, held: *mut c_void, _: *mut c_void) {
    // SAFETY: `hold` boxed it, and the engine finalizes it once.
    let held = unsafe { Box::from_raw(held.cast::<Held>()) };
    if held.1 != 0 {
        // SAFETY: finalizers may tell the engine of memory.
        let _ = unsafe { sys::napi_adjust_external_memory(env, -held.1, &mut 0) };
    }
    contained(|| drop(held));
}

impl<'s> Js<'s> {
    /// An object that holds a value, until it is collected.
    pub fn hold<T: 'static>(self, value: T) -> JsResult<Value<'s>> {
        self.hold_weighing(value, 0)
    }

    /// An object that holds a value of this many bytes, so that the engine collects it in time.
    pub fn hold_weighing<T: 'static>(self, value: T, bytes: usize) -> JsResult<Value<'s>> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if bytes != 0 {
            self.adjust_external_memory(bytes)?;
        }
        let (mark, object) = (mark(), self.object()?);
        let held = Box::into_raw(Box::new(Held(Box::new(value), bytes)));
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
            self.check(sys::napi_type_tag_object(self.env, object.raw, &raw const mark))?;
        }
        Ok(object)
    }

    /// The value that an object holds, if it holds one of this type.
    pub fn held<T: Clone + 'static>(self, object: Value<'s>) -> JsResult<Option<T>> {
        let (mark, mut is_ours, mut held) = (mark(), false, ptr::null_mut());
        // SAFETY: `env` and the value are of this callback.
        unsafe {
            self.check(sys::napi_check_object_type_tag(self.env, object.raw, &raw const mark, &raw mut is_ours))?;
            if !is_ours {
                return Ok(None);
            }
            self.check(sys::napi_unwrap(self.env, object.raw, &raw mut held))?;
        }
        // SAFETY: only `hold` of this load marks objects so, and the value it wraps stays until the object is
        // collected.
        let held = unsafe { held.cast::<Held>().as_ref() }.ok_or(Thrown)?;
        Ok(held.0.downcast_ref::<T>().cloned())
    }
}

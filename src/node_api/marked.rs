//! Values of Rust behind JavaScript objects, for several addons.

use super::panics::contained;
use super::scope::{Js, JsResult, Value};
use napi::sys;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// A mark that objects have from an addon, and that others know as well.
#[derive(Clone, Copy)]
pub struct Mark {
    /// Half of it.
    pub lower: u64,
    /// The other half.
    pub upper: u64,
}

impl Mark {
    const fn tag(self) -> sys::napi_type_tag {
        sys::napi_type_tag { lower: self.lower, upper: self.upper }
    }
}

/// A value that tells how many bytes the engine knows of, so that it collects the object in time.
pub trait Weighed: 'static {
    /// Bytes that the engine was told.
    fn weight(&self) -> i64;
}

unsafe extern "C" fn release<T: Weighed>(env: sys::napi_env, held: *mut c_void, _: *mut c_void) {
    // SAFETY: `mark` boxed it, and the engine finalizes it once.
    let held = unsafe { Box::from_raw(held.cast::<T>()) };
    if held.weight() != 0 {
        // SAFETY: finalizers may tell the engine of memory.
        let _ = unsafe { sys::napi_adjust_external_memory(env, -held.weight(), &mut 0) };
    }
    contained(|| drop(held));
}

impl<'s> Js<'s> {
    /// Has an object, which nothing was wrapped in before, hold a value and bear the mark.
    pub fn mark<T: Weighed>(self, object: Value<'s>, mark: Mark, value: T) -> JsResult<()> {
        let held = Box::into_raw(Box::new(value)).cast();
        let (tag, nothing) = (mark.tag(), ptr::null_mut());
        // SAFETY: the finalizer takes the box back.
        let wrapped = self
            .check(unsafe { sys::napi_wrap(self.env, object.raw, held, Some(release::<T>), nothing, nothing.cast()) });
        if wrapped.is_err() {
            // SAFETY: nobody else has it.
            drop(unsafe { Box::from_raw(held.cast::<T>()) });
        }
        wrapped?;
        // SAFETY: `env` and the value are of this callback.
        self.check(unsafe { sys::napi_type_tag_object(self.env, object.raw, &raw const tag) })
    }

    /// The value of an object that bears the mark, whose type the caller knows. It stays until the object is
    /// collected.
    pub fn marked<T>(self, object: Value<'s>, mark: Mark) -> JsResult<Option<NonNull<T>>> {
        let (tag, mut is_marked, mut held) = (mark.tag(), false, ptr::null_mut());
        // SAFETY: `env` and the value are of this callback.
        unsafe {
            self.check(sys::napi_check_object_type_tag(self.env, object.raw, &raw const tag, &raw mut is_marked))?;
            if !is_marked {
                return Ok(None);
            }
            self.check(sys::napi_unwrap(self.env, object.raw, &raw mut held))?;
        }
        Ok(NonNull::new(held.cast()))
    }
}

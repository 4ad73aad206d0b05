//! Values of Rust that an environment has once.

use super::panics::contained;
use super::scope::{Js, JsResult, Thrown};
use napi::sys;
use std::any::Any;
use std::cell::OnceCell;
use std::ffi::c_void;
use std::ptr;

/// The list of all values. It only grows, so that references to its values last as long as the list.
#[derive(Default)]
struct States {
    first: OnceCell<Box<Link>>,
}

struct Link {
    value: Box<dyn Any>,
    next: OnceCell<Box<Link>>,
}

impl States {
    /// The value of this type that was added first.
    fn find<T: 'static>(&self) -> Option<&T> {
        let mut next = &self.first;
        while let Some(link) = next.get() {
            if let Some(value) = link.value.downcast_ref() {
                return Some(value);
            }
            next = &link.next;
        }
        None
    }

    fn add(&self, value: Box<dyn Any>) {
        let mut next = &self.first;
        while let Some(link) = next.get() {
            next = &link.next;
        }
        let _ = next.set(Box::new(Link { value, next: OnceCell::new() }));
    }
}

/// Drops the list when the environment ends.
unsafe extern "C" fn environment_ended(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `states` boxed it, and the environment runs this once.
    let states = unsafe { Box::from_raw(data.cast::<States>()) };
    contained(|| drop(states));
}

impl<'s> Js<'s> {
    /// Gives the environment a value, which is dropped when the environment ends; the value where it stays.
    /// There is one of each type.
    pub fn add_state<T: 'static>(self, value: T) -> JsResult<&'s T> {
        if self.states()?.is_none() {
            let data = Box::into_raw(Box::<States>::default());
            // SAFETY: the finalizer takes the box back, at the environment's end and not before.
            self.check(unsafe {
                sys::napi_set_instance_data(self.env, data.cast(), Some(environment_ended), ptr::null_mut())
            })?;
        }
        if let Some(states) = self.states()?
            && states.find::<T>().is_none()
        {
            states.add(Box::new(value));
        }
        self.state()
    }

    /// The environment's value of this type.
    pub fn state<T: 'static>(self) -> JsResult<&'s T> {
        self.states()?.and_then(States::find).ok_or(Thrown)
    }

    /// True if the environment has a value of this type.
    pub fn has_state<T: 'static>(self) -> JsResult<bool> {
        Ok(self.states()?.and_then(States::find::<T>).is_some())
    }

    fn states(self) -> JsResult<Option<&'s States>> {
        let mut data = ptr::null_mut();
        // SAFETY: as in `result_of!`.
        self.check(unsafe { sys::napi_get_instance_data(self.env, &raw mut data) })?;
        // SAFETY: only `add_state` sets instance data of this addon, once. It is shared from then on, and
        // freed at the environment's end, when no callback runs any more.
        Ok(unsafe { data.cast::<States>().as_ref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_type() {
        let states = States::default();
        assert_eq!(states.find::<u8>(), None);
        states.add(Box::new(1_u8));
        let first = states.find::<u8>();
        states.add(Box::new("two"));
        states.add(Box::new(3_u8));
        assert_eq!(first, Some(&1));
        assert_eq!((states.find::<u8>(), states.find::<&str>()), (Some(&1), Some(&"two")));
        assert_eq!(states.find::<u16>(), None);
    }
}

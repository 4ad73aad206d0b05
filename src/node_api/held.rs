//! Values of Rust behind JavaScript objects of this addon alone.

use super::marked::{Mark, Weighed};
use super::scope::{Js, JsResult, Value};
use std::any::Any;

/// The value behind an object, and its bytes of memory that the engine knows of.
struct Held(Box<dyn Any>, i64);

impl Weighed for Held {
    fn weight(&self) -> i64 {
        self.1
    }
}

/// The mark of objects that hold a value. Its address is part of it: another load of an addon, perhaps of
/// another version, has another mark.
fn mark() -> Mark {
    static HERE: u8 = 0;
    Mark { lower: 0x8d2c_71f0_5b1e_4a9d, upper: (&raw const HERE).addr() as u64 }
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
        let object = self.object()?;
        self.mark(object, mark(), Held(Box::new(value), bytes))?;
        Ok(object)
    }

    /// The value that an object holds, if it holds one of this type.
    pub fn held<T: Clone + 'static>(self, object: Value<'s>) -> JsResult<Option<T>> {
        let Some(held) = self.marked::<Held>(object, mark())? else { return Ok(None) };
        // SAFETY: only `hold` of this load marks objects so, and the value stays until the object is
        // collected.
        let Held(value, _) = unsafe { held.as_ref() };
        Ok(value.downcast_ref::<T>().cloned())
    }
}

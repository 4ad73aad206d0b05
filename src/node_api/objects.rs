//! Objects, arrays and their properties.

use super::scope::{Js, JsResult, Value, result_of, value_of};
use napi::sys;

impl<'s> Js<'s> {
    /// A new object.
    pub fn object(self) -> JsResult<Value<'s>> {
        value_of!(self, napi_create_object())
    }

    /// A new array with these elements.
    pub fn array(self, items: impl Iterator<Item = JsResult<Value<'s>>>) -> JsResult<Value<'s>> {
        let array = value_of!(self, napi_create_array())?;
        for (index, item) in (0..).zip(items) {
            self.set_index(array, index, item?)?;
        }
        Ok(array)
    }

    /// `array.length` of an array.
    pub fn array_length(self, array: Value<'s>) -> JsResult<u32> {
        result_of!(self, napi_get_array_length(array.raw) -> u32)
    }

    /// `object[key]`.
    pub fn get(self, object: Value<'s>, key: Value<'s>) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_property(object.raw, key.raw))
    }

    /// `object[name]`.
    pub fn get_named(self, object: Value<'s>, name: &str) -> JsResult<Value<'s>> {
        self.get(object, self.string(name)?)
    }

    /// `object[index]`.
    pub fn get_index(self, object: Value<'s>, index: u32) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_element(object.raw, index))
    }

    /// `object[key] = value`.
    pub fn set(self, object: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
        // SAFETY: as in `result_of!`.
        self.check(unsafe { sys::napi_set_property(self.env, object.raw, key.raw, value.raw) })
    }

    /// `object[name] = value`.
    pub fn set_named(self, object: Value<'s>, name: &str, value: Value<'s>) -> JsResult<()> {
        self.set(object, self.string(name)?, value)
    }

    /// `object[index] = value`.
    pub fn set_index(self, object: Value<'s>, index: u32, value: Value<'s>) -> JsResult<()> {
        // SAFETY: as in `result_of!`.
        self.check(unsafe { sys::napi_set_element(self.env, object.raw, index, value.raw) })
    }

    /// `delete object[name]`.
    pub fn delete_named(self, object: Value<'s>, name: &str) -> JsResult<bool> {
        let name = self.string(name)?;
        result_of!(self, napi_delete_property(object.raw, name.raw) -> bool)
    }
}

//! Strings.

use super::scope::{Js, JsResult, Value, result_of, value_of};
use std::ptr;

impl<'s> Js<'s> {
    /// A string.
    pub fn string(self, text: &str) -> JsResult<Value<'s>> {
        value_of!(self, napi_create_string_utf8(text.as_ptr().cast(), signed(text.len())))
    }

    /// A string of UTF-16 units, as JavaScript has them: they need not be a text.
    pub fn string_of_units(self, units: &[u16]) -> JsResult<Value<'s>> {
        value_of!(self, napi_create_string_utf16(units.as_ptr(), signed(units.len())))
    }

    /// The UTF-16 units of a string.
    pub fn units_of(self, string: Value<'s>) -> JsResult<Vec<u16>> {
        let len = result_of!(self, napi_get_value_string_utf16(string.raw, ptr::null_mut(), 0) -> usize)?;
        let mut units = vec![0_u16; len + 1];
        let copied =
            result_of!(self, napi_get_value_string_utf16(string.raw, units.as_mut_ptr(), units.len()) -> usize)?;
        units.truncate(copied);
        Ok(units)
    }

    /// `String(value)`, except for symbols, which are an exception.
    pub fn to_string(self, value: Value<'s>) -> JsResult<Value<'s>> {
        value_of!(self, napi_coerce_to_string(value.raw))
    }

    /// The text of [`Self::to_string`].
    pub fn coerce_to_string(self, value: Value<'s>) -> JsResult<String> {
        self.string_of(self.to_string(value)?)
    }

    /// The text of a string; a lone surrogate becomes U+FFFD.
    pub fn string_of(self, string: Value<'s>) -> JsResult<String> {
        let copy = |size| {
            let mut text = vec![0_u8; size];
            let copied =
                result_of!(self, napi_get_value_string_utf8(string.raw, text.as_mut_ptr().cast(), size) -> usize)?;
            text.truncate(copied);
            Ok(text)
        };
        // Asking for the length first would cost as much as copying a string of ordinary length.
        let mut text = copy(256)?;
        if text.len() > 250 {
            text = copy(1 + result_of!(self, napi_get_value_string_utf8(string.raw, ptr::null_mut(), 0) -> usize)?)?;
        }
        Ok(String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

/// The length of a string, in the type that Node-API takes.
pub(super) fn signed(len: usize) -> isize {
    isize::try_from(len).unwrap_or(isize::MAX)
}

//! Primitive values, types and comparison.

use super::scope::{Js, JsResult, Value, result_of, value_of};
use napi::sys;

/// The answers of `typeof`, and `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// `boolean`.
    Boolean,
    /// `number`.
    Number,
    /// `string`.
    String,
    /// `symbol`.
    Symbol,
    /// `object`, and not `null`.
    Object,
    /// `function`.
    Function,
    /// `bigint`.
    Bigint,
}

impl<'s> Js<'s> {
    /// `undefined`.
    pub fn undefined(self) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_undefined())
    }

    /// `null`.
    pub fn null(self) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_null())
    }

    /// `globalThis`.
    pub fn global(self) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_global())
    }

    /// A boolean.
    pub fn boolean(self, value: bool) -> JsResult<Value<'s>> {
        value_of!(self, napi_get_boolean(value))
    }

    /// A number.
    pub fn number(self, value: f64) -> JsResult<Value<'s>> {
        value_of!(self, napi_create_double(value))
    }

    /// A new symbol.
    pub fn symbol(self, description: &str) -> JsResult<Value<'s>> {
        let description = self.string(description)?;
        value_of!(self, napi_create_symbol(description.raw))
    }

    /// The type of a value.
    pub fn type_of(self, value: Value<'s>) -> JsResult<Type> {
        Ok(match result_of!(self, napi_typeof(value.raw) -> sys::napi_valuetype)? {
            sys::ValueType::napi_undefined => Type::Undefined,
            sys::ValueType::napi_null => Type::Null,
            sys::ValueType::napi_boolean => Type::Boolean,
            sys::ValueType::napi_number => Type::Number,
            sys::ValueType::napi_string => Type::String,
            sys::ValueType::napi_symbol => Type::Symbol,
            sys::ValueType::napi_function => Type::Function,
            sys::ValueType::napi_bigint => Type::Bigint,
            _ => Type::Object,
        })
    }

    /// True for `undefined`.
    pub fn is_undefined(self, value: Value<'s>) -> JsResult<bool> {
        Ok(self.type_of(value)? == Type::Undefined)
    }

    /// `left === right`.
    pub fn strict_equals(self, left: Value<'s>, right: Value<'s>) -> JsResult<bool> {
        result_of!(self, napi_strict_equals(left.raw, right.raw) -> bool)
    }

    /// The number that a value of type number is.
    pub fn number_of(self, number: Value<'s>) -> JsResult<f64> {
        result_of!(self, napi_get_value_double(number.raw) -> f64)
    }

    /// The boolean that a value of type boolean is.
    pub fn boolean_of(self, boolean: Value<'s>) -> JsResult<bool> {
        result_of!(self, napi_get_value_bool(boolean.raw) -> bool)
    }

    /// `Boolean(value)`.
    pub fn truthy(self, value: Value<'s>) -> JsResult<bool> {
        self.boolean_of(value_of!(self, napi_coerce_to_bool(value.raw))?)
    }
}

//! Checks of values that users pass, with node:wasi's errors.

use crate::builtins::{self, Builtin};
use crate::class::limits::{DESCRIPTOR, Range};
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Type, Value};

/// An option's value, if it is given.
pub fn given<'s>(js: Js<'s>, options: Value<'s>, name: &str) -> JsResult<Option<Value<'s>>> {
    let value = js.get_named(options, name)?;
    Ok(if js.is_undefined(value)? { None } else { Some(value) })
}

/// `ERR_INVALID_ARG_TYPE` unless it is an object, and neither an array nor a function.
pub fn validate_object(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    if js.type_of(value)? == Type::Object && !builtins::is_array(js, value)? {
        Ok(())
    } else {
        Err(errors::invalid_arg_type(js, name, Expected::Type("object"), value))
    }
}

/// `ERR_INVALID_ARG_TYPE` unless it is a function.
pub fn validate_function(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    match js.type_of(value)? {
        Type::Function => Ok(()),
        _ => Err(errors::invalid_arg_type(js, name, Expected::Type("function"), value)),
    }
}

/// `ERR_INVALID_ARG_TYPE` unless it is undefined.
pub fn validate_undefined(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    if js.is_undefined(value)? { Ok(()) } else { Err(errors::invalid_arg_type(js, name, Expected::Undefined, value)) }
}

/// A boolean that is false unless it is given.
pub fn read_boolean<'s>(js: Js<'s>, object: Value<'s>, name: &str, option: &str) -> JsResult<bool> {
    match given(js, object, name)? {
        None => Ok(false),
        Some(value) if js.type_of(value)? == Type::Boolean => js.truthy(value),
        Some(value) => Err(errors::invalid_arg_type(js, option, Expected::Type("boolean"), value)),
    }
}

/// A whole number of a range.
pub fn whole_number(js: Js<'_>, value: Value<'_>, name: &str, Range { least, most }: Range) -> JsResult<u64> {
    if js.type_of(value)? != Type::Number {
        return Err(errors::invalid_arg_type(js, name, Expected::Type("number"), value));
    }
    let number = js.number_of(value)?;
    if !number.is_finite() || number.trunc() != number {
        return Err(errors::out_of_range(js, name, "an integer", value, number));
    }
    if !(least..=most).contains(&number) {
        return Err(errors::out_of_range(js, name, &format!(">= {least} && <= {most}"), value, number));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an integer of that range")]
    let number = number as u64;
    Ok(number)
}

/// A descriptor's number, as Node takes it.
pub fn descriptor_number(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<i32> {
    let number = whole_number(js, value, name, DESCRIPTOR)?;
    Ok(i32::try_from(number).unwrap_or(i32::MAX))
}

/// `ERR_INVALID_ARG_VALUE` for a property of another name than the known ones: a misspelt name must not leave
/// a guest with more than it was meant to have.
pub fn refuse_unknown<'s>(js: Js<'s>, object: Value<'s>, option: &str, known: &[&str]) -> JsResult<()> {
    for (name, value) in entries(js, object)? {
        let name = js.string_of(name)?;
        if !known.contains(&name.as_str()) && !js.is_undefined(value)? {
            return Err(errors::unknown_property(js, option, &name, value, known));
        }
    }
    Ok(())
}

/// The own enumerable properties of an object.
pub fn entries<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<Vec<(Value<'s>, Value<'s>)>> {
    let entries = builtins::call(js, Builtin::ObjectEntries, &[object])?;
    (0..js.array_length(entries)?)
        .map(|index| {
            let entry = js.get_index(entries, index)?;
            Ok((js.get_index(entry, 0)?, js.get_index(entry, 1)?))
        })
        .collect()
}

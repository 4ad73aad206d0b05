//! Functions that make errors for `lib/`, so that `run()` has the words of the class.

use super::{
    Expected, access_denied, incompatible_options, invalid_arg_type, invalid_arg_value, not_opened, out_of_range,
    too_much_output,
};
use crate::node_api::{Call, Js, JsResult, Method, Thrown, Value};
use crate::permission::Scope;

/// Makes an error of these parameters.
type Make = for<'s> fn(Js<'s>, [Value<'s>; 3]) -> JsResult<Thrown>;

/// The functions and their parameters.
const FUNCTIONS: [(&str, Make); 7] = [
    // name, expected, value
    ("invalidArgType", |js, [name, expected, value]| {
        Ok(invalid_arg_type(js, &js.string_of(name)?, Expected::OneOf(&js.string_of(expected)?), value))
    }),
    // name, value, reason
    ("invalidArgValue", |js, [name, value, reason]| {
        Ok(invalid_arg_value(js, &js.string_of(name)?, value, &js.string_of(reason)?))
    }),
    // name, range, value
    ("outOfRange", |js, [name, range, value]| {
        Ok(out_of_range(js, &js.string_of(name)?, &js.string_of(range)?, value, js.number_of(value)?))
    }),
    // one, other
    ("incompatible", |js, [one, other, _]| Ok(incompatible_options(js, &js.string_of(one)?, &js.string_of(other)?))),
    ("accessDenied", |js, _| {
        let (_, flag, permission) = Scope::Wasi.names();
        Ok(access_denied(js, permission, flag, ""))
    }),
    // stream, limit
    ("tooMuchOutput", |js, [stream, limit, _]| {
        Ok(too_much_output(js, &js.string_of(stream)?, &js.coerce_to_string(limit)?))
    }),
    // name, errno, why
    ("notOpened", |js, [name, errno, why]| {
        Ok(not_opened(js, &js.string_of(name)?, js.number_of(errno)?, &js.string_of(why)?))
    }),
];

/// Exports the functions, as properties of one object.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    let object = js.object()?;
    for (index, (name, _)) in FUNCTIONS.iter().enumerate() {
        js.set_named(object, name, js.function::<MakeError>(index)?)?;
    }
    js.set_named(exports, "errors", object)
}

/// Returns an error.
struct MakeError;

impl Method for MakeError {
    const NAME: &'static str = "makeError";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let Some((_, make)) = FUNCTIONS.get(call.data) else { return call.js.undefined() };
        let thrown = make(call.js, call.args)?;
        call.js.take_exception(thrown)
    }
}

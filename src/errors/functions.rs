//! Functions that make errors for `lib/`, so that `run()` has the words of the class, and the finder of
//! misspelt names.

use super::closest::closest;
use super::{
    Expected, access_denied, incompatible_options, invalid_arg_type, invalid_arg_value, not_opened, out_of_range,
    too_much_output, unknown_property,
};
use crate::node_api::{Call, Js, JsResult, Method, Thrown, Value};
use crate::permission::Scope;

/// Makes an error of these parameters.
type Make = for<'s> fn(Js<'s>, [Value<'s>; 3]) -> JsResult<Thrown>;

/// The functions and their parameters.
const FUNCTIONS: [(&str, Make); 8] = [
    // name, expected, value
    ("invalidArgType", |js, [name, expected, value]| {
        Ok(invalid_arg_type(js, &js.string_of(name)?, Expected::OneOf(&js.string_of(expected)?), value))
    }),
    // name, value, reason
    ("invalidArgValue", |js, [name, value, reason]| {
        Ok(invalid_arg_value(js, &js.string_of(name)?, value, &js.string_of(reason)?))
    }),
    // option, [name, value], known names
    ("unknownProperty", |js, [option, property, known]| {
        let (name, value) = (js.get_index(property, 0)?, js.get_index(property, 1)?);
        let known = strings(js, known)?;
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        Ok(unknown_property(js, &js.string_of(option)?, &js.string_of(name)?, value, &known))
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
        Ok(too_much_output(js, &js.string_of(stream)?, &js.coerce_to_string(limit)?, "options.maxBuffer"))
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
    js.set_named(exports, "errors", object)?;
    js.set_named(exports, Closest::NAME, js.function::<Closest>(0)?)
}

fn strings(js: Js<'_>, list: Value<'_>) -> JsResult<Vec<String>> {
    (0..js.array_length(list)?).map(|index| js.string_of(js.get_index(list, index)?)).collect()
}

/// `closest(word, candidates)`: the candidate that was most likely meant; undefined if there is none.
struct Closest;

impl Method for Closest {
    const NAME: &'static str = "closest";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [word, candidates, ..]) = (call.js, call.args);
        let candidates = strings(js, candidates)?;
        match closest(&js.string_of(word)?, candidates.iter().map(String::as_str)) {
            Some(meant) => js.string(meant),
            None => js.undefined(),
        }
    }
}

/// Returns an error.
struct MakeError;

impl Method for MakeError {
    const NAME: &'static str = "makeError";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let Some((_, make)) = FUNCTIONS.get(call.data) else { return call.js.undefined() };
        let [one, two, three, _] = call.args;
        let thrown = make(call.js, [one, two, three])?;
        call.js.take_exception(thrown)
    }
}

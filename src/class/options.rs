//! The constructor's options: checked in node:wasi's order, with its errors, and made into what a guest owns.

use crate::class::realm::{Kept, Realm};
use crate::class::stdio::{self, Choice, Stdio};
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Type, Value, Worker};
use crate::permission;
use crate::process::{copy_of_descriptor, host_descriptor, is_main_thread, trace_file};
use wasi_rs_core::abi::{Abi, Errno, Fd};
use wasi_rs_core::ctx::{Ctx, Preopen, Strings, open_error};
use wasi_rs_core::host::dir::open_preopen_unsandboxed;

/// The greatest number of the host's own standard streams.
const HOST_STREAMS: i32 = 2;

/// How many bytes are captured of an output, unless the options say.
const CAPTURED: usize = 64 << 20;

/// `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// An edition of the class: what it does where its documentation, or Node's tests, want something of their own.
#[derive(Clone, Copy, Debug)]
pub struct Edition {
    /// Its name in the addon.
    pub export: &'static str,
    /// The version of a guest whose options don't say; without one, they must.
    pub version: Option<Abi>,
    /// Whether `proc_exit` ends `start()` unless the options say.
    pub return_on_exit: bool,
    /// Whether `fd_readdir` lists `.` and `..`, as the standard wants it.
    pub lists_dots: bool,
    /// Whether a standard stream may be something else than a descriptor, which node:wasi refuses.
    pub streams: bool,
    /// Whether a standard stream may be a descriptor of which the guest gets a copy.
    pub copies: bool,
}

/// The class of `wasi-rs`.
pub const STANDARD: Edition =
    Edition { export: "WASI", version: None, return_on_exit: true, lists_dots: true, streams: true, copies: false };

/// The class of `wasi-rs/compat`: what Node's own tests pin.
pub const COMPAT: Edition = Edition { export: "compat", lists_dots: false, streams: false, ..STANDARD };

/// The class of `wasi-rs/legacy`: the older edition of Node's documentation.
pub const LEGACY: Edition =
    Edition { export: "legacy", version: Some(Abi::Preview1), return_on_exit: false, ..STANDARD };

/// The class for the programs of `run()` in V8, which no user gets.
pub const RUN: Edition = Edition { export: "run", copies: true, ..STANDARD };

/// What the options come to.
pub struct Options<'s> {
    /// What the guest owns.
    pub ctx: Ctx,
    /// Whether `proc_exit` ends `start()`, or the process.
    pub return_on_exit: bool,
    /// Its standard streams, as far as they are not descriptors.
    pub stdio: Stdio,
    /// What was chosen for each of them.
    pub choices: [Choice<'s>; 3],
}

/// The edition that `options.version` names; everything else reads the options after that.
pub fn read_version<'s>(js: Js<'s>, options: Value<'s>, edition: &Edition) -> JsResult<Abi> {
    let version = js.get_named(options, "version")?;
    if let Some(default) = edition.version
        && js.is_undefined(version)?
    {
        return Ok(default);
    }
    if js.type_of(version)? != Type::String {
        return Err(errors::invalid_arg_type(js, "options.version", Expected::Type("string"), version));
    }
    // Node reads it again for its `switch`, and a third time for the message.
    let version = js.get_named(options, "version")?;
    let is = |name| js.strict_equals(version, js.string(name)?);
    if is("unstable")? {
        return Ok(Abi::Unstable);
    }
    if is("preview1")? {
        return Ok(Abi::Preview1);
    }
    let version = js.get_named(options, "version")?;
    Err(errors::invalid_arg_value(js, "options.version", version, "unsupported WASI version"))
}

/// Reads the rest.
pub fn read<'s>(js: Js<'s>, realm: &Realm, options: Value<'s>, abi: Abi, edition: &Edition) -> JsResult<Options<'s>> {
    let args = read_args(js, realm, options)?;
    let env = read_env(js, realm, options)?;
    let preopens = read_preopens(js, realm, options, edition)?;
    let mut choices = read_stdio(js, options, edition)?;
    let limits = if edition.streams { read_limits(js, realm, options)? } else { Limits::default() };
    let trace = edition.streams && read_boolean(js, options, "trace", "options.trace")?;
    permission::require_wasi(js)?;

    let too_long = |_| errors::not_initialized(js, Errno::TooBig, "options.args and options.env take more than 4 GiB");
    let mut strings = (Strings::default(), Strings::default());
    args.iter().try_for_each(|arg| strings.0.push(arg)).map_err(too_long)?;
    env.iter().try_for_each(|entry| strings.1.push(entry)).map_err(too_long)?;
    let ctx = Ctx::new(abi, strings.0, strings.1).listing_dots(edition.lists_dots);
    let ctx = if is_main_thread() { ctx } else { ctx.waiting_with(Box::new(Worker::new(js)?)) };
    let ctx = ctx.limiting_open_files(limits.open_files).tracing(if trace { trace_file() } else { None });
    let mut stdio = Stdio::default();
    for ((number, choice), name) in choices.iter_mut().enumerate().zip(stdio::NAMES) {
        let pushed = match (stdio.connect(number, choice, limits.stdout), &*choice) {
            (Some(stream), _) => ctx.push_stream(stream),
            (None, Choice::Descriptor(descriptor)) => push_descriptor(&ctx, *descriptor),
            (None, Choice::Copy { of, host_s_own }) => push_copy(&ctx, *of, *host_s_own),
            (None, _) => Err(Errno::Badf),
        };
        pushed.map_err(|errno| {
            let what = match choice {
                Choice::Descriptor(descriptor) => format!("can't use the descriptor {descriptor} of options.{name}"),
                _ => format!("can't use options.{name}"),
            };
            errors::not_initialized(js, errno, &open_error(what, errno))
        })?;
    }
    for Preopen { name, path, read_only } in preopens {
        let what = || format!("can't open '{path}' for the preopen '{name}'");
        let failed = |errno| errors::not_initialized(js, errno, &open_error(what(), errno));
        let dir = open_preopen_unsandboxed(&path).map_err(|error| failed(error.into()))?;
        ctx.push_preopen(&name, dir, read_only).map_err(failed)?;
    }
    Ok(Options { ctx, return_on_exit: read_return_on_exit(js, options, edition)?, stdio, choices })
}

/// Gives the guest a descriptor of the host as its next standard stream.
fn push_descriptor(ctx: &Ctx, number: i32) -> Result<Fd, Errno> {
    ctx.push_stdio(host_descriptor(number)?, number <= HOST_STREAMS)
}

/// Gives the guest a copy of a descriptor of the host, which may be one of the host's own standard streams.
fn push_copy(ctx: &Ctx, number: i32, host_s_own: bool) -> Result<Fd, Errno> {
    ctx.push_stdio(copy_of_descriptor(number)?, host_s_own)
}

/// An option's value, if it is given.
fn given<'s>(js: Js<'s>, options: Value<'s>, name: &str) -> JsResult<Option<Value<'s>>> {
    let value = js.get_named(options, name)?;
    Ok(if js.is_undefined(value)? { None } else { Some(value) })
}

/// `String` of each argument.
fn read_args<'s>(js: Js<'s>, realm: &Realm, options: Value<'s>) -> JsResult<Vec<String>> {
    if given(js, options, "args")?.is_none() {
        // Node reads it once more.
        js.get_named(options, "args")?;
        return Ok(Vec::new());
    }
    let args = js.get_named(options, "args")?;
    if !realm.is_array(js, args)? {
        return Err(errors::invalid_arg_type(js, "options.args", Expected::Array, args));
    }
    // Node compares it with the least length it asks for, which is 0.
    js.get_named(args, "length")?;
    let args = js.get_named(options, "args")?;
    let strings = js.call(args, realm.get(js, Kept::ArrayMap)?, &[realm.get(js, Kept::String)?])?;
    (0..js.array_length(strings)?).map(|index| js.coerce_to_string(js.get_index(strings, index)?)).collect()
}

/// The own enumerable properties of an option that is an object.
fn read_entries<'s>(
    js: Js<'s>,
    realm: &Realm,
    options: Value<'s>,
    name: &str,
) -> JsResult<Vec<(Value<'s>, Value<'s>)>> {
    if given(js, options, name)?.is_none() {
        return Ok(Vec::new());
    }
    validate_object(js, js.get_named(options, name)?, &format!("options.{name}"))?;
    entries(js, realm, js.get_named(options, name)?)
}

/// The own enumerable properties of an object.
fn entries<'s>(js: Js<'s>, realm: &Realm, object: Value<'s>) -> JsResult<Vec<(Value<'s>, Value<'s>)>> {
    let entries = js.call(js.undefined()?, realm.get(js, Kept::ObjectEntries)?, &[object])?;
    (0..js.array_length(entries)?)
        .map(|index| {
            let entry = js.get_index(entries, index)?;
            Ok((js.get_index(entry, 0)?, js.get_index(entry, 1)?))
        })
        .collect()
}

/// `NAME=value` for each variable that is not undefined.
fn read_env<'s>(js: Js<'s>, realm: &Realm, options: Value<'s>) -> JsResult<Vec<String>> {
    let mut env = Vec::new();
    for (name, value) in read_entries(js, realm, options, "env")? {
        if !js.is_undefined(value)? {
            let mut entry = js.string_of(name)?;
            entry.push('=');
            entry.push_str(&js.coerce_to_string(value)?);
            env.push(entry);
        }
    }
    Ok(env)
}

/// The guest's directories.
fn read_preopens<'s>(js: Js<'s>, realm: &Realm, options: Value<'s>, edition: &Edition) -> JsResult<Vec<Preopen>> {
    let string = realm.get(js, Kept::String)?;
    let text = |value| js.string_of(js.call(js.undefined()?, string, &[value])?);
    read_entries(js, realm, options, "preopens")?
        .into_iter()
        .map(|(name, value)| {
            let name = text(name)?;
            if edition.streams && is_description(js, value)? {
                read_preopen(js, realm, name, value)
            } else {
                Ok(Preopen { name, path: text(value)?, read_only: false })
            }
        })
        .collect()
}

/// Whether it describes a directory. Other objects are what their string is, as to node:wasi.
fn is_description<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<bool> {
    Ok(js.type_of(value)? == Type::Object
        && (given(js, value, "path")?.is_some() || given(js, value, "readOnly")?.is_some()))
}

/// A directory that is given as an object, `{ path, readOnly }`.
fn read_preopen<'s>(js: Js<'s>, realm: &Realm, name: String, value: Value<'s>) -> JsResult<Preopen> {
    let option = format!("options.preopens['{name}']");
    let path = js.get_named(value, "path")?;
    if js.type_of(path)? != Type::String {
        return Err(errors::invalid_arg_type(js, &format!("{option}.path"), Expected::Type("string"), path));
    }
    let read_only = read_boolean(js, value, "readOnly", &format!("{option}.readOnly"))?;
    refuse_unknown(js, realm, value, &option, &["path", "readOnly"])?;
    Ok(Preopen { name, path: js.string_of(path)?, read_only })
}

/// `ERR_INVALID_ARG_VALUE` for a property that nobody reads: a misspelt name must not leave a guest with more than it was meant
/// to have.
fn refuse_unknown<'s>(js: Js<'s>, realm: &Realm, object: Value<'s>, option: &str, known: &[&str]) -> JsResult<()> {
    for (name, value) in entries(js, realm, object)? {
        let name = js.string_of(name)?;
        if !known.contains(&name.as_str()) && !js.is_undefined(value)? {
            let names: Vec<_> = known.iter().map(|name| format!("'{name}'")).collect();
            let reason = format!("is not known: {option} may have {}", names.join(", "));
            return Err(errors::invalid_arg_value(js, &format!("{option}.{name}"), value, &reason));
        }
    }
    Ok(())
}

/// A boolean that is false unless it is given.
fn read_boolean<'s>(js: Js<'s>, object: Value<'s>, name: &str, option: &str) -> JsResult<bool> {
    match given(js, object, name)? {
        None => Ok(false),
        Some(value) if js.type_of(value)? == Type::Boolean => js.truthy(value),
        Some(value) => Err(errors::invalid_arg_type(js, option, Expected::Type("boolean"), value)),
    }
}

/// What each of the standard streams shall be.
fn read_stdio<'s>(js: Js<'s>, options: Value<'s>, edition: &Edition) -> JsResult<[Choice<'s>; 3]> {
    // All are read before any is looked at, as Node does.
    let [stdin, stdout, stderr] = stdio::NAMES.map(|name| given(js, options, name));
    let (stdin, stdout, stderr) = (stdin?, stdout?, stderr?);
    let input = if edition.streams { given(js, options, "input")? } else { None };
    let choose = |number, value| stdio::choose(js, number, value, edition);
    let stdin = match input {
        Some(_) if stdin.is_some() => return Err(errors::incompatible_options(js, "options.input", "options.stdin")),
        Some(input) => stdio::read_input(js, input)?,
        None => choose(0, stdin)?,
    };
    Ok([stdin, choose(1, stdout)?, choose(2, stderr)?])
}

/// How much a guest may have.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes that are captured of each output.
    stdout: usize,
    /// Descriptors.
    open_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stdout: CAPTURED, open_files: usize::MAX }
    }
}

fn read_limits<'s>(js: Js<'s>, realm: &Realm, options: Value<'s>) -> JsResult<Limits> {
    let mut limits = Limits::default();
    if let Some(given_limits) = given(js, options, "limits")? {
        validate_object(js, given_limits, "options.limits")?;
        refuse_unknown(js, realm, given_limits, "options.limits", &["stdout", "openFiles"])?;
        for (name, limit) in [("stdout", &mut limits.stdout), ("openFiles", &mut limits.open_files)] {
            if let Some(value) = given(js, given_limits, name)? {
                let number = whole_number(js, value, &format!("options.limits.{name}"), MAX_SAFE_INTEGER)?;
                *limit = usize::try_from(number).unwrap_or(usize::MAX);
            }
        }
    }
    Ok(limits)
}

/// A descriptor's number, as Node takes it.
pub fn descriptor_number(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<i32> {
    let number = whole_number(js, value, name, f64::from(i32::MAX))?;
    Ok(i32::try_from(number).unwrap_or(i32::MAX))
}

/// A whole number from 0 to `most`.
fn whole_number(js: Js<'_>, value: Value<'_>, name: &str, most: f64) -> JsResult<u64> {
    let value = js.rescope(value);
    if js.type_of(value)? != Type::Number {
        return Err(errors::invalid_arg_type(js, name, Expected::Type("number"), value));
    }
    let number = js.number_of(value)?;
    if !number.is_finite() || number.trunc() != number {
        return Err(errors::out_of_range(js, name, "an integer", value, number));
    }
    if !(0.0..=most).contains(&number) {
        return Err(errors::out_of_range(js, name, &format!(">= 0 && <= {most}"), value, number));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an integer of that range")]
    let number = number as u64;
    Ok(number)
}

fn read_return_on_exit<'s>(js: Js<'s>, options: Value<'s>, edition: &Edition) -> JsResult<bool> {
    if given(js, options, "returnOnExit")?.is_none() {
        return Ok(edition.return_on_exit);
    }
    let value = js.get_named(options, "returnOnExit")?;
    if js.type_of(value)? != Type::Boolean {
        return Err(errors::invalid_arg_type(js, "options.returnOnExit", Expected::Type("boolean"), value));
    }
    js.truthy(js.get_named(options, "returnOnExit")?)
}

/// ERR_INVALID_ARG_TYPE unless it is an object, and neither an array nor a function.
pub fn validate_object(js: Js<'_>, value: Value<'_>, name: &str) -> JsResult<()> {
    let value = js.rescope(value);
    if js.type_of(value)? == Type::Object && !js.realm()?.is_array(js, value)? {
        Ok(())
    } else {
        Err(errors::invalid_arg_type(js, name, Expected::Type("object"), value))
    }
}

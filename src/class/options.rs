//! The constructor's options: checked in node:wasi's order, with its errors, and made into a guest's context.

use crate::builtins::{self, Builtin};
use crate::class::editions::Edition;
use crate::class::file_url;
use crate::class::fixed::{self, Told};
use crate::class::limits::{CAPTURED, OPEN_FILES, STDOUT};
use crate::class::observer::Observer;
use crate::class::stdio::Stdio;
use crate::class::stdio_options::{self, Choice};
use crate::class::trace;
use crate::class::validate::{entries, given, read_boolean, refuse_unknown, validate_object, whole_number};
use crate::errors::{self, Expected};
use crate::node_api::{Js, JsResult, Type, Value, Worker};
use crate::permission;
use crate::process::{host_descriptor, is_host_stream, is_main_thread};
use crate::trees::directory_of;
use wasi_rs_core::abi::{Abi, Errno, Fd};
use wasi_rs_core::ctx::{Ctx, Fixed, Preopen, PreopenSource, Strings, open_error};

/// The options, read.
pub struct Options<'s> {
    /// Arguments, environment and descriptors.
    pub ctx: Ctx,
    /// True if `proc_exit` ends `start()`, false if it ends the process.
    pub return_on_exit: bool,
    /// The standard streams that are not descriptors.
    pub stdio: Stdio,
    /// The choice for each standard stream.
    pub choices: [Choice<'s>; 3],
    /// The functions that tell its time.
    pub told: Told<'s>,
    /// The function or Writable that its calls are shown to.
    pub receiver: Option<Value<'s>>,
    /// The observer of its calls.
    pub observer: Option<Box<dyn Observer>>,
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

/// Reads the other options.
pub fn read<'s>(js: Js<'s>, options: Value<'s>, abi: Abi, edition: &Edition) -> JsResult<Options<'s>> {
    let args = read_args(js, options)?;
    let env = read_env(js, options)?;
    let preopens = read_preopens(js, options, edition)?;
    let mut choices = read_stdio(js, options, edition)?;
    let limits = if edition.streams { read_limits(js, options)? } else { Limits::default() };
    let trace = if edition.streams { given(js, options, "trace")? } else { None };
    let trace = trace::read(js, trace)?;
    let (fixed, told) = if edition.streams { fixed::read(js, options)? } else { (Fixed::default(), Told::default()) };
    permission::require_wasi(js)?;

    let too_long = |_| errors::not_initialized(js, Errno::TooBig, "options.args and options.env take more than 4 GiB");
    let mut strings = (Strings::default(), Strings::default());
    args.iter().try_for_each(|arg| strings.0.push(arg)).map_err(too_long)?;
    env.iter().try_for_each(|entry| strings.1.push(entry)).map_err(too_long)?;
    let ctx = Ctx::new(abi, strings.0, strings.1).listing_dots(edition.lists_dots).fixing(fixed);
    let ctx = if is_main_thread() { ctx } else { ctx.waiting_with(Box::new(Worker::new(js)?)) };
    let mut stdio = Stdio::default();
    let receiver = trace.as_ref().and_then(|trace| trace.receiver());
    let watch = trace.map(|trace| stdio.trace(js, trace)).transpose()?;
    let ctx = ctx.limiting_open_files(limits.open_files).watching(watch.flatten());
    for ((number, choice), name) in choices.iter_mut().enumerate().zip(stdio_options::NAMES) {
        let pushed = match (stdio.connect(number, choice, limits.stdout), &*choice) {
            (Some(stream), _) => ctx.push_stream(stream),
            (None, Choice::Descriptor(descriptor)) => push_descriptor(&ctx, *descriptor),
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
    for preopen in preopens {
        preopen.push(&ctx).map_err(|(errno, what)| errors::not_initialized(js, errno, &what))?;
    }
    Ok(Options {
        ctx,
        return_on_exit: read_return_on_exit(js, options, edition)?,
        stdio,
        choices,
        told,
        receiver,
        observer: None,
    })
}

/// Gives the guest a descriptor of the host as its next standard stream.
fn push_descriptor(ctx: &Ctx, number: i32) -> Result<Fd, Errno> {
    ctx.push_stdio(host_descriptor(number)?, is_host_stream(number))
}

/// `String` of each argument.
fn read_args<'s>(js: Js<'s>, options: Value<'s>) -> JsResult<Vec<String>> {
    if given(js, options, "args")?.is_none() {
        // Node reads it once more.
        js.get_named(options, "args")?;
        return Ok(Vec::new());
    }
    let args = js.get_named(options, "args")?;
    if !builtins::is_array(js, args)? {
        return Err(errors::invalid_arg_type(js, "options.args", Expected::Array, args));
    }
    // Node compares it with the least length it asks for, which is 0.
    js.get_named(args, "length")?;
    let args = js.get_named(options, "args")?;
    let strings = js.call(args, builtins::get(js, Builtin::ArrayMap)?, &[builtins::get(js, Builtin::String)?])?;
    (0..js.array_length(strings)?).map(|index| js.coerce_to_string(js.get_index(strings, index)?)).collect()
}

/// The own enumerable properties of an option that is an object.
fn read_entries<'s>(js: Js<'s>, options: Value<'s>, name: &str) -> JsResult<Vec<(Value<'s>, Value<'s>)>> {
    if given(js, options, name)?.is_none() {
        return Ok(Vec::new());
    }
    validate_object(js, js.get_named(options, name)?, &format!("options.{name}"))?;
    entries(js, js.get_named(options, name)?)
}

/// `NAME=value` for each variable that is not undefined.
fn read_env<'s>(js: Js<'s>, options: Value<'s>) -> JsResult<Vec<String>> {
    let mut env = Vec::new();
    for (name, value) in read_entries(js, options, "env")? {
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
fn read_preopens<'s>(js: Js<'s>, options: Value<'s>, edition: &Edition) -> JsResult<Vec<Preopen>> {
    let text = |value| js.string_of(builtins::call(js, Builtin::String, &[value])?);
    read_entries(js, options, "preopens")?
        .into_iter()
        .map(|(name, value)| {
            let name = text(name)?;
            if !edition.streams {
                return Ok(Preopen { name, source: PreopenSource::Path(text(value)?), read_only: false });
            }
            if let Some(source) = directory_in_memory(js, value)? {
                return Ok(Preopen { name, source, read_only: false });
            }
            if is_description(js, value)? {
                return read_preopen(js, name, value);
            }
            let path = file_url::path_of(js, value, &format!("options.preopens['{name}']"))?;
            let path = path.map_or_else(|| text(value), Ok)?;
            Ok(Preopen { name, source: PreopenSource::Path(path), read_only: false })
        })
        .collect()
}

/// The directory in memory that a value stands for, if it does.
fn directory_in_memory<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Option<PreopenSource>> {
    let Some(opened) = directory_of(js, value)? else { return Ok(None) };
    let what = |errno| errors::not_initialized(js, errno, "can't open a directory in memory");
    opened.map(|open| Some(PreopenSource::Memory(open))).map_err(what)
}

/// True if the value describes a directory. Other objects stand for their string, as with node:wasi.
fn is_description<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<bool> {
    Ok(js.type_of(value)? == Type::Object
        && (given(js, value, "path")?.is_some()
            || given(js, value, "directory")?.is_some()
            || given(js, value, "readOnly")?.is_some()))
}

/// A directory that is given as an object, `{ path, readOnly }` or `{ directory, readOnly }`.
fn read_preopen<'s>(js: Js<'s>, name: String, value: Value<'s>) -> JsResult<Preopen> {
    let option = format!("options.preopens['{name}']");
    let path = js.get_named(value, "path")?;
    let source = match given(js, value, "directory")? {
        Some(directory) => read_directory(js, directory, path, &option)?,
        None => PreopenSource::Path(read_path(js, path, &format!("{option}.path"))?),
    };
    let read_only = read_boolean(js, value, "readOnly", &format!("{option}.readOnly"))?;
    refuse_unknown(js, value, &option, &["path", "directory", "readOnly"])?;
    Ok(Preopen { name, source, read_only })
}

/// The path of a directory, as a string or URL.
fn read_path<'s>(js: Js<'s>, path: Value<'s>, option: &str) -> JsResult<String> {
    match file_url::path_of(js, path, option)? {
        Some(path) => Ok(path),
        None if js.type_of(path)? == Type::String => js.string_of(path),
        None => {
            let expected = Expected::OneOf("of type string or an instance of URL");
            Err(errors::invalid_arg_type(js, option, expected, path))
        }
    }
}

/// A directory in memory, beside which there is no path.
fn read_directory<'s>(js: Js<'s>, directory: Value<'s>, path: Value<'s>, option: &str) -> JsResult<PreopenSource> {
    let name = format!("{option}.directory");
    if !js.is_undefined(path)? {
        return Err(errors::incompatible_options(js, &name, &format!("{option}.path")));
    }
    let expected = Expected::OneOf("an instance of MemoryDirectory");
    directory_in_memory(js, directory)?.ok_or_else(|| errors::invalid_arg_type(js, &name, expected, directory))
}

/// The choice for each of the standard streams.
fn read_stdio<'s>(js: Js<'s>, options: Value<'s>, edition: &Edition) -> JsResult<[Choice<'s>; 3]> {
    // All are read before any is looked at, as Node does.
    let [stdin, stdout, stderr] = stdio_options::NAMES.map(|name| given(js, options, name));
    let (stdin, stdout, stderr) = (stdin?, stdout?, stderr?);
    let input = if edition.streams { given(js, options, "input")? } else { None };
    let choose = |number, value| stdio_options::choose(js, number, value, edition);
    let stdin = match input {
        Some(_) if stdin.is_some() => return Err(errors::incompatible_options(js, "options.input", "options.stdin")),
        Some(input) => stdio_options::read_input(js, input)?,
        None => choose(0, stdin)?,
    };
    Ok([stdin, choose(1, stdout)?, choose(2, stderr)?])
}

/// The limits of a guest.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes that are captured of each output.
    stdout: usize,
    /// Descriptors.
    open_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stdout: CAPTURED as usize, open_files: usize::MAX }
    }
}

fn read_limits<'s>(js: Js<'s>, options: Value<'s>) -> JsResult<Limits> {
    let mut limits = Limits::default();
    if let Some(given_limits) = given(js, options, "limits")? {
        validate_object(js, given_limits, "options.limits")?;
        refuse_unknown(js, given_limits, "options.limits", &[STDOUT.0, OPEN_FILES.0])?;
        for ((name, range), limit) in [(STDOUT, &mut limits.stdout), (OPEN_FILES, &mut limits.open_files)] {
            if let Some(value) = given(js, given_limits, name)? {
                let number = whole_number(js, value, &format!("options.limits.{name}"), range)?;
                *limit = usize::try_from(number).unwrap_or(usize::MAX);
            }
        }
    }
    Ok(limits)
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

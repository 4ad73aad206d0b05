//! `options.clock` and `options.random`: the parts of a guest's surroundings that the embedder fixes. They
//! are read here for the class and for `run()`.

use crate::class::stdio::handler;
use crate::class::validate::{given, refuse_unknown, validate_object};
use crate::errors::{self, Expected};
use crate::node_api::{Call, Js, JsResult, Method, Reference, Type, Value};
use wasi_rs_core::ctx::{Ctx, Fixed};
use wasi_rs_core::host::clocks::Beginning;
use wasi_rs_core::syscalls::SYSCALLS;

/// Nanoseconds of a millisecond.
const MILLISECOND: u64 = 1_000_000;

/// The latest time that a clock may begin with: the year 2262.
const LATEST: u64 = i64::MAX.cast_unsigned();

/// The beginning of clocks, where it is not given: the first moment of the year 2000; a day, as the clock
/// of a machine that has been up for one, since programs subtract from it, and some take 0 for an error;
/// and a microsecond, so that a program that waits for a clock to move does not wait for ever.
const BEGINNING: Beginning =
    Beginning { realtime: 946_684_800_000 * MILLISECOND, monotonic: 86_400_000 * MILLISECOND, step: 1_000 };

/// The names of the clocks that a function may tell.
const TOLD: [&str; 2] = ["now", "monotonic"];

/// The functions that tell these clocks, of those that have one.
pub type Told<'s> = [Option<Value<'s>>; 2];

/// The index of the first of these functions among those of the embedder. (Before it are those of streams
/// and of the trace.)
pub const FIRST: u32 = 4;

/// The calls that look at a clock.
const LOOKS: [&str; 4] = ["clock_time_get", "fd_filestat_set_times", "path_filestat_set_times", "poll_oneoff"];

/// Exports the function, for `lib/options.js`.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, ReadFixed::NAME, js.function::<ReadFixed>(0)?)
}

/// Reads the options of the class.
pub fn read<'s>(js: Js<'s>, options: Value<'s>) -> JsResult<(Fixed, Told<'s>)> {
    if let Some(value) = given(js, options, "deterministic")? {
        if js.type_of(value)? != Type::Boolean {
            return Err(errors::invalid_arg_type(js, "options.deterministic", Expected::Type("boolean"), value));
        }
        if js.truthy(value)? {
            let why = "needs the engine 'wasmtime': use run(), spawn() or load(). V8 does not fix the bits of a NaN; \
                       the class has options.clock and options.random";
            return Err(errors::invalid_arg_value(js, "options.deterministic", value, why));
        }
    }
    let (clock, told) = match given(js, options, "clock")? {
        Some(clock) => read_clock(js, clock).map(|(clock, told)| (Some(clock), told))?,
        None => (None, Told::default()),
    };
    let seed = given(js, options, "random")?.map(|seed| read_seed(js, seed)).transpose()?;
    Ok((Fixed { clock, seed, files: false }, told))
}

fn read_clock<'s>(js: Js<'s>, clock: Value<'s>) -> JsResult<(Beginning, Told<'s>)> {
    validate_object(js, clock, "options.clock")?;
    let mut told = Told::default();
    let [mut now, mut monotonic] = [BEGINNING.realtime, BEGINNING.monotonic];
    for ((name, time), told) in TOLD.into_iter().zip([&mut now, &mut monotonic]).zip(&mut told) {
        match given(js, clock, name)? {
            Some(value) if js.type_of(value)? == Type::Function => *told = Some(value),
            Some(value) => *time = read_time(js, value, name)?,
            None => {}
        }
    }
    let step = given(js, clock, "step")?.map(|value| read_time(js, value, "step")).transpose()?;
    refuse_unknown(js, clock, "options.clock", &[TOLD[0], TOLD[1], "step"])?;
    Ok((Beginning { realtime: now, monotonic, step: step.unwrap_or(BEGINNING.step) }, told))
}

/// A time as JavaScript gives it.
enum Time {
    /// In nanoseconds.
    Nanoseconds(u64),
    /// One that no clock can show.
    Beyond(f64),
    /// Something else.
    No,
}

/// A time: a number in milliseconds, a bigint in nanoseconds; that of `now` may be a Date.
fn time_of<'s>(js: Js<'s>, value: Value<'s>, name: &str) -> JsResult<Time> {
    match js.type_of(value)? {
        Type::Number => Ok(of_milliseconds(js.number_of(value)?)),
        Type::Bigint => {
            let digits = js.coerce_to_string(value)?;
            let found = digits.parse().ok().filter(|time| *time <= LATEST);
            // The number is only for the message, which shows the digits.
            Ok(found.map_or(Time::Beyond(f64::MAX), Time::Nanoseconds))
        }
        Type::Object if name == TOLD[0] => {
            let get = js.get_named(value, "getTime")?;
            if js.type_of(get)? != Type::Function {
                return Ok(Time::No);
            }
            Ok(of_milliseconds(js.number_of(js.call(value, get, &[])?)?))
        }
        _ => Ok(Time::No),
    }
}

fn of_milliseconds(milliseconds: f64) -> Time {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range")]
    #[allow(clippy::cast_precision_loss, reason = "LATEST is far from any time that counts")]
    if (0.0..=(LATEST / MILLISECOND) as f64).contains(&milliseconds) {
        let part = (milliseconds.fract() * MILLISECOND as f64).round() as u64;
        Time::Nanoseconds(milliseconds.trunc() as u64 * MILLISECOND + part)
    } else {
        Time::Beyond(milliseconds)
    }
}

fn read_time<'s>(js: Js<'s>, value: Value<'s>, name: &str) -> JsResult<u64> {
    let option = format!("options.clock.{name}");
    match time_of(js, value, name)? {
        Time::Nanoseconds(time) => Ok(time),
        Time::Beyond(number) => Err(errors::out_of_range(js, &option, "of the years 1970 to 2262", value, number)),
        Time::No => {
            let expected = match name {
                "now" => "one of type number, bigint, or function or an instance of Date",
                "monotonic" => "one of type number, bigint, or function",
                _ => "one of type number or bigint",
            };
            Err(errors::invalid_arg_type(js, &option, Expected::OneOf(expected), value))
        }
    }
}

/// The bytes of a seed. A number stands for its decimal text, so that 7, 7n and '7' are the same.
fn read_seed<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Vec<u8>> {
    const SAFE: f64 = 9_007_199_254_740_991.0;
    let bytes = match js.type_of(value)? {
        Type::String | Type::Bigint => Some(js.coerce_to_string(value)?.into_bytes()),
        Type::Number => {
            let number = js.number_of(value)?;
            if number.trunc() != number || number.abs() > SAFE {
                return Err(errors::out_of_range(js, "options.random", "a safe integer", value, number));
            }
            Some(js.coerce_to_string(value)?.into_bytes())
        }
        Type::Object => js.uint8_array(value)?,
        _ => None,
    };
    bytes.ok_or_else(|| {
        let expected = Expected::OneOf("one of type number, bigint, or string or an instance of Uint8Array");
        errors::invalid_arg_type(js, "options.random", expected, value)
    })
}

/// `fixed({ clock?, random? }, deterministic)`: `{ now?, monotonic?, step?, seed?, files }`, where times
/// are decimal digits of nanoseconds and `seed` is bytes. With `deterministic` it has all of them.
struct ReadFixed;

impl Method for ReadFixed {
    const NAME: &'static str = "fixed";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [options, deterministic, ..]) = (call.js, call.args);
        let all = js.truthy(deterministic)?;
        let clock = match given(js, options, "clock")? {
            None => all.then_some(BEGINNING),
            Some(clock) => {
                let (clock, told) = read_clock(js, clock)?;
                for (name, told) in TOLD.into_iter().zip(told) {
                    let Some(function) = told else { continue };
                    let why = "can't be a function where the program runs on another thread: the class WASI takes one";
                    return Err(errors::invalid_arg_value(js, &format!("options.clock.{name}"), function, why));
                }
                Some(clock)
            }
        };
        let seed = match given(js, options, "random")? {
            None => all.then(|| b"0".to_vec()),
            Some(seed) => Some(read_seed(js, seed)?),
        };
        let fixed = js.object()?;
        if let Some(Beginning { realtime, monotonic, step }) = clock {
            for (name, time) in [("now", realtime), ("monotonic", monotonic), ("step", step)] {
                js.set_named(fixed, name, js.string(&time.to_string())?)?;
            }
        }
        if let Some(seed) = seed {
            js.set_named(fixed, "seed", js.buffer(&seed)?)?;
        }
        js.set_named(fixed, "files", js.boolean(all)?)?;
        Ok(fixed)
    }
}

/// Has the embedder's functions tell the clocks of this guest, if the call looks at one. True if any was
/// called: JavaScript has run.
pub fn tell(js: Js<'_>, ctx: &Ctx, owner: &Reference, told: [bool; 2], call: usize) -> JsResult<bool> {
    let looks = SYSCALLS.get(call).is_some_and(|row| LOOKS.contains(&row.name));
    if !looks || told == [false; 2] {
        return Ok(false);
    }
    let mut times = [None; 2];
    for (((index, name), time), is_told) in (FIRST..).zip(TOLD).zip(&mut times).zip(told) {
        if !is_told {
            continue;
        }
        let (function, this) = handler(js, owner, index as usize)?;
        let value = js.call(this, function, &[])?;
        match time_of(js, value, name)? {
            Time::Nanoseconds(told) => *time = Some(told),
            Time::Beyond(_) | Time::No => {
                let expected = "a time of the years 1970 to 2262";
                return Err(errors::invalid_return_value(js, &format!("options.clock.{name}"), expected, value));
            }
        }
    }
    ctx.clocks().set(times[0], times[1]);
    Ok(true)
}

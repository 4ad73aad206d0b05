//! A system call, decoded into data. The list says what is decoded. Guest memory is only read, and checked as
//! for any call: what does not lie in it is its address. A call is bounded by the longest path, however large
//! the numbers are that the guest hands over.

use super::super::{Parameter, Syscall};
use crate::abi::errno::Errno;
use crate::abi::flags::{
    Advice, Clockid, Fdflags, Fstflags, Lookupflags, Oflags, Riflags, Rights, Sdflags, Siflags, Whence,
};
use crate::abi::records::Iovec;
use crate::abi::{Abi, Args, Param, Ptr};
use crate::memory::{Memory, PathBytes};
use bitflags::Flags;
use std::fmt::Debug;

/// The most iovecs that are decoded.
const IOVECS: u32 = 8;

/// Pointers to numbers that are arrays, rather than the place of one result.
const ARRAYS: [&str; 2] = ["argv", "environ"];

/// A call that is over.
#[derive(Debug)]
pub struct Call {
    /// The name of the system call.
    pub name: &'static str,
    /// Its parameters, as they were when it began.
    pub params: Vec<Field>,
    /// The end that it has come to.
    pub end: End,
    /// The time that it took.
    pub nanoseconds: u64,
}

/// The end of a call.
#[derive(Debug)]
pub enum End {
    /// It has succeeded, and left these results.
    Success(Vec<Field>),
    /// It has failed.
    Failure(Errno),
    /// It does not return.
    Never,
}

/// A parameter, or a result.
#[derive(Debug)]
pub struct Field {
    /// Its name in the standard.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

impl Field {
    /// A field of this name.
    pub const fn new(name: &'static str, value: Value) -> Self {
        Self { name, value }
    }

    /// A descriptor.
    pub fn fd(fd: crate::abi::Fd) -> Self {
        Self::new("fd", Value::Number(fd.0.into()))
    }
}

/// A value.
#[derive(Debug)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// An address in the guest's memory.
    Address(u32),
    /// A name of the standard, or of the internet: the host has made it.
    Word(String),
    /// Bytes of the guest's, a path or a name.
    Text(Vec<u8>),
    /// Flags.
    Flags {
        /// The names of those that have one.
        names: Vec<&'static str>,
        /// The others, as bits.
        others: u64,
        /// True if they are all that there are of many.
        is_all: bool,
    },
    /// The first buffers of a list.
    Buffers {
        /// Address and length of each.
        first: Vec<(u32, u32)>,
        /// The number of all.
        count: u32,
    },
}

/// The parameters of a call that begins.
pub fn params(row: &Syscall, memory: &Memory<'_>, args: &Args, abi: Abi) -> Vec<Field> {
    let mut fields = Vec::with_capacity(row.params.len());
    let mut cells = row.params.iter().zip(args).peekable();
    while let Some((param, &raw)) = cells.next() {
        let count = cells.peek().map_or(0, |(_, len)| low(**len));
        let value = match extent(row, param, memory, raw, count) {
            Some(value) => {
                cells.next();
                value
            }
            None => single(param, raw, abi),
        };
        fields.push(Field::new(param.name, value));
    }
    fields
}

/// The numbers that a call has left where its parameters point to.
pub fn results(row: &Syscall, memory: &Memory<'_>, args: &Args) -> Vec<Field> {
    let cells = row.params.iter().zip(args);
    cells.filter_map(|(param, &raw)| Some(Field::new(param.name, Value::Number(result(param, memory, raw)?)))).collect()
}

/// The low half of a raw parameter: an `i32`.
const fn low(raw: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "an i32 parameter was zero-extended, or its high half is noise")]
    let low = raw as u32;
    low
}

/// A path or iovecs, whose length the next parameter tells; none if it is neither, or not inside the memory.
fn extent(row: &Syscall, param: &Parameter, memory: &Memory<'_>, raw: u64, count: u32) -> Option<Value> {
    match param.pointee {
        "u8" if row.home == "path" && param.name.ends_with("path") => {
            let mut bytes = PathBytes::default();
            let path = memory.path(Ptr::new(low(raw)), count, &mut bytes).ok()?;
            Some(Value::Text(path.to_bytes().to_owned()))
        }
        "Iovec" => buffers(memory, Ptr::new(low(raw)), count),
        _ => None,
    }
}

fn buffers(memory: &Memory<'_>, array: Ptr<Iovec>, count: u32) -> Option<Value> {
    let first = (0..count.min(IOVECS)).map(|index| {
        let Iovec { buf, buf_len } = memory.read(memory.element(array, index).ok()?).ok()?;
        Some((buf, buf_len))
    });
    Some(Value::Buffers { first: first.collect::<Option<_>>()?, count })
}

/// A parameter that stands for itself.
fn single(param: &Parameter, raw: u64, abi: Abi) -> Value {
    match param.type_name {
        "pointer" => Value::Address(low(raw)),
        "u64" => Value::Number(raw),
        "s64" => Value::Signed(raw.cast_signed()),
        "whence" => named::<Whence>(raw, abi),
        "clockid" => named::<Clockid>(raw, abi),
        "advice" => named::<Advice>(raw, abi),
        "rights" => flags::<Rights>(raw),
        "fdflags" => flags::<Fdflags>(low(raw).into()),
        "fstflags" => flags::<Fstflags>(low(raw).into()),
        "lookupflags" => flags::<Lookupflags>(low(raw).into()),
        "oflags" => flags::<Oflags>(low(raw).into()),
        "riflags" => flags::<Riflags>(low(raw).into()),
        "sdflags" => flags::<Sdflags>(low(raw).into()),
        "siflags" => flags::<Siflags>(low(raw).into()),
        _ => Value::Number(low(raw).into()),
    }
}

/// The name that a number has in the standard, or the number.
fn named<T: Param + Debug>(raw: u64, abi: Abi) -> Value {
    T::lift(raw, abi).map_or_else(|_| Value::Number(low(raw).into()), |value| name_of(&value))
}

/// The name of a value as the standard writes it: `MONOTONIC`, `KEEP_ALIVE`.
pub fn name_of(value: &impl Debug) -> Value {
    let mut name = String::with_capacity(24);
    for letter in format!("{value:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    Value::Word(name)
}

/// Flags by their names.
pub fn flags<F: Flags<Bits: Into<u64>>>(raw: u64) -> Value {
    let known = F::FLAGS.iter().filter(|flag| {
        let bits: u64 = flag.value().bits().into();
        bits != 0 && raw & bits == bits
    });
    let all: u64 = F::all().bits().into();
    Value::Flags {
        names: known.map(bitflags::Flag::name).collect(),
        others: raw & !all,
        is_all: raw & all == all && F::FLAGS.len() > 8,
    }
}

/// The number that the call has left where a parameter points to.
fn result(param: &Parameter, memory: &Memory<'_>, raw: u64) -> Option<u64> {
    let at = low(raw);
    match param.pointee {
        _ if ARRAYS.contains(&param.name) => None,
        "u16" => memory.read(Ptr::<u16>::new(at)).ok().map(u64::from),
        "u32" => memory.read(Ptr::<u32>::new(at)).ok().map(u64::from),
        "u64" => memory.read(Ptr::<u64>::new(at)).ok(),
        _ => None,
    }
}

//! Values of components as bytes, and back: what JavaScript and a component exchange (`lib/values.js`).
//!
//! Numbers are little endian; nothing is aligned. A list and a string have their length before them, a
//! variant the number of its case, an option and a result a byte; flags are bits; a resource is a number.

use crate::description::Described;
use crate::handles::{Holder, InStore, Lent, Loans};
use crate::streams::Written;
use wasmtime::component::Val;
use wasmtime::{Error, Result, bail};

/// Bytes that are read.
pub struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    /// The next bytes, as many as these.
    pub fn take(&mut self, count: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| Error::msg("a value is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// The next number.
    pub fn number(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next number, as a length.
    pub fn length(&mut self) -> Result<usize> {
        Ok(usize::try_from(self.number()?)?)
    }
}

/// An element of a list, by a number that was read.
fn nth<T>(all: &[T], index: usize) -> Result<&T> {
    all.get(index).ok_or_else(|| Error::msg("a value has a number that its type does not"))
}

/// The error for bytes or a value of another type.
pub fn wrong() -> Error {
    Error::msg("a value is not of its type")
}

/// The names of the flags that are set in these bits.
pub fn set_of<'n>(names: impl Iterator<Item = &'n String>, bits: &[u8]) -> impl Iterator<Item = &'n String> {
    let is_set = |index: usize| bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
    names.enumerate().filter(move |(index, _)| is_set(*index)).map(|(_, name)| name)
}

/// The character with this code.
pub fn letter(code: u32) -> Result<char> {
    char::from_u32(code).ok_or_else(|| Error::msg("a char is no Unicode scalar value"))
}

/// Values, or the reason why there are none; and what was lent with them, to be taken back in both cases.
pub type Decoded = (Result<Vec<Val>>, Lent);

impl<T: Holder> InStore<'_, T> {
    /// The values of these types.
    pub fn decode(&mut self, types: &[Described], indices: &[usize], bytes: &[u8]) -> Decoded {
        let mut reader = Reader(bytes);
        let values = indices.iter().map(|index| self.read(types, *index, &mut reader)).collect::<Result<_>>();
        let whole = values.and_then(|values| {
            if reader.0.is_empty() { Ok(values) } else { bail!("values have more bytes than their types") }
        });
        (whole, self.take_lent())
    }

    fn read(&mut self, types: &[Described], index: usize, from: &mut Reader<'_>) -> Result<Val> {
        Ok(match nth(types, index)? {
            Described::Bool => Val::Bool(from.byte()? != 0),
            Described::S8 => Val::S8(from.byte()?.cast_signed()),
            Described::U8 => Val::U8(from.byte()?),
            Described::S16 => Val::S16(i16::from_le_bytes(from.array()?)),
            Described::U16 => Val::U16(u16::from_le_bytes(from.array()?)),
            Described::S32 => Val::S32(i32::from_le_bytes(from.array()?)),
            Described::U32 => Val::U32(from.number()?),
            Described::S64 => Val::S64(i64::from_le_bytes(from.array()?)),
            Described::U64 => Val::U64(u64::from_le_bytes(from.array()?)),
            Described::F32 => Val::Float32(f32::from_le_bytes(from.array()?)),
            Described::F64 => Val::Float64(f64::from_le_bytes(from.array()?)),
            Described::Char => Val::Char(letter(from.number()?)?),
            Described::String => {
                let length = from.length()?;
                Val::String(String::from_utf8(from.take(length)?.to_owned())?)
            }
            Described::List { of } => {
                let count = from.length()?;
                Val::List(self.read_many(types, *of, count, from)?)
            }
            Described::FixedList { of, length } => {
                let count = usize::try_from(*length)?;
                Val::FixedLengthList(self.read_many(types, *of, count, from)?)
            }
            Described::Record { fields } => {
                let read = |(name, of): &(String, usize)| Ok((name.clone(), self.read(types, *of, from)?));
                Val::Record(fields.iter().map(read).collect::<Result<_>>()?)
            }
            Described::Tuple { types: of } => {
                Val::Tuple(of.iter().map(|of| self.read(types, *of, from)).collect::<Result<_>>()?)
            }
            Described::Variant { cases } => {
                let (name, of) = nth(cases, from.length()?)?;
                Val::Variant(name.clone(), self.read_some(types, *of, from)?)
            }
            Described::Enum { names } => Val::Enum(nth(names, from.length()?)?.clone()),
            Described::Option { of } => {
                let of = if from.byte()? == 0 { None } else { Some(*of) };
                Val::Option(self.read_some(types, of, from)?)
            }
            Described::Result { ok, err } => Val::Result(match from.byte()? {
                0 => Ok(self.read_some(types, *ok, from)?),
                _ => Err(self.read_some(types, *err, from)?),
            }),
            Described::Flags { names } => {
                let bits = from.take(names.len().div_ceil(8))?;
                Val::Flags(set_of(names.iter(), bits).cloned().collect())
            }
            Described::Own { host, .. } => Val::Resource(self.lift(from.number()?, *host, true)?),
            Described::Borrow { host, .. } => Val::Resource(self.lift(from.number()?, *host, false)?),
            Described::Stream { of } => Val::Stream(self.lift_stream(*of, from)?),
            Described::Future { of } => Val::Future(self.lift_future(*of, from)?),
            Described::Unsupported { name } => bail!("{name} can't be handed over"),
        })
    }

    fn read_some(&mut self, types: &[Described], of: Option<usize>, from: &mut Reader<'_>) -> Result<Option<Box<Val>>> {
        of.map(|of| self.read(types, of, from).map(Box::new)).transpose()
    }

    pub(super) fn read_many(
        &mut self,
        types: &[Described],
        of: usize,
        count: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<Val>> {
        if let Some(Described::U8) = types.get(of) {
            return Ok(from.take(count)?.iter().map(|byte| Val::U8(*byte)).collect());
        }
        // The count may be a lie; bytes that are not there end the loop.
        let mut values = Vec::with_capacity(count.min(from.0.len()));
        for _ in 0..count {
            values.push(self.read(types, of, from)?);
        }
        Ok(values)
    }

    /// The bytes of values of these types, and what they lend to JavaScript.
    pub fn encode(&mut self, types: &[Described], indices: &[usize], values: &[Val]) -> Result<(Vec<u8>, Loans)> {
        let mut bytes = Vec::new();
        for (index, value) in indices.iter().zip(values) {
            self.write(types, *index, value, &mut bytes)?;
        }
        Ok((bytes, self.take_loans()))
    }

    pub(super) fn write(&mut self, types: &[Described], index: usize, value: &Val, to: &mut Vec<u8>) -> Result<()> {
        match (nth(types, index)?, value) {
            (_, Val::Bool(value)) => to.push((*value).into()),
            (_, Val::S8(value)) => to.push(value.cast_unsigned()),
            (_, Val::U8(value)) => to.push(*value),
            (_, Val::S16(value)) => to.extend(value.to_le_bytes()),
            (_, Val::U16(value)) => to.extend(value.to_le_bytes()),
            (_, Val::S32(value)) => to.extend(value.to_le_bytes()),
            (_, Val::U32(value)) => to.extend(value.to_le_bytes()),
            (_, Val::S64(value)) => to.extend(value.to_le_bytes()),
            (_, Val::U64(value)) => to.extend(value.to_le_bytes()),
            (_, Val::Float32(value)) => to.extend(value.to_le_bytes()),
            (_, Val::Float64(value)) => to.extend(value.to_le_bytes()),
            (_, Val::Char(value)) => to.extend(u32::from(*value).to_le_bytes()),
            (_, Val::String(text)) => {
                write_length(text.len(), to)?;
                to.extend_from_slice(text.as_bytes());
            }
            (Described::List { of }, Val::List(values)) => {
                write_length(values.len(), to)?;
                self.write_many(types, *of, values, to)?;
            }
            (Described::FixedList { of, .. }, Val::FixedLengthList(values)) => {
                self.write_many(types, *of, values, to)?;
            }
            (Described::Record { fields }, Val::Record(values)) => {
                for ((_, of), (_, value)) in fields.iter().zip(values) {
                    self.write(types, *of, value, to)?;
                }
            }
            (Described::Tuple { types: of }, Val::Tuple(values)) => {
                for (of, value) in of.iter().zip(values) {
                    self.write(types, *of, value, to)?;
                }
            }
            (Described::Variant { cases }, Val::Variant(name, payload)) => {
                let case = cases.iter().position(|(case, _)| case == name).unwrap_or(cases.len());
                let (_, of) = nth(cases, case)?;
                write_length(case, to)?;
                self.write_some(types, *of, payload.as_deref(), to)?;
            }
            (Described::Enum { names }, Val::Enum(name)) => {
                write_length(names.iter().position(|one| one == name).unwrap_or(names.len()), to)?;
            }
            (Described::Option { of }, Val::Option(payload)) => {
                to.push(payload.is_some().into());
                self.write_some(types, Some(*of), payload.as_deref(), to)?;
            }
            (Described::Result { ok, err }, Val::Result(result)) => {
                to.push(result.is_err().into());
                let (of, payload) = match result {
                    Ok(payload) => (ok, payload),
                    Err(payload) => (err, payload),
                };
                self.write_some(types, *of, payload.as_deref(), to)?;
            }
            (Described::Flags { names }, Val::Flags(set)) => {
                let start = to.len();
                to.resize(start + names.len().div_ceil(8), 0);
                for (index, _) in names.iter().enumerate().filter(|(_, name)| set.contains(name)) {
                    if let Some(byte) = to.get_mut(start + index / 8) {
                        *byte |= 1 << (index % 8);
                    }
                }
            }
            (Described::Own { host, .. }, Val::Resource(any)) => {
                to.extend(self.lower(*any, *host, true)?.to_le_bytes())
            }
            (Described::Borrow { host, .. }, Val::Resource(any)) => {
                to.extend(self.lower(*any, *host, false)?.to_le_bytes());
            }
            (Described::Stream { of }, Val::Stream(any)) => {
                to.extend(self.lower_written(Written::Stream(any.clone()), *of)?.to_le_bytes());
            }
            (Described::Future { of }, Val::Future(any)) => {
                to.extend(self.lower_written(Written::Future(any.clone()), *of)?.to_le_bytes());
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    fn write_some(
        &mut self,
        types: &[Described],
        of: Option<usize>,
        value: Option<&Val>,
        to: &mut Vec<u8>,
    ) -> Result<()> {
        match (of, value) {
            (Some(of), Some(value)) => self.write(types, of, value, to),
            _ => Ok(()),
        }
    }

    fn write_many(&mut self, types: &[Described], of: usize, values: &[Val], to: &mut Vec<u8>) -> Result<()> {
        values.iter().try_for_each(|value| self.write(types, of, value, to))
    }
}

/// Appends a length.
pub fn write_length(length: usize, to: &mut Vec<u8>) -> Result<()> {
    to.extend(u32::try_from(length)?.to_le_bytes());
    Ok(())
}

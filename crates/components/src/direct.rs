//! Calls of functions that take and return numbers, strings and lists of numbers: bytes go straight into the
//! guest's memory and out of it. (As [`Val`](wasmtime::component::Val), a byte takes 32.)
//!
//! One of the addresses of `unsafe`: wasmtime has typed functions for types that are known when it is
//! compiled, and these types are known when a component is loaded. So the types here stand for any, and look
//! up what they are at each call, in the type of the function that wasmtime hands them.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use crate::description::{Described, Function};
use crate::values::{Reader, letter, wrong};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::Arc;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Error, Result, ValRaw, bail};

/// The most core values that are passed without memory.
const MOST_FLAT: usize = 16;

/// The result of a function, as core values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nothing,
    /// A number.
    Number,
    /// A string or list, in memory.
    Bytes,
    /// A `result` of such, or of nothing.
    Result,
}

/// A function that is called directly.
#[derive(Clone, Copy, Debug)]
pub struct Direct(Shape);

/// The bytes of an element of a list of numbers; none for another type.
const fn size_of_number(ty: &Described) -> Option<usize> {
    Some(match ty {
        Described::S8 | Described::U8 => 1,
        Described::S16 | Described::U16 => 2,
        Described::S32 | Described::U32 | Described::F32 => 4,
        Described::S64 | Described::U64 | Described::F64 => 8,
        _ => return None,
    })
}

/// The core values of a parameter; none for one that is not passed directly.
fn flat(types: &[Described], index: usize) -> Option<usize> {
    match types.get(index)? {
        Described::Bool | Described::Char => Some(1),
        Described::String => Some(2),
        Described::List { of } => size_of_number(types.get(*of)?).map(|_| 2),
        ty => size_of_number(ty).map(|_| 1),
    }
}

impl Direct {
    /// The direct way to call a function of these types, if there is one.
    pub fn of(types: &[Described], function: &Function) -> Option<Self> {
        let params = function.params.iter().map(|(_, ty)| flat(types, *ty)).sum::<Option<usize>>()?;
        let pair = |ty: Option<usize>| ty.is_none_or(|ty| flat(types, ty) == Some(2));
        let shape = match function.result.map(|ty| (types.get(ty), flat(types, ty))) {
            None => Shape::Nothing,
            Some((_, Some(1))) => Shape::Number,
            Some((_, Some(_))) => Shape::Bytes,
            Some((Some(Described::Result { ok, err }), None)) => {
                let is_pointed = ok.is_some() || err.is_some();
                if is_pointed && pair(*ok) && pair(*err) { Shape::Result } else { return None }
            }
            _ => return None,
        };
        (params <= MOST_FLAT).then_some(Self(shape))
    }

    /// Calls the function, of this type, with the bytes of its parameters. The result is the bytes of its
    /// own.
    pub fn call(self, func: Func, store: impl AsContextMut, args: &[u8]) -> Result<Vec<u8>> {
        let args = Args(args);
        // SAFETY: `of` has found that the function takes parameters of the types that `Args` writes, in no
        // more core values than it has, and returns what the type chosen here reads.
        unsafe {
            Ok(match self.0 {
                Shape::Nothing => TypedFunc::<Args, ()>::new_unchecked(func).call(store, args).map(|()| Vec::new())?,
                Shape::Number => TypedFunc::<Args, Number>::new_unchecked(func).call(store, args)?.0,
                Shape::Bytes => TypedFunc::<Args, Bytes>::new_unchecked(func).call(store, args)?.0,
                Shape::Result => TypedFunc::<Args, Outcome>::new_unchecked(func).call(store, args)?.0,
            })
        }
    }
}

/// The parameters of a function, as bytes.
struct Args<'b>(&'b [u8]);

/// A result that is a number; a string or list; a `result` of such. Bytes.
struct Number(Vec<u8>);
struct Bytes(Vec<u8>);
struct Outcome(Vec<u8>);

/// A `result` of two pointers: a byte, and a pointer and a length.
const RESULT: CanonicalAbiInfo =
    CanonicalAbiInfo { size32: 12, align32: 4, size64: 24, align64: 8, flat_count: Some(3) };

/// Implements what a type is, for one that `Direct::of` has checked itself.
macro_rules! checked_elsewhere {
    ($($name:ty: $flat:expr, $abi:expr;)*) => {$(
        // SAFETY: `Lower` has as many core values as the type, or more where nothing reads them; a function
        // is never asked whether it has this type.
        unsafe impl ComponentType for $name {
            type Lower = [ValRaw; $flat];
            const ABI: CanonicalAbiInfo = $abi;

            fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
                bail!("it is checked elsewhere")
            }
        }

        // SAFETY: it stands for a list of parameters, or of one result.
        unsafe impl ComponentNamedList for $name {}
    )*};
}

checked_elsewhere! {
    Args<'_>: MOST_FLAT, CanonicalAbiInfo::POINTER_PAIR;
    Number: 1, CanonicalAbiInfo::SCALAR8;
    Bytes: 2, CanonicalAbiInfo::POINTER_PAIR;
    Outcome: 3, RESULT;
}

/// The bytes of a number in memory.
fn size_of(ty: InterfaceType) -> Result<usize> {
    Ok(match ty {
        InterfaceType::S8 | InterfaceType::U8 => 1,
        InterfaceType::S16 | InterfaceType::U16 => 2,
        InterfaceType::S32 | InterfaceType::U32 | InterfaceType::Float32 => 4,
        InterfaceType::S64 | InterfaceType::U64 | InterfaceType::Float64 => 8,
        _ => return Err(wrong()),
    })
}

/// Writes a number as a core value.
fn lower_number(ty: InterfaceType, from: &mut Reader<'_>) -> Result<ValRaw> {
    Ok(match ty {
        InterfaceType::Bool => ValRaw::u32((from.array()? != [0]).into()),
        InterfaceType::U8 => ValRaw::u32(u8::from_le_bytes(from.array()?).into()),
        InterfaceType::S8 => ValRaw::i32(i8::from_le_bytes(from.array()?).into()),
        InterfaceType::U16 => ValRaw::u32(u16::from_le_bytes(from.array()?).into()),
        InterfaceType::S16 => ValRaw::i32(i16::from_le_bytes(from.array()?).into()),
        InterfaceType::U32 | InterfaceType::S32 => ValRaw::u32(from.number()?),
        InterfaceType::U64 | InterfaceType::S64 => ValRaw::u64(u64::from_le_bytes(from.array()?)),
        InterfaceType::Float32 => ValRaw::f32(from.number()?),
        InterfaceType::Float64 => ValRaw::f64(u64::from_le_bytes(from.array()?)),
        InterfaceType::Char => ValRaw::u32(letter(from.number()?)?.into()),
        _ => return Err(wrong()),
    })
}

/// Copies a list of numbers into the guest's memory. The results are its address and its length.
fn lower_list<T>(cx: &mut LowerContext<'_, T>, element: InterfaceType, from: &mut Reader<'_>) -> Result<[ValRaw; 2]> {
    let (size, count) = (size_of(element)?, from.length()?);
    let content = from.take(count.checked_mul(size).ok_or_else(wrong)?)?;
    let address = cx.realloc(0, 0, u32::try_from(size)?, content.len())?;
    let end = address.checked_add(content.len()).ok_or_else(wrong)?;
    cx.as_slice_mut().get_mut(address..end).ok_or_else(wrong)?.copy_from_slice(content);
    Ok([ValRaw::u64(address as u64), ValRaw::u64(count as u64)])
}

// SAFETY: it writes a core value for each that the parameters have, by their own types.
unsafe impl Lower for Args<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<[ValRaw; MOST_FLAT]>,
    ) -> Result<()> {
        let InterfaceType::Tuple(params) = ty else { return Err(wrong()) };
        let types = cx.types;
        // SAFETY: an array that may not be initialised is an array of values that may not be.
        let slots = unsafe { &mut *dst.as_mut_ptr().cast::<[MaybeUninit<ValRaw>; MOST_FLAT]>() };
        let (mut from, mut slots) = (Reader(self.0), slots.iter_mut());
        let mut put = |value| {
            slots.next().ok_or_else(wrong)?.write(value);
            Ok::<_, Error>(())
        };
        for ty in &types[params].types {
            match *ty {
                InterfaceType::String => {
                    let length = from.length()?;
                    let text = std::str::from_utf8(from.take(length)?)?;
                    let mut pair = MaybeUninit::<[ValRaw; 2]>::uninit();
                    text.linear_lower_to_flat(cx, *ty, &mut pair)?;
                    // SAFETY: it was written, or the call has failed.
                    unsafe { pair.assume_init() }.into_iter().try_for_each(&mut put)?;
                }
                InterfaceType::List(list) => {
                    lower_list(cx, types[list].element, &mut from)?.into_iter().try_for_each(&mut put)?;
                }
                number => put(lower_number(number, &mut from)?)?,
            }
        }
        if from.0.is_empty() { Ok(()) } else { Err(wrong()) }
    }

    fn linear_lower_to_memory<T>(&self, _: &mut LowerContext<'_, T>, _: InterfaceType, _: usize) -> Result<()> {
        Err(wrong()) // there are never too many parameters
    }
}

/// The type of the only result.
fn result_of(cx: &LiftContext<'_>, ty: InterfaceType) -> Result<InterfaceType> {
    let InterfaceType::Tuple(results) = ty else { return Err(wrong()) };
    cx.types[results].types.first().copied().ok_or_else(wrong)
}

// SAFETY: it reads one core value, by the type of the result.
unsafe impl Lift for Number {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &[ValRaw; 1]) -> Result<Self> {
        let ([raw], ty) = (src, result_of(cx, ty)?);
        let bytes = match ty {
            InterfaceType::Bool => vec![bool::linear_lift_from_flat(cx, ty, raw)?.into()],
            InterfaceType::Char => u32::from(char::linear_lift_from_flat(cx, ty, raw)?).to_le_bytes().into(),
            InterfaceType::U64 | InterfaceType::S64 | InterfaceType::Float64 => raw.get_u64().to_le_bytes().into(),
            number => {
                let size = size_of(number)?;
                raw.get_u32().to_le_bytes().into_iter().take(size).collect()
            }
        };
        Ok(Self(bytes))
    }

    fn linear_lift_from_memory(_: &mut LiftContext<'_>, _: InterfaceType, _: &[u8]) -> Result<Self> {
        Err(wrong()) // one value is never in memory
    }
}

/// The bytes of a list of numbers, each of `size`, at an address in the guest's memory.
fn content<'c>(cx: &'c mut LiftContext<'_>, size: usize, start: usize, count: usize) -> Result<&'c [u8]> {
    let length = count.checked_mul(size).ok_or_else(wrong)?;
    if !start.is_multiple_of(size) {
        bail!("list pointer is not aligned");
    }
    cx.consume_fuel(length)?;
    let end = start.checked_add(length).ok_or_else(wrong)?;
    let all = cx.memory().get(start..end);
    all.ok_or_else(|| Error::msg("list pointer/length out of bounds of memory"))
}

/// Appends a string or list, whose address and length are in these bytes.
fn lift_pair(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8], to: &mut Vec<u8>) -> Result<()> {
    let text;
    let (count, content) = match ty {
        InterfaceType::String => {
            text = String::linear_lift_from_memory(cx, ty, bytes)?;
            (text.len(), text.as_bytes())
        }
        InterfaceType::List(list) => {
            let (mut pair, size) = (Reader(bytes), size_of(cx.types[list].element)?);
            let (start, count) = (pair.length()?, pair.length()?);
            (count, content(cx, size, start, count)?)
        }
        _ => return Err(wrong()),
    };
    to.reserve(content.len());
    to.extend(u32::try_from(count)?.to_le_bytes());
    to.extend_from_slice(content);
    Ok(())
}

// SAFETY: it reads a string or list by the pair in memory, which is checked against the memory.
unsafe impl Lift for Bytes {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &[ValRaw; 2]) -> Result<Self> {
        Err(wrong()) // two values are always in memory
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let (ty, mut to) = (result_of(cx, ty)?, Vec::new());
        lift_pair(cx, ty, bytes, &mut to)?;
        Ok(Self(to))
    }
}

// SAFETY: it reads a case, and by that a string or list, as above.
unsafe impl Lift for Outcome {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &[ValRaw; 3]) -> Result<Self> {
        Err(wrong()) // three values are always in memory
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let InterfaceType::Result(ty) = result_of(cx, ty)? else { return Err(wrong()) };
        let (head, pair) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        let (case, ty) = match head {
            [0, ..] => (0, cx.types[ty].ok),
            [1, ..] => (1, cx.types[ty].err),
            _ => bail!("invalid expected discriminant"),
        };
        let mut to = vec![case];
        if let Some(ty) = ty {
            lift_pair(cx, ty, pair, &mut to)?;
        }
        Ok(Self(to))
    }
}

/// A `list<u8>` on its way between a guest and a system call, behind room for what the call is told of it.
/// So it is copied once.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// More may be there than is in use.
    all: Arc<Vec<u8>>,
    /// Its bytes, from [`Self::START`] on.
    len: usize,
}

impl Block {
    /// The offset of its bytes.
    pub const START: u32 = 16;

    const HEAD: usize = Self::START as usize;

    /// Zeros.
    pub fn zeros(len: usize) -> Self {
        Self { all: Arc::new(vec![0; Self::HEAD.saturating_add(len)]), len }
    }

    /// Room for bytes, behind the rest. They take the place of those before, which a block that shares them
    /// keeps.
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        let whole = Self::HEAD.saturating_add(len);
        if Arc::strong_count(&self.all) > 1 || self.all.len() < whole {
            self.all = Arc::new(vec![0; whole]);
        }
        self.len = len;
        Arc::get_mut(&mut self.all).and_then(|all| all.get_mut(..whole)).unwrap_or_default()
    }

    /// The first of its bytes, shared with it.
    pub fn first(&self, len: usize) -> Self {
        Self { all: Arc::clone(&self.all), len: len.min(self.len) }
    }

    /// Its bytes, and the room before them.
    pub fn whole(&mut self) -> &mut [u8] {
        Arc::make_mut(&mut self.all).get_mut(..Self::HEAD.saturating_add(self.len)).unwrap_or_default()
    }
}

impl From<&[u8]> for Block {
    fn from(bytes: &[u8]) -> Self {
        let mut all = Vec::with_capacity(Self::HEAD.saturating_add(bytes.len()));
        all.resize(Self::HEAD, 0);
        all.extend_from_slice(bytes);
        Self { all: Arc::new(all), len: bytes.len() }
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.all.get(Self::HEAD..).and_then(|bytes| bytes.get(..self.len)).unwrap_or_default()
    }
}

/// A `list<u8>`, as wasmtime has it.
type List = [u8];

// SAFETY: it has the type and the core values of a list of bytes.
unsafe impl ComponentType for Block {
    type Lower = <List as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <List as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <List as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: a list of bytes is written.
unsafe impl Lower for Block {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        (**self).linear_lower_to_flat(cx, ty, dst)
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        (**self).linear_lower_to_memory(cx, ty, offset)
    }
}

// SAFETY: a list of bytes is read, by a pair that is checked against the memory.
unsafe impl Lift for Block {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, _: InterfaceType, src: &Self::Lower) -> Result<Self> {
        let [start, len] = src.map(|raw| raw.get_u32());
        Ok(content(cx, 1, usize::try_from(start)?, usize::try_from(len)?)?.into())
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, _: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let mut pair = Reader(bytes);
        let (start, len) = (pair.length()?, pair.length()?);
        Ok(content(cx, 1, start, len)?.into())
    }
}

/// A value of type `R`, whose bytes go into the guest's memory at once if they are known: `N` of them.
#[derive(Debug)]
pub enum Quick<R, const N: usize> {
    /// Its bytes.
    Bytes([u8; N]),
    /// The same, with a list in it, whose address and length are at an offset.
    List([u8; N], usize, Block),
    /// The same with a string.
    Text([u8; N], usize, String),
    /// Another value, which wasmtime writes, part by part.
    Value(R),
}

// SAFETY: it has the type and the core values of `R`.
unsafe impl<R: ComponentType, const N: usize> ComponentType for Quick<R, N> {
    type Lower = R::Lower;
    const ABI: CanonicalAbiInfo = R::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        R::typecheck(ty, types)
    }
}

// SAFETY: a value is written as `R` writes it, or in as many bytes as one takes.
unsafe impl<R: Lower, const N: usize> Lower for Quick<R, N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        match self {
            Self::Value(value) => value.linear_lower_to_flat(cx, ty, dst),
            _ => Err(wrong()), // more than one core value is always in memory
        }
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        const { assert!(N == R::SIZE32) };
        match self {
            Self::Bytes(bytes) => {
                *cx.get(offset) = *bytes;
                Ok(())
            }
            Self::List(bytes, at, list) => {
                let (mut bytes, len) = (*bytes, list.len());
                let address = cx.realloc(0, 0, 1, len)?;
                let memory = cx.as_slice_mut();
                let place = memory.get_mut(address..).and_then(|to| to.get_mut(..len)).ok_or_else(wrong)?;
                place.copy_from_slice(list);
                for (at, number) in [(*at, address), (at.saturating_add(4), len)] {
                    let place = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut).ok_or_else(wrong)?;
                    *place = u32::try_from(number)?.to_le_bytes();
                }
                *memory.get_mut(offset..).and_then(<[u8]>::first_chunk_mut).ok_or_else(wrong)? = bytes;
                Ok(())
            }
            Self::Text(bytes, at, text) => {
                *cx.get(offset) = *bytes;
                text.as_str().linear_lower_to_memory(cx, InterfaceType::String, offset.saturating_add(*at))
            }
            Self::Value(value) => value.linear_lower_to_memory(cx, ty, offset),
        }
    }
}

//! Values of any type in streams and futures, in the guest's memory.
//!
//! One of the addresses of `unsafe`: wasmtime has streams of types that are known when it is compiled, and
//! these types are known when a component is loaded. So one type stands for any. Its size is none, for
//! wasmtime; the true one is looked up in the type that wasmtime hands it, and so are the bounds.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use crate::values::{set_of, wrong};
use std::cell::Cell;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext};
use wasmtime::component::{ComponentType, FutureAny, Lift, Lower, ResourceAny, StreamAny, Val};
use wasmtime::{Error, Result, ValRaw, bail};

/// A value of a stream or future: of a type that has lists or strings in it, or not. (Only the former need
/// memory of the guest. To allocate it, wasmtime enters the task that has begun to read, which may be over.)
#[derive(Debug)]
pub struct Element<const ALLOCATES: bool>(pub Val);

thread_local! {
    /// The number of the element that is read next: wasmtime tells only where the first one is.
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Reads elements of one write from a guest's memory: has `read` do so, from the first one on.
pub fn reading<R>(read: impl FnOnce() -> R) -> R {
    NEXT.set(0);
    read()
}

/// The error for what is not in the memory.
fn outside() -> Error {
    Error::msg("a value is out of bounds of memory")
}

// SAFETY: it takes no bytes and no core values, so wasmtime reads and writes none itself; its own functions
// look at no memory but by checked slices.
unsafe impl<const ALLOCATES: bool> ComponentType for Element<ALLOCATES> {
    type Lower = [ValRaw; 0];
    const MAY_REQUIRE_REALLOC: bool = ALLOCATES;
    const ABI: CanonicalAbiInfo =
        CanonicalAbiInfo { size32: 0, align32: 1, size64: 0, align64: 1, flat_count: Some(0) };

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(()) // by each value
    }
}

// SAFETY: it reads a value of the type that it is handed, within the memory.
unsafe impl<const ALLOCATES: bool> Lift for Element<ALLOCATES> {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &[ValRaw; 0]) -> Result<Self> {
        Err(wrong()) // elements are always in memory
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let number = NEXT.replace(NEXT.get().wrapping_add(1));
        let [size, align] = size_and_align(cx.types.canonical_abi(&ty));
        // The empty slice is where the first element begins.
        let first = bytes.as_ptr().addr().wrapping_sub(cx.memory().as_ptr().addr());
        if !first.is_multiple_of(align) {
            bail!("write pointer not aligned");
        }
        let at = number.checked_mul(size).and_then(|offset| first.checked_add(offset)).ok_or_else(outside)?;
        load(cx, ty, at).map(Self)
    }
}

// SAFETY: it writes a value of the type that it is handed, within the memory, or fails.
unsafe impl<const ALLOCATES: bool> Lower for Element<ALLOCATES> {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<[ValRaw; 0]>,
    ) -> Result<()> {
        Err(wrong()) // elements are always in memory
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, at: usize) -> Result<()> {
        store(cx, ty, at, &self.0)
    }

    fn linear_store_list_to_memory<T>(
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
        items: &[Self],
    ) -> Result<()> {
        let [size, align] = size_and_align(cx.types.canonical_abi(&ty));
        if !at.is_multiple_of(align) {
            bail!("read pointer not aligned");
        }
        let length = items.len().checked_mul(size).ok_or_else(outside)?;
        cx.as_slice_mut().get(at..).and_then(|rest| rest.get(..length)).ok_or_else(outside)?;
        for (index, Self(value)) in items.iter().enumerate() {
            store(cx, ty, at.wrapping_add(index.wrapping_mul(size)), value)?;
        }
        Ok(())
    }
}

fn size_and_align(abi: &CanonicalAbiInfo) -> [usize; 2] {
    [abi.size32, abi.align32].map(|number| number as usize)
}

/// The bytes of a type in memory.
fn size_of_type(cx: &LiftContext<'_>, ty: InterfaceType) -> usize {
    cx.types.canonical_abi(&ty).size32 as usize
}

/// So many bytes of the memory.
fn bytes_at<'m>(cx: &LiftContext<'m>, at: usize, count: usize) -> Result<&'m [u8]> {
    cx.memory().get(at..).and_then(|rest| rest.get(..count)).ok_or_else(outside)
}

/// A number of so many bytes of the memory, of four at most.
fn number_at(cx: &LiftContext<'_>, at: usize, size: usize) -> Result<usize> {
    let mut number = [0; 4];
    number.iter_mut().zip(bytes_at(cx, at, size)?).for_each(|(to, from)| *to = *from);
    Ok(u32::from_le_bytes(number) as usize)
}

/// The fields of a record or tuple: where each begins, from the beginning of the whole.
fn places<'t>(
    abi_of: impl Fn(&InterfaceType) -> &'t CanonicalAbiInfo + 't,
    types: impl Iterator<Item = InterfaceType> + 't,
) -> impl Iterator<Item = (InterfaceType, usize)> + 't {
    let mut offset = 0;
    types.map(move |ty| (ty, abi_of(&ty).next_field32(&mut offset) as usize))
}

/// The value of this type at a place of the memory.
fn load(cx: &mut LiftContext<'_>, ty: InterfaceType, at: usize) -> Result<Val> {
    macro_rules! lift {
        ($type:ty) => {{
            let bytes = bytes_at(cx, at, size_of_type(cx, ty))?;
            <$type>::linear_lift_from_memory(cx, ty, bytes)?
        }};
    }
    let types = cx.types;
    Ok(match ty {
        InterfaceType::Bool => Val::Bool(lift!(bool)),
        InterfaceType::S8 => Val::S8(lift!(i8)),
        InterfaceType::U8 => Val::U8(lift!(u8)),
        InterfaceType::S16 => Val::S16(lift!(i16)),
        InterfaceType::U16 => Val::U16(lift!(u16)),
        InterfaceType::S32 => Val::S32(lift!(i32)),
        InterfaceType::U32 => Val::U32(lift!(u32)),
        InterfaceType::S64 => Val::S64(lift!(i64)),
        InterfaceType::U64 => Val::U64(lift!(u64)),
        InterfaceType::Float32 => Val::Float32(lift!(f32)),
        InterfaceType::Float64 => Val::Float64(lift!(f64)),
        InterfaceType::Char => Val::Char(lift!(char)),
        InterfaceType::String => Val::String(lift!(String)),
        InterfaceType::Own(_) => Val::Resource(lift!(ResourceAny)),
        InterfaceType::Stream(_) => Val::Stream(lift!(StreamAny)),
        InterfaceType::Future(_) => Val::Future(lift!(FutureAny)),
        InterfaceType::List(list) => {
            let element = types[list].element;
            let [size, align] = size_and_align(types.canonical_abi(&element));
            let first = number_at(cx, at, 4)?;
            let count = number_at(cx, at.wrapping_add(4), 4)?;
            if !first.is_multiple_of(align) {
                bail!("list pointer is not aligned");
            }
            bytes_at(cx, first, count.checked_mul(size).ok_or_else(outside)?)?;
            Val::List(load_many(cx, element, first, count)?)
        }
        InterfaceType::FixedLengthList(list) => {
            let count = types[list].size as usize;
            Val::FixedLengthList(load_many(cx, types[list].element, at, count)?)
        }
        InterfaceType::Record(record) => {
            let fields = &types[record].fields;
            cx.consume_fuel_array(fields.len(), size_of::<Val>())?;
            let places = places(|ty| types.canonical_abi(ty), fields.iter().map(|field| field.ty));
            let mut loaded = Vec::with_capacity(fields.len());
            for (field, (ty, offset)) in fields.iter().zip(places) {
                cx.consume_fuel(field.name.len())?;
                loaded.push((field.name.clone(), load(cx, ty, at.wrapping_add(offset))?));
            }
            Val::Record(loaded)
        }
        InterfaceType::Tuple(tuple) => {
            let members = &types[tuple].types;
            cx.consume_fuel_array(members.len(), size_of::<Val>())?;
            let places = places(|ty| types.canonical_abi(ty), members.iter().copied());
            Val::Tuple(places.map(|(ty, offset)| load(cx, ty, at.wrapping_add(offset))).collect::<Result<_>>()?)
        }
        InterfaceType::Variant(variant) => {
            let variant = &types[variant];
            let (name, of) = variant.cases.get_index(case_at(cx, &variant.info, at)?).ok_or_else(wrong)?;
            cx.consume_fuel(name.len())?;
            Val::Variant(name.clone(), load_payload(cx, &variant.info, *of, at)?)
        }
        InterfaceType::Enum(names) => {
            let ty = &types[names];
            let name = ty.names.iter().nth(case_at(cx, &ty.info, at)?).ok_or_else(wrong)?;
            cx.consume_fuel(name.len())?;
            Val::Enum(name.clone())
        }
        InterfaceType::Option(option) => {
            let option = &types[option];
            Val::Option(match case_at(cx, &option.info, at)? {
                0 => None,
                1 => load_payload(cx, &option.info, Some(option.ty), at)?,
                _ => return Err(wrong()),
            })
        }
        InterfaceType::Result(result) => {
            let result = &types[result];
            Val::Result(match case_at(cx, &result.info, at)? {
                0 => Ok(load_payload(cx, &result.info, result.ok, at)?),
                1 => Err(load_payload(cx, &result.info, result.err, at)?),
                _ => return Err(wrong()),
            })
        }
        InterfaceType::Flags(flags) => {
            let names = &types[flags].names;
            let bits = bytes_at(cx, at, size_of_type(cx, ty))?;
            let set: Vec<_> = set_of(names.iter(), bits).collect();
            for name in &set {
                cx.consume_fuel_array(1, size_of::<String>())?;
                cx.consume_fuel(name.len())?;
            }
            Val::Flags(set.into_iter().cloned().collect())
        }
        InterfaceType::Borrow(_) | InterfaceType::Map(_) | InterfaceType::ErrorContext(_) => return Err(wrong()),
    })
}

fn load_many(cx: &mut LiftContext<'_>, of: InterfaceType, first: usize, count: usize) -> Result<Vec<Val>> {
    cx.consume_fuel_array(count, size_of::<Val>())?;
    let size = size_of_type(cx, of);
    (0..count).map(|index| load(cx, of, first.wrapping_add(index.wrapping_mul(size)))).collect()
}

/// The number of the case of a variant or the like.
fn case_at(cx: &LiftContext<'_>, info: &VariantInfo, at: usize) -> Result<usize> {
    number_at(cx, at, usize::from(info.size))
}

fn load_payload(
    cx: &mut LiftContext<'_>,
    info: &VariantInfo,
    of: Option<InterfaceType>,
    at: usize,
) -> Result<Option<Box<Val>>> {
    let Some(of) = of else { return Ok(None) };
    cx.consume_fuel(size_of::<Val>())?;
    Ok(Some(Box::new(load(cx, of, at.wrapping_add(info.payload_offset32 as usize))?)))
}

/// Writes bytes at a place of the memory.
fn put<T>(cx: &mut LowerContext<'_, T>, at: usize, bytes: &[u8]) -> Result<()> {
    let room = cx.as_slice_mut().get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
    room.ok_or_else(outside)?.copy_from_slice(bytes);
    Ok(())
}

/// Writes a value of this type at a place of the memory, where there is room for it.
fn store<T>(cx: &mut LowerContext<'_, T>, ty: InterfaceType, at: usize, value: &Val) -> Result<()> {
    let types = cx.types;
    match (ty, value) {
        (InterfaceType::Bool, Val::Bool(value)) => put(cx, at, &[(*value).into()]),
        (InterfaceType::S8, Val::S8(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::U8, Val::U8(value)) => put(cx, at, &[*value]),
        (InterfaceType::S16, Val::S16(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::U16, Val::U16(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::S32, Val::S32(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::U32, Val::U32(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::S64, Val::S64(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::U64, Val::U64(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::Float32, Val::Float32(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::Float64, Val::Float64(value)) => put(cx, at, &value.to_le_bytes()),
        (InterfaceType::Char, Val::Char(value)) => put(cx, at, &u32::from(*value).to_le_bytes()),
        (InterfaceType::String, Val::String(text)) => lower(cx, ty, at, text),
        (InterfaceType::Own(_), Val::Resource(any)) => lower(cx, ty, at, any),
        (InterfaceType::Stream(_), Val::Stream(any)) => lower(cx, ty, at, any),
        (InterfaceType::Future(_), Val::Future(any)) => lower(cx, ty, at, any),
        (InterfaceType::List(list), Val::List(values)) => {
            let element = types[list].element;
            let [size, align] = size_and_align(types.canonical_abi(&element));
            let length = values.len().checked_mul(size).ok_or_else(outside)?;
            let first = cx.realloc(0, 0, u32::try_from(align)?, length)?;
            store_many(cx, element, first, values)?;
            put(cx, at, &u32::try_from(first)?.to_le_bytes())?;
            put(cx, at.wrapping_add(4), &u32::try_from(values.len())?.to_le_bytes())
        }
        (InterfaceType::FixedLengthList(list), Val::FixedLengthList(values)) => {
            if values.len() != types[list].size as usize {
                return Err(wrong());
            }
            store_many(cx, types[list].element, at, values)
        }
        (InterfaceType::Record(record), Val::Record(values)) => {
            let fields = types[record].fields.iter().map(|field| field.ty);
            store_each(cx, fields, at, values.iter().map(|(_, value)| value))
        }
        (InterfaceType::Tuple(tuple), Val::Tuple(values)) => {
            store_each(cx, types[tuple].types.iter().copied(), at, values.iter())
        }
        (InterfaceType::Variant(variant), Val::Variant(name, payload)) => {
            let variant = &types[variant];
            let (case, _, of) = variant.cases.get_full(name).ok_or_else(wrong)?;
            store_case(cx, &variant.info, at, case, *of, payload.as_deref())
        }
        (InterfaceType::Enum(names), Val::Enum(name)) => {
            let ty = &types[names];
            store_case(cx, &ty.info, at, ty.names.get_index_of(name).ok_or_else(wrong)?, None, None)
        }
        (InterfaceType::Option(option), Val::Option(payload)) => {
            let (option, is_some) = (&types[option], payload.is_some());
            store_case(cx, &option.info, at, is_some.into(), is_some.then_some(option.ty), payload.as_deref())
        }
        (InterfaceType::Result(result), Val::Result(outcome)) => {
            let result = &types[result];
            let (case, of, payload) = match outcome {
                Ok(payload) => (0, result.ok, payload),
                Err(payload) => (1, result.err, payload),
            };
            store_case(cx, &result.info, at, case, of, payload.as_deref())
        }
        (InterfaceType::Flags(flags), Val::Flags(set)) => {
            let names = &types[flags].names;
            let [size, _] = size_and_align(types.canonical_abi(&ty));
            let mut bits = vec![0_u8; size];
            for name in set {
                let index = names.get_index_of(name).ok_or_else(wrong)?;
                *bits.get_mut(index / 8).ok_or_else(wrong)? |= 1 << (index % 8);
            }
            put(cx, at, &bits)
        }
        _ => Err(wrong()),
    }
}

/// Writes a value as wasmtime does, which relies on room for it.
fn lower<T>(cx: &mut LowerContext<'_, T>, ty: InterfaceType, at: usize, value: &impl Lower) -> Result<()> {
    let [size, _] = size_and_align(cx.types.canonical_abi(&ty));
    cx.as_slice_mut().get(at..).and_then(|rest| rest.get(..size)).ok_or_else(outside)?;
    value.linear_lower_to_memory(cx, ty, at)
}

fn store_many<T>(cx: &mut LowerContext<'_, T>, of: InterfaceType, first: usize, values: &[Val]) -> Result<()> {
    let [size, _] = size_and_align(cx.types.canonical_abi(&of));
    let mut at = first;
    for value in values {
        store(cx, of, at, value)?;
        at = at.wrapping_add(size);
    }
    Ok(())
}

fn store_each<'v, T>(
    cx: &mut LowerContext<'_, T>,
    of: impl ExactSizeIterator<Item = InterfaceType>,
    at: usize,
    values: impl ExactSizeIterator<Item = &'v Val>,
) -> Result<()> {
    if of.len() != values.len() {
        return Err(wrong());
    }
    let types = cx.types;
    for ((ty, offset), value) in places(|ty| types.canonical_abi(ty), of).zip(values) {
        store(cx, ty, at.wrapping_add(offset), value)?;
    }
    Ok(())
}

fn store_case<T>(
    cx: &mut LowerContext<'_, T>,
    info: &VariantInfo,
    at: usize,
    case: usize,
    of: Option<InterfaceType>,
    payload: Option<&Val>,
) -> Result<()> {
    let number = u32::try_from(case)?.to_le_bytes();
    put(cx, at, number.get(..usize::from(info.size)).unwrap_or_default())?;
    match (of, payload) {
        (Some(of), Some(payload)) => store(cx, of, at.wrapping_add(info.payload_offset32 as usize), payload),
        (None, None) => Ok(()),
        _ => Err(wrong()),
    }
}

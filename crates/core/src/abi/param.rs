//! The types of syscalls' parameters. One cell of a syscall's row is one WebAssembly parameter: its type
//! gives the number a meaning, and refuses a number without one.

use super::edition::Abi;
use super::errno::{Errno, Result};
use super::flags::{
    Advice, Clockid, Fdflags, Fstflags, Lookupflags, Oflags, Riflags, Rights, Sdflags, Siflags, Whence,
};
use super::records::Record;
use std::fmt;
use std::marker::PhantomData;

/// The type of a WebAssembly parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
}

/// The most parameters a syscall has (`path_open`).
pub const MAX_PARAMS: usize = 9;

/// A syscall's parameters as they come from the guest, an `i32` zero-extended.
pub type Args = [u64; MAX_PARAMS];

/// A type a syscall's parameter can have.
pub trait Param: Sized {
    /// Its WebAssembly type.
    const TYPE: ValType;
    /// Its name in the standard.
    const NAME: &'static str;
    /// The name of the type it points to, if it is a pointer.
    const POINTEE: &'static str = "";
    /// Gives the raw number its meaning, or EINVAL where it has none. (Which flags a syscall takes is up to
    /// it.)
    fn lift(raw: u64, abi: Abi) -> Result<Self>;
}

/// The low half of a raw parameter: what an `i32` holds.
const fn low(raw: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "an i32 parameter was zero-extended, or its high half is noise")]
    let low = raw as u32;
    low
}

/// A file descriptor of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fd(pub u32);

impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address in the guest's memory where a `T`, or an array of them, lies. It is not yet known to be inside.
pub struct Ptr<T> {
    /// Bytes from the start of the memory.
    pub offset: u32,
    pointee: PhantomData<fn() -> T>,
}

impl<T> Ptr<T> {
    /// The pointer to this offset.
    pub const fn new(offset: u32) -> Self {
        Self { offset, pointee: PhantomData }
    }
}

impl<T> Clone for Ptr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ptr<T> {}

impl<T> fmt::Debug for Ptr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.offset)
    }
}

impl<T: Record> Param for Ptr<T> {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "pointer";
    const POINTEE: &'static str = T::NAME;
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(Self::new(low(raw)))
    }
}

impl Param for Fd {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "fd";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(Self(low(raw)))
    }
}

impl Param for u32 {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "u32";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(low(raw))
    }
}

impl Param for u64 {
    const TYPE: ValType = ValType::I64;
    const NAME: &'static str = "u64";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(raw)
    }
}

impl Param for i64 {
    const TYPE: ValType = ValType::I64;
    const NAME: &'static str = "s64";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(raw.cast_signed())
    }
}

impl Param for Whence {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "whence";
    fn lift(raw: u64, abi: Abi) -> Result<Self> {
        match (abi, low(raw)) {
            (Abi::Preview1, number) => Self::from_number(u8::try_from(number).map_err(|_| Errno::Inval)?),
            // Snapshot 0 has its own order.
            (Abi::Unstable, 0) => Ok(Self::Cur),
            (Abi::Unstable, 1) => Ok(Self::End),
            (Abi::Unstable, 2) => Ok(Self::Set),
            (Abi::Unstable, _) => Err(Errno::Inval),
        }
    }
}

impl Param for Clockid {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "clockid";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Self::from_number(low(raw))
    }
}

impl Param for Advice {
    const TYPE: ValType = ValType::I32;
    const NAME: &'static str = "advice";
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Self::from_number(u8::try_from(low(raw)).map_err(|_| Errno::Inval)?)
    }
}

impl Param for Rights {
    const TYPE: ValType = ValType::I64;
    const NAME: &'static str = "rights";
    /// Rights the standard does not know are dropped: programs ask for all 64 bits.
    fn lift(raw: u64, _: Abi) -> Result<Self> {
        Ok(Self::from_bits_truncate(raw))
    }
}

/// Flag sets: a bit that is not defined is EINVAL.
macro_rules! flag_params {
    ($($type:ident $name:literal)*) => {$(
        impl Param for $type {
            const TYPE: ValType = ValType::I32;
            const NAME: &'static str = $name;
            fn lift(raw: u64, _: Abi) -> Result<Self> {
                low(raw).try_into().ok().and_then(Self::from_bits).ok_or(Errno::Inval)
            }
        }
    )*};
}

flag_params! {
    Fdflags "fdflags"
    Fstflags "fstflags"
    Lookupflags "lookupflags"
    Oflags "oflags"
    Riflags "riflags"
    Sdflags "sdflags"
    Siflags "siflags"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whence_has_another_order_in_snapshot_0() {
        let all = |abi| [0, 1, 2, 3].map(|raw| Whence::lift(raw, abi));
        assert_eq!(all(Abi::Preview1), [Ok(Whence::Set), Ok(Whence::Cur), Ok(Whence::End), Err(Errno::Inval)]);
        assert_eq!(all(Abi::Unstable), [Ok(Whence::Cur), Ok(Whence::End), Ok(Whence::Set), Err(Errno::Inval)]);
    }

    #[test]
    fn undefined_flags_are_refused_and_undefined_rights_dropped() {
        assert_eq!(Oflags::lift(0b1001, Abi::Preview1), Ok(Oflags::CREAT | Oflags::TRUNC));
        assert_eq!(Oflags::lift(0b1_0000, Abi::Preview1), Err(Errno::Inval));
        assert_eq!(Oflags::lift(0x1_0000, Abi::Preview1), Err(Errno::Inval));
        assert_eq!(Rights::lift(u64::MAX, Abi::Preview1), Ok(Rights::all()));
    }

    #[test]
    fn an_i32_ignores_its_upper_half() {
        assert_eq!(u32::lift(0xffff_ffff_8000_0000, Abi::Preview1), Ok(0x8000_0000));
        assert_eq!(i64::lift(u64::MAX, Abi::Preview1), Ok(-1));
    }
}

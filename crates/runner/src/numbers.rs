//! Numbers of WebAssembly on their way between a guest and the embedder: a cell of eight bytes for each,
//! little endian.

use wasmtime::{FuncType, Val, ValType};

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `i32`, in the lower half of a cell.
    I32,
    /// `i64`.
    I64,
    /// `f32`: its bits, in the lower half of a cell.
    F32,
    /// `f64`: its bits.
    F64,
}

/// The type of a function that takes and returns numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Its parameters.
    pub params: Vec<Number>,
    /// Its results.
    pub results: Vec<Number>,
}

impl Number {
    fn of(ty: &ValType) -> Option<Self> {
        Some(match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            _ => return None,
        })
    }

    /// The letter for the type, for `lib/cells.js`.
    pub const fn letter(self) -> char {
        match self {
            Self::I32 => 'i',
            Self::I64 => 'I',
            Self::F32 => 'f',
            Self::F64 => 'F',
        }
    }

    /// The value in a cell.
    #[allow(clippy::cast_possible_truncation, reason = "32 bits are in the lower half")]
    pub const fn value(self, cell: u64) -> Val {
        match self {
            Self::I32 => Val::I32((cell as u32).cast_signed()),
            Self::I64 => Val::I64(cell.cast_signed()),
            Self::F32 => Val::F32(cell as u32),
            Self::F64 => Val::F64(cell),
        }
    }
}

impl Signature {
    /// The signature of a function; none if it takes or returns anything else than numbers.
    pub fn of(ty: &FuncType) -> Option<Self> {
        let params = ty.params().map(|ty| Number::of(&ty)).collect::<Option<_>>()?;
        let results = ty.results().map(|ty| Number::of(&ty)).collect::<Option<_>>()?;
        Some(Self { params, results })
    }
}

/// The bytes of a cell.
const CELL: usize = size_of::<u64>();

/// The cells of numbers.
pub fn cells(values: &[Val]) -> Vec<u8> {
    values.iter().flat_map(|value| cell(value).to_le_bytes()).collect()
}

/// The cell for a number; 0 for any other value.
fn cell(value: &Val) -> u64 {
    match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned(),
        Val::F32(bits) => (*bits).into(),
        Val::F64(bits) => *bits,
        _ => 0,
    }
}

/// The values in cells, one for each type; a cell that is missing is 0.
pub fn values(types: &[Number], cells: &[u8]) -> Vec<Val> {
    let (cells, _) = cells.as_chunks::<CELL>();
    let cells = cells.iter().map(|cell| u64::from_le_bytes(*cell)).chain(std::iter::repeat(0));
    types.iter().zip(cells).map(|(ty, cell)| ty.value(cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_bits_in_a_cell() {
        for (ty, bits) in [
            (Number::I32, 0xffff_ffff),
            (Number::I64, u64::MAX - 1),
            (Number::F32, 0x7fa0_0001), // a signalling NaN
            (Number::F64, 0x7ff4_0000_0000_0001),
        ] {
            assert_eq!(cell(&ty.value(bits)), bits, "{ty:?}");
        }
        assert_eq!(cell(&Number::I32.value(u64::MAX)), 0xffff_ffff, "the upper half does not count");
        let missing = values(&[Number::I32, Number::F64], &cells(&[Val::I32(7)]));
        assert_eq!(missing.iter().map(cell).collect::<Vec<_>>(), [7, 0]);
    }
}

//! The bounds of memories and tables, and their places in the module.

use super::sections::slice;
use std::ops::Range;
use wasmparser::{BinaryReader, BinaryReaderError, MemoryType, RefType, TableType};

/// Flags of limits: there is a maximum; several threads share it; addresses have 64 bits.
const HAS_MAX: u8 = 1;
const IS_SHARED: u8 = 2;
const IS_WIDE: u8 = 4;

/// Bytes or elements that 32 bits can address, and 64.
const MOST: u128 = 1 << 32;
const MOST_WIDE: u128 = 1 << 64;

/// The most elements that V8 lets one table have, whatever it declares.
const MOST_ELEMENTS: u128 = 10_000_000;

/// The first byte of a table with a first value.
const WITH_VALUE: u8 = 0x40;

/// The bounds of a memory or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The units it has at first.
    pub min: u64,
    /// The units it may have, if the module says.
    pub max: Option<u64>,
    /// The size of a unit: so many bytes of a memory, or one element of a table.
    pub unit: u128,
    is_table: bool,
    flags: u8,
    /// The place of the flags.
    flags_at: usize,
    /// The place of the maximum, or the empty one where it would stand.
    max_at: Range<usize>,
}

impl Bounds {
    /// The bounds of the memory whose type stands at `at`.
    pub fn of_memory(bytes: &[u8], at: usize) -> Result<Self, BinaryReaderError> {
        let mut reader = reader_at(bytes, at);
        let page = reader.clone().read::<MemoryType>()?.page_size_log2.unwrap_or(16);
        Self::read(&mut reader, 1 << page, false)
    }

    /// The bounds of the table whose type stands at `at`, which may follow a marker of two bytes.
    pub fn of_table(bytes: &[u8], at: usize) -> Result<Self, BinaryReaderError> {
        let is_longer = slice(bytes, at..at + 1) == [WITH_VALUE];
        let mut reader = reader_at(bytes, if is_longer { at + 2 } else { at });
        reader.clone().read::<TableType>()?;
        reader.read::<RefType>()?;
        Self::read(&mut reader, 1, true)
    }

    fn read(reader: &mut BinaryReader<'_>, unit: u128, is_table: bool) -> Result<Self, BinaryReaderError> {
        let flags_at = reader.original_position();
        let flags = reader.read_u8()?;
        let min = reader.read_var_u64()?;
        let start = reader.original_position();
        let max = if flags & HAS_MAX == 0 { None } else { Some(reader.read_var_u64()?) };
        Ok(Self { min, max, unit, is_table, flags, flags_at, max_at: start..reader.original_position() })
    }

    /// True if threads share it.
    pub const fn is_shared(&self) -> bool {
        self.flags & IS_SHARED != 0
    }

    /// True if its addresses have 64 bits.
    pub const fn is_wide(&self) -> bool {
        self.flags & IS_WIDE != 0
    }

    /// The bytes or elements it has at first.
    pub fn least(&self) -> u128 {
        u128::from(self.min) * self.unit
    }

    /// The most bytes or elements it may ever have.
    pub fn most(&self) -> u128 {
        let declared = self.max.map(|max| u128::from(max) * self.unit);
        if self.is_table {
            return declared.unwrap_or(MOST_ELEMENTS).min(MOST_ELEMENTS).max(self.least());
        }
        declared.unwrap_or(if self.is_wide() { MOST_WIDE * self.unit } else { MOST })
    }

    /// Declares that no other thread shares it. Returns the flags to be written, and their place.
    pub const fn unshare(&mut self) -> (Range<usize>, u8) {
        self.flags &= !IS_SHARED;
        (self.flags_at..self.flags_at + 1, self.flags)
    }

    /// Declares another maximum. Returns the flags and the number to be written, each with its place.
    pub fn set_max(&mut self, max: u64) -> [(Range<usize>, u64); 2] {
        self.max = Some(max);
        self.flags |= HAS_MAX;
        [(self.flags_at..self.flags_at + 1, self.flags.into()), (self.max_at.clone(), max)]
    }
}

fn reader_at(bytes: &[u8], at: usize) -> BinaryReader<'_> {
    BinaryReader::new(slice(bytes, at..bytes.len()), at)
}

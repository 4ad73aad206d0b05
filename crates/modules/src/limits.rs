//! The limits of a run.

/// The limits of a run, as far as it has any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Elements of tables.
    pub table_elements: Option<u64>,
    /// Bytes of stack.
    pub stack: Option<usize>,
    /// Instructions, more or less.
    pub fuel: Option<u64>,
    /// Open files.
    pub open_files: Option<usize>,
    /// True if each operation is to have one result, also those that leave a processor a choice.
    pub is_deterministic: bool,
}

/// The most elements that the tables of a program may have together, whatever the limits say: as many as V8
/// lets one have.
pub const MAX_TABLE_ELEMENTS: u64 = 10_000_000;

impl Limits {
    /// The most elements that the tables may have together.
    pub fn table_elements(&self) -> u64 {
        self.table_elements.unwrap_or(MAX_TABLE_ELEMENTS).min(MAX_TABLE_ELEMENTS)
    }
}

/// Bytes of memory, unless the limits say: as much as a memory of 32 bits can have.
pub const MEMORY: u64 = 1 << 32;

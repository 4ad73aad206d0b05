//! The kinds of WebAssembly memory that a guest may have.

use wasm_encoder::{InstructionSink, MemoryType};

/// A kind of WebAssembly memory: its import type says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// A memory of one thread, with 32-bit addresses.
    Plain,
    /// Shared between threads.
    Shared,
    /// A memory of one thread, with 64-bit addresses. The system calls take those below 4 GiB.
    Wide,
    /// Shared, with 64-bit addresses: likewise.
    SharedWide,
}

impl MemoryKind {
    const fn is_wide(self) -> bool {
        matches!(self, Self::Wide | Self::SharedWide)
    }

    /// True if several threads may have the memory.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::SharedWide)
    }

    /// The type that such a memory is imported with: at least no page; a shared one must have a maximum, and
    /// any is at most that.
    pub fn import_type(self) -> MemoryType {
        let maximum = match self {
            Self::Plain | Self::Wide => None,
            Self::Shared => Some(1 << 16),
            Self::SharedWide => Some(1 << 18), // 16 GiB, the most V8 takes
        };
        let (memory64, shared) = (self.is_wide(), self.is_shared());
        MemoryType { minimum: 0, maximum, memory64, shared, page_size_log2: None }
    }

    /// `memory.size` as an `i64`.
    pub fn wide_size(self, code: &mut InstructionSink<'_>) {
        code.memory_size(0);
        if !self.is_wide() {
            code.i64_extend_i32_u();
        }
    }

    /// `memory.size` as an `i32`.
    pub fn size(self, code: &mut InstructionSink<'_>) {
        code.memory_size(0);
        if self.is_wide() {
            code.i32_wrap_i64();
        }
    }

    /// The address in a local, as the memory's instructions take it.
    pub fn address(self, code: &mut InstructionSink<'_>, local: u32) {
        code.local_get(local);
        if self.is_wide() {
            code.i64_extend_i32_u();
        }
    }
}

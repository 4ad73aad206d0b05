//! Floor 0: the guest's vocabulary. Numbers, flags and layouts of `wasi_snapshot_preview1` and `wasi_unstable`
//! (snapshot 0); nothing here knows an operating system, a guest's memory or a JavaScript engine.
//!
//! Names, numbers and layouts follow the standard's own definition (`typenames.witx`).

pub mod errno;
pub mod flags;
pub mod param;
pub mod records;

pub use errno::Errno;
pub use param::{Args, Fd, Param, Ptr, ValType};

/// Which edition of the ABI a guest was compiled for. Function names and parameters are shared; some numbers and
/// layouts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// `wasi_unstable`, also called snapshot 0.
    Unstable,
    /// `wasi_snapshot_preview1`.
    Preview1,
}

impl Abi {
    /// The name of the import module.
    pub const fn module(self) -> &'static str {
        match self {
            Self::Unstable => "wasi_unstable",
            Self::Preview1 => "wasi_snapshot_preview1",
        }
    }

    /// What the class's option `version` calls it.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Unstable => "unstable",
            Self::Preview1 => "preview1",
        }
    }
}

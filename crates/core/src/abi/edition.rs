//! The editions of WASI preview 1.

/// The edition of the ABI that a guest was compiled for. Function names and parameters are shared; some
/// numbers and layouts differ.
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

    /// The name in the class's option `version`.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Unstable => "unstable",
            Self::Preview1 => "preview1",
        }
    }
}

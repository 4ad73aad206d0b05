//! The guest's vocabulary. Numbers, flags and layouts of `wasi_snapshot_preview1` and
//! `wasi_unstable` (snapshot 0); nothing here knows an operating system, a guest's memory or a JavaScript
//! engine.
//!
//! Names, numbers and layouts follow the standard's own definition (`typenames.witx`).

mod edition;
pub mod errno;
pub mod flags;
pub mod param;
pub mod records;
pub mod socket;

pub use edition::Abi;
pub use errno::Errno;
pub use param::{Args, Fd, Param, Ptr, ValType};

//! The class `WASI`: its methods, its options, its standard streams.

pub mod class;
pub mod ending;
pub mod options;
pub mod realm;
pub mod stdio;

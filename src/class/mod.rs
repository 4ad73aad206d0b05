//! The class `WASI`: its methods, its options, its standard streams.

pub mod construct;
mod control;
pub mod define;
mod editions;
pub mod file_url;
pub mod fixed;
pub mod hooks;
pub mod kept;
pub mod limits;
mod methods;
pub mod observer;
pub mod options;
mod pending_exit;
pub mod stdio;
pub mod stdio_options;
pub mod trace;
mod validate;

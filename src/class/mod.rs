//! The class `WASI`: its methods, its options, its standard streams.

mod construct;
mod control;
pub mod define;
mod editions;
mod hooks;
mod kept;
mod methods;
mod options;
mod pending_exit;
mod stdio;
mod stdio_options;
mod validate;

//! WebAssembly's text, and descriptions of modules: for the command line.

pub mod describe;
#[cfg(unix)]
pub mod quit;
pub mod wat;

//! WebAssembly's text, and what a module is: for the command line.

pub mod describe;
#[cfg(unix)]
pub mod quit;
pub mod wat;

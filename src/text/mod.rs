//! WebAssembly's text, and descriptions of modules: for the command line.

pub mod describe;
pub mod wat;

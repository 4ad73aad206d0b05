//! WebAssembly's text, and what a module is: for the command line.

pub mod describe;
pub mod wat;

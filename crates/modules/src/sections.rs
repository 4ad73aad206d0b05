//! The sections of a WebAssembly module, by their numbers.

use std::ops::Range;

/// Data without a meaning to an engine: names, debug information.
pub const CUSTOM: u8 = 0;
/// Types of functions, and others.
pub const TYPE: u8 = 1;
/// The imports of the module.
pub const IMPORT: u8 = 2;
/// The types of the functions it defines.
pub const FUNCTION: u8 = 3;
/// The memories it defines.
pub const MEMORY: u8 = 5;
/// The exports of the module.
pub const EXPORT: u8 = 7;
/// The function that is called as an instance is made.
pub const START: u8 = 8;
/// The bodies of the functions it defines.
pub const CODE: u8 = 10;

/// These bytes of a module, whose ranges a reader of it has told; nothing if they are not there.
pub fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

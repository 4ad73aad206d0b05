//! The fast way of a call from WebAssembly to Rust, and answers that are given inside WebAssembly.

pub mod bind;
mod constants;
mod encode;
mod enter;
pub mod guest;
mod guests;
mod layout;
mod memory;
mod memory_kind;
mod memory_size;
pub mod modules;
pub mod page;
pub mod realm;
mod shim;
mod table;

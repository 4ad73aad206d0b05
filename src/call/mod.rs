//! The way of a call from WebAssembly to Rust.

pub mod answers;
pub mod bind;
pub mod enter;
pub mod gauge;
pub mod memory;
pub mod observer;
pub mod page;
pub mod shim;
pub mod wasm;

//! Components: WASI 0.2 and 0.3 for them, over the system calls of `wasi-rs-core`, and their values as bytes.
//! This crate knows wasmtime, but neither Node nor the threads that guests run on.
//!
//! | module | content |
//! | --- | --- |
//! | [`description`] | the functions and types of a component |
//! | [`values`], [`handles`] | values as bytes; resources |
//! | [`direct`] | the short way for bytes; one of the addresses of `unsafe` |
//! | [`streams`], `element` | streams and futures, and what is in them; the other address of `unsafe` |
//! | [`wasi`] | WASI 0.2, and 0.3 |
//! | [`system`] | the system calls beneath, as this crate asks for them |

pub mod description;
pub mod direct;
mod element;
pub mod handles;
pub mod streams;
pub mod system;
pub mod values;
pub mod wasi;

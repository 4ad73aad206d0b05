//! wasi-rs: WASI preview1 for Node.js, in the place of `node:wasi`. This crate is the JavaScript side, the addon; below it are
//! `crates/core` (the system calls), `crates/modules` (modules as bytes) and `crates/runner` (programs in wasmtime).

pub mod node;

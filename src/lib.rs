//! wasi-rs: WASI preview1 for Node.js, in the place of `node:wasi`.
//!
//! The crate has seven floors; what stands on one knows only those below it (`tests/tidy.rs` holds that):
//!
//! | floor | modules | what |
//! | --- | --- | --- |
//! | 0 | [`abi`] | the guest's vocabulary: error numbers, flags, records |
//! | 1 | [`memory`], [`host`] | the guest's memory; the operating system. They do not know each other |
//! | 2 | [`ctx`], [`descriptors`] | what one guest owns |
//! | 3 | [`syscalls`] | the 46 system calls, and the list of them |
//! | 4 | `module` | WebAssembly modules as bytes |
//! | 5 | `engine` | programs in wasmtime, off the event loop |
//! | 6 | `node` | the JavaScript side: the class, and the way to the engine |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "the tests build host trees"))]

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("wasi-rs runs on Linux, macOS and Windows: src/host has no twin for this platform");

pub mod abi;
pub mod ctx;
pub mod descriptors;
#[cfg(feature = "engine")]
pub mod engine;
pub mod host;
pub mod memory;
#[cfg(any(feature = "engine", feature = "text"))]
pub mod module;
pub mod node;
pub mod syscalls;

//! The core of wasi-rs: the 46 system calls of WASI preview 1, served to one guest. It knows neither Node nor
//! wasmtime.
//!
//! A module knows those on floors below its own (`crates/tidy` holds that):
//!
//! | floor | modules | what |
//! | --- | --- | --- |
//! | 0 | [`abi`] | the guest's vocabulary: error numbers, flags, records |
//! | 1 | [`memory`], [`host`], [`network`] | the guest's memory; the operating system; its network |
//! | 2 | [`files`] | files of every kind: the operating system's, and those in memory |
//! | 3 | [`ctx`], [`descriptors`], [`watch`] | what one guest owns; what is watched of its calls |
//! | 4 | [`syscalls`] | the 46 system calls, and the list of them; calls of sockets |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "the tests build host trees"))]

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("wasi-rs runs on Linux, macOS and Windows: src/host has no twin for this platform");

pub mod abi;
pub mod ctx;
pub mod descriptors;
pub mod files;
pub mod host;
pub mod memory;
pub mod network;
pub mod syscalls;
pub mod watch;

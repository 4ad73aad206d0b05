//! The guest's memory, and the only code that touches it (one of the addresses of `unsafe`).
//!
//! Every access is checked against the length first, in 64 bits, so no sum can wrap; what lies outside is
//! EFAULT. The memory may be shared with other threads, which write to it at any time. So no Rust reference
//! to it is ever made: bytes are copied in or out, each read once, or the kernel is handed the addresses.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

mod access;
mod iovecs;
mod transfer;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as os;

#[cfg(test)]
pub mod guest;

pub use access::{Memory, PATH_MAX, PathBytes};
pub use iovecs::{Buffer, Buffers, Iovecs};
pub use transfer::{Call, Mode, Position};

//! Floor 1: the operating system. Knows neither the guest's memory nor its descriptor numbers.
//!
//! Path code lives in [`dir`] alone: a path string only ever reaches the operating system relative to an open
//! directory, and resolved beneath it.
//!
//! What differs from one operating system to the other is in twins, whose functions have the same signatures: `unix`
//! (Linux and macOS) and `windows`. The modules here are what both have in common, and the face the rest of the crate sees.

pub mod clock;
pub mod dir;
pub mod errno;
pub mod file;
pub mod object;
pub mod offset;
pub mod pieces;
pub mod random;
pub mod readdir;
#[cfg(not(target_os = "linux"))]
mod snapshot;
pub mod socket;
pub mod stream;
pub mod wait;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as os;

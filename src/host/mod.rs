//! Floor 1: the operating system. Knows neither the guest's memory nor its descriptor numbers.
//!
//! Path code lives in [`dir`] alone: a path string only ever reaches the operating system relative to an open
//! directory, and resolved beneath it.

pub mod clock;
pub mod dir;
pub mod errno;
pub mod file;
pub mod object;
pub mod random;
pub mod readdir;
pub mod socket;
pub mod stream;
pub mod wait;

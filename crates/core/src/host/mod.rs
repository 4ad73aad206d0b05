//! The operating system. Nothing here knows the guest's memory or its descriptor numbers.
//!
//! Path code lives in [`dir`] alone: a path string only ever reaches the operating system relative to an open
//! directory, and resolved beneath it.
//!
//! Two modules, `unix` (Linux and macOS) and `windows`, hold the differences between operating systems, in
//! functions of the same signatures: twins. The public modules call them as `os` and are all the rest of the
//! crate sees. Types that both sides share are in modules of their own, which know neither: `handle`,
//! `interrupt`, `path`, `pieces`, `readiness`, `rows`, `time`.

#[cfg(any(not(target_os = "linux"), test))]
mod allocation;
pub mod clock;
pub mod clocks;
pub mod dir;
pub mod errno;
pub mod file;
mod handle;
mod interrupt;
pub mod names;
pub mod offset;
mod path;
pub mod pieces;
pub mod random;
pub mod readdir;
mod readiness;
mod rows;
#[cfg(not(target_os = "linux"))]
mod snapshot;
pub mod socket;
mod sorted;
pub mod stream;
mod time;
pub mod wait;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as os;

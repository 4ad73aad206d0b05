//! Linux and macOS: the twin of `windows`, function for function. The documentation of a function stands
//! where it is called, in the module of the same name one folder up.

pub mod clock;
mod convert;
pub mod dir;
pub mod errno;
pub mod file;
mod name;
mod open;
pub mod readdir;
pub mod socket;
pub mod wait;

// Twins in their turn: calls that differ between the two, and, in `attr`, what is built on `open`.
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

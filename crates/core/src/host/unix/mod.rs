//! What is particular to Linux and macOS: the twin of `windows`, function for function. What a function is for is said
//! where it is called, in the module of the same name one folder up.

pub mod clock;
pub mod dir;
pub mod errno;
pub mod file;
pub mod readdir;
pub mod socket;
pub mod wait;

// The two are twins in their turn.
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

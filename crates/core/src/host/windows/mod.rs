//! Windows: the twin of `unix`, function for function. The documentation of a function stands where it is
//! called, in the module of the same name one folder up.

pub mod clock;
pub mod dir;
pub mod errno;
pub mod file;
pub mod name;
pub mod readdir;
pub mod socket;
mod system;
pub mod wait;

//! The files that a guest reaches, of every kind: the operating system's, and those in memory.
//!
//! [`Object`](object::Object) is what a descriptor is open on, [`Dir`](dir::Dir) one that paths start at.
//! Each call goes to the kind that the object is of.

pub mod dir;
pub mod memory;
pub mod object;

//! Files in memory: trees with the system calls of a real directory, which guests may share.
//!
//! A [`Tree`] is a file system of its own: it has a device number, a limit of bytes, and locks within.
//! Guests have its files and directories open as [`Open`]; the embedder puts files in and reads them back
//! by paths. It may be above a directory of the host, of which then all is there that is not changed.

mod budget;
mod content;
mod file;
mod image;
mod lower;
mod merged;
mod message;
mod moment;
mod names;
mod node;
mod open;
mod opened;
mod serve;
mod tree;
mod walk;

pub use image::{FileBytes, Item, New};
pub use message::Rows;
pub use moment::Moment;
pub use node::ABOVE;
pub use open::{Open, RawOpen, Reached};
pub use tree::{FIRST_DEVICE, Tree};

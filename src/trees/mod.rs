//! Trees of files in memory, as JavaScript has them: objects that `lib/memory.js` makes and gives to
//! guests of the class and of `run()`, by whichever addon.

#[cfg(feature = "class")]
pub mod functions;
mod object;
#[cfg(feature = "engine")]
pub mod tar;

pub use object::{IS_UPPER, directory_of};

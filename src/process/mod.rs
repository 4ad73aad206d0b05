//! The process: forks, signals, descriptors of the host. One of the addresses of `unsafe`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use std::io;
use std::path::Path;
use wasi_rs_core::host::file::{File, OwnedHandle};

#[cfg(feature = "engine")]
pub mod pipes;
#[cfg(unix)]
mod unix;
#[cfg(all(unix, feature = "text"))]
pub use unix::quit;
#[cfg(all(unix, feature = "engine"))]
pub use unix::{copy_of_descriptor, stack_left, within_share};
#[cfg(unix)]
pub use unix::{host_descriptor, is_main_thread, prepare_process};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{host_descriptor, is_main_thread, prepare_process};

/// True if the number is that of one of the host's own standard streams.
pub const fn is_host_stream(number: i32) -> bool {
    number <= 2
}

/// A file that is written behind what it has, and made if there is none. A named pipe that nobody reads is an
/// error: to open it would wait.
#[allow(clippy::disallowed_methods, reason = "it is a path of the embedder's, whose process may use it")]
pub fn append_to(path: &Path) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    Ok(OwnedHandle::from(options.open(path)?).into())
}

/// The file for traces of guests: this process's stderr, unless it is closed.
pub fn trace_file() -> Option<File> {
    host_descriptor(2).ok()
}

#[cfg(target_os = "macos")]
pub use crate::host::unix::system::for_each_entry;
#[cfg(target_os = "linux")]
pub use crate::host::unix::system::read;

//! Attributes of the file that a path leads to, by a handle that only names it.

use super::PATH_ONLY;
use crate::abi::errno::Result;
use crate::abi::records::Filestat;
use crate::host::handle::{File, SetTime};
use crate::host::unix::convert::{filestat_of, timestamps};
use crate::host::unix::open::open_beneath;
use rustix::fs::AtFlags;
use std::ffi::CStr;

/// A handle of the file that `path` leads to, for its attributes only.
fn open_named(dir: &File, path: &CStr, follow: bool) -> Result<File> {
    open_beneath(dir, path.to_bytes(), true, false, follow, PATH_ONLY)
}

pub fn stat(dir: &File, path: &CStr, follow: bool) -> Result<Filestat> {
    Ok(filestat_of(&rustix::fs::fstat(open_named(dir, path, follow)?)?))
}

pub fn set_times(dir: &File, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    let file = open_named(dir, path, true)?;
    Ok(rustix::fs::utimensat(&file, "", &timestamps(atim, mtim), AtFlags::EMPTY_PATH)?)
}

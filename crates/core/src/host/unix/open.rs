//! The opening of paths: beneath a directory, or within it if it is the root.

use super::system::{PATH_ONLY, open_in_root};
use crate::abi::errno::Result;
use crate::host::handle::File;
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Opens the file that `path` leads to: within `dir` if it is the root directory and the system can do that,
/// else beneath it.
pub fn open_beneath(dir: &File, path: &[u8], read: bool, write: bool, follow: bool, flags: OFlags) -> Result<File> {
    if dir.is_root
        && let Some(result) = open_in_root(dir, path, access(read, write) | nofollow(follow) | flags)
    {
        return result;
    }
    let mut options = OpenOptions::new();
    options
        .read(read)
        .write(write)
        .mode(0o666)
        .follow(if follow { FollowSymlinks::Yes } else { FollowSymlinks::No })
        .custom_flags(flags.bits().cast_signed());
    Ok(dir.handle.open_with(os_path(path), &options)?.into())
}

/// Opens a directory for names in it, and its attributes.
pub fn open_parent(dir: &File, path: &[u8]) -> Result<File> {
    open_beneath(dir, path, true, false, true, PATH_ONLY | OFlags::DIRECTORY)
}

/// The same of one name, which is not followed if it is a link.
pub fn open_dir_of_name(dir: &File, name: &CStr) -> Result<File> {
    open_beneath(dir, name.to_bytes(), true, false, false, PATH_ONLY | OFlags::DIRECTORY)
}

const fn access(read: bool, write: bool) -> OFlags {
    match (read, write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    }
}

const fn nofollow(follow: bool) -> OFlags {
    if follow { OFlags::empty() } else { OFlags::NOFOLLOW }
}

fn os_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

//! Attributes of the file that a path leads to. No handle only names a file here, so a link at the end is
//! followed by reading it, and its last target is a name again.

use crate::abi::errno::{Errno, Result};
use crate::abi::records::Filestat;
use crate::host::handle::{File, SetTime};
use crate::host::path::{Split, resolve_last, split};
use crate::host::unix::convert::{filestat_of, timestamps};
use crate::host::unix::name::{readlink, set_times_of_name, stat_name};
use crate::host::unix::open::open_parent;
use std::ffi::CStr;

pub fn stat(dir: &File, path: &CStr, follow: bool) -> Result<Filestat> {
    let of_dir = |dir: &File| Ok(filestat_of(&rustix::fs::fstat(dir)?));
    at_end(dir, path, follow, stat_name, of_dir)
}

pub fn set_times(dir: &File, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    let of_name = |parent: &File, name: &CStr| set_times_of_name(parent, name, atim, mtim);
    at_end(dir, path, true, of_name, |dir| Ok(rustix::fs::futimens(dir, &timestamps(atim, mtim))?))
}

/// Calls `of_name` for a name, which is not to be followed, or `of_dir` for a directory that the path names
/// by a slash or dots at its end.
fn at_end<T>(
    dir: &File,
    path: &CStr,
    follow: bool,
    of_name: impl FnOnce(&File, &CStr) -> Result<T>,
    of_dir: impl FnOnce(&File) -> Result<T>,
) -> Result<T> {
    let resolved;
    let path = if follow {
        resolved = resolve_last(path, |path| target_of(dir, path))?;
        resolved.as_c_str()
    } else {
        path
    };
    match split(path)? {
        Split::Name { directory, name, slash: false } => in_directory(dir, directory, |parent| of_name(parent, &name)),
        _ => of_dir(&open_parent(dir, path.to_bytes())?),
    }
}

/// The target of the link that a path leads to; none for a path that leads to no link, or ends in a slash or
/// dots.
fn target_of(dir: &File, path: &CStr) -> Result<Option<Vec<u8>>> {
    let Split::Name { directory, name, slash: false } = split(path)? else { return Ok(None) };
    let read = |parent: &File| readlink(parent, &name, |target| Ok(target.to_vec()));
    match in_directory(dir, directory, read) {
        Err(Errno::Inval) => Ok(None),
        Ok(target) if target.starts_with(b"/") => Err(Errno::Notcapable),
        result => result.map(Some),
    }
}

/// Calls a function with the directory that a path leads to, which is `dir` itself if it is empty.
fn in_directory<T>(dir: &File, path: &[u8], call: impl FnOnce(&File) -> Result<T>) -> Result<T> {
    if path.is_empty() { call(dir) } else { call(&open_parent(dir, path)?) }
}

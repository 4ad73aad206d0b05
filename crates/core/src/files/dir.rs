//! Directories of every kind, and the calls on paths that start at them.

use super::memory::{Moment, Open, Reached};
use super::object::Object;
use crate::abi::errno::{Errno, Result};
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::{File, SetTime};
use std::ffi::CStr;

/// An open directory. Of a file that is none, calls on paths are ENOTDIR.
#[derive(Clone, Copy, Debug)]
pub enum Dir<'d> {
    /// The operating system's.
    Host(&'d File),
    /// One in memory, and the moment of the call.
    Memory(&'d Open, Moment<'d>),
}

impl Object {
    /// The open directory; ENOTDIR if it can't be one. (For a file that is none, each call answers so.)
    /// `moment` tells the time, for one in memory.
    #[inline]
    pub fn dir<'d>(&'d self, moment: impl FnOnce() -> Moment<'d>) -> Result<Dir<'d>> {
        match self {
            Self::File(file) => Ok(Dir::Host(file)),
            Self::Memory(open) => Ok(Dir::Memory(open, moment())),
            Self::Stream(_) => Err(Errno::Notdir),
        }
    }
}

impl Dir<'_> {
    /// Opens `path` beneath this directory; if that is `read_only`, as a read-only file system does:
    /// EROFS for what would change anything.
    #[inline]
    pub fn open_at(&self, path: &CStr, how: &OpenHow, read_only: bool) -> Result<Object> {
        match *self {
            Self::Host(dir) if read_only => dir.open_at_read_only(path, *how).map(Object::File),
            Self::Host(dir) => dir.open_at(path, how).map(Object::File),
            Self::Memory(dir, moment) => Ok(match dir.open_at(path, how, read_only, moment)? {
                Reached::Memory(open) => Object::Memory(open),
                Reached::Host(file) => Object::File(file),
            }),
        }
    }

    /// The attributes of the file that `path` leads to.
    #[inline]
    pub fn stat_at(&self, path: &CStr, follow: bool) -> Result<Filestat> {
        match *self {
            Self::Host(dir) => dir.stat_at(path, follow),
            Self::Memory(dir, _) => dir.stat_at(path, follow),
        }
    }

    /// Sets the times of the file that `path` leads to.
    pub fn set_times_at(&self, path: &CStr, follow: bool, atim: SetTime, mtim: SetTime) -> Result {
        match *self {
            Self::Host(dir) => dir.set_times_at(path, follow, atim, mtim),
            Self::Memory(dir, moment) => dir.set_times_at(path, follow, (atim, mtim), moment),
        }
    }

    /// Creates a directory.
    pub fn create_dir_at(&self, path: &CStr) -> Result {
        match *self {
            Self::Host(dir) => dir.create_dir_at(path),
            Self::Memory(dir, moment) => dir.create_dir_at(path, moment),
        }
    }

    /// Removes an empty directory.
    pub fn remove_dir_at(&self, path: &CStr) -> Result {
        match *self {
            Self::Host(dir) => dir.remove_dir_at(path),
            Self::Memory(dir, moment) => dir.remove_dir_at(path, moment),
        }
    }

    /// Removes a name that is not a directory's.
    pub fn unlink_at(&self, path: &CStr) -> Result {
        match *self {
            Self::Host(dir) => dir.unlink_at(path),
            Self::Memory(dir, moment) => dir.unlink_at(path, moment),
        }
    }

    /// Renames `path` to `new_path` beneath `new_dir`. EXDEV from one file system to another.
    pub fn rename_at(&self, path: &CStr, new_dir: &Self, new_path: &CStr) -> Result {
        match (*self, *new_dir) {
            (Self::Host(dir), Self::Host(new_dir)) => dir.rename_at(path, new_dir, new_path),
            (Self::Memory(dir, moment), Self::Memory(new_dir, _)) => dir.rename_at(path, new_dir, new_path, moment),
            _ => Err(Errno::Xdev),
        }
    }

    /// Makes `new_path` beneath `new_dir` another name of the file `path`. EXDEV from one file system to
    /// another.
    pub fn link_at(&self, path: &CStr, follow: bool, new_dir: &Self, new_path: &CStr) -> Result {
        match (*self, *new_dir) {
            (Self::Host(dir), Self::Host(new_dir)) => dir.link_at(path, follow, new_dir, new_path),
            (Self::Memory(dir, moment), Self::Memory(new_dir, _)) => {
                dir.link_at(path, follow, new_dir, new_path, moment)
            }
            _ => Err(Errno::Xdev),
        }
    }

    /// Makes `new_path` a link to `target`, which is stored as it is. An absolute target is ENOTCAPABLE,
    /// unless this is the root directory of the host.
    pub fn symlink_at(&self, target: &CStr, new_path: &CStr) -> Result {
        match *self {
            Self::Host(dir) => dir.symlink_at(target, new_path),
            Self::Memory(dir, moment) => dir.symlink_at(target, new_path, moment),
        }
    }

    /// Gives the target of the link `path` to `use_target`.
    pub fn readlink_at<T>(&self, path: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        match *self {
            Self::Host(dir) => dir.readlink_at(path, use_target),
            Self::Memory(dir, _) => dir.readlink_at(path, use_target),
        }
    }
}

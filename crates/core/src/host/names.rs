//! Calls on the last name of a path, in directories of any kind: what they do with dots and slashes, once
//! for all kinds.
//!
//! A call gets exactly one name, never `.` or `..` and without a slash, in a directory that the path
//! before it leads to, and follows no link there.

use super::handle::{OpenHow, SetTime};
use super::path::{Split, is_single, resolve_last, split};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Oflags;
use crate::abi::records::Filestat;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

pub use super::path::MAX_LINKS;

/// A kind of directories: what it does with one name in one of them. Paths are resolved beneath the
/// directory they start at; one that leads outside is ENOTCAPABLE.
pub trait Names {
    /// A directory that paths start at.
    type Start: Copy;
    /// A directory with names in it.
    type Parent;
    /// An open file or directory.
    type Opened;

    /// The directory that paths start at, for names in it.
    fn starting(&mut self, start: Self::Start) -> Self::Parent;
    /// The directory that `path` leads to, for names in it.
    fn parent(&mut self, start: Self::Start, path: &[u8]) -> Result<Self::Parent>;
    /// True if absolute paths, of links too, lead on from the directory that paths start at.
    fn is_root(&self, start: Self::Start) -> bool;
    /// Opens the file that `path` leads to.
    fn open(&mut self, start: Self::Start, path: &CStr, how: &OpenHow) -> Result<Self::Opened>;
    /// The attributes of the file that `path` leads to.
    fn stat(&mut self, start: Self::Start, path: &CStr, follow: bool) -> Result<Filestat>;
    /// Sets the times of the file that `path` leads to, through links.
    fn set_times(&mut self, start: Self::Start, path: &CStr, atim: SetTime, mtim: SetTime) -> Result;
    /// True if the name is a directory, not a link to one; ENOENT and other errors come back.
    fn is_dir(&mut self, parent: &Self::Parent, name: &CStr) -> Result<bool>;
    /// Creates a directory.
    fn create_dir(&mut self, parent: &Self::Parent, name: &CStr) -> Result;
    /// Removes an empty directory.
    fn remove_dir(&mut self, parent: &Self::Parent, name: &CStr) -> Result;
    /// Removes the name of what is no directory: EISDIR if it is one.
    fn unlink(&mut self, parent: &Self::Parent, name: &CStr) -> Result;
    /// Renames, and replaces what may be.
    fn rename(&mut self, parent: &Self::Parent, name: &CStr, to: &Self::Parent, new_name: &CStr) -> Result;
    /// Makes another name.
    fn link(&mut self, parent: &Self::Parent, name: &CStr, to: &Self::Parent, new_name: &CStr) -> Result;
    /// Makes a link.
    fn symlink(&mut self, target: &CStr, parent: &Self::Parent, name: &CStr) -> Result;
    /// Gives the target of a link to `use_target`; EINVAL for what is none.
    fn readlink<T>(
        &mut self,
        parent: &Self::Parent,
        name: &CStr,
        use_target: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T>;
    /// Sets the times of the name itself.
    fn set_times_of_name(&mut self, parent: &Self::Parent, name: &CStr, atim: SetTime, mtim: SetTime) -> Result;

    /// Sets the times of the file that `path` leads to.
    fn set_times_at(
        &mut self,
        start: Self::Start,
        path: &CStr,
        follow: bool,
        (atim, mtim): (SetTime, SetTime),
    ) -> Result {
        if follow {
            return self.set_times(start, path, atim, mtim);
        }
        match self.entry(start, path)? {
            Entry::Name { parent, name, slash: false } => self.set_times_of_name(&parent, &name, atim, mtim),
            // A slash or dots at the end mean a directory, whatever the link.
            _ => self.set_times(start, path, atim, mtim),
        }
    }

    /// Creates the directory `path`.
    fn create_dir_at(&mut self, start: Self::Start, path: &CStr) -> Result {
        match self.entry(start, path)? {
            Entry::Name { parent, name, .. } => self.create_dir(&parent, &name),
            Entry::Dots => Err(Errno::Exist),
        }
    }

    /// Removes the empty directory `path`.
    fn remove_dir_at(&mut self, start: Self::Start, path: &CStr) -> Result {
        match self.entry(start, path)? {
            Entry::Name { parent, name, .. } => self.remove_dir(&parent, &name),
            Entry::Dots => Err(Errno::Inval),
        }
    }

    /// Removes the name `path`, which is not a directory's.
    fn unlink_at(&mut self, start: Self::Start, path: &CStr) -> Result {
        match self.entry(start, path)? {
            Entry::Name { parent, name, slash: false } => self.unlink(&parent, &name),
            Entry::Name { parent, name, slash: true } => {
                Err(if self.is_dir(&parent, &name)? { Errno::Isdir } else { Errno::Notdir })
            }
            Entry::Dots => Err(Errno::Isdir),
        }
    }

    /// Renames `path` to `new_path`.
    fn rename_at(&mut self, start: Self::Start, path: &CStr, new_start: Self::Start, new_path: &CStr) -> Result {
        let (Entry::Name { parent, name, slash }, Entry::Name { parent: to, name: new_name, slash: new_slash }) =
            (self.entry(start, path)?, self.entry(new_start, new_path)?)
        else {
            return Err(Errno::Busy);
        };
        // With a slash at its end a path means a directory, and none that a link stands for: the names that
        // are used have no slash, so no link is followed.
        if (slash || new_slash) && !self.is_dir(&parent, &name)? {
            return Err(Errno::Notdir);
        }
        self.rename(&parent, &name, &to, &new_name)
    }

    /// Makes `new_path` another name of the file `path`.
    fn link_at(
        &mut self,
        start: Self::Start,
        path: &CStr,
        follow: bool,
        (new_start, new_path): (Self::Start, &CStr),
    ) -> Result {
        let resolved;
        let path = if follow {
            resolved = self.resolve_last(start, path)?;
            resolved.as_c_str()
        } else {
            path
        };
        let Entry::Name { parent, name, slash } = self.entry(start, path)? else {
            // A directory: as the kernel says.
            return Err(Errno::Perm);
        };
        if slash && !self.is_dir(&parent, &name)? {
            return Err(Errno::Notdir);
        }
        let (to, new_name) = self.new_name(new_start, new_path)?;
        self.link(&parent, &name, &to, &new_name)
    }

    /// Makes `new_path` a link to `target`, which is stored as it is. An absolute target is ENOTCAPABLE,
    /// unless paths start at the root directory, where it means the same file to the guest as to the host.
    fn symlink_at(&mut self, target: &CStr, start: Self::Start, new_path: &CStr) -> Result {
        if target.to_bytes().starts_with(b"/") && !self.is_root(start) {
            return Err(Errno::Notcapable);
        }
        let (parent, name) = self.new_name(start, new_path)?;
        self.symlink(target, &parent, &name)
    }

    /// Gives the target of the link `path` to `use_target`.
    fn readlink_at<T>(
        &mut self,
        start: Self::Start,
        path: &CStr,
        use_target: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        match self.entry(start, path)? {
            Entry::Name { parent, name, slash: false } => self.readlink(&parent, &name, use_target),
            _ => {
                self.stat(start, path, true)?;
                Err(Errno::Inval)
            }
        }
    }

    /// Opens `path` as a read-only file system does: EROFS for what would change anything.
    fn open_at_read_only(&mut self, start: Self::Start, path: &CStr, how: OpenHow) -> Result<Self::Opened> {
        let may_create = how.oflags.contains(Oflags::CREAT);
        let must_create = how.oflags.contains(Oflags::CREAT | Oflags::EXCL);
        if how.write || must_create || how.oflags.contains(Oflags::TRUNC) {
            // Errors of the path come first.
            let found = self.stat(start, path, how.follow && !must_create);
            return Err(match found {
                Ok(_) if must_create => Errno::Exist,
                Ok(_) => Errno::Rofs,
                Err(errno) => self.not_created(start, path, may_create, errno),
            });
        }
        let reading = OpenHow { oflags: how.oflags - Oflags::CREAT - Oflags::EXCL, ..how };
        self.open(start, path, &reading).map_err(|errno| self.not_created(start, path, may_create, errno))
    }

    /// The error for a path that leads to nothing: EROFS if it could have been created.
    fn not_created(&mut self, start: Self::Start, path: &CStr, may_create: bool, errno: Errno) -> Errno {
        if errno != Errno::Noent || !may_create {
            return errno;
        }
        match self.entry(start, path) {
            Ok(_) => Errno::Rofs,
            Err(errno) => errno,
        }
    }

    /// `path` with a link at its end replaced by its target, again and again. Each step is resolved beneath
    /// the directory that it starts at, so the result is only a name to try.
    fn resolve_last(&mut self, start: Self::Start, path: &CStr) -> Result<CString> {
        resolve_last(path, |path| {
            let target = match self.readlink_at(start, path, |target| Ok(target.to_vec())) {
                Err(Errno::Inval) => return Ok(None),
                other => other?,
            };
            if target.starts_with(b"/") {
                if !self.is_root(start) {
                    return Err(Errno::Notcapable);
                }
                // A magic link has a text too, but does not lead where that says: the kernel refuses to
                // follow it.
                self.stat(start, path, true)?;
            }
            Ok(Some(target))
        })
    }

    /// Splits `path` into a directory and one name in it.
    fn entry<'path>(&mut self, start: Self::Start, whole: &'path CStr) -> Result<Entry<'path, Self::Parent>> {
        if is_single(whole) {
            return Ok(Entry::Name { parent: self.starting(start), name: Cow::Borrowed(whole), slash: false });
        }
        match split(whole)? {
            Split::Dots(path) => {
                // It must be there, and inside.
                self.parent(start, path)?;
                Ok(Entry::Dots)
            }
            Split::Name { directory: [], name, slash } => Ok(Entry::Name { parent: self.starting(start), name, slash }),
            Split::Name { directory, name, slash } => {
                Ok(Entry::Name { parent: self.parent(start, directory)?, name, slash })
            }
        }
    }

    /// The place of a name that shall be made, for what is not a directory.
    fn new_name<'path>(&mut self, start: Self::Start, path: &'path CStr) -> Result<(Self::Parent, Cow<'path, CStr>)> {
        match self.entry(start, path)? {
            Entry::Name { parent, name, slash: false } => Ok((parent, name)),
            Entry::Name { parent, name, slash: true } => {
                Err(if self.is_dir(&parent, &name)? { Errno::Exist } else { Errno::Notdir })
            }
            Entry::Dots => Err(Errno::Exist),
        }
    }
}

/// The last component of a path.
#[derive(Debug)]
pub enum Entry<'path, P> {
    /// One name in a directory; never `.` or `..`, and without a slash.
    Name {
        /// The directory.
        parent: P,
        /// The name.
        name: Cow<'path, CStr>,
        /// True if the path ends in a slash.
        slash: bool,
    },
    /// A directory that the path reaches by `.` or `..` at its end; it is inside.
    Dots,
}

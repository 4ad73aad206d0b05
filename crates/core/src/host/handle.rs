//! The open file and what the twins share with the modules that call them: handles, times to set, ways to
//! open.

use crate::abi::errno::Result;
use crate::abi::flags::{Fdflags, Filetype, Oflags};
use cap_std::fs::Dir;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::OnceLock;

#[cfg(unix)]
pub use std::os::fd::{BorrowedFd as BorrowedHandle, OwnedFd as OwnedHandle};
#[cfg(windows)]
pub use std::os::windows::io::{BorrowedHandle, OwnedHandle};

/// An open file, directory, pipe or device.
#[derive(Debug)]
pub struct File {
    // cap-std's `Dir` is an open handle with path operations that stay beneath it. On a handle that is no
    // directory they answer ENOTDIR, as the kernel does; so what was opened need not be asked for its type
    // first.
    pub(super) handle: Handle,
    filetype: OnceLock<Filetype>,
    /// A second open file description that does not wait, made when it is first needed; none where that is
    /// impossible.
    twin: OnceLock<Option<Box<File>>>,
    /// True for the root directory, in which paths are resolved rather than beneath it (`host::dir`).
    pub(super) is_root: bool,
    /// The numbers it is shown with, if it belongs to a tree that never changes it.
    pub(super) shown: Option<Box<Shown>>,
}

/// The numbers that a file of a tree is shown with, in place of the operating system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The number of the tree.
    pub dev: u64,
    /// The serial number in the tree.
    pub ino: u64,
}

/// A second open file description of a file, which does not wait.
#[derive(Debug)]
pub enum Twin<'f> {
    /// Kept with the file.
    Kept(&'f File),
    /// Made for one call.
    Made(Box<File>),
}

impl Deref for Twin<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Kept(file) => file,
            Self::Made(file) => file,
        }
    }
}

/// A handle that is closed with its file, or never: the host's own standard streams stay the host's.
#[derive(Debug)]
pub(super) enum Handle {
    Owned(Dir),
    Borrowed(ManuallyDrop<Dir>),
}

impl Deref for Handle {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        match self {
            Self::Owned(dir) => dir,
            Self::Borrowed(dir) => dir,
        }
    }
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// The present time.
    Now,
    /// Nanoseconds since 1970.
    To(u64),
}

/// The manner of opening a path.
#[derive(Clone, Copy, Debug)]
pub struct OpenHow {
    /// Follow a link at the end of the path.
    pub follow: bool,
    /// Create, exclusively, truncate, directory only.
    pub oflags: Oflags,
    /// Append, synchronous.
    pub fdflags: Fdflags,
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
}

#[cfg(unix)]
impl std::os::fd::AsFd for File {
    #[inline]
    fn as_fd(&self) -> BorrowedHandle<'_> {
        self.handle.as_fd()
    }
}

impl From<OwnedHandle> for File {
    fn from(handle: OwnedHandle) -> Self {
        Self::new(handle.into(), OnceLock::new())
    }
}

impl From<cap_std::fs::File> for File {
    fn from(file: cap_std::fs::File) -> Self {
        Self::new(file.into_std(), OnceLock::new())
    }
}

impl File {
    fn new(file: std::fs::File, filetype: OnceLock<Filetype>) -> Self {
        let handle = Handle::Owned(Dir::from_std_file(file));
        Self { handle, filetype, twin: OnceLock::new(), is_root: false, shown: None }
    }

    /// A stream of the host's, which stays open when this is dropped.
    pub fn borrowed(stream: ManuallyDrop<OwnedHandle>) -> Self {
        let file = std::fs::File::from(ManuallyDrop::into_inner(stream));
        let handle = Handle::Borrowed(ManuallyDrop::new(Dir::from_std_file(file)));
        Self { handle, filetype: OnceLock::new(), twin: OnceLock::new(), is_root: false, shown: None }
    }

    /// The same as a regular file of a tree, which it is known to be, shown with these numbers. Its
    /// attributes can't be changed through it.
    pub fn shown_as(self, shown: Shown) -> Self {
        Self { shown: Some(Box::new(shown)), filetype: OnceLock::from(Filetype::RegularFile), ..self }
    }

    /// The numbers it is shown with.
    pub fn shown(&self) -> Option<Shown> {
        self.shown.as_deref().copied()
    }

    /// The number of the operating system's handle, which whoever gets it closes; none of a stream that stays
    /// the host's.
    pub fn into_number(self) -> Option<u64> {
        match self.handle {
            #[cfg(unix)]
            Handle::Owned(dir) => Some(u64::from(std::os::fd::IntoRawFd::into_raw_fd(dir).cast_unsigned())),
            #[cfg(windows)]
            Handle::Owned(dir) => Some(std::os::windows::io::IntoRawHandle::into_raw_handle(dir) as usize as u64),
            Handle::Borrowed(_) => None,
        }
    }

    /// A file that is known to be a directory.
    pub(super) fn directory(file: std::fs::File) -> Self {
        Self::new(file, OnceLock::from(Filetype::Directory))
    }

    /// The operating system's handle.
    #[cfg(unix)]
    #[inline]
    pub fn handle(&self) -> BorrowedHandle<'_> {
        std::os::fd::AsFd::as_fd(self)
    }

    /// The operating system's handle.
    #[cfg(windows)]
    #[inline]
    pub fn handle(&self) -> BorrowedHandle<'_> {
        std::os::windows::io::AsHandle::as_handle(&*self.handle)
    }

    /// True if it is closed with this value.
    pub(super) const fn is_owned(&self) -> bool {
        matches!(self.handle, Handle::Owned(_))
    }

    /// Its type, found by `find` once and kept.
    #[inline]
    pub(super) fn filetype_by(&self, find: impl FnOnce(&Self) -> Result<Filetype>) -> Result<Filetype> {
        match self.filetype.get() {
            Some(known) => Ok(*known),
            None => self.find_filetype(find),
        }
    }

    #[cold]
    fn find_filetype(&self, find: impl FnOnce(&Self) -> Result<Filetype>) -> Result<Filetype> {
        let filetype = find(self)?;
        Ok(*self.filetype.get_or_init(|| filetype))
    }

    /// Its description that does not wait, made by `make`. The host may close or replace what it keeps open
    /// at any time, so of a borrowed handle a new one is made for each call.
    pub(super) fn twin_by(&self, make: impl Fn(&Self) -> Option<Self>) -> Option<Twin<'_>> {
        let make = || make(self).map(Box::new);
        match self.handle {
            Handle::Owned(_) => self.twin.get_or_init(make).as_deref().map(Twin::Kept),
            Handle::Borrowed(_) => make().map(Twin::Made),
        }
    }

    /// True for a terminal.
    pub fn is_terminal(&self) -> bool {
        std::io::IsTerminal::is_terminal(&self.handle())
    }
}

use crate::abi::errno::Result;
use crate::abi::flags::{Fdflags, Oflags};
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::{File, SetTime};
use crate::host::unix::file::{filestat_of, timestamps};
use crate::host::unix::system::{PATH_ONLY, RSYNC, open_in_root};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use super::system::{is_root, set_times, stat};

pub fn open_preopen_unsandboxed(path: &str) -> std::io::Result<std::fs::File> {
    // Not cap-std's `open_ambient_dir`: the handle that makes can't be listed or synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

pub fn open(dir: &File, path: &CStr, how: &OpenHow) -> Result<File> {
    let mut flags = OFlags::NOCTTY;
    flags.set(OFlags::CREATE, how.oflags.contains(Oflags::CREAT));
    flags.set(OFlags::EXCL, how.oflags.contains(Oflags::EXCL));
    flags.set(OFlags::TRUNC, how.oflags.contains(Oflags::TRUNC));
    flags.set(OFlags::DIRECTORY, how.oflags.contains(Oflags::DIRECTORY));
    flags.set(OFlags::APPEND, how.fdflags.contains(Fdflags::APPEND));
    // The bits of O_SYNC include those of O_DSYNC, so none of them is taken away.
    if how.fdflags.contains(Fdflags::DSYNC) {
        flags |= OFlags::DSYNC;
    }
    if how.fdflags.contains(Fdflags::SYNC) {
        flags |= OFlags::SYNC;
    }
    if how.fdflags.contains(Fdflags::RSYNC) {
        flags |= RSYNC;
    }
    // Opening a pipe that nobody writes to must not hold the host up; reads that find nothing wait in `wait`.
    flags |= OFlags::NONBLOCK;
    if flags.contains(OFlags::TRUNC) && !how.write {
        // Linux asks nobody who has a lease on a file when it is cut off by who only reads it: machine code may be mapped from it.
        open_beneath(dir, path.to_bytes(), true, true, how.follow, flags)?;
        flags -= OFlags::TRUNC | OFlags::CREATE | OFlags::EXCL;
    }
    open_beneath(dir, path.to_bytes(), how.read || !how.write, how.write, how.follow, flags)
}

/// Opens what `path` leads to: within `dir` if it is the root directory and the system can do that, else beneath it.
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

#[inline]
pub fn stat_name(dir: &File, name: &CStr) -> Result<Filestat> {
    Ok(filestat_of(&rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

pub fn set_times_of_name(dir: &File, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    Ok(rustix::fs::utimensat(dir, name, &timestamps(atim, mtim), AtFlags::SYMLINK_NOFOLLOW)?)
}

pub fn create_dir(dir: &File, name: &CStr) -> Result {
    Ok(rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777))?)
}

pub fn remove_dir(dir: &File, name: &CStr) -> Result {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

pub fn unlink(dir: &File, name: &CStr) -> Result {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

pub fn rename(dir: &File, name: &CStr, new_dir: &File, new_name: &CStr) -> Result {
    Ok(rustix::fs::renameat(dir, name, new_dir, new_name)?)
}

pub fn link(dir: &File, name: &CStr, new_dir: &File, new_name: &CStr) -> Result {
    Ok(rustix::fs::linkat(dir, name, new_dir, new_name, AtFlags::empty())?)
}

pub fn symlink(target: &CStr, dir: &File, name: &CStr) -> Result {
    Ok(rustix::fs::symlinkat(target, dir, name)?)
}

#[inline]
pub fn readlink<T>(dir: &File, name: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    // One more than the longest target there can be.
    let mut buffer = [MaybeUninit::uninit(); libc::PATH_MAX as usize];
    let (target, _) = rustix::fs::readlinkat_raw(dir, name, &mut buffer)?;
    use_target(target)
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

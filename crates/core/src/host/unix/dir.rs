use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Oflags};
use crate::host::handle::{File, OpenHow};
use crate::host::unix::open::open_beneath;
use crate::host::unix::system::RSYNC;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::CStr;

pub use super::name::{readlink, set_times_of_name, stat_name};
pub use super::open::open_parent;
pub use super::system::attr::{set_times, stat};
pub use super::system::{ignores_modes, is_root};

/// The mode of regular files that no guest can write to, not even where the process could. Of other files
/// hardly one has it.
pub const FIXED: Mode = Mode::SVTX.union(Mode::RUSR);

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
    if (how.write || flags.contains(OFlags::TRUNC)) && !flags.contains(OFlags::EXCL) && ignores_modes() {
        return open_unless_fixed(dir, path.to_bytes(), how, flags);
    }
    open_beneath(dir, path.to_bytes(), how.read || !how.write, how.write, how.follow, flags)
}

/// Opens a file for writing, or to cut it, unless it is one that no guest may write to: for processes which
/// the system lets write to any.
fn open_unless_fixed(dir: &File, path: &[u8], how: &OpenHow, flags: OFlags) -> Result<File> {
    let cuts = flags.contains(OFlags::TRUNC);
    let flags = flags - OFlags::TRUNC;
    let file = open_beneath(dir, path, how.read || !how.write, true, how.follow, flags)?;
    let mode = rustix::fs::fstat(&file)?.st_mode;
    let is_regular = FileType::from_raw_mode(mode) == FileType::RegularFile;
    if is_regular && Mode::from_raw_mode(mode) == FIXED {
        return Err(Errno::Acces);
    }
    if cuts && is_regular {
        super::file::set_size(&file, 0)?;
    }
    if how.write { Ok(file) } else { open_beneath(dir, path, true, false, how.follow, flags) }
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

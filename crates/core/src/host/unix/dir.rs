use crate::abi::errno::Result;
use crate::abi::flags::{Fdflags, Oflags};
use crate::host::handle::{File, OpenHow};
use crate::host::unix::open::open_beneath;
use crate::host::unix::system::RSYNC;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::ffi::CStr;

pub use super::name::{readlink, set_times_of_name, stat_name};
pub use super::open::{open_dir_of_name, open_parent};
pub use super::system::attr::{set_times, stat};
pub use super::system::is_root;

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
        // Linux does not ask the holder of a lease when a file is cut off through a handle for reading only:
        // machine code may be mapped from it.
        open_beneath(dir, path.to_bytes(), true, true, how.follow, flags)?;
        flags -= OFlags::TRUNC | OFlags::CREATE | OFlags::EXCL;
    }
    open_beneath(dir, path.to_bytes(), how.read || !how.write, how.write, how.follow, flags)
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

//! Calls on one name in an open directory that the attributes of a path need too.

use super::convert::{filestat_of, timestamps};
use crate::abi::errno::Result;
use crate::abi::records::Filestat;
use crate::host::handle::{File, SetTime};
use rustix::fs::AtFlags;
use std::ffi::CStr;
use std::mem::MaybeUninit;

#[inline]
pub fn stat_name(dir: &File, name: &CStr) -> Result<Filestat> {
    Ok(filestat_of(&rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

pub fn set_times_of_name(dir: &File, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    Ok(rustix::fs::utimensat(dir, name, &timestamps(atim, mtim), AtFlags::SYMLINK_NOFOLLOW)?)
}

#[inline]
pub fn readlink<T>(dir: &File, name: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    // One more than the longest target there can be.
    let mut buffer = [MaybeUninit::uninit(); libc::PATH_MAX as usize];
    let (target, _) = rustix::fs::readlinkat_raw(dir, name, &mut buffer)?;
    use_target(target)
}

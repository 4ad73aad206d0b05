use super::file::{self, kept_filetype};
use super::name::os_path;
use super::system;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Oflags};
use crate::abi::records::Filestat;
use crate::host::handle::{File, OpenHow, SetTime};
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use std::ffi::CStr;
use std::path::Path;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_WRITE_THROUGH,
    FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES,
};

pub fn open_preopen_unsandboxed(path: &str) -> std::io::Result<std::fs::File> {
    Ok(Dir::open_ambient_dir(path, ambient_authority())?.into_std_file())
}

/// False always: there is no one root directory, and no call that resolves a path within one.
pub const fn is_root(_: &std::fs::File) -> bool {
    false
}

const fn follow_option(follow: bool) -> FollowSymlinks {
    if follow { FollowSymlinks::Yes } else { FollowSymlinks::No }
}

pub fn open(dir: &File, path: &CStr, how: &OpenHow) -> Result<File> {
    if how.oflags.contains(Oflags::DIRECTORY) || path.to_bytes().ends_with(b"/") {
        // As Linux has it.
        if how.oflags.contains(Oflags::CREAT) {
            return Err(if how.oflags.contains(Oflags::DIRECTORY) { Errno::Inval } else { Errno::Isdir });
        }
        return open_directory(dir, path, how);
    }
    match open_file(dir, path, how) {
        // Errors of Windows for a directory that is opened as if it were a file. `.` and its like get there
        // too.
        Err(errno @ (Errno::Acces | Errno::Isdir | Errno::Noent | Errno::Inval)) => {
            open_directory(dir, path, how).map_err(|other| if other == Errno::Isdir { other } else { errno })
        }
        result => result,
    }
}

fn open_file(dir: &File, path: &CStr, how: &OpenHow) -> Result<File> {
    let mut options = OpenOptions::new();
    let (creates, cuts) = (how.oflags.contains(Oflags::CREAT), how.oflags.contains(Oflags::TRUNC));
    let synchronous = how.fdflags.intersects(Fdflags::DSYNC | Fdflags::RSYNC | Fdflags::SYNC);
    options
        .read(how.read || !how.write)
        // To create or cut a file takes the right to write it; what the guest may do is what its descriptor
        // says.
        .write(how.write || creates || cuts)
        .create(creates)
        .create_new(creates && how.oflags.contains(Oflags::EXCL))
        .truncate(cuts)
        .follow(follow_option(how.follow))
        .custom_flags(if synchronous { FILE_FLAG_WRITE_THROUGH } else { 0 });
    Ok(dir.handle.open_with(os_path(path.to_bytes())?, &options)?.into())
}

/// Opens a directory, which can't be renamed or removed while it is open: cap-std goes by its path.
fn open_directory(dir: &File, path: &CStr, how: &OpenHow) -> Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .follow(follow_option(how.follow))
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    let file = match dir.handle.open_with(os_path(path.to_bytes())?, &options).map_err(Errno::from) {
        // A link, and not to be followed.
        Err(Errno::Loop) if how.oflags.contains(Oflags::DIRECTORY) => return Err(Errno::Notdir),
        result => File::from(result?),
    };
    if kept_filetype(&file)? != Filetype::Directory {
        return Err(Errno::Notdir);
    }
    if how.write || how.oflags.intersects(Oflags::CREAT | Oflags::TRUNC) { Err(Errno::Isdir) } else { Ok(file) }
}

pub fn open_parent(dir: &File, path: &[u8]) -> Result<File> {
    Ok(File::directory(dir.handle.open_dir(os_path(path)?)?.into_std_file()))
}

/// The same of one name, which is not followed if it is a link.
pub fn open_dir_of_name(dir: &File, name: &CStr) -> Result<File> {
    Ok(File::directory(dir.handle.open_dir_nofollow(os_path(name.to_bytes())?)?.into_std_file()))
}

/// A handle of the file that `path` leads to, for its attributes only.
fn open_named(dir: &File, path: &CStr, follow: bool, access: u32) -> Result<File> {
    let mut options = OpenOptions::new();
    let the_link_itself = if follow { 0 } else { FILE_FLAG_OPEN_REPARSE_POINT };
    options
        .access_mode(access)
        .follow(follow_option(follow))
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | the_link_itself);
    let file = File::from(dir.handle.open_with(os_path(path.to_bytes())?, &options)?);
    if path.to_bytes().ends_with(b"/") && kept_filetype(&file)? != Filetype::Directory {
        Err(Errno::Notdir)
    } else {
        Ok(file)
    }
}

pub fn stat(dir: &File, path: &CStr, follow: bool) -> Result<Filestat> {
    file::stat(&open_named(dir, path, follow, 0)?)
}

pub fn set_times(dir: &File, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    file::set_times(&open_named(dir, path, true, FILE_WRITE_ATTRIBUTES)?, atim, mtim)
}

pub fn stat_name(dir: &File, name: &CStr) -> Result<Filestat> {
    stat(dir, name, false)
}

pub fn set_times_of_name(dir: &File, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
    file::set_times(&open_named(dir, name, false, FILE_WRITE_ATTRIBUTES)?, atim, mtim)
}

pub fn create_dir(dir: &File, name: &CStr) -> Result {
    Ok(dir.handle.create_dir(os_path(name.to_bytes())?)?)
}

pub fn remove_dir(dir: &File, name: &CStr) -> Result {
    // Windows would remove a link to a directory too.
    if stat_name(dir, name)?.filetype != Filetype::Directory.number() {
        return Err(Errno::Notdir);
    }
    Ok(dir.handle.remove_dir(os_path(name.to_bytes())?)?)
}

pub fn unlink(dir: &File, name: &CStr) -> Result {
    let file = open_named(dir, name, false, 0)?;
    let filetype = kept_filetype(&file)?;
    let is_directory = system::information(file.handle())?.attributes & FILE_ATTRIBUTE_DIRECTORY != 0;
    drop(file);
    match (filetype, is_directory) {
        (Filetype::Directory, _) => Err(Errno::Isdir),
        // A link to a directory is one itself.
        (_, true) => Ok(dir.handle.remove_dir(os_path(name.to_bytes())?)?),
        (_, false) => Ok(dir.handle.remove_file(os_path(name.to_bytes())?)?),
    }
}

pub fn rename(dir: &File, name: &CStr, new_dir: &File, new_name: &CStr) -> Result {
    let old = stat_name(dir, name)?;
    let is_dir = |stat: &Filestat| stat.filetype == Filetype::Directory.number();
    match stat_name(new_dir, new_name) {
        Err(Errno::Noent) => {}
        Err(errno) => return Err(errno),
        // The same file: perhaps only the case of its name changes.
        Ok(new) if (new.dev, new.ino) == (old.dev, old.ino) => {}
        Ok(new) => match (is_dir(&old), is_dir(&new)) {
            (false, false) => {}
            (true, false) => return Err(Errno::Notdir),
            (false, true) => return Err(Errno::Isdir),
            // Windows does not put one directory in the place of another.
            (true, true) => remove_dir(new_dir, new_name)?,
        },
    }
    Ok(dir.handle.rename(os_path(name.to_bytes())?, &new_dir.handle, os_path(new_name.to_bytes())?)?)
}

pub fn link(dir: &File, name: &CStr, new_dir: &File, new_name: &CStr) -> Result {
    let file = open_named(dir, name, false, FILE_WRITE_ATTRIBUTES)?;
    if kept_filetype(&file)? == Filetype::Directory {
        return Err(Errno::Perm);
    }
    // Not by paths, where it depends on the file system whether a link is followed.
    Ok(system::link(file.handle(), new_dir.handle(), os_path(new_name.to_bytes())?.as_os_str())?)
}

pub fn symlink(target: &CStr, dir: &File, name: &CStr) -> Result {
    let name = os_path(name.to_bytes())?;
    let is_dir = stat(dir, target, true).is_ok_and(|stat| stat.filetype == Filetype::Directory.number());
    // Windows does not resolve a link with the other separator. `os_path` has seen to it that none was in
    // there.
    let target = os_path(target.to_bytes())?.to_string_lossy().replace('/', "\\");
    let target = Path::new(&target);
    Ok(if is_dir { dir.handle.symlink_dir(target, name) } else { dir.handle.symlink_file(target, name) }?)
}

pub fn readlink<T>(dir: &File, name: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
    if stat_name(dir, name)?.filetype != Filetype::SymbolicLink.number() {
        return Err(Errno::Inval);
    }
    let target = dir.handle.read_link(os_path(name.to_bytes())?)?;
    use_target(target.to_string_lossy().replace('\\', "/").as_bytes())
}

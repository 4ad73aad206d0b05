//! Paths beneath a directory's descriptor.

use super::attr::{times, write_filestat};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Fstflags, Lookupflags, Oflags, Rights};
use crate::abi::records::Filestat;
use crate::abi::{Fd, Ptr};
use crate::ctx::Ctx;
use crate::descriptors::Descriptor;
use crate::files::dir::Dir;
use crate::files::memory::Moment;
use crate::host::dir::OpenHow;
use crate::host::wait::{RETRIES_FOR_PIPE, retry};
use crate::memory::{Memory, PathBytes};
use std::cell::Ref;
use std::ffi::CStr;

/// A guest's path and the directory it starts at.
struct Place<'p> {
    ctx: &'p Ctx,
    descriptor: Ref<'p, Descriptor>,
    path: &'p CStr,
}

impl Place<'_> {
    fn dir(&self) -> Result<Dir<'_>> {
        self.descriptor.object.dir(|| Moment { now: self.ctx.now()(), interrupt: self.ctx.interrupt() })
    }

    /// True if a named pipe is there.
    fn names_pipe(&self, follow: bool) -> bool {
        let stat = self.dir().and_then(|dir| dir.stat_at(self.path, follow));
        stat.is_ok_and(|stat| stat.filetype == Filetype::Unknown.number())
    }
}

/// The directory `fd`, which must have the rights `needed`, and the path in the guest's memory, copied out to
/// `bytes`.
fn place<'p>(
    ctx: &'p Ctx,
    memory: &Memory<'_>,
    (fd, needed): (Fd, Rights),
    (path, path_len): (Ptr<u8>, u32),
    bytes: &'p mut PathBytes,
) -> Result<Place<'p>> {
    let descriptor = ctx.fd(fd, needed)?;
    let mut path = memory.path(path, path_len, bytes)?;
    if path.to_bytes().first() == Some(&b'/') {
        // The path proper starts behind the guest's own name of the directory.
        let start = beneath_preopen(descriptor.preopen_name(), path.to_bytes())?;
        let beneath = CStr::from_bytes_with_nul(path.to_bytes_with_nul().split_at(start).1);
        path = beneath.ok().filter(|beneath| !beneath.is_empty()).unwrap_or(c".");
    }
    Ok(Place { ctx, descriptor, path })
}

/// The length of the directory's own name in an absolute path; ENOTCAPABLE if the path starts otherwise.
fn beneath_preopen(name: Option<&str>, path: &[u8]) -> Result<usize> {
    let name = name.filter(|name| name.starts_with('/')).ok_or(Errno::Notcapable)?;
    let name = name.trim_end_matches('/').as_bytes();
    let rest = path.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let rest = rest.ok_or(Errno::Notcapable)?;
    let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
    Ok(name.len() + slashes)
}

pub(super) fn path_create_directory(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, path: Ptr<u8>, path_len: u32) -> Result {
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_CREATE_DIRECTORY), (path, path_len), &mut bytes)?;
    place.dir()?.create_dir_at(place.path)
}

pub(super) fn path_filestat_get(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    flags: Lookupflags,
    path: Ptr<u8>,
    path_len: u32,
    buf: Ptr<Filestat>,
) -> Result {
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_FILESTAT_GET), (path, path_len), &mut bytes)?;
    let stat = place.dir()?.stat_at(place.path, flags.contains(Lookupflags::SYMLINK_FOLLOW))?;
    write_filestat(ctx, memory, buf, stat)
}

#[allow(clippy::too_many_arguments, reason = "one parameter of the standard, one parameter here")]
pub(super) fn path_filestat_set_times(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    flags: Lookupflags,
    path: Ptr<u8>,
    path_len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: Fstflags,
) -> Result {
    let (atim, mtim) = times(ctx, atim, mtim, fst_flags)?;
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_FILESTAT_SET_TIMES), (path, path_len), &mut bytes)?;
    place.dir()?.set_times_at(place.path, flags.contains(Lookupflags::SYMLINK_FOLLOW), atim, mtim)
}

#[allow(clippy::too_many_arguments, reason = "one parameter of the standard, one parameter here")]
pub(super) fn path_link(
    ctx: &Ctx,
    memory: &Memory<'_>,
    old_fd: Fd,
    old_flags: Lookupflags,
    old_path: Ptr<u8>,
    old_path_len: u32,
    new_fd: Fd,
    new_path: Ptr<u8>,
    new_path_len: u32,
) -> Result {
    let (mut old_bytes, mut new_bytes) = (PathBytes::default(), PathBytes::default());
    let old = place(ctx, memory, (old_fd, Rights::PATH_LINK_SOURCE), (old_path, old_path_len), &mut old_bytes)?;
    let new = place(ctx, memory, (new_fd, Rights::PATH_LINK_TARGET), (new_path, new_path_len), &mut new_bytes)?;
    let follow = old_flags.contains(Lookupflags::SYMLINK_FOLLOW);
    old.dir()?.link_at(old.path, follow, &new.dir()?, new.path)
}

#[allow(clippy::too_many_arguments, reason = "one parameter of the standard, one parameter here")]
pub(super) fn path_open(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    dirflags: Lookupflags,
    path: Ptr<u8>,
    path_len: u32,
    oflags: Oflags,
    fs_rights_base: Rights,
    _fs_rights_inheriting: Rights,
    fdflags: Fdflags,
    opened_fd: Ptr<u32>,
) -> Result {
    let mut needed = Rights::PATH_OPEN;
    needed.set(Rights::PATH_CREATE_FILE, oflags.contains(Oflags::CREAT));
    needed.set(Rights::PATH_FILESTAT_SET_SIZE, oflags.contains(Oflags::TRUNC));
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, needed), (path, path_len), &mut bytes)?;
    memory.check(opened_fd, 1)?;
    ctx.descriptors.require_room()?;

    // Reading and writing are what was asked for; everything else comes from the directory, so that a program
    // which asks for little is not crippled, and none gets more than the directory may hand on.
    let inheriting = place.descriptor.inheriting();
    let moving = fs_rights_base & (Rights::FD_READ | Rights::FD_WRITE);
    if !inheriting.contains(moving) {
        return Err(Errno::Notcapable);
    }
    let mut rights = (inheriting - (Rights::FD_READ | Rights::FD_WRITE)) | moving;
    if oflags.contains(Oflags::DIRECTORY) {
        rights &= Rights::DIRECTORY;
    }
    let how = OpenHow {
        follow: dirflags.contains(Lookupflags::SYMLINK_FOLLOW),
        oflags,
        fdflags,
        read: moving.contains(Rights::FD_READ),
        write: moving.contains(Rights::FD_WRITE),
    };
    let open = || place.dir()?.open_at(place.path, &how, place.descriptor.is_read_only());
    // Files are opened non-blocking; the guest waits where the operating system would have: for a reader of a
    // named pipe, and for the holder of a lease on the file. Where nobody can end it, a pipe in the tree must
    // not hold the host up for ever.
    let mut calls = 0;
    let is_early = |errno| match errno {
        Errno::Again => !fdflags.contains(Fdflags::NONBLOCK),
        Errno::Nxio if !fdflags.contains(Fdflags::NONBLOCK) && place.names_pipe(how.follow) => {
            calls += 1;
            ctx.interrupt().poll_interval().is_some() || calls < RETRIES_FOR_PIPE
        }
        _ => false,
    };
    let object = retry(ctx.interrupt(), open, is_early)?;
    let opened = place.descriptor.opened(object, rights, inheriting, fdflags);
    drop(place); // the table is about to change
    memory.write(opened_fd, &ctx.descriptors.insert(opened)?.0)
}

pub(super) fn path_readlink(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    path: Ptr<u8>,
    path_len: u32,
    buf: Ptr<u8>,
    buf_len: u32,
    bufused: Ptr<u32>,
) -> Result {
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_READLINK), (path, path_len), &mut bytes)?;
    place.dir()?.readlink_at(place.path, |target| {
        let fits = target.split_at_checked(buf_len as usize).map_or(target, |(fits, _)| fits);
        memory.copy_in(buf, fits)?;
        memory.write(bufused, &u32::try_from(fits.len()).unwrap_or(buf_len))
    })
}

pub(super) fn path_remove_directory(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, path: Ptr<u8>, path_len: u32) -> Result {
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_REMOVE_DIRECTORY), (path, path_len), &mut bytes)?;
    place.dir()?.remove_dir_at(place.path)
}

pub(super) fn path_rename(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    old_path: Ptr<u8>,
    old_path_len: u32,
    new_fd: Fd,
    new_path: Ptr<u8>,
    new_path_len: u32,
) -> Result {
    let (mut old_bytes, mut new_bytes) = (PathBytes::default(), PathBytes::default());
    let old = place(ctx, memory, (fd, Rights::PATH_RENAME_SOURCE), (old_path, old_path_len), &mut old_bytes)?;
    let new = place(ctx, memory, (new_fd, Rights::PATH_RENAME_TARGET), (new_path, new_path_len), &mut new_bytes)?;
    old.dir()?.rename_at(old.path, &new.dir()?, new.path)
}

pub(super) fn path_symlink(
    ctx: &Ctx,
    memory: &Memory<'_>,
    old_path: Ptr<u8>,
    old_path_len: u32,
    fd: Fd,
    new_path: Ptr<u8>,
    new_path_len: u32,
) -> Result {
    let mut target_bytes = PathBytes::default();
    let target = memory.path(old_path, old_path_len, &mut target_bytes)?;
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_SYMLINK), (new_path, new_path_len), &mut bytes)?;
    place.dir()?.symlink_at(target, place.path)
}

pub(super) fn path_unlink_file(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, path: Ptr<u8>, path_len: u32) -> Result {
    let mut bytes = PathBytes::default();
    let place = place(ctx, memory, (fd, Rights::PATH_UNLINK_FILE), (path, path_len), &mut bytes)?;
    place.dir()?.unlink_at(place.path)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest, kept};
    use super::*;
    use crate::abi::flags::Filetype;
    use std::fs;

    #[test]
    fn an_absolute_path_may_begin_with_the_directory_s_own_name() {
        for (name, path, start) in [
            ("/", "/a/b", Ok(1)),
            ("/", "///a", Ok(3)),
            ("/dir", "/dir/a", Ok(5)),
            ("/dir/", "/dir//a", Ok(6)),
            ("/dir", "/dir", Ok(4)),
            ("/dir", "/dirs/a", Err(Errno::Notcapable)),
            ("/dir", "/etc", Err(Errno::Notcapable)),
            ("dir", "/dir/a", Err(Errno::Notcapable)),
        ] {
            assert_eq!(beneath_preopen(Some(name), path.as_bytes()), start, "{path} on {name}");
        }
        assert_eq!(beneath_preopen(None, b"/a"), Err(Errno::Notcapable));
    }

    #[test]
    fn path_open_opens_and_creates() {
        let guest = Guest::new();
        assert_eq!(guest.open("file", 0, ALL, 0), Err(Errno::Noent));
        assert_eq!(guest.open("file", 1, ALL, 0), Ok(4));
        assert_eq!(guest.open("file", 1 | 4, ALL, 0), Err(Errno::Exist));
        assert_eq!(guest.open("/dir/file", 0, ALL, 0), Ok(5));
        assert_eq!(guest.open("file", 2, 0, 0), Err(Errno::Notdir));
        assert_eq!(guest.open("/etc/passwd", 0, ALL, 0), Err(Errno::Notcapable));
        assert_eq!(guest.open("../x", 1, ALL, 0), Err(Errno::Notcapable));
        assert_eq!(guest.open("/dir/../x", 1, ALL, 0), Err(Errno::Notcapable));
        assert_eq!(guest.open("a\0b", 1, ALL, 0), Err(Errno::Ilseq));
        fs::write(guest.host("file"), "text").unwrap();
        assert_eq!(guest.open("file", 8, ALL, 0), Ok(6));
        assert_eq!(fs::metadata(guest.host("file")).unwrap().len(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn path_open_passes_the_flags_on_to_the_operating_system() {
        use rustix::fs::{OFlags, fcntl_getfl};
        let guest = Guest::new();
        for (flags, os) in [
            (Fdflags::APPEND, OFlags::APPEND),
            (Fdflags::DSYNC, OFlags::DSYNC),
            (Fdflags::SYNC, OFlags::SYNC),
            (Fdflags::RSYNC, OFlags::SYNC),
        ] {
            let fd = guest.open("file", 1, ALL, u64::from(flags.bits())).unwrap();
            let descriptor = guest.ctx.descriptors.get(Fd(u32::try_from(fd).unwrap())).unwrap();
            assert!(fcntl_getfl(descriptor.object.file_or(Errno::Badf).unwrap()).unwrap().contains(os), "{flags:?}");
            assert_eq!(descriptor.flags(), flags);
        }
    }

    #[test]
    fn path_open_that_can_t_report_the_descriptor_opens_nothing() {
        let guest = Guest::new();
        let [path, len] = guest.path(0, "file");
        assert_eq!(guest.call("path_open", &[DIR, 1, path, len, 1, ALL, ALL, 0, guest.end() - 3]), Errno::Fault);
        assert!(!guest.host("file").exists());
        assert_eq!(guest.open("file", 1, ALL, 0), Ok(4));
    }

    #[test]
    fn a_directory_opened_with_few_rights_works_and_hands_on_no_more_than_it_has() {
        let guest = Guest::new();
        fs::create_dir(guest.host("sub")).unwrap();
        let sub = guest.open("sub", 2, 0, 0).unwrap();
        let [path, len] = guest.path(0, "file");
        let open = |fd, rights| guest.call("path_open", &[fd, 0, path, len, 1, rights, ALL, 0, 64]);
        assert_eq!(open(sub, ALL), Errno::Success);
        let base = Rights::DIRECTORY.bits();
        let inheriting = (Rights::all() - Rights::FD_WRITE).bits();
        assert_eq!(guest.call("fd_fdstat_set_rights", &[sub, base, inheriting]), Errno::Success);
        assert_eq!(open(sub, ALL), Errno::Notcapable);
        assert_eq!(open(sub, Rights::FD_READ.bits()), Errno::Success);
        let none = guest.call("fd_fdstat_set_rights", &[sub, 0, 0]);
        assert_eq!((none, open(sub, 0)), (Errno::Success, Errno::Notcapable));
    }

    #[test]
    fn path_create_directory_and_path_remove_directory() {
        let guest = Guest::new();
        let [path, len] = guest.path(0, "made/");
        assert_eq!(guest.call("path_create_directory", &[DIR, path, len]), Errno::Success);
        assert!(guest.host("made").is_dir());
        assert_eq!(guest.call("path_create_directory", &[DIR, path, len]), Errno::Exist);
        fs::write(guest.host("made/file"), "").unwrap();
        assert_eq!(guest.call("path_remove_directory", &[DIR, path, len]), Errno::Notempty);
        fs::remove_file(guest.host("made/file")).unwrap();
        assert_eq!(guest.call("path_remove_directory", &[DIR, path, len]), Errno::Success);
        assert_eq!(guest.call("path_remove_directory", &[DIR, path, len]), Errno::Noent);
    }

    #[test]
    fn path_filestat_get_and_path_filestat_set_times() {
        let guest = Guest::new();
        fs::write(guest.host("file"), "123").unwrap();
        let [path, len] = guest.path(0, "file");
        let mtim = u64::from(Fstflags::MTIM.bits());
        let set = |flags| guest.call("path_filestat_set_times", &[DIR, 1, path, len, 0, 1_234_567_891, flags]);
        assert_eq!(set(mtim), Errno::Success);
        assert_eq!(set(mtim | u64::from(Fstflags::MTIM_NOW.bits())), Errno::Inval);
        assert_eq!(guest.call("path_filestat_get", &[DIR, 1, path, len, 64]), Errno::Success);
        let stat: Filestat = guest.record(64);
        assert_eq!((stat.size, stat.mtim, stat.filetype), (3, kept(1_234_567_891), Filetype::RegularFile.number()));
        assert_eq!(guest.call("path_filestat_get", &[DIR, 2, path, len, 64]), Errno::Inval);
        let [path, len] = guest.path(0, "/dir");
        assert_eq!(guest.call("path_filestat_get", &[DIR, 0, path, len, 64]), Errno::Success);
        assert_eq!(guest.record::<Filestat>(64).filetype, Filetype::Directory.number());
    }

    #[test]
    fn path_link_path_rename_and_path_unlink_file() {
        let guest = Guest::new();
        fs::write(guest.host("file"), "123").unwrap();
        let [a, a_len] = guest.path(0, "file");
        let [b, b_len] = guest.path(16, "other");
        assert_eq!(guest.call("path_link", &[DIR, 0, a, a_len, DIR, b, b_len]), Errno::Success);
        assert_eq!(guest.call("path_link", &[DIR, 0, a, a_len, DIR, b, b_len]), Errno::Exist);
        assert_eq!(guest.call("path_unlink_file", &[DIR, a, a_len]), Errno::Success);
        assert_eq!(guest.call("path_rename", &[DIR, b, b_len, DIR, a, a_len]), Errno::Success);
        assert_eq!(fs::read(guest.host("file")).unwrap(), b"123");
        assert_eq!(guest.call("path_unlink_file", &[DIR, b, b_len]), Errno::Noent);
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn path_symlink_and_path_readlink_cut_to_the_buffer() {
        let guest = Guest::new();
        let [target, target_len] = guest.path(0, "some/target");
        let [path, len] = guest.path(32, "link");
        assert_eq!(guest.call("path_symlink", &[target, target_len, DIR, path, len]), Errno::Success);
        for (room, used) in [(100, 11), (11, 11), (4, 4), (0, 0)] {
            assert_eq!(guest.call("path_readlink", &[DIR, path, len, 64, room, 200]), Errno::Success);
            assert_eq!(guest.u32(200), used);
        }
        assert_eq!(guest.bytes(64, 11), b"some/target");
    }

    #[test]
    fn path_symlink_to_an_absolute_target_and_path_readlink_of_a_file_are_refused() {
        let guest = Guest::new();
        let [target, target_len] = guest.path(0, "/etc");
        let [path, len] = guest.path(32, "link");
        assert_eq!(guest.call("path_symlink", &[target, target_len, DIR, path, len]), Errno::Notcapable);
        fs::write(guest.host("file"), "").unwrap();
        let [path, len] = guest.path(32, "file");
        assert_eq!(guest.call("path_readlink", &[DIR, path, len, 64, 100, 200]), Errno::Inval);
    }

    #[test]
    fn without_the_right_each_is_enotcapable() {
        let guest = Guest::new();
        let [path, len] = guest.path(0, "file");
        assert_eq!(guest.call("fd_fdstat_set_rights", &[DIR, 0, 0]), Errno::Success);
        for (name, params) in [
            ("path_create_directory", vec![DIR, path, len]),
            ("path_filestat_get", vec![DIR, 0, path, len, 64]),
            ("path_filestat_set_times", vec![DIR, 0, path, len, 0, 0, 0]),
            ("path_link", vec![DIR, 0, path, len, DIR, path, len]),
            ("path_open", vec![DIR, 0, path, len, 1, 0, 0, 0, 64]),
            ("path_readlink", vec![DIR, path, len, 64, 10, 100]),
            ("path_remove_directory", vec![DIR, path, len]),
            ("path_rename", vec![DIR, path, len, DIR, path, len]),
            ("path_symlink", vec![path, len, DIR, path, len]),
            ("path_unlink_file", vec![DIR, path, len]),
        ] {
            assert_eq!(guest.call(name, &params), Errno::Notcapable, "{name}");
        }
    }

    /// `/dir`, for reading only, with `file`, `sub/inner` and the link `dangling`.
    fn reading_only() -> Guest {
        let guest = Guest::reading_only();
        fs::create_dir(guest.host("sub")).unwrap();
        for name in ["file", "sub/inner"] {
            fs::write(guest.host(name), "text").unwrap();
        }
        std::os::unix::fs::symlink("nothing", guest.host("dangling")).unwrap();
        guest
    }

    #[test]
    fn a_read_only_preopen_opens_files_for_reading_only() {
        let guest = reading_only();
        let (read, write) = (Rights::FD_READ.bits(), Rights::FD_WRITE.bits());
        for (path, oflags, rights, expected) in [
            ("file", 0, read, Ok(4)),
            ("file", 1, read, Ok(5)),
            ("sub", 2, read, Ok(6)),
            ("sub/../sub/inner", 0, 0, Ok(7)),
            ("file", 0, write, Err(Errno::Rofs)),
            ("file", 0, ALL, Err(Errno::Rofs)),
            ("file", 8, read, Err(Errno::Rofs)),
            ("file", 1 | 8, write, Err(Errno::Rofs)),
            ("file", 1 | 4, read, Err(Errno::Exist)),
            ("dangling", 1 | 4, read, Err(Errno::Exist)),
            ("dangling", 1, read, Err(Errno::Rofs)),
            ("dangling", 1, write, Err(Errno::Rofs)),
            ("new", 1, read, Err(Errno::Rofs)),
            ("new", 1 | 4, write, Err(Errno::Rofs)),
            ("sub/new", 1 | 8, write, Err(Errno::Rofs)),
            ("new", 0, write, Err(Errno::Noent)),
            ("new", 8, read, Err(Errno::Noent)),
            ("no/new", 1, write, Err(Errno::Noent)),
            ("file/new", 1, write, Err(Errno::Notdir)),
            ("../x", 1, write, Err(Errno::Notcapable)),
            ("../x", 0, write, Err(Errno::Notcapable)),
        ] {
            assert_eq!(guest.open(path, oflags, rights, 0), expected, "{path} {oflags} {rights}");
        }
        assert_eq!(fs::read(guest.host("file")).unwrap(), b"text");
        assert_eq!(fs::read_dir(guest.host("")).unwrap().count(), 3);
    }

    #[test]
    fn calls_on_paths_change_nothing_in_a_read_only_preopen() {
        let guest = reading_only();
        let sub = guest.open("sub", 2, Rights::FD_READ.bits(), 0).unwrap();
        let [file, file_len] = guest.path(0, "inner");
        let [new, new_len] = guest.path(16, "new");
        fs::write(guest.host("inner"), "").unwrap();
        for dir in [DIR, sub] {
            for (name, params) in [
                ("path_create_directory", vec![dir, new, new_len]),
                ("path_filestat_set_times", vec![dir, 1, file, file_len, 0, 0, 1]),
                ("path_link", vec![dir, 0, file, file_len, dir, new, new_len]),
                ("path_remove_directory", vec![dir, file, file_len]),
                ("path_rename", vec![dir, file, file_len, dir, new, new_len]),
                ("path_symlink", vec![file, file_len, dir, new, new_len]),
                ("path_unlink_file", vec![dir, file, file_len]),
                ("path_open", vec![dir, 1, file, file_len, 0, ALL, ALL, 0, 64]),
                ("path_open", vec![dir, 1, new, new_len, 1, 0, 0, 0, 64]),
                ("fd_filestat_set_times", vec![dir, 0, 0, 1]),
            ] {
                assert_eq!(guest.call(name, &params), Errno::Rofs, "{name} {dir}");
            }
            assert_eq!(guest.call("path_filestat_get", &[dir, 1, file, file_len, 64]), Errno::Success);
            assert_eq!(guest.call("fd_readdir", &[dir, 256, 1024, 0, 64]), Errno::Success);
        }
        assert!(guest.host("sub/inner").exists() && !guest.host("sub/new").exists() && !guest.host("new").exists());
    }

    #[test]
    fn a_file_of_a_read_only_preopen_is_no_directory() {
        let guest = reading_only();
        let plain = guest.open("file", 0, Rights::FD_READ.bits(), 0).unwrap();
        let [new, len] = guest.path(16, "new");
        for (name, params) in [
            ("path_create_directory", vec![plain, new, len]),
            ("path_filestat_set_times", vec![plain, 1, new, len, 0, 0, 1]),
            ("path_link", vec![plain, 0, new, len, DIR, new, len]),
            ("path_remove_directory", vec![plain, new, len]),
            ("path_rename", vec![plain, new, len, DIR, new, len]),
            ("path_symlink", vec![new, len, plain, new, len]),
            ("path_unlink_file", vec![plain, new, len]),
            ("path_open", vec![plain, 1, new, len, 1, ALL, ALL, 0, 64]),
        ] {
            assert_eq!(guest.call(name, &params), Errno::Notdir, "{name}");
        }
        assert_eq!(guest.call("fd_filestat_set_times", &[plain, 0, 0, 1]), Errno::Rofs);
    }

    #[test]
    fn links_and_renames_from_or_to_a_read_only_preopen_are_erofs() {
        let guest = reading_only();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("file"), "").unwrap();
        let dir = crate::host::dir::open_preopen_unsandboxed(other.path().to_str().unwrap()).unwrap();
        let writable = u64::from(guest.ctx.push_preopen("/other", dir, false).unwrap().0);
        let [file, file_len] = guest.path(0, "file");
        let [new, new_len] = guest.path(16, "new");
        for (from, to) in [(DIR, writable), (writable, DIR)] {
            let renamed = guest.call("path_rename", &[from, file, file_len, to, new, new_len]);
            let linked = guest.call("path_link", &[from, 0, file, file_len, to, new, new_len]);
            assert_eq!((renamed, linked), (Errno::Rofs, Errno::Rofs));
        }
        assert!(!other.path().join("new").exists() && !guest.host("new").exists());
    }

    #[test]
    fn a_read_only_descriptor_stays_so_when_renumbered_or_asked_for_more() {
        let guest = reading_only();
        let other = guest.open("sub", 2, 0, 0).unwrap();
        let [file, len] = guest.path(0, "file");
        let write = |fd| guest.call("path_open", &[fd, 1, file, len, 0, Rights::FD_WRITE.bits(), ALL, 0, 64]);
        assert_eq!(guest.call("fd_renumber", &[DIR, other]), Errno::Success);
        assert_eq!(write(other), Errno::Rofs);
        // Reported rights may be asked for, and change nothing.
        assert_eq!(guest.call("fd_fdstat_get", &[other, 128]), Errno::Success);
        let told: crate::abi::records::Fdstat = guest.record(128);
        assert!(told.rights_inheriting & Rights::FD_WRITE.bits() != 0);
        let same = guest.call("fd_fdstat_set_rights", &[other, told.rights_base, told.rights_inheriting]);
        assert_eq!((same, write(other)), (Errno::Success, Errno::Rofs));
        assert_eq!(guest.call("fd_fdstat_set_rights", &[other, ALL, ALL]), Errno::Notcapable);
        let less = guest.call("fd_fdstat_set_rights", &[other, told.rights_base, Rights::FD_READ.bits()]);
        assert_eq!((less, write(other)), (Errno::Success, Errno::Notcapable));
    }
}

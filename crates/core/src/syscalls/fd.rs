//! Descriptors as such: closing, moving, flags, rights, preopens.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Rights};
use crate::abi::records::{Fdstat, Prestat};
use crate::abi::{Fd, Ptr};
use crate::ctx::Ctx;
use crate::files::object::Object;
use crate::memory::Memory;

/// Flags that a file keeps from its opening to its closing.
const FIXED: Fdflags = Fdflags::DSYNC.union(Fdflags::RSYNC).union(Fdflags::SYNC);

pub(super) fn fd_close(ctx: &Ctx, _: &Memory<'_>, fd: Fd) -> Result {
    ctx.descriptors.remove(fd)
}

pub(super) fn fd_renumber(ctx: &Ctx, _: &Memory<'_>, fd: Fd, to: Fd) -> Result {
    ctx.descriptors.renumber(fd, to)
}

pub(super) fn fd_fdstat_get(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, stat: Ptr<Fdstat>) -> Result {
    let descriptor = ctx.fd(fd, Rights::empty())?;
    let filetype = descriptor.object.filetype()?;
    let mut rights =
        descriptor.rights() & if filetype == Filetype::Directory { Rights::DIRECTORY } else { Rights::FILE };
    if filetype == Filetype::CharacterDevice {
        // wasi-libc's isatty takes for a terminal what is a character device that can't seek.
        let seeking = Rights::FD_SEEK | Rights::FD_TELL;
        if descriptor.object.is_terminal() {
            rights.remove(seeking);
        } else if descriptor.is_host_stream() {
            rights.insert(seeking); // /dev/null, which is none, though its calls answer as a pipe's
        }
    }
    let record = Fdstat {
        filetype: filetype.number(),
        flags: descriptor.flags().bits(),
        rights_base: rights.bits(),
        rights_inheriting: descriptor.inheriting().bits(),
    };
    memory.write(stat, &record)
}

pub(super) fn fd_fdstat_set_flags(ctx: &Ctx, _: &Memory<'_>, fd: Fd, flags: Fdflags) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_FDSTAT_SET_FLAGS)?;
    // Other processes write through the stream too, and rely on its APPEND. As fcntl does with flags that
    // can't be changed, it is left as it is: programs set all flags at once, of which they mean NONBLOCK.
    let kept = if descriptor.is_host_stream() { Fdflags::APPEND } else { Fdflags::empty() };
    let flags = (flags - kept) | (descriptor.flags() & kept);
    let changed = flags.symmetric_difference(descriptor.flags());
    if changed.intersects(FIXED) {
        return Err(Errno::Notsup);
    }
    if changed.contains(Fdflags::APPEND)
        && let Object::File(file) = &descriptor.object
    {
        file.set_append(flags.contains(Fdflags::APPEND))?;
    }
    descriptor.set_flags(flags);
    Ok(())
}

pub(super) fn fd_fdstat_set_rights(
    ctx: &Ctx,
    _: &Memory<'_>,
    fd: Fd,
    fs_rights_base: Rights,
    fs_rights_inheriting: Rights,
) -> Result {
    ctx.fd(fd, Rights::empty())?.narrow(fs_rights_base, fs_rights_inheriting)
}

pub(super) fn fd_prestat_get(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, buf: Ptr<Prestat>) -> Result {
    let descriptor = ctx.fd(fd, Rights::empty())?;
    let name = descriptor.preopen_name().ok_or(Errno::Badf)?;
    let name_len = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
    memory.write(buf, &Prestat { tag: 0, name_len })
}

pub(super) fn fd_prestat_dir_name(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, path: Ptr<u8>, path_len: u32) -> Result {
    let descriptor = ctx.fd(fd, Rights::empty())?;
    let name = descriptor.preopen_name().ok_or(Errno::Badf)?;
    if name.len() > path_len as usize {
        return Err(Errno::Nametoolong);
    }
    memory.copy_in(path, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;

    #[test]
    fn fd_close_frees_the_number_and_a_closed_one_is_ebadf() {
        let guest = Guest::new();
        assert_eq!(guest.call("fd_close", &[DIR]), Errno::Success);
        assert_eq!(guest.call("fd_close", &[DIR]), Errno::Badf);
        assert_eq!(guest.call("fd_close", &[u64::from(u32::MAX)]), Errno::Badf);
        assert_eq!(guest.call("fd_prestat_get", &[DIR, 0]), Errno::Badf);
    }

    #[test]
    fn fd_renumber_moves_an_open_file() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let other = guest.open("other", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_renumber", &[fd, other]), Errno::Success);
        assert_eq!(guest.call("fd_close", &[fd]), Errno::Badf);
        let [iovs, len] = guest.iovec(0, 64, 3);
        guest.memory.put(64, b"abc");
        assert_eq!(guest.call("fd_write", &[other, iovs, len, 8]), Errno::Success);
        assert_eq!(std::fs::metadata(guest.host("file")).unwrap().len(), 3);
        assert_eq!(guest.call("fd_renumber", &[other, 99]), Errno::Badf);
    }

    #[test]
    fn fd_fdstat_get_tells_type_flags_and_rights() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, Rights::FD_READ.bits(), 1).unwrap();
        assert_eq!(guest.call("fd_fdstat_get", &[fd, 8]), Errno::Success);
        let stat: Fdstat = guest.record(8);
        assert_eq!((stat.filetype, stat.flags), (Filetype::RegularFile.number(), Fdflags::APPEND.bits()));
        let rights = Rights::from_bits(stat.rights_base).unwrap();
        assert!(rights.contains(Rights::FD_READ | Rights::FD_SEEK) && !rights.contains(Rights::FD_WRITE));
        assert_eq!(guest.call("fd_fdstat_get", &[DIR, 8]), Errno::Success);
        assert_eq!(guest.record::<Fdstat>(8).filetype, Filetype::Directory.number());
        assert_eq!(guest.call("fd_fdstat_get", &[99, 8]), Errno::Badf);
        assert_eq!(guest.call("fd_fdstat_get", &[DIR, guest.end() - 23]), Errno::Fault);
    }

    #[test]
    fn fd_fdstat_set_flags_changes_append_and_refuses_synchronous_flags() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        guest.memory.put(64, b"abc");
        let [iovs, len] = guest.iovec(0, 64, 3);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 8]), Errno::Success);
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 1]), Errno::Success);
        assert_eq!(guest.call("fd_seek", &[fd, 0, 0, 16]), Errno::Success);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 8]), Errno::Success);
        assert_eq!(std::fs::read(guest.host("file")).unwrap(), b"abcabc");
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, u64::from(Fdflags::SYNC.bits())]), Errno::Notsup);
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 1 << 5]), Errno::Inval);
    }

    #[test]
    fn fd_fdstat_set_rights_only_drops() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let few = Rights::FD_READ.bits();
        assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, few, 0]), Errno::Success);
        assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, few | Rights::FD_WRITE.bits(), 0]), Errno::Notcapable);
        assert_eq!(guest.call("fd_seek", &[fd, 0, 0, 16]), Errno::Notcapable);
        assert_eq!(guest.call("fd_fdstat_set_rights", &[99, 0, 0]), Errno::Badf);
    }

    #[test]
    fn fd_prestat_get_and_fd_prestat_dir_name_tell_the_guest_s_name() {
        let guest = Guest::new();
        assert_eq!(guest.call("fd_prestat_get", &[DIR, 8]), Errno::Success);
        assert_eq!(guest.record::<Prestat>(8), Prestat { tag: 0, name_len: 4 });
        assert_eq!(guest.call("fd_prestat_dir_name", &[DIR, 32, 4]), Errno::Success);
        assert_eq!(guest.bytes(32, 4), b"/dir");
        guest.memory.assert_masked_but(&[(8, 8), (32, 4)]);
        assert_eq!(guest.call("fd_prestat_dir_name", &[DIR, 32, 3]), Errno::Nametoolong);
        assert_eq!(guest.call("fd_prestat_dir_name", &[DIR, guest.end() - 3, 4]), Errno::Fault);
        for fd in [0, 4] {
            assert_eq!(guest.call("fd_prestat_get", &[fd, 8]), Errno::Badf);
            assert_eq!(guest.call("fd_prestat_dir_name", &[fd, 32, 4]), Errno::Badf);
        }
    }
}

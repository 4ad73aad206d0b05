//! Attributes of open files.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Fstflags, Rights};
use crate::abi::records::{Filestat, FilestatUnstable};
use crate::abi::{Abi, Fd, Ptr};
use crate::ctx::Ctx;
use crate::host::file::SetTime;
use crate::memory::Memory;
use std::cell::OnceCell;

pub(super) fn fd_advise(ctx: &Ctx, _: &Memory<'_>, fd: Fd, offset: u64, len: u64, advice: Advice) -> Result {
    ctx.fd(fd, Rights::FD_ADVISE)?.object.advise(offset, len, advice, ctx.interrupt())
}

pub(super) fn fd_allocate(ctx: &Ctx, _: &Memory<'_>, fd: Fd, offset: u64, len: u64) -> Result {
    ctx.fd(fd, Rights::FD_ALLOCATE)?.object.allocate(offset, len, ctx.interrupt(), ctx.now())
}

pub(super) fn fd_filestat_get(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, buf: Ptr<Filestat>) -> Result {
    let stat = ctx.fd(fd, Rights::FD_FILESTAT_GET)?.object.stat()?;
    write_filestat(ctx, memory, buf, stat)
}

pub(super) fn fd_filestat_set_size(ctx: &Ctx, _: &Memory<'_>, fd: Fd, size: u64) -> Result {
    ctx.fd(fd, Rights::FD_FILESTAT_SET_SIZE)?.object.set_size(size, ctx.interrupt(), ctx.now())
}

pub(super) fn fd_filestat_set_times(
    ctx: &Ctx,
    _: &Memory<'_>,
    fd: Fd,
    atim: u64,
    mtim: u64,
    fst_flags: Fstflags,
) -> Result {
    let (atim, mtim) = times(ctx, atim, mtim, fst_flags)?;
    ctx.fd(fd, Rights::FD_FILESTAT_SET_TIMES)?.object.set_times(atim, mtim, ctx.now())
}

/// Writes a filestat in the layout of the guest's edition.
pub(super) fn write_filestat(ctx: &Ctx, memory: &Memory<'_>, buf: Ptr<Filestat>, stat: Filestat) -> Result {
    let stat = ctx.shown(stat);
    match ctx.abi() {
        Abi::Preview1 => memory.write(buf, &stat),
        Abi::Unstable => memory.write(Ptr::new(buf.offset), &FilestatUnstable::from(stat)),
    }
}

/// The setting of each time by the flags; both a time and "now" is EINVAL.
pub(super) fn times(ctx: &Ctx, atim: u64, mtim: u64, flags: Fstflags) -> Result<(SetTime, SetTime)> {
    // One moment for both.
    let present = OnceCell::new();
    let time = |given, now, nanoseconds| match (flags.contains(given), flags.contains(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(SetTime::To(nanoseconds)),
        (false, true) => Ok(*present.get_or_init(|| ctx.clocks().present())),
        (false, false) => Ok(SetTime::Keep),
    };
    Ok((time(Fstflags::ATIM, Fstflags::ATIM_NOW, atim)?, time(Fstflags::MTIM, Fstflags::MTIM_NOW, mtim)?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest, kept};
    use super::*;
    use crate::abi::flags::Filetype;
    use crate::ctx::Fixed;
    use crate::host::clocks::Beginning;
    use crate::host::wait::testing::Looks;
    #[cfg(target_os = "linux")]
    use crate::host::wait::{Endless, Interrupt};

    #[test]
    fn fd_filestat_get_tells_the_attributes() {
        let guest = Guest::new();
        std::fs::write(guest.host("file"), "12345").unwrap();
        let fd = guest.open("file", 0, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_filestat_get", &[fd, 0]), Errno::Success);
        let stat: Filestat = guest.record(0);
        assert_eq!((stat.filetype, stat.size, stat.nlink), (Filetype::RegularFile.number(), 5, 1));
        guest.memory.assert_masked_but(&[(0, 64), (59_996, 4_100)]);
        assert_eq!(guest.call("fd_filestat_get", &[DIR, 0]), Errno::Success);
        assert_eq!(guest.record::<Filestat>(0).filetype, Filetype::Directory.number());
        assert_eq!(guest.call("fd_filestat_get", &[1, 0]), Errno::Success);
        assert_eq!(guest.call("fd_filestat_get", &[fd, guest.end() - 63]), Errno::Fault);
    }

    #[test]
    fn snapshot_0_has_a_shorter_filestat() {
        let guest = Guest::with(Abi::Unstable);
        assert_eq!(guest.call("fd_filestat_get", &[DIR, 0]), Errno::Success);
        guest.memory.assert_masked_but(&[(0, 56)]);
        assert_eq!(guest.call("fd_filestat_get", &[DIR, guest.end() - 56]), Errno::Success);
    }

    #[test]
    fn fd_filestat_set_size_cuts_and_extends() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, 1000]), Errno::Success);
        assert_eq!(std::fs::metadata(guest.host("file")).unwrap().len(), 1000);
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, u64::MAX]), Errno::Inval);
        assert_eq!(guest.call("fd_filestat_set_size", &[DIR, 0]), Errno::Notcapable);
    }

    #[test]
    fn now_is_that_of_the_guest_s_own_clock_and_later_times_are_not_told() {
        let beginning = Beginning { realtime: 1_000_000_000, monotonic: 0, step: 100 };
        let fixed = |files| Fixed { clock: Some(beginning), files, ..Fixed::default() };
        let guest = Guest::new().fixing(fixed(true));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let stat = |guest: &Guest, fd| {
            assert_eq!(guest.call("fd_filestat_get", &[fd, 256]), Errno::Success);
            let Filestat { atim, mtim, ctim, .. } = guest.record(256);
            [atim, mtim, ctim]
        };
        assert_eq!(stat(&guest, fd), [1_000_000_000; 3], "the system has set them");
        assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 2 | 8]), Errno::Success);
        assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 7_000, 4]), Errno::Success);
        assert_eq!(stat(&guest, fd), [1_000_000_000, 7_000, 1_000_000_000]);
        guest.ctx.clocks().step();
        let [path, len] = guest.path(0, "file");
        assert_eq!(guest.call("path_filestat_set_times", &[DIR, 0, path, len, 0, 0, 8]), Errno::Success);
        assert_eq!(guest.call("path_filestat_get", &[DIR, 0, path, len, 256]), Errno::Success);
        assert_eq!(guest.record::<Filestat>(256).mtim, 1_000_000_200);
        let guest = Guest::new().fixing(fixed(false));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert!(stat(&guest, fd)[1] > 1_577_836_800_000_000_000, "without `files` it is told");
    }

    #[test]
    fn fd_filestat_set_times_keeps_nanoseconds_and_the_other_time() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let flags = |flags: Fstflags| u64::from(flags.bits());
        let both = flags(Fstflags::ATIM | Fstflags::MTIM);
        assert_eq!(guest.call("fd_filestat_set_times", &[fd, 1_111_111_111, 2_222_222_222, both]), Errno::Success);
        assert_eq!(guest.call("fd_filestat_set_times", &[fd, 9, 3_333_333_333, flags(Fstflags::MTIM)]), Errno::Success);
        guest.call("fd_filestat_get", &[fd, 0]);
        let stat: Filestat = guest.record(0);
        assert_eq!((stat.atim, stat.mtim), (kept(1_111_111_111), kept(3_333_333_333)));
        let reader = guest.open("file", 0, Rights::FD_READ.bits(), 0).unwrap();
        assert_eq!(
            guest.call("fd_filestat_set_times", &[reader, 0, 4_000_000_000, flags(Fstflags::MTIM)]),
            Errno::Success
        );
        guest.call("fd_filestat_get", &[fd, 0]);
        assert_eq!(guest.record::<Filestat>(0).mtim, 4_000_000_000);
        for bad in [Fstflags::MTIM | Fstflags::MTIM_NOW, Fstflags::ATIM | Fstflags::ATIM_NOW] {
            assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, flags(bad)]), Errno::Inval);
        }
        assert_eq!(guest.call("fd_filestat_set_times", &[fd, 0, 0, 1 << 4]), Errno::Inval);
    }

    #[test]
    fn fd_allocate_extends_and_fd_advise_takes_advice() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_allocate", &[fd, 10, 90]), Errno::Success);
        assert_eq!(std::fs::metadata(guest.host("file")).unwrap().len(), 100);
        assert_eq!(guest.call("fd_allocate", &[fd, 0, 0]), Errno::Inval);
        for advice in 0..6 {
            assert_eq!(guest.call("fd_advise", &[fd, 0, 0, advice]), Errno::Success);
        }
        assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 6]), Errno::Inval);
        assert_eq!(guest.call("fd_advise", &[1, 0, 0, 0]), Errno::Spipe);
    }

    /// More than one piece.
    const LARGE: u64 = 100 << 20;

    #[cfg(target_os = "linux")]
    #[test]
    fn an_allocation_that_is_ended_leaves_the_file_s_length() {
        let guest = Guest::new().waiting_with(Box::new(Looks::new(0)));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_allocate", &[fd, 10, LARGE]), Errno::Canceled);
        assert_eq!(std::fs::metadata(guest.host("file")).unwrap().len(), 0);
        // Errors of the range come before anything is allocated.
        for (offset, len) in [(u64::MAX, LARGE), (0, u64::MAX), (0, i64::MAX.unsigned_abs()), (1 << 62, 1 << 62)] {
            let whole = Guest::new();
            let other = whole.open("file", 1, ALL, 0).unwrap();
            let errno = whole.call("fd_allocate", &[other, offset, len]);
            assert_ne!(errno, Errno::Success);
            assert_eq!(guest.call("fd_allocate", &[fd, offset, len]), errno, "{offset} {len}");
        }
        assert_eq!(guest.call("fd_allocate", &[DIR, 0, LARGE]), Errno::Notcapable);
        assert_eq!(guest.call("fd_allocate", &[1, 0, LARGE]), Errno::Spipe);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_allocation_in_pieces_is_the_same_as_in_one() {
        use std::os::unix::fs::MetadataExt;
        let sizes = [Box::new(Endless) as Box<dyn Interrupt>, Box::new(Looks::new(u32::MAX))].map(|interrupt| {
            let guest = Guest::new().waiting_with(interrupt);
            let fd = guest.open("file", 1, ALL, 0).unwrap();
            assert_eq!(guest.call("fd_allocate", &[fd, 4096, LARGE]), Errno::Success);
            let stat = std::fs::metadata(guest.host("file")).unwrap();
            assert_eq!(stat.len(), 4096 + LARGE);
            assert!(stat.blocks() * 512 >= LARGE, "{} blocks", stat.blocks());
            // Cut, in pieces too, it has none.
            assert_eq!(guest.call("fd_filestat_set_size", &[fd, 10]), Errno::Success);
            std::fs::metadata(guest.host("file")).unwrap().len()
        });
        assert_eq!(sizes, [10, 10]);
    }

    #[test]
    fn a_cut_that_is_ended_has_cut_a_part() {
        let guest = Guest::new().waiting_with(Box::new(Looks::new(0)));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, LARGE]), Errno::Success, "that is short work");
        for advice in [3, 4] {
            let answer = guest.call("fd_advise", &[fd, 0, 0, advice]);
            assert_eq!(answer, if cfg!(target_os = "linux") { Errno::Canceled } else { answer });
        }
        assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 1]), Errno::Success);
        assert_eq!(guest.call("fd_filestat_set_size", &[fd, 1]), Errno::Canceled);
        let len = std::fs::metadata(guest.host("file")).unwrap().len();
        assert!(1 < len && len < LARGE, "{len}");
    }

    #[test]
    fn a_file_that_is_read_only_is_read_and_not_changed() {
        let guest = Guest::reading_only();
        std::fs::write(guest.host("file"), "text").unwrap();
        let fd = guest.open("file", 0, Rights::FD_READ.bits(), 0).unwrap();
        let [iovs, len] = guest.iovec(0, 64, 4);
        for (name, params) in [
            ("fd_allocate", vec![fd, 0, 100]),
            ("fd_filestat_set_size", vec![fd, 0]),
            ("fd_filestat_set_times", vec![fd, 0, 0, 1]),
            ("fd_pwrite", vec![fd, iovs, len, 0, 32]),
            ("fd_write", vec![fd, iovs, len, 32]),
        ] {
            assert_eq!(guest.call(name, &params), Errno::Rofs, "{name}");
        }
        // With flags too, which it may set.
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 1]), Errno::Success);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 32]), Errno::Rofs);
        for (name, params) in [
            ("fd_advise", vec![fd, 0, 4, 0]),
            ("fd_filestat_get", vec![fd, 128]),
            ("fd_sync", vec![fd]),
            ("fd_read", vec![fd, iovs, len, 32]),
        ] {
            assert_eq!(guest.call(name, &params), Errno::Success, "{name}");
        }
        assert_eq!((guest.u32(32), guest.bytes(64, 4)), (4, b"text".to_vec()));
        assert_eq!(std::fs::read(guest.host("file")).unwrap(), b"text");
    }
}

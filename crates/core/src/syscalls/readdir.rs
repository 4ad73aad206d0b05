//! Listing directories.

use super::transfer::BATCH;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Filetype, Rights};
use crate::abi::records::{Dirent, Record};
use crate::abi::{Fd, Ptr};
use crate::ctx::Ctx;
use crate::files::memory::{ABOVE, Open};
use crate::files::object::Object;
use crate::host::file::File;
use crate::host::readdir::Place;
use crate::host::wait::Checkpoint;
use crate::memory::Memory;

pub(super) fn fd_readdir(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    buf: Ptr<u8>,
    buf_len: u32,
    cookie: u64,
    bufused: Ptr<u32>,
) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_READDIR)?;
    memory.check(buf, buf_len)?;
    memory.check(bufused, 1)?;
    // The listing of another file would move its offset before it is refused.
    if descriptor.object.filetype()? != Filetype::Directory {
        return Err(Errno::Notdir);
    }
    let used = match &descriptor.object {
        Object::File(dir) => {
            let mut place = descriptor.place.get();
            let used = list(ctx, memory, dir, &mut place, (buf, buf_len), cookie);
            descriptor.place.set(place);
            used?
        }
        Object::Memory(dir) => {
            let mut place = descriptor.place.get();
            let used = list_in_memory(ctx, memory, dir, &mut place, (buf, buf_len), cookie);
            descriptor.place.set(place);
            used?
        }
        Object::Stream(_) => return Err(Errno::Notdir),
    };
    memory.write(bufused, &used)
}

/// Writes entries from `cookie` on, as far as the buffer goes; how many bytes.
fn list(
    ctx: &Ctx,
    memory: &Memory<'_>,
    dir: &File,
    place: &mut Place,
    (buf, buf_len): (Ptr<u8>, u32),
    cookie: u64,
) -> Result<u32> {
    let mut listings = ctx.listings();
    let mut entries = listings.entries(dir, place, cookie, ctx.interrupt())?;
    let mut used = 0;
    while let Some(entry) = entries.peek()? {
        if !is_hidden(ctx, entry.name) {
            // A guest that has only the directory learns nothing of the one above, not even its number.
            let d_ino = if entry.name == b".." { dir.stat()?.ino } else { entry.ino };
            // A name is at most 255 bytes on every file system there is.
            let d_namlen = u32::try_from(entry.name.len()).unwrap_or(u32::MAX);
            let head = Dirent { d_next: entry.next, d_ino, d_namlen, d_type: entry.filetype.number() };
            used += write_entry(memory, (buf, buf_len), used, &head, entry.name)?;
            if used == buf_len {
                // Full. The entry may be cut; the guest asks for it again, by the cookie of the one
                // before it.
                break;
            }
        }
        entries.advance();
    }
    Ok(used)
}

/// Bytes of entries of a directory in memory that are looked up at once; less for a buffer that is small.
const AT_ONCE: usize = 16 * 1024;

/// The same of a directory in memory: entries of the host's directory beneath it, if there is one, then its
/// own.
fn list_in_memory(
    ctx: &Ctx,
    memory: &Memory<'_>,
    dir: &Open,
    place: &mut Place,
    (buf, buf_len): (Ptr<u8>, u32),
    mut cookie: u64,
) -> Result<u32> {
    // The longest entry fits in any case.
    let mut bytes = vec![0; AT_ONCE.min(buf_len as usize + Dirent::SIZE + 256)];
    let mut used = 0;
    if let Some(lower) = dir.lower()?
        && cookie < ABOVE
    {
        used = list_below(ctx, memory, (dir, lower), place, (buf, buf_len), (cookie, &mut bytes))?;
        if used == buf_len {
            return Ok(used);
        }
        cookie = ABOVE;
    }
    let mut checkpoint = Checkpoint::new(ctx.interrupt());
    loop {
        let mut found = false;
        for (head, name) in dir.list(cookie, &mut bytes)? {
            found = true;
            cookie = head.d_next;
            if is_hidden(ctx, name) {
                continue;
            }
            used += write_entry(memory, (buf, buf_len), used, &head, name)?;
            if used == buf_len {
                return Ok(used);
            }
        }
        if !found {
            return Ok(used);
        }
        checkpoint.pass(BATCH)?;
    }
}

/// The entries of the host's directory beneath one in memory: of as many as may fit, those that are to be
/// seen are looked up at once.
fn list_below(
    ctx: &Ctx,
    memory: &Memory<'_>,
    (dir, lower): (&Open, &File),
    place: &mut Place,
    (buf, buf_len): (Ptr<u8>, u32),
    (cookie, bytes): (u64, &mut [u8]),
) -> Result<u32> {
    let dev = lower.stat()?.dev;
    let mut listings = ctx.listings();
    let mut entries = match listings.entries(lower, place, cookie, ctx.interrupt()) {
        Err(Errno::Noent) => return Ok(0),
        entries => entries?,
    };
    let mut used = 0;
    while used < buf_len {
        let (mut len, mut is_end) = (0, false);
        while len < (buf_len - used) as usize {
            let next = match entries.peek() {
                // Somebody has removed it from the host meanwhile.
                Err(Errno::Noent) => None,
                entry => entry?,
            };
            let Some(entry) = next else {
                is_end = true;
                break;
            };
            if entry.next >= ABOVE {
                return Err(Errno::Overflow);
            }
            // Its dots come with the entries above.
            if !matches!(entry.name, b"." | b"..") {
                let d_namlen = u32::try_from(entry.name.len()).unwrap_or(u32::MAX);
                let (d_next, d_ino, d_type) = (entry.next, entry.ino, entry.filetype.number());
                let head = Dirent { d_next, d_ino, d_namlen, d_type }.encode();
                let end = len + head.len() + entry.name.len();
                let Some((to_head, to_name)) =
                    bytes.get_mut(len..end).and_then(|to| to.split_at_mut_checked(head.len()))
                else {
                    break;
                };
                to_head.copy_from_slice(&head);
                to_name.copy_from_slice(entry.name);
                len = end;
            }
            entries.advance();
        }
        for (head, name) in dir.sift(dev, bytes.get_mut(..len).unwrap_or_default())? {
            used += write_entry(memory, (buf, buf_len), used, &head, name)?;
            if used == buf_len {
                // Full. The entry may be cut; the guest asks for it again, by the cookie of the one before
                // it.
                return Ok(used);
            }
        }
        if is_end {
            break;
        }
    }
    Ok(used)
}

/// True for an entry that the guest does not get to see.
fn is_hidden(ctx: &Ctx, name: &[u8]) -> bool {
    !ctx.lists_dots() && matches!(name, b"." | b"..")
}

/// Writes an entry behind the `used` bytes of the buffer, as far as there is room; how many bytes.
fn write_entry(
    memory: &Memory<'_>,
    (buf, buf_len): (Ptr<u8>, u32),
    used: u32,
    head: &Dirent,
    name: &[u8],
) -> Result<u32> {
    let written = copy_as_fits(memory, buf, buf_len, used, &head.encode())?;
    Ok(written + copy_as_fits(memory, buf, buf_len, used + written, name)?)
}

/// Copies as much of `bytes` as the buffer has room for behind `used`; how much that was.
fn copy_as_fits(memory: &Memory<'_>, buf: Ptr<u8>, buf_len: u32, used: u32, bytes: &[u8]) -> Result<u32> {
    let room = (buf_len - used) as usize;
    let fits = bytes.split_at_checked(room).map_or(bytes, |(fits, _)| fits);
    memory.copy_in(Ptr::new(buf.offset + used), fits)?;
    // Not more than `room`, which came from 32 bits.
    Ok(u32::try_from(fits.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;

    /// Lists as wasi-libc does, with a buffer of `size` bytes: whole entries count, the next cookie is the
    /// last's.
    fn list(guest: &Guest, fd: u64, size: u32) -> Vec<(String, u8)> {
        let mut found = Vec::new();
        let mut cookie = 0;
        loop {
            assert_eq!(guest.call("fd_readdir", &[fd, 1024, u64::from(size), cookie, 16]), Errno::Success);
            let used = guest.u32(16);
            let mut at = 0;
            while used - at >= 24 {
                let head: Dirent = guest.record(1024 + at);
                if used - at - 24 < head.d_namlen {
                    break;
                }
                let name = guest.bytes(1024 + at + 24, head.d_namlen as usize);
                found.push((String::from_utf8(name).unwrap(), head.d_type));
                cookie = head.d_next;
                at += 24 + head.d_namlen;
            }
            if used < size {
                return found;
            }
            assert!(at > 0, "a buffer of {size} holds no entry");
        }
    }

    #[test]
    fn a_file_that_is_no_directory_keeps_its_offset() {
        let guest = Guest::new();
        std::fs::write(guest.host("file"), "text").unwrap();
        let fd = guest.open("file", 0, ALL, 0).unwrap();
        let [iovs, len] = guest.iovec(0, 64, 2);
        assert_eq!(guest.call("fd_read", &[fd, iovs, len, 32]), Errno::Success);
        assert_eq!(guest.call("fd_readdir", &[fd, 1024, 100, 0, 16]), Errno::Notdir);
        assert_eq!(guest.call("fd_read", &[fd, iovs, len, 32]), Errno::Success);
        assert_eq!(guest.bytes(64, 2), b"xt");
    }

    #[test]
    fn fd_readdir_lists_everything_whatever_the_buffer_s_size() {
        let guest = Guest::new();
        std::fs::create_dir(guest.host("sub")).unwrap();
        for index in 0..300 {
            std::fs::write(guest.host(&format!("file-{index}-{}", "x".repeat(index % 40))), "").unwrap();
        }
        let whole = list(&guest, DIR, 48 * 1024);
        assert_eq!(whole.len(), 303);
        for name in [".", "..", "sub"] {
            assert!(whole.contains(&(name.into(), Filetype::Directory.number())), "{name}");
        }
        for size in [100, 128, 333, 4096] {
            assert_eq!(list(&guest, DIR, size), whole, "with a buffer of {size}");
        }
    }

    #[test]
    fn a_cut_entry_fills_the_buffer_to_the_last_byte() {
        let guest = Guest::new();
        for size in [0, 1, 23, 24, 25] {
            assert_eq!(guest.call("fd_readdir", &[DIR, 1024, size, 0, 16]), Errno::Success);
            assert_eq!(u64::from(guest.u32(16)), size);
        }
        guest.memory.assert_masked_but(&[(1024, 25), (16, 4)]);
    }

    #[test]
    fn the_number_of_the_directory_above_is_not_told() {
        let guest = Guest::new();
        assert_eq!(guest.call("fd_readdir", &[DIR, 1024, 4096, 0, 16]), Errno::Success);
        let heads =
            [guest.record::<Dirent>(1024), guest.record::<Dirent>(1024 + 24 + guest.record::<Dirent>(1024).d_namlen)];
        assert_eq!(heads[0].d_ino, heads[1].d_ino);
        assert_eq!(heads.map(|head| head.d_namlen).iter().sum::<u32>(), 3, "these are the dots");
    }

    #[test]
    fn the_dots_can_be_left_out() {
        let mut guest = Guest::new();
        guest.ctx = guest.ctx.listing_dots(false);
        std::fs::write(guest.host("file"), "").unwrap();
        assert_eq!(list(&guest, DIR, 4096), [("file".into(), Filetype::RegularFile.number())]);
    }

    #[test]
    fn fd_readdir_of_a_file_is_enotdir() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("fd_readdir", &[fd, 1024, 100, 0, 16]), Errno::Notdir);
        assert_eq!(guest.call("fd_readdir", &[99, 1024, 100, 0, 16]), Errno::Badf);
        assert_eq!(guest.call("fd_readdir", &[DIR, guest.end(), 1, 0, 16]), Errno::Fault);
        assert_eq!(guest.call("fd_readdir", &[DIR, 1024, 100, 0, guest.end()]), Errno::Fault);
    }
}

//! Reading, writing, the offset between them, and the way to the device.

use super::transfer::{BATCH, MOST, Transfer};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Rights, Whence};
use crate::abi::records::Iovec;
use crate::abi::{Fd, Ptr};
use crate::ctx::Ctx;
use crate::descriptors::Descriptor;
use crate::files::memory::Open;
use crate::files::object::Object;
use crate::host::file::{File, SeekFrom};
use crate::host::stream::Stream;
use crate::host::wait::{Checkpoint, Interest, STRETCH};
use crate::memory::{Buffers, Memory, Position};

pub(super) fn fd_read(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    iovs: Ptr<Iovec>,
    iovs_len: u32,
    nread: Ptr<u32>,
) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_READ)?;
    transfer(ctx, memory, &descriptor, Interest::Read, (iovs, iovs_len), Position::Current, nread)
}

pub(super) fn fd_pread(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    iovs: Ptr<Iovec>,
    iovs_len: u32,
    offset: u64,
    nread: Ptr<u32>,
) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_READ | Rights::FD_SEEK)?;
    transfer(ctx, memory, &descriptor, Interest::Read, (iovs, iovs_len), Position::At(offset), nread)
}

pub(super) fn fd_write(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    iovs: Ptr<Iovec>,
    iovs_len: u32,
    nwritten: Ptr<u32>,
) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_WRITE)?;
    transfer(ctx, memory, &descriptor, Interest::Write, (iovs, iovs_len), Position::Current, nwritten)
}

pub(super) fn fd_pwrite(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    iovs: Ptr<Iovec>,
    iovs_len: u32,
    offset: u64,
    nwritten: Ptr<u32>,
) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_WRITE | Rights::FD_SEEK)?;
    transfer(ctx, memory, &descriptor, Interest::Write, (iovs, iovs_len), Position::At(offset), nwritten)
}

/// Moves bytes between the guest's buffers and the descriptor, and tells how many.
fn transfer(
    ctx: &Ctx,
    memory: &Memory<'_>,
    descriptor: &Descriptor,
    interest: Interest,
    (iovs, iovs_len): (Ptr<Iovec>, u32),
    position: Position,
    count: Ptr<u32>,
) -> Result {
    let iovecs = memory.iovecs(iovs, iovs_len)?;
    // Looked at first: what has been moved can't be put back.
    memory.check(count, 1)?;
    let moved = match &descriptor.object {
        Object::File(file) => {
            let place = place_in_file(descriptor, file, interest, position)?;
            let moved = Transfer::new(ctx, descriptor, file).at(iovecs, interest, place)?;
            if position == Position::Current {
                descriptor.offset.pass(moved);
            }
            moved
        }
        Object::Memory(open) => transfer_in_file(ctx, descriptor, open, interest, iovecs.into(), position)?,
        Object::Stream(_) if position != Position::Current => return Err(Errno::Spipe),
        Object::Stream(stream) => transfer_in_stream(ctx, stream, interest, iovecs.into())?,
    };
    ctx.usage.count(interest, moved);
    memory.write(count, &moved)
}

/// The same with a stream in memory, which never waits.
fn transfer_in_stream(ctx: &Ctx, stream: &Stream, interest: Interest, buffers: Buffers<'_>) -> Result<u32> {
    let moved = transfer_in_memory(ctx, buffers, u64::MAX, |buffers, wanted| {
        let moved = match (stream, interest) {
            (Stream::Input(input), Interest::Read) => input.read(wanted, |bytes| buffers.scatter(bytes)),
            (Stream::Output(output), Interest::Write) => {
                output.write(wanted, |most, bytes| buffers.gather(most, bytes))
            }
            // The other end of a pipe.
            _ => Err(Errno::Badf),
        };
        moved.inspect(|moved| buffers.advance(*moved))
    });
    if let (Ok(1..), Stream::Input(input)) = (moved, stream) {
        // The bytes that were moved are the answer: the call is not made again for more.
        input.take_wanted();
    }
    moved
}

/// The same with a file in memory.
fn transfer_in_file(
    ctx: &Ctx,
    descriptor: &Descriptor,
    open: &Open,
    interest: Interest,
    buffers: Buffers<'_>,
    position: Position,
) -> Result<u32> {
    let is_append = interest == Interest::Write && descriptor.flags().contains(Fdflags::APPEND);
    let start = match position {
        Position::At(offset) => Some(offset),
        _ if is_append => None,
        _ => descriptor.offset.kept(),
    };
    if start.is_some_and(|start| i64::try_from(start).is_err()) {
        return Err(Errno::Inval);
    }
    let mut next = start;
    let moved = transfer_in_memory(ctx, buffers, STRETCH, |buffers, wanted| match interest {
        Interest::Read => {
            let offset = next.unwrap_or(0);
            let moved = open.read(offset, buffers, wanted)?;
            next = Some(offset + u64::from(moved));
            Ok(moved)
        }
        Interest::Write => {
            // Without a place of its own each piece goes to the end, wherever that is by then.
            let (moved, end) = open.write(start.and(next), buffers, wanted, ctx.now()())?;
            next = Some(end);
            Ok(moved)
        }
    })?;
    if let (1.., Position::Current, Some(end)) = (moved, position, next) {
        descriptor.offset.set(end);
    }
    Ok(moved)
}

/// Serves the buffers in memory, at most `most` bytes at once: `call` gets how many bytes are wanted, and
/// moves as many of them as it can. Where these are less, that is the answer.
fn transfer_in_memory(
    ctx: &Ctx,
    mut buffers: Buffers<'_>,
    most: u64,
    mut call: impl FnMut(&mut Buffers<'_>, u64) -> Result<u32>,
) -> Result<u32> {
    let mut checkpoint = Checkpoint::new(ctx.interrupt());
    loop {
        buffers.take_up()?;
        let wanted = buffers.left().min(most);
        if wanted == 0 && buffers.has_more() {
            checkpoint.pass(BATCH)?;
            continue;
        }
        match call(&mut buffers, wanted) {
            Ok(moved) => {
                let is_served = buffers.left() == 0 && !buffers.has_more();
                if u64::from(moved) < wanted || is_served || buffers.moved() > MOST {
                    return Ok(buffers.moved());
                }
                checkpoint.pass(wanted)?;
            }
            Err(errno) if buffers.moved() == 0 => return Err(errno),
            Err(_) => return Ok(buffers.moved()),
        }
    }
}

/// Where in the file that is: without a place of its own at the offset, and what is written with APPEND at
/// the end, which not every operating system sees to itself.
#[inline]
fn place_in_file(descriptor: &Descriptor, file: &File, interest: Interest, position: Position) -> Result<Position> {
    if position != Position::Current {
        return Ok(position);
    }
    if interest == Interest::Write && descriptor.flags().contains(Fdflags::APPEND) {
        descriptor.offset.release(file)?; // which the operating system moves to the end
        return Ok(Position::End);
    }
    Ok(descriptor.offset.kept().map_or(Position::Current, Position::At))
}

pub(super) fn fd_seek(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    offset: i64,
    whence: Whence,
    newoffset: Ptr<u64>,
) -> Result {
    let only_tells = offset == 0 && whence == Whence::Cur;
    let descriptor = ctx.fd(fd, if only_tells { Rights::FD_TELL } else { Rights::FD_SEEK })?;
    memory.check(newoffset, 1)?;
    let to = match whence {
        Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        Whence::Cur => SeekFrom::Current(offset),
        Whence::End => SeekFrom::End(offset),
    };
    memory.write(newoffset, &seek(&descriptor, to)?)
}

pub(super) fn fd_tell(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, offset: Ptr<u64>) -> Result {
    let descriptor = ctx.fd(fd, Rights::FD_TELL)?;
    memory.write(offset, &seek(&descriptor, SeekFrom::Current(0))?)
}

/// Moves the offset, and returns the new one: ESPIPE for a stream, and EISDIR for a directory, where the
/// operating system would move what `fd_readdir` goes by.
fn seek(descriptor: &Descriptor, to: SeekFrom) -> Result<u64> {
    if descriptor.object.filetype()? == Filetype::Directory {
        return Err(Errno::Isdir);
    }
    match &descriptor.object {
        Object::File(file) => descriptor.offset.seek(file, to),
        Object::Memory(open) => descriptor.offset.seek_in_memory(open.size(), to),
        Object::Stream(_) => Err(Errno::Spipe),
    }
}

pub(super) fn fd_sync(ctx: &Ctx, _: &Memory<'_>, fd: Fd) -> Result {
    ctx.fd(fd, Rights::FD_SYNC)?.object.sync()
}

pub(super) fn fd_datasync(ctx: &Ctx, _: &Memory<'_>, fd: Fd) -> Result {
    ctx.fd(fd, Rights::FD_DATASYNC)?.object.datasync()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;
    use crate::host::stream::{Input, Output};
    use std::fs;
    use std::io::Read;
    use std::sync::Arc;

    #[test]
    fn fd_write_and_fd_read_serve_every_iovec() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        guest.memory.put(100, b"hello ");
        guest.memory.put(200, b"world");
        guest.memory.put_iovecs(0, &[(100, 6), (300, 0), (200, 5)]);
        assert_eq!(guest.call("fd_write", &[fd, 0, 3, 40]), Errno::Success);
        assert_eq!(guest.u32(40), 11);
        assert_eq!(fs::read(guest.host("file")).unwrap(), b"hello world");
        assert_eq!((guest.ctx.usage.read(), guest.ctx.usage.written()), (0, 11));
        assert_eq!(guest.call("fd_seek", &[fd, 0, 0, 48]), Errno::Success);
        guest.memory.put_iovecs(0, &[(400, 4), (500, 100)]);
        assert_eq!(guest.call("fd_read", &[fd, 0, 2, 40]), Errno::Success);
        assert_eq!(
            (guest.u32(40), guest.bytes(400, 4), guest.bytes(500, 7)),
            (11, b"hell".to_vec(), b"o world".to_vec())
        );
        assert_eq!(guest.bytes(507, 1), [crate::memory::guest::MASK]);
        assert_eq!(guest.call("fd_read", &[fd, 0, 2, 40]), Errno::Success);
        assert_eq!(guest.u32(40), 0, "the end of the file");
    }

    #[test]
    fn fd_write_reaches_the_standard_streams_and_an_ended_stdin_reads_0() {
        let mut guest = Guest::new();
        guest.memory.put(100, b"out");
        let [iovs, len] = guest.iovec(0, 100, 3);
        for fd in [1, 2] {
            assert_eq!(guest.call("fd_write", &[fd, iovs, len, 40]), Errno::Success);
        }
        let mut found = [0; 6];
        guest.stdout.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"outout");
        assert_eq!(guest.call("fd_read", &[0, iovs, len, 40]), Errno::Success);
        assert_eq!(guest.u32(40), 0);
    }

    #[test]
    fn fd_pwrite_and_fd_pread_leave_the_offset() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        guest.memory.put(100, b"abcd");
        let [iovs, len] = guest.iovec(0, 100, 4);
        assert_eq!(guest.call("fd_pwrite", &[fd, iovs, len, 2, 40]), Errno::Success);
        assert_eq!(fs::read(guest.host("file")).unwrap(), b"\0\0abcd");
        let [iovs, len] = guest.iovec(0, 200, 4);
        assert_eq!(guest.call("fd_pread", &[fd, iovs, len, 3, 40]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(200, 3)), (3, b"bcd".to_vec()));
        assert_eq!(guest.call("fd_tell", &[fd, 48]), Errno::Success);
        assert_eq!(guest.u64(48), 0);
        for name in ["fd_pread", "fd_pwrite"] {
            assert_eq!(guest.call(name, &[fd, iovs, len, u64::MAX, 40]), Errno::Inval, "{name}");
            assert_eq!(guest.call(name, &[1, iovs, len, 0, 40]), Errno::Spipe, "{name}");
        }
    }

    #[test]
    fn offsets_go_past_4_gib() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let far = 5 << 30;
        guest.memory.put(100, b"x");
        let [iovs, len] = guest.iovec(0, 100, 1);
        assert_eq!(guest.call("fd_seek", &[fd, far, 0, 48]), Errno::Success);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 40]), Errno::Success);
        assert_eq!(guest.call("fd_seek", &[fd, 0, 1, 48]), Errno::Success);
        assert_eq!(guest.u64(48), far + 1);
        assert_eq!(guest.call("fd_seek", &[fd, (-1_i64).cast_unsigned(), 2, 48]), Errno::Success);
        assert_eq!(guest.u64(48), far);
    }

    #[test]
    fn fd_seek_before_the_start_or_from_nowhere_is_einval() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let minus_one = (-1_i64).cast_unsigned();
        for whence in [0, 1, 2] {
            assert_eq!(guest.call("fd_seek", &[fd, minus_one, whence, 48]), Errno::Inval);
        }
        assert_eq!(guest.call("fd_seek", &[fd, 0, 3, 48]), Errno::Inval);
        assert_eq!(guest.call("fd_seek", &[1, 0, 0, 48]), Errno::Spipe);
        assert_eq!(guest.call("fd_seek", &[fd, 0, 0, guest.end() - 7]), Errno::Fault);
        std::fs::create_dir(guest.host("sub")).unwrap();
        let dir = guest.open("sub", 0, Rights::FD_READ.bits(), 0).unwrap();
        assert_eq!(guest.call("fd_seek", &[dir, 0, 0, 48]), Errno::Isdir);
        assert_eq!(guest.call("fd_seek", &[DIR, 0, 0, 48]), Errno::Notcapable);
        assert_eq!(guest.call("fd_tell", &[99, 48]), Errno::Badf);
        assert_eq!(guest.call("fd_tell", &[fd, guest.end() - 7]), Errno::Fault);
    }

    /// The guest's offset is kept by itself, the twin's by the operating system.
    #[cfg(unix)]
    #[test]
    fn a_file_that_is_sought_in_is_where_the_operating_system_would_be() {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        use std::io::{Seek, SeekFrom, Write};
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let mut twin = fs::File::options().read(true).write(true).create_new(true).open(guest.host("twin")).unwrap();
        let mut random = 1_u64;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        let mut kept = 0;
        for step in 0..2000_u32 {
            let mut bytes = vec![step.to_le_bytes()[0]; usize::try_from(below(40)).unwrap()];
            let [iovs, count] = guest.iovec(0, 100, u32::try_from(bytes.len()).unwrap());
            match below(8) {
                0 => {
                    guest.memory.put(100, &bytes);
                    assert_eq!(guest.call("fd_write", &[fd, iovs, count, 40]), Errno::Success);
                    twin.write_all(&bytes).unwrap();
                }
                1 => {
                    assert_eq!(guest.call("fd_read", &[fd, iovs, count, 40]), Errno::Success);
                    let len = twin.read(&mut bytes).unwrap();
                    assert_eq!(
                        (guest.u32(40) as usize, guest.bytes(100, len)),
                        (len, bytes[..len].to_vec()),
                        "step {step}"
                    );
                }
                2 => {
                    let append = below(2) == 1;
                    let flags = if append { Fdflags::APPEND } else { Fdflags::empty() };
                    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, flags.bits().into()]), Errno::Success);
                    let mut flags = fcntl_getfl(&twin).unwrap();
                    flags.set(OFlags::APPEND, append);
                    fcntl_setfl(&twin, flags).unwrap();
                }
                3 => {
                    let descriptor = guest.ctx.descriptors.get(Fd(u32::try_from(fd).unwrap())).unwrap();
                    let rest = (twin.metadata().unwrap().len()).saturating_sub(twin.stream_position().unwrap());
                    let file = descriptor.object.file_or(Errno::Spipe).unwrap();
                    assert_eq!(descriptor.offset.available(file), rest, "step {step}");
                }
                whence => {
                    let by = i64::try_from(below(60)).unwrap() - 20;
                    let to = match whence % 3 {
                        0 => SeekFrom::Start(by.cast_unsigned()),
                        1 => SeekFrom::Current(by),
                        _ => SeekFrom::End(by),
                    };
                    let errno = guest.call("fd_seek", &[fd, by.cast_unsigned(), whence % 3, 48]);
                    match twin.seek(to) {
                        Ok(at) => assert_eq!((errno, guest.u64(48)), (Errno::Success, at), "step {step}"),
                        Err(_) => assert_eq!(errno, Errno::Inval, "step {step}"),
                    }
                }
            }
            let descriptor = guest.ctx.descriptors.get(Fd(u32::try_from(fd).unwrap())).unwrap();
            kept += usize::from(descriptor.offset.kept().is_some());
        }
        assert!(kept > 500, "the offset was the guest's own in {kept} steps");
        assert!(fs::read(guest.host("file")).unwrap() == fs::read(guest.host("twin")).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn an_offset_that_others_share_is_the_operating_system_s() {
        use std::io::{Seek, SeekFrom};
        let guest = Guest::new();
        let mut shared = tempfile::tempfile().unwrap();
        let handle = crate::host::file::OwnedHandle::from(shared.try_clone().unwrap());
        let fd = u64::from(guest.ctx.push_stdio(handle.into(), false).unwrap().0);
        assert_eq!(guest.call("fd_seek", &[fd, 5, 0, 48]), Errno::Success);
        assert_eq!(shared.stream_position().unwrap(), 5);
        shared.seek(SeekFrom::Start(9)).unwrap();
        assert_eq!(guest.call("fd_tell", &[fd, 48]), Errno::Success);
        assert_eq!(guest.u64(48), 9);
    }

    #[test]
    fn a_count_that_can_t_be_reported_moves_nothing() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        guest.memory.put(100, b"abcd");
        let [iovs, len] = guest.iovec(0, 100, 4);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, guest.end() - 3]), Errno::Fault);
        assert_eq!(guest.call("fd_write", &[fd, iovs, u64::from(u32::MAX), 40]), Errno::Fault);
        assert_eq!(fs::metadata(guest.host("file")).unwrap().len(), 0);
    }

    #[test]
    fn without_the_right_it_is_enotcapable() {
        let guest = Guest::new();
        let reader = guest.open("file", 1, Rights::FD_READ.bits(), 0).unwrap();
        let writer = guest.open("file", 0, Rights::FD_WRITE.bits(), 0).unwrap();
        let [iovs, len] = guest.iovec(0, 100, 4);
        assert_eq!(guest.call("fd_write", &[reader, iovs, len, 40]), Errno::Notcapable);
        assert_eq!(guest.call("fd_read", &[writer, iovs, len, 40]), Errno::Notcapable);
    }

    #[test]
    fn a_closed_pipe_is_epipe() {
        let Guest { ctx, memory, stdout, .. } = Guest::new();
        drop(stdout);
        let (iovs, len) = memory.put_iovecs(0, &[(100, 4)]);
        assert_eq!(fd_write(&ctx, &memory.view(), Fd(1), iovs, len, Ptr::new(40)), Err(Errno::Pipe));
    }

    #[test]
    fn nonblock_is_eagain_where_the_guest_would_wait() {
        let guest = Guest::new();
        let (reader, _writer) = std::io::pipe().unwrap();
        guest.ctx.descriptors.remove(Fd(0)).unwrap();
        guest.ctx.push_stdio(crate::host::file::OwnedHandle::from(reader).into(), false).unwrap();
        let nonblock = u64::from(Fdflags::NONBLOCK.bits());
        assert_eq!(guest.call("fd_fdstat_set_flags", &[0, nonblock]), Errno::Success);
        let [iovs, len] = guest.iovec(0, 100, 4);
        assert_eq!(guest.call("fd_read", &[0, iovs, len, 40]), Errno::Again);
    }

    /// A guest with an input and an output in memory, and their numbers.
    fn streams(input: Input, limit: usize) -> (Guest, [u64; 2], Arc<Input>, Arc<Output>) {
        let guest = Guest::new();
        let (input, output) = (Arc::new(input), Arc::new(Output::new(limit)));
        let fds = [Stream::Input(input.clone()), Stream::Output(output.clone())]
            .map(|stream| u64::from(guest.ctx.push_stream(stream).unwrap().0));
        (guest, fds, input, output)
    }

    #[test]
    fn a_stream_in_memory_is_read_and_written_iovec_by_iovec() {
        let (guest, [stdin, stdout], _, output) = streams(Input::new(b"hello world".to_vec()), 100);
        guest.memory.put_iovecs(0, &[(400, 4), (450, 0), (500, 3)]);
        assert_eq!(guest.call("fd_read", &[stdin, 0, 3, 40]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(400, 4), guest.bytes(500, 3)), (7, b"hell".to_vec(), b"o w".to_vec()));
        assert_eq!(guest.call("fd_write", &[stdout, 0, 3, 40]), Errno::Success);
        assert_eq!((guest.u32(40), output.take()), (7, b"hello w".to_vec()));
        assert_eq!(guest.call("fd_read", &[stdin, 0, 3, 40]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(400, 4)), (4, b"orld".to_vec()));
        assert_eq!(guest.call("fd_read", &[stdin, 0, 3, 40]), Errno::Success);
        assert_eq!(guest.u32(40), 0, "the end");
        guest.memory.put_iovecs(0, &[(400, 4), (u32::MAX, 4)]);
        for (name, fd) in [("fd_read", stdin), ("fd_write", stdout)] {
            assert_eq!(guest.call(name, &[fd, 0, 2, 40]), Errno::Fault, "{name}");
        }
        assert_eq!(output.take(), b"");
    }

    #[test]
    fn a_full_output_takes_what_fits_and_then_says_so() {
        let (guest, [_, stdout], _, output) = streams(Input::on_demand(), 5);
        let [iovs, len] = guest.iovec(0, 100, 3);
        guest.memory.put(100, b"abc");
        for (answer, count) in [(Errno::Success, 3), (Errno::Success, 2), (Errno::Nospc, 2)] {
            assert_eq!(guest.call("fd_write", &[stdout, iovs, len, 40]), answer);
            assert_eq!(guest.u32(40), count);
        }
        assert!(output.is_exceeded());
        assert_eq!(output.take(), b"abcab");
    }

    #[test]
    fn a_dry_input_is_eagain_until_it_is_supplied() {
        let (guest, [stdin, _], input, _) = streams(Input::on_demand(), 0);
        let [iovs, len] = guest.iovec(0, 100, 3);
        assert_eq!(guest.call("fd_read", &[stdin, iovs, len, 40]), Errno::Again);
        assert_eq!(input.take_wanted(), Some(3));
        input.supply(Some(b"abcd".to_vec()));
        assert_eq!(guest.call("fd_read", &[stdin, iovs, len, 40]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(100, 3)), (3, b"abc".to_vec()));
    }

    #[test]
    fn a_stream_in_memory_does_what_a_pipe_does() {
        let (guest, fds, ..) = streams(Input::new(Vec::new()), 9);
        let [iovs, len] = guest.iovec(0, 100, 3);
        let [path, path_len] = guest.path(200, "x");
        for fd in fds {
            for (name, params, errno) in [
                ("fd_seek", vec![fd, 0, 0, 40], Errno::Spipe),
                ("fd_tell", vec![fd, 40], Errno::Spipe),
                ("fd_pread", vec![fd, iovs, len, 0, 40], Errno::Spipe),
                ("fd_pwrite", vec![fd, iovs, len, 0, 40], Errno::Spipe),
                ("fd_advise", vec![fd, 0, 0, 0], Errno::Spipe),
                ("fd_allocate", vec![fd, 0, 1], Errno::Spipe),
                ("fd_sync", vec![fd], Errno::Inval),
                ("fd_datasync", vec![fd], Errno::Inval),
                ("fd_filestat_set_size", vec![fd, 0], Errno::Inval),
                ("fd_filestat_get", vec![fd, 512], Errno::Success),
                ("fd_fdstat_get", vec![fd, 512], Errno::Success),
                ("fd_fdstat_set_flags", vec![fd, u64::from(Fdflags::APPEND.bits())], Errno::Success),
                ("fd_readdir", vec![fd, 512, 100, 0, 40], Errno::Notcapable),
                ("path_unlink_file", vec![fd, path, path_len], Errno::Notcapable),
                ("sock_shutdown", vec![fd, 1], Errno::Notsock),
            ] {
                assert_eq!(guest.call(name, &params), errno, "{name}");
            }
        }
        assert_eq!(guest.call("fd_write", &[fds[0], iovs, len, 40]), Errno::Badf);
        assert_eq!(guest.call("fd_read", &[fds[1], iovs, len, 40]), Errno::Badf);
        assert_eq!(guest.call("fd_renumber", &[fds[1], 1]), Errno::Success);
        assert_eq!(guest.call("fd_write", &[1, iovs, len, 40]), Errno::Success);
    }

    #[test]
    fn fd_sync_and_fd_datasync_take_files() {
        let guest = Guest::new();
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        for name in ["fd_sync", "fd_datasync"] {
            assert_eq!(guest.call(name, &[fd]), Errno::Success);
            assert_eq!(guest.call(name, &[DIR]), Errno::Success);
            assert_eq!(guest.call(name, &[99]), Errno::Badf);
            assert_eq!(guest.call(name, &[1]), Errno::Inval, "a pipe");
        }
    }
}

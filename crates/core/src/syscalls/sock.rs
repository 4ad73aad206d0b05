//! Stream sockets that the embedder handed in.

use super::transfer::Transfer;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Riflags, Rights, Roflags, Sdflags, Siflags};
use crate::abi::records::Iovec;
use crate::abi::{Fd, Ptr};
use crate::ctx::Ctx;
use crate::descriptors::Descriptor;
use crate::host::file::File;
use crate::host::wait::{Interest, is_ready, wait_for};
use crate::memory::{Buffers, Call, Memory};
use std::cell::Ref;
use std::io::ErrorKind;

/// A descriptor that may be used as a socket.
struct Socket<'c>(Ref<'c, Descriptor>);

impl<'c> Socket<'c> {
    /// The descriptor, if it is open (EBADF), may be used as a socket (ENOTSOCK) and has these rights
    /// (ENOTCAPABLE).
    fn of(ctx: &'c Ctx, fd: Fd, needed: Rights) -> Result<Self> {
        let descriptor = ctx.fd(fd, Rights::empty())?;
        descriptor.require_socket()?;
        descriptor.require(needed)?;
        Ok(Self(descriptor))
    }

    fn file(&self) -> Result<&File> {
        self.0.object.file_or(Errno::Notsock)
    }

    fn flags(&self) -> Fdflags {
        self.0.flags()
    }
}

pub(super) fn sock_accept(ctx: &Ctx, memory: &Memory<'_>, fd: Fd, flags: Fdflags, result: Ptr<u32>) -> Result {
    if !Fdflags::NONBLOCK.contains(flags) {
        return Err(Errno::Inval);
    }
    let socket = Socket::of(ctx, fd, Rights::SOCK_ACCEPT)?;
    memory.check(result, 1)?;
    let file = socket.file()?;
    ctx.descriptors.require_room()?; // the connection would be lost
    let connection = accept(ctx, file, socket.flags().contains(Fdflags::NONBLOCK))?;
    drop(socket); // the table is about to change
    let accepted = Descriptor::new(connection, Rights::FILE, Rights::empty(), flags);
    memory.write(result, &ctx.descriptors.insert(accepted)?.0)
}

/// Takes a connection, and waits for one unless the guest asked for EAGAIN. No call takes one without waiting
/// from a socket that is not non-blocking itself; so that is polled, and the kernel waits only if another
/// process takes the connection in between (SECURITY.md).
fn accept(ctx: &Ctx, file: &File, nonblock: bool) -> Result<File> {
    let polls = nonblock || ctx.interrupt().poll_interval().is_some();
    loop {
        let taken = if polls && file.is_listening()? && !is_ready(file, Interest::Read)? {
            Err(ErrorKind::WouldBlock.into())
        } else {
            file.accept()
        };
        match taken {
            Err(error) if error.kind() == ErrorKind::WouldBlock && !nonblock => {
                wait_for(file, Interest::Read, ctx.interrupt())?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            taken => return Ok(taken?),
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one parameter of the standard, one parameter here")]
pub(super) fn sock_recv(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    ri_data: Ptr<Iovec>,
    ri_data_len: u32,
    ri_flags: Riflags,
    ro_datalen: Ptr<u32>,
    ro_flags: Ptr<u16>,
) -> Result {
    let socket = Socket::of(ctx, fd, Rights::FD_READ)?;
    let iovecs = memory.iovecs(ri_data, ri_data_len)?;
    memory.check(ro_datalen, 1)?;
    memory.check(ro_flags, 1)?;
    let peek = ri_flags.contains(Riflags::RECV_PEEK);
    let whole = ri_flags.contains(Riflags::RECV_WAITALL);
    let file = socket.file()?;
    // A peek never waits for the whole: it would not come in pieces.
    let call = Call::Receive { peek, whole: whole && !peek };
    let mut buffers = Buffers::from(iovecs);
    let count = Transfer::new(ctx, &socket.0, file).run(call, &mut buffers)?;
    ctx.usage.count(Interest::Read, count);
    memory.write(ro_datalen, &count)?;
    let flags = if buffers.is_cut() { Roflags::RECV_DATA_TRUNCATED } else { Roflags::empty() };
    memory.write(ro_flags, &flags.bits())
}

pub(super) fn sock_send(
    ctx: &Ctx,
    memory: &Memory<'_>,
    fd: Fd,
    si_data: Ptr<Iovec>,
    si_data_len: u32,
    _si_flags: Siflags,
    so_datalen: Ptr<u32>,
) -> Result {
    let socket = Socket::of(ctx, fd, Rights::FD_WRITE)?;
    let iovecs = memory.iovecs(si_data, si_data_len)?;
    memory.check(so_datalen, 1)?;
    let file = socket.file()?;
    let count = Transfer::new(ctx, &socket.0, file).run(Call::Send, &mut iovecs.into())?;
    ctx.usage.count(Interest::Write, count);
    memory.write(so_datalen, &count)
}

pub(super) fn sock_shutdown(ctx: &Ctx, _: &Memory<'_>, fd: Fd, how: Sdflags) -> Result {
    Socket::of(ctx, fd, Rights::SOCK_SHUTDOWN)?.file()?.shutdown(how)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, Guest};
    use super::*;
    #[cfg(unix)]
    use crate::host::file::OwnedHandle;
    #[cfg(unix)]
    use std::io::{Read, Write};
    #[cfg(unix)]
    use std::os::unix::net::{UnixListener, UnixStream};

    #[cfg(unix)]
    /// A guest with one end of a socket pair, and the other end.
    fn connected() -> (Guest, u64, UnixStream) {
        let guest = Guest::new();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let fd = guest.ctx.push_stdio(OwnedHandle::from(ours).into(), false).unwrap();
        (guest, u64::from(fd.0), theirs)
    }

    #[cfg(unix)]
    #[test]
    fn sock_recv_peeks_and_takes() {
        let (guest, fd, mut peer) = connected();
        peer.write_all(b"hello").unwrap();
        let [data, len] = guest.iovec(0, 100, 3);
        for flags in [1, 0] {
            assert_eq!(guest.call("sock_recv", &[fd, data, len, flags, 40, 44]), Errno::Success);
            assert_eq!((guest.u32(40), guest.bytes(100, 3)), (3, b"hel".to_vec()));
            assert_eq!(guest.record::<u16>(44), 0, "a stream is never cut");
        }
        assert_eq!(guest.call("sock_recv", &[fd, data, len, 0, 40, 44]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(100, 2)), (2, b"lo".to_vec()));
        assert_eq!(guest.call("sock_recv", &[fd, data, len, 4, 40, 44]), Errno::Inval);
    }

    #[cfg(unix)]
    #[test]
    fn sock_send_sends_and_a_closed_peer_is_epipe() {
        let (guest, fd, mut peer) = connected();
        guest.memory.put(100, b"abc");
        let [data, len] = guest.iovec(0, 100, 3);
        assert_eq!(guest.call("sock_send", &[fd, data, len, 0, 40]), Errno::Success);
        let mut found = [0; 3];
        peer.read_exact(&mut found).unwrap();
        assert_eq!((guest.u32(40), &found), (3, b"abc"));
        drop(peer);
        assert_eq!(guest.call("sock_send", &[fd, data, len, 0, 40]), Errno::Pipe);
        assert_eq!(guest.call("sock_send", &[fd, data, len, 1, 40]), Errno::Inval);
    }

    #[cfg(unix)]
    #[test]
    fn sock_shutdown_ends_a_direction() {
        let (guest, fd, mut peer) = connected();
        assert_eq!(guest.call("sock_shutdown", &[fd, 2]), Errno::Success);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        assert_eq!(guest.call("sock_shutdown", &[fd, 0]), Errno::Inval);
        assert_eq!(guest.call("sock_shutdown", &[99, 1]), Errno::Badf);
        let file = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("sock_shutdown", &[file, 1]), Errno::Notsock);
    }

    #[cfg(unix)]
    #[test]
    fn the_host_s_own_streams_are_no_sockets_to_the_guest() {
        let guest = Guest::new();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let fd = u64::from(guest.ctx.push_stdio(OwnedHandle::from(ours).into(), true).unwrap().0);
        let [data, len] = guest.iovec(0, 100, 3);
        guest.memory.put(100, b"abc");
        assert_eq!(guest.call("sock_shutdown", &[fd, 3]), Errno::Notsock);
        assert_eq!(guest.call("sock_send", &[fd, data, len, 0, 40]), Errno::Notsock);
        assert_eq!(guest.call("sock_recv", &[fd, data, len, 0, 40, 44]), Errno::Notsock);
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Notsock);
        assert_eq!(guest.call("fd_write", &[fd, data, len, 40]), Errno::Success);
        let mut found = [0; 3];
        theirs.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"abc");
    }

    #[cfg(unix)]
    #[test]
    fn sock_accept_takes_a_connection() {
        let guest = Guest::new();
        let path = guest.host("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let fd = u64::from(guest.ctx.push_stdio(OwnedHandle::from(listener).into(), false).unwrap().0);
        let nonblock = u64::from(Fdflags::NONBLOCK.bits());
        assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, nonblock]), Errno::Success);
        assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Again);
        let mut client = UnixStream::connect(&path).unwrap();
        assert_eq!(guest.call("sock_accept", &[fd, nonblock, 40]), Errno::Success);
        let connection = u64::from(guest.u32(40));
        let [data, len] = guest.iovec(0, 100, 3);
        assert_eq!(guest.call("sock_recv", &[connection, data, len, 0, 48, 52]), Errno::Again);
        client.write_all(b"abc").unwrap();
        assert_eq!(guest.call("sock_recv", &[connection, data, len, 0, 48, 52]), Errno::Success);
        assert_eq!(guest.call("sock_accept", &[fd, 1, 40]), Errno::Inval);
        let file = guest.open("file", 1, ALL, 0).unwrap();
        assert_eq!(guest.call("sock_accept", &[file, 0, 40]), Errno::Notsock);
    }

    #[test]
    fn socket_calls_on_a_file_are_enotsock() {
        let guest = Guest::new();
        let file = guest.open("file", 1, ALL, 0).unwrap();
        let [data, len] = guest.iovec(0, 100, 3);
        for fd in [file, 1] {
            assert_eq!(guest.call("sock_shutdown", &[fd, 3]), Errno::Notsock);
            assert_eq!(guest.call("sock_send", &[fd, data, len, 0, 40]), Errno::Notsock);
            assert_eq!(guest.call("sock_recv", &[fd, data, len, 0, 40, 44]), Errno::Notsock);
            assert_eq!(guest.call("sock_accept", &[fd, 0, 40]), Errno::Notsock);
        }
    }
}

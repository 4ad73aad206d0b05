//! Moving bytes between buffers and an open file: in pieces where the guest may be ended meanwhile, and
//! waiting where the guest would wait.
//!
//! The call itself is made first, and poll is asked only when it says EAGAIN: poll knows neither that nothing
//! is to be moved, nor that the descriptor is open in the other direction, nor that another process is about
//! to take what is there. So a call that may be ended never waits in the kernel.

use crate::abi::errno::Result;
use crate::abi::flags::{Clockid, Fdflags, Filetype};
use crate::ctx::Ctx;
use crate::descriptors::Descriptor;
use crate::host::clock;
use crate::host::file::File;
use crate::host::wait::{
    Checkpoint, Interest, Interrupt, MOST_FOR_PIPE, STRETCH, Unblocked, is_ready, pause_for, unblocked, wait, wait_for,
};
use crate::memory::{Buffer, Buffers, Call, Iovecs, Mode, Position};
use std::io;

/// A count has 32 bits: what is moved beyond this ends the call, well before it is full.
pub(super) const MOST: u32 = u32::MAX / 2;

/// The cost of reading a batch of iovecs, in bytes that could be moved meanwhile.
pub(super) const BATCH: u64 = 16 * 1024;

/// A pause, in nanoseconds, where poll says what the call does not find.
const PAUSE: u64 = 1_000_000;

/// The transfers of one call on an open file.
pub(super) struct Transfer<'t> {
    interrupt: &'t dyn Interrupt,
    file: &'t File,
    /// True if the guest asked for EAGAIN rather than to wait.
    nonblock: bool,
    /// True if it may be a named pipe that the guest has opened and no writer yet.
    may_await_writer: bool,
}

impl<'t> Transfer<'t> {
    /// A transfer on an open file of the guest's.
    #[inline]
    pub(super) fn new(ctx: &'t Ctx, descriptor: &Descriptor, file: &'t File) -> Self {
        Self {
            interrupt: ctx.interrupt(),
            file,
            nonblock: descriptor.flags().contains(Fdflags::NONBLOCK),
            may_await_writer: descriptor.offset.is_fresh(),
        }
    }

    /// A transfer on a file of the host's.
    pub(super) fn on(file: &'t File, interrupt: &'t dyn Interrupt) -> Self {
        Self { interrupt, file, nonblock: false, may_await_writer: false }
    }

    /// True if the kernel may wait as it likes: nothing interrupts the guest, and it did not ask for EAGAIN.
    #[inline]
    fn is_left_alone(&self) -> bool {
        !self.nonblock && self.interrupt.poll_interval().is_none()
    }

    /// Reads into the guest's buffers, or writes them; how many bytes were moved.
    #[inline]
    pub(super) fn at(&self, iovecs: Iovecs<'_>, interest: Interest, position: Position) -> Result<u32> {
        let call = match interest {
            Interest::Read => Call::Read(position),
            Interest::Write => Call::Write(position),
        };
        // Most calls have one buffer, and are served by one kernel call.
        if self.is_left_alone()
            && let Some(one) = iovecs.single()?
        {
            return match interest {
                Interest::Read => self.after(one, call, one.read_from(self.file.handle(), position)?),
                Interest::Write => self.after(one, call, one.write_to(self.file.handle(), position)?),
            };
        }
        self.run(call, &mut iovecs.into())
    }

    /// After the first kernel call: mostly, that was it.
    #[inline]
    fn after(&self, one: Buffer<'_>, call: Call, result: io::Result<u32>) -> Result<u32> {
        match result {
            Ok(moved) if moved as usize == one.len() || (moved > 0 && matches!(call, Call::Read(_))) => Ok(moved),
            result => self.go_on(one, call, result),
        }
    }

    #[cold]
    fn go_on(&self, one: Buffer<'_>, call: Call, result: io::Result<u32>) -> Result<u32> {
        let mut buffers = Buffers::from(one);
        let wanted = buffers.left();
        if let Ok(moved) = result {
            buffers.advance(moved);
        }
        let mut run = Run::new(self, call);
        if run.settle(&mut buffers, wanted, result)? { Ok(buffers.moved()) } else { run.finish(&mut buffers) }
    }

    /// Makes kernel calls until the buffers are served, as far as the file goes; how many bytes were moved.
    pub(super) fn run(&self, call: Call, buffers: &mut Buffers<'_>) -> Result<u32> {
        Run::new(self, call).finish(buffers)
    }
}

/// A transfer that is being made.
struct Run<'r> {
    transfer: &'r Transfer<'r>,
    checkpoint: Checkpoint<'r>,
    call: Call,
    interest: Interest,
    /// True if poll has just said that the call finds something.
    was_ready: bool,
}

impl<'r> Run<'r> {
    fn new(transfer: &'r Transfer<'r>, call: Call) -> Self {
        let interest = match call {
            Call::Read(_) | Call::Receive { .. } => Interest::Read,
            Call::Write(_) | Call::Send => Interest::Write,
        };
        Self { transfer, checkpoint: Checkpoint::new(transfer.interrupt), call, interest, was_ready: false }
    }

    fn finish(mut self, buffers: &mut Buffers<'_>) -> Result<u32> {
        loop {
            buffers.take_up()?;
            if buffers.left() == 0 && buffers.has_more() {
                self.checkpoint.pass(BATCH)?;
                continue;
            }
            if buffers.left() == 0 && buffers.moved() > 0 {
                return Ok(buffers.moved()); // a bad iovec follows
            }
            let wanted = buffers.left().min(self.most()?);
            let result = match self.make_call(buffers) {
                Ok(result) => result,
                Err(_) if buffers.moved() > 0 => return Ok(buffers.moved()),
                Err(errno) => return Err(errno),
            };
            if self.settle(buffers, wanted, result)? {
                return Ok(buffers.moved());
            }
        }
    }

    /// The type of the file. It costs a kernel call, so it is not asked for where the kernel may wait and has
    /// served all.
    fn filetype(&self) -> Result<Filetype> {
        self.transfer.file.filetype()
    }

    /// True if reading or writing may have to wait for somebody else.
    fn may_wait(&self) -> Result<bool> {
        Ok(!matches!(self.filetype()?, Filetype::RegularFile | Filetype::Directory | Filetype::BlockDevice))
    }

    fn is_socket(&self) -> Result<bool> {
        Ok(matches!(self.filetype()?, Filetype::SocketStream | Filetype::SocketDgram))
    }

    /// True if one kernel call is all: it moves a message, or leaves the bytes where they are.
    fn is_single(&self) -> Result<bool> {
        Ok(matches!(self.call, Call::Receive { peek: true, .. }) || self.filetype()? == Filetype::SocketDgram)
    }

    /// True if a write without bytes sends a message. (Of a list of none, or of several that are empty, the
    /// kernel makes none.)
    fn sends_message(&self, buffers: &Buffers<'_>) -> Result<bool> {
        let is_one = matches!(self.call, Call::Send) || (matches!(self.call, Call::Write(_)) && buffers.count() == 1);
        Ok(is_one && self.filetype()? == Filetype::SocketDgram)
    }

    /// The most bytes of one kernel call.
    fn most(&self) -> Result<u64> {
        Ok(if self.transfer.interrupt.poll_interval().is_none() || self.is_single()? { u64::MAX } else { STRETCH })
    }

    /// Makes one kernel call, which does not wait where it must not.
    fn make_call(&self, buffers: &mut Buffers<'_>) -> Result<io::Result<u32>> {
        let file = self.transfer.file;
        let result = match self.call_at_once(buffers)? {
            Some(call) => buffers.call(file.handle(), call, Mode::Nonblocking, self.most()?)?,
            None => return buffers.call(file.handle(), self.call, Mode::Blocking, self.most()?),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.make_call_unblocked(buffers),
            result => Ok(result),
        }
    }

    /// The call to make without waiting; none if the call itself may be left to wait, or never does.
    fn call_at_once(&self, buffers: &Buffers<'_>) -> Result<Option<Call>> {
        let is_empty = buffers.left() == 0;
        Ok(match self.call {
            // The kernel waits to receive nothing too.
            Call::Receive { .. } if is_empty => Some(self.call),
            _ if self.transfer.is_left_alone() => None,
            Call::Write(Position::Current | Position::End) if is_empty && self.sends_message(buffers)? => {
                Some(Call::Send)
            }
            Call::Read(_) | Call::Write(_) if is_empty || !self.may_wait()? => None,
            Call::Read(position) | Call::Write(position) if self.is_socket()? => match (position, self.interest) {
                (Position::At(_), _) => None, // ESPIPE
                (_, Interest::Read) => Some(Call::Receive { peek: false, whole: false }),
                (_, Interest::Write) => Some(Call::Send),
            },
            call => Some(call),
        })
    }

    /// The same where the kernel can't say for the file that a call must not wait.
    fn make_call_unblocked(&self, buffers: &mut Buffers<'_>) -> Result<io::Result<u32>> {
        let file = self.transfer.file;
        match unblocked(file, self.interest)? {
            Unblocked::Same => buffers.call(file.handle(), self.call, Mode::Blocking, self.most()?),
            Unblocked::Twin(twin) => buffers.call(twin.handle(), self.call, Mode::Blocking, self.most()?),
            Unblocked::Polled(most) if is_ready(file, self.interest)? => {
                buffers.call(file.handle(), self.call, Mode::Blocking, most.min(self.most()?))
            }
            Unblocked::Polled(_) => Ok(Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// Looks at what came of a kernel call for `wanted` bytes; whether the transfer is over.
    fn settle(&mut self, buffers: &mut Buffers<'_>, wanted: u64, result: io::Result<u32>) -> Result<bool> {
        match result {
            Ok(0) if wanted > 0 && buffers.moved() == 0 && self.awaits_writer()? => Ok(!self.wait_for_writer()?),
            Ok(moved) => {
                self.was_ready = false;
                let is_over = self.is_over(buffers, u64::from(moved), wanted)?;
                if !is_over {
                    self.checkpoint.pass(moved.into())?;
                }
                Ok(is_over)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.checkpoint.pass(BATCH)?;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.waits(buffers, wanted)? => {
                self.wait()?;
                Ok(false)
            }
            // Bytes moved before an error are reported first: the error comes with the next call.
            Err(_) if buffers.moved() > 0 => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && wanted == 0 => {
                if self.sends_message(buffers)? {
                    Err(error.into())
                } else {
                    Ok(true)
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// True if the guest waits where a call found nothing, or no room.
    fn waits(&self, buffers: &Buffers<'_>, wanted: u64) -> Result<bool> {
        if self.transfer.nonblock {
            return Ok(false);
        }
        if wanted == 0 {
            return self.sends_message(buffers);
        }
        Ok(buffers.moved() == 0 || self.goes_on_when_short()?)
    }

    /// True if a guest that waits gets all it asked for, rather than what there is.
    fn goes_on_when_short(&self) -> Result<bool> {
        match self.call {
            Call::Read(_) => Ok(false),
            Call::Receive { whole, .. } => Ok(whole),
            Call::Write(_) | Call::Send => self.may_wait(),
        }
    }

    fn is_over(&self, buffers: &Buffers<'_>, moved: u64, wanted: u64) -> Result<bool> {
        let is_served = buffers.left() == 0 && !buffers.has_more();
        let is_short = moved < wanted && (moved == 0 || self.transfer.nonblock || !self.goes_on_when_short()?);
        if is_served || is_short || buffers.moved() > MOST || self.is_single()? {
            return Ok(true);
        }
        // A kernel call that may wait must not be made for more than there is.
        let may_wait = self.interest == Interest::Read && self.transfer.is_left_alone() && self.may_wait()?;
        Ok(may_wait && !self.goes_on_when_short()? && !is_ready(self.transfer.file, self.interest)?)
    }

    /// True if a pipe that reads as ended is one that no writer has opened yet: poll would tell of one that
    /// is gone.
    fn awaits_writer(&self) -> Result<bool> {
        let may = self.transfer.may_await_writer && !self.transfer.nonblock && matches!(self.call, Call::Read(_));
        Ok(may && self.filetype()? == Filetype::Unknown && !is_ready(self.transfer.file, Interest::Read)?)
    }

    /// Waits for the writer of a named pipe; whether it has come. Where nobody can end the guest, a pipe in
    /// the tree must not hold the host up for ever.
    fn wait_for_writer(&mut self) -> Result<bool> {
        if self.transfer.interrupt.poll_interval().is_some() {
            return self.wait().map(|()| true);
        }
        let until = clock::now(Clockid::Monotonic).saturating_add(MOST_FOR_PIPE);
        let states = wait(&[(self.transfer.file, Interest::Read)], Some(until), self.transfer.interrupt)?;
        Ok(states.iter().any(|state| state.ready))
    }

    fn wait(&mut self) -> Result {
        if self.was_ready {
            pause_for(PAUSE, self.transfer.interrupt)?;
        }
        wait_for(self.transfer.file, self.interest, self.transfer.interrupt)?;
        self.was_ready = true;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;
    use crate::abi::errno::Errno;
    use crate::abi::flags::Eventrwflags;
    use crate::abi::records::{Event, Record, SubscriptionFd};
    use crate::host::file::OwnedHandle;
    use crate::host::stream::{Input, Output, Stream};
    use crate::host::wait::testing::Looks;
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::pty::OpenptFlags;
    use rustix::termios::Action;
    use std::any::Any;
    use std::fs;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::sync::Arc;

    /// The guest's calls wait for nothing.
    fn impatient(guest: Guest) -> Guest {
        looking(guest, 0)
    }

    fn looking(guest: Guest, looks: u32) -> Guest {
        guest.waiting_with(Box::new(Looks::new(looks)))
    }

    /// The other end of a file, which a test holds open.
    type Kept = Box<dyn Any>;

    fn push(guest: &Guest, file: impl Into<OwnedHandle>) -> u64 {
        u64::from(guest.ctx.push_stdio(file.into().into(), false).unwrap().0)
    }

    fn stream(guest: &Guest, stream: Stream) -> u64 {
        u64::from(guest.ctx.push_stream(stream).unwrap().0)
    }

    /// Writes until there is no room.
    fn fill(file: &(impl AsFd + ?Sized)) {
        let flags = fcntl_getfl(file).unwrap();
        fcntl_setfl(file, flags | OFlags::NONBLOCK).unwrap();
        while rustix::io::write(file, &[0; 4096]).is_ok() {}
        fcntl_setfl(file, flags).unwrap();
    }

    fn fifo(guest: &Guest) -> std::path::PathBuf {
        let path = guest.host("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        path
    }

    fn fifo_writer(path: &std::path::Path) -> fs::File {
        fs::File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
    }

    /// A terminal at which this was typed.
    fn terminal(guest: &Guest, typed: &str, output: Action) -> (u64, Kept) {
        let access = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = rustix::pty::openpt(access).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).unwrap();
        rustix::io::write(&master, typed.as_bytes()).unwrap();
        rustix::termios::tcflow(&slave, output).unwrap();
        (push(guest, slave), Box::new(master))
    }

    /// A descriptor of each kind, and what is at its other end.
    #[allow(clippy::too_many_lines, reason = "one arm for each kind")]
    fn descriptor(guest: &Guest, kind: &str) -> (u64, Kept) {
        let pipe = || io::pipe().unwrap();
        let pair = || UnixStream::pair().unwrap();
        match kind {
            "file" | "file at its end" => {
                fs::write(guest.host("file"), if kind == "file" { "abcdefgh" } else { "" }).unwrap();
                (guest.open("file", 0, ALL, 0).unwrap(), Box::new(()))
            }
            "directory" => {
                fs::create_dir(guest.host("sub")).unwrap();
                (guest.open("sub", 0, crate::abi::flags::Rights::FD_READ.bits(), 0).unwrap(), Box::new(()))
            }
            "null" => {
                let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
                (push(guest, null), Box::new(()))
            }
            "zero" => (push(guest, fs::File::options().read(true).open("/dev/zero").unwrap()), Box::new(())),
            "pipe" => {
                let (reader, writer) = pipe();
                (push(guest, reader), Box::new(writer))
            }
            "pipe with bytes" => {
                let (reader, mut writer) = pipe();
                writer.write_all(b"abc").unwrap();
                (push(guest, reader), Box::new(writer))
            }
            "ended pipe" => (push(guest, pipe().0), Box::new(())),
            "pipe for writing" => {
                let (reader, writer) = pipe();
                (push(guest, writer), Box::new(reader))
            }
            "full pipe" => {
                let (reader, writer) = pipe();
                fill(&writer);
                (push(guest, writer), Box::new(reader))
            }
            "broken pipe" => (push(guest, pipe().1), Box::new(())),
            "socket" => {
                let (ours, theirs) = pair();
                (push(guest, ours), Box::new(theirs))
            }
            "socket with bytes" => {
                let (ours, mut theirs) = pair();
                theirs.write_all(b"abc").unwrap();
                (push(guest, ours), Box::new(theirs))
            }
            "half-closed socket" => {
                let (ours, theirs) = pair();
                theirs.shutdown(std::net::Shutdown::Write).unwrap();
                (push(guest, ours), Box::new(theirs))
            }
            "closed socket" => (push(guest, pair().0), Box::new(())),
            "full socket" => {
                let (ours, theirs) = pair();
                fill(&ours);
                (push(guest, ours), Box::new(theirs))
            }
            "datagram socket" => {
                let (ours, theirs) = UnixDatagram::pair().unwrap();
                (push(guest, ours), Box::new(theirs))
            }
            "full datagram socket" => {
                let (ours, theirs) = UnixDatagram::pair().unwrap();
                fill(&ours);
                (push(guest, ours), Box::new(theirs))
            }
            "fifo without a writer" => {
                fifo(guest);
                (guest.open("fifo", 0, crate::abi::flags::Rights::FD_READ.bits(), 0).unwrap(), Box::new(()))
            }
            "fifo with a writer" => {
                let path = fifo(guest);
                let fd = guest.open("fifo", 0, crate::abi::flags::Rights::FD_READ.bits(), 0).unwrap();
                (fd, Box::new(fifo_writer(&path)))
            }
            "fifo whose writer left" => {
                let path = fifo(guest);
                let fd = guest.open("fifo", 0, crate::abi::flags::Rights::FD_READ.bits(), 0).unwrap();
                drop(fifo_writer(&path));
                (fd, Box::new(()))
            }
            "terminal" => terminal(guest, "", Action::OOn),
            "terminal with a line" => terminal(guest, "abc\n", Action::OOn),
            "terminal with half a line" => terminal(guest, "abc", Action::OOn),
            "stopped terminal" => terminal(guest, "", Action::OOff),
            "input" => (stream(guest, Stream::Input(Arc::new(Input::new(b"abc".to_vec())))), Box::new(())),
            "ended input" => (stream(guest, Stream::Input(Arc::new(Input::new(Vec::new())))), Box::new(())),
            "output" => (stream(guest, Stream::Output(Arc::new(Output::new(100)))), Box::new(())),
            "full output" => (stream(guest, Stream::Output(Arc::new(Output::new(0)))), Box::new(())),
            _ => panic!("{kind}?"),
        }
    }

    /// The calls of the table, in its order. `[]` is an empty list, `[0]` one buffer of no bytes; the others
    /// are for 4.
    const CALLS: [&str; 13] = [
        "read[]", "read[0]", "read", "pread", "write[]", "write[0]", "write", "pwrite", "poll-r", "poll-w", "recv[0]",
        "recv", "send",
    ];

    /// The answers of each call: a number of bytes, an errno, `wait`; of poll `ready`, `hangup`. (The columns
    /// are CALLS.)
    #[rustfmt::skip]
    const TABLE: [(&str, &str); 29] = [
        //                          read[] [0]  4      pread  write[] [0]  4      pwrite poll-r poll-w recv[0] 4     send
        ("file",                   "0      0    4      4      0      0     4      4      ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("file at its end",        "0      0    0      0      0      0     4      4      ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("directory",              "0      ISDIR ISDIR ISDIR  CAP    CAP   CAP    CAP    ready  CAP    NOTSOCK NOTSOCK CAP"),
        ("null",                   "0      0    0      0      0      0     4      4      ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("zero",                   "0      0    4      4      BADF   BADF  BADF   BADF   ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("pipe",                   "0      0    wait   SPIPE  BADF   BADF  BADF   SPIPE  wait   wait   NOTSOCK NOTSOCK NOTSOCK"),
        ("pipe with bytes",        "0      0    3      SPIPE  BADF   BADF  BADF   SPIPE  ready  wait   NOTSOCK NOTSOCK NOTSOCK"),
        ("ended pipe",             "0      0    0      SPIPE  BADF   BADF  BADF   SPIPE  hangup hangup NOTSOCK NOTSOCK NOTSOCK"),
        ("pipe for writing",       "BADF   BADF BADF   SPIPE  0      0     4      SPIPE  wait   ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("full pipe",              "BADF   BADF BADF   SPIPE  0      0     wait   SPIPE  wait   wait   NOTSOCK NOTSOCK NOTSOCK"),
        ("broken pipe",            "BADF   BADF BADF   SPIPE  0      0     PIPE   SPIPE  ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("socket",                 "0      0    wait   SPIPE  0      0     4      SPIPE  wait   ready  0      wait   4"),
        ("socket with bytes",      "0      0    3      SPIPE  0      0     4      SPIPE  ready  ready  0      3      4"),
        ("half-closed socket",     "0      0    0      SPIPE  0      0     4      SPIPE  hangup ready  0      0      4"),
        ("closed socket",          "0      0    0      SPIPE  0      PIPE  PIPE   SPIPE  hangup hangup 0      0      PIPE"),
        ("full socket",            "0      0    wait   SPIPE  0      0     wait   SPIPE  wait   wait   0      wait   wait"),
        ("datagram socket",        "0      0    wait   SPIPE  0      0     4      SPIPE  wait   ready  0      wait   4"),
        ("full datagram socket",   "0      0    wait   SPIPE  0      wait  wait   SPIPE  wait   wait   0      wait   wait"),
        ("fifo without a writer",  "0      0    wait   SPIPE  CAP    CAP   CAP    CAP    wait   CAP    NOTSOCK NOTSOCK CAP"),
        ("fifo with a writer",     "0      0    wait   SPIPE  CAP    CAP   CAP    CAP    wait   CAP    NOTSOCK NOTSOCK CAP"),
        ("fifo whose writer left", "0      0    0      SPIPE  CAP    CAP   CAP    CAP    hangup CAP    NOTSOCK NOTSOCK CAP"),
        ("terminal",               "0      0    wait   SPIPE  0      0     4      SPIPE  wait   ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("terminal with a line",   "0      0    4      SPIPE  0      0     4      SPIPE  ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("terminal with half a line", "0   0    wait   SPIPE  0      0     4      SPIPE  wait   ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("stopped terminal",       "0      0    wait   SPIPE  0      0     wait   SPIPE  wait   wait   NOTSOCK NOTSOCK NOTSOCK"),
        ("input",                  "0      0    3      SPIPE  BADF   BADF  BADF   SPIPE  hangup hangup NOTSOCK NOTSOCK NOTSOCK"),
        ("ended input",            "0      0    0      SPIPE  BADF   BADF  BADF   SPIPE  hangup hangup NOTSOCK NOTSOCK NOTSOCK"),
        ("output",                 "BADF   BADF BADF   SPIPE  0      0     4      SPIPE  ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
        ("full output",            "BADF   BADF BADF   SPIPE  0      0     NOSPC  SPIPE  ready  ready  NOTSOCK NOTSOCK NOTSOCK"),
    ];

    /// The answer of a call, in the words of the table.
    fn answer(guest: &Guest, fd: u64, call: &str) -> String {
        guest.memory.put(100, b"wxyz");
        match call.split('[').nth(1) {
            Some("]") => {}
            Some(_) => drop(guest.iovec(0, 100, 0)),
            None => drop(guest.iovec(0, 100, 4)),
        }
        let len = u64::from(!call.ends_with("[]"));
        let subscribe = |tag| {
            let subscription = SubscriptionFd { userdata: 7, tag, file_descriptor: u32::try_from(fd).unwrap() };
            guest.memory.put(0, &subscription.encode());
            guest.call("poll_oneoff", &[0, 512, 1, 40])
        };
        let (errno, is_poll) = match call.split('[').next().unwrap() {
            "read" => (guest.call("fd_read", &[fd, 0, len, 40]), false),
            "pread" => (guest.call("fd_pread", &[fd, 0, len, 0, 40]), false),
            "write" => (guest.call("fd_write", &[fd, 0, len, 40]), false),
            "pwrite" => (guest.call("fd_pwrite", &[fd, 0, len, 0, 40]), false),
            "recv" => (guest.call("sock_recv", &[fd, 0, len, 0, 40, 48]), false),
            "send" => (guest.call("sock_send", &[fd, 0, len, 0, 40]), false),
            "poll-r" => (subscribe(1), true),
            _ => (subscribe(2), true),
        };
        match errno {
            Errno::Canceled => "wait".to_owned(),
            Errno::Success if is_poll => {
                let event: Event = guest.record(512);
                let hangup = event.flags == Eventrwflags::FD_READWRITE_HANGUP.bits();
                match event.error {
                    0 => if hangup { "hangup" } else { "ready" }.to_owned(),
                    error => word(*Errno::ALL.iter().find(|errno| errno.number() == error).unwrap()),
                }
            }
            Errno::Success => guest.u32(40).to_string(),
            errno => word(errno),
        }
    }

    fn word(errno: Errno) -> String {
        if errno == Errno::Notcapable { "CAP".to_owned() } else { errno.name().trim_start_matches('E').to_owned() }
    }

    #[test]
    fn calls_on_every_kind_of_descriptor_answer_as_linux_does_in_all_places() {
        let nonblock = u64::from(Fdflags::NONBLOCK.bits());
        for (kind, row) in TABLE {
            let answers: Vec<_> = row.split_whitespace().collect();
            assert_eq!(answers.len(), CALLS.len(), "{kind}");
            for (call, expected) in CALLS.into_iter().zip(answers) {
                let guest = impatient(Guest::new());
                let (fd, _kept) = descriptor(&guest, kind);
                assert_eq!(answer(&guest, fd, call), expected, "{call} on {kind}, where it may be ended");
                if expected != "wait" {
                    let guest = Guest::new();
                    let (fd, _kept) = descriptor(&guest, kind);
                    assert_eq!(answer(&guest, fd, call), expected, "{call} on {kind}, on the main thread");
                }
                let expected = match (expected, call, kind) {
                    ("wait", "read", "fifo without a writer") => "0",
                    ("wait", call, _) if !call.starts_with("poll") => "AGAIN",
                    (expected, ..) => expected,
                };
                let guest = impatient(Guest::new());
                let (fd, _kept) = descriptor(&guest, kind);
                assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, nonblock]), Errno::Success);
                assert_eq!(answer(&guest, fd, call), expected, "{call} on {kind}, with NONBLOCK");
            }
        }
    }

    /// A guest with this much memory.
    fn large(len: u32) -> Guest {
        let mut guest = Guest::new();
        guest.memory = crate::memory::guest::TestMemory::new(len as usize);
        guest
    }

    const MIB: u32 = 1 << 20;

    #[test]
    fn a_transfer_of_many_pieces_ends_between_two() {
        for name in ["fd_read", "fd_pread", "random_get"] {
            let guest = looking(large(8 * MIB), 2);
            fs::File::create(guest.host("file")).unwrap().set_len(u64::from(8 * MIB)).unwrap();
            let fd = guest.open("file", 0, ALL, 0).unwrap();
            let [iovs, len] = guest.iovec(0, 4096, 8 * MIB - 4096);
            let errno = match name {
                "fd_read" => guest.call(name, &[fd, iovs, len, 16]),
                "fd_pread" => guest.call(name, &[fd, iovs, len, 0, 16]),
                _ => guest.call(name, &[4096, u64::from(8 * MIB - 4096)]),
            };
            assert_eq!(errno, Errno::Canceled, "{name}");
            let mask = crate::memory::guest::MASK;
            let touched = guest.bytes(0, 8 << 20).iter().rposition(|byte| *byte != mask).unwrap();
            assert!((2 << 20..4 << 20).contains(&touched), "{name}: {touched}");
        }
    }

    #[test]
    fn a_transfer_of_many_pieces_is_reported_as_a_whole() {
        let guest = looking(large(8 * MIB), u32::MAX);
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let (array, len) = guest.memory.put_iovecs(0, &[(4096, 3 * MIB + 5), (5, 0), (77, 4 * MIB)]);
        let (array, len) = (u64::from(array.offset), u64::from(len));
        let data: Vec<u8> = (0..7 * MIB).map(|index| (index % 251) as u8).collect();
        guest.memory.put(4096, &data);
        assert_eq!(guest.call("fd_write", &[fd, array, len, 64]), Errno::Success);
        assert_eq!(guest.u32(64), 7 * MIB + 5);
        let written = fs::read(guest.host("file")).unwrap();
        assert!(written[..3 << 20] == data[..3 << 20] && written.len() == (7 << 20) + 5);
        assert_eq!(guest.call("fd_pread", &[fd, array, len, 0, 64]), Errno::Success);
        assert_eq!(guest.u32(64), 7 * MIB + 5);
        assert_eq!(guest.call("fd_read", &[fd, array, len, 64]), Errno::Success);
        assert_eq!(guest.u32(64), 0, "the end");
    }

    /// Takes all that comes, in another thread.
    fn drain(mut reader: impl Read + Send + 'static) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap()
        })
    }

    #[test]
    fn a_write_to_a_pipe_or_socket_of_the_host_s_is_whole_though_non_blocking() {
        for (looks, nonblocking) in [(None, false), (None, true), (Some(u32::MAX), false), (Some(u32::MAX), true)] {
            let (reader, writer) = io::pipe().unwrap();
            let (ours, theirs) = UnixStream::pair().unwrap();
            for (file, drained) in [(OwnedHandle::from(writer), drain(reader)), (ours.into(), drain(theirs))] {
                if nonblocking {
                    fcntl_setfl(&file, fcntl_getfl(&file).unwrap() | OFlags::NONBLOCK).unwrap();
                }
                let guest = large(4 * MIB);
                let guest = looks.into_iter().fold(guest, looking);
                let fd = push(&guest, file);
                let [iovs, len] = guest.iovec(0, 64, 3 * MIB);
                assert_eq!(guest.call("fd_write", &[fd, iovs, len, 16]), Errno::Success);
                assert_eq!(guest.u32(16), 3 * MIB);
                drop(guest);
                assert_eq!(drained.join().unwrap(), 3 << 20);
            }
        }
    }

    #[test]
    fn a_write_that_nobody_reads_ends_when_the_guest_is_interrupted() {
        for kind in ["full pipe", "full socket"] {
            let guest = looking(large(4 * MIB), 3);
            let (fd, _kept) = descriptor(&guest, kind);
            let [iovs, len] = guest.iovec(0, 64, 3 * MIB);
            assert_eq!(guest.call("fd_write", &[fd, iovs, len, 16]), Errno::Canceled, "{kind}");
        }
        // The first piece goes, the rest does not.
        let guest = looking(large(4 * MIB), 3);
        let (_reader, writer) = io::pipe().unwrap();
        let fd = push(&guest, writer);
        let [iovs, len] = guest.iovec(0, 64, 3 * MIB);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 16]), Errno::Canceled);
    }

    #[test]
    fn a_description_that_the_kernel_can_t_tell_not_to_wait_is_opened_anew() {
        let guest = looking(large(4 * MIB), 3);
        let path = fifo(&guest);
        let both = fs::File::options().read(true).write(true).open(path).unwrap();
        let fd = push(&guest, both.try_clone().unwrap());
        let [iovs, len] = guest.iovec(0, 64, 3 * MIB);
        assert_eq!(guest.call("fd_read", &[fd, iovs, len, 16]), Errno::Canceled);
        let guest = looking(guest, 3);
        assert_eq!(guest.call("fd_write", &[fd, iovs, len, 16]), Errno::Canceled);
        assert!(!fcntl_getfl(&both).unwrap().contains(OFlags::NONBLOCK), "what is shared stays as it is");
        let file = File::from(OwnedHandle::from(both));
        assert!(matches!(unblocked(&file, Interest::Write), Ok(Unblocked::Twin(_))));
    }

    #[test]
    fn a_device_is_not_opened_anew_but_polled() {
        // Each time it is opened it is another terminal.
        let Ok(master) = fs::File::options().read(true).write(true).open("/dev/ptmx") else { return };
        let file = File::from(OwnedHandle::from(master.try_clone().unwrap()));
        assert!(matches!(unblocked(&file, Interest::Write), Ok(Unblocked::Polled(256))));
        let guest = impatient(Guest::new());
        let fd = push(&guest, master);
        assert_eq!(answer(&guest, fd, "read"), "wait");
    }

    #[test]
    fn a_named_pipe_is_read_when_its_writer_has_come() {
        for looks in [None, Some(u32::MAX)] {
            let guest = looks.into_iter().fold(Guest::new(), looking);
            let path = fifo(&guest);
            let fd = guest.open("fifo", 0, crate::abi::flags::Rights::FD_READ.bits(), 0).unwrap();
            let writer = std::thread::spawn(move || {
                fs::File::options().write(true).open(path).unwrap().write_all(b"hi\n").unwrap();
            });
            assert_eq!(answer(&guest, fd, "read"), "3");
            writer.join().unwrap();
            assert_eq!(answer(&guest, fd, "read"), "0");
        }
    }

    #[test]
    fn a_named_pipe_is_opened_for_writing_when_its_reader_has_come() {
        let write = crate::abi::flags::Rights::FD_WRITE.bits();
        for looks in [None, Some(u32::MAX)] {
            let guest = looks.into_iter().fold(Guest::new(), looking);
            let path = fifo(&guest);
            let reader = std::thread::spawn(move || fs::read(path).unwrap());
            let fd = guest.open("fifo", 0, write, 0).unwrap();
            assert_eq!(answer(&guest, fd, "write"), "4");
            guest.call("fd_close", &[fd]);
            assert_eq!(reader.join().unwrap(), b"wxyz");
        }
        let guest = looking(Guest::new(), 3);
        fifo(&guest);
        assert_eq!(guest.open("fifo", 0, write, 0), Err(Errno::Canceled));
        assert_eq!(guest.open("fifo", 0, write, Fdflags::NONBLOCK.bits().into()), Err(Errno::Nxio));
        // A socket is no pipe, and can't be opened ever.
        let _socket = UnixListener::bind(guest.host("socket")).unwrap();
        assert_eq!(guest.open("socket", 0, write, 0), Err(Errno::Nxio));
        assert_eq!(
            guest.call("path_unlink_file", &{
                let [at, len] = guest.path(0, "fifo");
                [DIR, at, len]
            }),
            Errno::Success
        );
    }

    #[test]
    fn a_bad_later_batch_leaves_the_count_of_the_earlier_ones() {
        let guest = large(MIB);
        let mut rows = vec![(40_000, 2); 1025];
        rows[1024] = (u32::MAX, 2);
        let (array, len) = guest.memory.put_iovecs(0, &rows);
        let (array, len) = (u64::from(array.offset), u64::from(len));
        fs::write(guest.host("file"), vec![1; 4096]).unwrap();
        let file = guest.open("file", 0, ALL, 0).unwrap();
        let input = stream(&guest, Stream::Input(Arc::new(Input::new(vec![1; 4096]))));
        let output = stream(&guest, Stream::Output(Arc::new(Output::new(4096))));
        for (name, fd) in [("fd_read", file), ("fd_write", file), ("fd_read", input), ("fd_write", output)] {
            assert_eq!(guest.call(name, &[fd, array, len, 20_000]), Errno::Success, "{name} {fd}");
            assert_eq!(guest.u32(20_000), 2048, "{name} {fd}");
            assert_eq!(guest.call(name, &[fd, array + 8 * 1023, 2, 20_000]), Errno::Fault, "{name} {fd}");
        }
        assert_eq!(guest.call("fd_tell", &[file, 20_000]), Errno::Success);
        assert_eq!(guest.u64(20_000), 4096);
    }

    #[test]
    fn an_input_that_runs_dry_in_a_later_batch_wants_nothing() {
        let guest = large(MIB);
        let input = Arc::new(Input::on_demand());
        input.supply(Some(vec![1; 1024]));
        let fd = stream(&guest, Stream::Input(Arc::clone(&input)));
        let (array, len) = guest.memory.put_iovecs(0, &[(40_000, 1); 2000]);
        assert_eq!(guest.call("fd_read", &[fd, array.offset.into(), len.into(), 20_000]), Errno::Success);
        assert_eq!((guest.u32(20_000), input.take_wanted()), (1024, None));
    }

    #[test]
    fn sock_recv_waits_for_the_whole_and_ends_when_the_guest_is_interrupted() {
        let guest = looking(Guest::new(), u32::MAX);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let fd = push(&guest, ours);
        let [iovs, len] = guest.iovec(0, 100, 6);
        theirs.write_all(b"abc").unwrap();
        let rest = std::thread::spawn(move || {
            theirs.write_all(b"def").unwrap();
            theirs
        });
        assert_eq!(guest.call("sock_recv", &[fd, iovs, len, 2, 40, 44]), Errno::Success);
        assert_eq!((guest.u32(40), guest.bytes(100, 6)), (6, b"abcdef".to_vec()));
        let mut theirs = rest.join().unwrap();
        theirs.write_all(b"abc").unwrap();
        let guest = looking(guest, 3);
        for (flags, errno) in [(3, Errno::Success), (2, Errno::Canceled)] {
            assert_eq!(guest.call("sock_recv", &[fd, iovs, len, flags, 40, 44]), errno, "{flags}");
        }
    }

    #[test]
    fn sock_accept_waits_for_connections_only() {
        let guest = impatient(Guest::new());
        let listener = push(&guest, UnixListener::bind(guest.host("socket")).unwrap());
        assert_eq!(guest.call("sock_accept", &[listener, 0, 40]), Errno::Canceled);
        let (connected, _kept) = descriptor(&guest, "socket");
        assert_eq!(guest.call("sock_accept", &[connected, 0, 40]), Errno::Inval);
    }
}

use crate::abi::errno::Result;
use crate::host::handle::File;
use crate::host::readiness::{Interest, Ready};
use crate::host::unix::convert::timespec;
use crate::host::unix::system::HALF_CLOSED;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use smallvec::SmallVec;

pub use super::system::nonblocking_twin;

/// Bytes that have room in a pipe that `poll` calls writable.
pub const PIPE_ROOM: u64 = libc::PIPE_BUF as u64;

/// Bytes that have room in a terminal that `poll` calls writable, as a rule.
pub const TERMINAL_ROOM: u64 = 256;

/// The descriptors that the kernel polls.
pub struct Poll<'a>(SmallVec<[PollFd<'a>; 4]>);

impl<'a> Poll<'a> {
    pub fn new(files: impl Iterator<Item = (&'a File, Interest)>) -> Self {
        let events = |interest| match interest {
            Interest::Read => PollFlags::IN.union(HALF_CLOSED),
            Interest::Write => PollFlags::OUT,
        };
        Self(files.map(|(file, interest)| PollFd::new(file, events(interest))).collect())
    }

    /// Waits for so many nanoseconds at most, or without end; tells how many are ready.
    pub fn wait(&mut self, nanoseconds: Option<u64>) -> Result<usize> {
        Ok(poll(&mut self.0, nanoseconds.map(timespec).as_ref())?)
    }

    /// The states that `wait` found.
    pub fn states(&self) -> SmallVec<[Ready; 4]> {
        self.0.iter().map(|fd| ready_of(fd.revents())).collect()
    }
}

fn ready_of(events: PollFlags) -> Ready {
    Ready { ready: !events.is_empty(), hangup: events.intersects(PollFlags::HUP.union(HALF_CLOSED)) }
}

/// True if a transfer on this description never waits: it is non-blocking, or not open in that direction.
pub fn answers_at_once(file: &File, interest: Interest) -> Result<bool> {
    let flags = fcntl_getfl(file)?;
    let other = match interest {
        Interest::Read => OFlags::WRONLY,
        Interest::Write => OFlags::RDONLY,
    };
    Ok(flags.contains(OFlags::NONBLOCK) || flags & OFlags::ACCMODE == other)
}

/// Lets other threads run.
pub fn sched_yield() {
    rustix::thread::sched_yield();
}

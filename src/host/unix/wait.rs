use crate::abi::errno::Result;
use crate::host::file::File;
use crate::host::unix::clock::timespec;
use crate::host::wait::{Interest, Ready};
use rustix::event::{PollFd, PollFlags, poll};
use smallvec::SmallVec;

/// What the kernel is asked to look at.
pub struct Poll<'a>(SmallVec<[PollFd<'a>; 4]>);

impl<'a> Poll<'a> {
    pub fn new(files: impl Iterator<Item = (&'a File, Interest)>) -> Self {
        let events = |interest| match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
        };
        Self(files.map(|(file, interest)| PollFd::new(file, events(interest))).collect())
    }

    /// Waits for so many nanoseconds at most, or without end; tells how many are ready.
    pub fn wait(&mut self, nanoseconds: Option<u64>) -> Result<usize> {
        Ok(poll(&mut self.0, nanoseconds.map(timespec).as_ref())?)
    }

    /// What `wait` found.
    pub fn states(&self) -> SmallVec<[Ready; 4]> {
        self.0.iter().map(|fd| ready_of(fd.revents())).collect()
    }
}

fn ready_of(events: PollFlags) -> Ready {
    Ready { ready: !events.is_empty(), hangup: events.contains(PollFlags::HUP) }
}

/// Lets other threads run.
pub fn sched_yield() {
    rustix::thread::sched_yield();
}

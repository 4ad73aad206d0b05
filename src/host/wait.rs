//! Waiting: for descriptors, for time.

use super::clock;
use crate::abi::errno::Result;
use crate::abi::flags::Clockid;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::BorrowedFd;

/// What is waited for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That a read does not wait.
    Read,
    /// That a write does not wait.
    Write,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// It is so, or a call would fail at once.
    pub ready: bool,
    /// The other end is gone.
    pub hangup: bool,
}

/// Waits until one of `fds` is ready or the monotonic clock shows `deadline` (nanoseconds), whichever is first; never
/// returns before. Tells the state of each.
pub fn wait(fds: &[(BorrowedFd<'_>, Interest)], deadline: Option<u64>) -> Result<Vec<Ready>> {
    let mut polled: Vec<_> = fds
        .iter()
        .map(|(fd, interest)| {
            let events = match interest {
                Interest::Read => PollFlags::IN,
                Interest::Write => PollFlags::OUT,
            };
            PollFd::from_borrowed_fd(*fd, events)
        })
        .collect();
    loop {
        let remaining = deadline.map(|deadline| deadline.saturating_sub(clock::now(Clockid::Monotonic)));
        let timeout = remaining.map(clock::timespec);
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            // The kernel's clock and ours may differ by less than a tick: look again rather than be early.
            Ok(0) if remaining != Some(0) => {}
            Ok(_) => return Ok(polled.iter().map(|fd| ready_of(fd.revents())).collect()),
        }
    }
}

/// Whether `fd` is ready now.
pub fn is_ready(fd: BorrowedFd<'_>, interest: Interest) -> Result<bool> {
    Ok(wait(&[(fd, interest)], Some(0))?.iter().any(|fd| fd.ready))
}

/// Waits until `fd` is ready.
pub fn wait_for(fd: BorrowedFd<'_>, interest: Interest) -> Result {
    wait(&[(fd, interest)], None).map(drop)
}

fn ready_of(events: PollFlags) -> Ready {
    Ready {
        ready: !events.is_empty(),
        hangup: events.contains(PollFlags::HUP),
    }
}

/// Lets other threads run.
pub fn sched_yield() {
    rustix::thread::sched_yield();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_deadline_is_never_early() {
        for nanoseconds in [0, 1, 50_000, 1_500_000] {
            let deadline = clock::now(Clockid::Monotonic) + nanoseconds;
            assert_eq!(wait(&[], Some(deadline)), Ok(vec![]));
            assert!(clock::now(Clockid::Monotonic) >= deadline);
        }
    }

    #[test]
    fn files_are_ready_and_pipes_when_they_have_something() {
        let (reader, writer) = std::io::pipe().unwrap();
        let file = tempfile::tempfile().unwrap();
        let ready = wait(
            &[
                (file.as_fd(), Interest::Read),
                (reader.as_fd(), Interest::Read),
                (writer.as_fd(), Interest::Write),
            ],
            None,
        )
        .unwrap();
        assert_eq!(
            ready.iter().map(|one| one.ready).collect::<Vec<_>>(),
            [true, false, true]
        );
        drop(writer);
        let ready = wait(&[(reader.as_fd(), Interest::Read)], None).unwrap();
        assert!(ready[0].hangup);
    }
}

//! Waiting: for descriptors, for time.

use super::clock;
use super::file::File;
use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Clockid;
use smallvec::SmallVec;
use std::fmt::Debug;

pub use os::wait::sched_yield;

/// Up to this many nanoseconds are waited for by looking at the clock: the kernel would wake the thread some 50 us late.
const SPIN: u64 = 50_000;

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

/// Whoever may want a waiting call to give up.
pub trait Patience: Debug + Send + Sync {
    /// How long to wait, in nanoseconds, before asking again; `None` if there is nothing to ask.
    fn slice(&self) -> Option<u64>;
    /// Whether to go on waiting.
    fn go_on(&self) -> bool;
    /// What becomes readable at the moment when patience runs out, if there is such a thing.
    fn alarm(&self) -> Option<&File> {
        None
    }
    /// The thread is about to sleep.
    fn rest(&self) {}
    /// The thread no longer sleeps.
    fn resume(&self) {}
}

/// Waits as long as it takes.
#[derive(Debug)]
pub struct Endless;

impl Patience for Endless {
    fn slice(&self) -> Option<u64> {
        None
    }

    fn go_on(&self) -> bool {
        true
    }
}

/// Waits until one of `files` is ready or the monotonic clock shows `deadline` (nanoseconds), whichever is first; never
/// returns before. Tells the state of each. ECANCELED when patience has run out.
pub fn wait(
    files: &[(&File, Interest)],
    deadline: Option<u64>,
    patience: &dyn Patience,
) -> Result<SmallVec<[Ready; 4]>> {
    if files.is_empty()
        && let Some(deadline) = deadline
        && deadline <= clock::now(Clockid::Monotonic).saturating_add(SPIN)
    {
        while clock::now(Clockid::Monotonic) < deadline {
            std::hint::spin_loop();
        }
        return Ok(SmallVec::new());
    }
    let mut poll =
        os::wait::Poll::new(files.iter().copied().chain(patience.alarm().map(|alarm| (alarm, Interest::Read))));
    loop {
        let remaining = deadline.map(|deadline| deadline.saturating_sub(clock::now(Clockid::Monotonic)));
        let slice = remaining.into_iter().chain(patience.slice()).min();
        match poll_resting(&mut poll, slice, patience) {
            Err(Errno::Intr) => {}
            Err(error) => return Err(error),
            // Only a slice has passed. Or the kernel's clock and ours differ by less than a tick: look again rather
            // than be early.
            Ok(0) if remaining != Some(0) => {
                if !patience.go_on() {
                    return Err(Errno::Canceled);
                }
            }
            Ok(_) => {
                let mut states = poll.states();
                if states.iter().skip(files.len()).any(|alarm| alarm.ready) {
                    return Err(Errno::Canceled);
                }
                states.truncate(files.len());
                return Ok(states);
            }
        }
    }
}

/// Polls for at most so many nanoseconds. Who wants to know when the thread sleeps is not told where it need not.
fn poll_resting(poll: &mut os::wait::Poll<'_>, nanoseconds: Option<u64>, patience: &dyn Patience) -> Result<usize> {
    if patience.alarm().is_some() && nanoseconds != Some(0) {
        match poll.wait(Some(0))? {
            0 => patience.rest(),
            ready => return Ok(ready),
        }
        let ready = poll.wait(nanoseconds);
        patience.resume();
        return ready;
    }
    poll.wait(nanoseconds)
}

/// Whether `file` is ready now.
pub fn is_ready(file: &File, interest: Interest) -> Result<bool> {
    Ok(wait(&[(file, interest)], Some(0), &Endless)?.iter().any(|file| file.ready))
}

/// Waits until `file` is ready; ECANCELED when patience has run out.
pub fn wait_for(file: &File, interest: Interest, patience: &dyn Patience) -> Result {
    wait(&[(file, interest)], None, patience).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::file::OwnedHandle;

    fn file(stream: impl Into<OwnedHandle>) -> File {
        File::from(stream.into())
    }

    #[test]
    fn a_deadline_is_never_early() {
        for nanoseconds in [0, 1, 50_000, 1_500_000] {
            let deadline = clock::now(Clockid::Monotonic) + nanoseconds;
            assert_eq!(wait(&[], Some(deadline), &Endless).map(|ready| ready.len()), Ok(0));
            assert!(clock::now(Clockid::Monotonic) >= deadline);
        }
    }

    #[test]
    fn files_are_ready_and_pipes_when_they_have_something() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (reader, writer, regular) = (file(reader), file(writer), file(tempfile::tempfile().unwrap()));
        let all = [(&regular, Interest::Read), (&reader, Interest::Read), (&writer, Interest::Write)];
        let ready = wait(&all, None, &Endless).unwrap();
        assert_eq!(ready.iter().map(|one| one.ready).collect::<Vec<_>>(), [true, false, true]);
        drop(writer);
        let ready = wait(&[(&reader, Interest::Read)], None, &Endless).unwrap();
        assert!(ready[0].hangup);
    }

    #[test]
    fn patience_runs_out() {
        #[derive(Debug)]
        struct Thrice(std::sync::atomic::AtomicU32);
        impl Patience for Thrice {
            fn slice(&self) -> Option<u64> {
                Some(1)
            }
            fn go_on(&self) -> bool {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3
            }
        }
        let (reader, _writer) = std::io::pipe().unwrap();
        let thrice = Thrice(0.into());
        assert_eq!(wait_for(&file(reader), Interest::Read, &thrice), Err(Errno::Canceled));
        assert_eq!(thrice.0.into_inner(), 4);
    }
}

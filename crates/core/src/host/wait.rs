//! Waiting: for descriptors, for time.

use super::clock;
use super::handle::{File, Twin};
use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Clockid, Filetype};
use smallvec::SmallVec;

#[cfg(test)]
pub use super::interrupt::testing;
pub use super::interrupt::{Checkpoint, Endless, Interrupt, STRETCH};
pub use super::readiness::{Interest, Ready};
pub use os::wait::sched_yield;

/// Nanoseconds up to which a wait is a loop that reads the clock: the kernel would wake the thread some 50 us
/// late.
const SPIN: u64 = 50_000;

/// The means by which a transfer does not wait in the kernel, on a file for which no call can say so.
#[derive(Debug)]
pub enum Unblocked<'f> {
    /// The file's own description does not wait.
    Same,
    /// Another description of it, which does not wait.
    Twin(Twin<'f>),
    /// Polling before each transfer, of at most so many bytes. It may wait all the same if another process
    /// takes the bytes, or the room, in between.
    Polled(u64),
}

/// The means by which a transfer does not wait on this file, where the kernel does not know `RWF_NOWAIT` for
/// it.
pub fn unblocked(file: &File, interest: Interest) -> Result<Unblocked<'_>> {
    if os::wait::answers_at_once(file, interest)? {
        return Ok(Unblocked::Same);
    }
    if let Some(twin) = file.twin() {
        return Ok(Unblocked::Twin(twin));
    }
    // A read takes what is there. A write waits until all has gone, and room is promised for little only.
    Ok(Unblocked::Polled(match (interest, file.filetype()?) {
        (Interest::Read, _) => STRETCH,
        (Interest::Write, Filetype::CharacterDevice) => os::wait::TERMINAL_ROOM,
        (Interest::Write, _) => os::wait::PIPE_ROOM,
    }))
}

/// Waits until one of `files` is ready or the monotonic clock shows `deadline` (nanoseconds), whichever is
/// first; never returns before. Tells the state of each. ECANCELED when interrupted.
pub fn wait(
    files: &[(&File, Interest)],
    deadline: Option<u64>,
    interrupt: &dyn Interrupt,
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
        os::wait::Poll::new(files.iter().copied().chain(interrupt.wakeup().map(|wakeup| (wakeup, Interest::Read))));
    loop {
        let remaining = deadline.map(|deadline| deadline.saturating_sub(clock::now(Clockid::Monotonic)));
        let interval = remaining.into_iter().chain(interrupt.poll_interval()).min();
        match poll_without_slot(&mut poll, interval, interrupt) {
            Err(Errno::Intr) => {}
            Err(error) => return Err(error),
            // Only an interval has passed. Or the kernel's clock and ours differ by less than a tick: look
            // again rather than be early.
            Ok(0) if remaining != Some(0) => {
                if interrupt.is_interrupted() {
                    return Err(Errno::Canceled);
                }
            }
            Ok(_) => {
                let mut states = poll.states();
                if states.iter().skip(files.len()).any(|wakeup| wakeup.ready) {
                    return Err(Errno::Canceled);
                }
                states.truncate(files.len());
                return Ok(states);
            }
        }
    }
}

/// Polls for at most so many nanoseconds, and releases the slot if the thread has to sleep.
fn poll_without_slot(
    poll: &mut os::wait::Poll<'_>,
    nanoseconds: Option<u64>,
    interrupt: &dyn Interrupt,
) -> Result<usize> {
    if interrupt.wakeup().is_some() && nanoseconds != Some(0) {
        match poll.wait(Some(0))? {
            0 => interrupt.release_slot(),
            ready => return Ok(ready),
        }
        let ready = poll.wait(nanoseconds);
        interrupt.acquire_slot();
        return ready;
    }
    poll.wait(nanoseconds)
}

/// True if `file` is ready now.
pub fn is_ready(file: &File, interest: Interest) -> Result<bool> {
    Ok(wait(&[(file, interest)], Some(0), &Endless)?.iter().any(|file| file.ready))
}

/// Waits until `file` is ready; ECANCELED when interrupted.
pub fn wait_for(file: &File, interest: Interest, interrupt: &dyn Interrupt) -> Result {
    wait(&[(file, interest)], None, interrupt).map(drop)
}

/// The first pause between two calls of `retry`, and the longest, in nanoseconds.
const RETRY: (u64, u64) = (1_000_000, 20_000_000);

/// The longest wait for the other end of a named pipe, in nanoseconds, where nothing interrupts the guest.
pub const MOST_FOR_PIPE: u64 = 5_000_000_000;

/// The calls that `retry` makes in that time.
pub const RETRIES_FOR_PIPE: u64 = MOST_FOR_PIPE / RETRY.1;

/// Makes a call that fails as long as another process has not done its part, and that nothing tells when it
/// has: again and again, at most 20 ms apart, while it fails with an error that `is_early`. ECANCELED when
/// interrupted.
pub fn retry<T>(
    interrupt: &dyn Interrupt,
    mut call: impl FnMut() -> Result<T>,
    mut is_early: impl FnMut(Errno) -> bool,
) -> Result<T> {
    let mut pause = RETRY.0;
    loop {
        match call() {
            Err(errno) if is_early(errno) => {}
            result => return result,
        }
        pause_for(pause, interrupt)?;
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Sleeps for so many nanoseconds; ECANCELED when interrupted.
pub fn pause_for(nanoseconds: u64, interrupt: &dyn Interrupt) -> Result {
    wait(&[], Some(clock::now(Clockid::Monotonic).saturating_add(nanoseconds)), interrupt)?;
    // The pause is mostly shorter than a poll interval.
    if interrupt.is_interrupted() { Err(Errno::Canceled) } else { Ok(()) }
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
    fn a_wait_is_interrupted() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let thrice = testing::Looks::new(3);
        assert_eq!(wait_for(&file(reader), Interest::Read, &thrice), Err(Errno::Canceled));
        assert_eq!(thrice.left(), 0);
    }
}

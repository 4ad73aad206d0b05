use super::system::{self, Kind};
use crate::abi::errno::Result;
use crate::host::handle::File;
use crate::host::readiness::{Interest, Ready};
use smallvec::SmallVec;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use std::thread::yield_now as sched_yield;

/// The first pause between two polls, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(8));

/// Bytes that are taken to have room in a pipe or console. The true number is unknown: a write waits for
/// room.
pub const PIPE_ROOM: u64 = 1 << 20;
pub const TERMINAL_ROOM: u64 = PIPE_ROOM;

/// The files that are polled in a loop: Windows has no call that waits for pipes, consoles and files
/// together.
pub struct Poll<'a>(SmallVec<[(&'a File, Interest, Ready); 4]>);

impl<'a> Poll<'a> {
    pub fn new(files: impl Iterator<Item = (&'a File, Interest)>) -> Self {
        Self(files.map(|(file, interest)| (file, interest, Ready::default())).collect())
    }

    /// Waits for so many nanoseconds at most, or without end; tells how many are ready.
    pub fn wait(&mut self, nanoseconds: Option<u64>) -> Result<usize> {
        let until = nanoseconds.and_then(|nanoseconds| Instant::now().checked_add(Duration::from_nanos(nanoseconds)));
        let (mut pause, longest) = PAUSES;
        loop {
            let ready = self.poll();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if ready > 0 || left == Some(Duration::ZERO) {
                return Ok(ready);
            }
            let step = if self.0.is_empty() { left.unwrap_or(longest) } else { left.unwrap_or(pause).min(pause) };
            sleep(step);
            pause = (pause * 2).min(longest);
        }
    }

    fn poll(&mut self) -> usize {
        for (file, interest, ready) in &mut self.0 {
            *ready = state_of(file, *interest);
        }
        self.0.iter().filter(|(.., ready)| ready.ready).count()
    }

    /// The states that `wait` found.
    pub fn states(&self) -> SmallVec<[Ready; 4]> {
        self.0.iter().map(|(.., ready)| *ready).collect()
    }
}

fn state_of(file: &File, interest: Interest) -> Ready {
    let ready = |ready| Ready { ready, hangup: false };
    let handle = file.handle();
    match (system::kind(handle), interest) {
        (Ok(Kind::Pipe), Interest::Read) => match system::peek(handle) {
            Ok(bytes) => ready(bytes > 0),
            // Nobody holds the other end any more, or this one can't be read: a read tells at once.
            Err(_) => Ready { ready: true, hangup: true },
        },
        (Ok(Kind::Character), Interest::Read) if file.is_terminal() => ready(system::is_signaled(handle)),
        // How much room a pipe has, only its reader can find out.
        _ => ready(true),
    }
}

/// False: nothing here is non-blocking.
pub const fn answers_at_once(_: &File, _: Interest) -> Result<bool> {
    Ok(false)
}

/// None: no handle is non-blocking.
pub const fn nonblocking_twin(_: &File) -> Option<File> {
    None
}

//! Clocks.

use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Clockid;
use std::sync::OnceLock;

/// The time of a clock, in nanoseconds.
pub fn now(clock: Clockid) -> u64 {
    os::clock::now(clock)
}

/// The clock's resolution in nanoseconds; it does not change, so it is asked for once. A clock that can't be
/// read is EINVAL.
pub fn resolution(clock: Clockid) -> Result<u64> {
    static KNOWN: [OnceLock<u64>; 4] = [const { OnceLock::new() }; 4];
    let known = KNOWN.get(clock.number() as usize).ok_or(Errno::Inval)?;
    let resolution = *known.get_or_init(|| os::clock::resolution(clock));
    if resolution == 0 { Err(Errno::Inval) } else { Ok(resolution) }
}

/// A thread of this process.
#[derive(Clone, Copy, Debug)]
pub struct Thread(os::clock::ThreadNumber);

impl Thread {
    /// The calling thread.
    pub fn current() -> Self {
        Self(os::clock::current_thread())
    }

    /// The nanoseconds it has run, as other threads see them: updated every few milliseconds. None where the
    /// system does not tell.
    pub fn cpu(self) -> Option<u64> {
        os::clock::cpu_of(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_s_time_is_told_to_others() {
        let thread = Thread::current();
        if !cfg!(target_os = "linux") {
            assert_eq!(thread.cpu(), None);
            return;
        }
        let before = now(Clockid::ThreadCputimeId);
        while now(Clockid::ThreadCputimeId) < before + 50_000_000 {}
        let told = std::thread::spawn(move || thread.cpu()).join().unwrap().unwrap();
        // This thread waits meanwhile, so the number is up to date.
        assert!(told >= before + 50_000_000, "{told}");
        assert!(told <= now(Clockid::ThreadCputimeId), "{told}");
    }

    #[test]
    fn the_monotonic_clock_does_not_go_back_and_every_clock_has_a_resolution() {
        let first = now(Clockid::Monotonic);
        assert!(now(Clockid::Monotonic) >= first);
        for clock in [Clockid::Realtime, Clockid::Monotonic, Clockid::ProcessCputimeId, Clockid::ThreadCputimeId] {
            assert!(resolution(clock).unwrap() > 0);
        }
    }
}

//! The processor time of calls.

use std::cell::Cell;
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::host::clock;

/// The nanoseconds for which a thread's processor time is not asked for anew.
const FRESH: u64 = 1_000_000;

/// The nanoseconds of a call that is counted as it is: threads are seldom interrupted in that time.
const SHORT: u64 = 20_000;

thread_local! {
    /// A moment, and the processor time of this thread at that moment.
    static SAMPLE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Measures the processor time of a call. To ask for a thread's is a system call, which takes as long as a
/// short call; so one is asked for in a millisecond at most. The result is too much by that at most, and
/// never more than the time that has passed.
pub struct Meter {
    since: u64,
    /// The thread's processor time, some time before.
    before: u64,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        let since = clock::now(Clockid::Monotonic);
        let (at, before) = SAMPLE.get();
        if before != 0 && since.saturating_sub(at) < FRESH {
            return Self { since, before };
        }
        let before = clock::now(Clockid::ThreadCputimeId);
        SAMPLE.set((since, before));
        Self { since, before }
    }

    /// The nanoseconds that this thread has run since.
    pub fn spent(&self) -> u64 {
        let passed = clock::now(Clockid::Monotonic).saturating_sub(self.since);
        if passed < SHORT {
            return passed;
        }
        clock::now(Clockid::ThreadCputimeId).saturating_sub(self.before).min(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_wait_is_not_counted_and_work_is() {
        let outer = Meter::start();
        let waiting = Meter::start();
        thread::sleep(Duration::from_millis(50));
        assert!(waiting.spent() < 20_000_000);
        let working = Meter::start();
        let begun = clock::now(Clockid::ThreadCputimeId);
        while clock::now(Clockid::ThreadCputimeId) - begun < 5_000_000 {}
        assert!(working.spent() >= 5_000_000);
        // A measurement within another one takes nothing from it.
        assert!(outer.spent() >= 5_000_000);
    }
}

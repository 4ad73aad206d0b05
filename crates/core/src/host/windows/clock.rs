use super::system;
use crate::abi::flags::Clockid;
use crate::host::time::NANOS_PER_SEC;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Windows counts times of files and processors in steps of 100 ns.
pub const STEP: u64 = 100;

/// Steps from 1601, where Windows begins to count, to 1970.
const STEPS_BEFORE_1970: i64 = 11_644_473_600 * 10_000_000;

/// Nanoseconds since 1970; 0 for what was before.
pub fn since_1970(steps: i64) -> u64 {
    u64::try_from(steps.saturating_sub(STEPS_BEFORE_1970)).unwrap_or(0).saturating_mul(STEP)
}

/// The time so many nanoseconds after 1970.
pub fn system_time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

pub fn now(clock: Clockid) -> u64 {
    match clock {
        Clockid::Realtime => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        }
        Clockid::Monotonic => {
            let (count, per_second) = system::performance_counter();
            let (seconds, rest) = (count / per_second.max(1), count % per_second.max(1));
            seconds.saturating_mul(NANOS_PER_SEC).saturating_add(rest * NANOS_PER_SEC / per_second.max(1))
        }
        Clockid::ProcessCputimeId => system::processor_time(false).saturating_mul(STEP),
        Clockid::ThreadCputimeId => system::processor_time(true).saturating_mul(STEP),
    }
}

pub fn resolution(clock: Clockid) -> u64 {
    match clock {
        Clockid::Realtime => STEP,
        Clockid::Monotonic => NANOS_PER_SEC.div_ceil(system::performance_counter().1.max(1)),
        // The scheduler charges a thread 64 times a second.
        Clockid::ProcessCputimeId | Clockid::ThreadCputimeId => NANOS_PER_SEC / 64,
    }
}

/// No number: a thread can't be asked for by another.
pub type ThreadNumber = ();

pub const fn current_thread() -> ThreadNumber {}

pub const fn cpu_of((): ThreadNumber) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_counts_from_1601() {
        assert_eq!(since_1970(0), 0);
        assert_eq!(since_1970(STEPS_BEFORE_1970 + 7), 700);
        assert_eq!(system_time(1_500_000_000).duration_since(UNIX_EPOCH).unwrap(), Duration::from_millis(1500));
    }
}

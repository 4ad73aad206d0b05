//! Clocks.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Clockid;
use rustix::time::{ClockId, Timespec};
use std::sync::OnceLock;

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Nanoseconds of a time; before 1970 is 0, past the year 2554 is the greatest.
pub fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    match (u64::try_from(seconds), u64::try_from(nanoseconds)) {
        (Ok(seconds), Ok(nanoseconds)) => seconds.saturating_mul(NANOS_PER_SEC).saturating_add(nanoseconds),
        _ => 0,
    }
}

/// The time of so many nanoseconds.
pub fn timespec(nanoseconds: u64) -> Timespec {
    // Both quotients fit: u64::MAX nanoseconds are 1.8e10 seconds.
    Timespec {
        tv_sec: (nanoseconds / NANOS_PER_SEC).cast_signed(),
        tv_nsec: (nanoseconds % NANOS_PER_SEC).cast_signed(),
    }
}

const fn os_clock(clock: Clockid) -> ClockId {
    match clock {
        Clockid::Realtime => ClockId::Realtime,
        Clockid::Monotonic => ClockId::Monotonic,
        Clockid::ProcessCputimeId => ClockId::ProcessCPUTime,
        Clockid::ThreadCputimeId => ClockId::ThreadCPUTime,
    }
}

/// What the clock shows, in nanoseconds.
pub fn now(clock: Clockid) -> u64 {
    let time = rustix::time::clock_gettime(os_clock(clock));
    nanoseconds(time.tv_sec, time.tv_nsec)
}

/// The clock's resolution in nanoseconds; it does not change, so it is asked for once. A clock that can't be read is
/// EINVAL.
pub fn resolution(clock: Clockid) -> Result<u64> {
    static KNOWN: [OnceLock<u64>; 4] = [const { OnceLock::new() }; 4];
    let known = KNOWN.get(clock.number() as usize).ok_or(Errno::Inval)?;
    let resolution = *known.get_or_init(|| {
        let time = rustix::time::clock_getres(os_clock(clock));
        nanoseconds(time.tv_sec, time.tv_nsec)
    });
    if resolution == 0 { Err(Errno::Inval) } else { Ok(resolution) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_clamped() {
        assert_eq!(nanoseconds(-1, 999_999_999), 0);
        assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
        assert_eq!((timespec(u64::MAX).tv_sec, timespec(u64::MAX).tv_nsec), (18_446_744_073, 709_551_615));
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

use crate::abi::flags::Clockid;
use crate::host::clock::{NANOS_PER_SEC, nanoseconds};
use rustix::time::{ClockId, Timespec};

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

pub fn now(clock: Clockid) -> u64 {
    let time = rustix::time::clock_gettime(os_clock(clock));
    nanoseconds(time.tv_sec, time.tv_nsec)
}

/// In nanoseconds; 0 for a clock that can't be read.
pub fn resolution(clock: Clockid) -> u64 {
    let time = rustix::time::clock_getres(os_clock(clock));
    nanoseconds(time.tv_sec, time.tv_nsec)
}

pub use super::system::{ThreadNumber, cpu_of, current_thread};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_nanoseconds_is_a_time() {
        assert_eq!((timespec(u64::MAX).tv_sec, timespec(u64::MAX).tv_nsec), (18_446_744_073, 709_551_615));
    }
}

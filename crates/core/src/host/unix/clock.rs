use crate::abi::flags::Clockid;
use crate::host::time::nanoseconds;
use rustix::time::ClockId;

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

/// The resolution in nanoseconds; 0 for a clock that can't be read.
pub fn resolution(clock: Clockid) -> u64 {
    let time = rustix::time::clock_getres(os_clock(clock));
    nanoseconds(time.tv_sec, time.tv_nsec)
}

pub use super::system::{ThreadNumber, cpu_of, current_thread};

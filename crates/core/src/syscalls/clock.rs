//! Clocks.

use crate::abi::Ptr;
use crate::abi::errno::Result;
use crate::abi::flags::Clockid;
use crate::ctx::Ctx;
use crate::host::clock;
use crate::memory::Memory;

pub(super) fn clock_res_get(_: &Ctx, memory: &Memory<'_>, id: Clockid, resolution: Ptr<u64>) -> Result {
    memory.write(resolution, &clock::resolution(id)?)
}

pub(super) fn clock_time_get(_: &Ctx, memory: &Memory<'_>, id: Clockid, _precision: u64, time: Ptr<u64>) -> Result {
    memory.write(time, &clock::now(id))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Guest;
    use crate::abi::errno::Errno;

    #[test]
    fn clock_time_get_tells_the_time_of_each_clock() {
        let guest = Guest::new();
        for id in 0..4 {
            // A thread that has just begun may not have been charged for a tick yet.
            loop {
                assert_eq!(guest.call("clock_time_get", &[id, 1, 8]), Errno::Success);
                if guest.u64(8) > 0 {
                    break;
                }
            }
            assert_eq!(guest.call("clock_res_get", &[id, 16]), Errno::Success);
            assert!((1..=1_000_000_000).contains(&guest.u64(16)), "clock {id}");
        }
        guest.memory.assert_masked_but(&[(8, 16)]);
        let year_2020 = 1_577_836_800_000_000_000;
        guest.call("clock_time_get", &[0, 1, 8]);
        assert!(guest.u64(8) > year_2020);
    }

    #[test]
    fn an_unknown_clock_is_einval_and_a_bad_address_efault() {
        let guest = Guest::new();
        for name in ["clock_res_get", "clock_time_get"] {
            let with = |id, ptr| {
                if name == "clock_res_get" { vec![id, ptr] } else { vec![id, 1, ptr] }
            };
            assert_eq!(guest.call(name, &with(4, 8)), Errno::Inval);
            assert_eq!(guest.call(name, &with(0, guest.end() - 7)), Errno::Fault);
        }
        guest.memory.assert_masked_but(&[]);
    }
}

//! Clocks.

use crate::abi::Ptr;
use crate::abi::errno::Result;
use crate::abi::flags::Clockid;
use crate::ctx::Ctx;
use crate::memory::Memory;

pub(super) fn clock_res_get(ctx: &Ctx, memory: &Memory<'_>, id: Clockid, resolution: Ptr<u64>) -> Result {
    memory.write(resolution, &ctx.clocks().resolution(id)?)
}

pub(super) fn clock_time_get(ctx: &Ctx, memory: &Memory<'_>, id: Clockid, _precision: u64, time: Ptr<u64>) -> Result {
    memory.write(time, &ctx.clocks().look(id))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Guest;
    use crate::abi::errno::Errno;
    use crate::ctx::Fixed;
    use crate::host::clocks::Beginning;

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
    fn a_guest_s_own_clocks_show_the_same_in_each_run() {
        let beginning = Beginning { realtime: 1_000, monotonic: 50, step: 3 };
        let guest = Guest::new().fixing(Fixed { clock: Some(beginning), ..Fixed::default() });
        let mut shown = Vec::new();
        for id in [0, 1, 2, 3, 0] {
            assert_eq!(guest.call("clock_time_get", &[id, 1, 8]), Errno::Success);
            shown.push(guest.u64(8));
            assert_eq!(guest.call("clock_res_get", &[id, 16]), Errno::Success);
            assert_eq!(guest.u64(16), 1);
        }
        assert_eq!(shown, [1_000, 53, 56, 59, 1_012]);
        assert_eq!(guest.ctx.constants()[4..], [1; 4]);
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

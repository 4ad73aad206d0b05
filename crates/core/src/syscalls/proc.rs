//! The guest's life, and its place among others.

use super::flow::Exit;
use crate::abi::errno::{Errno, Result};
use crate::ctx::Ctx;
use crate::host::wait;
use crate::memory::Memory;

pub(super) fn proc_exit(_: &Ctx, _: &Memory<'_>, rval: u32) -> Exit {
    Exit(rval)
}

/// Nothing a guest does signals the host, so there is no signal that could be raised.
pub(super) fn proc_raise(_: &Ctx, _: &Memory<'_>, _sig: u32) -> Result {
    Err(Errno::Notsup)
}

pub(super) fn sched_yield(_: &Ctx, _: &Memory<'_>) -> Result {
    wait::sched_yield();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Flow;
    use super::super::testing::Guest;
    use crate::abi::errno::Errno;

    #[test]
    fn proc_exit_ends_the_guest_with_its_code() {
        assert_eq!(Guest::new().flow("proc_exit", &[u64::from(u32::MAX)]), Flow::Exit(u32::MAX));
    }

    #[test]
    fn proc_raise_signals_nobody() {
        let guest = Guest::new();
        for signal in 0..64 {
            assert_eq!(guest.call("proc_raise", &[signal]), Errno::Notsup);
        }
    }

    #[test]
    fn sched_yield_returns() {
        assert_eq!(Guest::new().call("sched_yield", &[]), Errno::Success);
    }
}

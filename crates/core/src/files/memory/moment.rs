//! The moment of a call on files in memory.

use crate::host::wait::{Endless, Interrupt};

/// The moment of a call: the time, and what may interrupt it.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'m> {
    /// The present time.
    pub now: u64,
    /// The interruption of the call.
    pub interrupt: &'m dyn Interrupt,
}

impl From<u64> for Moment<'_> {
    /// The time of a call that nothing interrupts.
    fn from(now: u64) -> Self {
        Self { now, interrupt: &Endless }
    }
}

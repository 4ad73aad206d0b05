//! The observer of a guest: sees each of its calls, and may end it.

use std::fmt::Debug;
use wasi_rs_core::ctx::Usage;
use wasi_rs_core::syscalls::Flow;

/// The observer of a guest.
pub trait Observer: Debug {
    /// A call begins, of a guest with so many pages of memory. False if it is not to be made: the guest ends.
    fn begin_call(&self, pages: u32) -> bool;
    /// A call is over, with this result; the guest has moved so much by now. False if the guest ends.
    fn end_call(&self, usage: &Usage, flow: Flow) -> bool;
}

//! The observer of a guest: it is called before and after each call, and may end the guest.

use std::fmt::Debug;
use wasi_rs_core::ctx::Usage;
use wasi_rs_core::syscalls::Flow;

/// The observer of a guest.
pub trait Observer: Debug {
    /// Called when a call begins, with the guest's pages of memory. False if the call must not be made: the
    /// guest ends.
    fn begin_call(&self, pages: u32) -> bool;
    /// Called when a call is over, with its result and the bytes moved by now. False if the guest ends.
    fn end_call(&self, usage: &Usage, flow: Flow) -> bool;
}

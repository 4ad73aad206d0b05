//! Streams and futures that the embedder gives to a component: it is asked for their elements by functions
//! that have names of their own.

use super::control::Control;
use super::host_calls::HostCalls;
use std::sync::Arc;
use wasi_rs_components::streams::{Embedder, Next};
use wasi_rs_components::wasi::p3::Reactor;

/// The functions for the next elements of a stream, and for its end. (No interface has such names.)
const NEXT: &str = "[stream-next]";
const FORGET: &str = "[stream-forget]";

/// The streams that the embedder gives to one guest.
pub struct GivenStreams {
    calls: Arc<HostCalls>,
    control: Arc<Control>,
    reactor: Arc<Reactor>,
    next: u32,
    forget: u32,
}

impl GivenStreams {
    /// Those of the guest with these functions; none if it may be given none.
    pub fn of(calls: &Arc<HostCalls>, control: &Arc<Control>, reactor: &Arc<Reactor>) -> Option<Arc<dyn Embedder>> {
        let (next, forget) = (calls.index_of("", NEXT)?, calls.index_of("", FORGET)?);
        let (calls, control, reactor) = (Arc::clone(calls), Arc::clone(control), Arc::clone(reactor));
        Some(Arc::new(Self { calls, control, reactor, next, forget }))
    }
}

impl Embedder for GivenStreams {
    fn next(&self, number: u32, most: u32) -> Next {
        let args = [number, most].map(u32::to_le_bytes).concat();
        self.control.count_call();
        Box::pin(self.calls.ask(self.next, args, None, &self.reactor))
    }

    fn forget(&self, number: u32, lost: u32) {
        // Once the guest has ended, all are forgotten.
        if !self.control.is_ended() {
            self.calls.tell_of(self.forget, [number, lost].map(u32::to_le_bytes).concat());
        }
    }
}

//! The state of a socket for TCP. The socket, its streams and its pollables share it.

use crate::wasi::OpenFile;
use crate::wasi::calls::Awaited;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::socket::Family;

/// A socket for TCP.
#[derive(Debug)]
pub struct Tcp {
    /// Its descriptor. Each stream of its connection owns it too.
    pub(in crate::wasi) file: Arc<OpenFile>,
    /// The family of its addresses.
    pub family: Family,
    inner: Mutex<Inner>,
}

/// The things of a socket that change.
#[derive(Debug)]
pub struct Inner {
    /// The state it is in.
    pub state: State,
    /// The address of its peer, once it is connected: the kernel forgets it when both sides have ended.
    pub remote: Option<SocketAddr>,
    /// True if nothing is to be received, or sent, any more.
    pub is_shut: [bool; 2],
    /// The connections that may wait to be taken.
    pub backlog: u64,
}

/// The states of the interface. An operation that was begun is over when the guest has asked how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is new.
    Unbound,
    /// It is being bound.
    Binding,
    /// It has an address.
    Bound,
    /// It begins to take connections.
    BeginsToListen,
    /// It takes connections.
    Listening,
    /// It is being connected.
    Connecting,
    /// It was connected at once, or could not be; the guest does not know yet.
    Tried(Result<(), Errno>),
    /// It is connected.
    Connected,
    /// It could not be connected, and can only be dropped.
    Closed,
}

impl State {
    /// True for an operation that was begun, and whose end the guest has not asked for.
    pub const fn is_begun(self) -> bool {
        matches!(self, Self::Binding | Self::BeginsToListen | Self::Connecting | Self::Tried(_))
    }
}

/// The thing of a socket that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The end of what was begun, or a connection to take.
    Operation,
    /// Bytes, or their end.
    Input,
    /// Room for bytes.
    Output,
}

/// The connections that may wait to be taken, unless the guest says otherwise.
const BACKLOG: u64 = 128;

impl Tcp {
    /// A new socket, which has this descriptor.
    pub(in crate::wasi) fn new(file: Arc<OpenFile>, family: Family) -> Arc<Self> {
        let inner = Inner { state: State::Unbound, remote: None, is_shut: [false; 2], backlog: BACKLOG };
        Arc::new(Self { file, family, inner: Mutex::new(inner) })
    }

    /// The things that change.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.inner().state
    }

    /// Is connected to this peer.
    pub fn connected(&self, remote: SocketAddr) {
        let mut inner = self.inner();
        inner.state = State::Connected;
        inner.remote = Some(remote);
    }

    /// Goes into a state.
    pub fn enter(&self, state: State) {
        self.inner().state = state;
    }

    /// True if its input, or its output, was shut down.
    pub fn is_shut(&self, aspect: Aspect) -> bool {
        match (self.inner().is_shut, aspect) {
            ([input, _], Aspect::Input) => input,
            ([_, output], Aspect::Output) => output,
            (_, Aspect::Operation) => false,
        }
    }

    /// The thing to wait for; none if there is nothing to wait for.
    pub fn awaited(&self, aspect: Aspect) -> Option<Awaited> {
        let fd = self.file.fd;
        match (aspect, self.state()) {
            (Aspect::Operation, State::Connecting) => Some(Awaited::Write(fd)),
            (Aspect::Operation, State::Listening) => Some(Awaited::Read(fd)),
            (Aspect::Operation, _) => None,
            _ if self.is_shut(aspect) => None,
            (Aspect::Input, _) => Some(Awaited::Read(fd)),
            (Aspect::Output, _) => Some(Awaited::Write(fd)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_what_there_is_to_wait_for() {
        let tcp = Tcp::new(Arc::new(OpenFile::new(7, false)), Family::V4);
        let awaited = |aspect| match tcp.awaited(aspect) {
            None => "nothing",
            Some(Awaited::Read(7)) => "read",
            Some(Awaited::Write(7)) => "write",
            Some(_) => "another",
        };
        let [begun, idle] = [true, false];
        for (state, is_begun, expected) in [
            (State::Unbound, idle, "nothing"),
            (State::Binding, begun, "nothing"),
            (State::Bound, idle, "nothing"),
            (State::BeginsToListen, begun, "nothing"),
            (State::Listening, idle, "read"),
            (State::Connecting, begun, "write"),
            (State::Tried(Err(Errno::Connrefused)), begun, "nothing"),
            (State::Connected, idle, "nothing"),
            (State::Closed, idle, "nothing"),
        ] {
            tcp.enter(state);
            assert_eq!((state.is_begun(), awaited(Aspect::Operation)), (is_begun, expected), "{state:?}");
        }
        assert_eq!((awaited(Aspect::Input), awaited(Aspect::Output)), ("read", "write"));
        tcp.inner().is_shut = [true, false];
        assert_eq!((awaited(Aspect::Input), awaited(Aspect::Output)), ("nothing", "write"));
        tcp.inner().is_shut = [true, true];
        assert_eq!((awaited(Aspect::Input), awaited(Aspect::Output)), ("nothing", "nothing"));
    }
}

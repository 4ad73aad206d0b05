//! wasi:io/poll: waiting for one of several things.

use super::View;
use super::calls::Awaited;
use super::generated::io::poll;
use super::http::exchange::{Exchange, Want};
use super::sockets::state::{Aspect, Tcp};
use std::sync::{Arc, Weak};
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

/// The most things that are waited for at once. (`poll_oneoff` takes one more, which is for a time.)
pub const MOST: usize = (1 << 16) - 1;

/// The resource `pollable`.
#[derive(Clone, Debug)]
pub enum Pollable {
    /// Something that is there already.
    Ready,
    /// Input of a descriptor.
    Read(u32),
    /// Room for output of a descriptor.
    Write(u32),
    /// A time of the monotonic clock, in nanoseconds.
    Time(u64),
    /// A part of a message of HTTP.
    Message(Arc<Exchange>, Want),
    /// A socket for TCP, whose state says what there is to wait for: nothing, once it is dropped.
    Tcp(Weak<Tcp>, Aspect),
}

impl Pollable {
    /// True if it is known to be there.
    fn is_there(&self) -> bool {
        match self {
            Self::Ready => true,
            Self::Message(exchange, want) => exchange.has(*want),
            Self::Tcp(..) => self.awaited().is_none(),
            Self::Read(_) | Self::Write(_) | Self::Time(_) => false,
        }
    }

    fn awaited(&self) -> Option<Awaited> {
        match self {
            Self::Ready => None,
            Self::Read(fd) => Some(Awaited::Read(*fd)),
            Self::Write(fd) => Some(Awaited::Write(*fd)),
            Self::Time(time) => Some(Awaited::Time(*time)),
            Self::Message(exchange, _) => Some(Awaited::Read(exchange.input())),
            Self::Tcp(tcp, aspect) => tcp.upgrade()?.awaited(*aspect),
        }
    }
}

impl View<'_> {
    /// Waits until at least one of these is there, unless `is_prompt`. The result has true for each that is.
    pub fn poll_all(&mut self, all: &[Pollable], is_prompt: bool) -> Result<Vec<bool>> {
        loop {
            let mut ready: Vec<_> = all.iter().map(Pollable::is_there).collect();
            let missing = all.iter().zip(&mut ready).filter(|(_, is_ready)| !**is_ready);
            let (awaited, waiting): (Vec<_>, Vec<_>) =
                missing.filter_map(|(one, is_ready)| Some((one.awaited()?, (one, is_ready)))).unzip();
            let is_last = is_prompt || awaited.len() < all.len();
            if awaited.is_empty() {
                return Ok(ready);
            }
            let found = self.calls().poll(&awaited, is_last)?;
            let mut received: Vec<&Arc<Exchange>> = Vec::new();
            for ((one, is_ready), _) in waiting.into_iter().zip(found).filter(|(_, is_found)| *is_found) {
                if let Pollable::Message(exchange, _) = one {
                    // The same bytes can't be received twice.
                    if !received.iter().any(|known| Arc::ptr_eq(known, exchange)) {
                        self.receive(exchange)?;
                        received.push(exchange);
                    }
                }
                *is_ready = !matches!(one, Pollable::Message(..)) || one.is_there();
            }
            // A part of a message may have come that is not enough.
            if is_last || ready.contains(&true) {
                return Ok(ready);
            }
        }
    }

    /// True if it is there.
    pub fn is_ready(&mut self, one: Pollable) -> Result<bool> {
        let ready = self.poll_all(std::slice::from_ref(&one), true)?.contains(&true);
        self.drop_pollable(one)?;
        Ok(ready)
    }

    /// Waits until it is there.
    pub fn block_on(&mut self, one: Pollable) -> Result<()> {
        if !matches!(one, Pollable::Ready) {
            self.poll_all(std::slice::from_ref(&one), false)?;
        }
        self.drop_pollable(one)
    }

    fn drop_pollable(&mut self, one: Pollable) -> Result<()> {
        match one {
            Pollable::Message(exchange, _) => self.release_exchange(exchange),
            _ => Ok(()),
        }
    }
}

impl poll::Host for View<'_> {
    fn poll(&mut self, all: Vec<Resource<Pollable>>) -> Result<Vec<u32>> {
        if all.is_empty() || all.len() > MOST {
            bail!("poll() was called with {} pollables: it takes 1 to {MOST}", all.len());
        }
        let all: Vec<_> = all.iter().map(|one| self.wasi.table.get(one).cloned()).collect::<Result<_, _>>()?;
        let ready = self.poll_all(&all, false)?;
        Ok((0..).zip(ready).filter(|(_, is_ready)| *is_ready).map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for View<'_> {
    fn ready(&mut self, one: Resource<Pollable>) -> Result<bool> {
        let one = self.wasi.table.get(&one)?.clone();
        self.is_ready(one)
    }

    fn block(&mut self, one: Resource<Pollable>) -> Result<()> {
        let one = self.wasi.table.get(&one)?.clone();
        self.block_on(one)
    }

    fn drop(&mut self, one: Resource<Pollable>) -> Result<()> {
        let one = self.wasi.table.delete(one)?;
        self.drop_pollable(one)
    }
}

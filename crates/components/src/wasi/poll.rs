//! wasi:io/poll: waiting for one of several things.

use super::View;
use super::calls::Awaited;
use super::generated::io::poll;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

/// The most things that are waited for at once. (`poll_oneoff` takes one more, which is for a time.)
const MOST: usize = (1 << 16) - 1;

/// The resource `pollable`.
#[derive(Clone, Copy, Debug)]
pub enum Pollable {
    /// Something that is there already.
    Ready,
    /// Input of a standard stream.
    Read(u32),
    /// Room for output of a standard stream.
    Write(u32),
    /// A time of the monotonic clock, in nanoseconds.
    Time(u64),
}

impl Pollable {
    const fn awaited(self) -> Option<Awaited> {
        match self {
            Self::Ready => None,
            Self::Read(fd) => Some(Awaited::Read(fd)),
            Self::Write(fd) => Some(Awaited::Write(fd)),
            Self::Time(time) => Some(Awaited::Time(time)),
        }
    }
}

impl View<'_> {
    /// Waits until at least one of these is there, unless `is_prompt`. The result has true for each that is.
    pub fn poll_all(&mut self, all: &[Pollable], is_prompt: bool) -> Result<Vec<bool>> {
        let awaited: Vec<_> = all.iter().filter_map(|one| one.awaited()).collect();
        if awaited.is_empty() {
            return Ok(vec![true; all.len()]);
        }
        let is_prompt = is_prompt || awaited.len() < all.len();
        let mut found = self.calls().poll(&awaited, is_prompt)?.into_iter();
        Ok(all.iter().map(|one| matches!(one, Pollable::Ready) || found.next().unwrap_or(false)).collect())
    }

    /// True if it is there.
    pub fn is_ready(&mut self, one: Pollable) -> Result<bool> {
        Ok(self.poll_all(&[one], true)?.contains(&true))
    }

    /// Waits until it is there.
    pub fn block_on(&mut self, one: Pollable) -> Result<()> {
        self.poll_all(&[one], false).map(drop)
    }
}

impl poll::Host for View<'_> {
    fn poll(&mut self, all: Vec<Resource<Pollable>>) -> Result<Vec<u32>> {
        if all.is_empty() || all.len() > MOST {
            bail!("poll() was called with {} pollables: it takes 1 to {MOST}", all.len());
        }
        let all: Vec<_> = all.iter().map(|one| self.wasi.table.get(one).copied()).collect::<Result<_, _>>()?;
        let ready = self.poll_all(&all, false)?;
        Ok((0..).zip(ready).filter(|(_, is_ready)| *is_ready).map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for View<'_> {
    fn ready(&mut self, one: Resource<Pollable>) -> Result<bool> {
        let one = *self.wasi.table.get(&one)?;
        self.is_ready(one)
    }

    fn block(&mut self, one: Resource<Pollable>) -> Result<()> {
        let one = *self.wasi.table.get(&one)?;
        self.block_on(one)
    }

    fn drop(&mut self, one: Resource<Pollable>) -> Result<()> {
        self.wasi.table.delete(one)?;
        Ok(())
    }
}

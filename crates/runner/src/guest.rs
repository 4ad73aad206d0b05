//! One run inside wasmtime: its calls and its limits of memory.

use super::control::Control;
use super::host_calls::Given;
use super::raw;
use super::stop::Stop;
use super::termination::CallLock;
use std::sync::Arc;
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::abi::{Args, Errno};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::host::clock;
use wasi_rs_core::host::wait::wait;
use wasi_rs_core::syscalls::trace::Line;
use wasi_rs_core::syscalls::{ENTRIES, Flow};
use wasi_rs_modules::limits::{Limits, MEMORY};
use wasmtime::{Caller, Error, Extern, Memory, ResourceLimiter, Result};

/// The data of a run's store.
pub struct Guest {
    /// The guest's context. Its thread has the lock for the time of a call; the reaper takes it when there is
    /// none.
    pub ctx: Arc<CallLock<Ctx>>,
    /// The control of the run.
    pub control: Arc<Control>,
    /// The limiter of its memories and tables.
    pub limiter: Limiter,
    /// Names the stream to which the guest has written more than is captured.
    pub overflowing: Box<dyn Fn() -> Option<&'static str> + Send>,
    /// The functions that the embedder gives it, if any.
    pub given: Option<Given>,
    /// The guest's memory, once it has been looked up; `Some(None)` if it has none. (A program without a
    /// memory can exit, and do little else.)
    memory: Option<Option<Memory>>,
    written: u64,
}

impl Guest {
    /// A guest that has not begun.
    pub fn new(
        ctx: Arc<CallLock<Ctx>>,
        control: Arc<Control>,
        limiter: Limiter,
        overflowing: Box<dyn Fn() -> Option<&'static str> + Send>,
        given: Option<Given>,
    ) -> Self {
        Self { ctx, control, limiter, overflowing, given, memory: None, written: 0 }
    }

    /// An error if the guest must not continue after a call with this result. `written` counts the bytes
    /// written by now. (A write without any room left is ENOSPC.)
    fn check(&mut self, written: u64, flow: Flow) -> Result<()> {
        if self.control.is_ended() {
            return Err(Stop::Ended.into());
        }
        if written != self.written || matches!(flow, Flow::Answer(Errno::Nospc)) {
            self.written = written;
            if let Some(stream) = (self.overflowing)() {
                return Err(Stop::Overflow(stream).into());
            }
        }
        Ok(())
    }
}

/// A call of the guest: row number `index` of the list.
pub fn serve(mut caller: Caller<'_, Guest>, index: usize, args: &Args) -> Result<Option<Errno>> {
    if caller.data().memory.is_none() {
        let memory = match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Some(memory),
            _ => None,
        };
        caller.data_mut().memory = Some(memory);
    }
    let guest = caller.data();
    let (Some(memory), Some(entry)) = (guest.memory, ENTRIES.get(index)) else {
        return Ok(Some(Errno::Nosys));
    };
    let Some(ctx) = guest.ctx.enter(&guest.control.termination) else {
        return Err(Stop::Ended.into());
    };
    guest.control.count_call();
    let memory = raw::view(memory, &caller);
    let line = Line::begin(&ctx, &memory, index, args);
    let flow = entry(&ctx, &memory, args);
    if let Some(line) = line {
        line.end(&ctx, &memory, flow);
    }
    let written = ctx.usage.written();
    guest.control.record_moved(ctx.usage.read(), written);
    drop(ctx);
    caller.data_mut().check(written, flow)?;
    match flow {
        Flow::Answer(errno) => Ok(Some(errno)),
        Flow::Exit(code) => Err(Error::new(Stop::Exit(code))),
    }
}

/// `memory.atomic.wait32` and `wait64` whose value is the expected one: waits for this time, or for ever if
/// it is negative. The result is 2, a timeout: there is no other thread to wake the guest.
pub fn pause(caller: Caller<'_, Guest>, nanoseconds: i64) -> Result<i32> {
    let guest = caller.data();
    let deadline = u64::try_from(nanoseconds).ok().map(|time| clock::now(Clockid::Monotonic).saturating_add(time));
    let Some(ctx) = guest.ctx.enter(&guest.control.termination) else {
        return Err(Stop::Ended.into());
    };
    // Without a descriptor for the wakeup pipe, the wait is made in slices. There are no other errors.
    let _ = wait(&[], deadline, ctx.interrupt());
    drop(ctx);
    if guest.control.is_ended() { Err(Stop::Ended.into()) } else { Ok(2) }
}

/// Bytes of an element of a table.
const ELEMENT: u64 = 8;

/// The limiter of a guest's memories and tables.
#[derive(Debug)]
pub struct Limiter {
    control: Arc<Control>,
    memory: Amount,
    table: Amount,
    /// True if tables count as memory too.
    is_limited: bool,
}

/// A number of bytes or elements, and its limit.
#[derive(Debug)]
struct Amount {
    most: u64,
    now: u64,
    /// The amount before the last change, which may fail yet.
    before: u64,
}

impl Amount {
    const fn new(most: u64) -> Self {
        Self { most, now: 0, before: 0 }
    }

    /// Grows one memory or table from `current` to `desired`. False if that is more than its maximum, more
    /// than the limit of all, or more than is left.
    fn change(&mut self, current: usize, desired: usize, maximum: Option<usize>, left: u64) -> bool {
        let wanted = self.now.saturating_add((desired.saturating_sub(current)) as u64);
        if wanted > self.most.min(self.now.saturating_add(left)) || maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        self.before = std::mem::replace(&mut self.now, wanted);
        true
    }
}

impl Limiter {
    /// A limiter with these limits.
    pub fn new(control: Arc<Control>, limits: &Limits) -> Self {
        let (memory, table) = (limits.memory.unwrap_or(MEMORY), limits.table_elements());
        Self { control, memory: Amount::new(memory), table: Amount::new(table), is_limited: limits.memory.is_some() }
    }

    /// The bytes that are left for memories and tables.
    fn left(&self) -> u64 {
        let tables = if self.is_limited { self.table.now.saturating_mul(ELEMENT) } else { 0 };
        self.memory.most.saturating_sub(self.memory.now).saturating_sub(tables)
    }

    /// Records the size of the memories.
    fn record(&self) {
        self.control.record_memory(self.memory.now);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let left = self.left();
        let may = self.memory.change(current, desired, maximum, left);
        self.record();
        Ok(may)
    }

    fn memory_grow_failed(&mut self, _: Error) -> Result<()> {
        self.memory.now = self.memory.before;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let left = if self.is_limited { self.left() / ELEMENT } else { u64::MAX };
        Ok(self.table.change(current, desired, maximum, left))
    }

    fn table_grow_failed(&mut self, _: Error) -> Result<()> {
        self.table.now = self.table.before;
        Ok(())
    }
}

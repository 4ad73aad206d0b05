//! One run inside wasmtime: its calls and its limits of memory.

use super::callers::{Called, Callers};
use super::control::Control;
use super::exchange::{self, Ends};
use super::given_streams::GivenStreams;
use super::host_calls::Given;
use super::plan::Request;
use super::raw;
use super::stacks::Share;
use super::stop::Stop;
use super::termination::CallLock;
use std::io::PipeWriter;
use std::sync::Arc;
use wasi_rs_components::description::Described;
use wasi_rs_components::handles::{Handles, Holder};
use wasi_rs_components::system::System;
use wasi_rs_components::wasi::{View, Wasi};
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::abi::{Args, Errno};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::host::file::{File, OwnedHandle};
use wasi_rs_core::memory;
use wasi_rs_core::syscalls::trace::Watched;
use wasi_rs_core::syscalls::{ENTRIES, Flow};
use wasi_rs_modules::limits::{Limits, MEMORY};
use wasmtime::{Caller, Error, Extern, Memory, ResourceLimiter, Result};

/// The data of a run's store.
pub struct Guest {
    /// Its system calls.
    pub calls: Calls,
    /// The limiter of its memories and tables.
    pub limiter: Limiter,
    /// The functions that the embedder gives it, if any.
    pub given: Option<Given>,
    /// The guest's memory, once it has been looked up; `Some(None)` if it has none. (A program without a
    /// memory can exit, and do little else.)
    memory: Option<Option<Memory>>,
    /// The state of WASI 0.2, for a component.
    wasi: Wasi,
    /// The resources of a component that the embedder holds.
    handles: Handles,
    /// The calls that are being made at the same time.
    callers: Callers,
    /// The stacks of its tasks, in WASI 0.3.
    pub stacks: Arc<Share>,
    /// The sockets of the request of HTTP that it is to answer.
    pub exchange: Option<[u32; 2]>,
}

/// The system calls of a guest.
pub struct Calls {
    /// The guest's context. Its thread has the lock for the time of a call; the reaper takes it when there is
    /// none.
    pub ctx: Arc<CallLock<Ctx>>,
    /// The control of the run.
    pub control: Arc<Control>,
    /// Names the stream to which the guest has written more than is captured.
    pub overflowing: Box<dyn Fn() -> Option<&'static str> + Send>,
    /// Gets the embedder's ends of each exchange of HTTP that the guest begins; none if it may begin none.
    request: Option<Request>,
    written: u64,
}

impl Guest {
    /// A guest that has not begun.
    pub fn new(calls: Calls, limiter: Limiter, given: Option<Given>) -> Self {
        Self {
            calls,
            limiter,
            given,
            memory: None,
            wasi: Wasi::default(),
            handles: Handles::default(),
            callers: Callers::default(),
            stacks: Arc::default(),
            exchange: None,
        }
    }

    /// A guest whose values have these types.
    #[must_use]
    pub fn with_types(mut self, types: Arc<[Described]>) -> Self {
        let reactor = Arc::clone(self.view().reactor());
        let given = self.given.as_ref().and_then(|given| GivenStreams::of(&given.calls, &self.calls.control, &reactor));
        self.handles = Handles::new(types, given);
        self
    }

    /// A guest that is to answer the request of HTTP that comes by these sockets.
    #[must_use]
    pub fn answering(self, exchange: Option<[u32; 2]>) -> Self {
        Self { exchange, ..self }
    }

    /// The control of the run.
    pub const fn control(&self) -> &Arc<Control> {
        &self.calls.control
    }

    /// The guest as the interfaces of WASI 0.2 see it.
    pub fn view(&mut self) -> View<'_> {
        View { wasi: &mut self.wasi, system: &mut self.calls }
    }
}

impl Called for Guest {
    fn callers(&mut self) -> &mut Callers {
        &mut self.callers
    }
}

impl Holder for Guest {
    fn handles(&mut self) -> &mut Handles {
        &mut self.handles
    }
}

impl Calls {
    /// The calls of the same guest, for its waits while its store is in use.
    pub fn waiting(&self) -> Self {
        Self::new(Arc::clone(&self.ctx), Arc::clone(&self.control), Box::new(|| None), None)
    }

    /// The calls of a guest that has made none.
    pub fn new(
        ctx: Arc<CallLock<Ctx>>,
        control: Arc<Control>,
        overflowing: Box<dyn Fn() -> Option<&'static str> + Send>,
        request: Option<Request>,
    ) -> Self {
        Self { ctx, control, overflowing, request, written: 0 }
    }

    /// Makes a call: row number `index` of the list. The second result is the number of bytes that the guest
    /// has written by now.
    fn make(&self, index: usize, memory: &memory::Memory<'_>, args: &Args) -> Result<(Flow, u64)> {
        let Some(entry) = ENTRIES.get(index) else { return Ok((Flow::Answer(Errno::Nosys), self.written)) };
        let Some(ctx) = self.ctx.enter(&self.control.termination) else {
            return Err(Stop::Ended.into());
        };
        self.control.count_call();
        let watched = Watched::begin(&ctx, memory, index, args);
        let flow = entry(&ctx, memory, args);
        if let Some(watched) = watched {
            watched.end(&ctx, memory, flow);
            self.end_if_asked(&ctx);
        }
        let written = ctx.usage.written();
        self.control.record_moved(ctx.usage.read(), written);
        Ok((flow, written))
    }

    /// Ends the run if a function that was shown a call wants it.
    fn end_if_asked(&self, ctx: &Ctx) {
        if ctx.is_to_end() {
            self.control.end();
        }
    }

    /// The answer of a call with this result; an error if the guest must not continue after it. `written`
    /// counts the bytes written by now. (A write without any room left is ENOSPC.)
    fn answer(&mut self, flow: Flow, written: u64) -> Result<Errno> {
        if self.control.is_ended() {
            return Err(Stop::Ended.into());
        }
        if written != self.written || matches!(flow, Flow::Answer(Errno::Nospc)) {
            self.written = written;
            if let Some(stream) = (self.overflowing)() {
                return Err(Stop::Overflow(stream).into());
            }
        }
        match flow {
            Flow::Answer(errno) => Ok(errno),
            Flow::Exit(code) => Err(Error::new(Stop::Exit(code))),
        }
    }
}

/// Gives a guest its ends of an exchange.
pub fn push_exchange(ctx: &Ctx, Ends { input, output }: Ends<File>) -> std::result::Result<[u32; 2], Errno> {
    let (input, output) = (ctx.push_socket(input)?, ctx.push_socket(output)?);
    Ok([input.0, output.0])
}

impl System for Calls {
    fn call(&mut self, index: usize, memory: &memory::Memory<'_>, args: &Args) -> Result<Errno> {
        let (flow, written) = self.make(index, memory, args)?;
        self.answer(flow, written)
    }

    fn enter(&mut self, call: &mut dyn FnMut(&Ctx)) -> Result<()> {
        let Some(ctx) = self.ctx.enter(&self.control.termination) else {
            return Err(Stop::Ended.into());
        };
        self.control.count_call();
        call(&ctx);
        let written = ctx.usage.written();
        self.control.record_moved(ctx.usage.read(), written);
        self.end_if_asked(&ctx);
        drop(ctx);
        self.answer(Flow::Answer(Errno::Success), written).map(drop)
    }

    fn open_pipe(&mut self) -> Result<std::result::Result<(u32, PipeWriter), Errno>> {
        let (reader, writer) = match std::io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return Ok(Err(error.into())),
        };
        let Some(ctx) = self.ctx.enter(&self.control.termination) else {
            return Err(Stop::Ended.into());
        };
        Ok(ctx.push_socket(OwnedHandle::from(reader).into()).map(|fd| (fd.0, writer)))
    }

    fn open_exchange(&mut self) -> Result<std::result::Result<Option<[u32; 2]>, Errno>> {
        let Some(request) = &self.request else { return Ok(Ok(None)) };
        let (here, there) = match exchange::pair() {
            Ok(pair) => pair,
            Err(errno) => return Ok(Err(errno)),
        };
        let Some(ctx) = self.ctx.enter(&self.control.termination) else {
            return Err(Stop::Ended.into());
        };
        let opened = push_exchange(&ctx, there);
        drop(ctx);
        if opened.is_ok() {
            request(here);
        }
        Ok(opened.map(Some))
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
    let Some(memory) = guest.memory else { return Ok(Some(Errno::Nosys)) };
    let (flow, written) = guest.calls.make(index, &raw::view(memory, &caller), args)?;
    caller.data_mut().calls.answer(flow, written).map(Some)
}

/// `memory.atomic.wait32` and `wait64` whose value is the expected one: waits for this time, or for ever if
/// it is negative. The result is 2, a timeout: there is no other thread to wake the guest.
pub fn pause(caller: Caller<'_, Guest>, nanoseconds: i64) -> Result<i32> {
    let guest = &caller.data().calls;
    let Some(ctx) = guest.ctx.enter(&guest.control.termination) else {
        return Err(Stop::Ended.into());
    };
    let clocks = ctx.clocks();
    let until = u64::try_from(nanoseconds).ok().map(|time| {
        let at = clocks.shows(Clockid::Monotonic).saturating_add(time);
        clocks.moment(Clockid::Monotonic, at)
    });
    // Without a descriptor for the wakeup pipe, the wait is made in slices. There are no other errors.
    let _ = clocks.wait(&[], until, ctx.interrupt());
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

    /// The most handles of a component at a time: resources, streams, futures, tasks, sets. They take as much
    /// as the memories at most.
    pub fn handles(&self) -> usize {
        usize::try_from(self.memory.most / HANDLE).unwrap_or(usize::MAX).clamp(LEAST_HANDLES, MOST_HANDLES)
    }

    /// Records the size of the memories.
    fn record(&self) {
        self.control.record_memory(self.memory.now);
    }
}

/// The bytes that a handle takes with all that is behind it: a task that waits took 1000, one of a stream to
/// stdout 800.
const HANDLE: u64 = 1 << 10;

/// The handles that any component may have, and the most.
const LEAST_HANDLES: usize = 1 << 10;
const MOST_HANDLES: usize = 100_000;

/// The most memories of a guest, each with some gibibytes of addresses, and the most instances and tables.
const MOST_MEMORIES: usize = 100;
const MOST_INSTANCES: usize = 1000;

impl ResourceLimiter for Limiter {
    fn memories(&self) -> usize {
        MOST_MEMORIES
    }

    fn instances(&self) -> usize {
        MOST_INSTANCES
    }

    fn tables(&self) -> usize {
        MOST_INSTANCES
    }

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

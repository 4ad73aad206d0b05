//! One run inside wasmtime: what its calls come down to, and what it may have.

use super::ending::Turn;
use super::raw;
use super::watch::Watch;
use crate::abi::{Args, Errno};
use crate::ctx::Ctx;
use crate::syscalls::trace::Line;
use crate::syscalls::{ENTRIES, Flow};
use std::fmt;
use std::sync::Arc;
use wasmtime::{Caller, Error, Extern, Memory, ResourceLimiter, Result, SharedMemory};

/// What the store of a run holds.
pub struct Guest {
    /// What the guest owns. Its thread has it for the time of a call; who ends the run needs it when there is none.
    pub ctx: Arc<Turn<Ctx>>,
    /// Who ends it early.
    pub watch: Arc<Watch>,
    /// What of its memory and tables it may have.
    pub room: Room,
    /// Looks whether it has written more than is captured.
    pub is_overflowing: Box<dyn Fn() -> bool + Send>,
    memory: Option<Linear>,
    written: u64,
}

/// A memory of WebAssembly.
#[derive(Clone)]
pub enum Linear {
    /// Of one store.
    Own(Memory),
    /// Of threads.
    Shared(SharedMemory),
    /// There is none: such a program can exit, and little else.
    None,
}

/// Why a run ended that did not end by itself. Such an error passes through wasmtime and comes out of `_start`.
#[derive(Debug)]
pub enum Stop {
    /// `proc_exit`.
    Exit(u32),
    /// It was ended early.
    Ended,
    /// It wrote more than is captured.
    Overflow,
}

impl std::error::Error for Stop {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "the program exited with code {code}"),
            Self::Ended => write!(f, "the program was ended"),
            Self::Overflow => write!(f, "the program wrote more than may be captured"),
        }
    }
}

impl Guest {
    /// A guest that has not begun.
    pub fn new(
        ctx: Arc<Turn<Ctx>>,
        watch: Arc<Watch>,
        room: Room,
        is_overflowing: Box<dyn Fn() -> bool + Send>,
    ) -> Self {
        Self { ctx, watch, room, is_overflowing, memory: None, written: 0 }
    }

    /// Whether it may go on after a call that ended so; it has written so much by now. (What finds no room at all is ENOSPC.)
    fn check(&mut self, written: u64, flow: Flow) -> Result<()> {
        if self.watch.is_ended() {
            return Err(Stop::Ended.into());
        }
        if written != self.written || matches!(flow, Flow::Answer(Errno::Nospc)) {
            self.written = written;
            if (self.is_overflowing)() {
                return Err(Stop::Overflow.into());
            }
        }
        Ok(())
    }
}

/// A call of the guest: row number `index` of the list.
pub fn serve(mut caller: Caller<'_, Guest>, index: usize, args: &Args) -> Result<Option<Errno>> {
    if caller.data().memory.is_none() {
        let memory = match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Linear::Own(memory),
            Some(Extern::SharedMemory(memory)) => Linear::Shared(memory),
            _ => Linear::None,
        };
        caller.data_mut().memory = Some(memory);
    }
    let guest = caller.data();
    let (Some(memory), Some(entry)) = (&guest.memory, ENTRIES.get(index)) else {
        return Ok(Some(Errno::Nosys));
    };
    let Some(ctx) = guest.ctx.enter(&guest.watch.ending) else {
        return Err(Stop::Ended.into());
    };
    guest.watch.count_call();
    let memory = raw::view(memory, &caller);
    let line = Line::begin(&ctx, &memory, index, args);
    let flow = entry(&ctx, &memory, args);
    if let Some(line) = line {
        line.end(&memory, flow);
    }
    let written = ctx.usage.written();
    drop(ctx);
    caller.data_mut().check(written, flow)?;
    match flow {
        Flow::Answer(errno) => Ok(Some(errno)),
        Flow::Exit(code) => Err(Error::new(Stop::Exit(code))),
    }
}

/// How much memory and how many table elements a guest may have, and has.
#[derive(Debug)]
pub struct Room {
    watch: Arc<Watch>,
    memory: Amount,
    table: Amount,
    shared: Vec<SharedMemory>,
}

/// Bytes of a page of memory.
const PAGE: u64 = 65536;

/// Bytes of memory, unless the limits say: as much as a memory of 32 bits can have.
pub const MEMORY: u64 = 1 << 32;

#[derive(Debug)]
struct Amount {
    most: u64,
    now: u64,
    /// What it was before the last change, which may fail yet.
    before: u64,
}

impl Amount {
    fn new(most: u64) -> Self {
        Self { most, now: 0, before: 0 }
    }

    /// Whether one of several may change from `current` to `desired`.
    fn change(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let wanted = self.now.saturating_add((desired.saturating_sub(current)) as u64);
        if wanted > self.most || maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        self.before = std::mem::replace(&mut self.now, wanted);
        true
    }
}

impl Room {
    /// So many bytes of memory, so many elements in tables.
    pub fn new(watch: Arc<Watch>, memory: Option<u64>, table_elements: Option<u64>) -> Self {
        let (memory, table) = (memory.unwrap_or(MEMORY), table_elements.unwrap_or(u64::MAX));
        Self { watch, memory: Amount::new(memory), table: Amount::new(table), shared: Vec::new() }
    }

    /// Takes away what a shared memory of `least` to `most` pages may have: how many at most, if there are enough.
    pub fn set_aside(&mut self, least: u64, most: u64) -> Option<u64> {
        let pages = most.min(self.memory.most.saturating_sub(self.memory.now) / PAGE);
        if pages < least {
            return None;
        }
        self.memory.most -= pages * PAGE;
        Some(pages)
    }

    /// Has a shared memory be counted.
    pub fn note_shared(&mut self, memory: &SharedMemory) {
        self.shared.push(memory.clone());
        self.note();
    }

    /// Notes how much memory there is; of shared ones nobody hears when they grow.
    pub fn note(&self) {
        let shared = self.shared.iter().map(|memory| memory.data().len() as u64).sum::<u64>();
        self.watch.note_memory(self.memory.now.saturating_add(shared));
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let may = self.memory.change(current, desired, maximum);
        self.note();
        Ok(may)
    }

    fn memory_grow_failed(&mut self, _: Error) -> Result<()> {
        self.memory.now = self.memory.before;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(self.table.change(current, desired, maximum))
    }

    fn table_grow_failed(&mut self, _: Error) -> Result<()> {
        self.table.now = self.table.before;
        Ok(())
    }
}

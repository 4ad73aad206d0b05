//! The memories of a run. They begin as pages of the file of machine code.

use super::system;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasmtime::{AsContextMut, Export, Extern, Instance, Module};

/// The memories of a run. Their pages that are mapped from the file are copied by the run's own thread, which
/// checks for a request in each round of a loop; or by another thread, while the run waits in a call.
#[derive(Debug, Default)]
pub struct Memories {
    is_requested: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The address ranges of the memories, once they are made.
    ranges: Option<Vec<Range<usize>>>,
    /// True while the run's thread waits, so that nothing changes the memories.
    is_released: bool,
    is_copied: bool,
}

impl State {
    /// Copies the memories; true if no page of them is mapped from a file any more.
    fn detach(&mut self) -> bool {
        if !self.is_copied {
            let Some(ranges) = &self.ranges else { return false };
            self.is_copied = ranges.iter().all(|range| detach(range).is_ok());
        }
        self.is_copied
    }
}

impl Memories {
    /// True if the memories of this module's instances can be found and copied: there is one at most, it is
    /// exported, and it does not move.
    pub fn can_be_copied(module: &Module) -> bool {
        let mut exported = module.exports().filter_map(|export| export.ty().memory().cloned());
        let mut imports = module.imports();
        match module.resources_required().num_memories {
            0 => true,
            1 => {
                exported.next().is_some_and(|memory| !memory.is_64() && !memory.is_shared())
                    && imports.all(|import| import.ty().memory().is_none())
            }
            _ => false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the memories of the run's instance. Their addresses stay the same as long as the instance
    /// exists.
    pub fn record(&self, instance: &Instance, mut store: impl AsContextMut) {
        let exports: Vec<_> = instance.exports(&mut store).map(Export::into_extern).collect();
        let ranges = exports.into_iter().filter_map(Extern::into_memory).map(|memory| {
            let start = memory.data_ptr(&store).expose_provenance();
            start..start + memory.data_size(&store)
        });
        self.state().ranges = Some(ranges.collect());
        self.check();
    }

    /// Copies the memories if that was requested. Called by the run's thread.
    pub fn check(&self) {
        if self.is_requested.load(Relaxed) {
            self.state().detach();
        }
    }

    /// Lets other threads copy the memories: the run's thread is about to wait.
    pub fn release(&self) {
        self.state().is_released = true;
    }

    /// Keeps other threads from the memories: the run's thread continues.
    pub fn acquire(&self) {
        self.state().is_released = false;
    }

    /// Copies the memories, or requests it from the run's thread; true if it is done.
    pub(super) fn detach(&self) -> bool {
        let mut state = self.state();
        if state.is_released {
            return state.detach();
        }
        self.is_requested.store(true, Relaxed);
        state.is_copied
    }
}

/// Copies the pages of a guest's memory that are mapped from a file. Nobody may change the memory meanwhile.
#[allow(clippy::disallowed_methods, reason = "a file of the kernel's, whose name no guest can choose")]
fn detach(memory: &Range<usize>) -> io::Result<()> {
    for line in std::fs::read_to_string(system::MAPS)?.lines() {
        if let Some(range) = mapped_from_file(line)
            && memory.start <= range.start
            && range.end <= memory.end
        {
            system::detach_memory(&range)?;
        }
    }
    Ok(())
}

/// The address range of a line of `maps`, if a file is mapped there.
fn mapped_from_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let inode = fields.nth(3)?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    (inode != "0").then_some(number(start)?..number(end)?)
}

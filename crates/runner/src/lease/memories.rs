//! The memories of a run, which begin as pages of the file of machine code.

use super::system;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasmtime::{AsContextMut, Export, Extern, Instance, Module};

/// The memories of a run. What of them is mapped from the file is copied by the run's own thread, which looks whether it shall
/// whenever it comes around a loop; or by another, while the run waits in a call.
#[derive(Debug, Default)]
pub struct Memories {
    is_asked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where they are, once they are made.
    places: Option<Vec<Range<usize>>>,
    /// Whether the run's thread waits, so that nothing changes them.
    is_resting: bool,
    is_copied: bool,
}

impl State {
    /// Copies them; whether nothing of them is a file's any more.
    fn detach(&mut self) -> bool {
        if !self.is_copied {
            let Some(places) = &self.places else { return false };
            self.is_copied = places.iter().all(|place| detach(place).is_ok());
        }
        self.is_copied
    }
}

impl Memories {
    /// Whether those of this module's instances can be found and copied: there is one at most, which is exported and does not move.
    pub fn are_known(module: &Module) -> bool {
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

    /// Notes those of the run's instance. They stay where they are as long as it is there.
    pub fn note(&self, instance: &Instance, mut store: impl AsContextMut) {
        let exports: Vec<_> = instance.exports(&mut store).map(Export::into_extern).collect();
        let places = exports.into_iter().filter_map(Extern::into_memory).map(|memory| {
            let start = memory.data_ptr(&store).expose_provenance();
            start..start + memory.data_size(&store)
        });
        self.state().places = Some(places.collect());
        self.look();
    }

    /// Copies them if that is waited for; on the run's thread.
    pub fn look(&self) {
        if self.is_asked.load(Relaxed) {
            self.state().detach();
        }
    }

    /// The run's thread is about to wait.
    pub fn rest(&self) {
        self.state().is_resting = true;
    }

    /// The run's thread goes on.
    pub fn resume(&self) {
        self.state().is_resting = false;
    }

    /// Copies them, or has the run's thread do so; whether that is done.
    pub(super) fn detach(&self) -> bool {
        let mut state = self.state();
        if state.is_resting {
            return state.detach();
        }
        self.is_asked.store(true, Relaxed);
        state.is_copied
    }
}

/// Copies what is mapped from a file within the memory of a guest, which nobody changes meanwhile.
#[allow(clippy::disallowed_methods, reason = "a file of the kernel's, and no guest has a say in its name")]
fn detach(place: &Range<usize>) -> io::Result<()> {
    for line in std::fs::read_to_string(system::MAPS)?.lines() {
        if let Some(range) = mapped_from_file(line)
            && place.start <= range.start
            && range.end <= place.end
        {
            system::detach_memory(&range)?;
        }
    }
    Ok(())
}

/// The range that a line of `maps` is about, if a file is mapped there.
fn mapped_from_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let inode = fields.nth(3)?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    (inode != "0").then_some(number(start)?..number(end)?)
}

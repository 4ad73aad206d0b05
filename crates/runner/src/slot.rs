//! A run's slot of the scheduler: held while the run computes, released while one of its calls waits, and
//! taken away when the run is over and its thread has not returned.

use super::scheduler::Scheduler;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The slot of one run.
#[derive(Debug)]
pub struct Slot {
    scheduler: &'static Scheduler,
    holder: Holder,
    state: Mutex<State>,
}

/// The kind of thread that holds a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// One of the scheduler, which takes its next task afterwards.
    Pooled,
    /// Another, such as a worker of Node.
    Foreign,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The run has none: it waits for one, or is over.
    None,
    Held,
    /// Released for as long as a call waits.
    Released,
    /// Taken away: the thread has not returned.
    Lost,
}

impl Slot {
    /// The slot of a run that has none yet.
    pub const fn new(scheduler: &'static Scheduler, holder: Holder) -> Self {
        Self { scheduler, holder, state: Mutex::new(State::None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the run has got a slot.
    pub fn hold(&self) {
        *self.state() = State::Held;
    }

    /// Releases the slot: a call waits.
    pub fn release(&self) {
        let mut state = self.state();
        if *state == State::Held {
            *state = State::Released;
            self.scheduler.release();
        }
    }

    /// Acquires the slot again: the call goes on.
    pub fn acquire(&self) {
        let mut state = self.state();
        if *state == State::Released {
            *state = State::Held;
            self.scheduler.acquire();
        }
    }

    /// Takes the slot away from a thread that has not returned, and lets the scheduler start another thread.
    /// False if the run has no slot.
    pub fn lose(&self) -> bool {
        let mut state = self.state();
        let was_held = match *state {
            State::None | State::Lost => return false,
            State::Held => true,
            State::Released => false,
        };
        *state = State::Lost;
        if self.holder == Holder::Pooled {
            self.scheduler.lose_thread();
        }
        if was_held {
            self.scheduler.release();
        }
        true
    }

    /// Gives the slot back: the thread is done with the run.
    pub fn leave(&self) {
        let mut state = self.state();
        let state = std::mem::replace(&mut *state, State::None);
        match (state, self.holder) {
            (State::None, _) | (State::Held, Holder::Pooled) | (State::Released | State::Lost, Holder::Foreign) => {}
            (State::Held, Holder::Foreign) => self.scheduler.release(),
            // A thread of the scheduler goes on to its next task with a slot.
            (State::Released, Holder::Pooled) => self.scheduler.acquire(),
            (State::Lost, Holder::Pooled) => self.scheduler.find_thread(),
        }
    }
}

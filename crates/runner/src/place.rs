//! A run's place in the pool: held by its thread, given away while that waits, lost to others when the run is over and the
//! thread not back.

use super::pool::POOL;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The place of one run.
#[derive(Debug, Default)]
pub struct Place(Mutex<State>);

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// No thread is at the run.
    #[default]
    Free,
    Held,
    /// Given away for as long as a call waits.
    Resting,
    /// Its thread is not back.
    Lost,
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread of the pool does something for the run.
    pub fn hold(&self) {
        *self.state() = State::Held;
    }

    /// The calling thread waits: another may have the place.
    pub fn rest(&self) {
        let mut state = self.state();
        if *state == State::Held {
            *state = State::Resting;
            POOL.rest();
        }
    }

    /// The calling thread goes on.
    pub fn resume(&self) {
        let mut state = self.state();
        if *state == State::Resting {
            *state = State::Held;
            POOL.resume();
        }
    }

    /// Gives the place to others, and has a thread more in the pool, if one is at the run; whether it was this call that did.
    pub fn lose(&self) -> bool {
        let mut state = self.state();
        match *state {
            State::Free | State::Lost => return false,
            State::Held => POOL.lose(true),
            State::Resting => POOL.lose(false),
        }
        *state = State::Lost;
        true
    }

    /// The calling thread is done with the run, and goes back to the pool.
    pub fn leave(&self) {
        let state = std::mem::take(&mut *self.state());
        match state {
            State::Free | State::Held => {}
            State::Resting => POOL.resume(),
            State::Lost => POOL.find(),
        }
    }
}

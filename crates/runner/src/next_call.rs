//! The next call of an instance, for the thread that has made the one before.

use super::run::lock;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

/// The time that a thread looks for the next call of an instance before it goes to sleep. To wake a thread
/// takes as long as many calls do.
const LINGER: Duration = Duration::from_micros(50);

/// The next call, for the thread that has made the one before.
pub struct NextCall<T> {
    state: Mutex<Waiting<T>>,
    is_there: AtomicBool,
}

struct Waiting<T> {
    /// True while a thread will look for the next call.
    is_open: bool,
    call: Option<T>,
}

impl<T> Default for NextCall<T> {
    fn default() -> Self {
        Self { state: Mutex::new(Waiting { is_open: false, call: None }), is_there: AtomicBool::new(false) }
    }
}

impl<T> NextCall<T> {
    /// Hands a call to the thread that will look for it; gives it back if there is none.
    pub fn put(&self, call: T) -> Option<T> {
        let mut state = lock(&self.state);
        if !state.is_open {
            state.is_open = true; // the caller starts a thread
            return Some(call);
        }
        if state.call.is_some() {
            return Some(call);
        }
        state.call = Some(call);
        self.is_there.store(true, Release);
        None
    }

    /// Takes the next call, if it comes soon.
    pub fn take(&self) -> Option<T> {
        let since = Instant::now();
        while !self.is_there.load(Acquire) && since.elapsed() < LINGER {
            std::hint::spin_loop();
        }
        let mut state = lock(&self.state);
        self.is_there.store(false, Relaxed);
        let call = state.call.take();
        state.is_open = call.is_some();
        call
    }
}

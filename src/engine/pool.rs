//! The threads that guests run on: as many at a time as there are processors, the others wait in a queue.
//!
//! A guest that waits in a call gives its place away for as long: four guests that read from each other's pipes must not
//! wait for a fifth that would feed them. What is bounded then is the number of threads, high above.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// What a thread does.
pub type Job = Box<dyn FnOnce() + Send>;

/// How long a thread waits for the next job before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The least number of places: a guest or two that calculate for long should not hold all others up.
const MIN_PLACES: usize = 4;

/// The most threads, waiting ones included.
const MAX_THREADS: usize = 512;

/// The stack of a thread beside what the guest has of it: for the host's part of a call.
const HOST_STACK: usize = 1 << 20;

/// The pool of this process.
pub static POOL: Pool = Pool::new();

/// Threads and their queue.
#[derive(Default)]
pub struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Threads that run something and do not wait.
    running: usize,
    /// Threads that look for a job.
    idle: usize,
    threads: usize,
}

impl Pool {
    const fn new() -> Self {
        let state = State { queue: VecDeque::new(), running: 0, idle: 0, threads: 0 };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread do this as soon as there is a place. An error if no thread can be made and there is none.
    pub fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.state();
        state.queue.push_back(job);
        self.staff(&mut state).inspect_err(|_| {
            // The other threads, if there are any, will come to it.
            if state.threads == 0 {
                state.queue.pop_back();
            }
        })
    }

    /// Sees that a thread looks after the queue, if there is a place for one.
    fn staff(&'static self, state: &mut State) -> std::io::Result<()> {
        // Who was woken for one job and is not up yet is still counted as idle, but is not there for the next.
        let wanted = state.queue.len().min(places().saturating_sub(state.running));
        if wanted == 0 {
            return Ok(());
        }
        if state.idle >= wanted {
            self.wake.notify_one();
            return Ok(());
        }
        if state.threads >= MAX_THREADS {
            return Ok(());
        }
        let stack = super::mode::MAX_STACK + HOST_STACK;
        let thread = thread::Builder::new().name("wasi-rs".to_owned()).stack_size(stack);
        match thread.spawn(|| self.work()) {
            Ok(_) => {
                state.threads += 1;
                state.idle += 1;
            }
            Err(_) if state.threads > 0 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn work(&'static self) {
        let mut state = self.state();
        state.idle -= 1;
        loop {
            if state.running < places()
                && let Some(job) = state.queue.pop_front()
            {
                state.running += 1;
                drop(state);
                // What a panic means to whoever waits for the job, the job has seen to.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.state();
                state.running = state.running.saturating_sub(1);
                continue;
            }
            state.idle += 1;
            let (woken, timeout) = self.wake.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// The calling thread's job waits: another may have its place.
    pub fn rest(&'static self) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        let _ = self.staff(&mut state);
    }

    /// The calling thread's job goes on.
    pub fn resume(&'static self) {
        self.state().running += 1;
    }
}

/// How many jobs run at a time.
fn places() -> usize {
    static PLACES: OnceLock<usize> = OnceLock::new();
    *PLACES.get_or_init(|| thread::available_parallelism().map_or(MIN_PLACES, NonZero::get).max(MIN_PLACES))
}

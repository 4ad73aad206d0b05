//! The threads that guests run on: as many at a time as there are processors, the others wait in a queue. Programs are
//! compiled on others, of a pool of their own: a guest that runs and a program that is hard to compile don't hold each other
//! up.
//!
//! A guest that waits in a call gives its place away for as long: four guests that read from each other's pipes must not
//! wait for a fifth that would feed them. What is bounded then is the number of those that have begun (`run.rs`).
//!
//! Guests that calculate for ever must not keep the others from ever having their turn: where no job has begun for a
//! second, there is a place more; for the next one twice as long has to pass, and so on.

use super::reaper::REAPER;
use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a thread does.
pub type Job = Box<dyn FnOnce() + Send>;

/// How long a thread waits for the next job before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The least number of places: a guest or two that calculate for long should not hold all others up.
const MIN_PLACES: usize = 4;

/// How long the queue stands still before there is a place more; doubled for each that there is already.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The stack of a thread beside what the guest has of it: for the host's part of a call.
const HOST_STACK: usize = 1 << 20;

/// The stack of a thread that sees a compilation through, on other threads.
const COMPILATION_STACK: usize = 1 << 20;

/// The pool of this process.
pub static POOL: Pool = Pool::new("wasi-rs", super::mode::MAX_STACK + HOST_STACK, places);

/// Where programs are compiled that somebody waits for. There are few places: each may take gigabytes.
pub static COMPILATIONS: Pool = Pool::new("wasi-rs compile", COMPILATION_STACK, || MIN_PLACES);

/// Threads and their queue.
pub struct Pool {
    state: Mutex<State>,
    wake: Condvar,
    /// Wakes the usher.
    moved: Condvar,
    name: &'static str,
    stack: usize,
    /// How many jobs run at a time, as a rule.
    places: fn() -> usize,
}

struct State {
    queue: VecDeque<Job>,
    /// When a job was last taken from the queue, or put into an empty one.
    moved: Option<Instant>,
    /// Places beside the usual ones, because the queue stood still.
    extra: u32,
    /// Whether a thread looks if the queue stands still.
    ushered: bool,
    /// Threads that run something and do not wait.
    running: usize,
    /// Threads that look for a job.
    idle: usize,
    threads: usize,
}

impl Pool {
    const fn new(name: &'static str, stack: usize, places: fn() -> usize) -> Self {
        let state =
            State { queue: VecDeque::new(), moved: None, extra: 0, ushered: false, running: 0, idle: 0, threads: 0 };
        Self { state: Mutex::new(state), wake: Condvar::new(), moved: Condvar::new(), name, stack, places }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread do this as soon as there is a place. An error if no thread can be made and none comes to it.
    pub fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.state();
        if state.queue.is_empty() {
            state.moved = Some(Instant::now());
        }
        state.queue.push_back(job);
        self.usher(&mut state);
        self.staff(&mut state).inspect_err(|_| {
            state.queue.pop_back();
        })
    }

    /// Sees that a thread looks after the queue, if there is a place for one.
    fn staff(&'static self, state: &mut State) -> std::io::Result<()> {
        // Who was woken for one job and is not up yet is still counted as idle, but is not there for the next.
        let wanted = self.free(state, state.queue.len());
        if wanted == 0 {
            return Ok(());
        }
        if state.idle >= wanted {
            self.wake.notify_one();
            return Ok(());
        }
        let thread = thread::Builder::new().name(self.name.to_owned()).stack_size(self.stack);
        match thread.spawn(|| self.work()) {
            Ok(_) => {
                state.threads += 1;
                state.idle += 1;
            }
            Err(error) => {
                REAPER.remind(self);
                // Those that wait in a call don't come to it.
                if state.running + state.idle == 0 {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Makes the threads that could not be made before.
    pub fn staff_again(&'static self) {
        let mut state = self.state();
        self.usher(&mut state);
        let _ = self.staff(&mut state);
    }

    fn work(&'static self) {
        let mut state = self.state();
        state.idle -= 1;
        loop {
            if self.free(&state, 1) > 0
                && let Some(job) = state.queue.pop_front()
            {
                state.running += 1;
                state.moved = Some(Instant::now());
                if state.queue.is_empty() {
                    self.moved.notify_one();
                }
                self.usher(&mut state);
                drop(state);
                // What a panic means to whoever waits for the job, the job has seen to.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.state();
                self.leave(&mut state);
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

    /// Sees that somebody looks whether the queue stands still, where that may be.
    fn usher(&'static self, state: &mut State) {
        if state.ushered || state.queue.is_empty() || self.free(state, 1) > 0 {
            return;
        }
        state.ushered = thread::Builder::new().name("wasi-rs usher".to_owned()).spawn(|| self.look()).is_ok();
        if !state.ushered {
            REAPER.remind(self);
        }
    }

    fn look(&'static self) {
        let mut state = self.state();
        while let Some(patience) = state.patience() {
            if patience.is_zero() {
                state.extra += 1;
                state.moved = Some(Instant::now());
                let _ = self.staff(&mut state);
                continue;
            }
            state = self.moved.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ushered = false;
    }

    /// The calling thread's job waits: another may have its place.
    pub fn rest(&'static self) {
        let mut state = self.state();
        self.leave(&mut state);
        let _ = self.staff(&mut state);
    }

    /// A thread is lost in its job, which may take for ever: another may be made for it. If it was running, it does not count
    /// as that any more.
    pub fn lose(&'static self, was_running: bool) {
        self.state().threads -= 1;
        if was_running {
            self.rest();
        }
    }

    /// The calling thread, which was lost, is back.
    pub fn find(&'static self) {
        self.state().threads += 1;
        self.resume();
    }

    /// How many places are free, as far as so many are wanted.
    fn free(&self, state: &State, wanted: usize) -> usize {
        // To find out how many there are takes longer than the rest, and a few there always are.
        if state.running + wanted <= MIN_PLACES {
            return wanted;
        }
        wanted.min(((self.places)() + state.extra as usize).saturating_sub(state.running))
    }

    /// One that was running does not any more.
    fn leave(&self, state: &mut State) {
        state.running = state.running.saturating_sub(1);
        if state.extra > 0 && state.running < (self.places)() {
            state.extra = 0;
        }
    }

    /// The calling thread's job goes on.
    pub fn resume(&'static self) {
        let mut state = self.state();
        state.running += 1;
        self.usher(&mut state);
    }
}

impl State {
    /// How long the queue may still stand still; nothing if nobody is in it.
    fn patience(&self) -> Option<Duration> {
        let since = self.moved.filter(|_| !self.queue.is_empty())?;
        let most = STANDSTILL.saturating_mul(2_u32.saturating_pow(self.extra));
        Some(most.saturating_sub(since.elapsed()))
    }
}

/// How many guests run at a time, as a rule.
fn places() -> usize {
    static PLACES: OnceLock<usize> = OnceLock::new();
    *PLACES.get_or_init(|| thread::available_parallelism().map_or(MIN_PLACES, NonZero::get).max(MIN_PLACES))
}

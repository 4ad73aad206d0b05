//! Machine code made in the background for later runs: on one thread of the least priority, one program after
//! the other.
//!
//! No run waits for it, and errors are not reported. The queue is bounded: a program that does not fit is
//! refused, and requested again by its next run. When an environment ends, its requests are cancelled.

use super::compile::{Effort, yield_to_all};
use super::executable::Executable;
use super::mode::Mode;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wasi_rs_modules::cancellation::Cancellation;

/// The most programs that wait.
const MAX_WAITING: usize = 16;

/// The most bytes that they hold.
const MAX_HELD: usize = 64 << 20;

/// The stack of the thread: the compilation has threads of its own.
const STACK: usize = 1 << 20;

/// The background of this process.
pub static BACKGROUND: Background = Background::new();

/// The queue of programs, and its thread.
pub struct Background {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    waiting: Vec<Task>,
    current: Option<Task>,
    has_thread: bool,
}

#[derive(Clone)]
struct Task {
    program: Arc<Executable>,
    /// The earliest time at which it is compiled.
    due: Instant,
    /// The environment that requested it.
    owner: usize,
    cancellation: Cancellation,
}

impl Task {
    fn is_of(&self, program: &Arc<Executable>) -> bool {
        Arc::ptr_eq(&self.program, program)
    }
}

impl Background {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State { waiting: Vec::new(), current: None, has_thread: false }),
            wake: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a program compiled for the default mode after this delay, for this owner; for one that waits
    /// already, the delay is set anew. False if there is no room for it.
    pub fn add(&'static self, program: Arc<Executable>, delay: Duration, owner: usize) -> bool {
        let mut state = self.state();
        let due = Instant::now() + delay;
        if state.current.as_ref().is_some_and(|task| task.is_of(&program)) {
            return true;
        }
        if let Some(task) = state.waiting.iter_mut().find(|task| task.is_of(&program)) {
            task.due = due;
            self.wake.notify_one();
            return true;
        }
        let held: usize = state.waiting.iter().map(|task| task.program.held()).sum();
        if state.waiting.len() >= MAX_WAITING || held + program.held() > MAX_HELD {
            return false;
        }
        if !state.has_thread {
            let thread = thread::Builder::new().name("wasi-rs background".to_owned()).stack_size(STACK);
            state.has_thread = thread.spawn(|| self.work()).is_ok();
        }
        if state.has_thread {
            state.waiting.push(Task { program, due, owner, cancellation: Cancellation::default() });
            self.wake.notify_one();
        }
        state.has_thread
    }

    /// Cancels the requests of this owner.
    pub fn cancel_all_of(&self, owner: usize) {
        self.cancel_if(|task| task.owner == owner);
    }

    /// Cancels the request for a program that is now compiled for a run that waits.
    pub fn cancel(&self, program: &Arc<Executable>) {
        self.cancel_if(|task| task.is_of(program));
    }

    fn cancel_if(&self, is_meant: impl Fn(&Task) -> bool) {
        let mut state = self.state();
        let (cancelled, waiting) = state.waiting.drain(..).partition::<Vec<_>, _>(&is_meant);
        state.waiting = waiting;
        if let Some(task) = state.current.as_ref().filter(|task| is_meant(task)) {
            task.cancellation.cancel();
        }
        self.wake.notify_one();
        drop(state);
        drop(cancelled);
    }

    fn work(&self) {
        yield_to_all();
        let mut state = self.state();
        while let Some((index, due)) = state.next() {
            let delay = due.saturating_duration_since(Instant::now());
            if !delay.is_zero() {
                state = self.wake.wait_timeout(state, delay).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let task = state.waiting.swap_remove(index);
            state.current = Some(task.clone());
            drop(state);
            // A program that can't be compiled, or kept, runs in V8 the next time too.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                task.program.make(Mode::default(), Effort::Background, &task.cancellation).map(drop)
            }));
            drop(task);
            state = self.state();
            let done = state.current.take();
            drop(state);
            drop(done); // not under the lock: this may drop the program
            state = self.state();
        }
        state.has_thread = false;
    }
}

impl State {
    /// The task that is due first, and when.
    fn next(&self) -> Option<(usize, Instant)> {
        self.waiting.iter().enumerate().map(|(index, task)| (index, task.due)).min_by_key(|(_, due)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::{Cache, SIZE};
    use super::super::compile::tests::{hard, until};
    use super::super::source::Source;
    use super::*;
    use wasi_rs_modules::interface::Purpose;

    const SOON: Duration = Duration::ZERO;
    const NEVER: Duration = Duration::from_secs(3600);

    fn program(bytes: Vec<u8>) -> Arc<Executable> {
        Arc::new(Executable::new(Source::Bytes(bytes), Purpose::Command, None))
    }

    /// A queue of its own for each test.
    fn background() -> &'static Background {
        Box::leak(Box::new(Background::new()))
    }

    fn is_idle(background: &Background) -> bool {
        !background.state().has_thread
    }

    #[test]
    fn machine_code_is_stored_when_it_is_due() {
        let background = background();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("cache"), SIZE);
        let program = Arc::new(Executable::new(Source::Bytes(hard(2)), Purpose::Command, Some(cache.clone())));
        let len = program.held() as u64;
        assert!(background.add(Arc::clone(&program), NEVER, 1));
        assert!(!cache.has_any(len) && !is_idle(background));
        assert!(background.add(Arc::clone(&program), SOON, 1), "the delay is set anew");
        until(|| is_idle(background));
        assert!(cache.has_any(len));
        assert_eq!(Arc::strong_count(&program), 1);
    }

    #[test]
    fn requests_beyond_the_bounds_are_refused() {
        let background = background();
        let programs: Vec<_> = (0..=MAX_WAITING).map(|_| program(Vec::new())).collect();
        let added = programs.iter().filter(|program| background.add(Arc::clone(program), NEVER, 1)).count();
        assert_eq!(added, MAX_WAITING);
        background.cancel_all_of(1);
        until(|| is_idle(background));
        assert!(background.add(program(vec![0; MAX_HELD]), NEVER, 1));
        assert!(!background.add(program(vec![0]), NEVER, 1));
        background.cancel_all_of(1);
        until(|| is_idle(background));
    }

    #[test]
    fn a_request_is_cancelled_with_its_owner_or_for_a_run_that_waits() {
        let background = background();
        let (first, second) = (program(hard(300)), program(Vec::new()));
        background.add(Arc::clone(&first), SOON, 1);
        background.add(Arc::clone(&second), NEVER, 2);
        until(|| background.state().current.is_some());
        background.cancel_all_of(1);
        until(|| background.state().current.is_none());
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2));
        background.cancel(&second);
        until(|| is_idle(background));
        assert_eq!(Arc::strong_count(&second), 1);
    }
}

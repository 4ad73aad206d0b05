//! The thread that sees ended runs to their end, whatever they are in.
//!
//! It is there before the first guest begins, and as long as there is any: a run that nobody could end does not begin. What
//! may take long it leaves to others: what a dead run had open, closers close, a few threads that are made when they are
//! needed; what a run has open that it has given up, closes the run's own thread.

use super::pool::Pool;
use super::run::Run;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a run has to notice that it was ended, before it is declared dead; and how long after that its outcome waits for
/// what it had open to be closed.
pub const GRACE: Duration = Duration::from_millis(10);

/// How long a run has until it is given up, in a call that the kernel is still at. With what is behind that, to be ended
/// takes no longer than 50 ms.
pub const PATIENCE: Duration = Duration::from_millis(40);

/// How often those are looked at that have not noticed.
const ROUND: Duration = Duration::from_millis(2);

/// How long after a thread could not be made it is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// How long the thread sleeps where nothing is to be done until somebody wakes it.
const LONG: Duration = Duration::from_secs(3600);

/// How long the thread stays when there is no run any more.
const IDLE: Duration = Duration::from_secs(5);

/// The most threads that close what dead runs had open.
const MAX_CLOSERS: usize = 4;

/// The reaper of this process.
pub static REAPER: Reaper = Reaper::new();

/// A thread, and what it looks after.
pub struct Reaper {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    ended: Vec<Ended>,
    leftovers: VecDeque<Leftover>,
    /// Runs that somebody may end.
    runs: usize,
    has_thread: bool,
    closers: usize,
    /// How many closers have yet to take something.
    starting: usize,
    /// Pools that could not make a thread.
    short: Vec<&'static Pool>,
}

/// A run that was ended.
struct Ended {
    run: Arc<Run>,
    since: Instant,
    /// Whether what it had open is closed, once it has been declared dead.
    closed: Option<Arc<AtomicBool>>,
}

/// What a dead run had open, and who wants to know that it is closed.
struct Leftover {
    open: Box<dyn Send>,
    closed: Arc<AtomicBool>,
}

/// The presence of a run that can be ended.
pub struct Attendance(&'static Reaper);

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.runs -= 1;
        if state.runs == 0 {
            self.0.wake.notify_one();
        }
    }
}

impl Reaper {
    const fn new() -> Self {
        let state = State {
            ended: Vec::new(),
            leftovers: VecDeque::new(),
            runs: 0,
            has_thread: false,
            closers: 0,
            starting: 0,
            short: Vec::new(),
        };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread be there as long as what this returns; an error if it can't be made.
    pub fn attend(&'static self) -> io::Result<Attendance> {
        let mut state = self.state();
        self.staff(&mut state)?;
        state.runs += 1;
        Ok(Attendance(self))
    }

    /// Sees to it that the outcome of this run comes, which was ended.
    pub fn expect(&'static self, run: Arc<Run>) {
        let mut state = self.state();
        state.ended.push(Ended { run, since: Instant::now(), closed: None });
        let _ = self.staff(&mut state); // it is there, since the run is
        self.wake.notify_one();
    }

    /// Has a pool try again, in a while, to make a thread.
    pub fn remind(&'static self, pool: &'static Pool) {
        let mut state = self.state();
        if !state.short.iter().any(|short| std::ptr::eq(*short, pool)) {
            state.short.push(pool);
        }
        // Where there is none, the pool tries again with its next job.
        let _ = self.staff(&mut state);
        self.wake.notify_one();
    }

    fn staff(&'static self, state: &mut State) -> io::Result<()> {
        if !state.has_thread {
            thread::Builder::new().name("wasi-rs reaper".to_owned()).spawn(|| self.work())?;
            state.has_thread = true;
        }
        Ok(())
    }

    fn work(&'static self) {
        let mut state = self.state();
        loop {
            let mut ended = std::mem::take(&mut state.ended);
            drop(state);
            ended.retain_mut(|one| !self.is_over(one));
            state = self.state();
            state.ended.append(&mut ended);
            self.staff_closers(&mut state);
            let patience = state.patience();
            let (woken, timeout) = self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if !timeout.timed_out() {
                continue;
            }
            let short = std::mem::take(&mut state.short);
            if !short.is_empty() {
                drop(state);
                short.into_iter().for_each(Pool::staff_again);
                state = self.state();
            } else if state.is_idle() {
                state.has_thread = false;
                return;
            }
        }
    }

    /// Whether nobody has to wait for this run any more.
    fn is_over(&'static self, Ended { run, since, closed }: &mut Ended) -> bool {
        if run.is_settled() {
            return true;
        }
        let grace = since.elapsed();
        if closed.is_none() {
            run.ask_to_end();
            *closed = if grace < GRACE { None } else { run.declare_dead().map(|open| self.close(open)) };
        }
        let is_over = match closed {
            Some(closed) => closed.load(Relaxed) || grace >= 2 * GRACE,
            None if grace >= PATIENCE => {
                run.give_up();
                true
            }
            None => false,
        };
        if is_over {
            run.bury();
        }
        is_over
    }

    /// Has this be closed by another thread; the result is true once it is.
    fn close(&'static self, open: Box<dyn Send>) -> Arc<AtomicBool> {
        let closed = Arc::new(AtomicBool::new(false));
        let mut state = self.state();
        state.leftovers.push_back(Leftover { open, closed: Arc::clone(&closed) });
        self.staff_closers(&mut state);
        closed
    }

    /// Makes the closers that are missing; where that fails, the next round tries again.
    fn staff_closers(&'static self, state: &mut State) {
        while state.lacks_closer() {
            let thread = thread::Builder::new().name("wasi-rs closer".to_owned());
            if thread.spawn(|| self.close_all()).is_err() {
                return;
            }
            state.closers += 1;
            state.starting += 1;
        }
    }

    fn close_all(&'static self) {
        let mut state = self.state();
        state.starting -= 1;
        while let Some(Leftover { open, closed }) = state.leftovers.pop_front() {
            drop(state);
            drop(open);
            closed.store(true, Relaxed);
            self.wake.notify_one();
            state = self.state();
        }
        state.closers -= 1;
        self.wake.notify_one();
    }
}

impl State {
    /// Whether something is to be closed and there may be one more closer for it.
    fn lacks_closer(&self) -> bool {
        self.closers < MAX_CLOSERS && self.starting < self.leftovers.len()
    }

    /// How long the thread sleeps if nobody wakes it.
    fn patience(&self) -> Duration {
        match () {
            () if !self.ended.is_empty() => ROUND,
            () if !self.short.is_empty() || self.lacks_closer() => RETRY,
            () if self.runs > 0 => LONG,
            () => IDLE,
        }
    }

    fn is_idle(&self) -> bool {
        self.ended.is_empty() && self.leftovers.is_empty() && self.runs == 0 && self.short.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    /// How long until something that does not come counts as never.
    const NEVER: Duration = Duration::from_secs(30);

    /// Takes as long to be closed as the other end of the channel is there.
    struct Slow(Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    fn wait_until(is_true: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_true() {
            assert!(since.elapsed() < NEVER);
            thread::sleep(ROUND);
        }
    }

    #[test]
    fn what_takes_long_to_close_is_others_work_and_they_are_few() {
        static REAPER: Reaper = Reaper::new();
        let attendance = REAPER.attend().unwrap();
        let (ends, slow): (Vec<_>, Vec<_>) = (0..MAX_CLOSERS).map(|_| channel::<()>()).unzip();
        let closing: Vec<_> = slow.into_iter().map(|end| REAPER.close(Box::new(Slow(end)))).collect();
        let behind = REAPER.close(Box::new(()));
        wait_until(|| REAPER.state().starting == 0);
        assert_eq!(REAPER.state().closers, MAX_CLOSERS);
        assert!(!behind.load(Relaxed));
        // Nobody waits for any of it.
        REAPER.wake.notify_one();
        assert!(closing.iter().all(|closed| !closed.load(Relaxed)));

        drop(ends);
        wait_until(|| closing.iter().chain([&behind]).all(|closed| closed.load(Relaxed)));
        wait_until(|| REAPER.state().closers == 0);
        drop(attendance);
    }

    #[test]
    fn the_thread_is_there_as_long_as_runs_are_and_comes_back_for_the_next() {
        static REAPER: Reaper = Reaper::new();
        let first = REAPER.attend().unwrap();
        assert!(REAPER.state().has_thread);
        drop(first);
        wait_until(|| !REAPER.state().has_thread);
        let second = REAPER.attend().unwrap();
        assert!(REAPER.state().has_thread);
        drop(second);
    }

    #[test]
    fn a_pool_that_was_short_of_threads_is_asked_again() {
        static REAPER: Reaper = Reaper::new();
        REAPER.remind(&super::super::pool::POOL);
        REAPER.remind(&super::super::pool::POOL);
        assert_eq!(REAPER.state().short.len(), 1);
        wait_until(|| REAPER.state().short.is_empty());
    }
}

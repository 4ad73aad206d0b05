//! The reaper: a thread that makes sure that every run which was ended is settled.
//!
//! It starts before the first guest begins, and lives as long as there are guests: without it, no run begins.
//! It ends runs at the time of their alarms as well, for callers whose event loop can't.
//! It does nothing that may take long. The descriptors of a dead run are closed by closers, a few threads
//! that are started when they are needed. The descriptors of a run that was given up are closed by the run's
//! own thread.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The time that a run has to notice its end, before it is marked dead. After that, its outcome waits for the
/// same time at most until its descriptors are closed.
pub const GRACE: Duration = Duration::from_millis(10);

/// The time after which a run is given up, if the kernel has not finished its call. With the steps after
/// that, ending a run takes 50 ms at most.
pub const DEADLINE: Duration = Duration::from_millis(40);

/// The interval between two checks of runs that have not noticed.
const ROUND: Duration = Duration::from_millis(2);

/// The time until the next attempt to start a thread.
const RETRY: Duration = Duration::from_millis(50);

/// The longest sleep of the thread while there is nothing to do.
const LONG: Duration = Duration::from_secs(3600);

/// The time that the thread stays after the last run.
const IDLE: Duration = Duration::from_secs(5);

/// The most threads that close descriptors of dead runs.
const MAX_CLOSERS: usize = 4;

/// The reaper of this process.
pub static REAPER: Reaper = Reaper::new();

/// A run that was ended.
pub trait Mortal: Send + Sync {
    /// Interrupts it again: the run may have missed the first interrupt.
    fn interrupt(&self);
    /// Marks it dead, so that it makes no call any more. Returns its descriptors, to be closed; none while it
    /// makes a call.
    fn mark_dead(&self) -> Option<Box<dyn Send>>;
    /// Gives its thread up, which the kernel may keep for long.
    fn give_up(&self);
    /// Delivers its outcome, without its thread.
    fn settle_without_thread(&self);
    /// True if its outcome has been delivered.
    fn is_settled(&self) -> bool;
    /// Ends it: it has taken longer than it may.
    fn expire(self: Arc<Self>);
}

/// An alarm, until it is dropped.
pub struct Alarm {
    reaper: &'static Reaper,
    key: (Instant, u64),
}

impl Alarm {
    /// Takes it back. True if it has rung: the run is ended, or about to be.
    pub fn has_rung(self) -> bool {
        self.reaper.state().alarms.remove(&self.key).is_none()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.reaper.state().alarms.remove(&self.key);
    }
}

/// A scheduler that could not start a thread.
pub trait Retry: Sync {
    /// Tries again.
    fn retry(&'static self);
}

/// The reaper's thread, and the runs that were ended.
pub struct Reaper {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    ended: Vec<Ended>,
    unclosed: VecDeque<Unclosed>,
    /// The number of registered runs.
    runs: usize,
    has_thread: bool,
    closers: usize,
    /// The number of closers that have started and not taken anything yet.
    starting: usize,
    /// Schedulers that could not start a thread.
    short: Vec<&'static dyn Retry>,
    /// The runs that are to be ended, by their times.
    alarms: BTreeMap<(Instant, u64), Weak<dyn Mortal>>,
    last_alarm: u64,
    /// The time at which the thread wakes, if it sleeps.
    wakes: Option<Instant>,
}

/// A run that was ended.
struct Ended {
    run: Arc<dyn Mortal>,
    since: Instant,
    /// True when its descriptors are closed, once it has been marked dead.
    closed: Option<Arc<AtomicBool>>,
}

/// The descriptors of a dead run, and the flag to set when they are closed.
struct Unclosed {
    open: Box<dyn Send>,
    closed: Arc<AtomicBool>,
}

/// The registration of a run that can be ended.
pub struct Registration(&'static Reaper);

impl Drop for Registration {
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
            unclosed: VecDeque::new(),
            runs: 0,
            has_thread: false,
            closers: 0,
            starting: 0,
            short: Vec::new(),
            alarms: BTreeMap::new(),
            last_alarm: 0,
            wakes: None,
        };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the thread alive until the registration is dropped; an error if it can't be started.
    pub fn register(&'static self) -> io::Result<Registration> {
        let mut state = self.state();
        self.staff(&mut state)?;
        state.runs += 1;
        Ok(Registration(self))
    }

    /// Makes sure that this run, which was ended, is settled.
    pub fn watch(&'static self, run: Arc<dyn Mortal>) {
        let mut state = self.state();
        state.ended.push(Ended { run, since: Instant::now(), closed: None });
        let _ = self.staff(&mut state); // the thread exists, since the run is registered
        self.wake.notify_one();
    }

    /// Ends a run, which is registered, at a time.
    pub fn alarm(&'static self, at: Instant, run: Weak<dyn Mortal>) -> Alarm {
        let mut state = self.state();
        state.last_alarm += 1;
        let key = (at, state.last_alarm);
        state.alarms.insert(key, run);
        if state.wakes.is_none_or(|wakes| at < wakes) {
            self.wake.notify_one();
        }
        Alarm { reaper: self, key }
    }

    /// Has a scheduler try again later to start a thread.
    pub fn retry_later(&'static self, scheduler: &'static dyn Retry) {
        let mut state = self.state();
        if !state.short.iter().any(|short| std::ptr::addr_eq(*short, scheduler)) {
            state.short.push(scheduler);
        }
        // Without a thread, the scheduler tries again with its next task.
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
            let expired = state.expired();
            drop(state);
            expired.into_iter().for_each(Mortal::expire);
            ended.retain_mut(|one| !self.is_over(one));
            state = self.state();
            state.ended.append(&mut ended);
            self.staff_closers(&mut state);
            let time = state.time_to_sleep();
            state.wakes = Instant::now().checked_add(time);
            let (woken, timeout) = self.wake.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.wakes = None;
            if !timeout.timed_out() {
                continue;
            }
            let short = std::mem::take(&mut state.short);
            if !short.is_empty() {
                drop(state);
                short.into_iter().for_each(|scheduler| scheduler.retry());
                state = self.state();
            } else if state.is_idle() {
                state.has_thread = false;
                return;
            }
        }
    }

    /// Takes the next step with an ended run; true if it is settled.
    fn is_over(&'static self, Ended { run, since, closed }: &mut Ended) -> bool {
        if run.is_settled() {
            return true;
        }
        let grace = since.elapsed();
        if closed.is_none() {
            run.interrupt();
            *closed = if grace < GRACE { None } else { run.mark_dead().map(|open| self.close(open)) };
        }
        let is_over = match closed {
            Some(closed) => closed.load(Relaxed) || grace >= 2 * GRACE,
            None if grace >= DEADLINE => {
                run.give_up();
                true
            }
            None => false,
        };
        if is_over {
            run.settle_without_thread();
        }
        is_over
    }

    /// Has a closer drop this; the flag is set when that is done.
    fn close(&'static self, open: Box<dyn Send>) -> Arc<AtomicBool> {
        let closed = Arc::new(AtomicBool::new(false));
        let mut state = self.state();
        state.unclosed.push_back(Unclosed { open, closed: Arc::clone(&closed) });
        self.staff_closers(&mut state);
        closed
    }

    /// Starts the closers that are missing. If that fails, the next round tries again.
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
        while let Some(Unclosed { open, closed }) = state.unclosed.pop_front() {
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
    /// True if one more closer is needed, and allowed.
    fn lacks_closer(&self) -> bool {
        self.closers < MAX_CLOSERS && self.starting < self.unclosed.len()
    }

    /// Takes the runs whose time has come.
    fn expired(&mut self) -> Vec<Arc<dyn Mortal>> {
        let now = Instant::now();
        let mut expired = Vec::new();
        while let Some(first) = self.alarms.first_entry().filter(|first| first.key().0 <= now) {
            expired.extend(first.remove().upgrade());
        }
        expired
    }

    /// The time that the thread sleeps unless it is woken.
    fn time_to_sleep(&self) -> Duration {
        let alarm = self.alarms.first_key_value().map(|((at, _), _)| at.saturating_duration_since(Instant::now()));
        self.time_without_alarms().min(alarm.unwrap_or(LONG))
    }

    fn time_without_alarms(&self) -> Duration {
        match () {
            () if !self.ended.is_empty() => ROUND,
            () if !self.short.is_empty() || self.lacks_closer() => RETRY,
            () if self.runs > 0 => LONG,
            () => IDLE,
        }
    }

    fn is_idle(&self) -> bool {
        self.ended.is_empty() && self.unclosed.is_empty() && self.runs == 0 && self.short.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    /// The time after which a missing event counts as a failure.
    const NEVER: Duration = Duration::from_secs(30);

    /// A value whose drop waits for the other end of the channel to be dropped.
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
    fn closers_are_few_and_keep_the_reaper_free() {
        static REAPER: Reaper = Reaper::new();
        let registration = REAPER.register().unwrap();
        let (ends, slow): (Vec<_>, Vec<_>) = (0..MAX_CLOSERS).map(|_| channel::<()>()).unzip();
        let closing: Vec<_> = slow.into_iter().map(|end| REAPER.close(Box::new(Slow(end)))).collect();
        let behind = REAPER.close(Box::new(()));
        wait_until(|| REAPER.state().starting == 0);
        assert_eq!(REAPER.state().closers, MAX_CLOSERS);
        assert!(!behind.load(Relaxed));
        // The reaper does not wait for them.
        REAPER.wake.notify_one();
        assert!(closing.iter().all(|closed| !closed.load(Relaxed)));

        drop(ends);
        wait_until(|| closing.iter().chain([&behind]).all(|closed| closed.load(Relaxed)));
        wait_until(|| REAPER.state().closers == 0);
        drop(registration);
    }

    #[test]
    fn the_thread_lives_as_long_as_runs_and_starts_again_for_the_next() {
        static REAPER: Reaper = Reaper::new();
        let first = REAPER.register().unwrap();
        assert!(REAPER.state().has_thread);
        drop(first);
        wait_until(|| !REAPER.state().has_thread);
        let second = REAPER.register().unwrap();
        assert!(REAPER.state().has_thread);
        drop(second);
    }

    #[test]
    fn a_scheduler_that_could_not_start_a_thread_tries_again() {
        static REAPER: Reaper = Reaper::new();
        REAPER.retry_later(&super::super::scheduler::SCHEDULER);
        REAPER.retry_later(&super::super::scheduler::SCHEDULER);
        assert_eq!(REAPER.state().short.len(), 1);
        wait_until(|| REAPER.state().short.is_empty());
    }
}

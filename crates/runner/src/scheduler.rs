//! The scheduler: slots for the guests of both engines, as many as there are processors; the others wait in
//! one queue. Guests of wasmtime run on threads of the scheduler; for those of V8, the environment that
//! requested the run gets a message, and begins it in a worker. Compilations have a scheduler of their own,
//! so that guests that compute and programs that are hard to compile don't hold each other up.
//!
//! A guest that waits in a call releases its slot meanwhile: four guests that read from pipes must not keep a
//! fifth from running that would write to these pipes. The number of those that have begun is bounded
//! elsewhere (`run.rs`).
//!
//! Guests that compute for ever must not keep others waiting for ever: if no task has begun for a second, a
//! slot is added; the next one after twice that time, and so on.

use super::reaper::{REAPER, Retry};
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Work for a thread of the scheduler.
pub type Job = Box<dyn FnOnce() + Send>;

/// Callback that takes a slot, which is released later. It returns false if the slot is not needed any more.
pub type Grant = Box<dyn FnOnce() -> bool + Send>;

/// The time that a thread waits for the next task before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The least number of slots: one or two guests that compute for long should not hold all others up.
const MIN_SLOTS: usize = 4;

/// The time that the queue stands still before a slot is added; doubled for each slot that was added.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The host's part of a thread's stack, for calls of the guest.
const HOST_STACK: usize = 1 << 20;

/// The stack of a thread that waits for a compilation on other threads.
const COMPILATION_STACK: usize = 1 << 20;

/// The scheduler of this process.
pub static SCHEDULER: Scheduler = Scheduler::new("wasi-rs", super::mode::MAX_STACK + HOST_STACK, processors);

/// The scheduler of compilations that runs wait for. It has few slots: each compilation may take gigabytes.
pub static COMPILERS: Scheduler = Scheduler::new("wasi-rs compile", COMPILATION_STACK, || MIN_SLOTS);

/// Slots, threads and a queue.
pub struct Scheduler {
    state: Mutex<State>,
    wake: Condvar,
    /// Wakes the stall watcher.
    moved: Condvar,
    name: &'static str,
    stack: usize,
    /// The usual number of slots.
    slots: fn() -> usize,
}

/// A task in the queue.
enum Task {
    /// Work for a thread of the scheduler, which releases the slot afterwards.
    Job(Job),
    /// A callback for any thread that finds a free slot. It returns at once.
    Grant(Grant),
}

struct State {
    queue: VecDeque<Task>,
    /// The number of jobs among the tasks.
    jobs: usize,
    /// The time when a task was last taken from the queue, or put into an empty one.
    moved: Option<Instant>,
    /// Slots that were added because the queue stood still.
    extra: u32,
    /// True while the stall watcher runs.
    is_watched: bool,
    /// Slots that are held.
    running: usize,
    /// Threads without a job.
    idle: usize,
    threads: usize,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Scheduler {
    const fn new(name: &'static str, stack: usize, slots: fn() -> usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            jobs: 0,
            moved: None,
            extra: 0,
            is_watched: false,
            running: 0,
            idle: 0,
            threads: 0,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), moved: Condvar::new(), name, stack, slots }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread do the job as soon as there is a slot. An error if no thread can be started, and none
    /// will come to it.
    pub fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.state();
        state.push(Task::Job(job));
        self.watch_for_stall(&mut state);
        self.staff(&mut state).inspect_err(|_| {
            state.jobs -= 1;
            state.queue.pop_back();
        })
    }

    /// Calls `grant` as soon as there is a slot, on any thread. The slot is held until it is released.
    pub fn request(&'static self, grant: Grant) {
        let mut state = self.state();
        state.push(Task::Grant(grant));
        self.dispatch(state);
    }

    /// Gives free slots to the tasks at the head of the queue.
    fn dispatch(&'static self, mut state: MutexGuard<'_, State>) {
        loop {
            let mut granted = Vec::new();
            while state.has_grant()
                && let Some(Task::Grant(grant)) = self.take(&mut state)
            {
                granted.push(grant);
            }
            let _ = self.staff(&mut state);
            self.watch_for_stall(&mut state);
            drop(state);
            let count = granted.len();
            let kept = granted.into_iter().filter_map(|grant| catch_unwind(AssertUnwindSafe(grant)).ok());
            let refused = count - kept.filter(|is_kept| *is_kept).count();
            if refused == 0 {
                return;
            }
            state = self.state();
            (0..refused).for_each(|_| self.leave(&mut state));
        }
    }

    /// Takes the next task, with a slot for it, if there is a free one.
    fn take(&self, state: &mut State) -> Option<Task> {
        if self.free(state, 1) == 0 {
            return None;
        }
        let task = state.queue.pop_front()?;
        state.jobs -= usize::from(matches!(task, Task::Job(_)));
        state.running += 1;
        state.moved = Some(Instant::now());
        if state.queue.is_empty() {
            self.moved.notify_one();
        }
        Some(task)
    }

    /// Wakes or starts a thread for the jobs that have a free slot.
    fn staff(&'static self, state: &mut State) -> std::io::Result<()> {
        // A thread that was woken for one job counts as idle until it runs, but is not free for the next job.
        let wanted = self.free(state, state.jobs);
        if wanted == 0 {
            return Ok(());
        }
        if state.idle >= wanted {
            self.wake.notify_one();
            return Ok(());
        }
        // More than one where threads could not be made before.
        while state.idle < wanted {
            let thread = thread::Builder::new().name(self.name.to_owned()).stack_size(self.stack);
            if let Err(error) = thread.spawn(|| self.work()) {
                REAPER.retry_later(self);
                // Threads whose guests wait in a call don't count: they take no job.
                return if state.running + state.idle == 0 { Err(error) } else { Ok(()) };
            }
            state.threads += 1;
            state.idle += 1;
        }
        Ok(())
    }

    fn work(&'static self) {
        let mut state = self.state();
        state.idle -= 1;
        loop {
            if state.has_grant() && self.free(&state, 1) > 0 {
                self.dispatch(state);
                state = self.state();
                continue;
            }
            if let Some(Task::Job(job)) = self.take(&mut state) {
                if state.has_grant() {
                    self.dispatch(state);
                } else {
                    self.watch_for_stall(&mut state);
                    drop(state);
                }
                // The job handles its panics itself.
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

    /// Starts the stall watcher, if the queue may stand still.
    fn watch_for_stall(&'static self, state: &mut State) {
        if state.is_watched || state.queue.is_empty() || self.free(state, 1) > 0 {
            return;
        }
        let thread = thread::Builder::new().name("wasi-rs stall".to_owned());
        state.is_watched = thread.spawn(|| self.end_stalls()).is_ok();
        if !state.is_watched {
            REAPER.retry_later(self);
        }
    }

    fn end_stalls(&'static self) {
        let mut state = self.state();
        while let Some(left) = state.time_to_stall() {
            if left.is_zero() {
                state.extra += 1;
                state.moved = Some(Instant::now());
                self.dispatch(state);
                state = self.state();
                continue;
            }
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_watched = false;
    }

    /// Releases a slot.
    pub fn release(&'static self) {
        let mut state = self.state();
        self.leave(&mut state);
        self.dispatch(state);
    }

    /// Acquires a slot at once, even if none is free: it was released only for a wait.
    pub fn acquire(&'static self) {
        let mut state = self.state();
        state.running += 1;
        self.watch_for_stall(&mut state);
    }

    /// Stops counting a thread whose job may never end: another may be started in its place.
    pub fn lose_thread(&self) {
        self.state().threads -= 1;
    }

    /// Counts the calling thread again, which was lost, and acquires a slot for it.
    pub fn find_thread(&'static self) {
        self.state().threads += 1;
        self.acquire();
    }

    /// The number of free slots, but no more than `wanted`.
    fn free(&self, state: &State, wanted: usize) -> usize {
        // The number of slots is slow to find out, and never less than this.
        if state.running + wanted <= MIN_SLOTS {
            return wanted;
        }
        wanted.min(((self.slots)() + state.extra as usize).saturating_sub(state.running))
    }

    /// Counts one slot less as held.
    fn leave(&self, state: &mut State) {
        state.running = state.running.saturating_sub(1);
        if state.extra > 0 && state.running < (self.slots)() {
            state.extra = 0;
        }
    }
}

impl Retry for Scheduler {
    fn retry(&'static self) {
        self.dispatch(self.state());
    }
}

impl State {
    /// True if the next task is a grant.
    fn has_grant(&self) -> bool {
        matches!(self.queue.front(), Some(Task::Grant(_)))
    }

    fn push(&mut self, task: Task) {
        if self.queue.is_empty() {
            self.moved = Some(Instant::now());
        }
        self.jobs += usize::from(matches!(task, Task::Job(_)));
        self.queue.push_back(task);
    }

    /// The time until the queue has stood still for too long; none if it is empty.
    fn time_to_stall(&self) -> Option<Duration> {
        let since = self.moved.filter(|_| !self.queue.is_empty())?;
        let most = STANDSTILL.saturating_mul(2_u32.saturating_pow(self.extra));
        Some(most.saturating_sub(since.elapsed()))
    }
}

/// The usual number of slots for guests.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(MIN_SLOTS, NonZero::get).max(MIN_SLOTS))
}

#[cfg(test)]
mod tests {
    use super::super::slot::{Holder, Slot};
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// The time after which a missing event counts as a failure.
    const NEVER: Duration = Duration::from_secs(30);

    /// A scheduler with all slots held.
    fn held() -> &'static Scheduler {
        let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler::new("test", 1 << 20, || MIN_SLOTS)));
        let (sender, receiver) = channel();
        for number in 0..MIN_SLOTS {
            scheduler.request(grant(&sender, number));
        }
        assert_eq!(numbers(&receiver, MIN_SLOTS), (0..MIN_SLOTS).collect::<Vec<_>>());
        scheduler
    }

    /// A grant that keeps its slot, and sends a number.
    fn grant(sender: &Sender<usize>, number: usize) -> Grant {
        let sender = sender.clone();
        Box::new(move || sender.send(number).is_ok())
    }

    fn numbers(receiver: &Receiver<usize>, count: usize) -> Vec<usize> {
        (0..count).map(|_| receiver.recv_timeout(NEVER).unwrap()).collect()
    }

    #[test]
    fn jobs_and_grants_are_in_one_queue_for_the_same_slots() {
        let scheduler = held();
        let (sender, receiver) = channel();
        let done = sender.clone();
        scheduler.submit(Box::new(move || done.send(1).unwrap())).unwrap();
        scheduler.request(grant(&sender, 2));
        let done = sender.clone();
        scheduler.submit(Box::new(move || done.send(3).unwrap())).unwrap();
        scheduler.release();
        assert_eq!(numbers(&receiver, 2), [1, 2], "the job gives its slot to the grant, which keeps it");
        scheduler.release();
        assert_eq!(numbers(&receiver, 1), [3]);
    }

    #[test]
    fn a_slot_that_nobody_needs_any_more_goes_to_the_next() {
        let scheduler = held();
        let (sender, receiver) = channel();
        for _ in 0..100_000 {
            scheduler.request(Box::new(|| false));
        }
        scheduler.request(Box::new(|| panic!("a grant that panics has no slot")));
        scheduler.request(grant(&sender, 1));
        scheduler.release();
        assert_eq!(numbers(&receiver, 1), [1]);
        assert_eq!(scheduler.state().running, MIN_SLOTS);
    }

    #[test]
    fn a_released_slot_is_acquired_again_at_once() {
        let scheduler = held();
        let slot = Slot::new(scheduler, Holder::Foreign);
        slot.hold(); // one of those that are held
        let (sender, receiver) = channel();
        scheduler.request(grant(&sender, 1));
        slot.release();
        assert_eq!(numbers(&receiver, 1), [1]);
        slot.acquire();
        assert_eq!(scheduler.state().running, MIN_SLOTS + 1);
        assert!(slot.lose() && !slot.lose());
        slot.leave();
        assert_eq!(scheduler.state().running, MIN_SLOTS);
    }

    #[test]
    fn jobs_that_there_were_no_threads_for_get_as_many_as_they_have_slots() {
        let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler::new("test", 1 << 20, || MIN_SLOTS)));
        let (sender, receiver) = channel();
        let mut ends = Vec::new();
        for number in 0..MIN_SLOTS {
            let (begun, (end, never)) = (sender.clone(), channel::<()>());
            ends.push(end);
            scheduler.state().push(Task::Job(Box::new(move || {
                begun.send(number).unwrap();
                let _ = never.recv(); // one that calculates for ever
            })));
        }
        scheduler.retry();
        let mut begun = numbers(&receiver, MIN_SLOTS);
        begun.sort_unstable();
        assert_eq!(begun, (0..MIN_SLOTS).collect::<Vec<_>>());
    }

    #[test]
    fn a_slot_is_added_when_the_queue_stands_still() {
        let scheduler = held();
        let (sender, receiver) = channel();
        scheduler.request(grant(&sender, 1));
        assert_eq!(numbers(&receiver, 1), [1]);
        let state = scheduler.state();
        assert_eq!((state.extra, state.running), (1, MIN_SLOTS + 1));
    }
}

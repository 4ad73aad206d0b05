//! The scheduler: slots for the guests of both engines, as many as there are processors; the others wait in
//! one queue. Guests of wasmtime run on threads of the scheduler; for those of V8 the environment that asked
//! is told to begin, in a worker. Programs are compiled on threads of a scheduler of their own: guests that
//! calculate and programs that are hard to compile don't hold each other up.
//!
//! A guest that waits in a call releases its slot for as long: four guests that read from each other's pipes
//! must not wait for a fifth that would feed them. The number of those that have begun is bounded elsewhere
//! (`run.rs`).
//!
//! Guests that calculate for ever must not keep the others waiting for ever: where no task has begun for a
//! second, there is a slot more; for the next one twice as long has to pass, and so on.

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

/// Takes a slot, to release it later; false if it is not needed any more.
pub type Grant = Box<dyn FnOnce() -> bool + Send>;

/// How long a thread waits for the next task before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The least number of slots: a guest or two that calculate for long should not hold all others up.
const MIN_SLOTS: usize = 4;

/// How long the queue stands still before there is a slot more; doubled for each that there is already.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The stack of a thread beside the guest's part of it: for the host's part of a call.
const HOST_STACK: usize = 1 << 20;

/// The stack of a thread that sees a compilation through, on other threads.
const COMPILATION_STACK: usize = 1 << 20;

/// The scheduler of this process.
pub static SCHEDULER: Scheduler = Scheduler::new("wasi-rs", super::mode::MAX_STACK + HOST_STACK, processors);

/// The scheduler of compilations that somebody waits for. It has few slots: each compilation may take
/// gigabytes.
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
    /// For a thread of the scheduler, which gives the slot back afterwards.
    Job(Job),
    /// For whatever thread finds the slot. It takes no time.
    Grant(Grant),
}

struct State {
    queue: VecDeque<Task>,
    /// The number of jobs among the tasks.
    jobs: usize,
    /// When a task was last taken from the queue, or put into an empty one.
    moved: Option<Instant>,
    /// Slots beside the usual ones, because the queue stood still.
    extra: u32,
    /// True if the stall watcher is there.
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

    /// Has a thread do this as soon as there is a slot. An error if no thread can be made and none comes to
    /// it.
    pub fn submit(&'static self, job: Job) -> std::io::Result<()> {
        let mut state = self.state();
        state.push(Task::Job(job));
        self.watch_for_stall(&mut state);
        self.staff(&mut state).inspect_err(|_| {
            state.jobs -= 1;
            state.queue.pop_back();
        })
    }

    /// Calls this as soon as there is a slot, on whatever thread; the slot is then held until it is released.
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

    /// Wakes or makes a thread for the jobs that have a free slot.
    fn staff(&'static self, state: &mut State) -> std::io::Result<()> {
        // A thread that was woken for one job and is not up yet is still counted as idle, but is not there
        // for the next.
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
                // Those that wait in a call don't come to it.
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
                // The job has seen to the consequences of a panic.
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

    /// Starts the stall watcher, where the queue may stand still.
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

    /// Acquires a slot at once: one that was released for a while.
    pub fn acquire(&'static self) {
        let mut state = self.state();
        state.running += 1;
        self.watch_for_stall(&mut state);
    }

    /// A thread is lost in its job, which may take for ever: another may be made for it.
    pub fn lose_thread(&self) {
        self.state().threads -= 1;
    }

    /// The calling thread, which was lost, is back, and acquires a slot.
    pub fn find_thread(&'static self) {
        self.state().threads += 1;
        self.acquire();
    }

    /// The number of free slots, as far as so many are wanted.
    fn free(&self, state: &State, wanted: usize) -> usize {
        // To find out how many there are takes longer than the rest, and a few there always are.
        if state.running + wanted <= MIN_SLOTS {
            return wanted;
        }
        wanted.min(((self.slots)() + state.extra as usize).saturating_sub(state.running))
    }

    /// A slot is not held any more.
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

    /// How long the queue may still stand still; none if it is empty.
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

    /// How long until something that does not come counts as never.
    const NEVER: Duration = Duration::from_secs(30);

    /// A scheduler with all slots held.
    fn held() -> &'static Scheduler {
        let scheduler: &'static Scheduler = Box::leak(Box::new(Scheduler::new("test", 1 << 20, || MIN_SLOTS)));
        let (sender, receiver) = channel();
        for number in 0..MIN_SLOTS {
            scheduler.request(tell(&sender, number));
        }
        assert_eq!(numbers(&receiver, MIN_SLOTS), (0..MIN_SLOTS).collect::<Vec<_>>());
        scheduler
    }

    /// A grant that is kept, and says so.
    fn tell(sender: &Sender<usize>, number: usize) -> Grant {
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
        scheduler.request(tell(&sender, 2));
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
        scheduler.request(tell(&sender, 1));
        scheduler.release();
        assert_eq!(numbers(&receiver, 1), [1]);
        assert_eq!(scheduler.state().running, MIN_SLOTS);
    }

    #[test]
    fn a_slot_that_is_released_for_a_while_is_acquired_again_at_once() {
        let scheduler = held();
        let slot = Slot::new(scheduler, Holder::Foreign);
        slot.hold(); // one of those that are held
        let (sender, receiver) = channel();
        scheduler.request(tell(&sender, 1));
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
    fn where_the_queue_stands_still_there_is_a_slot_more() {
        let scheduler = held();
        let (sender, receiver) = channel();
        scheduler.request(tell(&sender, 1));
        assert_eq!(numbers(&receiver, 1), [1]);
        let state = scheduler.state();
        assert_eq!((state.extra, state.running), (1, MIN_SLOTS + 1));
    }
}

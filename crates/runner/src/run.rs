//! One run in either engine, seen from outside: ended early, and settled with its outcome.

use super::control::Control;
use super::outcome::{End, Finish, Outcome, Usage, no_thread};
use super::plan::{Captures, OnBegin, Plan, Stdio};
use super::reaper::{Mortal, REAPER, Registration};
use super::scheduler::SCHEDULER;
use super::slot::{Holder, Slot};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::host::clock;
use wasi_rs_core::watch::Tally;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::limits::Limits;

/// The engine of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// wasmtime, on a thread of the scheduler.
    Wasmtime,
    /// V8, in a worker of Node.
    V8,
}

impl Engine {
    /// The most runs that may have begun and not ended, unless the plan sets a number. A worker takes much
    /// more memory than a thread.
    pub const fn concurrency(self) -> usize {
        match self {
            Self::Wasmtime => 512,
            Self::V8 => 64,
        }
    }
}

/// The runs that are counted together: those of the process in wasmtime, those of one environment in V8.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// The number of runs that have begun and not ended.
    begun: Arc<AtomicUsize>,
    /// The number of runs that were given up and whose threads have not returned. While it is as large as the
    /// number that may have begun, no run begins.
    given_up: Arc<AtomicUsize>,
}

/// A run's part in a count, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// Counts one more, unless the count has reached `most`.
    fn among(all: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let counted = all.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        counted.ok().map(|_| Self(Arc::clone(all)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A run.
pub struct Run {
    engine: Engine,
    population: Population,
    /// The state shared with its thread and its calls.
    pub(super) control: Arc<Control>,
    /// Its limits.
    pub limits: Limits,
    /// Its plan until it begins. If it is ended before, the plan is dropped at once: the files of its streams
    /// are closed.
    plan: Mutex<Option<Plan>>,
    /// Called when it begins.
    on_begin: Mutex<OnBegin>,
    /// True for each of stdout and stderr that is captured.
    is_captured: [bool; 2],
    requested: Instant,
    /// The time at which it began to wait for its program to be compiled.
    compiling: OnceLock<Instant>,
    /// The nanoseconds that it waited.
    compiled: AtomicU64,
    /// Cancels the search for machine code.
    pub(super) search: Cancellation,
    /// Its wait for machine code that is being compiled.
    pub(super) wait: Mutex<Option<Box<dyn Send>>>,
    finish: Mutex<Option<Finish>>,
    /// Its part in the number of runs that have begun, until its outcome is delivered.
    counted: Mutex<Option<Counted>>,
    /// Its part in the number of runs that were given up, until its thread returns.
    given_up: Mutex<Option<Counted>>,
    /// Keeps the reaper alive until its outcome is delivered.
    registration: Mutex<Option<Registration>>,
    begun: OnceLock<Begun>,
    cpu: AtomicU64,
    /// Counts its calls by name, if anybody asks.
    tally: Option<Arc<Tally>>,
    /// The fuel it used.
    pub(super) fuel: AtomicU64,
}

/// The state of a run that has begun.
pub struct Begun {
    at: Instant,
    /// Its thread, and the processor time of the thread before.
    thread: clock::Thread,
    cpu: u64,
    captures: Captures,
    guest: Box<dyn Guest>,
}

/// A guest in its engine.
pub trait Guest: Send + Sync {
    /// Makes the guest notice that it is to end.
    fn interrupt(&self);
    /// Marks the guest dead, so that it makes no call any more. Returns its descriptors, to be closed; none
    /// while it makes a call.
    fn mark_dead(&self) -> Option<Box<dyn Send>>;
    /// Closes its descriptors: it has ended.
    fn close(&self);
}

impl Begun {
    /// A run that begins now, on the calling thread.
    pub fn now(captures: Captures, guest: Box<dyn Guest>) -> Self {
        let cpu = clock::now(Clockid::ThreadCputimeId);
        Self { at: Instant::now(), thread: clock::Thread::current(), cpu, captures, guest }
    }

    /// Nanoseconds since it has begun.
    fn wall(&self) -> u64 {
        nanoseconds(self.at.elapsed())
    }

    /// Nanoseconds of processor time, read by another thread. On a system that can't tell, the time since it
    /// has begun.
    fn cpu(&self) -> u64 {
        self.thread.cpu().map_or_else(|| self.wall(), |cpu| cpu.saturating_sub(self.cpu))
    }
}

impl Run {
    /// A run that has not begun; `finish` gets the outcome, on any thread.
    pub fn new(engine: Engine, population: Population, mut plan: Plan, finish: Finish) -> Arc<Self> {
        let on_begin = Mutex::new(std::mem::take(&mut plan.on_begin));
        let holder = if engine == Engine::Wasmtime { Holder::Pooled } else { Holder::Foreign };
        let [_, stdout, stderr] = &plan.stdio;
        Arc::new(Self {
            engine,
            population,
            control: Arc::new(Control::new(Slot::new(&SCHEDULER, holder))),
            limits: plan.limits,
            is_captured: [stdout, stderr].map(|output| matches!(output, Stdio::Capture)),
            tally: plan.tally.clone(),
            plan: Mutex::new(Some(plan)),
            requested: Instant::now(),
            compiling: OnceLock::new(),
            compiled: AtomicU64::new(0),
            on_begin,
            search: Cancellation::default(),
            wait: Mutex::default(),
            finish: Mutex::new(Some(finish)),
            counted: Mutex::new(None),
            given_up: Mutex::new(None),
            registration: Mutex::new(None),
            begun: OnceLock::new(),
            cpu: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
        })
    }

    /// Ends it early. The outcome is delivered as soon as the run can have no more effects.
    pub fn end(self: &Arc<Self>) {
        if !self.control.end() {
            return;
        }
        if let Some(begun) = self.begun.get() {
            begun.guest.interrupt();
            let run: Arc<Self> = Arc::clone(self);
            return REAPER.watch(run);
        }
        // It is in the queue, or being compiled. If it begins at this moment, it notices before its first
        // instruction.
        self.search.cancel();
        let has_plan = self.take_plan().is_some();
        drop(lock(&self.wait).take());
        self.settle(End::Ended);
        if has_plan && self.engine == Engine::V8 {
            self.leave(); // no worker has it
        } else {
            // Its thread may wait for a file system that does not answer, to read the program or open the
            // preopens.
            self.give_up();
        }
    }

    /// Records that it waits for its program to be compiled.
    pub fn begin_compiling(&self) {
        let _ = self.compiling.set(Instant::now());
    }

    /// Records that its program is compiled.
    pub fn end_compiling(&self) {
        if let Some(since) = self.compiling.get() {
            self.compiled.store(nanoseconds(since.elapsed()), Relaxed);
        }
    }

    /// Takes the plan; none if another thread has it, or the run was ended.
    pub fn take_plan(&self) -> Option<Plan> {
        lock(&self.plan).take()
    }

    /// Counts the run among those that have begun, and registers it with the reaper. The error is the end of
    /// the run if there are too many, or no reaper.
    pub fn admit(&self, concurrency: usize) -> Result<(), End> {
        let most = self.engine.concurrency();
        if self.population.given_up.load(Relaxed) >= most {
            return Err(End::Busy(most));
        }
        let counted = Counted::among(&self.population.begun, concurrency).ok_or(End::Busy(concurrency))?;
        *lock(&self.registration) = Some(REAPER.register().map_err(|error| no_thread(&error))?);
        *lock(&self.counted) = Some(counted);
        Ok(())
    }

    /// Publishes that it begins. False if it is to end instead.
    pub fn begin(&self, begun: Begun) -> bool {
        let begins = self.begun.set(begun).is_ok() && !self.control.termination.is_ended_by_now();
        if begins && let Some(tell) = lock(&self.on_begin).0.take() {
            tell();
        }
        begins
    }

    /// Records the processor time of the calling thread, which is done with the guest.
    pub fn record_cpu(&self) {
        if let Some(begun) = self.begun.get() {
            let cpu = clock::now(Clockid::ThreadCputimeId).saturating_sub(begun.cpu);
            self.cpu.store(cpu, Relaxed);
        }
    }

    /// Adds processor time of a thread that has called the guest.
    pub fn add_cpu(&self, nanoseconds: u64) {
        self.cpu.fetch_add(nanoseconds, Relaxed);
    }

    /// Records the fuel that a guest in wasmtime has used, if its run has a limit of it.
    pub fn record_fuel<T>(&self, store: &wasmtime::Store<T>) {
        if let (Some(limit), Ok(left)) = (self.limits.fuel, store.get_fuel()) {
            self.fuel.store(limit.saturating_sub(left), Relaxed);
        }
    }

    /// Closes the descriptors of the guest, which has ended.
    pub fn close(&self) {
        if let Some(begun) = self.begun.get() {
            begun.guest.close();
        }
    }

    /// Releases the slot and the counts of the run: its thread is done with it.
    pub fn leave(&self) {
        self.control.slot.leave();
        drop(lock(&self.given_up).take());
        if self.is_settled() {
            // It may have been admitted after it was settled.
            drop(lock(&self.counted).take());
            drop(lock(&self.registration).take());
        }
    }

    /// True if its outcome has been delivered.
    pub fn is_over(&self) -> bool {
        lock(&self.finish).is_none()
    }

    /// Delivers the outcome, unless that has been done.
    pub fn settle(&self, end: End) {
        let Some(finish) = lock(&self.finish).take() else {
            return;
        };
        drop(lock(&self.counted).take());
        drop(lock(&self.registration).take());
        let nothing = || self.is_captured.map(|is_captured| is_captured.then(Vec::new));
        finish(Outcome {
            end,
            captured: self.begun.get().map_or_else(nothing, |begun| begun.captures.take()),
            usage: self.usage(),
        });
    }

    /// The amounts that it has used by now.
    pub fn usage(&self) -> Usage {
        let begun = self.begun.get();
        let (read, written) = self.control.moved();
        let cpu = match self.cpu.load(Relaxed) {
            0 => begun.map_or(0, Begun::cpu), // its thread has not returned
            cpu => cpu,
        };
        let waited = begun.map_or_else(|| self.requested.elapsed(), |begun| begun.at - self.requested);
        let compiled = self.compiled.load(Relaxed);
        Usage {
            queued: nanoseconds(waited).saturating_sub(compiled),
            compiled,
            wall: begun.map_or(0, Begun::wall),
            cpu,
            memory: self.control.memory(),
            fuel: self.limits.fuel.map(|_| self.fuel.load(Relaxed)),
            calls: self.control.calls(),
            read,
            written,
            tally: self.tally.clone(),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Locks a mutex, also after a panic of another thread that held it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Mortal for Run {
    fn interrupt(&self) {
        if let Some(begun) = self.begun.get() {
            begun.guest.interrupt();
        }
    }

    fn mark_dead(&self) -> Option<Box<dyn Send>> {
        let open = self.begun.get()?.guest.mark_dead()?;
        // Its thread may take long to return: others get its slot.
        self.control.slot.lose();
        Some(open)
    }

    fn give_up(&self) {
        // Locked before the slot is lost: the thread that returns then takes the count away.
        let mut given_up = lock(&self.given_up);
        if self.control.slot.lose() {
            *given_up = Counted::among(&self.population.given_up, usize::MAX);
        }
    }

    fn settle_without_thread(&self) {
        self.settle(End::Ended);
    }

    fn is_settled(&self) -> bool {
        self.is_over()
    }

    fn expire(self: Arc<Self>) {
        self.end();
    }
}

//! An instance that lives on: a module or component is instantiated once, and its exports are called any
//! number of times, each call on a thread of the scheduler, or all on the caller's. It is a run ([`Run`])
//! that begins when the module is instantiated, and ends when it is ended, traps or exits. Between calls it
//! has neither a thread nor a slot.

use super::executable::Executable;
use super::export_call::{Callee, ExportCall, Reply, Returned};
use super::guest::Guest;
use super::host_calls::HostCalls;
use super::in_wasmtime;
use super::live::{Export, Live};
use super::meter::Meter;
use super::mode::Mode;
use super::next_call::NextCall;
use super::outcome::{End, Finish, Outcome, no_thread, panicked};
use super::plan::Plan;
use super::prepared::Prepared;
use super::raw;
use super::reaper::{Alarm, REAPER};
use super::run::{Engine, Population, Run, lock};
use super::scheduler::SCHEDULER;
use super::session::{self, Inbox, Served};
use super::tasks;
use super::traps::end_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};
use wasi_rs_core::memory::Memory;
use wasi_rs_modules::error::ProgramError;
use wasmtime::Store;

/// The instances of this process.
static POPULATION: LazyLock<Population> = LazyLock::new(Population::default);

/// The most instances, unless the plan sets another number. Each has some gibibytes of addresses.
pub const MOST: usize = 4096;

/// An instance, from its request to its end.
pub struct Instance {
    /// The run that it is.
    pub run: Arc<Run>,
    host: Option<Arc<HostCalls>>,
    shared: Arc<Shared>,
    next: NextCall<Task>,
    /// The calls for the thread that is in it, where several are made at the same time.
    inbox: Inbox,
}

/// A call, and the instance that it is made in.
type Task = (Box<Live>, ExportCall);

/// The parts of an instance that its end needs as well.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    exports: OnceLock<Vec<Export>>,
}

#[derive(Default)]
enum State {
    /// It is not there yet, or a call has it.
    #[default]
    Away,
    /// It waits for calls.
    Idle(Box<Live>),
    /// It has ended.
    Gone,
}

/// Callback that gets the exported functions of a loaded module, and if it exports its memory.
pub type Loaded = Box<dyn FnOnce(&[Export], bool) + Send>;

/// Loads a program: instantiates it, and calls `_initialize` of a module that exports it. `loaded` is called
/// then, on any thread; `finish` gets the outcome when the instance has ended, loaded or not.
pub fn load(executable: Arc<Executable>, plan: Plan, loaded: Loaded, finish: Finish) -> Arc<Instance> {
    let instance = Instance::new(plan, finish);
    let (shared, loaded) = (Arc::clone(&instance.shared), Mutex::new(Some(loaded)));
    let work = move |run: &Arc<Run>, prepared: &Arc<Prepared>| {
        let loaded = lock(&loaded).take();
        begin(&shared, run, prepared, loaded);
    };
    in_wasmtime::request(&instance.run, executable, Arc::new(work));
    instance
}

/// Loads a program on the calling thread, which waits for it; for its beginning at most this time.
pub fn load_here(
    executable: &Arc<Executable>,
    plan: Plan,
    timeout: Option<Duration>,
    loaded: Loaded,
    finish: Finish,
) -> Arc<Instance> {
    let instance = Instance::new(plan, finish);
    let run = &instance.run;
    let made = executable.make_here(Mode::of(&run.limits));
    let alarm = instance.alarm(timeout);
    match made {
        Ok(prepared) => begin(&instance.shared, run, &prepared, Some(loaded)),
        Err(error) => run.settle(End::ProgramError(error)),
    }
    if alarm.is_some_and(Alarm::has_rung) {
        instance.end_here();
    }
    instance
}

/// Drops an instance on a thread of the scheduler: to give back its memory may take long.
fn drop_elsewhere(live: Box<Live>) {
    // Without a thread, it is dropped here.
    let _ = SCHEDULER.submit(Box::new(move || drop(live)));
}

/// Instantiates the module, and publishes the instance.
fn begin(shared: &Shared, run: &Arc<Run>, prepared: &Arc<Prepared>, loaded: Option<Loaded>) {
    let Some(plan) = run.take_plan() else { return };
    if let Err(end) = run.admit(plan.concurrency) {
        return run.settle(end);
    }
    let made = catch_unwind(AssertUnwindSafe(|| Live::open(run, prepared, plan)));
    run.record_cpu();
    let (live, exports) = match made {
        Ok(Ok(made)) => made,
        Ok(Err(end)) => return end_with(run, end),
        Err(panic) => return end_with(run, panicked(&*panic)),
    };
    let has_memory = live.memory.is_some();
    let exports = shared.exports.get_or_init(|| exports);
    if park(shared, run, live)
        && let Some(loaded) = loaded
    {
        loaded(exports, has_memory);
    }
}

/// Settles the instance with this end.
fn end_with(run: &Run, end: End) {
    run.close();
    run.settle(end);
}

/// Puts the instance where the next call finds it; false if it has ended.
fn park(shared: &Shared, run: &Run, live: Box<Live>) -> bool {
    if live.registration.is_some() {
        run.control.memories.release();
    }
    let mut state = lock(&shared.state);
    if matches!(*state, State::Gone) {
        drop(state);
        drop(live);
        return false;
    }
    *state = State::Idle(live);
    true
}

/// The reason why the memory can't be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// There is none, or it is not exported as `memory`.
    None,
    /// The instance is not there yet.
    Early,
    /// A call is in progress, and not in a function of the embedder.
    Busy,
    /// The instance has ended.
    Gone,
}

impl Instance {
    fn new(plan: Plan, finish: Finish) -> Arc<Self> {
        let (shared, host) = (Arc::<Shared>::default(), plan.host.clone());
        let at_end = Arc::clone(&shared);
        let finish = move |outcome: Outcome| {
            let ended = std::mem::replace(&mut *lock(&at_end.state), State::Gone);
            if let State::Idle(live) = ended {
                drop_elsewhere(live);
            }
            finish(outcome);
        };
        let run = Run::new(Engine::Wasmtime, POPULATION.clone(), plan, Box::new(finish));
        Arc::new(Self { run, host, shared, next: NextCall::default(), inbox: Inbox::default() })
    }

    /// An alarm that ends it after this time.
    fn alarm(&self, timeout: Option<Duration>) -> Option<Alarm> {
        let at = Instant::now().checked_add(timeout?)?;
        let mortal: Weak<Run> = Arc::downgrade(&self.run);
        Some(REAPER.alarm(at, mortal))
    }

    /// Calls the export with this index on the calling thread, for this time at most. None if the instance
    /// has ended with it.
    pub fn call_here(&self, export: usize, args: Vec<u8>, timeout: Option<Duration>) -> Option<Returned> {
        let Some((callee, live)) = self.callee(export).and_then(|callee| Some((callee, self.take()?))) else {
            return Some(Returned::Busy);
        };
        let alarm = self.alarm(timeout);
        let returned = self.make(live, &ExportCall { number: 0, callee, args, answer: Box::new(|_| ()) });
        if alarm.is_some_and(Alarm::has_rung) {
            // It took too long in a function of the embedder, which nothing interrupts.
            self.end_here();
            return None;
        }
        returned
    }

    /// Makes the call with this number, of the export with this index. `answer` gets its end, on any thread,
    /// unless the instance ends with it. It is made by the thread that waits for a function of the embedder,
    /// if `is_inner`.
    pub fn call(
        self: &Arc<Self>,
        number: u64,
        export: usize,
        args: Vec<u8>,
        is_inner: bool,
        answer: Box<dyn Fn(Reply) + Send>,
    ) {
        let Some(callee) = self.callee(export) else { return answer(Reply::Returned(Returned::Busy)) };
        let mut call = ExportCall { number, callee, args, answer };
        if is_inner && let Some(host) = &self.host {
            match host.call_inner(call) {
                Ok(()) => return,
                Err(back) => call = back,
            }
        }
        match self.inbox.push(call) {
            Ok(()) => return,
            Err(back) => call = back,
        }
        // From now on the memory is the guest's.
        let Some(live) = self.take() else { return call.refuse() };
        if live.is_concurrent() {
            self.inbox.open();
        }
        let Some(task) = self.next.put((live, call)) else { return };
        let instance = Arc::clone(self);
        let job = move || {
            instance.run.control.slot.hold();
            let mut next = Some(task);
            while let Some((live, call)) = next {
                instance.serve(live, call);
                next = instance.next.take();
            }
            instance.run.leave();
        };
        if let Err(error) = SCHEDULER.submit(Box::new(job)) {
            self.inbox.end();
            self.run.settle(no_thread(&error));
        }
    }

    /// The function with this index; those beyond the last end resources, read streams, and end them.
    fn callee(&self, export: usize) -> Option<Callee> {
        let exports = self.shared.exports.get()?;
        match export.checked_sub(exports.len()) {
            None => exports.get(export)?.callee.clone(),
            Some(0) => Some(Callee::Drop),
            Some(1) => Some(Callee::Read),
            Some(2) => Some(Callee::Close),
            Some(_) => None,
        }
    }

    /// The program that begins with its state, of the bytes of the program whose instrumented form it is of.
    /// None if it is in a call, or has ended.
    pub fn snapshot(&self, executable: &Executable) -> Option<Result<Vec<u8>, ProgramError>> {
        let mut live = self.take()?;
        self.run.control.memories.acquire();
        let exports = live.exports;
        let made = catch_unwind(AssertUnwindSafe(|| executable.snapshot(&mut live.store, exports)));
        park(&self.shared, &self.run, live);
        Some(made.unwrap_or_else(|_| Err(ProgramError::Wrong("made wasi-rs panic".to_owned()))))
    }

    /// Ends it early.
    pub fn end(&self) {
        let Some(live) = self.take() else {
            return self.run.end();
        };
        // Nobody is in it, so there is nothing to wait for.
        self.run.control.end();
        let run = Arc::clone(&self.run);
        let close = move || {
            end_with(&run, End::Ended);
            drop(live);
        };
        if SCHEDULER.submit(Box::new(close)).is_err() {
            self.run.settle(End::Ended); // the job is gone, and the instance with it
        }
    }

    /// Ends it on the calling thread, unless it is in a call.
    pub fn end_here(&self) {
        if let Some(live) = self.take() {
            self.run.control.end();
            end_with(&self.run, End::Ended);
            drop(live);
        }
    }

    /// Takes the instance, if it waits for calls.
    fn take(&self) -> Option<Box<Live>> {
        let mut state = lock(&self.shared.state);
        match std::mem::take(&mut *state) {
            State::Idle(live) => Some(live),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Makes a call on the calling thread, and those that come meanwhile if they may be made at the same
    /// time, and answers them.
    fn serve(&self, live: Box<Live>, call: ExportCall) {
        if live.is_concurrent() {
            self.serve_concurrently(live, call);
        } else if let Some(returned) = self.make(live, &call) {
            call.answer(returned);
        }
    }

    fn serve_concurrently(&self, mut live: Box<Live>, call: ExportCall) {
        let (mut first, mut all) = (Some(call), Served::default());
        loop {
            let served = self.enter(&mut live, |store| session::serve(store, &self.inbox, first.take()));
            match served {
                Some(Ok(served)) => all.add(served),
                Some(Err(end)) => {
                    self.inbox.end();
                    end_with(&self.run, end);
                    return drop(live);
                }
                None => return self.inbox.end(), // whoever ended it settles it
            }
            match self.inbox.close(live, |live| park(&self.shared, &self.run, live)) {
                Ok(_) => break,
                Err(back) => {
                    // A call has come. It may wait for what these answers bring.
                    live = back;
                    std::mem::take(&mut all).answer();
                }
            }
        }
        all.answer();
    }

    /// Does something in the store. None if the instance has been ended before; an end if it ends with it.
    fn enter<R>(
        &self,
        live: &mut Live,
        act: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Option<Result<R, End>> {
        if self.run.control.is_ended() {
            return None;
        }
        if live.registration.is_some() {
            self.run.control.memories.acquire();
        }
        let (meter, store) = (Meter::start(), &mut live.store);
        store.set_epoch_deadline(1);
        let made = catch_unwind(AssertUnwindSafe(|| act(store)));
        self.run.add_cpu(meter.spent());
        self.run.record_fuel(store);
        Some(match made {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(end_of(&error, false)),
            Err(panic) => Err(panicked(&*panic)),
        })
    }

    /// Makes a call on the calling thread. None if the instance has ended with it; otherwise it waits for the
    /// next one.
    fn make(&self, mut live: Box<Live>, call: &ExportCall) -> Option<Returned> {
        match self.enter(&mut live, |store| tasks::make(call, store))? {
            Ok(returned) => {
                park(&self.shared, &self.run, live);
                Some(returned)
            }
            Err(end) => {
                // Before the store is dropped: whoever waits need not wait for that.
                end_with(&self.run, end);
                drop(live);
                None
            }
        }
    }

    /// Calls a function with the instance's memory: between two calls, or while a function of the embedder is
    /// being called.
    pub fn with_memory<T>(&self, act: impl FnOnce(&Memory<'_>) -> T) -> Result<T, Unreachable> {
        let state = lock(&self.shared.state);
        match &*state {
            State::Idle(live) => {
                let memory = live.memory.ok_or(Unreachable::None)?;
                Ok(self.unmoved(|| act(&raw::view(Some(memory), &live.store))))
            }
            State::Gone => Err(Unreachable::Gone),
            State::Away => {
                drop(state);
                let shown = self.host.as_ref().and_then(|host| host.with_memory(|memory| self.unmoved(|| act(memory))));
                let is_early = self.shared.exports.get().is_none();
                shown.ok_or(if is_early { Unreachable::Early } else { Unreachable::Busy })
            }
        }
    }

    /// Keeps the thread that watches files of machine code from copying the memory meanwhile.
    fn unmoved<T>(&self, act: impl FnOnce() -> T) -> T {
        self.run.control.memories.acquire();
        let result = act();
        self.run.control.memories.release();
        result
    }
}

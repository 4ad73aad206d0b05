//! A run in V8, in a worker of Node. The run waits for a slot here. Then the environment that requested it
//! gets a message and chooses a worker, which takes the run by its number.

use super::control::RunInterrupt;
use super::outcome::{End, Exception, Finish};
use super::plan::{Captures, Opened, Plan};
use super::reaper::Mortal;
use super::run::{Begun, Engine, Guest, Population, Run};
use super::scheduler::SCHEDULER;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use wasi_rs_core::abi::{Abi, Errno};
use wasi_rs_core::ctx::{self, Ctx};
use wasi_rs_core::host::wait::Interrupt;
use wasi_rs_core::syscalls::Flow;
use wasi_rs_modules::error::Form;

/// Runs by their numbers, each with its program in the form for the worker.
type Runs<P> = BTreeMap<u64, (Arc<Run>, Arc<P>)>;

/// Runs that no worker has taken yet. The plan stays with the run until then.
pub struct Waiting<P>(Mutex<Runs<P>>);

impl<P: Send + Sync + 'static> Waiting<P> {
    /// No runs.
    #[allow(clippy::new_without_default, reason = "it is made for statics")]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn runs(&self) -> MutexGuard<'_, Runs<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a run of this population. `begin` is called with the run's number when there is a slot for it;
    /// `finish` gets the outcome. Both are called on any thread.
    pub fn start(
        &'static self,
        population: Population,
        program: Arc<P>,
        plan: Plan,
        begin: Box<dyn FnOnce(u64) + Send>,
        finish: Finish,
    ) -> Arc<Run> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Relaxed) + 1;
        let concurrency = plan.concurrency;
        let forget = move |outcome| {
            let forgotten = self.runs().remove(&number);
            drop(forgotten);
            finish(outcome);
        };
        let run = Run::new(Engine::V8, population, plan, Box::new(forget));
        self.runs().insert(number, (Arc::clone(&run), program));
        let granted = Arc::clone(&run);
        SCHEDULER.request(Box::new(move || accept(&granted, concurrency, || begin(number))));
        run
    }

    /// The program of the run with this number, for its worker to compile; none if there is no such run, or
    /// it is over.
    pub fn program(&self, number: u64) -> Option<Arc<P>> {
        self.runs().get(&number).map(|(run, program)| {
            run.begin_compiling();
            Arc::clone(program)
        })
    }

    /// Takes the run with this number, and its program; none if there is no such run, or it is over.
    pub fn take(&self, number: u64) -> Option<(Arc<Run>, Arc<P>)> {
        let taken = self.runs().remove(&number);
        taken.inspect(|(run, _)| run.end_compiling())
    }

    /// Settles the run with this number, which can't begin. The descriptors of its plan are not taken.
    pub fn refuse(&self, number: u64, why: Exception) {
        if let Some((run, _)) = self.take(number) {
            let plan = run.take_plan();
            run.settle(End::Exception(why));
            run.leave();
            drop(plan);
        }
    }
}

/// Takes the slot that was granted; false if the run is over already.
fn accept(run: &Run, concurrency: usize, begin: impl FnOnce()) -> bool {
    if run.is_settled() {
        return false;
    }
    if let Err(end) = run.admit(concurrency) {
        run.settle(end);
        return false;
    }
    run.control.slot.hold();
    if run.is_settled() {
        run.leave(); // it was ended before it had the slot
    } else {
        begin();
    }
    true
}

/// A run that a worker has taken. The worker drops it when it is done with the run.
#[derive(Debug)]
pub struct InWorker {
    run: Taken,
    captures: Captures,
    /// The stream to which it has written more than is captured.
    overflow: OnceLock<&'static str>,
    is_gone: Arc<AtomicBool>,
}

/// A run that implements `Debug`.
struct Taken(Arc<Run>);

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Run")
    }
}

/// A guest in a worker, as the threads that end it see it. Its calls check for the end, and JavaScript
/// terminates the worker.
struct Inside {
    is_gone: Arc<AtomicBool>,
}

impl Guest for Inside {
    fn interrupt(&self) {}

    fn mark_dead(&self) -> Option<Box<dyn Send>> {
        self.is_gone.load(Relaxed).then(|| Box::new(()) as _)
    }

    /// Does nothing: the worker owns the context, and closes it.
    fn close(&self) {}
}

/// Begins a run on the thread of its worker, and makes the guest's context. `wrap` makes the interrupt of its
/// calls. None if the run is over, or can't begin.
pub fn begin(
    run: Arc<Run>,
    abi: Abi,
    wrap: impl FnOnce(RunInterrupt) -> Box<dyn Interrupt>,
) -> Option<(InWorker, Ctx)> {
    let plan = run.take_plan()?;
    let is_gone = Arc::new(AtomicBool::new(false));
    let interrupt = wrap(RunInterrupt::new(Arc::clone(&run.control)));
    let opened = plan.open(Form::Module, abi, interrupt);
    let Opened { ctx, captures, sockets } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            run.settle(End::OpenError(error));
            run.leave();
            return None;
        }
    };
    let begun = Begun::now(captures.clone(), sockets, Box::new(Inside { is_gone: Arc::clone(&is_gone) }));
    let is_to_begin = run.begin(begun);
    let run = InWorker { run: Taken(run), captures, overflow: OnceLock::new(), is_gone };
    if !is_to_begin {
        drop(ctx);
        run.finish(End::Ended);
        return None;
    }
    Some((run, ctx))
}

impl InWorker {
    /// Records the beginning of a call, and the size of the memory. False if the run is to end: the call must
    /// not be made.
    pub fn begin_call(&self, memory: u64) -> bool {
        let control = &self.run.0.control;
        control.count_call();
        control.record_memory(memory);
        !control.is_ended()
    }

    /// Records the end of a call with this result, and the bytes moved by now. False if the guest must not
    /// continue.
    pub fn end_call(&self, usage: &ctx::Usage, flow: Flow) -> bool {
        let control = &self.run.0.control;
        let (_, before) = control.moved();
        control.record_moved(usage.read(), usage.written());
        // A write without any room left is ENOSPC.
        if (usage.written() != before || matches!(flow, Flow::Answer(Errno::Nospc)))
            && let Some(stream) = self.captures.overflowing()
        {
            let _ = self.overflow.set(stream);
            return false;
        }
        !control.is_ended()
    }

    /// Records the present size of the memory.
    pub fn record_memory(&self, bytes: u64) {
        self.run.0.control.record_memory(bytes);
    }

    /// The reason why a call has ended the guest, if one has.
    pub fn reason(&self) -> Option<End> {
        match self.overflow.get() {
            Some(stream) => Some(End::Overflow(stream)),
            None => self.run.0.control.is_ended().then_some(End::Ended),
        }
    }

    /// Delivers the outcome. The guest's descriptors must have been closed.
    pub fn finish(&self, end: End) {
        self.run.0.record_cpu();
        self.run.0.settle(end);
        self.leave();
    }

    fn leave(&self) {
        self.is_gone.store(true, Relaxed);
        self.run.0.leave();
    }
}

impl Drop for InWorker {
    /// Settles the run if its worker was terminated while the guest ran.
    fn drop(&mut self) {
        if self.run.0.is_settled() {
            return self.leave();
        }
        self.run.0.record_cpu();
        if let Some(end) = self.reason() {
            self.run.0.settle(end);
        }
        self.leave();
    }
}

//! A run in wasmtime, on threads of the scheduler.

use super::compilations::{self, Made};
use super::compile::refused;
use super::control::RunInterrupt;
use super::executable::Executable;
use super::guest::{Guest, Limiter, Stop};
use super::mode::Mode;
use super::outcome::{End, Finish, no_thread, panicked};
use super::plan::Plan;
use super::prepared::Prepared;
use super::reaper::Mortal;
use super::run;
use super::run::{Begun, Engine, Population, Run, lock};
use super::scheduler::SCHEDULER;
use super::termination::CallLock;
use super::traps::end_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use wasi_rs_core::ctx::Ctx;
use wasmtime::{Store, UpdateDeadline};

/// The runs in wasmtime, of this process.
static POPULATION: LazyLock<Population> = LazyLock::new(Population::default);

/// Runs the program as soon as there is a slot; `finish` gets the outcome, on any thread.
pub fn start(executable: Arc<Executable>, plan: Plan, finish: Finish) -> Arc<Run> {
    let run = Run::new(Engine::Wasmtime, POPULATION.clone(), plan, finish);
    submit(&run, move |run| {
        let mode = Mode::of(&run.limits);
        if begin(run, &executable, mode) {
            Some(Box::new(move |run: &_| prepare(run, &executable, mode)))
        } else {
            None
        }
    });
    run
}

/// A step of a run that needs no slot.
type Step = Box<dyn FnOnce(&Arc<Run>) + Send>;

/// Has a thread of the scheduler do a job for the run; then, without the slot, the step that the job returns.
fn submit(run: &Arc<Run>, job: impl FnOnce(&Arc<Run>) -> Option<Step> + Send + 'static) {
    let held = Arc::clone(run);
    let job = move || {
        held.control.slot.hold();
        // The job settles the run itself if it panics.
        let step = catch_unwind(AssertUnwindSafe(|| job(&held)));
        held.leave();
        if let Ok(Some(step)) = step {
            step(&held); // may submit the run again, to another thread
        }
    };
    if let Err(error) = SCHEDULER.submit(Box::new(job)) {
        run.settle(no_thread(&error));
    }
}

/// Runs the program if there is machine code; true if there is none yet.
fn begin(run: &Arc<Run>, executable: &Arc<Executable>, mode: Mode) -> bool {
    if run.is_settled() {
        return false;
    }
    match catch_unwind(AssertUnwindSafe(|| executable.find(mode, &run.search))) {
        Ok(Ok(Some(prepared))) => work(run, &prepared),
        Ok(Ok(None)) => return true,
        Ok(Err(error)) => run.settle(End::ProgramError(error)),
        Err(panic) => run.settle(panicked(&*panic)),
    }
    false
}

/// Registers the run for the machine code. No thread waits for it.
fn prepare(run: &Arc<Run>, executable: &Arc<Executable>, mode: Mode) {
    let waiting = Arc::clone(run);
    run.begin_compiling();
    let wait = compilations::prepare(executable, mode, Box::new(move |made| compiled(&waiting, made)));
    *lock(&run.wait) = wait.map(|wait| Box::new(wait) as _);
    if run.control.is_ended() {
        drop(lock(&run.wait).take()); // it was ended meanwhile
    }
}

fn compiled(run: &Arc<Run>, made: Made) {
    run.end_compiling();
    match made {
        Ok(prepared) => submit(run, move |run| {
            work(run, &prepared);
            None
        }),
        Err(error) => run.settle(End::ProgramError(error)),
    }
}

fn work(run: &Run, prepared: &Prepared) {
    let Some(plan) = run.take_plan() else { return };
    if let Err(end) = run.admit(plan.concurrency) {
        return run.settle(end);
    }
    let end = catch_unwind(AssertUnwindSafe(|| open(run, prepared, plan)));
    run.close();
    run.settle(end.unwrap_or_else(|panic| panicked(&*panic)));
}

/// Makes the guest and runs it.
fn open(run: &Run, prepared: &Prepared, plan: Plan) -> End {
    let interrupt = Box::new(RunInterrupt::new(Arc::clone(&run.control)));
    let (ctx, captures) = match plan.open(prepared.abi, interrupt) {
        Ok(opened) => opened,
        Err(error) => return End::OpenError(error),
    };
    let ctx = Arc::new(CallLock::new(ctx));
    let inside = Inside { engine: prepared.code.module.engine().clone(), ctx: Arc::clone(&ctx) };
    if !run.begin(Begun::now(captures.clone(), Box::new(inside))) {
        return End::Ended;
    }
    let limiter = Limiter::new(Arc::clone(&run.control), &run.limits);
    let overflowing = Box::new(move || captures.overflowing());
    let end = call(run, prepared, Guest::new(ctx, Arc::clone(&run.control), limiter, overflowing));
    run.record_cpu();
    end
}

/// A guest in wasmtime, as the threads that end it see it.
struct Inside {
    engine: wasmtime::Engine,
    ctx: Arc<CallLock<Ctx>>,
}

impl run::Guest for Inside {
    fn interrupt(&self) {
        self.engine.increment_epoch();
    }

    fn mark_dead(&self) -> Option<Box<dyn Send>> {
        Some(Box::new(self.ctx.try_lock()?.release()))
    }

    fn close(&self) {
        let open = self.ctx.lock().release();
        // Not under the lock: a thread that ends the run need not wait for a slow file system.
        drop(open);
    }
}

/// Runs `_start` to its end.
fn call(run: &Run, prepared: &Prepared, guest: Guest) -> End {
    // Dropped after the store.
    let _registration = prepared.code.register(&run.control.memories);
    let mut store = Store::new(prepared.code.module.engine(), guest);
    store.limiter(|guest| &mut guest.limiter);
    store.epoch_deadline_callback(|store| {
        store.data().control.memories.check();
        if store.data().control.is_ended() { Err(Stop::Ended.into()) } else { Ok(UpdateDeadline::Continue(1)) }
    });
    store.set_epoch_deadline(1);
    let fuel = run.limits.fuel.unwrap_or_default();
    if run.limits.fuel.is_some()
        && let Err(error) = store.set_fuel(fuel)
    {
        return End::Failed(error.to_string());
    }
    let start = match prepared.instantiate(&mut store) {
        Ok(instance) => {
            run.control.memories.record(&instance, &mut store);
            instance.get_typed_func::<(), ()>(&mut store, "_start")
        }
        Err(error) => return end_of(&error, true),
    };
    let end = match start.map(|start| start.call(&mut store, ())) {
        Ok(Ok(())) => End::Exit(0),
        Ok(Err(error)) => end_of(&error, false),
        Err(error) => End::ProgramError(refused(error)),
    };
    if let Ok(left) = store.get_fuel() {
        run.fuel.store(fuel.saturating_sub(left), Relaxed);
    }
    end
}

//! A run in wasmtime, on threads of the scheduler.

use super::compilations::{self, Made};
use super::compile::refused;
use super::control::RunInterrupt;
use super::exchange::Ends;
use super::executable::Executable;
use super::guest::{Calls, Guest, Limiter, push_exchange};
use super::handover;
use super::host_calls::{Given, HostCalls};
use super::mode::Mode;
use super::outcome::{End, Finish, no_thread, panicked};
use super::plan::{OpenError, Opened, Plan};
use super::prepared::{Prepared, PreparedComponent, PreparedModule};
use super::reaper::Mortal;
use super::run;
use super::run::{Begun, Engine, Population, Run, lock};
use super::scheduler::SCHEDULER;
use super::stop::Stop;
use super::termination::CallLock;
use super::traps::end_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::ctx::{Ctx, open_error};
use wasmtime::{Store, UpdateDeadline};

/// The runs in wasmtime, of this process.
static POPULATION: LazyLock<Population> = LazyLock::new(Population::default);

/// The work of a run that has its machine code, on a thread of the scheduler.
pub(super) type Work = Arc<dyn Fn(&Arc<Run>, &Arc<Prepared>) + Send + Sync>;

/// Runs the program as soon as there is a slot; `finish` gets the outcome, on any thread.
pub fn start(executable: Arc<Executable>, plan: Plan, finish: Finish) -> Arc<Run> {
    let run = Run::new(Engine::Wasmtime, POPULATION.clone(), plan, finish);
    request(&run, executable, Arc::new(|run, prepared| work(run, prepared)));
    run
}

/// Does the work as soon as there are a slot and machine code.
pub(super) fn request(run: &Arc<Run>, executable: Arc<Executable>, work: Work) {
    submit(run, move |run| {
        let mode = Mode::of(&run.limits);
        if begin(run, &executable, mode, &work) {
            Some(Box::new(move |run: &_| prepare(run, &executable, mode, work)))
        } else {
            None
        }
    });
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

/// Does the work if there is machine code; true if there is none yet.
fn begin(run: &Arc<Run>, executable: &Arc<Executable>, mode: Mode, work: &Work) -> bool {
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
fn prepare(run: &Arc<Run>, executable: &Arc<Executable>, mode: Mode, work: Work) {
    let waiting = Arc::clone(run);
    run.begin_compiling();
    let wait = compilations::prepare(executable, mode, Box::new(move |made| compiled(&waiting, made, work)));
    *lock(&run.wait) = wait.map(|wait| Box::new(wait) as _);
    if run.control.is_ended() {
        drop(lock(&run.wait).take()); // it was ended meanwhile
    }
}

fn compiled(run: &Arc<Run>, made: Made, work: Work) {
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
    let end = catch_unwind(AssertUnwindSafe(|| run_to_end(run, prepared, plan)));
    run.close();
    run.settle(end.unwrap_or_else(|panic| panicked(&*panic)));
}

fn run_to_end(run: &Run, prepared: &Prepared, plan: Plan) -> End {
    let is_handler = plan.http.exchange.is_some();
    if let Err(error) = if is_handler { prepared.check_handler() } else { prepared.check_start() } {
        return End::ProgramError(error);
    }
    let guest = match open(run, prepared, plan) {
        Ok(guest) => guest,
        Err(end) => return end,
    };
    let end = call(run, prepared, guest);
    run.record_cpu();
    end
}

/// Makes the guest; an error if it can't be made, or the run is to end instead.
pub(super) fn open(run: &Run, prepared: &Prepared, mut plan: Plan) -> Result<Guest, End> {
    let (host, http) = (plan.host.take(), std::mem::take(&mut plan.http));
    let indices = prepared.given_by(host.as_deref()).map_err(End::ProgramError)?;
    let interrupt = Box::new(RunInterrupt::new(Arc::clone(&run.control)));
    let opened = plan.open(prepared.form(), prepared.abi(), interrupt).map_err(End::OpenError)?;
    let Opened { ctx, captures, sockets } = opened;
    let exchange = http.exchange.map(|tickets| take_exchange(&ctx, &tickets)).transpose().map_err(End::OpenError)?;
    let ctx = Arc::new(CallLock::new(ctx));
    let engine = prepared.engine().clone();
    let inside = Inside { engine, ctx: Arc::clone(&ctx), host: host.clone() };
    if !run.begin(Begun::now(captures.clone(), sockets, Box::new(inside))) {
        return Err(End::Ended);
    }
    let limiter = Limiter::new(Arc::clone(&run.control), &run.limits);
    let overflowing = Box::new(move || captures.overflowing());
    let given = host.map(|calls| Given { calls, indices });
    let calls = Calls::new(ctx, Arc::clone(&run.control), overflowing, http.request);
    Ok(Guest::new(calls, limiter, given).with_types(prepared.types()).answering(exchange))
}

/// Gives the guest the exchange that it is to answer.
fn take_exchange(ctx: &Ctx, tickets: &Ends<u64>) -> Result<[u32; 2], OpenError> {
    let take = |ticket: u64| handover::take(ticket).map(|given| given.file).ok_or(Errno::Badf);
    let taken = take(tickets.input).and_then(|input| Ok(Ends { input, output: take(tickets.output)? }));
    taken
        .and_then(|ends| push_exchange(ctx, ends))
        .map_err(|errno| OpenError { errno, what: open_error("can't use the socket of a request".to_owned(), errno) })
}

/// A guest in wasmtime, as the threads that end it see it.
struct Inside {
    engine: wasmtime::Engine,
    ctx: Arc<CallLock<Ctx>>,
    host: Option<Arc<HostCalls>>,
}

impl run::Guest for Inside {
    fn interrupt(&self) {
        self.engine.increment_epoch();
        if let Some(host) = &self.host {
            host.wake();
        }
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

/// A store of its own for a guest, under the limits of the run.
pub(super) fn store_of(run: &Run, engine: &wasmtime::Engine, guest: Guest) -> Result<Store<Guest>, End> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.epoch_deadline_callback(|store| {
        let control = store.data().control();
        control.memories.check();
        if control.is_ended() { Err(Stop::Ended.into()) } else { Ok(UpdateDeadline::Continue(1)) }
    });
    store.set_epoch_deadline(1);
    if let Some(fuel) = run.limits.fuel {
        store.set_fuel(fuel).map_err(|error| End::Failed(error.to_string()))?;
    }
    Ok(store)
}

/// Instantiates the module in a store of its own. The machine code is to be registered before, and for longer
/// than the store exists.
pub(super) fn instantiate(
    run: &Run,
    module: &PreparedModule,
    guest: Guest,
) -> Result<(Store<Guest>, wasmtime::Instance), End> {
    let mut store = store_of(run, module.code.module.engine(), guest)?;
    let instance = module.instantiate(&mut store).map_err(|error| end_of(&error, true))?;
    run.control.memories.record(&instance, &mut store);
    Ok((store, instance))
}

/// Runs the program to its end.
fn call(run: &Run, prepared: &Prepared, guest: Guest) -> End {
    match prepared {
        Prepared::Module(module) => call_module(run, module, guest),
        Prepared::Component(component) => call_component(run, component, guest),
    }
}

/// Runs `_start` of a module to its end.
fn call_module(run: &Run, module: &PreparedModule, guest: Guest) -> End {
    // Dropped after the store.
    let _registration = module.code.register(&run.control.memories);
    let (mut store, instance) = match instantiate(run, module, guest) {
        Ok(made) => made,
        Err(end) => return end,
    };
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
    let end = match start.map(|start| start.call(&mut store, ())) {
        Ok(Ok(())) => End::Exit(0),
        Ok(Err(error)) => end_of(&error, false),
        Err(error) => End::ProgramError(refused(error)),
    };
    run.record_fuel(&store);
    end
}

/// Runs `wasi:cli/run` of a component to its end, or its handler of HTTP, if it has an exchange to answer.
fn call_component(run: &Run, component: &PreparedComponent, guest: Guest) -> End {
    let mut store = match store_of(run, component.code.engine(), guest) {
        Ok(store) => store,
        Err(end) => return end,
    };
    let entry = match store.data().exchange {
        Some(exchange) => component.handler(&mut store, exchange),
        None => component.start(&mut store),
    };
    let end = match entry {
        Ok(Ok(entry)) => match entry(&mut store) {
            Ok(code) => End::Exit(code),
            Err(error) => end_of(&error, false),
        },
        Ok(Err(error)) => End::ProgramError(refused(error)),
        Err(error) => end_of(&error, true),
    };
    run.record_fuel(&store);
    end
}

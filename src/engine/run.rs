//! One run from outside: started, ended early, and what came of it.

use super::guest::{Guest, Room, Stop};
use super::plan::{Captures, Limits, Plan, Unopened};
use super::pool::POOL;
use super::program::{Prepared, Program, Unusable};
use super::watch::Watch;
use crate::abi::flags::Clockid;
use crate::ctx::Ctx;
use crate::host::clock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store, Trap, UpdateDeadline, WasmBacktrace};

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// By itself, with this code.
    Exit(u32),
    /// From outside.
    Ended,
    /// It had used up its fuel.
    Fuel,
    /// It wrote more than is captured.
    Overflow,
    /// It trapped; the reason and where.
    Trap(String),
    /// The program can't be run.
    Unusable(Unusable),
    /// A file that it was to have can't be opened.
    Unopened(Unopened),
    /// There was no thread or memory for it, or a panic; in words.
    Failed(String),
}

/// What a run has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Nanoseconds from its beginning to its end.
    pub wall: u64,
    /// Nanoseconds of processor time.
    pub cpu: u64,
    /// Bytes of memory, at most.
    pub memory: u64,
    /// Fuel, if it was limited.
    pub fuel: Option<u64>,
    /// Calls to the host.
    pub calls: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What was captured of standard output and error.
    pub captured: [Option<Vec<u8>>; 2],
    /// What it used.
    pub usage: Usage,
}

/// Takes the outcome.
pub type Finish = Box<dyn FnOnce(Outcome) + Send>;

/// A run.
pub struct Run {
    watch: Arc<Watch>,
    limits: Limits,
    finish: Mutex<Option<Finish>>,
    begun: OnceLock<Begun>,
    cpu: AtomicU64,
    fuel: AtomicU64,
    /// Whether its place in the pool has been given back: by its thread, or when it was declared dead before.
    has_left: AtomicBool,
}

/// What there is once it has begun.
struct Begun {
    at: Instant,
    /// Its thread, and what that had run before.
    thread: clock::Thread,
    cpu: u64,
    ctx: Arc<Mutex<Ctx>>,
    captures: Captures,
    engine: Engine,
}

impl Begun {
    /// Nanoseconds since it has begun.
    fn wall(&self) -> u64 {
        u64::try_from(self.at.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds of processor time, asked by another thread; where that is not told, those that went by.
    fn cpu(&self) -> u64 {
        self.thread.cpu().map_or_else(|| self.wall(), |cpu| cpu.saturating_sub(self.cpu))
    }

    /// Closes what the guest has open; how many bytes it has read and written. No call is being made.
    fn close(&self) -> (u64, u64) {
        let mut ctx = self.ctx.lock().unwrap_or_else(PoisonError::into_inner);
        ctx.close();
        (ctx.usage.read(), ctx.usage.written())
    }
}

impl Run {
    /// Has the program run as soon as there is a place; `finish` gets the outcome, on whatever thread.
    pub fn start(program: Arc<Program>, plan: Plan, finish: Finish) -> Arc<Self> {
        let run = Arc::new(Self {
            watch: Arc::default(),
            limits: plan.limits,
            finish: Mutex::new(Some(finish)),
            begun: OnceLock::new(),
            cpu: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            has_left: AtomicBool::new(false),
        });
        let job = Arc::clone(&run);
        if let Err(error) = POOL.submit(Box::new(move || job.work(&program, plan))) {
            run.settle(End::Failed(format!("no thread could be started: {error}")));
        }
        run
    }

    /// Ends it early. The outcome comes as soon as nothing it does can be seen any more.
    pub fn end(self: &Arc<Self>) {
        if !self.watch.end() {
            return;
        }
        match self.begun.get() {
            Some(begun) => {
                begun.engine.increment_epoch();
                UNDERTAKER.expect(Arc::clone(self));
            }
            // It is in the queue, or being compiled. If it begins at this moment, it notices before its first instruction.
            None => self.settle(End::Ended),
        }
    }

    /// Delivers the outcome, unless that has been done.
    fn settle(&self, end: End) {
        let Some(finish) = self.finish.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let begun = self.begun.get();
        let (read, written) = begun.map_or((0, 0), Begun::close);
        let cpu = match self.cpu.load(Relaxed) {
            0 => begun.map_or(0, Begun::cpu), // its thread is not back
            cpu => cpu,
        };
        finish(Outcome {
            end,
            captured: begun.map(|begun| begun.captures.take()).unwrap_or_default(),
            usage: Usage {
                wall: begun.map_or(0, Begun::wall),
                cpu,
                memory: self.watch.memory(),
                fuel: self.limits.fuel.map(|_| self.fuel.load(Relaxed)),
                calls: self.watch.calls(),
                read,
                written,
            },
        });
    }

    fn is_settled(&self) -> bool {
        self.finish.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn work(&self, program: &Program, plan: Plan) {
        if self.is_settled() {
            return;
        }
        let end = catch_unwind(AssertUnwindSafe(|| self.run(program, plan)));
        if self.has_left.swap(true, SeqCst) {
            POOL.find();
        }
        self.settle(end.unwrap_or_else(|panic| End::Failed(format!("wasi-rs panicked: {}", text_of(&*panic)))));
    }

    fn run(&self, program: &Program, plan: Plan) -> End {
        let prepared = match program.prepare(self.limits.mode()) {
            Ok(prepared) => prepared,
            Err(error) => return End::Unusable(error),
        };
        let (ctx, captures) = match plan.open(prepared.abi, &self.watch) {
            Ok(opened) => opened,
            Err(unopened) => return End::Unopened(unopened),
        };
        let ctx = Arc::new(Mutex::new(ctx));
        let engine = prepared.module.engine().clone();
        let cpu = clock::now(Clockid::ThreadCputimeId);
        let begun = Begun {
            at: Instant::now(),
            thread: clock::Thread::current(),
            cpu,
            ctx: Arc::clone(&ctx),
            captures: captures.clone(),
            engine,
        };
        if self.begun.set(begun).is_err() || self.watch.is_ended() {
            return End::Ended;
        }
        let room = Room::new(Arc::clone(&self.watch), self.limits.memory, self.limits.table_elements);
        let is_overflowing = Box::new(move || captures.are_overflowing());
        let guest = Guest::new(ctx, Arc::clone(&self.watch), room, is_overflowing);
        let end = self.call(&prepared, guest);
        self.cpu.store(clock::now(Clockid::ThreadCputimeId).saturating_sub(cpu), Relaxed);
        end
    }

    fn call(&self, prepared: &Prepared, guest: Guest) -> End {
        let mut store = Store::new(prepared.module.engine(), guest);
        store.limiter(|guest| &mut guest.room);
        store.epoch_deadline_callback(|store| {
            if store.data().watch.is_ended() { Err(Stop::Ended.into()) } else { Ok(UpdateDeadline::Continue(1)) }
        });
        store.set_epoch_deadline(1);
        let fuel = self.limits.fuel.unwrap_or_default();
        if self.limits.fuel.is_some()
            && let Err(error) = store.set_fuel(fuel)
        {
            return End::Failed(error.to_string());
        }
        let start = match prepared.instantiate(&mut store) {
            Ok(instance) => instance.get_typed_func::<(), ()>(&mut store, "_start"),
            Err(error) => return end_of(&error, true),
        };
        let end = match start.map(|start| start.call(&mut store, ())) {
            Ok(Ok(())) => End::Exit(0),
            Ok(Err(error)) => end_of(&error, false),
            Err(error) => End::Unusable(error.into()),
        };
        store.data().room.note();
        if let Ok(left) = store.get_fuel() {
            self.fuel.store(fuel.saturating_sub(left), Relaxed);
        }
        end
    }
}

/// What an error of wasmtime says about the run; `early` if the program had not begun yet.
fn end_of(error: &wasmtime::Error, early: bool) -> End {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Exit(code)) => return End::Exit(*code),
        Some(Stop::Ended) => return End::Ended,
        Some(Stop::Overflow) => return End::Overflow,
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::Fuel,
        Some(trap) => End::Trap(with_backtrace(&in_words(*trap), error)),
        // A host's function that failed, or what was too large to begin with.
        None if early => End::Unusable(Unusable::Wrong(format!("can't be started: {error:#}"))),
        None => End::Trap(with_backtrace(&error.root_cause().to_string(), error)),
    }
}

/// A trap in words that V8's traps have too (`lib/v8/guest.js`): one for several where V8 does not tell them apart.
fn in_words(trap: Trap) -> String {
    let words = match trap {
        Trap::UnreachableCodeReached => "unreachable",
        Trap::MemoryOutOfBounds => "out of bounds memory access",
        Trap::TableOutOfBounds => "out of bounds table access",
        Trap::IndirectCallToNull | Trap::BadSignature => "null function or signature mismatch",
        Trap::IntegerDivisionByZero => "integer divide by zero",
        Trap::IntegerOverflow | Trap::BadConversionToInteger => "integer overflow or invalid conversion to integer",
        Trap::StackOverflow => "call stack exhausted",
        Trap::HeapMisaligned => "unaligned atomic",
        Trap::AtomicWaitNonSharedMemory => "atomic wait on non-shared memory",
        other => return other.to_string(),
    };
    format!("wasm trap: {words}")
}

/// The reason, and below it the functions that were being called, innermost first.
fn with_backtrace(reason: &str, error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return reason.to_owned();
    };
    let text = backtrace.to_string();
    let frames = text.lines().skip(1).map(|line| format!("\n{line}"));
    format!("{reason}{}", frames.collect::<String>())
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

/// Looks after runs that were ended and are not over.
struct Undertaker {
    expected: Mutex<Vec<Expected>>,
    wake: Condvar,
    thread: Once,
}

struct Expected {
    run: Arc<Run>,
    since: Instant,
}

static UNDERTAKER: Undertaker =
    Undertaker { expected: Mutex::new(Vec::new()), wake: Condvar::new(), thread: Once::new() };

/// How long a run has to notice that it was ended, before it is declared dead. Whatever it had begun to do when it was
/// ended is long visible to other processors then.
const GRACE: Duration = Duration::from_millis(10);

/// How often those are looked at that have not noticed.
const ROUND: Duration = Duration::from_millis(2);

impl Undertaker {
    /// Sees to it that this run's outcome comes.
    fn expect(&'static self, run: Arc<Run>) {
        self.expected().push(Expected { run, since: Instant::now() });
        self.wake.notify_one();
        self.thread.call_once(|| {
            // Where there is none, a run notices by itself, save in the rare cases it is for.
            let _ = std::thread::Builder::new().name("wasi-rs undertaker".to_owned()).spawn(|| self.work());
        });
    }

    fn expected(&self) -> MutexGuard<'_, Vec<Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut expected = self.expected();
        loop {
            expected.retain(|Expected { run, since }| !run.is_over(*since));
            expected = if expected.is_empty() {
                self.wake.wait(expected).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.wake.wait_timeout(expected, ROUND).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Run {
    /// Whether nobody has to wait for it any more.
    fn is_over(&self, since: Instant) -> bool {
        if self.is_settled() {
            return true;
        }
        if let Some(begun) = self.begun.get() {
            // Again: a run that was being asked for another's sake when it was ended has missed the first time.
            begun.engine.increment_epoch();
        }
        if since.elapsed() < GRACE || self.watch.is_in_call() {
            return false;
        }
        // Its thread may take long to be back, or for ever: others get its place.
        if !self.has_left.swap(true, SeqCst) {
            POOL.lose();
        }
        self.settle(End::Ended);
        true
    }
}

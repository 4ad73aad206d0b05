//! One run from outside: started, ended early, and what came of it.

use super::compilations::{Made, Wait};
use super::ending::Turn;
use super::guest::{Guest, Room, Stop};
use super::mode::Mode;
use super::plan::{Captures, Plan, Unopened};
use super::pool::{Job, POOL};
use super::program::{Prepared, Program, refused};
use super::reaper::REAPER;
use super::watch::Watch;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::host::clock;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::error::{ProgramError, shortened};
use wasi_rs_modules::limits::Limits;
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
    /// It wrote more than is captured, to this stream.
    Overflow(&'static str),
    /// It was not begun, for so many others have.
    Busy(usize),
    /// It trapped; the reason and where.
    Trap(String),
    /// The program can't be run.
    ProgramError(ProgramError),
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
    /// What it has not begun with yet. Ended before, it lets go of it at once: the files of its streams are closed.
    plan: Mutex<Option<Plan>>,
    /// Ends the search for machine code.
    search: Cancellation,
    /// Its interest in machine code that is being made.
    wait: Mutex<Option<Wait>>,
    finish: Mutex<Option<Finish>>,
    /// Its part in the number of those that have begun, until its outcome is delivered.
    counted: Mutex<Option<Counted>>,
    /// Its part in the number of those whose thread is not back, if it has been given up.
    given_up: Mutex<Option<Counted>>,
    begun: OnceLock<Begun>,
    cpu: AtomicU64,
    fuel: AtomicU64,
}

/// What there is once it has begun.
struct Begun {
    at: Instant,
    /// Its thread, and what that had run before.
    thread: clock::Thread,
    cpu: u64,
    ctx: Arc<Turn<Ctx>>,
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
}

impl Run {
    /// Has the program run as soon as there is a place; `finish` gets the outcome, on whatever thread.
    pub fn start(program: Arc<Program>, plan: Plan, finish: Finish) -> Arc<Self> {
        let run = Arc::new(Self {
            watch: Arc::default(),
            limits: plan.limits,
            plan: Mutex::new(Some(plan)),
            search: Cancellation::default(),
            wait: Mutex::default(),
            finish: Mutex::new(Some(finish)),
            counted: Mutex::new(None),
            given_up: Mutex::new(None),
            begun: OnceLock::new(),
            cpu: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
        });
        run.submit(move |run| run.begin(&program));
        run
    }

    /// Has a thread of the pool do something for the run.
    fn submit(self: &Arc<Self>, job: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let run = Arc::clone(self);
        let job: Job = Box::new(move || {
            run.watch.place.hold();
            // What a panic means to whoever waits for the run, the job has seen to.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&run)));
            run.watch.place.leave();
            drop(run.given_up().take());
        });
        if let Err(error) = POOL.submit(job) {
            self.settle(no_thread(&error));
        }
    }

    /// Ends it early. The outcome comes as soon as nothing it does can be seen any more.
    pub fn end(self: &Arc<Self>) {
        if !self.watch.end() {
            return;
        }
        match self.begun.get() {
            Some(begun) => {
                begun.engine.increment_epoch();
                REAPER.expect(Arc::clone(self));
            }
            // It is in the queue, or being compiled. If it begins at this moment, it notices before its first instruction.
            None => {
                self.search.cancel();
                drop(self.take_plan());
                drop(self.take_wait());
                self.settle(End::Ended);
                // Its thread may be with a file system that does not answer, for its program or its preopens.
                self.give_up();
            }
        }
    }

    fn take_plan(&self) -> Option<Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn take_wait(&self) -> Option<Wait> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Delivers the outcome, unless that has been done.
    fn settle(&self, end: End) {
        let Some(finish) = self.finish.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        drop(self.counted().take());
        let begun = self.begun.get();
        let (read, written) = self.watch.moved();
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

    fn counted(&self) -> MutexGuard<'_, Option<Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given_up(&self) -> MutexGuard<'_, Option<Counted>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the program if there is machine code; otherwise gives its place away until there is.
    fn begin(self: &Arc<Self>, program: &Arc<Program>) {
        if self.is_settled() {
            return;
        }
        let mode = Mode::of(&self.limits);
        match catch_unwind(AssertUnwindSafe(|| program.find(mode, &self.search))) {
            Ok(Ok(Some(prepared))) => self.work(&prepared),
            Ok(Ok(None)) => {
                let run = Arc::clone(self);
                let wait = program.prepare(mode, Box::new(move |made| run.go_on(made)));
                *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
                if self.watch.is_ended() {
                    drop(self.take_wait()); // it was ended meanwhile
                }
            }
            Ok(Err(unusable)) => self.settle(End::ProgramError(unusable)),
            Err(panic) => self.settle(panicked(&*panic)),
        }
    }

    fn go_on(self: &Arc<Self>, made: Made) {
        match made {
            Ok(prepared) => self.submit(move |run| run.work(&prepared)),
            Err(unusable) => self.settle(End::ProgramError(unusable)),
        }
    }

    fn work(&self, prepared: &Prepared) {
        let Some(plan) = self.take_plan() else { return };
        if GIVEN_UP.load(Relaxed) >= CONCURRENCY {
            return self.settle(End::Busy(CONCURRENCY));
        }
        *self.counted() = Counted::among(&BEGUN, plan.concurrency);
        if self.counted().is_none() {
            return self.settle(End::Busy(plan.concurrency));
        }
        let attendance = match REAPER.attend() {
            Ok(attendance) => attendance,
            Err(error) => return self.settle(no_thread(&error)),
        };
        let end = catch_unwind(AssertUnwindSafe(|| self.run(prepared, plan)));
        // Not while it is held: who ends the run meanwhile need not wait for a slow file system.
        drop(self.begun.get().map(|begun| begun.ctx.own().release()));
        self.settle(end.unwrap_or_else(|panic| panicked(&*panic)));
        drop(attendance);
    }

    fn run(&self, prepared: &Prepared, plan: Plan) -> End {
        let (ctx, captures) = match plan.open(prepared.abi, &self.watch) {
            Ok(opened) => opened,
            Err(unopened) => return End::Unopened(unopened),
        };
        let ctx = Arc::new(Turn::new(ctx));
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
        if self.begun.set(begun).is_err() || self.watch.ending.is_ended_by_now() {
            return End::Ended;
        }
        let room = Room::new(Arc::clone(&self.watch), &self.limits);
        let overflowing = Box::new(move || captures.overflowing());
        let guest = Guest::new(ctx, Arc::clone(&self.watch), room, overflowing);
        let end = self.call(prepared, guest);
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
            Err(error) => End::ProgramError(refused(error)),
        };
        if let Ok(left) = store.get_fuel() {
            self.fuel.store(fuel.saturating_sub(left), Relaxed);
        }
        end
    }
}

fn no_thread(error: &std::io::Error) -> End {
    End::Failed(format!("no thread could be started: {error}"))
}

/// What an error of wasmtime says about the run; `early` if the program had not begun yet.
fn end_of(error: &wasmtime::Error, early: bool) -> End {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Exit(code)) => return End::Exit(*code),
        Some(Stop::Ended) => return End::Ended,
        Some(Stop::Overflow(stream)) => return End::Overflow(stream),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::Fuel,
        Some(trap) => End::Trap(with_backtrace(&in_words(*trap), error)),
        // A host's function that failed, or what was too large to begin with.
        None if early => End::ProgramError(ProgramError::Wrong(format!("can't be started: {}", naming_limits(error)))),
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

/// An error in words that name the limit: wasmtime tells of what is too large to begin with without.
fn naming_limits(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}").replace("exceeds memory limits", "is more than limits.memory allows");
    text.replace("exceeds table limits", "is more than limits.tableElements or limits.memory allows")
}

/// How many lines of a backtrace are told.
const MAX_LINES: usize = 100;

/// How many bytes it may have before it is shortened. The names in it are the program's own, and there are some of C++ that
/// double with each of their letters as they are written out.
const MAX_BACKTRACE: usize = 4 << 20;

/// A text that ends when it is full.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.len() + piece.len() > MAX_BACKTRACE {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// The reason, and below it the functions that were being called, innermost first.
fn with_backtrace(reason: &str, error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return reason.to_owned();
    };
    let mut text = Bounded(String::new());
    let _ = write!(text, "{backtrace}"); // it may be full
    let frames = text.0.lines().skip(1).take(MAX_LINES).map(|line| format!("\n{}", shortened(line)));
    format!("{reason}{}", frames.collect::<String>())
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> End {
    End::Failed(format!("wasi-rs panicked: {}", text_of(panic)))
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

/// How many programs have begun and not ended.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// How many may have, unless the plan says.
pub const CONCURRENCY: usize = 512;

/// How many programs have been given up whose threads are not back. While there are `CONCURRENCY`, none begins.
static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

/// One of those that are counted.
struct Counted(&'static AtomicUsize);

impl Counted {
    /// Counts one more, unless there are so many already.
    fn among(all: &'static AtomicUsize, most: usize) -> Option<Self> {
        let counted = all.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        counted.ok().map(|_| Self(all))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What the reaper does with a run that was ended.
impl Run {
    /// Asks it again: a run that was being asked for another's sake when it was ended has missed the first time.
    pub fn ask_to_end(&self) {
        if let Some(begun) = self.begun.get() {
            begun.engine.increment_epoch();
        }
    }

    /// Sees that it makes no call any more; what it has open, to be closed. Nothing while it makes one.
    pub fn declare_dead(&self) -> Option<Box<dyn Send>> {
        let open = self.begun.get()?.ctx.seize()?.release();
        // Its thread may take long to be back: others get its place.
        self.watch.place.lose();
        Some(Box::new(open))
    }

    /// Does without its thread, which may be with the kernel for long: others get its place.
    pub fn give_up(&self) {
        if self.watch.place.lose() {
            *self.given_up() = Counted::among(&GIVEN_UP, usize::MAX);
        }
    }

    /// Delivers its outcome, without its thread.
    pub fn bury(&self) {
        self.settle(End::Ended);
    }

    /// Whether its outcome has been delivered.
    pub fn is_settled(&self) -> bool {
        self.finish.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

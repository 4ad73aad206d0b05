//! One compilation, on threads of its own, which can be cancelled.
//!
//! Cranelift can't be cancelled. But it calls the profiler of its thread when a pass begins, a dozen times
//! for each function. [`Checkpoint`] is such a profiler: it unwinds the thread if the compilation has been
//! cancelled. The engine is made for this one compilation, so no state that was unwound is used again, and no
//! buffer that grew for a large function is kept.

use super::mode::Mode;
use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::borrow::Cow;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::compile_limits;
use wasi_rs_modules::component::Component;
use wasi_rs_modules::error::{Form, ProgramError};
use wasi_rs_modules::interface::{Interface, Purpose};
use wasi_rs_modules::rewrite::unshare;
use wasmtime::Engine;

/// The most bytes of a small module: wasmtime compiles it sooner than V8 starts a worker, and sooner on one
/// thread than several threads are started.
pub const SMALL: usize = 64 * 1024;

/// The most threads of one compilation.
const MAX_THREADS: usize = 8;

/// The stack of a thread that compiles. Cranelift's need of it grows with nothing that a module can choose.
const STACK: usize = 4 << 20;

/// The least priority a thread can have.
#[cfg(target_os = "linux")]
const LEAST_PRIORITY: i32 = 19;

/// The share of the machine that a compilation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A run waits for it.
    Awaited,
    /// It is for later runs: one thread of the least priority.
    Background,
}

/// The reason why there is no machine code.
#[derive(Debug)]
pub enum Failure {
    /// It was cancelled.
    Cancelled,
    /// The program can't be compiled.
    ProgramError(ProgramError),
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        if matches!(error, ProgramError::Cancelled) { Self::Cancelled } else { Self::ProgramError(error) }
    }
}

impl From<Failure> for ProgramError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            Failure::ProgramError(error) => error,
        }
    }
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::ProgramError(refused(error))
    }
}

/// The refusal of a program for an error of wasmtime.
pub fn refused(error: wasmtime::Error) -> ProgramError {
    ProgramError::Wrong(format!("{error:#}"))
}

/// The number of compilations in progress in this process.
static GOING_ON: AtomicUsize = AtomicUsize::new(0);

/// The number of compilations in progress in this process.
pub fn going_on() -> usize {
    GOING_ON.load(Relaxed)
}

/// Counts a compilation until it is dropped.
struct Counted;

impl Counted {
    fn new() -> (Self, usize) {
        (Self, GOING_ON.fetch_add(1, Relaxed) + 1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        GOING_ON.fetch_sub(1, Relaxed);
    }
}

/// Machine code for this mode, or a component's for asynchronous functions, if it has some. An engine of the
/// second result deserializes it.
pub fn compile(
    bytes: &[u8],
    purpose: Purpose,
    mode: Mode,
    effort: Effort,
    cancellation: &Cancellation,
) -> Result<(Vec<u8>, Mode), Failure> {
    let form = Form::of(bytes)?;
    let program = checked(bytes, form, purpose, cancellation)?;
    let (_counted, going_on) = Counted::new();
    let threads = if effort == Effort::Background || bytes.len() <= SMALL { 1 } else { threads(going_on) };
    let pool = pool(threads, effort, cancellation)
        .map_err(|error| ProgramError::Wrong(format!("can't be compiled: no thread could be started: {error}")))?;
    let mut error = Failure::Cancelled;
    // wasmtime says soon that a component has what a mode does not have.
    for mode in mode.tried(form) {
        let engine = mode.new_engine()?;
        let compiled = catch_unwind(AssertUnwindSafe(|| pool.install(|| precompile(&engine, form, &program))));
        match compiled {
            _ if cancellation.is_cancelled() => return Err(Failure::Cancelled),
            Ok(Ok(code)) => return Ok((code, mode)),
            Ok(Err(why)) => error = ProgramError::Uncompiled(format!("{why:#}")).into(),
            Err(panic) => resume_unwind(panic),
        }
    }
    Err(error)
}

fn precompile(engine: &Engine, form: Form, program: &[u8]) -> wasmtime::Result<Vec<u8>> {
    match form {
        Form::Module => engine.precompile_module(program),
        Form::Component => engine.precompile_component(program),
    }
}

/// Refuses a program that is beyond the limits.
pub fn check(bytes: &[u8], purpose: Purpose, cancellation: &Cancellation) -> Result<(), ProgramError> {
    checked(bytes, Form::of(bytes)?, purpose, cancellation).map(drop)
}

/// The program as wasmtime gets it, if it is within the limits.
fn checked<'b>(
    bytes: &'b [u8],
    form: Form,
    purpose: Purpose,
    cancellation: &Cancellation,
) -> Result<Cow<'b, [u8]>, ProgramError> {
    compile_limits::check_bytes(bytes.len() as u64)?;
    if form == Form::Component {
        let component = Component::read(bytes, cancellation)?;
        if purpose == Purpose::Command {
            component.check_command()?;
        }
        component.check(bytes, cancellation)?;
        return Ok(Cow::Borrowed(bytes));
    }
    // A module that can't be read is refused: its memories would stay shared.
    let mut outline = cancellation.outline(bytes)?;
    // A program that can't be run is refused before minutes of work.
    Interface::of_outline(&outline).check(purpose)?;
    let module = unshare::unshare(bytes, &mut outline, cancellation)?;
    compile_limits::check(&module, cancellation)?;
    Ok(module)
}

/// The number of threads of a compilation while `going_on` compilations share the processors.
fn threads(going_on: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    (processors / going_on.max(1)).clamp(1, MAX_THREADS)
}

fn pool(
    threads: usize,
    effort: Effort,
    cancellation: &Cancellation,
) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    let cancellation = cancellation.clone();
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|_| "wasi-rs compile".to_owned())
        .stack_size(STACK)
        .start_handler(move |_| {
            set_thread_profiler(Box::new(Checkpoint(cancellation.clone())));
            if effort == Effort::Background {
                yield_to_all();
            }
        })
        .build()
}

/// Gives the calling thread the least priority, on systems where each thread has its own.
pub fn yield_to_all() {
    // A failure does no harm.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LEAST_PRIORITY);
}

/// A profiler of Cranelift that cancels the compilation.
struct Checkpoint(Cancellation);

/// The payload of the unwinding.
struct Cancelled;

impl Profiler for Checkpoint {
    fn start_pass(&self, _: Pass) -> Box<dyn Any> {
        if self.0.is_cancelled() {
            resume_unwind(Box::new(Cancelled)); // not a panic: the panic hook is not called
        }
        Box::new(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// A program with this number of functions, each of which takes long to compile. It is within the limits.
    pub fn hard(functions: usize) -> Vec<u8> {
        let steps: String =
            (0..4000).map(|i| format!("local.get {i} local.get {} i64.add local.set {i}\n", (i + 1) % 4000)).collect();
        let function =
            format!("(func (local {}) loop {steps} local.get 0 i32.wrap_i64 br_if 0 end)", "i64 ".repeat(4000));
        let text = format!("(module (func (export \"_start\")) {})", function.repeat(functions));
        wat::parse_str(text).unwrap()
    }

    /// Waits until a condition holds; fails after a minute.
    pub fn until(is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never is");
            thread::sleep(Duration::from_millis(5));
        }
    }

    const EASY: &str = r#"(module (func (export "_start") (local i32) loop local.get 0 br_if 0 end))"#;

    #[test]
    fn a_compilation_is_cancelled_before_and_after_it_begins() {
        let bytes = hard(200);
        let cancellation = Cancellation::default();
        cancellation.cancel();
        let compiled = compile(&bytes, Purpose::Command, Mode::default(), Effort::Awaited, &cancellation);
        assert!(matches!(compiled, Err(Failure::Cancelled)));
        for effort in [Effort::Awaited, Effort::Background] {
            let cancellation = Cancellation::default();
            thread::scope(|scope| {
                let compiling =
                    scope.spawn(|| compile(&bytes, Purpose::Command, Mode::default(), effort, &cancellation));
                until(|| going_on() > 0);
                cancellation.cancel();
                assert!(matches!(compiling.join().unwrap(), Err(Failure::Cancelled)));
            });
        }
    }

    #[test]
    fn a_compilation_succeeds_after_a_cancelled_one() {
        let easy = wat::parse_str(EASY).unwrap();
        let engine = Mode::default().engine().unwrap();
        for _ in 0..3 {
            let cancellation = Cancellation::default();
            cancellation.cancel();
            compile(&easy, Purpose::Command, Mode::default(), Effort::Awaited, &cancellation).unwrap_err();
            let (code, _) =
                compile(&easy, Purpose::Command, Mode::default(), Effort::Awaited, &Cancellation::default()).unwrap();
            super::super::raw::deserialize_bytes(&engine, Form::Module, &code).unwrap();
        }
    }

    #[test]
    fn errors_say_why_a_module_can_not_be_compiled() {
        let refusal = |bytes: &[u8]| match compile(
            bytes,
            Purpose::Command,
            Mode::default(),
            Effort::Awaited,
            &Cancellation::default(),
        ) {
            Err(Failure::ProgramError(error)) => error.to_string(),
            _ => panic!("it can be compiled"),
        };
        assert!(refusal(b"").starts_with("is not a WebAssembly module"));
        assert!(refusal(b"\0asm\x01\0\0\0\x0a\x7f").starts_with("can't be compiled: "));
        let text = format!("(module (func (export \"_start\") {}))", "loop ".repeat(101) + &"end ".repeat(101));
        assert!(refusal(&wat::parse_str(text).unwrap()).contains("too hard"));
    }

    /// The modules that take the most stack: blocks, expressions and branches as deep as the limits allow.
    #[test]
    fn the_deepest_modules_fit_into_the_stack() {
        let blocks = format!("(func {} {})", "block ".repeat(9_999), "end ".repeat(9_999));
        let ifs = format!("(func (local i32) {} {})", "local.get 0 if ".repeat(9_999), "end ".repeat(9_999));
        let sums = format!(
            "(memory 1) (func (result i32) {} {})",
            (0..4_900).map(|i| format!("i32.const {} i32.load ", i * 4)).collect::<String>(),
            "i32.add ".repeat(4_899)
        );
        let chain = format!("(memory 1) (func (result i32) i32.const 0 {})", "i32.load ".repeat(200_000));
        for items in [blocks, ifs, sums, chain] {
            let bytes = wat::parse_str(format!("(module (func (export \"_start\")) {items})")).unwrap();
            compile(&bytes, Purpose::Command, Mode::default(), Effort::Awaited, &Cancellation::default()).unwrap();
        }
    }
}

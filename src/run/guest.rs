//! The guest of a run in V8, on the thread of its worker: made from the plan of the run, which the worker
//! takes by a number.

use crate::builtins::memory_buffer;
use crate::call::bind;
use crate::class::construct::make_guest;
use crate::class::define;
use crate::class::hooks::{self, Guest, Realm};
use crate::class::kept::{Kept, kept};
use crate::class::observer::Observer;
use crate::class::options::Options;
use crate::class::stdio::Stdio;
use crate::class::stdio_options::Choice;
use crate::node_api::{Call, Js, JsResult, Method, Value, Worker};
use crate::permission::require_wasi;
use crate::run::reader::{Reader, held, whole};
use crate::run::v8_program::WAITING;
use std::sync::Arc;
use wasi_rs_core::ctx::Usage;
use wasi_rs_core::host::file::File;
use wasi_rs_core::host::wait::Interrupt;
use wasi_rs_core::syscalls::Flow;
use wasi_rs_modules::error::ProgramError;
use wasi_rs_runner::control::RunInterrupt;
use wasi_rs_runner::in_v8::{self, InWorker};
use wasi_rs_runner::outcome::{End, Exception, Trap};

/// Bytes of a page of WebAssembly memory.
const PAGE_SIZE: u64 = 65536;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, MakeGuest::NAME, js.function::<MakeGuest>(0)?)?;
    js.set_named(object, Refuse::NAME, js.function::<Refuse>(0)?)
}

/// The interrupt of a guest's calls: its run is ended, or its worker.
#[derive(Debug)]
struct WorkerInterrupt {
    worker: Worker,
    run: RunInterrupt,
}

impl Interrupt for WorkerInterrupt {
    fn poll_interval(&self) -> Option<u64> {
        self.worker.poll_interval()
    }

    fn is_interrupted(&self) -> bool {
        self.run.is_interrupted() || self.worker.is_interrupted()
    }

    fn wakeup(&self) -> Option<&File> {
        self.run.wakeup()
    }

    fn release_slot(&self) {
        self.run.release_slot();
    }

    fn acquire_slot(&self) {
        self.run.acquire_slot();
    }
}

/// Counts the calls of a guest for its run.
#[derive(Debug)]
struct Counter(Arc<InWorker>);

impl Observer for Counter {
    fn begin_call(&self, pages: u32) -> bool {
        self.0.begin_call(u64::from(pages) * PAGE_SIZE)
    }

    fn end_call(&self, usage: &Usage, flow: Flow) -> bool {
        self.0.end_call(usage, flow)
    }
}

/// `guest(number)`: the guest of the run with this number, `{ namespace, syscalls, start, fail }`; undefined
/// if the run is over, or can't begin.
struct MakeGuest;

impl Method for MakeGuest {
    const NAME: &'static str = "guest";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        define::init(js)?;
        let worker = Worker::new(js)?;
        let wrap = |run| Box::new(WorkerInterrupt { worker, run }) as _;
        let Some((run, program)) = WAITING.take(whole(js.number_of(call.args[0])?)) else {
            return js.undefined();
        };
        let abi = program.abi;
        let Some((run, ctx)) = in_v8::begin(run, abi, wrap) else {
            return js.undefined();
        };
        let run = Arc::new(run);
        let guest = js.hold(Arc::clone(&run))?;
        let options = Options {
            ctx,
            return_on_exit: true,
            stdio: Stdio::default(),
            choices: [Choice::Ignore, Choice::Ignore, Choice::Ignore],
            told: [None; 2],
            receiver: None,
            observer: Some(Box::new(Counter(run))),
        };
        let made = make_guest(js, guest, options)?;
        let number = made.number as usize;
        js.set_named(guest, "namespace", js.string(abi.module())?)?;
        js.set_named(guest, "syscalls", made.functions)?;
        js.set_named(guest, StartGuest::NAME, js.function::<StartGuest>(number)?)?;
        js.set_named(guest, FailGuest::NAME, js.function::<FailGuest>(number)?)?;
        Ok(guest)
    }
}

/// `refuse(number, { name, message, stack?, code? })`: settles the run with this number, of a program that V8
/// does not compile. Its descriptors are left to another engine.
struct Refuse;

impl Method for Refuse {
    const NAME: &'static str = "refuse";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [number, why, ..]) = (call.js, call.args);
        require_wasi(js)?;
        WAITING.refuse(whole(js.number_of(number)?), read_exception(&Reader { js, object: why })?);
        js.undefined()
    }
}

/// `guest.start(memory, main)`: calls the program's main function, and settles the run; an exception that is
/// none of the run's own is thrown, for `fail`.
struct StartGuest;

impl Method for StartGuest {
    const NAME: &'static str = "start";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, realm, [memory, main, ..]) = (call.js, call.js.state::<Realm>()?, call.args);
        let run = held::<InWorker>(js, call.this)?;
        let Some(guest) = realm.guest(call.data) else {
            return js.undefined();
        };
        let sentinel = kept(js, Kept::ExitCode)?;
        js.set(call.this, sentinel, js.number(0.0)?)?;
        let buffer = memory_buffer(js, memory)?;
        bind::bind(js, realm, &guest, memory, js.is_array_buffer(buffer)?)?;
        record_memory(js, &guest, &run)?;
        let ended = hooks::run(js, &guest, main);
        if ended.is_ok() {
            record_memory(js, &guest, &run)?;
        }
        drop(guest);
        if let Some(end) = run.reason() {
            finish(js, realm, call.data, &run, end);
            return ended.and_then(|_| js.undefined()); // the worker itself may have been ended
        }
        match ended? {
            Some(exception) if !js.strict_equals(exception, sentinel)? => Err(js.throw(exception)),
            _ => {
                // It is an i32.
                #[allow(clippy::cast_possible_truncation, reason = "it is an i32")]
                let code = js.number_of(js.get(call.this, sentinel)?)? as i32;
                finish(js, realm, call.data, &run, End::Exit(code.cast_unsigned()));
                js.undefined()
            }
        }
    }
}

/// `guest.fail({ trap, cause? } | { wrong } | { name, message, stack?, code? })`: settles the run with a
/// trap, whose cause is an exception, as of a module that is no program, or with an exception.
struct FailGuest;

impl Method for FailGuest {
    const NAME: &'static str = "fail";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let run = held::<InWorker>(js, call.this)?;
        let end = match run.reason() {
            Some(end) => end,
            None => read_failure(&Reader { js, object: call.args[0] })?,
        };
        finish(js, js.state::<Realm>()?, call.data, &run, end);
        js.undefined()
    }
}

fn read_failure(failure: &Reader<'_>) -> JsResult<End> {
    if let Some(message) = failure.text("trap")? {
        let cause = failure.given("cause")?;
        let cause = cause.map(|object| read_exception(&Reader { js: failure.js, object })).transpose()?;
        return Ok(End::Trap(Trap { message, cause }));
    }
    if let Some(why) = failure.text("wrong")? {
        return Ok(End::ProgramError(ProgramError::Wrong(why)));
    }
    read_exception(failure).map(End::Exception)
}

/// Reads `{ name, message, stack?, code? }`.
fn read_exception(exception: &Reader<'_>) -> JsResult<Exception> {
    Ok(Exception {
        name: exception.text("name")?.unwrap_or_default(),
        message: exception.text("message")?.unwrap_or_default(),
        stack: exception.text("stack")?,
        code: exception.text("code")?,
    })
}

fn record_memory(js: Js<'_>, guest: &Guest, run: &InWorker) -> JsResult<()> {
    run.record_memory(u64::from(bind::pages(js, guest)?) * PAGE_SIZE);
    Ok(())
}

/// Closes the guest's descriptors, and delivers the outcome.
fn finish(js: Js<'_>, realm: &Realm, number: usize, run: &InWorker, end: End) {
    realm.remove_guest(js, number);
    run.finish(end);
}

//! The functions behind `run()`, `spawn()` and `compile()`. They are for `lib/` only, which checks what users pass: here a
//! value that is not what it must be is an exception without a code.
//!
//! What takes long answers by a letter: the function that `listen` was given is called with the request's number and what
//! came of it.

use crate::node_api;
use crate::node_api::threads::{Letter, Mailbox};
use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Type, Value};
use crate::permission::{Scope, require_path, require_wasi};
use crate::run::outcome::{float, outcome_to_js, unusable_to_js};
use crate::run::tickets;
use napi::Env;
use napi::bindgen_prelude::{JsObjectValue, Object};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use wasi_rs_core::ctx::Preopen;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::error::ProgramError;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::rewrite::v8_module::{ImportedMemory, V8Module};
use wasi_rs_runner::background::BACKGROUND;
use wasi_rs_runner::cache::{self, Cache};
use wasi_rs_runner::compilations::{Made, Wait};
use wasi_rs_runner::mode::Mode;
use wasi_rs_runner::plan::{Plan, Stdio};
use wasi_rs_runner::pool::POOL;
use wasi_rs_runner::program::{Prepared, Program, refused};
use wasi_rs_runner::run::{CONCURRENCY, Outcome, Run};
use wasi_rs_runner::source::Source;

/// Defines the functions, as properties of one object.
pub fn export(env: &Env, exports: &mut Object<'_>) -> napi::Result<()> {
    let object = Object::new(env)?;
    node_api::within(env, |js| {
        let object = js.adopt(&object);
        js.set_named(object, Listen::NAME, js.function::<Listen>(0)?)?;
        js.set_named(object, MakeProgram::NAME, js.function::<MakeProgram>(0)?)?;
        js.set_named(object, MakeCache::NAME, js.function::<MakeCache>(0)?)?;
        js.set_named(object, Ask::NAME, js.function::<Ask>(0)?)?;
        js.set_named(object, GiveUp::NAME, js.function::<GiveUp>(0)?)?;
        js.set_named(object, Start::NAME, js.function::<Start>(0)?)?;
        js.set_named(object, EndRun::NAME, js.function::<EndRun>(0)?)?;
        tickets::export(js, object)?;
        js.set_named(object, CompileLater::NAME, js.function::<CompileLater>(0)?)
    })?;
    exports.set_named_property("engine", object)
}

/// An environment's requests.
#[derive(Default)]
struct Desk {
    mailbox: OnceLock<Arc<Mailbox>>,
    /// Letters that are expected.
    expected: AtomicUsize,
    runs: Mutex<HashMap<u32, Arc<Run>>>,
    /// Interest in compilations, by their requests.
    waits: Mutex<HashMap<u32, Wait>>,
    /// What gives up looking for an answer, by requests.
    looks: Mutex<HashMap<u32, Cancellation>>,
}

impl Desk {
    fn runs(&self) -> MutexGuard<'_, HashMap<u32, Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<u32, Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<u32, Cancellation>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tells its work in the background from that of other environments.
    fn number(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Ends all that was asked for.
    fn end_all(self: &Arc<Self>) {
        let runs = std::mem::take(&mut *self.runs());
        runs.into_values().for_each(|run| run.end());
        let waits = std::mem::take(&mut *self.waits());
        drop(waits);
        self.looks().values().for_each(Cancellation::cancel);
        BACKGROUND.give_up(self.number());
    }

    /// Notes that there will be a letter.
    fn expect(&self, js: Js<'_>) {
        if self.expected.fetch_add(1, Relaxed) == 0
            && let Some(mailbox) = self.mailbox.get()
        {
            mailbox.expect(js, true);
        }
    }

    /// Answers a question about a program.
    fn tell(self: Arc<Self>, id: u32, found: Result<Found, ProgramError>) {
        self.answer(id, move |js| match found {
            Ok(found) => found.into_js(js),
            Err(unusable) => unusable_to_js(js, &unusable),
        });
    }

    /// Answers request `id` with what `answer` makes, on the environment's thread.
    fn answer(self: Arc<Self>, id: u32, answer: impl for<'s> FnOnce(Js<'s>) -> JsResult<Value<'s>> + Send + 'static) {
        let Some(mailbox) = self.mailbox.get().map(Arc::clone) else {
            return;
        };
        let letter: Letter = Box::new(move |js, function| {
            self.runs().remove(&id);
            let wait = self.waits().remove(&id);
            drop(wait);
            self.looks().remove(&id);
            if self.expected.fetch_sub(1, Relaxed) == 1
                && let Some(mailbox) = self.mailbox.get()
            {
                mailbox.expect(js, false);
            }
            let (function, id) = (js.rescope(function), js.number(id.into())?);
            let args = match answer(js) {
                Ok(answer) => [id, answer, js.undefined()?],
                // Such as more bytes than there is memory for.
                Err(thrown) => [id, js.undefined()?, js.take_exception(thrown)?],
            };
            js.call(js.undefined()?, function, &args).map(drop)
        });
        mailbox.post(letter);
    }
}

/// `listen(deliver)`: a desk whose answers `deliver(id, answer)` gets; `deliver(id, undefined, exception)` for one that could
/// not be made.
struct Listen;

impl Method for Listen {
    const NAME: &'static str = "listen";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let desk = Arc::new(Desk::default());
        let at_end = Arc::clone(&desk);
        let mailbox = js.mailbox(js.rescope(call.args[0]), Box::new(move || at_end.end_all()))?;
        let _ = desk.mailbox.set(mailbox);
        js.hold(desk)
    }
}

/// `program({ source, isCode?, cache?, cacheSize? })`: a program from a path or from bytes. Nothing is read or checked yet.
struct MakeProgram;

impl Method for MakeProgram {
    const NAME: &'static str = "program";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, options) = (call.js, Reader { js: call.js, object: call.args[0] });
        let source = options.get("source")?;
        let source = match js.uint8_array(source)? {
            Some(code) if js.truthy(options.get("isCode")?)? => Source::Code(code),
            Some(bytes) => Source::Bytes(bytes),
            None => Source::File(require_path(js, &[Scope::Read], &js.string_of(source)?)?),
        };
        let size = options.number("cacheSize")?.map_or(cache::SIZE, whole);
        let cache = options.given("cache")?.map(|folder| cache_at(js, folder, size)).transpose()?;
        js.hold(Arc::new(Program::new(source, cache)))
    }
}

fn cache_at(js: Js<'_>, folder: Value<'_>, size: u64) -> JsResult<Cache> {
    require_path(js, &[Scope::Read, Scope::Write], &js.string_of(folder)?).map(|folder| Cache::new(folder, size))
}

/// `cache(folder)`: makes a folder for machine code. Why nothing can be kept there; nothing if it can.
struct MakeCache;

impl Method for MakeCache {
    const NAME: &'static str = "cache";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        match cache_at(js, call.args[0], cache::SIZE)?.make() {
            Err(unfit) => js.string(&unfit.to_string()),
            Ok(()) => js.undefined(),
        }
    }
}

/// `ask(desk, { id, program, question, limits })`: has the program compiled, serialized, made ready for V8, or asks
/// whether it is ready; the answer is `{ value }` or `{ end, message }`.
struct Ask;

impl Method for Ask {
    const NAME: &'static str = "ask";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, desk) = (call.js, held::<Desk>(call.js, call.args[0])?);
        require_wasi(js)?;
        let request = Reader { js, object: call.args[1] };
        let program = held::<Program>(js, request.get("program")?)?;
        let (id, limits) = (request.id()?, Reader { js, object: request.get("limits")? }.limits()?);
        let question = js.string_of(request.get("question")?)?;
        desk.expect(js);
        if let Some(take) = taker(&question) {
            let (asked, answer) = (Arc::clone(&program), Arc::clone(&desk));
            let then = move |made: Made| answer.tell(id, made.and_then(|prepared| take(&asked, prepared)));
            // Its letter is opened on this thread, and so after this.
            if let Some(wait) = program.prepare(Mode::of(&limits), Box::new(then)) {
                desk.waits().insert(id, wait);
            }
            return js.undefined();
        }
        let answer = Arc::clone(&desk);
        let cancellation = Cancellation::default();
        desk.looks().insert(id, cancellation.clone());
        let submitted = POOL.submit(Box::new(move || {
            let look = || cancellation.check().and_then(|()| look_into(&program, &question, &limits, &cancellation));
            let found = catch_unwind(AssertUnwindSafe(look));
            answer.tell(id, found.unwrap_or_else(|_| Err(ProgramError::Wrong("made wasi-rs panic".to_owned()))));
        }));
        if let Err(error) = submitted {
            desk.tell(id, Err(ProgramError::Wrong(format!("can't be read: no thread could be started: {error}"))));
        }
        js.undefined()
    }
}

/// `giveUp(desk, id)`: nobody waits any more for what is being looked for. The answer comes all the same, soon, and says so.
struct GiveUp;

impl Method for GiveUp {
    const NAME: &'static str = "giveUp";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, desk) = (call.js, held::<Desk>(call.js, call.args[0])?);
        let id = number_as_id(js.number_of(call.args[1])?);
        desk.looks().get(&id).into_iter().for_each(Cancellation::cancel);
        js.undefined()
    }
}

/// Makes an answer of a program that is ready to run.
type Taker = fn(&Program, Arc<Prepared>) -> Result<Found, ProgramError>;

/// What is done with a program that is ready to run, for the questions that need one.
fn taker(question: &str) -> Option<Taker> {
    match question {
        "compile" => Some(|program, prepared| {
            program.keep(prepared);
            Ok(Found::Nothing)
        }),
        "serialize" => Some(|_, prepared| Ok(Found::Bytes(prepared.module.serialize().map_err(refused)?))),
        _ => None,
    }
}

/// The answer to a question about a program.
enum Found {
    Nothing,
    Truth(bool),
    Bytes(Vec<u8>),
    V8Module(V8Module),
}

impl Found {
    fn into_js(self, js: Js<'_>) -> JsResult<Value<'_>> {
        let answer = js.object()?;
        let value = match self {
            Self::Nothing => js.undefined()?,
            Self::Truth(truth) => js.boolean(truth)?,
            Self::Bytes(bytes) => js.owned_buffer(bytes)?,
            Self::V8Module(program) => for_v8_to_js(js, program)?,
        };
        js.set_named(answer, "value", value)?;
        Ok(answer)
    }
}

fn look_into(
    program: &Program,
    question: &str,
    limits: &Limits,
    cancellation: &Cancellation,
) -> Result<Found, ProgramError> {
    match question {
        "forV8" => program.for_v8(limits, cancellation).map(Found::V8Module),
        "forMainThread" => program.for_main_thread(cancellation).map(Found::V8Module),
        "isReady" => program.is_ready(Mode::of(limits), cancellation).map(Found::Truth),
        other => Err(ProgramError::Wrong(format!("was asked for '{other}'"))),
    }
}

/// `{ bytes, meter, memories: [{ module, name, type }], version, start?, objects? }`.
fn for_v8_to_js(js: Js<'_>, program: V8Module) -> JsResult<Value<'_>> {
    let value = js.object()?;
    js.set_named(value, "bytes", js.owned_buffer(program.bytes)?)?;
    js.set_named(value, "meter", js.buffer(&program.call_counter)?)?;
    let memories = program.memories.iter().map(|memory| imported_memory_to_js(js, memory));
    js.set_named(value, "memories", js.array(memories)?)?;
    js.set_named(value, "version", js.string(program.abi.version())?)?;
    if let Some(start) = &program.start {
        js.set_named(value, "start", js.string(start)?)?;
    }
    if let Some(bytes) = program.objects {
        js.set_named(value, "objects", js.number(float(bytes))?)?;
    }
    Ok(value)
}

/// A memory's type as `new WebAssembly.Memory()` takes it, and what it is imported as.
fn imported_memory_to_js<'s>(js: Js<'s>, memory: &ImportedMemory) -> JsResult<Value<'s>> {
    let (object, ty) = (js.object()?, js.object()?);
    js.set_named(object, "module", js.string(&memory.module)?)?;
    js.set_named(object, "name", js.string(&memory.name)?)?;
    js.set_named(ty, "initial", js.number(float(memory.bounds.min))?)?;
    if let Some(max) = memory.bounds.max {
        js.set_named(ty, "maximum", js.number(float(max))?)?;
    }
    js.set_named(ty, "shared", js.boolean(memory.bounds.is_shared())?)?;
    js.set_named(object, "isWide", js.boolean(memory.bounds.is_wide())?)?;
    js.set_named(object, "type", ty)?;
    Ok(object)
}

/// `start(desk, { id, program, args, env, preopens, stdio, limits, concurrency?, trace })`: runs the program; the answer is its outcome.
struct Start;

impl Method for Start {
    const NAME: &'static str = "start";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, desk) = (call.js, held::<Desk>(call.js, call.args[0])?);
        require_wasi(js)?;
        let request = Reader { js, object: call.args[1] };
        let program = held::<Program>(js, request.get("program")?)?;
        let id = request.id()?;
        let stdio = request.get("stdio")?;
        let plan = Plan {
            args: request.strings("args")?,
            env: request.strings("env")?,
            preopens: request.preopens()?,
            trace: if js.truthy(request.get("trace")?)? { crate::process::trace_file() } else { None },
            stdio: [read_stdio(js, stdio, 0)?, read_stdio(js, stdio, 1)?, read_stdio(js, stdio, 2)?],
            limits: Reader { js, object: request.get("limits")? }.limits()?,
            concurrency: request.size("concurrency")?.unwrap_or(CONCURRENCY),
        };
        desk.expect(js);
        let answer = Arc::clone(&desk);
        let finish = move |outcome: Outcome| answer.answer(id, move |js| outcome_to_js(js, &outcome));
        let run = Run::start(program, plan, Box::new(finish));
        // It may be over already; but its letter is opened on this thread, and so after this.
        desk.runs().insert(id, run);
        js.undefined()
    }
}

/// `end(desk, id)`: ends a run early.
struct EndRun;

impl Method for EndRun {
    const NAME: &'static str = "end";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, desk) = (call.js, held::<Desk>(call.js, call.args[0])?);
        let id = number_as_id(js.number_of(call.args[1])?);
        let run = desk.runs().get(&id).map(Arc::clone);
        if let Some(run) = run {
            run.end();
        }
        js.undefined()
    }
}

/// `compileLater(desk, { program, delay })`: has machine code made in the background, after so many milliseconds. Whether it is
/// going to be, as there is room for it.
struct CompileLater;

impl Method for CompileLater {
    const NAME: &'static str = "compileLater";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, desk) = (call.js, held::<Desk>(call.js, call.args[0])?);
        let request = Reader { js, object: call.args[1] };
        let program = held::<Program>(js, request.get("program")?)?;
        let delay = Duration::from_millis(request.number("delay")?.map_or(0, whole));
        js.boolean(BACKGROUND.add(program, delay, desk.number()))
    }
}

/// An object that is read.
struct Reader<'s> {
    js: Js<'s>,
    object: Value<'s>,
}

impl<'s> Reader<'s> {
    fn get(&self, name: &str) -> JsResult<Value<'s>> {
        self.js.get_named(self.object, name)
    }

    fn given(&self, name: &str) -> JsResult<Option<Value<'s>>> {
        let value = self.get(name)?;
        Ok(if self.js.is_undefined(value)? { None } else { Some(value) })
    }

    fn number(&self, name: &str) -> JsResult<Option<f64>> {
        self.given(name)?.map(|value| self.js.number_of(value)).transpose()
    }

    fn size(&self, name: &str) -> JsResult<Option<usize>> {
        Ok(self.number(name)?.map(|number| usize::try_from(whole(number)).unwrap_or(usize::MAX)))
    }

    fn id(&self) -> JsResult<u32> {
        Ok(number_as_id(self.js.number_of(self.get("id")?)?))
    }

    fn list<T>(&self, name: &str, read: impl Fn(Value<'s>) -> JsResult<T>) -> JsResult<Vec<T>> {
        let list = self.get(name)?;
        (0..self.js.array_length(list)?).map(|index| read(self.js.get_index(list, index)?)).collect()
    }

    fn strings(&self, name: &str) -> JsResult<Vec<String>> {
        self.list(name, |string| self.js.string_of(string))
    }

    fn preopens(&self) -> JsResult<Vec<Preopen>> {
        let js = self.js;
        self.list("preopens", |object| {
            let preopen = Reader { js, object };
            Ok(Preopen {
                name: js.string_of(preopen.get("guest")?)?,
                path: js.string_of(preopen.get("path")?)?,
                read_only: js.truthy(preopen.get("readOnly")?)?,
            })
        })
    }

    fn limits(&self) -> JsResult<Limits> {
        Ok(Limits {
            memory: self.number("memory")?.map(whole),
            table_elements: self.number("tableElements")?.map(whole),
            stack: self.size("stack")?,
            fuel: self.number("fuel")?.map(whole),
            open_files: self.size("openFiles")?,
            stdout: self.size("stdout")?,
        })
    }
}

/// A number that `lib/` has made sure is whole and not negative.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "out of range it becomes the nearest there is"
)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

fn number_as_id(number: f64) -> u32 {
    u32::try_from(whole(number)).unwrap_or(u32::MAX)
}

/// What an object of ours holds.
pub(super) fn held<'s, T: 'static>(js: Js<'s>, object: Value<'s>) -> JsResult<Arc<T>> {
    if js.type_of(object)? == Type::Object
        && let Some(held) = js.held::<Arc<T>>(object)?
    {
        return Ok(held);
    }
    Err(js.throw(js.error(ErrorKind::TypeError, None, js.string("not an object of wasi-rs")?)?))
}

/// The number of a ticket, bytes, `'capture'` or `'ignore'`.
fn read_stdio<'s>(js: Js<'s>, stdio: Value<'s>, index: u32) -> JsResult<Stdio> {
    let value = js.get_index(stdio, index)?;
    Ok(match js.type_of(value)? {
        Type::Number => Stdio::Ticket(whole(js.number_of(value)?)),
        Type::String if js.string_of(value)? == "ignore" => Stdio::Ignore,
        Type::String => Stdio::Capture,
        _ => Stdio::Bytes(js.uint8_array(value)?.unwrap_or_default()),
    })
}

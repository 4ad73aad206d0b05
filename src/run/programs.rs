//! The functions of programs: made from a path or bytes, asked about, compiled.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::permission::{Scope, require_path, require_wasi};
use crate::run::outcome::program_error_to_js;
use crate::run::reader::{Reader, held, number_as_id, whole};
use crate::run::requests::{Cancel, Requests};
use crate::run::v8_program::V8Program;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::error::{Form, ProgramError};
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::rewrite::v8_module::V8Module;
use wasi_rs_runner::background::BACKGROUND;
use wasi_rs_runner::cache::{self, Cache};
use wasi_rs_runner::compilations::{self, Made};
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::mode::Mode;
use wasi_rs_runner::prepared::Prepared;
use wasi_rs_runner::scheduler::SCHEDULER;
use wasi_rs_runner::source::Source;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, MakeProgram::NAME, js.function::<MakeProgram>(0)?)?;
    js.set_named(object, MakeCache::NAME, js.function::<MakeCache>(0)?)?;
    js.set_named(object, Ask::NAME, js.function::<Ask>(0)?)?;
    js.set_named(object, InterfaceHere::NAME, js.function::<InterfaceHere>(0)?)?;
    js.set_named(object, CancelAnswer::NAME, js.function::<CancelAnswer>(0)?)?;
    js.set_named(object, CompileLater::NAME, js.function::<CompileLater>(0)?)?;
    js.set_named(object, Uncompiled::NAME, js.function::<Uncompiled>(0)?)
}

/// `uncompiled(why)`: the reason why V8 does not compile a module, in V8's words, to follow the program's
/// name.
struct Uncompiled;

impl Method for Uncompiled {
    const NAME: &'static str = "uncompiled";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let why = call.js.coerce_to_string(call.args[0])?;
        call.js.string(&ProgramError::Uncompiled(why).to_string())
    }
}

/// `program({ source, isCode?, isForAny?, cache?, cacheSize? })`: a program from a path or from bytes, a
/// command or for any purpose. Nothing is read or checked yet.
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
        let purpose = if js.truthy(options.get("isForAny")?)? { Purpose::Any } else { Purpose::Command };
        let size = options.number("cacheSize")?.map_or(cache::SIZE, whole);
        let cache = options.given("cache")?.map(|folder| cache_at(js, folder, size)).transpose()?;
        js.hold(Arc::new(Executable::new(source, purpose, cache)))
    }
}

fn cache_at(js: Js<'_>, folder: Value<'_>, size: u64) -> JsResult<Cache> {
    require_path(js, &[Scope::Read, Scope::Write], &js.string_of(folder)?).map(|folder| Cache::new(folder, size))
}

/// `cache(folder)`: makes a folder for machine code. The result says why nothing can be kept there; undefined
/// if it can.
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

/// `ask(requests, { id, program, question, limits })`: has the program compiled, serialized, described,
/// instrumented, made ready for V8, or asks if it is ready; the answer is `{ value }` or `{ end, message }`.
struct Ask;

impl Method for Ask {
    const NAME: &'static str = "ask";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        require_wasi(js)?;
        let request = Reader { js, object: call.args[1] };
        let program = held::<Executable>(js, request.get("program")?)?;
        let (id, limits) = (request.id()?, Reader { js, object: request.get("limits")? }.limits()?);
        let question = js.string_of(request.get("question")?)?;
        requests.expect(js);
        if let Some(take) = taker(&question) {
            let (asked, answer) = (Arc::clone(&program), Arc::clone(&requests));
            let then = move |made: Made| respond(answer, id, made.and_then(|prepared| take(&asked, prepared)));
            // Its message is received on this thread, and so after this.
            if let Some(wait) = compilations::prepare(&program, Mode::of(&limits), Box::new(then)) {
                requests.keep(id, Cancel::Wait(wait));
            }
            return js.undefined();
        }
        let answer = Arc::clone(&requests);
        let cancellation = Cancellation::default();
        requests.keep(id, Cancel::Search(cancellation.clone()));
        let submitted = SCHEDULER.submit(Box::new(move || {
            let search = || cancellation.check().and_then(|()| search_for(&program, &question, &limits, &cancellation));
            let found = catch_unwind(AssertUnwindSafe(search));
            respond(answer, id, found.unwrap_or_else(|_| Err(ProgramError::Wrong("made wasi-rs panic".to_owned()))));
        }));
        if let Err(error) = submitted {
            respond(
                requests,
                id,
                Err(ProgramError::Wrong(format!("can't be read: no thread could be started: {error}"))),
            );
        }
        js.undefined()
    }
}

/// `interfaceHere(program, limits)`: what `ask` has for 'interface', on the calling thread, which waits until
/// the program is compiled.
struct InterfaceHere;

impl Method for InterfaceHere {
    const NAME: &'static str = "interfaceHere";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        let program = held::<Executable>(js, call.args[0])?;
        let limits = Reader { js, object: call.args[1] }.limits()?;
        match program.make_here(Mode::of(&limits)).and_then(|prepared| interface_of(&program, prepared)) {
            Ok(found) => found.into_js(js),
            Err(error) => program_error_to_js(js, &error),
        }
    }
}

/// `cancel(requests, id)`: cancels the search for an answer: the answer comes soon, and is an error.
struct CancelAnswer;

impl Method for CancelAnswer {
    const NAME: &'static str = "cancel";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        let id = number_as_id(js.number_of(call.args[1])?);
        requests.cancel(id);
        js.undefined()
    }
}

/// Callback that makes the answer from a program that is ready to run.
type Taker = fn(&Executable, Arc<Prepared>) -> Result<Found, ProgramError>;

/// The callback that answers a question when the program is ready to run.
fn taker(question: &str) -> Option<Taker> {
    match question {
        "compile" => Some(|program, prepared| {
            program.keep(prepared);
            Ok(Found::Nothing)
        }),
        "interface" => Some(interface_of),
        "serialize" => Some(|_, prepared| Ok(Found::Bytes(prepared.serialize()?))),
        _ => None,
    }
}

/// The description of a component's functions and types, as JSON; nothing for a module.
fn interface_of(program: &Executable, prepared: Arc<Prepared>) -> Result<Found, ProgramError> {
    let found = prepared.interface().map_or(Found::Nothing, |json| Found::Text(json.to_owned()));
    program.keep(prepared);
    Ok(found)
}

/// Answers a question about a program.
pub fn respond(requests: Arc<Requests>, id: u32, found: Result<Found, ProgramError>) {
    requests.respond(id, move |js| match found {
        Ok(found) => found.into_js(js),
        Err(error) => program_error_to_js(js, &error),
    });
}

/// The answer to a question about a program.
pub enum Found {
    /// Nothing.
    Nothing,
    /// True or false.
    Truth(bool),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A module that is ready for V8.
    V8Module(V8Module),
}

impl Found {
    fn into_js(self, js: Js<'_>) -> JsResult<Value<'_>> {
        let answer = js.object()?;
        let value = match self {
            Self::Nothing => js.undefined()?,
            Self::Truth(truth) => js.boolean(truth)?,
            Self::Text(text) => js.string(&text)?,
            Self::Bytes(bytes) => js.owned_buffer(bytes)?,
            Self::V8Module(module) => V8Program::new(module).owned_by(js)?,
        };
        js.set_named(answer, "value", value)?;
        Ok(answer)
    }
}

/// Finds the answer to a question.
fn search_for(
    program: &Executable,
    question: &str,
    limits: &Limits,
    cancellation: &Cancellation,
) -> Result<Found, ProgramError> {
    match question {
        "forV8" => program.for_v8(limits, cancellation).map(Found::V8Module),
        "forMainThread" => program.for_main_thread(cancellation).map(Found::V8Module),
        "instrument" => program.instrument(cancellation).map(Found::Bytes),
        "isComponent" => program.form().map(|form| Found::Truth(form == Form::Component)),
        "isKept" => program.is_kept(Mode::of(limits), cancellation).map(Found::Truth),
        "isReady" => program.is_ready(Mode::of(limits), cancellation).map(Found::Truth),
        "types" => program.types(cancellation).map(|json| json.map_or(Found::Nothing, Found::Text)),
        other => Err(ProgramError::Wrong(format!("was asked for '{other}'"))),
    }
}

/// `compileLater(requests, { program, delay })`: has machine code made in the background, after a delay in
/// milliseconds. False if there is no room for it.
struct CompileLater;

impl Method for CompileLater {
    const NAME: &'static str = "compileLater";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        let request = Reader { js, object: call.args[1] };
        let program = held::<Executable>(js, request.get("program")?)?;
        let delay = Duration::from_millis(request.number("delay")?.map_or(0, whole));
        js.boolean(BACKGROUND.add(program, delay, requests.number()))
    }
}

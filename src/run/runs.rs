//! The functions of runs, in both engines: started, ended early.

use crate::node_api::{Call, Js, JsResult, Method, Value};
use crate::permission::require_wasi;
use crate::process::trace_file;
use crate::run::host::{Hosted, ask_by_message, host_calls, show_here};
use crate::run::outcome::outcome_to_js;
use crate::run::reader::{Reader, float, held, number_as_id, whole};
use crate::run::requests::{Cancel, Requests};
use crate::run::tickets::ends_to_js;
use crate::run::v8_program::{V8Program, WAITING};
use std::sync::Arc;
use wasi_rs_core::watch::{Form, Selection, Sink};
use wasi_rs_runner::exchange::Ends;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::host_calls::Ask;
use wasi_rs_runner::in_wasmtime;
use wasi_rs_runner::outcome::{Finish, Outcome};
use wasi_rs_runner::plan::{Destination, Http, OnBegin, Plan, Request, Tracing};
use wasi_rs_runner::run::Engine;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, Start::NAME, js.function::<Start>(0)?)?;
    js.set_named(object, StartInV8::NAME, js.function::<StartInV8>(0)?)?;
    js.set_named(object, EndRun::NAME, js.function::<EndRun>(0)?)
}

/// A run that is asked for.
pub struct Asked {
    /// The requests of its environment.
    pub requests: Arc<Requests>,
    /// The number of the request.
    pub id: u32,
    /// Its plan.
    pub plan: Plan,
}

impl Asked {
    /// Reads the arguments of `start` and its like.
    pub fn read<'s>(
        call: &Call<'s>,
        engine: Engine,
        ask: impl FnOnce(&Arc<Requests>, u32) -> Ask,
    ) -> JsResult<(Self, Reader<'s>)> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        require_wasi(js)?;
        let request = Reader { js, object: call.args[1] };
        let max_buffer = Reader { js, object: request.get("maxBuffer")? };
        let stdio = Reader { js, object: request.get("stdio")? };
        let id = request.id()?;
        let on_begin = if js.truthy(request.get("onBegin")?)? { tell_begin(&requests, id) } else { OnBegin::default() };
        let plan = Plan {
            args: request.strings("args")?,
            env: request.strings("env")?,
            preopens: request.preopens()?,
            fixed: request.fixed()?,
            trace: tracing(&request)?,
            tally: if js.truthy(request.get("byCall")?)? { Some(Arc::default()) } else { None },
            stdio: [stdio.stdio(0)?, stdio.stdio(1)?, stdio.stdio(2)?],
            max_buffer: [max_buffer.size("stdout")?, max_buffer.size("stderr")?].map(|most| most.unwrap_or(usize::MAX)),
            limits: Reader { js, object: request.get("limits")? }.limits()?,
            concurrency: request.size("concurrency")?.unwrap_or(engine.concurrency()),
            host: host_calls(&request, || ask(&requests, id))?,
            sockets: request.sockets()?,
            http: Http {
                exchange: exchange_of(&request)?,
                request: if js.truthy(request.get("fetches")?)? { Some(tell_request(&requests, id)) } else { None },
            },
            on_begin,
        };
        Ok((Self { requests, id, plan }, request))
    }

    /// Answers with the outcome.
    fn finish(&self) -> Finish {
        let (requests, id) = (Arc::clone(&self.requests), self.id);
        Box::new(move |outcome: Outcome| requests.respond(id, move |js| outcome_to_js(js, &outcome)))
    }
}

/// Where calls are shown: `trace: { ticket?, isHere?, isText, selection }`, on stderr without a ticket.
fn tracing(request: &Reader<'_>) -> JsResult<Option<Tracing>> {
    let js = request.js;
    let Some(object) = request.given("trace")? else { return Ok(None) };
    let trace = Reader { js, object };
    let to = match trace.number("ticket")? {
        Some(number) => Some(Destination::Ticket(whole(number))),
        None if js.truthy(trace.get("isHere")?)? => Some(Destination::Sink(Sink::Function(Box::new(show_here)))),
        None => trace_file().map(|file| Destination::Sink(Sink::File(file))),
    };
    let form = if js.truthy(trace.get("isText")?)? { Form::Text } else { Form::Json };
    let chosen = Reader { js, object: trace.get("selection")? };
    let half = |name| Ok(chosen.number(name)?.map_or(0, whole));
    let calls = half("low")? | half("high")? << 32;
    let selection = Selection { calls, errors: js.truthy(chosen.get("errors")?)? };
    Ok(to.map(|to| Tracing { to, form, selection }))
}

/// Asks an environment that never waits.
fn ask_by_messages(requests: &Arc<Requests>, id: u32) -> Ask {
    ask_by_message(requests, id, &Arc::default())
}

/// A function that sends the message `{ exchange: { input, output } }` when a guest begins a request of HTTP:
/// the numbers of descriptors, the receiver's to close.
fn tell_request(requests: &Arc<Requests>, id: u32) -> Request {
    let requests = Arc::clone(requests);
    Box::new(move |ends| {
        requests.send(id, |js| {
            let message = js.object()?;
            js.set_named(message, "exchange", ends_to_js(js, ends)?)?;
            Ok(message)
        });
    })
}

/// The tickets for the exchange of HTTP that a run is to answer.
fn exchange_of(request: &Reader<'_>) -> JsResult<Option<Ends<u64>>> {
    let Some(object) = request.given("exchange")? else { return Ok(None) };
    let tickets = Reader { js: request.js, object };
    let number = |name| Ok(tickets.number(name)?.map_or(0, whole));
    Ok(Some(Ends { input: number("input")?, output: number("output")? }))
}

/// A function that sends the message `{ hasBegun }` when a run begins.
fn tell_begin(requests: &Arc<Requests>, id: u32) -> OnBegin {
    let requests = Arc::clone(requests);
    OnBegin(Some(Box::new(move || {
        requests.send(id, |js| {
            let message = js.object()?;
            js.set_named(message, "hasBegun", js.boolean(true)?)?;
            Ok(message)
        });
    })))
}

/// `start(requests, { id, program, args, env, preopens, stdio, limits, concurrency?, fixed?, trace?, byCall?,
/// imports?, exchange?, fetches?, sockets?, onBegin? })`: runs the program in wasmtime; the answer is its
/// outcome. The result is the guest for `answer`, if there are functions of the embedder. With `onBegin`, a
/// message `{ hasBegun }` comes before, unless the program does not begin; with `fetches`, messages `{
/// exchange }`.
struct Start;

impl Method for Start {
    const NAME: &'static str = "start";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (asked, request) = Asked::read(call, Engine::Wasmtime, ask_by_messages)?;
        let program = held::<Executable>(call.js, request.get("program")?)?;
        asked.requests.expect(call.js);
        let (finish, host) = (asked.finish(), asked.plan.host.clone());
        let run = in_wasmtime::start(program, asked.plan, finish);
        // It may be over already; but its message is received on this thread, and so after this.
        asked.requests.keep(asked.id, Cancel::Run(run));
        match host {
            Some(host) => call.js.hold(Arc::new(Hosted::run(asked.requests, asked.id, host))),
            None => call.js.undefined(),
        }
    }
}

/// `startInV8(requests, { id, program, args, env, preopens, stdio, limits, concurrency?, trace?, byCall?,
/// onBegin? })`: queues a run of a program of V8. A message `{ begin }` with its number for `guest` says that
/// it has a slot; the answer is its outcome.
struct StartInV8;

impl Method for StartInV8 {
    const NAME: &'static str = "startInV8";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (asked, request) = Asked::read(call, Engine::V8, ask_by_messages)?;
        let program = held::<V8Program>(call.js, request.get("program")?)?;
        asked.requests.expect(call.js);
        let (finish, id, sender) = (asked.finish(), asked.id, Arc::clone(&asked.requests));
        let begin = move |number| {
            sender.send(id, move |js| {
                let message = js.object()?;
                js.set_named(message, "begin", js.number(float(number))?)?;
                Ok(message)
            });
        };
        let population = asked.requests.v8_runs.clone();
        let run = WAITING.start(population, program, asked.plan, Box::new(begin), finish);
        asked.requests.keep(id, Cancel::Run(run));
        call.js.undefined()
    }
}

/// `end(requests, id)`: ends a run early.
struct EndRun;

impl Method for EndRun {
    const NAME: &'static str = "end";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, requests) = (call.js, held::<Requests>(call.js, call.args[0])?);
        requests.cancel(number_as_id(js.number_of(call.args[1])?));
        js.undefined()
    }
}

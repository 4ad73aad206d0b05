//! The functions with which `lib/` hands descriptors over to guests, in the form of tickets (see
//! [`handover`](wasi_rs_runner::handover)).

use crate::class::trace;
use crate::errors;
use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Thrown, Value};
use crate::process::is_host_stream;
use crate::process::pipes::{Pipe, own_descriptor};
use crate::run::reader::{float, held, whole};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::host::file::OwnedHandle;
use wasi_rs_runner::exchange::{self, Ends};
use wasi_rs_runner::handover::{Given, Ticket};

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, MakePipe::NAME, js.function::<MakePipe>(0)?)?;
    js.set_named(object, MakeExchange::NAME, js.function::<MakeExchange>(0)?)?;
    js.set_named(object, OpenTrace::NAME, js.function::<OpenTrace>(0)?)?;
    js.set_named(object, HandOver::NAME, js.function::<HandOver>(0)?)?;
    js.set_named(object, CloseTicket::NAME, js.function::<CloseTicket>(0)?)
}

/// `pipe(isInput)`: a new pipe that a guest reads, or writes, as `{ fd, ticket }`: the number of this end,
/// the caller's to close, and a ticket for the guest's.
struct MakePipe;

impl Method for MakePipe {
    const NAME: &'static str = "pipe";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let is_input = js.truthy(call.args[0])?;
        let Pipe { here, there } = Pipe::new(is_input).map_err(|error| cant_make(js, "a pipe", error.into()))?;
        let result = js.object()?;
        js.set_named(result, "fd", js.number(here.into())?)?;
        js.set_named(result, "ticket", ticket_to_js(js, Given { file: there, is_host_stream: false })?)?;
        Ok(result)
    }
}

fn cant_make(js: Js<'_>, what: &str, errno: Errno) -> Thrown {
    let message = js.string(&format!("can't make {what}: {}", errno.text()));
    match message.and_then(|message| js.error(ErrorKind::Error, Some(errno.name()), message)) {
        Ok(error) => js.throw(error),
        Err(thrown) => thrown,
    }
}

/// `{ input, output }`: the numbers of the embedder's ends of an exchange.
pub fn ends_to_js(js: Js<'_>, Ends { input, output }: Ends<OwnedHandle>) -> JsResult<Value<'_>> {
    let result = js.object()?;
    js.set_named(result, "input", js.number(input.into_raw_fd().into())?)?;
    js.set_named(result, "output", js.number(output.into_raw_fd().into())?)?;
    Ok(result)
}

/// `exchange()`: the sockets of a new exchange of HTTP. `{ here, input, output }`: the numbers of these ends,
/// as `{ input, output }`, the caller's to close, and tickets for the guest's.
struct MakeExchange;

impl Method for MakeExchange {
    const NAME: &'static str = "exchange";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let (here, there) = exchange::pair().map_err(|errno| cant_make(js, "a socket", errno))?;
        let result = js.object()?;
        js.set_named(result, "here", ends_to_js(js, here)?)?;
        js.set_named(result, "input", ticket_to_js(js, Given { file: there.input, is_host_stream: false })?)?;
        js.set_named(result, "output", ticket_to_js(js, Given { file: there.output, is_host_stream: false })?)?;
        Ok(result)
    }
}

/// `handOver(fd, name)`: a ticket for a copy of this descriptor.
struct HandOver;

impl Method for HandOver {
    const NAME: &'static str = "handOver";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [number, name, ..]) = (call.js, call.args);
        let fd = i32::try_from(whole(js.number_of(number)?)).unwrap_or(-1);
        match own_descriptor(fd) {
            Ok(file) => ticket_to_js(js, Given { file, is_host_stream: is_host_stream(fd) }),
            Err(error) => {
                let what = format!("can't use the descriptor {fd} of options.{}", js.string_of(name)?);
                Err(errors::not_initialized(js, error.into(), &what))
            }
        }
    }
}

/// `openTrace(path, option)`: a ticket for the file that calls are shown in, as the option says.
struct OpenTrace;

impl Method for OpenTrace {
    const NAME: &'static str = "openTrace";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [path, option, ..]) = (call.js, call.args);
        let file = trace::open(js, &js.string_of(path)?, &js.string_of(option)?)?;
        ticket_to_js(js, Given { file, is_host_stream: false })
    }
}

/// `close(ticket)`: closes its descriptor, unless it has been taken. So do the garbage collection of the
/// ticket and the end of its environment.
struct CloseTicket;

impl Method for CloseTicket {
    const NAME: &'static str = "close";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        held::<Ticket>(call.js, call.args[0])?.close();
        call.js.undefined()
    }
}

/// A ticket, as an object with its `number`.
fn ticket_to_js(js: Js<'_>, given: Given) -> JsResult<Value<'_>> {
    let ticket = Arc::new(Ticket::new(given));
    let number = js.number(float(ticket.number()))?;
    let object = js.hold(ticket)?;
    js.set_named(object, "number", number)?;
    Ok(object)
}

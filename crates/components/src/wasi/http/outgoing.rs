//! Requests and responses that a guest makes.

use super::budget::Charge;
use super::codes;
use super::exchange::{Exchange, MOST_HEAD};
use super::fields::{Entries, Fields, content_length, parts_of, size_of_entries};
use super::frames::{HEADER, Kind, joined, push};
use super::incoming::FutureIncomingResponse;
use super::lock;
use super::request_line::RequestLine;
use crate::wasi::errors::StreamFailed;
use crate::wasi::generated::http::outgoing_handler;
use crate::wasi::generated::http::types::{self, ErrorCode, Method, Scheme};
use crate::wasi::poll::Pollable;
use crate::wasi::streams::OutputStream;
use crate::wasi::{Failed, View};
use std::sync::{Arc, Mutex};
use wasmtime::Result;
use wasmtime::component::Resource;

/// The bytes of a body that may be written at once, and before it is sent. There is room for them in a socket
/// that can be written to.
pub const ROOM: usize = 64 << 10;

/// The most requests of a guest that are made at a time. Each takes four descriptors of the process.
const MOST_REQUESTS: usize = 64;

/// The name of the error of a body that is not as long as its message declares.
pub const BODY_SIZE: &[u8] = b"HTTP-request-body-size";

/// Nanoseconds of a millisecond.
const MILLISECOND: u64 = 1_000_000;

/// The resource `outgoing-request`.
#[derive(Debug)]
pub struct OutgoingRequest {
    line: RequestLine,
    message: Message,
}

/// The resource `outgoing-response`.
#[derive(Debug)]
pub struct OutgoingResponse {
    status: u16,
    message: Message,
}

/// The parts that both have.
#[derive(Debug)]
struct Message {
    headers: Entries,
    body: Shared,
    has_body: bool,
    charge: Charge,
}

/// A body, that of a message and of the resource `outgoing-body` alike.
pub type Shared = Arc<Mutex<Sending>>;

/// A body on its way.
#[derive(Debug)]
pub struct Sending {
    way: Way,
    /// The length that the headers declare.
    declared: Option<u64>,
    /// The bytes that were written.
    written: u64,
}

#[derive(Debug)]
enum Way {
    /// The message has not been sent: these frames wait for that. The body may have ended already.
    Waiting { frames: Vec<u8>, charge: Charge, is_ended: bool },
    /// It is being sent.
    Sent(Arc<Exchange>),
    /// It is over.
    Over,
}

/// The resource `outgoing-body`.
#[derive(Debug)]
pub struct OutgoingBody {
    body: Shared,
    has_stream: bool,
}

/// The resource `response-outparam`.
#[derive(Debug)]
pub struct ResponseOutparam(Arc<Exchange>);

/// The resource `request-options`: times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// The most until the connection is there.
    pub connect: Option<u64>,
    /// The most until the response begins.
    pub first_byte: Option<u64>,
    /// The most between two pieces of the response.
    pub between_bytes: Option<u64>,
}

impl OutgoingRequest {
    fn text_size(&self) -> usize {
        self.line.size().saturating_add(size_of_entries(&self.message.headers))
    }

    /// Sets a part. An error, which ends the guest, if it takes too much memory.
    fn set(&mut self, set: impl FnOnce(&mut RequestLine) -> std::result::Result<(), ()>) -> Set {
        let is_set = set(&mut self.line);
        let size = self.text_size();
        self.message.charge.resize(size)?;
        Ok(is_set)
    }
}

/// A result without a reason.
type Set = Result<std::result::Result<(), ()>>;

impl View<'_> {
    fn new_message(&mut self, headers: Resource<Fields>) -> Result<Message> {
        let headers = self.take_fields(headers)?;
        let charge = self.wasi.budget.charge(size_of_entries(&headers))?;
        let declared = content_length(&headers).unwrap_or_default();
        let way = Way::Waiting { frames: Vec::new(), charge: self.wasi.budget.charge(0)?, is_ended: false };
        let body = Arc::new(Mutex::new(Sending { way, declared, written: 0 }));
        Ok(Message { headers, body, has_body: false, charge })
    }

    fn request(&mut self, request: &Resource<OutgoingRequest>) -> Result<&mut OutgoingRequest> {
        Ok(self.wasi.table.get_mut(request)?)
    }

    fn take_body(&mut self, body: Option<Shared>) -> Result<std::result::Result<Resource<OutgoingBody>, ()>> {
        let Some(body) = body else { return Ok(Err(())) };
        Ok(Ok(self.wasi.table.push(OutgoingBody { body, has_stream: false })?))
    }

    /// Sends a message: its head, and what has been written of its body.
    fn send(&mut self, message: &Message, head: &[u8], exchange: Arc<Exchange>) -> Result<()> {
        let mut sent = Vec::new();
        push(&mut sent, Kind::Head, head);
        if !message.has_body {
            // One without a body may declare a length only for a HEAD, of which nobody reads a body.
            match lock(&message.body).declared {
                Some(1..) => push(&mut sent, Kind::Failed, &joined([BODY_SIZE])),
                _ => push(&mut sent, Kind::End, &[]),
            }
        }
        if let Way::Waiting { frames, .. } = &lock(&message.body).way {
            sent.extend(frames);
        }
        self.write_frames(exchange.output(), sent)?;
        {
            let mut body = lock(&message.body);
            if message.has_body && matches!(body.way, Way::Waiting { is_ended: false, .. }) {
                body.way = Way::Sent(exchange);
                return Ok(());
            }
            body.way = Way::Over;
        }
        self.release_exchange(exchange)
    }

    /// Writes frames. If nobody reads them, it is seen by who waits for an answer.
    fn write_frames(&mut self, fd: u32, frames: Vec<u8>) -> Result<()> {
        match self.write_to(fd, &frames) {
            Err(StreamFailed::Failed(Failed::Trap(error))) => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends a body with a frame.
    fn end_body(&mut self, body: &Shared, kind: Kind, content: &[u8]) -> Result<()> {
        let mut frame = Vec::new();
        push(&mut frame, kind, content);
        let sent = {
            let mut body = lock(body);
            match &mut body.way {
                Way::Waiting { frames, is_ended, .. } => {
                    if !std::mem::replace(is_ended, true) {
                        frames.extend(frame);
                    }
                    return Ok(());
                }
                Way::Over => return Ok(()),
                Way::Sent(_) => std::mem::replace(&mut body.way, Way::Over),
            }
        };
        let Way::Sent(exchange) = sent else { return Ok(()) };
        self.write_frames(exchange.output(), frame)?;
        self.release_exchange(exchange)
    }

    /// The bytes that may be written of a body now.
    pub fn room_of_body(&mut self, body: &Shared) -> std::result::Result<usize, StreamFailed> {
        let fd = {
            let body = lock(body);
            match &body.way {
                Way::Over | Way::Waiting { is_ended: true, .. } => return Err(StreamFailed::Closed),
                Way::Waiting { frames, .. } => {
                    return match ROOM.saturating_sub(frames.len()) {
                        0 => Err(too_early()),
                        room => Ok(room),
                    };
                }
                Way::Sent(exchange) => exchange.output(),
            }
        };
        let is_ready = self.is_ready(Pollable::Write(fd)).map_err(Failed::Trap)?;
        Ok(if is_ready { ROOM } else { 0 })
    }

    /// The pollable of a body's stream.
    pub fn pollable_of_body(body: &Shared) -> Pollable {
        match &lock(body).way {
            Way::Sent(exchange) => Pollable::Write(exchange.output()),
            _ => Pollable::Ready,
        }
    }

    /// Writes bytes of a body; waits where there is no room.
    pub fn write_body(&mut self, body: &Shared, bytes: &[u8]) -> std::result::Result<(), StreamFailed> {
        let (fd, frame) = {
            let mut body = lock(body);
            let written = body.written.saturating_add(bytes.len() as u64);
            if body.declared.is_some_and(|declared| written > declared) {
                return Err(StreamFailed::Http(ErrorCode::HttpRequestBodySize(Some(written))));
            }
            body.written = written;
            let mut frame = Vec::with_capacity(bytes.len().saturating_add(HEADER));
            push(&mut frame, Kind::Data, bytes);
            match &mut body.way {
                Way::Over | Way::Waiting { is_ended: true, .. } => return Err(StreamFailed::Closed),
                Way::Waiting { frames, charge, .. } => {
                    if frames.len().saturating_add(bytes.len()) > ROOM.saturating_mul(2) {
                        return Err(too_early());
                    }
                    frames.extend(frame);
                    charge.resize(frames.len()).map_err(Failed::Trap)?;
                    return Ok(());
                }
                Way::Sent(exchange) => (exchange.output(), frame),
            }
        };
        self.write_to(fd, &frame)
    }
}

fn too_early() -> StreamFailed {
    let why = format!("more than {ROOM} bytes of a body were written before its message was sent");
    StreamFailed::Http(ErrorCode::InternalError(Some(why)))
}

impl types::HostOutgoingRequest for View<'_> {
    fn new(&mut self, headers: Resource<Fields>) -> Result<Resource<OutgoingRequest>> {
        let message = self.new_message(headers)?;
        let request = OutgoingRequest { line: RequestLine::new(), message };
        Ok(self.wasi.table.push(request)?)
    }

    fn body(&mut self, request: Resource<OutgoingRequest>) -> Result<std::result::Result<Resource<OutgoingBody>, ()>> {
        let body = self.request(&request)?.message.take_body();
        self.take_body(body)
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> Result<Method> {
        Ok(self.request(&request)?.line.method.clone())
    }

    fn set_method(&mut self, request: Resource<OutgoingRequest>, method: Method) -> Set {
        self.request(&request)?.set(|line| line.set_method(method))
    }

    fn path_with_query(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<String>> {
        Ok(self.request(&request)?.line.path.clone())
    }

    fn set_path_with_query(&mut self, request: Resource<OutgoingRequest>, path: Option<String>) -> Set {
        self.request(&request)?.set(|line| line.set_path(path))
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<Scheme>> {
        Ok(self.request(&request)?.line.scheme.clone())
    }

    fn set_scheme(&mut self, request: Resource<OutgoingRequest>, scheme: Option<Scheme>) -> Set {
        self.request(&request)?.set(|line| line.set_scheme(scheme))
    }

    fn authority(&mut self, request: Resource<OutgoingRequest>) -> Result<Option<String>> {
        Ok(self.request(&request)?.line.authority.clone())
    }

    fn set_authority(&mut self, request: Resource<OutgoingRequest>, authority: Option<String>) -> Set {
        self.request(&request)?.set(|line| line.set_authority(authority))
    }

    fn headers(&mut self, request: Resource<OutgoingRequest>) -> Result<Resource<Fields>> {
        let headers = self.request(&request)?.message.headers.clone();
        self.push_fields(headers, true)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> Result<()> {
        self.wasi.table.delete(request)?;
        Ok(())
    }
}

impl Message {
    /// The body, once.
    fn take_body(&mut self) -> Option<Shared> {
        let is_first = !std::mem::replace(&mut self.has_body, true);
        is_first.then(|| Arc::clone(&self.body))
    }
}

impl types::HostOutgoingResponse for View<'_> {
    fn new(&mut self, headers: Resource<Fields>) -> Result<Resource<OutgoingResponse>> {
        let message = self.new_message(headers)?;
        Ok(self.wasi.table.push(OutgoingResponse { status: 200, message })?)
    }

    fn status_code(&mut self, response: Resource<OutgoingResponse>) -> Result<u16> {
        Ok(self.wasi.table.get(&response)?.status)
    }

    fn set_status_code(&mut self, response: Resource<OutgoingResponse>, status: u16) -> Set {
        if !(100..1000).contains(&status) {
            return Ok(Err(()));
        }
        self.wasi.table.get_mut(&response)?.status = status;
        Ok(Ok(()))
    }

    fn headers(&mut self, response: Resource<OutgoingResponse>) -> Result<Resource<Fields>> {
        let headers = self.wasi.table.get(&response)?.message.headers.clone();
        self.push_fields(headers, true)
    }

    fn body(
        &mut self,
        response: Resource<OutgoingResponse>,
    ) -> Result<std::result::Result<Resource<OutgoingBody>, ()>> {
        let body = self.wasi.table.get_mut(&response)?.message.take_body();
        self.take_body(body)
    }

    fn drop(&mut self, response: Resource<OutgoingResponse>) -> Result<()> {
        self.wasi.table.delete(response)?;
        Ok(())
    }
}

impl types::HostOutgoingBody for View<'_> {
    fn write(&mut self, body: Resource<OutgoingBody>) -> Result<std::result::Result<Resource<OutputStream>, ()>> {
        let OutgoingBody { body, has_stream } = self.wasi.table.get_mut(&body)?;
        if std::mem::replace(has_stream, true) {
            return Ok(Err(()));
        }
        let stream = OutputStream::body(Arc::clone(body));
        Ok(Ok(self.wasi.table.push(stream)?))
    }

    fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> Result<std::result::Result<(), ErrorCode>> {
        let OutgoingBody { body, .. } = self.wasi.table.delete(body)?;
        let trailers = trailers.map(|trailers| self.take_fields(trailers)).transpose()?;
        let short = {
            let body = lock(&body);
            body.declared.filter(|declared| *declared != body.written).map(|_| body.written)
        };
        if let Some(written) = short {
            self.end_body(&body, Kind::Failed, &joined([BODY_SIZE]))?;
            return Ok(Err(ErrorCode::HttpRequestBodySize(Some(written))));
        }
        match trailers.map(|entries| content_of_trailers(&entries)) {
            Some(Err(code)) => {
                self.end_body(&body, Kind::Failed, &joined([b"HTTP-protocol-error".as_slice()]))?;
                return Ok(Err(code));
            }
            Some(Ok(content)) => self.end_body(&body, Kind::Trailers, &content)?,
            None => self.end_body(&body, Kind::End, &[])?,
        }
        Ok(Ok(()))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> Result<()> {
        let OutgoingBody { body, .. } = self.wasi.table.delete(body)?;
        self.end_body(&body, Kind::Failed, &joined([b"HTTP-protocol-error".as_slice()]))
    }
}

impl types::HostResponseOutparam for View<'_> {
    fn set(
        &mut self,
        param: Resource<ResponseOutparam>,
        response: std::result::Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> Result<()> {
        let ResponseOutparam(exchange) = self.wasi.table.delete(param)?;
        match response {
            Ok(response) => {
                let OutgoingResponse { status, message } = self.wasi.table.delete(response)?;
                match head_of_response(status, &message.headers) {
                    Ok(head) => self.send(&message, &head, exchange),
                    Err(code) => self.refuse(exchange, &code),
                }
            }
            Err(code) => self.refuse(exchange, &code),
        }
    }

    fn drop(&mut self, param: Resource<ResponseOutparam>) -> Result<()> {
        let ResponseOutparam(exchange) = self.wasi.table.delete(param)?;
        let why = "response-outparam was dropped, and not set";
        self.refuse(exchange, &ErrorCode::InternalError(Some(why.to_owned())))
    }
}

impl View<'_> {
    /// The parameter by which a guest answers an exchange.
    pub fn response_outparam(&mut self, exchange: Arc<Exchange>) -> Result<Resource<ResponseOutparam>> {
        Ok(self.wasi.table.push(ResponseOutparam(exchange))?)
    }

    /// Sends an error instead of a response.
    fn refuse(&mut self, exchange: Arc<Exchange>, code: &ErrorCode) -> Result<()> {
        self.write_frame(&exchange, Kind::Failed, &codes::content_of(code))?;
        self.release_exchange(exchange)
    }

    /// Writes a frame of an exchange.
    pub fn write_frame(&mut self, exchange: &Exchange, kind: Kind, content: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(content.len().saturating_add(HEADER));
        push(&mut frame, kind, content);
        self.write_frames(exchange.output(), frame)
    }

    fn options(&mut self, options: &Resource<RequestOptions>) -> Result<&mut RequestOptions> {
        Ok(self.wasi.table.get_mut(options)?)
    }
}

impl types::HostRequestOptions for View<'_> {
    fn new(&mut self) -> Result<Resource<RequestOptions>> {
        Ok(self.wasi.table.push(RequestOptions::default())?)
    }

    fn connect_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options(&options)?.connect)
    }

    fn set_connect_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.options(&options)?.connect = time;
        Ok(Ok(()))
    }

    fn first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options(&options)?.first_byte)
    }

    fn set_first_byte_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.options(&options)?.first_byte = time;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        Ok(self.options(&options)?.between_bytes)
    }

    fn set_between_bytes_timeout(&mut self, options: Resource<RequestOptions>, time: Option<u64>) -> Set {
        self.options(&options)?.between_bytes = time;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> Result<()> {
        self.wasi.table.delete(options)?;
        Ok(())
    }
}

impl outgoing_handler::Host for View<'_> {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Result<std::result::Result<Resource<FutureIncomingResponse>, ErrorCode>> {
        let request = self.wasi.table.delete(request)?;
        let options = options.map(|options| self.wasi.table.delete(options)).transpose()?.unwrap_or_default();
        let OutgoingRequest { line, message } = &request;
        let (exchange, head) = match self.open_request(line, &message.headers, &options, message.has_body)? {
            Ok(opened) => opened,
            Err(code) => return Ok(Err(code)),
        };
        let future = self.wasi.table.push(FutureIncomingResponse::new(Arc::clone(&exchange)))?;
        self.send(message, &head, exchange)?;
        Ok(Ok(future))
    }
}

impl View<'_> {
    /// Opens an exchange for a request, and makes the content of its head.
    pub fn open_request(
        &mut self,
        line: &RequestLine,
        headers: &Entries,
        options: &RequestOptions,
        has_body: bool,
    ) -> Result<Opened> {
        if line.authority.is_none() {
            return Ok(Err(ErrorCode::HttpRequestUriInvalid));
        }
        if line.size().saturating_add(size_of_entries(headers)) > MOST_HEAD {
            return Ok(Err(ErrorCode::HttpRequestHeaderSectionSize(None)));
        }
        if content_length(headers).is_err() {
            return Ok(Err(ErrorCode::HttpProtocolError));
        }
        if self.wasi.requests_open() >= MOST_REQUESTS {
            return Ok(Err(ErrorCode::ConnectionLimitReached));
        }
        let sockets = match self.system.open_exchange()? {
            Ok(Some(sockets)) => sockets,
            Ok(None) => return Ok(Err(ErrorCode::HttpRequestDenied)),
            Err(_) => return Ok(Err(ErrorCode::ConnectionLimitReached)),
        };
        let exchange = Arc::new(Exchange::new(sockets, &self.wasi.requests));
        let times = [options.connect, options.first_byte, options.between_bytes]
            .map(|time| time.map(|time| time.div_ceil(MILLISECOND).to_string()).unwrap_or_default());
        let has_body = if has_body { "1" } else { "" };
        let parts = line.parts().into_iter().chain([has_body]).chain(times.iter().map(String::as_str));
        let head = joined(parts.map(str::as_bytes).chain(parts_of(headers)));
        Ok(Ok((exchange, head)))
    }
}

/// An exchange that was opened for a request, and the content of its head; or the reason why it was not.
pub type Opened = std::result::Result<(Arc<Exchange>, Vec<u8>), ErrorCode>;

/// The content of a response's head.
pub fn head_of_response(status: u16, headers: &Entries) -> std::result::Result<Vec<u8>, ErrorCode> {
    if size_of_entries(headers) > MOST_HEAD {
        return Err(ErrorCode::HttpResponseHeaderSectionSize(None));
    }
    if content_length(headers).is_err() {
        return Err(ErrorCode::HttpProtocolError);
    }
    let status = status.to_string();
    Ok(joined([status.as_bytes()].into_iter().chain(parts_of(headers))))
}

/// The content of trailers.
pub fn content_of_trailers(entries: &Entries) -> std::result::Result<Vec<u8>, ErrorCode> {
    if size_of_entries(entries) > MOST_HEAD {
        return Err(ErrorCode::HttpRequestTrailerSectionSize(None));
    }
    Ok(joined(parts_of(entries)))
}

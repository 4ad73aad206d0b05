//! Requests and responses that a guest gets.

use super::budget::Charge;
use super::exchange::{End, Exchange, Want};
use super::fields::{Entries, Fields, size_of_entries};
use super::request_line::RequestLine;
use crate::wasi::errors::IoError;
use crate::wasi::generated::http::types::{self, ErrorCode, Method, Scheme};
use crate::wasi::poll::Pollable;
use crate::wasi::streams::InputStream;
use crate::wasi::{Failed, View};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The resource `incoming-request`.
#[derive(Debug)]
pub struct IncomingRequest {
    line: RequestLine,
    message: Message,
}

/// The resource `incoming-response`.
#[derive(Debug)]
pub struct IncomingResponse {
    status: u16,
    message: Message,
}

/// The parts that both have.
#[derive(Debug)]
struct Message {
    headers: Entries,
    /// The exchange, until the body has been asked for.
    body: Option<Arc<Exchange>>,
    _charge: Charge,
}

/// The resource `incoming-body`.
#[derive(Debug)]
pub struct IncomingBody {
    exchange: Arc<Exchange>,
    has_stream: bool,
}

/// The resource `future-trailers`.
#[derive(Debug)]
pub struct FutureTrailers {
    exchange: Arc<Exchange>,
    is_taken: bool,
}

/// The resource `future-incoming-response`.
#[derive(Debug)]
pub struct FutureIncomingResponse {
    exchange: Arc<Exchange>,
    is_taken: bool,
}

impl FutureIncomingResponse {
    /// The response of an exchange.
    pub const fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, is_taken: false }
    }
}

impl View<'_> {
    fn message(&mut self, headers: Entries, exchange: &Arc<Exchange>) -> Result<Message> {
        let charge = self.wasi.budget.charge(size_of_entries(&headers))?;
        Ok(Message { headers, body: Some(Arc::clone(exchange)), _charge: charge })
    }

    /// The request that the embedder sends in an exchange, which is waited for.
    pub fn incoming_request(&mut self, exchange: Arc<Exchange>) -> Result<Resource<IncomingRequest>> {
        self.block_on(Pollable::Message(Arc::clone(&exchange), Want::Head))?;
        let (line, headers) = exchange.take_request()?;
        let message = self.message(headers, &exchange)?;
        let request = IncomingRequest { line, message };
        self.release_exchange(exchange)?;
        Ok(self.wasi.table.push(request)?)
    }

    /// The body of a message, once.
    fn body_of(&mut self, exchange: Option<Arc<Exchange>>) -> Result<std::result::Result<Resource<IncomingBody>, ()>> {
        let Some(exchange) = exchange else { return Ok(Err(())) };
        Ok(Ok(self.wasi.table.push(IncomingBody { exchange, has_stream: false })?))
    }

    fn drop_message(&mut self, message: Message) -> Result<()> {
        message.body.map_or(Ok(()), |exchange| self.release_exchange(exchange))
    }

    fn subscribe_to(&mut self, exchange: Arc<Exchange>, want: Want) -> Result<Resource<Pollable>> {
        Ok(self.wasi.table.push(Pollable::Message(exchange, want))?)
    }

    /// The response whose head has come, or the reason why none will.
    fn response_of(&mut self, exchange: &Arc<Exchange>) -> Result<std::result::Result<IncomingResponse, ErrorCode>> {
        let (status, headers) = match exchange.take_response() {
            Ok(head) => head,
            Err(code) => return Ok(Err(code)),
        };
        let message = self.message(headers, exchange)?;
        Ok(Ok(IncomingResponse { status, message }))
    }
}

impl types::HostIncomingRequest for View<'_> {
    fn method(&mut self, request: Resource<IncomingRequest>) -> Result<Method> {
        Ok(self.wasi.table.get(&request)?.line.method.clone())
    }

    fn path_with_query(&mut self, request: Resource<IncomingRequest>) -> Result<Option<String>> {
        Ok(self.wasi.table.get(&request)?.line.path.clone())
    }

    fn scheme(&mut self, request: Resource<IncomingRequest>) -> Result<Option<Scheme>> {
        Ok(self.wasi.table.get(&request)?.line.scheme.clone())
    }

    fn authority(&mut self, request: Resource<IncomingRequest>) -> Result<Option<String>> {
        Ok(self.wasi.table.get(&request)?.line.authority.clone())
    }

    fn headers(&mut self, request: Resource<IncomingRequest>) -> Result<Resource<Fields>> {
        let headers = self.wasi.table.get(&request)?.message.headers.clone();
        self.push_fields(headers, true)
    }

    fn consume(
        &mut self,
        request: Resource<IncomingRequest>,
    ) -> Result<std::result::Result<Resource<IncomingBody>, ()>> {
        let exchange = self.wasi.table.get_mut(&request)?.message.body.take();
        self.body_of(exchange)
    }

    fn drop(&mut self, request: Resource<IncomingRequest>) -> Result<()> {
        let request = self.wasi.table.delete(request)?;
        self.drop_message(request.message)
    }
}

impl types::HostIncomingResponse for View<'_> {
    fn status(&mut self, response: Resource<IncomingResponse>) -> Result<u16> {
        Ok(self.wasi.table.get(&response)?.status)
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> Result<Resource<Fields>> {
        let headers = self.wasi.table.get(&response)?.message.headers.clone();
        self.push_fields(headers, true)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> Result<std::result::Result<Resource<IncomingBody>, ()>> {
        let exchange = self.wasi.table.get_mut(&response)?.message.body.take();
        self.body_of(exchange)
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> Result<()> {
        let response = self.wasi.table.delete(response)?;
        self.drop_message(response.message)
    }
}

impl types::HostIncomingBody for View<'_> {
    fn stream(&mut self, body: Resource<IncomingBody>) -> Result<std::result::Result<Resource<InputStream>, ()>> {
        let body = self.wasi.table.get_mut(&body)?;
        if std::mem::replace(&mut body.has_stream, true) {
            return Ok(Err(()));
        }
        let stream = InputStream::message(Arc::clone(&body.exchange));
        Ok(Ok(self.wasi.table.push(stream)?))
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> Result<Resource<FutureTrailers>> {
        let IncomingBody { exchange, .. } = self.wasi.table.delete(body)?;
        Ok(self.wasi.table.push(FutureTrailers { exchange, is_taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> Result<()> {
        let IncomingBody { exchange, .. } = self.wasi.table.delete(body)?;
        self.release_exchange(exchange)
    }
}

/// The trailers of a message, or its error; the outer error says that they were taken before.
type Trailers = std::result::Result<std::result::Result<Option<Resource<Fields>>, ErrorCode>, ()>;

impl types::HostFutureTrailers for View<'_> {
    fn subscribe(&mut self, trailers: Resource<FutureTrailers>) -> Result<Resource<Pollable>> {
        let exchange = Arc::clone(&self.wasi.table.get(&trailers)?.exchange);
        self.subscribe_to(exchange, Want::End)
    }

    fn get(&mut self, trailers: Resource<FutureTrailers>) -> Result<Option<Trailers>> {
        let FutureTrailers { exchange, is_taken } = self.wasi.table.get(&trailers)?;
        if *is_taken {
            return Ok(Some(Err(())));
        }
        let exchange = Arc::clone(exchange);
        if !self.look_for(&exchange, Want::End)? {
            return Ok(None);
        }
        self.wasi.table.get_mut(&trailers)?.is_taken = true;
        Ok(Some(Ok(match exchange.end() {
            Some(End::Failed(code)) => Err(code),
            Some(End::Complete(Some(entries))) => Ok(Some(self.push_fields(entries, true)?)),
            _ => Ok(None),
        })))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> Result<()> {
        let FutureTrailers { exchange, .. } = self.wasi.table.delete(trailers)?;
        self.release_exchange(exchange)
    }
}

/// A response, or its error; the outer error says that it was taken before.
type Response = std::result::Result<std::result::Result<Resource<IncomingResponse>, ErrorCode>, ()>;

impl types::HostFutureIncomingResponse for View<'_> {
    fn subscribe(&mut self, future: Resource<FutureIncomingResponse>) -> Result<Resource<Pollable>> {
        let exchange = Arc::clone(&self.wasi.table.get(&future)?.exchange);
        self.subscribe_to(exchange, Want::Head)
    }

    fn get(&mut self, future: Resource<FutureIncomingResponse>) -> Result<Option<Response>> {
        let FutureIncomingResponse { exchange, is_taken } = self.wasi.table.get(&future)?;
        if *is_taken {
            return Ok(Some(Err(())));
        }
        let exchange = Arc::clone(exchange);
        if !self.look_for(&exchange, Want::Head)? {
            return Ok(None);
        }
        self.wasi.table.get_mut(&future)?.is_taken = true;
        Ok(Some(Ok(match self.response_of(&exchange)? {
            Ok(response) => Ok(self.wasi.table.push(response)?),
            Err(code) => Err(code),
        })))
    }

    fn drop(&mut self, future: Resource<FutureIncomingResponse>) -> Result<()> {
        let FutureIncomingResponse { exchange, .. } = self.wasi.table.delete(future)?;
        self.release_exchange(exchange)
    }
}

impl types::Host for View<'_> {
    fn http_error_code(&mut self, error: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(match self.wasi.table.get(&error)? {
            IoError::Http(code) => Some(code.clone()),
            IoError::Errno(_) => None,
        })
    }
}

impl View<'_> {
    /// Reads bytes of a body; none if there are none yet. The error says why there are no more.
    pub fn read_message(
        &mut self,
        exchange: &Arc<Exchange>,
        len: usize,
    ) -> std::result::Result<Vec<u8>, crate::wasi::errors::StreamFailed> {
        use crate::wasi::errors::StreamFailed;
        if !self.look_for(exchange, Want::Data).map_err(Failed::Trap)? {
            return Ok(Vec::new());
        }
        let bytes = exchange.take(len);
        match exchange.end() {
            _ if !bytes.is_empty() => Ok(bytes),
            Some(End::Failed(code)) => Err(StreamFailed::Http(code)),
            _ => Err(StreamFailed::Closed),
        }
    }
}

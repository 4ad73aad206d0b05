//! wasi:http 0.3: the exchanges of 0.2, with bodies that are streams.
//!
//! | module | content |
//! | --- | --- |
//! | [`body`] | bodies and trailers, from a guest and to it |
//! | [`codes`] | error codes |
//! | [`exchange`] | messages that are sent and received |
//! | [`fields`] | the resources `fields` and `request-options` |

mod body;
mod codes;
mod exchange;
mod fields;

use super::generated::http::types::{self, ErrorCode, Method, Scheme};
use crate::wasi::generated::http::types as of_0_2;
use crate::wasi::http::budget::Charge;
use crate::wasi::http::fields::{Entries, Fields, size_of_entries};
use crate::wasi::http::outgoing;
use crate::wasi::http::request_line::RequestLine;
use crate::wasi::{View, Views};
use body::{Contents, Sent, Trailers};
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, Resource, StreamReader};

pub use exchange::handle;

/// The resource `request`.
#[derive(Debug)]
pub struct Request {
    line: RequestLine,
    options: Option<outgoing::RequestOptions>,
    message: Message,
}

/// The resource `response`.
#[derive(Debug)]
pub struct Response {
    status: u16,
    message: Message,
}

/// The parts that both have.
#[derive(Debug)]
struct Message {
    headers: Entries,
    contents: Contents,
    charge: Charge,
}

/// The resource `request-options`.
#[derive(Debug, Default)]
pub struct RequestOptions {
    times: outgoing::RequestOptions,
    /// True for those of a request.
    is_immutable: bool,
}

/// A result without a reason.
type Set = Result<std::result::Result<(), ()>>;

fn newer_method(method: &of_0_2::Method) -> Method {
    match method {
        of_0_2::Method::Get => Method::Get,
        of_0_2::Method::Head => Method::Head,
        of_0_2::Method::Post => Method::Post,
        of_0_2::Method::Put => Method::Put,
        of_0_2::Method::Delete => Method::Delete,
        of_0_2::Method::Connect => Method::Connect,
        of_0_2::Method::Options => Method::Options,
        of_0_2::Method::Trace => Method::Trace,
        of_0_2::Method::Patch => Method::Patch,
        of_0_2::Method::Other(name) => Method::Other(name.clone()),
    }
}

fn older_method(method: Method) -> of_0_2::Method {
    match method {
        Method::Get => of_0_2::Method::Get,
        Method::Head => of_0_2::Method::Head,
        Method::Post => of_0_2::Method::Post,
        Method::Put => of_0_2::Method::Put,
        Method::Delete => of_0_2::Method::Delete,
        Method::Connect => of_0_2::Method::Connect,
        Method::Options => of_0_2::Method::Options,
        Method::Trace => of_0_2::Method::Trace,
        Method::Patch => of_0_2::Method::Patch,
        Method::Other(name) => of_0_2::Method::Other(name),
    }
}

fn newer_scheme(scheme: &of_0_2::Scheme) -> Scheme {
    match scheme {
        of_0_2::Scheme::Http => Scheme::Http,
        of_0_2::Scheme::Https => Scheme::Https,
        of_0_2::Scheme::Other(name) => Scheme::Other(name.clone()),
    }
}

fn older_scheme(scheme: Scheme) -> of_0_2::Scheme {
    match scheme {
        Scheme::Http => of_0_2::Scheme::Http,
        Scheme::Https => of_0_2::Scheme::Https,
        Scheme::Other(name) => of_0_2::Scheme::Other(name),
    }
}

impl View<'_> {
    fn message_3(&mut self, headers: Entries, contents: Contents) -> Result<Message> {
        let charge = self.wasi.budget.charge(size_of_entries(&headers))?;
        Ok(Message { headers, contents, charge })
    }

    fn request_3(&mut self, request: &Resource<Request>) -> Result<&mut Request> {
        Ok(self.wasi.table.get_mut(request)?)
    }

    /// Sets a part of a request. An error, which ends the guest, if it takes too much memory.
    fn set_line(
        &mut self,
        request: &Resource<Request>,
        set: impl FnOnce(&mut RequestLine) -> std::result::Result<(), ()>,
    ) -> Set {
        let Request { line, message, .. } = self.request_3(request)?;
        let is_set = set(line);
        message.charge.resize(line.size().saturating_add(size_of_entries(&message.headers)))?;
        Ok(is_set)
    }
}

impl types::Host for View<'_> {}

impl types::HostRequest for View<'_> {
    fn get_method(&mut self, request: Resource<Request>) -> Result<Method> {
        Ok(newer_method(&self.request_3(&request)?.line.method))
    }

    fn set_method(&mut self, request: Resource<Request>, method: Method) -> Set {
        self.set_line(&request, |line| line.set_method(older_method(method)))
    }

    fn get_path_with_query(&mut self, request: Resource<Request>) -> Result<Option<String>> {
        Ok(self.request_3(&request)?.line.path.clone())
    }

    fn set_path_with_query(&mut self, request: Resource<Request>, path: Option<String>) -> Set {
        let path = path.map(|path| if path.is_empty() { "/".to_owned() } else { path });
        self.set_line(&request, |line| line.set_path(path))
    }

    fn get_scheme(&mut self, request: Resource<Request>) -> Result<Option<Scheme>> {
        Ok(self.request_3(&request)?.line.scheme.as_ref().map(newer_scheme))
    }

    fn set_scheme(&mut self, request: Resource<Request>, scheme: Option<Scheme>) -> Set {
        self.set_line(&request, |line| line.set_scheme(scheme.map(older_scheme)))
    }

    fn get_authority(&mut self, request: Resource<Request>) -> Result<Option<String>> {
        Ok(self.request_3(&request)?.line.authority.clone())
    }

    fn set_authority(&mut self, request: Resource<Request>, authority: Option<String>) -> Set {
        self.set_line(&request, |line| line.set_authority(authority))
    }

    fn get_options(&mut self, request: Resource<Request>) -> Result<Option<Resource<RequestOptions>>> {
        let Some(times) = self.request_3(&request)?.options.clone() else { return Ok(None) };
        Ok(Some(self.wasi.table.push(RequestOptions { times, is_immutable: true })?))
    }

    fn get_headers(&mut self, request: Resource<Request>) -> Result<Resource<Fields>> {
        let headers = self.request_3(&request)?.message.headers.clone();
        self.push_fields(headers, true)
    }
}

impl types::HostResponse for View<'_> {
    fn get_status_code(&mut self, response: Resource<Response>) -> Result<u16> {
        Ok(self.wasi.table.get(&response)?.status)
    }

    fn set_status_code(&mut self, response: Resource<Response>, status: u16) -> Set {
        if !(100..600).contains(&status) {
            return Ok(Err(()));
        }
        self.wasi.table.get_mut(&response)?.status = status;
        Ok(Ok(()))
    }

    fn get_headers(&mut self, response: Resource<Response>) -> Result<Resource<Fields>> {
        let headers = self.wasi.table.get(&response)?.message.headers.clone();
        self.push_fields(headers, true)
    }
}

impl<U: Send + 'static> types::HostRequestWithStore<U> for Views {
    fn new(
        mut store: Access<'_, U, Self>,
        headers: Resource<Fields>,
        contents: Option<StreamReader<u8>>,
        trailers: Trailers,
        options: Option<Resource<RequestOptions>>,
    ) -> Result<(Resource<Request>, Sent)> {
        let (contents, sent) = Contents::made(&mut store, contents, trailers)?;
        let mut view = store.get();
        let headers = view.take_fields(headers)?;
        let options = options.map(|options| view.wasi.table.delete(options)).transpose()?;
        let message = view.message_3(headers, contents)?;
        let options = options.map(|options| options.times);
        let request = Request { line: RequestLine::new(), options, message };
        Ok((view.wasi.table.push(request)?, sent))
    }

    fn consume_body(
        mut store: Access<'_, U, Self>,
        request: Resource<Request>,
        consumed: FutureReader<std::result::Result<(), ErrorCode>>,
    ) -> Result<(StreamReader<u8>, Trailers)> {
        let request = store.get().wasi.table.delete(request)?;
        request.message.contents.consume(&mut store, consumed)
    }

    fn drop(mut store: Access<'_, U, Self>, request: Resource<Request>) -> Result<()> {
        let request = store.get().wasi.table.delete(request)?;
        request.message.contents.close(&mut store)
    }
}

impl<U: Send + 'static> types::HostResponseWithStore<U> for Views {
    fn new(
        mut store: Access<'_, U, Self>,
        headers: Resource<Fields>,
        contents: Option<StreamReader<u8>>,
        trailers: Trailers,
    ) -> Result<(Resource<Response>, Sent)> {
        let (contents, sent) = Contents::made(&mut store, contents, trailers)?;
        let mut view = store.get();
        let headers = view.take_fields(headers)?;
        let message = view.message_3(headers, contents)?;
        Ok((view.wasi.table.push(Response { status: 200, message })?, sent))
    }

    fn consume_body(
        mut store: Access<'_, U, Self>,
        response: Resource<Response>,
        consumed: FutureReader<std::result::Result<(), ErrorCode>>,
    ) -> Result<(StreamReader<u8>, Trailers)> {
        let response = store.get().wasi.table.delete(response)?;
        response.message.contents.consume(&mut store, consumed)
    }

    fn drop(mut store: Access<'_, U, Self>, response: Resource<Response>) -> Result<()> {
        let response = store.get().wasi.table.delete(response)?;
        response.message.contents.close(&mut store)
    }
}

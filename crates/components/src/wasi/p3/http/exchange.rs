//! Messages that are sent and received.

use super::body::{Contents, Made, Outcome, Sender, Taker};
use super::codes::{newer, older};
use super::{Request, Response};
use crate::wasi::calls::Awaited;
use crate::wasi::generated::http::types as of_0_2;
use crate::wasi::http::codes::content_of;
use crate::wasi::http::exchange::{Exchange, Want};
use crate::wasi::http::fields::content_length;
use crate::wasi::http::frames::Kind;
use crate::wasi::http::outgoing::{content_of_trailers, head_of_response};
use crate::wasi::p3::generated::http::client;
use crate::wasi::p3::generated::http::types::ErrorCode;
use crate::wasi::p3::streams::Teller;
use crate::wasi::{View, Views};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Accessor, AccessorTask, Resource, TypedFunc};

/// Waits until a part of a message has come.
async fn wait_for<U: Send + 'static>(store: &Accessor<U, Views>, exchange: &Arc<Exchange>, want: Want) -> Result<()> {
    loop {
        let (is_there, wait) = store.with(|mut store| {
            let mut view = store.get();
            let is_there = view.look_for(exchange, want)?;
            Ok::<_, wasmtime::Error>((is_there, view.wasi.reactor.wait(Awaited::Read(exchange.input()))))
        })?;
        if is_there {
            return Ok(());
        }
        wait.await;
    }
}

/// The function of a handler.
pub type Handle = TypedFunc<(Resource<Request>,), (std::result::Result<Resource<Response>, ErrorCode>,)>;

/// Has a handler answer the request that comes by these sockets.
pub async fn handle<U: Send + 'static>(
    store: &Accessor<U>,
    view: fn(&mut U) -> View<'_>,
    function: Handle,
    sockets: [u32; 2],
) -> Result<()> {
    let views = &store.with_getter::<Views>(view);
    let exchange = views.with(|mut store| Arc::new(Exchange::new(sockets, &store.get().wasi.requests)));
    let request = incoming_request(views, &exchange).await?;
    let (answered,) = function.call_concurrent(store, (request,)).await?;
    answer(views, exchange, answered).await
}

/// The request that comes by an exchange, for a handler.
async fn incoming_request<U: Send + 'static>(
    store: &Accessor<U, Views>,
    exchange: &Arc<Exchange>,
) -> Result<Resource<Request>> {
    wait_for(store, exchange, Want::Head).await?;
    let (line, headers) = exchange.take_request()?;
    store.with(|mut store| {
        let mut view = store.get();
        let message = view.message_3(headers, Contents::Received(Arc::clone(exchange)))?;
        Ok(view.wasi.table.push(Request { line, options: None, message })?)
    })
}

/// Sends the answer of a handler by an exchange.
async fn answer<U: Send + 'static>(
    store: &Accessor<U, Views>,
    exchange: Arc<Exchange>,
    answer: std::result::Result<Resource<Response>, ErrorCode>,
) -> Result<()> {
    let refuse = |code: &of_0_2::ErrorCode| {
        store.with(|mut store| store.get().write_frame(&exchange, Kind::Failed, &content_of(code)))
    };
    let response = match answer {
        Ok(response) => store.with(|mut store| store.get().wasi.table.delete(response))?,
        Err(code) => return refuse(&older(code)),
    };
    let Response { status, message } = response;
    let made = store.with(|mut store| message.contents.into_made(&mut store))?;
    match head_of_response(status, &message.headers) {
        Ok(head) => {
            store.with(|mut store| store.get().write_frame(&exchange, Kind::Head, &head))?;
            let declared = content_length(&message.headers).unwrap_or_default();
            Sending { exchange, made, declared, is_answered: false, _charge: message.charge }.send(store).await
        }
        Err(code) => {
            refuse(&code)?;
            store.with(|mut store| made.close(&mut store, newer(code)))
        }
    }
}

/// A body and trailers on their way.
struct Sending {
    exchange: Arc<Exchange>,
    made: Made,
    /// The length that the headers declare.
    declared: Option<u64>,
    /// True if it counts as sent only when its answer begins.
    is_answered: bool,
    /// The memory of the message.
    _charge: crate::wasi::http::budget::Charge,
}

impl Sending {
    /// Sends all of it.
    async fn send<U: Send + 'static>(self, store: &Accessor<U, Views>) -> Result<()> {
        let Self { exchange, made: Made { body, trailers, mut sent }, declared, is_answered, .. } = self;
        let (taker, taken) = Teller::new();
        let end = store.with(|mut store| {
            let (sender, end) = Sender::new(&mut store, Arc::clone(&exchange), declared.filter(|_| body.is_some()));
            if let Some(body) = body {
                body.pipe(&mut store, sender)?;
            }
            trailers.pipe(&mut store, Taker(taker))?;
            Ok::<_, wasmtime::Error>(end)
        })?;
        let mut outcome = end.await.unwrap_or(Err(ErrorCode::ConnectionTerminated));
        let mut fields = None;
        if outcome.is_ok() {
            match taken.await {
                Ok(Ok(trailers)) => fields = trailers,
                Ok(Err(code)) => outcome = Err(code),
                Err(_) => {}
            }
        }
        let mut outcome = store.with(|mut store| {
            let mut view = store.get();
            let entries = fields.map(|fields| view.take_fields(fields)).transpose()?;
            let content = entries.map(|entries| content_of_trailers(&entries).map_err(newer)).transpose();
            let outcome = outcome.and(content);
            let (kind, content) = match &outcome {
                Ok(Some(content)) => (Kind::Trailers, content.clone()),
                Ok(None) => (Kind::End, Vec::new()),
                Err(code) => (Kind::Failed, content_of(&older(code.clone()))),
            };
            view.write_frame(&exchange, kind, &content)?;
            Ok::<Outcome, wasmtime::Error>(outcome.map(drop))
        })?;
        if is_answered && outcome.is_ok() {
            wait_for(store, &exchange, Want::Head).await?;
            outcome = exchange.failure().map_or(Ok(()), |code| Err(newer(code)));
        }
        store.with(|mut store| store.get().release_exchange(exchange))?;
        sent.tell(outcome);
        Ok(())
    }
}

impl<U: Send + 'static> AccessorTask<U, Views> for Sending {
    async fn run(self, store: &Accessor<U, Views>) -> Result<()> {
        let reactor = store.with(|mut store| Arc::clone(&store.get().wasi.reactor));
        let _busy = reactor.begin();
        self.send(store).await
    }
}

impl client::Host for View<'_> {}

impl<U: Send + 'static> client::HostWithStore<U> for Views {
    async fn send(
        store: &Accessor<U, Self>,
        request: Resource<Request>,
    ) -> Result<std::result::Result<Resource<Response>, ErrorCode>> {
        let opened = store.with(|mut store| {
            let Request { line, options, message } = store.get().wasi.table.delete(request)?;
            let made = message.contents.into_made(&mut store)?;
            let options = options.unwrap_or_default();
            let opened = store.get().open_request(&line, &message.headers, &options, made.body.is_some())?;
            match opened {
                Ok((exchange, head)) => {
                    store.get().write_frame(&exchange, Kind::Head, &head)?;
                    let declared = content_length(&message.headers).unwrap_or_default();
                    let kept = Arc::clone(&exchange);
                    let sending = Sending { exchange, made, declared, is_answered: true, _charge: message.charge };
                    Ok::<_, wasmtime::Error>(Ok((kept, sending)))
                }
                Err(code) => {
                    let code = newer(code);
                    made.close(&mut store, code.clone())?;
                    Ok(Err(code))
                }
            }
        })?;
        let (exchange, sending) = match opened {
            Ok(opened) => opened,
            Err(code) => return Ok(Err(code)),
        };
        store.spawn(sending)?;
        wait_for(store, &exchange, Want::Head).await?;
        store.with(|mut store| {
            let mut view = store.get();
            Ok(match exchange.take_response() {
                Ok((status, headers)) => {
                    let message = view.message_3(headers, Contents::Received(exchange))?;
                    Ok(view.wasi.table.push(Response { status, message })?)
                }
                Err(code) => {
                    view.release_exchange(exchange)?;
                    Err(newer(code))
                }
            })
        })
    }
}

//! Bodies and trailers: those that come by an exchange, and those that a guest makes.

use super::codes::newer;
use crate::wasi::calls::Awaited;
use crate::wasi::http::exchange::{End, Exchange, Want};
use crate::wasi::http::fields::Fields;
use crate::wasi::http::frames::Kind;
use crate::wasi::http::outgoing::ROOM;
use crate::wasi::p3::generated::http::types::ErrorCode;
use crate::wasi::p3::reactor::{Held, Left, Waiting};
use crate::wasi::p3::streams::{self, Teller, cancelled};
use crate::wasi::poll::Pollable;
use crate::wasi::streams::Place;
use crate::wasi::{View, Views};
use futures_channel::oneshot;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::component::{
    Access, FutureConsumer, FutureProducer, FutureReader, Lift, Resource, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// The result of a body, or of its trailers.
pub type Outcome<T = ()> = std::result::Result<T, ErrorCode>;

/// A future of trailers.
pub type Trailers = FutureReader<Outcome<Option<Resource<Fields>>>>;

/// A future that tells whether a message has been sent.
pub type Sent = FutureReader<Outcome>;

/// The body of a message, and its trailers.
#[derive(Debug)]
pub enum Contents {
    /// Those that come by an exchange.
    Received(Arc<Exchange>),
    /// Those that a guest makes.
    Made(Made),
}

/// A body and trailers that a guest makes.
pub struct Made {
    /// The body, if there is one.
    pub body: Option<StreamReader<u8>>,
    /// The trailers.
    pub trailers: Trailers,
    /// Gets the result.
    pub sent: Teller<Outcome>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("has_body", &self.body.is_some()).finish_non_exhaustive()
    }
}

/// A future of what is sent by a channel; `otherwise` if nothing ever is.
fn future_of<U: 'static, T>(
    store: &mut Access<'_, U, Views>,
    receiver: oneshot::Receiver<T>,
    otherwise: impl FnOnce() -> T + Send + 'static,
) -> Result<FutureReader<T>>
where
    T: wasmtime::component::Lower + Lift + Send + Sync + 'static,
{
    FutureReader::new(store, async move { Ok::<_, wasmtime::Error>(receiver.await.unwrap_or_else(|_| otherwise())) })
}

impl Contents {
    /// Those that a guest makes, and a future of whether they have been sent.
    pub fn made<U: 'static>(
        store: &mut Access<'_, U, Views>,
        body: Option<StreamReader<u8>>,
        trailers: Trailers,
    ) -> Result<(Self, Sent)> {
        let (sent, receiver) = Teller::new();
        let future = future_of(store, receiver, || Err(ErrorCode::ConnectionTerminated))?;
        Ok((Self::Made(Made { body, trailers, sent }), future))
    }

    /// A stream of the body, and a future of the trailers. `consumed` tells whether the guest could use them.
    pub fn consume<U: Send + 'static>(
        self,
        store: &mut Access<'_, U, Views>,
        mut consumed: FutureReader<Outcome>,
    ) -> Result<(StreamReader<u8>, Trailers)> {
        match self {
            Self::Received(exchange) => {
                consumed.close(&mut *store)?;
                open(store, exchange)
            }
            Self::Made(Made { body, trailers, sent }) => {
                consumed.pipe(&mut *store, Taker(sent))?;
                let body = match body {
                    Some(body) => body,
                    None => StreamReader::new(&mut *store, std::iter::empty())?,
                };
                Ok((body, trailers))
            }
        }
    }

    /// A body and trailers to be sent.
    pub fn into_made<U: Send + 'static>(self, store: &mut Access<'_, U, Views>) -> Result<Made> {
        match self {
            Self::Received(exchange) => {
                let (body, trailers) = open(store, exchange)?;
                let (sent, _) = Teller::new(); // nobody asks
                Ok(Made { body: Some(body), trailers, sent })
            }
            Self::Made(made) => Ok(made),
        }
    }

    /// Drops them.
    pub fn close<U: 'static>(self, store: &mut Access<'_, U, Views>) -> Result<()> {
        match self {
            Self::Received(exchange) => store.get().release_exchange(exchange),
            Self::Made(made) => made.close(store, ErrorCode::ConnectionTerminated),
        }
    }
}

impl Made {
    /// Drops them, for this reason.
    pub fn close<U: 'static>(self, store: &mut Access<'_, U, Views>, why: ErrorCode) -> Result<()> {
        let Self { body, mut trailers, mut sent } = self;
        sent.tell(Err(why));
        if let Some(mut body) = body {
            body.close(&mut *store)?;
        }
        trailers.close(&mut *store)
    }
}

/// The body and the trailers that come by an exchange.
fn open<U: Send + 'static>(
    store: &mut Access<'_, U, Views>,
    exchange: Arc<Exchange>,
) -> Result<(StreamReader<u8>, Trailers)> {
    let (body, end) = streams::stream_of(store, Place::Message(Arc::clone(&exchange)))?;
    let (view, reactor) = (store.getter(), Arc::clone(&store.get().wasi.reactor));
    let exchange = Held::new(Left::Exchange(exchange), Arc::clone(&reactor));
    let trailers = Ending { view, exchange, body: Some(end), waiting: Waiting::new(reactor) };
    Ok((body, FutureReader::new(&mut *store, trailers)?))
}

/// The end of a message that comes by an exchange: its trailers.
struct Ending<U: 'static> {
    view: fn(&mut U) -> View<'_>,
    exchange: Held,
    /// The end of the body, which comes first: what is not read of it is dropped then.
    body: Option<oneshot::Receiver<streams::End>>,
    waiting: Waiting,
}

impl<U: 'static> FutureProducer<U> for Ending<U> {
    type Item = Outcome<Option<Resource<Fields>>>;

    fn poll_produce(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, U>,
        finish: bool,
    ) -> Poll<Result<Option<Self::Item>>> {
        let this = self.get_mut();
        if let Some(body) = &mut this.body {
            match Pin::new(body).poll(context) {
                Poll::Pending if finish => return Poll::Ready(Ok(None)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) => this.body = None,
            }
        }
        let Some(Left::Exchange(exchange)) = this.exchange.get() else {
            return Poll::Ready(Ok(Some(Err(ErrorCode::ConnectionTerminated))));
        };
        loop {
            let mut view = (this.view)(store.data_mut());
            if view.look_for(exchange, Want::End)? {
                return Poll::Ready(Ok(Some(match exchange.end() {
                    Some(End::Failed(code)) => Err(newer(code)),
                    Some(End::Complete(Some(entries))) => Ok(Some(view.push_fields(entries, true)?)),
                    _ => Ok(None),
                })));
            }
            let input = Awaited::Read(exchange.input());
            if let Some(early) = this.waiting.poll(context, input, finish.then_some(None)) {
                return early;
            }
        }
    }
}

/// Takes the value of a future.
pub struct Taker<T>(pub Teller<T>);

impl<U: 'static, T: Lift + Send + Sync + Unpin + 'static> FutureConsumer<U> for Taker<T> {
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, U>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<Result<()>> {
        let mut value = None;
        source.read(&mut store, &mut value)?;
        if let Some(value) = value {
            self.get_mut().0.tell(value);
        }
        Poll::Ready(Ok(()))
    }
}

/// Sends a body by an exchange.
pub struct Sender<U: 'static> {
    view: fn(&mut U) -> View<'_>,
    exchange: Held,
    waiting: Waiting,
    /// The length that the headers declare.
    declared: Option<u64>,
    written: u64,
    /// Gets the number of bytes at the end, or an error.
    done: Teller<Outcome>,
}

impl<U: 'static> Sender<U> {
    /// A sender of a body of this length, if it is declared, and its end.
    pub fn new(
        store: &mut Access<'_, U, Views>,
        exchange: Arc<Exchange>,
        declared: Option<u64>,
    ) -> (Self, oneshot::Receiver<Outcome>) {
        let (done, end) = Teller::new();
        let (view, reactor) = (store.getter(), Arc::clone(&store.get().wasi.reactor));
        let exchange = Held::new(Left::Exchange(exchange), Arc::clone(&reactor));
        (Self { view, exchange, waiting: Waiting::new(reactor), declared, written: 0, done }, end)
    }
}

impl<U> Drop for Sender<U> {
    fn drop(&mut self) {
        let is_whole = self.declared.is_none_or(|declared| declared == self.written);
        let wrong = ErrorCode::HttpRequestBodySize(Some(self.written));
        self.done.tell(if is_whole { Ok(()) } else { Err(wrong) });
    }
}

impl<U: 'static> StreamConsumer<U> for Sender<U> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, U>,
        mut source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let Some(Left::Exchange(exchange)) = this.exchange.get() else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let output = exchange.output();
        let mut direct = source.reborrow().as_direct(store.as_context_mut());
        let content = direct.remaining();
        let bytes = content.get(..ROOM).unwrap_or(content).to_vec();
        if bytes.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        if !(this.view)(store.data_mut()).is_ready(Pollable::Write(output))?
            && let Some(early) = this.waiting.poll(context, Awaited::Write(output), cancelled(finish))
        {
            return early;
        }
        let written = this.written.saturating_add(bytes.len() as u64);
        if this.declared.is_some_and(|declared| written > declared) {
            this.done.tell(Err(ErrorCode::HttpRequestBodySize(Some(written))));
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        this.written = written;
        // If nobody reads it, it is seen by who waits for an answer.
        (this.view)(store.data_mut()).write_frame(exchange, Kind::Data, &bytes)?;
        source.as_direct(store).mark_read(bytes.len());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

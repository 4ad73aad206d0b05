//! `stream<u8>` of the standard streams and of files: bytes are read when the guest asks for them, and
//! written when it has some, as in 0.2.

use super::reactor::{Left, Reactor, Waiting};
use crate::direct::Block;
use crate::wasi::calls::Awaited;
use crate::wasi::errors::{Failed, StreamFailed};
use crate::wasi::streams::Place;
use crate::wasi::{View, Views};
use futures_channel::oneshot;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasi_rs_core::abi::Errno;
use wasmtime::component::{
    Access, Destination, FutureReader, Lift, Lower, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// The bytes that are read at once where nobody says how many.
const PIECE: usize = 64 << 10;

/// The end of a stream: an error, if there was one.
pub type End = std::result::Result<(), Errno>;

/// A future of the end of a stream, for the guest.
pub type EndOf<E> = FutureReader<std::result::Result<(), E>>;

/// Tells something, once.
#[derive(Debug)]
pub struct Teller<T>(Option<oneshot::Sender<T>>);

impl<T> Teller<T> {
    /// A teller, and the one who is told.
    pub fn new() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    /// Tells it, unless something was told before.
    pub fn tell(&mut self, value: T) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(value); // nobody may want to know
        }
    }
}

/// The result of a poll that would have to wait, if the other side waits no longer.
pub fn cancelled(finish: bool) -> Option<StreamResult> {
    finish.then_some(StreamResult::Cancelled)
}

/// One end of a stream, at the host.
struct Stream<U: 'static> {
    view: fn(&mut U) -> View<'_>,
    reactor: Arc<Reactor>,
    place: Option<Place>,
    waiting: Waiting,
    end: Teller<End>,
    /// True if the guest writes it.
    is_sent: bool,
}

impl<U> Stream<U> {
    fn new(store: &mut Access<'_, U, Views>, place: Place, is_sent: bool) -> (Self, oneshot::Receiver<End>) {
        let (teller, end) = Teller::new();
        let (view, reactor) = (store.getter(), Arc::clone(&store.get().wasi.reactor));
        let waiting = Waiting::new(Arc::clone(&reactor));
        (Self { view, reactor, place: Some(place), waiting, end: teller, is_sent }, end)
    }

    /// Ends the stream.
    fn finish(&mut self, why: StreamFailed) -> Result<StreamResult> {
        let end = match why {
            StreamFailed::Closed => Ok(()),
            StreamFailed::Failed(Failed::Errno(errno)) => Err(errno),
            StreamFailed::Failed(Failed::Trap(error)) => return Err(error),
            StreamFailed::Http(_) => Err(Errno::Io),
        };
        self.end.tell(end);
        Ok(StreamResult::Dropped)
    }
}

impl<U> Drop for Stream<U> {
    fn drop(&mut self) {
        self.end.tell(Ok(()));
        match self.place.take() {
            Some(Place::Current(file) | Place::At(file, _) | Place::End(file)) => self.reactor.leave(Left::File(file)),
            Some(Place::Message(exchange)) => self.reactor.leave(Left::Exchange(exchange)),
            Some(Place::Tcp(tcp)) => self.reactor.leave(if self.is_sent { Left::Sent(tcp) } else { Left::Tcp(tcp) }),
            Some(Place::Standard(_) | Place::Body(_)) | None => {}
        }
    }
}

/// A stream that the guest reads.
struct Producer<U: 'static>(Stream<U>);

impl<U: 'static> StreamProducer<U> for Producer<U> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, U>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let stream = &mut self.get_mut().0;
        let len = destination.remaining(store.as_context_mut()).unwrap_or(PIECE);
        if len == 0 {
            return Poll::Ready(Ok(StreamResult::Completed)); // it is tried again with room for bytes
        }
        loop {
            let Some(place) = &mut stream.place else { return Poll::Ready(Ok(StreamResult::Dropped)) };
            let mut view = (stream.view)(store.data_mut());
            let bytes = match view.read_place(place, len as u64) {
                Ok(bytes) => bytes,
                Err(why) => return Poll::Ready(stream.finish(why)),
            };
            if !bytes.is_empty() {
                let mut direct = destination.as_direct(store, bytes.len());
                if let Some(to) = direct.remaining().get_mut(..bytes.len()) {
                    to.copy_from_slice(&bytes);
                    direct.mark_written(bytes.len());
                }
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            let awaited = match place {
                Place::Message(exchange) => Some(Awaited::Read(exchange.input())),
                other => other.awaited().map(Awaited::Read),
            };
            let Some(awaited) = awaited else { return Poll::Ready(stream.finish(StreamFailed::Closed)) };
            if let Some(early) = stream.waiting.poll(context, awaited, cancelled(finish)) {
                return early;
            }
        }
    }
}

/// A stream that the guest writes.
struct Consumer<U: 'static>(Stream<U>);

impl<U: 'static> StreamConsumer<U> for Consumer<U> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, U>,
        mut source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let stream = &mut self.get_mut().0;
        loop {
            let Some(place) = &mut stream.place else { return Poll::Ready(Ok(StreamResult::Dropped)) };
            let room = match (stream.view)(store.data_mut()).room_at(place) {
                Ok(room) => usize::try_from(room).unwrap_or(PIECE),
                Err(why) => return Poll::Ready(stream.finish(why)),
            };
            if room > 0 {
                let mut direct = source.reborrow().as_direct(store.as_context_mut());
                let content = direct.remaining();
                let mut bytes = Block::from(content.get(..room).unwrap_or(content));
                if bytes.is_empty() {
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                match (stream.view)(store.data_mut()).write_place(place, &mut bytes, 0) {
                    Ok(written) => {
                        source.as_direct(store).mark_read(written as usize);
                        return Poll::Ready(Ok(StreamResult::Completed));
                    }
                    Err(Failed::Errno(Errno::Again)) => {}
                    // A reader that is gone is an error here.
                    Err(failed) => return Poll::Ready(stream.finish(StreamFailed::Failed(failed))),
                }
            }
            let awaited = place.awaited().map(Awaited::Write);
            let Some(awaited) = awaited else { return Poll::Ready(stream.finish(Errno::Io.into())) };
            if let Some(early) = stream.waiting.poll(context, awaited, cancelled(finish)) {
                return early;
            }
        }
    }
}

/// A future of the end of a stream, with errors as an interface has them.
pub fn end_of<U: 'static, E>(
    store: &mut Access<'_, U, Views>,
    end: oneshot::Receiver<End>,
    code: fn(Errno) -> E,
) -> Result<EndOf<E>>
where
    std::result::Result<(), E>: Lower + Lift + Send + Sync + 'static,
    E: 'static,
{
    FutureReader::new(store, async move { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(())).map_err(code)) })
}

/// A stream of what can be read at a place, and a future of its end.
pub fn read<U: 'static, E>(
    store: &mut Access<'_, U, Views>,
    place: Place,
    code: fn(Errno) -> E,
) -> Result<(StreamReader<u8>, EndOf<E>)>
where
    std::result::Result<(), E>: Lower + Lift + Send + Sync + 'static,
    E: 'static,
{
    let (reader, end) = stream_of(store, place)?;
    Ok((reader, end_of(store, end, code)?))
}

/// A stream of what can be read at a place, and its end.
pub fn stream_of<U: 'static>(
    store: &mut Access<'_, U, Views>,
    place: Place,
) -> Result<(StreamReader<u8>, oneshot::Receiver<End>)> {
    let (stream, end) = Stream::new(store, place, false);
    Ok((StreamReader::new(&mut *store, Producer(stream))?, end))
}

/// Writes a stream to a place. The result is a future of its end.
pub fn write<U: 'static, E>(
    store: &mut Access<'_, U, Views>,
    place: Place,
    data: StreamReader<u8>,
    code: fn(Errno) -> E,
) -> Result<EndOf<E>>
where
    std::result::Result<(), E>: Lower + Lift + Send + Sync + 'static,
    E: 'static,
{
    let (stream, end) = Stream::new(store, place, true);
    data.pipe(&mut *store, Consumer(stream))?;
    end_of(store, end, code)
}

/// A stream without anything in it, and a future of this error.
pub fn refused<U: 'static, I, E>(
    store: &mut Access<'_, U, Views>,
    errno: Errno,
    code: fn(Errno) -> E,
) -> Result<(StreamReader<I>, EndOf<E>)>
where
    I: Lower + Lift + Send + Sync + 'static,
    std::result::Result<(), E>: Lower + Lift + Send + Sync + 'static,
    E: 'static,
{
    let reader = StreamReader::new(&mut *store, std::iter::empty::<I>())?;
    Ok((reader, failed(store, errno, code)?))
}

/// A future of this error.
pub fn failed<U: 'static, E>(store: &mut Access<'_, U, Views>, errno: Errno, code: fn(Errno) -> E) -> Result<EndOf<E>>
where
    std::result::Result<(), E>: Lower + Lift + Send + Sync + 'static,
    E: 'static,
{
    let (mut teller, end) = Teller::new();
    teller.tell(Err(errno));
    end_of(store, end, code)
}

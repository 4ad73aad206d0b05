//! Streams and futures between a component and JavaScript. Each element waits where it is made until the
//! other side wants it.

use crate::description::{Described, has_lists};
use crate::element::{Element, reading};
use crate::handles::{Holder, with_handles};
use crate::values::{Reader, write_length};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use wasmtime::component::{
    Destination, FutureAny, FutureConsumer, FutureProducer, FutureReader, Lift, Lower, ReadBuffer, Source, StreamAny,
    StreamConsumer, StreamProducer, StreamReader, StreamResult, VecBuffer, WriteBuffer,
};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

/// The most bytes that are handed over at once (an element may have more), and the most elements.
const MOST_BYTES: usize = 64 << 10;
const MOST_ELEMENTS: usize = 1 << 10;

/// The answer to a question for the next elements: their bytes, behind one that tells if the stream is over,
/// and their number.
pub type Next = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send>>;

/// The embedder, whom the component asks for the elements of streams and futures that it was given.
pub trait Embedder: Send + Sync {
    /// Asks for the next elements of the stream with this number, at most so many. An error is the end of the
    /// component.
    fn next(&self, number: u32, most: u32) -> Next;
    /// Tells that the component wants no more of it, and has not got so many of the last elements that were
    /// answered or are asked for.
    fn forget(&self, number: u32, lost: u32);
}

/// A stream or a future, by which the component writes.
#[derive(Debug)]
pub enum Written {
    /// A stream.
    Stream(StreamAny),
    /// A future.
    Future(FutureAny),
}

/// An element as wasmtime knows it.
trait Item: Lift + Lower + Send + Sync + 'static {
    /// The most that are handed over at once.
    const MOST: usize = MOST_ELEMENTS;
    /// The most that are read at once. (They share an allowance of memory.)
    const BATCH: usize = Self::MOST;

    fn decode<T: Holder>(
        store: StoreContextMut<'_, T>,
        of: Option<usize>,
        count: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<Self>>;
    fn encode<T: Holder>(store: StoreContextMut<'_, T>, of: Option<usize>, items: Vec<Self>) -> Result<Vec<u8>>;
}

impl Item for () {
    fn decode<T: Holder>(
        _: StoreContextMut<'_, T>,
        _: Option<usize>,
        count: usize,
        _: &mut Reader<'_>,
    ) -> Result<Vec<()>> {
        Ok(vec![(); count])
    }

    fn encode<T: Holder>(_: StoreContextMut<'_, T>, _: Option<usize>, _: Vec<()>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

impl Item for u8 {
    const MOST: usize = MOST_BYTES;

    fn decode<T: Holder>(
        _: StoreContextMut<'_, T>,
        _: Option<usize>,
        count: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<u8>> {
        from.take(count).map(<[u8]>::to_vec)
    }

    fn encode<T: Holder>(_: StoreContextMut<'_, T>, _: Option<usize>, items: Vec<u8>) -> Result<Vec<u8>> {
        Ok(items)
    }
}

impl<const ALLOCATES: bool> Item for Element<ALLOCATES> {
    const BATCH: usize = 1;

    fn decode<T: Holder>(
        store: StoreContextMut<'_, T>,
        of: Option<usize>,
        count: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<Self>> {
        let of = of.ok_or_else(|| Error::msg("a stream has no elements"))?;
        with_handles(store, |handles| handles.decode_elements(of, count, from))
            .map(|all| all.into_iter().map(Self).collect())
    }

    fn encode<T: Holder>(store: StoreContextMut<'_, T>, of: Option<usize>, items: Vec<Self>) -> Result<Vec<u8>> {
        let of = of.ok_or_else(|| Error::msg("a stream has no elements"))?;
        with_handles(store, |handles| handles.encode_elements(of, items.into_iter().map(|Self(value)| value)))
    }
}

/// Does something with the type that wasmtime knows elements of this type by.
macro_rules! by_item {
    ($types:expr, $of:expr, $item:ident => $act:expr) => {
        match $of.map(|of: usize| $types.get(of)) {
            None => {
                type $item = ();
                $act
            }
            Some(Some(Described::U8)) => {
                type $item = u8;
                $act
            }
            _ if $of.is_some_and(|of| has_lists($types, of)) => {
                type $item = Element<true>;
                $act
            }
            Some(_) => {
                type $item = Element<false>;
                $act
            }
        }
    };
}

/// A stream that the embedder writes, for the component.
pub fn stream_of<T: Holder>(
    mut store: StoreContextMut<'_, T>,
    types: &[Described],
    of: Option<usize>,
    source: Given,
) -> Result<StreamAny> {
    by_item!(types, of, I => {
        let producer = Producer::<I> { source, of, item: PhantomData };
        StreamReader::new(&mut store, producer)?.try_into_stream_any(&mut store)
    })
}

/// The same of a future.
pub fn future_of<T: Holder>(
    mut store: StoreContextMut<'_, T>,
    types: &[Described],
    of: Option<usize>,
    source: Given,
) -> Result<FutureAny> {
    by_item!(types, of, I => {
        let producer = Producer::<I> { source, of, item: PhantomData };
        FutureReader::new(&mut store, producer)?.try_into_future_any(&mut store)
    })
}

/// A stream or future that the embedder has given.
pub struct Given {
    embedder: Arc<dyn Embedder>,
    number: u32,
    /// The question that is not answered. (The answer may come when the component reads anew.)
    asked: Option<Next>,
    answer: Answer,
}

/// An answer of the embedder: the bytes of elements, from `at` on, and their number.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    at: usize,
    count: usize,
    /// True if it is the last one.
    is_last: bool,
}

impl Given {
    /// The stream or future that has this number for the embedder.
    pub fn new(embedder: Arc<dyn Embedder>, number: u32) -> Self {
        Self { embedder, number, asked: None, answer: Answer::default() }
    }

    /// Has an answer with elements, or the last one.
    fn poll(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Result<()>> {
        if self.answer.count > 0 || self.answer.is_last {
            return Poll::Ready(Ok(()));
        }
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let asked = self.asked.get_or_insert_with(|| self.embedder.next(self.number, most));
        let Poll::Ready(answer) = asked.as_mut().poll(context) else { return Poll::Pending };
        self.asked = None;
        self.answer = Answer::new(answer?)?;
        Poll::Ready(Ok(()))
    }
}

impl Answer {
    fn new(bytes: Vec<u8>) -> Result<Self> {
        let mut reader = Reader(&bytes);
        let [is_last] = reader.array()?;
        let count = reader.length()?;
        let at = bytes.len().saturating_sub(reader.0.len());
        Ok(Self { at, count, is_last: is_last != 0, bytes })
    }

    /// The next elements, at most so many.
    fn take<T: Holder, I: Item>(
        &mut self,
        store: StoreContextMut<'_, T>,
        of: Option<usize>,
        most: usize,
    ) -> Result<Vec<I>> {
        let count = self.count.min(most);
        let mut reader = Reader(self.bytes.get(self.at..).unwrap_or_default());
        let items = I::decode(store, of, count, &mut reader)?;
        self.at = self.bytes.len().saturating_sub(reader.0.len());
        self.count = self.count.saturating_sub(count);
        Ok(items)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let count = u32::try_from(self.answer.count).unwrap_or(u32::MAX);
        self.embedder.forget(self.number, if self.asked.is_some() { u32::MAX } else { count });
    }
}

/// The embedder's end of a stream or future that the component reads.
struct Producer<I> {
    source: Given,
    /// The type of the elements.
    of: Option<usize>,
    item: PhantomData<fn() -> I>,
}

impl<I: Item> Producer<I> {
    /// The next elements, and true if there are no more.
    fn poll<T: Holder>(
        &mut self,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, T>,
        most: usize,
    ) -> Poll<Result<(Vec<I>, bool)>> {
        if let Err(error) = ready!(self.source.poll(context, most)) {
            return Poll::Ready(Err(error));
        }
        let answer = &mut self.source.answer;
        let taken = answer.take(store, self.of, most);
        Poll::Ready(taken.map(|items| (items, answer.is_last && answer.count == 0)))
    }
}

impl<T: Holder, I: Item> StreamProducer<T> for Producer<I> {
    type Item = I;
    type Buffer = VecBuffer<I>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, T>,
        mut destination: Destination<'a, I, VecBuffer<I>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let most = destination.remaining(store.as_context_mut()).unwrap_or(I::BATCH).min(I::MOST);
        if most == 0 {
            return Poll::Ready(Ok(StreamResult::Completed)); // it is tried again with room for elements
        }
        match self.poll(context, store, most) {
            Poll::Ready(Ok((items, is_over))) => {
                destination.set_buffer(items.into());
                Poll::Ready(Ok(if is_over { StreamResult::Dropped } else { StreamResult::Completed }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Holder, I: Item> FutureProducer<T> for Producer<I> {
    type Item = I;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, T>,
        finish: bool,
    ) -> Poll<Result<Option<I>>> {
        match self.poll(context, store, 1) {
            Poll::Ready(Ok((items, _))) => Poll::Ready(match items.into_iter().next() {
                Some(item) => Ok(Some(item)),
                None => Err(Error::msg("a future has no value")),
            }),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if finish => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A stream or future of the component that the embedder reads.
#[derive(Debug, Default)]
pub struct Reading(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of elements that the embedder waits for; none if it does not.
    wanted: usize,
    /// The elements that it gets, and their number.
    bytes: Vec<u8>,
    count: usize,
    /// True once the component writes no more.
    is_over: bool,
    /// True once the embedder wants no more.
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Reading {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read what the component writes.
    pub fn begin<T: Holder>(
        mut store: StoreContextMut<'_, T>,
        types: &[Described],
        of: Option<usize>,
        written: Written,
    ) -> Result<Arc<Self>> {
        let reading = Arc::<Self>::default();
        by_item!(types, of, I => {
            let consumer = Consumer::<I> { reading: Arc::clone(&reading), of, item: PhantomData };
            match written {
                Written::Stream(any) => any.try_into_stream_reader::<I>()?.pipe(&mut store, consumer)?,
                Written::Future(any) => any.try_into_future_reader::<I>()?.pipe(&mut store, consumer)?,
            }
        });
        Ok(reading)
    }

    /// The next elements, at most so many: their bytes, behind one that is 1 if there are none any more, and
    /// their number.
    pub async fn next(&self, most: u32) -> Result<Vec<u8>> {
        let most = (most as usize).clamp(1, MOST_BYTES);
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            let is_over = state.is_over || state.is_closed;
            if state.count == 0 && !is_over {
                state.wanted = most;
                state.reader = Some(context.waker().clone());
                wake(&mut state.writer);
                return Poll::Pending;
            }
            state.wanted = 0;
            let (bytes, count) = (std::mem::take(&mut state.bytes), std::mem::take(&mut state.count));
            let mut answer = Vec::with_capacity(bytes.len().saturating_add(8));
            answer.push(u8::from(is_over));
            Poll::Ready(write_length(count, &mut answer).map(|()| {
                answer.extend_from_slice(&bytes);
                answer
            }))
        })
        .await
    }

    /// Ends it: the embedder wants no more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        wake(&mut state.reader);
        wake(&mut state.writer);
    }
}

/// The embedder's end of a stream or future that the component writes.
struct Consumer<I> {
    reading: Arc<Reading>,
    /// The type of the elements.
    of: Option<usize>,
    item: PhantomData<fn() -> I>,
}

/// Room for so many elements. (A vector of elements without bytes has room for any number.)
struct Room<I> {
    items: Vec<I>,
    most: usize,
}

impl<I> Room<I> {
    const fn of(most: usize) -> Self {
        Self { items: Vec::new(), most }
    }
}

impl<I: Item> ReadBuffer<I> for Room<I> {
    fn extend<E: IntoIterator<Item = I>>(&mut self, items: E) {
        Extend::extend(&mut self.items, items);
    }

    fn remaining_capacity(&self) -> usize {
        self.most.saturating_sub(self.items.len())
    }

    fn move_from(&mut self, input: &mut dyn WriteBuffer<I>, count: usize) {
        self.items.reserve(count);
        self.items.move_from(input, count);
    }
}

/// The part of a poll that has no elements to take.
enum Idle {
    Closed,
    Waits,
    /// Elements are wanted, and there are none yet.
    Ready,
    Took,
}

impl<I: Item> Consumer<I> {
    fn poll<T: Holder>(
        &self,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, T>,
        mut source: Source<'_, I>,
    ) -> Result<Idle> {
        let mut state = self.reading.lock();
        if state.is_closed {
            return Ok(Idle::Closed);
        }
        let most = state.wanted.min(I::MOST);
        if most == 0 {
            state.writer = Some(context.waker().clone());
            return Ok(Idle::Waits);
        }
        if source.remaining(store.as_context_mut()) == 0 {
            return Ok(Idle::Ready);
        }
        let (mut bytes, mut count) = (Vec::new(), 0);
        reading(|| {
            while count < most && bytes.len() < MOST_BYTES {
                let mut room = Room::of(I::BATCH.min(most.saturating_sub(count)));
                source.read(store.as_context_mut(), &mut room)?;
                if room.items.is_empty() {
                    break;
                }
                count = count.saturating_add(room.items.len());
                bytes.append(&mut I::encode(store.as_context_mut(), self.of, room.items)?);
            }
            Ok::<_, Error>(())
        })?;
        (state.wanted, state.count, state.bytes) = (0, count, bytes);
        wake(&mut state.reader);
        Ok(Idle::Took)
    }
}

impl<I> Drop for Consumer<I> {
    fn drop(&mut self) {
        let mut state = self.reading.lock();
        state.is_over = true;
        wake(&mut state.reader);
    }
}

impl<T: Holder, I: Item> StreamConsumer<T> for Consumer<I> {
    type Item = I;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, T>,
        source: Source<'_, I>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        Poll::Ready(Ok(match self.poll(context, store, source) {
            Ok(Idle::Closed) => StreamResult::Dropped,
            Ok(Idle::Waits) if finish => StreamResult::Cancelled,
            Ok(Idle::Waits) => return Poll::Pending,
            Ok(Idle::Ready | Idle::Took) => StreamResult::Completed,
            Err(error) => return Poll::Ready(Err(error)),
        }))
    }
}

impl<T: Holder, I: Item> FutureConsumer<T> for Consumer<I> {
    type Item = I;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'_, T>,
        mut source: Source<'_, I>,
        finish: bool,
    ) -> Poll<Result<()>> {
        match self.poll(context, store.as_context_mut(), source.reborrow()) {
            Ok(Idle::Waits) if !finish => Poll::Pending,
            // A future has no word for a reader that wants it no more: it is read for nobody.
            Ok(Idle::Closed) if !finish => Poll::Ready(reading(|| source.read(store, &mut Room::of(1)))),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

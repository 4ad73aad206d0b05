//! Resources, streams and futures between a component and JavaScript, which knows each by a number. Those of
//! the component are in a table here; those of the embedder in one of JavaScript's, which chooses the number.

use crate::description::Described;
use crate::streams::{self, Embedder, Given, Reading, Written};
use crate::values::Reader;
use std::sync::Arc;
use wasmtime::component::{FutureAny, ResourceAny, ResourceDynamic, StreamAny, Val};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut, bail};

/// The most resources, streams and futures of a component that JavaScript may hold.
const MOST: usize = 1 << 20;

/// A thing of a component that JavaScript holds.
#[derive(Debug)]
enum Held {
    Resource(ResourceAny),
    /// A stream or future of elements of this type, of which nothing has been read.
    Written(Written, Option<usize>),
    Reading(Arc<Reading>),
}

/// The things of a component that JavaScript holds.
#[derive(Default)]
pub struct Handles {
    held: Vec<Option<Held>>,
    free: Vec<usize>,
    /// The types of the component.
    types: Arc<[Described]>,
    /// The embedder, if the component may be given streams.
    embedder: Option<Arc<dyn Embedder>>,
    /// Those of the component that values which are being written lend to JavaScript, by their numbers.
    lent: Vec<u32>,
    /// Those of the embedder that values which are being read lend to the component.
    lending: Vec<ResourceAny>,
}

/// Resources of a component that JavaScript was lent for the time of a call.
#[derive(Debug)]
#[must_use = "loans end with the call"]
pub struct Loans(Vec<u32>);

/// Resources of the embedder that a component was lent for the time of a call.
#[derive(Debug)]
#[must_use = "loans end with the call"]
pub struct Lent(Vec<ResourceAny>);

/// The error for a handle that stands for nothing.
fn gone() -> Error {
    Error::msg("it has been dropped or given away")
}

impl Handles {
    /// Those of a component with these types.
    pub fn new(types: Arc<[Described]>, embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self { types, embedder, ..Self::default() }
    }

    fn put(&mut self, held: Held) -> Result<u32> {
        let index = self.free.pop().unwrap_or(self.held.len());
        match self.held.get_mut(index) {
            Some(place) => *place = Some(held),
            None if index < MOST => self.held.push(Some(held)),
            None => bail!("holds {MOST} resources of the component, the most that there may be"),
        }
        Ok(u32::try_from(index)?)
    }

    fn place(&mut self, handle: u32) -> Option<&mut Option<Held>> {
        self.held.get_mut(usize::try_from(handle).ok()?)
    }

    fn resource(&mut self, handle: u32) -> Result<ResourceAny> {
        match self.place(handle) {
            Some(Some(Held::Resource(any))) => Ok(*any),
            _ => Err(Error::msg("the resource has been dropped or given away")),
        }
    }

    /// Takes what has this number out of the table, if it is of this kind.
    fn take_if(&mut self, handle: u32, is: impl FnOnce(&Held) -> bool) -> Result<Held> {
        let held = self.place(handle).and_then(|place| place.take_if(|held| is(held))).ok_or_else(gone)?;
        self.free.push(usize::try_from(handle)?);
        Ok(held)
    }

    fn take_resource(&mut self, handle: u32) -> Result<ResourceAny> {
        let any = self.resource(handle)?;
        self.take_if(handle, |_| true)?;
        Ok(any)
    }
}

/// The data of a store that has resources of a component.
pub trait Holder: Send + 'static {
    /// The resources.
    fn handles(&mut self) -> &mut Handles;
}

/// Calls a function with the resources of a store.
pub fn with_handles<S, R>(mut store: S, act: impl FnOnce(&mut InStore<'_, S::Data>) -> R) -> R
where
    S: AsContextMut<Data: Holder>,
{
    let mut store = store.as_context_mut();
    let mut handles = std::mem::take(store.data_mut().handles());
    let result = act(&mut InStore { handles: &mut handles, store: store.as_context_mut() });
    *store.data_mut().handles() = handles;
    result
}

/// The resources, with the store that they are in.
pub struct InStore<'a, T: 'static> {
    handles: &'a mut Handles,
    store: StoreContextMut<'a, T>,
}

impl<T: Holder> InStore<'_, T> {
    /// The resource with this number, for the component: one of the embedder's type `host`, or of the
    /// component's own. One that is given away leaves the table.
    pub(super) fn lift(&mut self, number: u32, host: Option<u32>, is_owned: bool) -> Result<ResourceAny> {
        match host {
            Some(ty) if is_owned => ResourceDynamic::new_own(number, ty).try_into_resource_any(&mut self.store),
            Some(ty) => {
                // A borrow can't be made before the call begins: one that the host owns is lent.
                let any = ResourceDynamic::new_own(number, ty).try_into_resource_any(&mut self.store)?;
                self.handles.lending.push(any);
                Ok(any)
            }
            None if is_owned => self.handles.take_resource(number),
            None => self.handles.resource(number),
        }
    }

    /// The number of a resource, for JavaScript. One that is lent has it until [`Self::end_loans`].
    pub(super) fn lower(&mut self, any: ResourceAny, host: Option<u32>, is_owned: bool) -> Result<u32> {
        if host.is_some() {
            return Ok(any.try_into_resource_dynamic(&mut self.store)?.rep());
        }
        let number = self.handles.put(Held::Resource(any))?;
        if !is_owned {
            self.handles.lent.push(number);
        }
        Ok(number)
    }

    /// A stream or future for the component: the embedder's with this number, or one of the component's own,
    /// of which nothing has been read.
    fn written(&mut self, of: Option<usize>, from: &mut Reader<'_>) -> Result<std::result::Result<Written, Given>> {
        let [is_own] = from.array()?;
        let number = from.number()?;
        if is_own == 0 {
            let embedder = self.handles.embedder.clone();
            let embedder = embedder.ok_or_else(|| Error::msg("streams can't be given to the component"))?;
            return Ok(Err(Given::new(embedder, number)));
        }
        match self.handles.take_if(number, |held| matches!(held, Held::Written(_, is_of) if *is_of == of))? {
            Held::Written(written, _) => Ok(Ok(written)),
            _ => Err(gone()),
        }
    }

    /// A stream for the component.
    pub(super) fn lift_stream(&mut self, of: Option<usize>, from: &mut Reader<'_>) -> Result<StreamAny> {
        match self.written(of, from)? {
            Ok(Written::Stream(any)) => Ok(any),
            Ok(Written::Future(_)) => bail!("a future is no stream"),
            Err(given) => streams::stream_of(self.store.as_context_mut(), &self.handles.types, of, given),
        }
    }

    /// A future for the component.
    pub(super) fn lift_future(&mut self, of: Option<usize>, from: &mut Reader<'_>) -> Result<FutureAny> {
        match self.written(of, from)? {
            Ok(Written::Future(any)) => Ok(any),
            Ok(Written::Stream(_)) => bail!("a stream is no future"),
            Err(given) => streams::future_of(self.store.as_context_mut(), &self.handles.types, of, given),
        }
    }

    /// The number of a stream or future, for JavaScript.
    pub(super) fn lower_written(&mut self, written: Written, of: Option<usize>) -> Result<u32> {
        self.handles.put(Held::Written(written, of))
    }

    /// Begins to read the stream or future with this number, or goes on.
    pub fn reading(&mut self, number: u32) -> Result<Arc<Reading>> {
        let types = Arc::clone(&self.handles.types);
        let place = self.handles.place(number).ok_or_else(gone)?;
        let reading = match place.take() {
            Some(Held::Reading(reading)) => reading,
            Some(Held::Written(written, of)) => {
                let begun = Reading::begin(self.store.as_context_mut(), &types, of, written);
                begun.inspect_err(|_| self.handles.free.extend(usize::try_from(number)))?
            }
            other => {
                *place = other;
                return Err(gone());
            }
        };
        if let Some(place) = self.handles.place(number) {
            *place = Some(Held::Reading(Arc::clone(&reading)));
        }
        Ok(reading)
    }

    /// Ends the stream or future with this number: JavaScript wants no more of it.
    pub fn close(&mut self, number: u32) -> Result<()> {
        match self.handles.take_if(number, |held| !matches!(held, Held::Resource(_)))? {
            Held::Reading(reading) => reading.close(),
            Held::Written(Written::Stream(mut any), _) => any.close(&mut self.store)?,
            Held::Written(Written::Future(mut any), _) => any.close(&mut self.store)?,
            Held::Resource(_) => return Err(gone()),
        }
        Ok(())
    }

    /// Elements of a stream, which lend nothing.
    pub(super) fn decode_elements(&mut self, of: usize, count: usize, from: &mut Reader<'_>) -> Result<Vec<Val>> {
        let types = Arc::clone(&self.handles.types);
        self.read_many(&types, of, count, from)
    }

    /// The bytes of elements of a stream.
    pub(super) fn encode_elements(&mut self, of: usize, values: impl Iterator<Item = Val>) -> Result<Vec<u8>> {
        let (types, mut to) = (Arc::clone(&self.handles.types), Vec::new());
        for value in values {
            self.write(&types, of, &value, &mut to)?;
        }
        Ok(to)
    }

    /// The loans to JavaScript that were made since this was called before.
    pub(super) fn take_loans(&mut self) -> Loans {
        Loans(std::mem::take(&mut self.handles.lent))
    }

    /// The loans to the component that were made since this was called before.
    pub(super) fn take_lent(&mut self) -> Lent {
        Lent(std::mem::take(&mut self.handles.lending))
    }

    /// Ends loans to JavaScript: the call that they were made for is over.
    pub fn end_loans(&mut self, Loans(ended): Loans) -> Result<()> {
        for number in ended {
            let any = self.handles.take_resource(number)?;
            any.resource_drop(&mut self.store)?;
        }
        Ok(())
    }

    /// Takes back what was lent to the component: its call is over.
    pub fn take_back(&mut self, Lent(lent): Lent) -> Result<()> {
        for any in lent {
            any.try_into_resource_dynamic(&mut self.store)?;
        }
        Ok(())
    }

    /// Takes a resource out of the table, by the bytes of its number: JavaScript drops it.
    pub fn take(&mut self, bytes: &[u8]) -> Result<ResourceAny> {
        self.handles.take_resource(u32::from_le_bytes(bytes.try_into()?))
    }
}

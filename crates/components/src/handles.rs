//! Resources on their way between a component and JavaScript, which knows each by a number. Those that the
//! component has made are in a table here; those of the embedder in one of JavaScript's, which chooses the
//! number.

use wasmtime::component::{ResourceAny, ResourceDynamic};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut, bail};

/// The most resources of a component that JavaScript may hold.
const MOST: usize = 1 << 20;

/// The resources of a component that JavaScript holds.
#[derive(Debug, Default)]
pub struct Handles {
    held: Vec<Option<ResourceAny>>,
    free: Vec<usize>,
    /// The numbers of those that were lent for the call that is being made.
    lent: Vec<u32>,
    /// Those of the embedder that were lent to the component for the call that is being made.
    lending: Vec<ResourceAny>,
}

impl Handles {
    fn put(&mut self, any: ResourceAny) -> Result<u32> {
        let index = self.free.pop().unwrap_or(self.held.len());
        match self.held.get_mut(index) {
            Some(place) => *place = Some(any),
            None if index < MOST => self.held.push(Some(any)),
            None => bail!("holds {MOST} resources of the component, the most that there may be"),
        }
        Ok(u32::try_from(index)?)
    }

    fn get(&self, handle: u32) -> Result<ResourceAny> {
        let index = usize::try_from(handle)?;
        self.held.get(index).copied().flatten().ok_or_else(|| Error::msg("the resource has been dropped or given away"))
    }

    fn take(&mut self, handle: u32) -> Result<ResourceAny> {
        let any = self.get(handle)?;
        let index = usize::try_from(handle)?;
        if let Some(place) = self.held.get_mut(index) {
            *place = None;
            self.free.push(index);
        }
        Ok(any)
    }
}

/// The data of a store that has resources of a component.
pub trait Holder: 'static {
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

impl<T> InStore<'_, T> {
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
            None if is_owned => self.handles.take(number),
            None => self.handles.get(number),
        }
    }

    /// The number of a resource, for JavaScript. One that is lent has it until [`Self::end_loans`].
    pub(super) fn lower(&mut self, any: ResourceAny, host: Option<u32>, is_owned: bool) -> Result<u32> {
        if host.is_some() {
            return Ok(any.try_into_resource_dynamic(&mut self.store)?.rep());
        }
        let number = self.handles.put(any)?;
        if !is_owned {
            self.handles.lent.push(number);
        }
        Ok(number)
    }

    /// The number of resources that are lent now: what is lent after that ends with [`Self::end_loans`].
    pub const fn loans(&self) -> usize {
        self.handles.lent.len()
    }

    /// Ends the loans that were made since.
    pub fn end_loans(&mut self, since: usize) -> Result<()> {
        let ended = self.handles.lent.split_off(since.min(self.handles.lent.len()));
        for number in ended {
            let any = self.handles.take(number)?;
            any.resource_drop(&mut self.store)?;
        }
        Ok(())
    }

    /// Takes back what was lent to the component: its call is over.
    pub fn take_back(&mut self) -> Result<()> {
        for any in std::mem::take(&mut self.handles.lending) {
            any.try_into_resource_dynamic(&mut self.store)?;
        }
        Ok(())
    }

    /// Takes a resource out of the table, by the bytes of its number: JavaScript drops it.
    pub fn take(&mut self, bytes: &[u8]) -> Result<ResourceAny> {
        self.handles.take(u32::from_le_bytes(bytes.try_into()?))
    }
}

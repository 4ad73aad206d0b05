//! The parts of calls that an environment (a thread, or one load of the addon) has once: its call page, the
//! modules that are made here, and its guests.

use crate::call::guest::{Guest, Hooks};
use crate::call::guests::Guests;
use crate::call::memory::PageMemory;
use crate::call::modules::compile;
use crate::call::page::{uncache_all, uncache_guest};
use crate::node_api::{Finalizer, Js, JsResult, Key, StateFunction, Store, Value};
use std::rc::Rc;

/// The parts of calls that an environment has once.
#[derive(Debug)]
pub struct Realm<H> {
    /// The call page.
    pub page: PageMemory,
    kept: Store<Kept>,
    guests: Guests<H>,
}

/// A value that a realm keeps. Modules are compiled when they are first needed: loading the addon should cost
/// next to nothing.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// The memory of the call page.
    Page,
    /// The function through which syscalls enter.
    Syscall,
    /// The shim's module.
    Shim,
    /// The memory-size module, for a memory of one thread.
    MemorySize,
    /// The memory-size module, for a shared memory.
    MemorySizeShared,
    /// The memory-size module, for a memory with 64-bit addresses.
    MemorySizeWide,
    /// The memory-size module, for a shared memory with 64-bit addresses.
    MemorySizeSharedWide,
}

impl Key for Kept {
    fn index(self) -> u32 {
        self as u32
    }
}

impl<H: Hooks> Realm<H>
where
    Self: StateFunction,
{
    /// Makes the environment's realm.
    pub fn init(js: Js<'_>) -> JsResult<()> {
        let wasm = js.get_named(js.global()?, "WebAssembly")?;
        let page_type = js.object()?;
        for limit in ["initial", "maximum"] {
            js.set_named(page_type, limit, js.number(1.0)?)?;
        }
        let page_memory = js.construct(js.get_named(wasm, "Memory")?, &[page_type])?;
        let page = PageMemory::new(js, js.get_named(page_memory, "buffer")?)?;
        uncache_all(&page);
        let realm = js.add_state(Self { page, kept: Store::new(js)?, guests: Guests::default() })?;
        realm.kept.put(js, [(Kept::Page, page_memory), (Kept::Syscall, js.state_function::<Self>()?)])
    }

    /// Takes in a guest under a number from [`Self::next_guest`], until `owner` is collected.
    pub fn add_guest<'s>(&self, js: Js<'s>, number: u32, owner: Value<'s>, guest: Guest<H>) -> JsResult<()> {
        let ticket = self.guests.add(js, number, guest)?;
        js.add_finalizer::<OwnerCollected<H>>(owner, ticket)
    }
}

impl<H: 'static> Realm<H> {
    /// A value that it keeps.
    pub fn get<'s>(&self, js: Js<'s>, kept: Kept) -> JsResult<Value<'s>> {
        self.kept.get(js, kept)
    }

    /// One of the modules; `bytes` makes it the first time.
    pub fn module<'s>(&self, js: Js<'s>, kept: Kept, bytes: impl FnOnce() -> Vec<u8>) -> JsResult<Value<'s>> {
        self.kept.get_or_make(js, kept, || compile(js, &bytes()))
    }

    /// The guest of this number.
    #[inline]
    pub fn guest(&self, number: usize) -> Option<Rc<Guest<H>>> {
        self.guests.get(number)
    }

    /// Removes the guest of this number, and closes its descriptors.
    pub fn remove_guest(&self, js: Js<'_>, number: usize) {
        self.guests.remove(js, number);
        uncache_guest(&self.page, number);
    }

    /// The number that the next guest gets.
    pub fn next_guest(&self, js: Js<'_>) -> JsResult<u32> {
        self.guests.next_number(js, |number| uncache_guest(&self.page, number))
    }
}

/// Removes a guest whose owner has been collected.
struct OwnerCollected<H>(std::marker::PhantomData<H>);

impl<H: 'static> Finalizer for OwnerCollected<H> {
    fn collected(js: Js<'_>, ticket: usize) {
        if let Ok(realm) = js.state::<Realm<H>>()
            && let Some(number) = realm.guests.remove_by_ticket(js, ticket)
        {
            uncache_guest(&realm.page, number);
        }
    }
}

//! The parts of a guest that its calls need.

use crate::call::memory::GuestMemory;
use crate::node_api::{Js, JsResult, Reference, Thrown};
use std::cell::Cell;
use std::fmt::Debug;
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::syscalls::Flow;

/// A guest and its objects in JavaScript. The references keep nothing alive: the class's object holds the
/// functions, the functions hold their instance, and the instance holds its owner. When the owner is
/// collected, the guest is dropped.
#[derive(Debug)]
pub struct Guest<H> {
    /// Arguments, environment and descriptors.
    pub ctx: Ctx,
    /// Its memory.
    pub memory: GuestMemory,
    /// The shim's table.
    pub table: Reference,
    /// The object that the shim's instance owns. When it has been collected, no call is possible any more.
    pub owner: Reference,
    /// The number of its calls with a constant answer, since it was bound.
    pub constant_calls: Cell<u32>,
    has_hooks: Cell<bool>,
    /// The embedder's part in its calls.
    pub hooks: H,
}

impl<H: Hooks> Guest<H> {
    /// A guest that has no memory yet.
    pub fn new(ctx: Ctx, table: Reference, owner: Reference, hooks: H) -> Self {
        let (memory, constant_calls, has_hooks) = (GuestMemory::unbound(), Cell::new(0), Cell::new(false));
        let guest = Self { ctx, memory, table, owner, constant_calls, has_hooks, hooks };
        guest.update_hooks();
        guest
    }

    /// True if its calls go through the hooks, or are watched. It is one flag, since each call reads it.
    #[inline]
    pub fn has_hooks(&self) -> bool {
        self.has_hooks.get()
    }

    /// True if none of its calls is answered inside WebAssembly.
    pub fn makes_each_call(&self) -> bool {
        self.ctx.watch().is_some() || self.hooks.see_each_call()
    }

    /// Sets the flag anew.
    pub fn update_hooks(&self) {
        self.has_hooks.set(self.makes_each_call() || self.hooks.are_needed());
    }
}

/// The embedder's part in the calls of a guest: streams of JavaScript, an observer, and the end of the guest.
pub trait Hooks: Debug + Sized + 'static {
    /// True if there are streams or clocks of functions, or the guest ended. [`Guest::update_hooks`] asks.
    fn are_needed(&self) -> bool;

    /// True if each call is to reach Rust, for [`Self::begin_call`] and [`Self::end_call`].
    fn see_each_call(&self) -> bool;

    /// Throws if the guest has ended, and may make no call any more.
    fn check(&self, js: Js<'_>) -> JsResult<()>;

    /// Called when a call begins, with the guest's pages of memory; throws if the guest ends instead.
    fn begin_call(&self, js: Js<'_>, pages: u32) -> JsResult<()>;

    /// Called with the result of a call; throws if the guest ends.
    fn end_call(guest: &Guest<Self>, js: Js<'_>, flow: Flow) -> JsResult<()>;

    /// True if JavaScript supplies or takes streams of the guest.
    fn has_streams(&self) -> bool;

    /// Has the embedder tell the time, if the call with this index looks at it; true if JavaScript has
    /// run.
    fn tell_time(guest: &Guest<Self>, js: Js<'_>, call: usize) -> JsResult<bool>;

    /// Supplies a stream that a call found empty; true if the call is to be made again.
    fn supply(guest: &Guest<Self>, js: Js<'_>) -> JsResult<bool>;

    /// Delivers the bytes that a call has written.
    fn deliver(guest: &Guest<Self>, js: Js<'_>) -> JsResult<()>;

    /// Hands a call that was shown to the embedder; true if JavaScript has run.
    fn show(guest: &Guest<Self>, js: Js<'_>) -> JsResult<bool>;

    /// Throws the exception that ends the guest after `proc_exit`.
    fn exit(guest: &Guest<Self>, js: Js<'_>, code: u32) -> JsResult<Thrown>;

    /// Called with the exception that ends a call, which it may replace by another.
    fn failed(guest: &Guest<Self>, js: Js<'_>, thrown: Thrown) -> Thrown;
}

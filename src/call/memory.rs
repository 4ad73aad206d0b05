//! WebAssembly memories: the guest's, and the page that calls go through. One of the addresses of `unsafe`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use crate::builtins::{self, Builtin};
use crate::call::layout::{self, UNBOUND};
use crate::call::memory_kind::MemoryKind;
use crate::errors;
use crate::node_api::{Js, JsResult, Reference, Value};
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use wasi_rs_core::memory::Memory;

/// A guest's memory and its address, which is looked up anew when the number of pages has changed: growing a
/// memory may move it, and nothing else does.
#[derive(Debug)]
pub struct GuestMemory {
    object: RefCell<Option<(Reference, MemoryKind)>>,
    pages: Cell<u32>,
    bytes: Cell<(NonNull<u8>, usize)>,
}

/// Bytes of a page of WebAssembly memory.
const PAGE_SIZE: usize = 65536;

impl GuestMemory {
    /// No memory yet.
    pub const fn unbound() -> Self {
        Self { object: RefCell::new(None), pages: Cell::new(UNBOUND), bytes: Cell::new((NonNull::dangling(), 0)) }
    }

    /// Takes the memory that `object` refers to from now on.
    pub fn bind(&self, object: Reference, kind: MemoryKind) {
        self.forget();
        *self.object.borrow_mut() = Some((object, kind));
    }

    /// The memory and its kind, if there is one.
    pub fn object<'s>(&self, js: Js<'s>) -> JsResult<Option<(Value<'s>, MemoryKind)>> {
        match self.object.borrow().as_ref() {
            Some((reference, kind)) => Ok(js.dereference(reference)?.map(|memory| (memory, *kind))),
            None => Ok(None),
        }
    }

    /// Has the memory looked up again: JavaScript has run since, and may have made it grow.
    pub fn forget(&self) {
        self.pages.set(UNBOUND);
    }

    /// The bytes of the memory, which has `pages` pages now, for one syscall.
    #[inline]
    pub fn view<'a>(&'a self, js: Js<'_>, pages: u32) -> JsResult<Memory<'a>> {
        if pages != self.pages.get() {
            self.look_up(js, pages)?;
            self.pages.set(pages);
        }
        let (base, len) = self.bytes.get();
        // SAFETY: the engine gave these bytes for a memory of so many pages, which it has still. The caller
        // is the guest's own call: its instance, and so its memory, is alive, and does not run until the call
        // returns. Other threads may write to a shared memory, which is what `Memory` is made for.
        Ok(unsafe { Memory::new(base, len) })
    }

    fn look_up(&self, js: Js<'_>, pages: u32) -> JsResult<()> {
        let Some((memory, _)) = self.object(js)? else {
            return Err(errors::not_started(js));
        };
        let buffer = builtins::memory_buffer(js, memory)?;
        let (base, len) = js.bytes_of(addressable(js, buffer)?)?;
        // A shared memory never moves, and the buffer may not yet know that another thread has made it grow.
        let len = if js.is_array_buffer(buffer)? { len } else { len.max(pages as usize * PAGE_SIZE) };
        self.bytes.set((base, len));
        Ok(())
    }
}

/// A view of a buffer whose address Node-API tells: it does not tell a SharedArrayBuffer's.
fn addressable<'s>(js: Js<'s>, buffer: Value<'s>) -> JsResult<Value<'s>> {
    if js.is_array_buffer(buffer)? {
        Ok(buffer)
    } else {
        js.construct(builtins::get(js, Builtin::Uint8Array)?, &[buffer])
    }
}

/// The memory of the [call page](crate::call::page).
#[derive(Debug)]
pub struct PageMemory {
    base: NonNull<u8>,
}

impl PageMemory {
    /// The bytes of `buffer`, of a memory that never grows and that the caller keeps alive.
    pub fn new(js: Js<'_>, buffer: Value<'_>) -> JsResult<Self> {
        let (base, len) = js.bytes_of(buffer)?;
        assert!(len >= layout::SIZE && base.addr().get().is_multiple_of(8), "a WebAssembly page is long and aligned");
        Ok(Self { base })
    }

    /// The number at a place of the page.
    ///
    /// Read as wide as it was written, and volatile, so that the compiler does not join it with its
    /// neighbours: the processor hands a number on from a store to a load that is as wide, but makes a wider
    /// load wait for the cache.
    pub fn get<T: PageNumber, const AT: usize>(&self) -> T {
        const { assert!(AT + size_of::<T>() <= layout::SIZE && AT.is_multiple_of(size_of::<T>())) };
        // SAFETY: inside the page and aligned, as was just checked; any bytes are a number.
        unsafe { self.base.as_ptr().add(AT).cast::<T>().read_volatile() }
    }

    /// The number at a place of the page that is known when it is asked for.
    pub fn get_at(&self, at: usize) -> u64 {
        assert!(at + size_of::<u64>() <= layout::SIZE && at.is_multiple_of(size_of::<u64>()), "inside the page");
        // SAFETY: as in `get`.
        unsafe { self.base.as_ptr().add(at).cast::<u64>().read_volatile() }
    }

    /// Puts a number at such a place.
    pub fn put_at(&self, at: usize, number: u64) {
        assert!(at + size_of::<u64>() <= layout::SIZE && at.is_multiple_of(size_of::<u64>()), "inside the page");
        // SAFETY: as in `put`.
        unsafe { self.base.as_ptr().add(at).cast::<u64>().write_volatile(number) }
    }

    /// Puts a number at a place of the page.
    pub fn put<T: PageNumber, const AT: usize>(&self, number: T) {
        const { assert!(AT + size_of::<T>() <= layout::SIZE && AT.is_multiple_of(size_of::<T>())) };
        // SAFETY: as in `get`; no reference to the page exists.
        unsafe { self.base.as_ptr().add(AT).cast::<T>().write_volatile(number) }
    }
}

/// A number in the page. WebAssembly is little-endian, and so is every processor that Node runs on today.
pub trait PageNumber: Copy {}
impl PageNumber for u32 {}
impl PageNumber for u64 {}
const _: () = assert!(cfg!(target_endian = "little"), "numbers in the call page would have to be swapped");

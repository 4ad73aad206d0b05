//! A call of a guest, from the page to the system call and back.

use crate::call::bind;
use crate::call::guest::{Guest, Hooks};
use crate::call::layout::{After, UNBOUND};
use crate::call::page::{PageCall, answer, cache, uncache_changed};
use crate::call::realm::Realm;
use crate::errors;
use crate::node_api::{Js, JsResult, StateFunction, Thrown};
use std::ffi::CStr;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::memory::Memory;
#[cfg(debug_assertions)]
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_core::syscalls::trace::Watched;
use wasi_rs_core::syscalls::{ENTRIES, Entry, Flow};

/// The function through which all syscalls enter: no argument, no result, everything in the realm's call
/// page.
impl<H: Hooks> StateFunction for Realm<H> {
    const NAME: &'static CStr = c"syscall";
    type Call = PageCall;

    #[inline]
    fn take_call(&self) -> PageCall {
        PageCall::read(&self.page)
    }

    #[inline]
    fn call(&self, js: Js<'_>, call: &PageCall) -> JsResult<()> {
        enter(js, self, call)
    }

    fn failed(&self, js: Js<'_>, call: &PageCall, thrown: Thrown) -> Thrown {
        match self.guest(call.guest as usize) {
            Some(guest) => H::failed(&guest, js, thrown),
            None => thrown,
        }
    }
}

/// Makes a syscall, and leaves the answer in the page.
#[inline]
fn enter<H: Hooks>(js: Js<'_>, realm: &Realm<H>, call: &PageCall) -> JsResult<()> {
    let Some(guest) = realm.guest(call.guest as usize) else {
        return Err(errors::not_started(js));
    };
    if call.pages == UNBOUND {
        return Err(errors::not_started(js));
    }
    // The shim only knows numbers from the list.
    let Some(entry) = ENTRIES.get(call.index()) else {
        return Err(errors::not_started(js));
    };
    #[cfg(debug_assertions)]
    panic_if_asked(call);
    let flow = if guest.has_hooks() {
        call_with_hooks(js, realm, &guest, call, *entry)?
    } else {
        make(js, realm, &guest, call, *entry)?
    };
    match flow {
        Flow::Answer(errno) => {
            answer(&realm.page, errno);
            Ok(())
        }
        Flow::Exit(code) => Err(H::exit(&guest, js, code).unwrap_or_else(|thrown| thrown)),
    }
}

/// Makes the call, and does the task that follows it.
#[inline]
fn make<H: Hooks>(js: Js<'_>, realm: &Realm<H>, guest: &Guest<H>, call: &PageCall, entry: Entry) -> JsResult<Flow> {
    let memory = guest.memory.view(js, call.pages)?;
    let flow = entry(&guest.ctx, &memory, &call.args);
    if let (Some(after), Flow::Answer(errno)) = (call.after(), flow) {
        do_after(js, realm, guest, (call, after), &memory, errno)?;
    }
    Ok(flow)
}

/// The same for a guest that is watched, has streams or clocks of JavaScript, or has ended. It is a separate
/// function to keep the way of all others short.
#[inline(never)]
fn call_with_hooks<H: Hooks>(
    js: Js<'_>,
    realm: &Realm<H>,
    guest: &Guest<H>,
    call: &PageCall,
    entry: Entry,
) -> JsResult<Flow> {
    guest.hooks.check(js)?;
    guest.hooks.begin_call(js, call.pages)?;
    let told;
    let call = if H::tell_time(guest, js, call.index())? {
        guest.hooks.check(js)?;
        guest.memory.forget();
        told = call.with_pages(bind::pages(js, guest)?);
        &told
    } else {
        call
    };
    let memory = guest.memory.view(js, call.pages)?;
    let watched = Watched::begin(&guest.ctx, &memory, call.index(), &call.args);
    let mut flow = make(js, realm, guest, call, entry)?;
    if guest.hooks.has_streams() {
        // The embedder's functions may call the guest, and end it.
        if flow == Flow::Answer(Errno::Again) && H::supply(guest, js)? {
            guest.hooks.check(js)?;
            flow = entry(&guest.ctx, &view_anew(js, guest)?, &call.args);
        }
        H::deliver(guest, js)?;
        guest.hooks.check(js)?;
    }
    if let Some(watched) = watched {
        watched.end(&guest.ctx, &view_anew(js, guest)?, flow);
        if H::show(guest, js)? {
            guest.hooks.check(js)?;
        }
    }
    H::end_call(guest, js, flow)?;
    Ok(flow)
}

/// The guest's memory after a function of the embedder's, which may have made it grow, or bound another.
fn view_anew<'a, H>(js: Js<'_>, guest: &'a Guest<H>) -> JsResult<Memory<'a>> {
    let pages = bind::pages(js, guest)?;
    guest.memory.forget();
    guest.memory.view(js, pages)
}

/// Does the task that follows a call, so that the next may be answered without leaving WebAssembly. It is a
/// separate function, since most calls have no task.
#[inline(never)]
fn do_after<H: Hooks>(
    js: Js<'_>,
    realm: &Realm<H>,
    guest: &Guest<H>,
    (call, after): (&PageCall, After),
    memory: &Memory<'_>,
    errno: Errno,
) -> JsResult<()> {
    match after {
        After::Cache(_) | After::Count if guest.makes_each_call() => {}
        After::Cache(record) if errno == Errno::Success => {
            // A record that can't be read back is not cached.
            let _ = cache(&realm.page, record, call, memory);
        }
        After::Cache(_) => {}
        After::Uncache => uncache_changed(&realm.page, call),
        After::Count => bind::count(js, guest)?,
    }
    Ok(())
}

/// A "signal" for tests: `proc_raise` of it panics in a debug build, so that a test sees the panic become an
/// exception.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "what it is for")]
fn panic_if_asked(call: &PageCall) {
    const SIGNAL: u64 = 0x7061_6e69;
    let is_raise = SYSCALLS.get(call.index()).is_some_and(|row| row.name == "proc_raise");
    if is_raise && call.args.first() == Some(&SIGNAL) {
        panic!("as the test asked");
    }
}

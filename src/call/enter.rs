//! What happens when a guest calls.

use crate::call::bind;
use crate::call::page::{After, PageCall, answer, forget_changed, remember};
use crate::class::ending;
use crate::class::realm::{Guest, Kept, Realm};
use crate::errors;
use crate::node_api::{Js, JsResult, Thrown};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::memory::Memory;
#[cfg(debug_assertions)]
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_core::syscalls::trace::Line;
use wasi_rs_core::syscalls::{ENTRIES, Entry, Flow};

/// A syscall: made, and answered in the page.
#[inline]
pub fn enter(js: Js<'_>, realm: &Realm, call: &PageCall) -> JsResult<()> {
    let Some(guest) = realm.guest(call.guest as usize) else {
        return Err(errors::not_started(js));
    };
    if call.pages == crate::call::memory::UNBOUND {
        return Err(errors::not_started(js));
    }
    // The shim only knows numbers from the list.
    let Some(entry) = ENTRIES.get(call.place()) else {
        return Err(errors::not_started(js));
    };
    #[cfg(debug_assertions)]
    panic_if_asked(call);
    let flow = if guest.is_attended() {
        make_attended(js, realm, &guest, call, *entry)?
    } else {
        make(js, realm, &guest, call, *entry)?
    };
    match flow {
        Flow::Answer(errno) => {
            answer(&realm.page, errno);
            Ok(())
        }
        Flow::Exit(code) => Err(exit(js, realm, &guest, code).unwrap_or_else(|thrown| thrown)),
    }
}

/// Makes the call, and does what is left to do after its answer.
#[inline]
fn make(js: Js<'_>, realm: &Realm, guest: &Guest, call: &PageCall, entry: Entry) -> JsResult<Flow> {
    let memory = guest.memory.view(js, realm, call.pages)?;
    let flow = entry(&guest.ctx, &memory, &call.args);
    if let (Some(after), Flow::Answer(errno)) = (call.after(), flow) {
        look_after(js, realm, guest, (call, after), &memory, errno)?;
    }
    Ok(flow)
}

/// The same for a guest whose calls somebody sees, or whose streams somebody serves, or that has ended. A function of its
/// own, so that the way of all others is short.
#[inline(never)]
fn make_attended(js: Js<'_>, realm: &Realm, guest: &Guest, call: &PageCall, entry: Entry) -> JsResult<Flow> {
    expect_no_end(js, realm, guest)?;
    let observer = guest.observer.as_deref();
    if observer.is_some_and(|observer| !observer.begin_call(call.pages)) {
        return Err(ending::throw(js, realm)?);
    }
    let memory = guest.memory.view(js, realm, call.pages)?;
    let line = Line::begin(&guest.ctx, &memory, call.place(), &call.args);
    let mut flow = make(js, realm, guest, call, entry)?;
    if guest.stdio.is_connected() {
        if flow == Flow::Answer(Errno::Again) && guest.stdio.supply(js, realm, guest)? {
            expect_no_end(js, realm, guest)?;
            flow = entry(&guest.ctx, &view_anew(js, realm, guest)?, &call.args);
        }
        guest.stdio.deliver(js, realm, guest)?;
        expect_no_end(js, realm, guest)?;
    }
    if let Some(line) = line {
        line.end(&guest.ctx, &view_anew(js, realm, guest)?, flow);
    }
    if observer.is_some_and(|observer| !observer.end_call(&guest.ctx.usage, flow)) {
        return Err(ending::throw(js, realm)?);
    }
    Ok(flow)
}

/// Throws if the guest has ended: in this call, by a function of the embedder's that called it, or in one before.
fn expect_no_end(js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<()> {
    if guest.ending.is_noted() { Err(ending::throw(js, realm)?) } else { Ok(()) }
}

/// The guest's memory after a function of the embedder's, which may have made it grow, or bound another.
fn view_anew<'a>(js: Js<'_>, realm: &Realm, guest: &'a Guest) -> JsResult<Memory<'a>> {
    let pages = bind::pages(js, realm, guest)?;
    guest.memory.forget();
    guest.memory.view(js, realm, pages)
}

/// Does what is left to do after an answer, so that the next may be given without leaving WebAssembly.
fn look_after(
    js: Js<'_>,
    realm: &Realm,
    guest: &Guest,
    (call, after): (&PageCall, After),
    memory: &Memory<'_>,
    errno: Errno,
) -> JsResult<()> {
    match after {
        After::Remember(_) | After::Count if guest.makes_each_call() => {}
        After::Remember(record) if errno == Errno::Success => {
            // Where it can't be read back it is not remembered, and asked for again.
            let _ = remember(&realm.page, record, call, memory);
        }
        After::Remember(_) => {}
        After::Forget => forget_changed(&realm.page, call),
        After::Count => bind::count(js, realm, guest)?,
    }
    Ok(())
}

/// In a debug build `proc_raise` of this "signal" panics, so that a test can see a panic become an exception.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "what it is for")]
fn panic_if_asked(call: &PageCall) {
    const SIGNAL: u64 = 0x7061_6e69;
    let is_raise = SYSCALLS.get(call.place()).is_some_and(|row| row.name == "proc_raise");
    if is_raise && call.args.first() == Some(&SIGNAL) {
        panic!("as the test asked");
    }
}

/// Ends the guest: the process with it, or only what is on the stack of `start()`.
fn exit(js: Js<'_>, realm: &Realm, guest: &Guest, code: u32) -> JsResult<Thrown> {
    // As WebAssembly hands an i32 to JavaScript: codes from 2^31 on are negative, as node:wasi gives them.
    let code = js.number(f64::from(code.cast_signed()))?;
    if !guest.return_on_exit {
        // Looked up now: test runners replace it. In a worker it ends the worker.
        let process = js.get_named(js.global()?, "process")?;
        js.call(process, js.get_named(process, "exit")?, &[code])?;
    }
    let sentinel = realm.get(js, Kept::ExitCode)?;
    if let Some(wasi) = js.dereference(&guest.wasi)? {
        js.set(wasi, sentinel, code)?;
        guest.has_exited.set(true);
    }
    Ok(js.throw(sentinel))
}

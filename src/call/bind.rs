//! Binding a guest to a memory: what imports that memory takes its places in the shim's table.

use crate::call::answers::{LEARN_AFTER, LEARNED, answers};
use crate::call::gauge::{self, MemoryKind, NUMBERS};
use crate::call::memory::UNBOUND;
use crate::call::shim::slot;
use crate::call::wasm::{NAMESPACE, len};
use crate::class::realm::{Guest, Kept, Realm};
use crate::node_api::{Js, JsResult, Value};

/// The exports of a new instance of one of our modules.
pub fn instantiate<'s>(js: Js<'s>, realm: &Realm, module: Value<'s>, imports: Value<'s>) -> JsResult<Value<'s>> {
    let namespaces = js.object()?;
    js.set_named(namespaces, NAMESPACE, imports)?;
    let instance = js.construct(realm.get(js, Kept::Instance)?, &[module, namespaces])?;
    js.get_named(instance, "exports")
}

/// Binds the guest to a memory, the first time or again; an exception if there is no such memory.
pub fn bind<'s>(js: Js<'s>, realm: &Realm, guest: &Guest, memory: Value<'s>, is_array_buffer: bool) -> JsResult<()> {
    let make = |kind| Ok((kind, make_gauge(js, realm, guest, kind, memory)?));
    let (narrow, wide) = match is_array_buffer {
        true => (MemoryKind::Plain, MemoryKind::Wide),
        false => (MemoryKind::Shared, MemoryKind::SharedWide),
    };
    let (kind, gauge) = make(narrow).or_else(|thrown| {
        // Which kind it is, only an import tells. If it is neither, the first answer is the one to show.
        let exception = js.take_exception(thrown)?;
        make(wide).or_else(|thrown| {
            js.take_exception(thrown)?;
            Err(js.throw(exception))
        })
    })?;
    let Some(table) = js.dereference(&guest.table)? else {
        return Ok(());
    };
    // Of a guest that makes each call, all go to Rust: it gets the memory's size, and no answers.
    let slots = if guest.makes_each_call() { 1 } else { usize::MAX };
    for (slot, name) in gauge::exports().take(slots) {
        set(js, realm, table, slot, js.get_named(gauge, name)?)?;
    }
    if guest.asked.replace(0) >= LEARN_AFTER {
        // What was learned writes to the memory that was bound before.
        for (index, _) in LEARNED.iter().enumerate() {
            set(js, realm, table, slot::LEARNS + index, get(js, realm, table, slot::UNLEARNS + index)?)?;
        }
    }
    guest.memory.bind(js.watch(memory)?, kind);
    Ok(())
}

/// How many pages the guest's memory has now.
pub fn pages(js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<u32> {
    let Some(table) = js.dereference(&guest.table)? else {
        return Ok(UNBOUND);
    };
    let pages = js.number_of(js.call(js.undefined()?, get(js, realm, table, slot::SIZE)?, &[])?)?;
    // As WebAssembly hands an i32 to JavaScript.
    #[allow(clippy::cast_possible_truncation, reason = "it is an i32")]
    Ok((pages as i32).cast_unsigned())
}

/// Counts a call that the guest could answer itself. At the one that makes it worth while, a module is made for the
/// guest. That is a favour: where it fails, calls go on as they did.
pub fn count(js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<()> {
    let asked = guest.asked.get().saturating_add(1);
    guest.asked.set(asked);
    if asked != LEARN_AFTER {
        return Ok(());
    }
    learn(js, realm, guest).or_else(|thrown| js.take_exception(thrown).map(drop))
}

fn learn(js: Js<'_>, realm: &Realm, guest: &Guest) -> JsResult<()> {
    let (Some((memory, kind)), Some(table)) = (guest.memory.object(js)?, js.dereference(&guest.table)?) else {
        return Ok(());
    };
    let Some(bytes) = answers(kind, &guest.ctx) else {
        return Ok(());
    };
    let module = js.construct(realm.get(js, Kept::Module)?, &[js.array_buffer(&bytes)?])?;
    let imports = js.object()?;
    js.set_named(imports, "memory", memory)?;
    let exports = instantiate(js, realm, module, imports)?;
    for (index, name) in LEARNED.iter().enumerate() {
        set(js, realm, table, slot::LEARNS + index, js.get_named(exports, name)?)?;
    }
    Ok(())
}

/// The exports of a gauge for the memory; an exception if the memory is of another kind.
fn make_gauge<'s>(
    js: Js<'s>,
    realm: &Realm,
    guest: &Guest,
    kind: MemoryKind,
    memory: Value<'s>,
) -> JsResult<Value<'s>> {
    let kept = match kind {
        MemoryKind::Plain => Kept::Gauge,
        MemoryKind::Shared => Kept::GaugeShared,
        MemoryKind::Wide => Kept::GaugeWide,
        MemoryKind::SharedWide => Kept::GaugeSharedWide,
    };
    let module = realm.module(js, kept, || gauge::gauge(kind))?;
    let imports = js.object()?;
    js.set_named(imports, "memory", memory)?;
    for (name, number) in NUMBERS.into_iter().zip(guest.ctx.constants()) {
        js.set_named(imports, name, js.number(f64::from(number))?)?;
    }
    instantiate(js, realm, module, imports)
}

fn place(js: Js<'_>, slot: usize) -> JsResult<Value<'_>> {
    js.number(f64::from(len(slot)))
}

fn set<'s>(js: Js<'s>, realm: &Realm, table: Value<'s>, slot: usize, function: Value<'s>) -> JsResult<()> {
    js.call(table, realm.get(js, Kept::TableSet)?, &[place(js, slot)?, function]).map(drop)
}

fn get<'s>(js: Js<'s>, realm: &Realm, table: Value<'s>, slot: usize) -> JsResult<Value<'s>> {
    js.call(table, realm.get(js, Kept::TableGet)?, &[place(js, slot)?])
}

//! Binding a guest to a memory: functions of modules that import it get their slots in the shim's table.

use crate::builtins::{self, Builtin};
use crate::call::constants::{MADE_AFTER, constants_module};
use crate::call::encode::number;
use crate::call::guest::{Guest, Hooks};
use crate::call::layout::UNBOUND;
use crate::call::memory_kind::MemoryKind;
use crate::call::memory_size::{NUMBERS, exports, memory_size_module};
use crate::call::modules::{compile, instantiate};
use crate::call::realm::{Kept, Realm};
use crate::call::shim::shim_module;
use crate::call::table::{self, CONSTANT};
use crate::node_api::{Js, JsResult, Value};

/// A new shim for the guest of this number: its table and its functions. The shim keeps `owner` alive.
pub fn instantiate_shim<'s, H: Hooks>(
    js: Js<'s>,
    realm: &Realm<H>,
    guest: u32,
    owner: Value<'s>,
) -> JsResult<(Value<'s>, Value<'s>)> {
    let table_type = js.object()?;
    js.set_named(table_type, "element", js.string("anyfunc")?)?;
    for limit in ["initial", "maximum"] {
        js.set_named(table_type, limit, js.number(f64::from(number(table::SLOTS)))?)?;
    }
    let table = js.construct(builtins::get(js, Builtin::Table)?, &[table_type])?;
    let imports = js.object()?;
    js.set_named(imports, "guest", js.number(f64::from(guest))?)?;
    js.set_named(imports, "owner", owner)?;
    js.set_named(imports, "page", realm.get(js, Kept::Page)?)?;
    js.set_named(imports, "table", table)?;
    js.set_named(imports, "syscall", realm.get(js, Kept::Syscall)?)?;
    let module = realm.module(js, Kept::Shim, shim_module)?;
    let exports = instantiate(js, module, imports)?;
    // The instance's exports are frozen; packages replace functions of `wasiImport`.
    let functions = builtins::call(js, Builtin::ObjectAssign, &[js.object()?, exports])?;
    Ok((table, functions))
}

/// Binds the guest to a memory, the first time or again; an exception if there is no such memory.
pub fn bind<'s, H: Hooks>(
    js: Js<'s>,
    realm: &Realm<H>,
    guest: &Guest<H>,
    memory: Value<'s>,
    is_array_buffer: bool,
) -> JsResult<()> {
    let make = |kind| Ok((kind, instantiate_memory_size(js, realm, guest, kind, memory)?));
    let (narrow, wide) = match is_array_buffer {
        true => (MemoryKind::Plain, MemoryKind::Wide),
        false => (MemoryKind::Shared, MemoryKind::SharedWide),
    };
    let (kind, functions) = make(narrow).or_else(|thrown| {
        // A memory's kind is found by importing it. If no kind fits, the first error is shown.
        let exception = js.take_exception(thrown)?;
        make(wide).or_else(|thrown| {
            js.take_exception(thrown)?;
            Err(js.throw(exception))
        })
    })?;
    let Some(table) = js.dereference(&guest.table)? else {
        return Ok(());
    };
    // A guest whose calls all go to Rust gets the function for the memory's size, and no answers.
    let slots = if guest.makes_each_call() { 1 } else { usize::MAX };
    for (slot, name) in exports().take(slots) {
        set(js, table, slot, js.get_named(functions, name)?)?;
    }
    if guest.constant_calls.replace(0) >= MADE_AFTER {
        // The constant answers write to the memory that was bound before.
        for (index, _) in CONSTANT.iter().enumerate() {
            set(js, table, table::CONSTANTS + index, get(js, table, table::CONSTANTS_IN_RUST + index)?)?;
        }
    }
    guest.memory.bind(js.watch(memory)?, kind);
    Ok(())
}

/// The size of the guest's memory, in pages.
pub fn pages<H>(js: Js<'_>, guest: &Guest<H>) -> JsResult<u32> {
    let Some(table) = js.dereference(&guest.table)? else {
        return Ok(UNBOUND);
    };
    let pages = js.number_of(js.call(js.undefined()?, get(js, table, table::SIZE)?, &[])?)?;
    // As WebAssembly hands an i32 to JavaScript.
    #[allow(clippy::cast_possible_truncation, reason = "it is an i32")]
    Ok((pages as i32).cast_unsigned())
}

/// Counts a call that has a constant answer. After enough of them, a module is made for the guest. If that
/// fails, the calls go to Rust as before.
pub fn count<H>(js: Js<'_>, guest: &Guest<H>) -> JsResult<()> {
    let calls = guest.constant_calls.get().saturating_add(1);
    guest.constant_calls.set(calls);
    if calls != MADE_AFTER {
        return Ok(());
    }
    answer_constants(js, guest).or_else(|thrown| js.take_exception(thrown).map(drop))
}

fn answer_constants<H>(js: Js<'_>, guest: &Guest<H>) -> JsResult<()> {
    let (Some((memory, kind)), Some(table)) = (guest.memory.object(js)?, js.dereference(&guest.table)?) else {
        return Ok(());
    };
    let Some(bytes) = constants_module(kind, &guest.ctx) else {
        return Ok(());
    };
    let imports = js.object()?;
    js.set_named(imports, "memory", memory)?;
    let functions = instantiate(js, compile(js, &bytes)?, imports)?;
    for (index, name) in CONSTANT.iter().enumerate() {
        set(js, table, table::CONSTANTS + index, js.get_named(functions, name)?)?;
    }
    Ok(())
}

/// The exports of a memory-size module for the memory; an exception if the memory is of another kind.
fn instantiate_memory_size<'s, H: Hooks>(
    js: Js<'s>,
    realm: &Realm<H>,
    guest: &Guest<H>,
    kind: MemoryKind,
    memory: Value<'s>,
) -> JsResult<Value<'s>> {
    let kept = match kind {
        MemoryKind::Plain => Kept::MemorySize,
        MemoryKind::Shared => Kept::MemorySizeShared,
        MemoryKind::Wide => Kept::MemorySizeWide,
        MemoryKind::SharedWide => Kept::MemorySizeSharedWide,
    };
    let module = realm.module(js, kept, || memory_size_module(kind))?;
    let imports = js.object()?;
    js.set_named(imports, "memory", memory)?;
    for (name, number) in NUMBERS.into_iter().zip(guest.ctx.constants()) {
        js.set_named(imports, name, js.number(f64::from(number))?)?;
    }
    instantiate(js, module, imports)
}

fn set<'s>(js: Js<'s>, table: Value<'s>, slot: usize, function: Value<'s>) -> JsResult<()> {
    let slot = js.number(f64::from(number(slot)))?;
    js.call(table, builtins::get(js, Builtin::TableSet)?, &[slot, function]).map(drop)
}

fn get<'s>(js: Js<'s>, table: Value<'s>, slot: usize) -> JsResult<Value<'s>> {
    let slot = js.number(f64::from(number(slot)))?;
    js.call(table, builtins::get(js, Builtin::TableGet)?, &[slot])
}

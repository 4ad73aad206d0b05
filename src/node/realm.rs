//! What one environment (a thread, or one load of the addon) has once: its call page, the modules of the shim, the
//! built-in functions it needs as they were when it was loaded, and its guests.

use super::ffi::{GuestMemory, Js, JsResult, PageMemory, Reference, Thrown, Value};
use super::shim;
use crate::ctx::Ctx;
use std::cell::RefCell;
use std::rc::Rc;

/// A guest and what JavaScript has of it. The references keep nothing alive: the class's object holds the functions,
/// the functions hold their instance, the instance holds its owner, and when the last is collected the guest goes.
#[derive(Debug)]
pub struct Guest {
    /// What the guest owns.
    pub ctx: Ctx,
    /// Its memory.
    pub memory: GuestMemory,
    /// The class's object, to note the exit code.
    pub wasi: Reference,
    /// The shim's table, for the gauge.
    pub table: Reference,
    /// Whether `proc_exit` ends `start()`, or the process.
    pub return_on_exit: bool,
}

/// Declares the values a realm keeps, each with where it comes from.
macro_rules! kept {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A JavaScript value that a realm keeps.
        #[derive(Clone, Copy, Debug)]
        pub enum Kept { $($(#[$doc])* $name,)* }
    };
}

kept! {
    /// `WebAssembly.Instance`.
    Instance,
    /// `WebAssembly.Table`.
    Table,
    /// `WebAssembly.Table.prototype.set`.
    TableSet,
    /// The getter of `WebAssembly.Memory.prototype.buffer`, which throws for what is no memory, of whatever realm.
    MemoryBuffer,
    /// `Uint8Array`.
    Uint8Array,
    /// `String`.
    String,
    /// `Array.prototype.map`.
    ArrayMap,
    /// `Object.entries`.
    ObjectEntries,
    /// `Object.assign`.
    ObjectAssign,
    /// The shim's module.
    Shim,
    /// The gauge's module, for a memory of one thread.
    Gauge,
    /// The gauge's module, for a shared memory.
    GaugeShared,
    /// The memory of the call page.
    Page,
    /// The function through which syscalls enter.
    Syscall,
    /// The symbol `kBindingName`: the import module's name.
    BindingName,
    /// The symbol `kSetMemory`: a function that binds a memory.
    SetMemory,
    /// The symbol `kStarted`.
    Started,
    /// The symbol `kExitCode`; also what `proc_exit` throws.
    ExitCode,
    /// The symbol `kInstance`.
    InstanceSymbol,
}

/// What one environment has once.
#[derive(Debug)]
pub struct Realm {
    /// The call page.
    pub page: PageMemory,
    kept: Reference,
    guests: RefCell<Vec<Option<Rc<Guest>>>>,
}

impl Realm {
    /// Makes the environment's realm.
    pub fn init(js: Js<'_>) -> JsResult<()> {
        let global = js.global()?;
        let path = |names: &[&str]| names.iter().try_fold(global, |object, name| js.get_named(object, name));
        let wasm = path(&["WebAssembly"])?;

        let page_type = js.object()?;
        for limit in ["initial", "maximum"] {
            js.set_named(page_type, limit, js.number(1.0)?)?;
        }
        let page = js.construct(js.get_named(wasm, "Memory")?, &[page_type])?;
        let page_buffer = js.get_named(page, "buffer")?;
        let module = js.get_named(wasm, "Module")?;
        let compile = |bytes: &[u8]| js.construct(module, &[js.array_buffer(bytes)?]);

        // The function for syscalls needs the realm's address, so the realm comes first and what it keeps after.
        let realm = js.set_realm(Box::new(Self {
            page: PageMemory::new(js, page_buffer)?,
            kept: js.keep(js.object()?)?,
            guests: RefCell::default(),
        }))?;
        let kept = [
            (Kept::Instance, js.get_named(wasm, "Instance")?),
            (Kept::Table, js.get_named(wasm, "Table")?),
            (Kept::TableSet, path(&["WebAssembly", "Table", "prototype", "set"])?),
            (Kept::MemoryBuffer, memory_buffer_getter(js)?),
            (Kept::Uint8Array, path(&["Uint8Array"])?),
            (Kept::String, path(&["String"])?),
            (Kept::ArrayMap, path(&["Array", "prototype", "map"])?),
            (Kept::ObjectEntries, path(&["Object", "entries"])?),
            (Kept::ObjectAssign, path(&["Object", "assign"])?),
            (Kept::Shim, compile(&shim::shim())?),
            (Kept::Gauge, compile(&shim::gauge(false))?),
            (Kept::GaugeShared, compile(&shim::gauge(true))?),
            (Kept::Page, page),
            (Kept::Syscall, js.syscall_function(realm)?),
            (Kept::BindingName, js.symbol("kBindingName")?),
            (Kept::SetMemory, js.symbol("kSetMemory")?),
            (Kept::Started, js.symbol("kStarted")?),
            (Kept::ExitCode, js.symbol("kExitCode")?),
            (Kept::InstanceSymbol, js.symbol("kInstance")?),
        ];
        let store = realm.store(js)?;
        for (index, (name, value)) in kept.into_iter().enumerate() {
            debug_assert_eq!(index, name as usize);
            js.set_index(store, name as u32, value)?;
        }
        Ok(())
    }

    fn store<'s>(&self, js: Js<'s>) -> JsResult<Value<'s>> {
        js.dereference(&self.kept)?.ok_or(Thrown)
    }

    /// A value it keeps.
    pub fn get<'s>(&self, js: Js<'s>, kept: Kept) -> JsResult<Value<'s>> {
        js.get_index(self.store(js)?, kept as u32)
    }

    /// The bytes of a WebAssembly memory: an ArrayBuffer, or a SharedArrayBuffer. Throws for what is no memory.
    pub fn memory_buffer<'s>(&self, js: Js<'s>, memory: Value<'s>) -> JsResult<Value<'s>> {
        js.call(memory, self.get(js, Kept::MemoryBuffer)?, &[])
    }

    /// A view of a buffer whose address Node-API tells: it does not tell a SharedArrayBuffer's.
    pub fn addressable<'s>(&self, js: Js<'s>, buffer: Value<'s>) -> JsResult<Value<'s>> {
        if js.is_array_buffer(buffer)? {
            Ok(buffer)
        } else {
            js.construct(self.get(js, Kept::Uint8Array)?, &[buffer])
        }
    }

    /// The number the next guest gets.
    pub fn next_guest(&self) -> usize {
        let guests = self.guests.borrow();
        guests.iter().position(Option::is_none).unwrap_or(guests.len())
    }

    /// Takes in a guest under a number from [`Self::next_guest`].
    pub fn insert_guest(&self, number: usize, guest: Guest) {
        let mut guests = self.guests.borrow_mut();
        if guests.len() <= number {
            guests.resize_with(number + 1, || None);
        }
        if let Some(slot) = guests.get_mut(number) {
            *slot = Some(Rc::new(guest));
        }
    }

    /// The guest of this number.
    pub fn guest(&self, number: usize) -> Option<Rc<Guest>> {
        self.guests.borrow().get(number).and_then(Clone::clone)
    }

    /// Lets a guest go, with all that it has open.
    pub fn drop_guest(&self, number: usize) {
        let guest = self.guests.borrow_mut().get_mut(number).and_then(Option::take);
        drop(guest);
    }
}

fn memory_buffer_getter(js: Js<'_>) -> JsResult<Value<'_>> {
    let global = js.global()?;
    let object = js.get_named(global, "Object")?;
    let memory = js.get_named(js.get_named(global, "WebAssembly")?, "Memory")?;
    let prototype = js.get_named(memory, "prototype")?;
    let describe = js.get_named(object, "getOwnPropertyDescriptor")?;
    let descriptor = js.call(object, describe, &[prototype, js.string("buffer")?])?;
    js.get_named(descriptor, "get")
}

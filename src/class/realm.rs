//! What one environment (a thread, or one load of the addon) has once: its call page, the modules of the shim, the
//! built-in functions it needs as they were when it was loaded, and its guests.

use crate::call::memory::{GuestMemory, PageMemory};
use crate::call::observer::Observer;
use crate::call::page;
use crate::class::ending::Ending;
use crate::class::stdio::Stdio;
use crate::errors::NodeErrorToString;
use crate::node_api::{Js, JsResult, Reference, Thrown, Type, Value};
use crate::permission::Model;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use wasi_rs_core::ctx::Ctx;

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
    /// The function at `kSetMemory`, which the shim's instance owns: when it is gone, nothing can call any more.
    pub owner: Reference,
    /// How often it has asked for what never changes, since it was bound.
    pub asked: Cell<u32>,
    /// Whether `proc_exit` ends `start()`, or the process.
    pub return_on_exit: bool,
    /// What JavaScript supplies of its standard streams, and takes.
    pub stdio: Stdio,
    /// The observer of its calls. With one, each call goes to Rust.
    pub observer: Option<Box<dyn Observer>>,
    /// How it is to end.
    pub ending: Ending,
    /// Whether its object has an exit code of `proc_exit`.
    pub has_exited: Cell<bool>,
    /// Whether its calls are more than calls: see [`Self::attend`].
    pub attended: Cell<bool>,
}

impl Guest {
    /// Whether anybody but the guest has to do with its calls, or it may make none. One number, for each call asks.
    #[inline]
    pub fn is_attended(&self) -> bool {
        self.attended.get()
    }

    /// True if none of its calls is answered inside WebAssembly.
    pub fn makes_each_call(&self) -> bool {
        self.ctx.is_traced() || self.observer.is_some()
    }

    /// Finds that out anew.
    pub fn attend(&self) {
        let is_seen = self.makes_each_call() || self.stdio.is_connected();
        self.attended.set(is_seen || self.ending.is_noted());
    }
}

/// A JavaScript value that a realm keeps.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// `WebAssembly.Instance`.
    Instance,
    /// `WebAssembly.Table`.
    Table,
    /// `WebAssembly.Table.prototype.set`.
    TableSet,
    /// `WebAssembly.Table.prototype.get`.
    TableGet,
    /// The getter of `WebAssembly.Memory.prototype.buffer`, which throws for what is no memory, of whatever realm.
    MemoryBuffer,
    /// `Uint8Array`.
    Uint8Array,
    /// `String`.
    String,
    /// `Array.isArray`: Node-API's own does not look into a Proxy.
    IsArray,
    /// `Array.prototype.map`.
    ArrayMap,
    /// `Object.entries`.
    ObjectEntries,
    /// `Object.assign`.
    ObjectAssign,
    /// `Object.defineProperty`.
    DefineProperty,
    /// `Reflect.set`.
    ReflectSet,
    /// `JSON.stringify`.
    JsonStringify,
    /// `toString` of errors as Node's own.
    NodeErrorToString,
    /// `WebAssembly.Module`.
    Module,
    /// The shim's module.
    Shim,
    /// The gauge's module, for a memory of one thread.
    Gauge,
    /// The gauge's module, for a shared memory.
    GaugeShared,
    /// The gauge's module, for a memory with 64-bit addresses.
    GaugeWide,
    /// The gauge's module, for a shared memory with 64-bit addresses.
    GaugeSharedWide,
    /// The trap that ends a guest.
    Trap,
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
    /// What the function at `kSetMemory` takes for the order to close everything. Nobody else has it.
    Dispose,
    /// What it takes for the question which guest it is.
    Number,
    /// What it takes for the question what has been written to stdout.
    Stdout,
    /// And to stderr.
    Stderr,
    /// Where that function holds those of the embedder for the standard streams.
    Handlers,
}

/// What one environment has once, whichever addon it has loaded.
#[derive(Debug)]
pub struct Environment {
    /// Kept for those who ask: they find it by their thread.
    _permission: Option<Rc<Model>>,
    realm: OnceCell<Realm>,
}

impl Environment {
    /// One without a realm.
    pub const fn new(permission: Option<Rc<Model>>) -> Self {
        Self { _permission: permission, realm: OnceCell::new() }
    }

    /// What the class has once.
    pub fn realm(&self) -> Option<&Realm> {
        self.realm.get()
    }
}

/// What the class has once in an environment.
#[derive(Debug)]
pub struct Realm {
    /// The call page.
    pub page: PageMemory,
    kept: Reference,
    guests: RefCell<Guests>,
}

/// The guests of an environment, by number. A number is used again, a ticket never.
#[derive(Debug, Default)]
struct Guests {
    slots: Vec<Option<(u32, Rc<Guest>)>>,
    /// Numbers below the slots' length that are free.
    free: Vec<u32>,
    next_ticket: u32,
    live: usize,
    /// At how many live guests to look for those that are dead but not yet reported as collected.
    sweep_at: usize,
}

/// How many guests there may be before the first look for dead ones.
const FIRST_SWEEP: usize = 64;

/// What a guest is said to weigh, in bytes, for V8 to collect often enough: there is what its instances take outside
/// V8's heap, and its descriptors, of which a process has only so many.
const WEIGHT: i64 = 64 * 1024;

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
        let page_memory = js.construct(js.get_named(wasm, "Memory")?, &[page_type])?;
        let page_buffer = js.get_named(page_memory, "buffer")?;

        // The function for syscalls needs the realm's address, so the realm comes first and what it keeps after.
        let made = Self {
            page: PageMemory::new(js, page_buffer, page::SIZE)?,
            kept: js.keep(js.object()?)?,
            guests: RefCell::default(),
        };
        let realm = js.environment()?.realm.get_or_init(|| made);
        let kept = [
            (Kept::Instance, js.get_named(wasm, "Instance")?),
            (Kept::Table, js.get_named(wasm, "Table")?),
            (Kept::TableSet, path(&["WebAssembly", "Table", "prototype", "set"])?),
            (Kept::TableGet, path(&["WebAssembly", "Table", "prototype", "get"])?),
            (Kept::MemoryBuffer, memory_buffer_getter(js)?),
            (Kept::Uint8Array, path(&["Uint8Array"])?),
            (Kept::String, path(&["String"])?),
            (Kept::IsArray, path(&["Array", "isArray"])?),
            (Kept::ArrayMap, path(&["Array", "prototype", "map"])?),
            (Kept::ObjectEntries, path(&["Object", "entries"])?),
            (Kept::ObjectAssign, path(&["Object", "assign"])?),
            (Kept::DefineProperty, path(&["Object", "defineProperty"])?),
            (Kept::ReflectSet, path(&["Reflect", "set"])?),
            (Kept::JsonStringify, path(&["JSON", "stringify"])?),
            (Kept::NodeErrorToString, js.function::<NodeErrorToString>(0)?),
            (Kept::Module, js.get_named(wasm, "Module")?),
            // Compiled when they are first needed: loading the addon should cost next to nothing.
            (Kept::Shim, js.undefined()?),
            (Kept::Gauge, js.undefined()?),
            (Kept::GaugeShared, js.undefined()?),
            (Kept::GaugeWide, js.undefined()?),
            (Kept::GaugeSharedWide, js.undefined()?),
            (Kept::Trap, js.undefined()?),
            (Kept::Page, page_memory),
            (Kept::Syscall, js.syscall_function(realm)?),
            (Kept::BindingName, js.symbol("kBindingName")?),
            (Kept::SetMemory, js.symbol("kSetMemory")?),
            (Kept::Started, js.symbol("kStarted")?),
            (Kept::ExitCode, js.symbol("kExitCode")?),
            (Kept::InstanceSymbol, js.symbol("kInstance")?),
            (Kept::Dispose, js.symbol("dispose")?),
            (Kept::Number, js.symbol("number")?),
            (Kept::Stdout, js.symbol("stdout")?),
            (Kept::Stderr, js.symbol("stderr")?),
            (Kept::Handlers, js.symbol("handlers")?),
        ];
        page::forget_all(&realm.page);
        let store = realm.store(js)?;
        for (name, value) in kept {
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

    /// One of our modules; `bytes` makes it the first time.
    pub fn module<'s>(&self, js: Js<'s>, kept: Kept, bytes: impl FnOnce() -> Vec<u8>) -> JsResult<Value<'s>> {
        self.lazily(js, kept, || js.construct(self.get(js, Kept::Module)?, &[js.array_buffer(&bytes())?]))
    }

    /// A value it keeps, which `make` makes the first time.
    pub fn lazily<'s>(
        &self,
        js: Js<'s>,
        kept: Kept,
        make: impl FnOnce() -> JsResult<Value<'s>>,
    ) -> JsResult<Value<'s>> {
        let known = self.get(js, kept)?;
        if !js.is_undefined(known)? {
            return Ok(known);
        }
        let made = make()?;
        js.set_index(self.store(js)?, kept as u32, made)?;
        Ok(made)
    }

    /// What `Array.isArray` says.
    pub fn is_array<'s>(&self, js: Js<'s>, value: Value<'s>) -> JsResult<bool> {
        js.boolean_of(js.call(js.undefined()?, self.get(js, Kept::IsArray)?, &[value])?)
    }

    /// Defines a property with the attributes of a class's methods: writable and configurable, but not enumerable.
    pub fn define_hidden<'s>(&self, js: Js<'s>, object: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
        let descriptor = js.object()?;
        js.set_named(descriptor, "value", value)?;
        for attribute in ["writable", "configurable"] {
            js.set_named(descriptor, attribute, js.boolean(true)?)?;
        }
        self.define_property(js, object, key, descriptor)
    }

    /// `Object.defineProperty`.
    pub fn define_property<'s>(
        &self,
        js: Js<'s>,
        object: Value<'s>,
        key: Value<'s>,
        descriptor: Value<'s>,
    ) -> JsResult<()> {
        let define = self.get(js, Kept::DefineProperty)?;
        js.call(js.undefined()?, define, &[object, key, descriptor])?;
        Ok(())
    }

    /// The bytes of a WebAssembly memory: an ArrayBuffer, or a SharedArrayBuffer. Throws for what is no memory.
    pub fn memory_buffer<'s>(&self, js: Js<'s>, memory: Value<'s>) -> JsResult<Value<'s>> {
        js.call(memory, self.get(js, Kept::MemoryBuffer)?, &[])
    }

    /// A view of a buffer whose address Node-API tells: it does not tell a SharedArrayBuffer's.
    pub fn addressable<'s>(&self, js: Js<'s>, buffer: Value<'s>) -> JsResult<Value<'s>> {
        if js.is_array_buffer(buffer)? { Ok(buffer) } else { js.construct(self.get(js, Kept::Uint8Array)?, &[buffer]) }
    }

    /// The number the next guest gets. Finds out first which guests are dead, now and then: Node reports what has been
    /// collected when the event loop turns, which may be long after their descriptors are needed.
    pub fn next_guest(&self, js: Js<'_>) -> JsResult<u32> {
        let (live, sweep_at) = (self.guests.borrow().live, self.guests.borrow().sweep_at);
        if live >= sweep_at {
            self.sweep(js)?;
        }
        let guests = self.guests.borrow();
        let next = || u32::try_from(guests.slots.len()).unwrap_or(u32::MAX);
        Ok(guests.free.last().copied().unwrap_or_else(next))
    }

    fn sweep(&self, js: Js<'_>) -> JsResult<()> {
        let slots = self.guests.borrow().slots.len();
        for number in 0..slots {
            let guest = self.guest(number);
            if let Some(guest) = guest
                && js.dereference(&guest.owner)?.is_none()
            {
                self.drop_guest(js, number);
            }
        }
        let mut guests = self.guests.borrow_mut();
        guests.sweep_at = FIRST_SWEEP.max(2 * guests.live);
        Ok(())
    }

    /// Takes in a guest under a number from [`Self::next_guest`]; the ticket to forget it with.
    pub fn insert_guest(&self, js: Js<'_>, number: u32, guest: Guest) -> JsResult<usize> {
        js.adjust_external_memory(WEIGHT)?;
        let mut guests = self.guests.borrow_mut();
        let ticket = guests.next_ticket;
        guests.next_ticket = ticket.wrapping_add(1);
        guests.live += 1;
        guests.free.pop_if(|free| *free == number);
        let slot = number as usize;
        if guests.slots.len() <= slot {
            guests.slots.resize_with(slot + 1, || None);
        }
        if let Some(slot) = guests.slots.get_mut(slot) {
            *slot = Some((ticket, Rc::new(guest)));
        }
        Ok(slot | (ticket as usize) << u32::BITS)
    }

    /// The guest of this number.
    pub fn guest(&self, number: usize) -> Option<Rc<Guest>> {
        let guests = self.guests.borrow();
        guests.slots.get(number).and_then(|slot| slot.as_ref()).map(|(_, guest)| Rc::clone(guest))
    }

    /// Lets the guest with this ticket go, if it is still there.
    pub fn forget_guest(&self, js: Js<'_>, ticket: usize) {
        let (number, ticket) = (ticket & u32::MAX as usize, ticket >> u32::BITS);
        let there = match self.guests.borrow().slots.get(number) {
            Some(Some((holds, _))) => *holds as usize == ticket,
            _ => false,
        };
        if there {
            self.drop_guest(js, number);
        }
    }

    /// Drops the guest with this number, and what it has open.
    pub fn drop_guest(&self, js: Js<'_>, number: usize) {
        let mut guests = self.guests.borrow_mut();
        let dropped = guests.slots.get_mut(number).and_then(Option::take);
        if dropped.is_some() {
            guests.live -= 1;
            guests.free.push(u32::try_from(number).unwrap_or(u32::MAX));
            let _ = js.adjust_external_memory(-WEIGHT);
        }
        drop(guests);
        page::forget_guest(&self.page, number);
        drop(dropped);
    }
}

/// A module of Node, where Node gives it without `require`.
pub fn builtin_module<'s>(js: Js<'s>, name: &str) -> JsResult<Option<Value<'s>>> {
    let process = js.get_named(js.global()?, "process")?;
    let get_builtin = js.get_named(process, "getBuiltinModule")?;
    if js.type_of(get_builtin)? != Type::Function {
        return Ok(None);
    }
    js.call(process, get_builtin, &[js.string(name)?]).map(Some)
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

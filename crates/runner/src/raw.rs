//! The unsafe part of wasmtime's interface: functions with untyped parameters, and machine code from files.
//! One of the addresses of `unsafe`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use super::lease::{Lease, Loaded, Memories};
use super::machine_code::MachineCode;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use wasi_rs_core::abi::{Args, Errno, ValType};
use wasi_rs_core::memory::Memory;
use wasi_rs_core::syscalls::Syscall;
use wasi_rs_modules::error::Form;
use wasmtime::component::Component;
use wasmtime::{AsContext, Caller, Engine, FuncType, Linker, Module, Result, ValRaw};

/// Makes a call of a guest: row number `index` of the list, with these parameters.
pub type Serve<T> = fn(Caller<'_, T>, usize, &Args) -> Result<Option<Errno>>;

/// Defines row number `index` of the list as a function of the module `namespace`.
pub fn define<T: 'static>(
    linker: &mut Linker<T>,
    namespace: &str,
    (index, row): (usize, &'static Syscall),
    serve: Serve<T>,
) -> Result<()> {
    let params = row.params.iter().map(|param| match param.wasm {
        ValType::I32 => wasmtime::ValType::I32,
        ValType::I64 => wasmtime::ValType::I64,
    });
    let results = row.returns.then_some(wasmtime::ValType::I32);
    let ty = FuncType::new(linker.engine(), params, results);
    // SAFETY: the function reads its parameters by the types of the row, and writes one i32 where the row
    // returns: both are what `ty` was made of.
    unsafe {
        linker.func_new_unchecked(namespace, row.name, ty, move |caller, slots| {
            let errno = serve(caller, index, &read_slots(slots, row))?;
            if let (Some(errno), Some(slot)) = (errno, slots.first_mut()) {
                slot.write(ValRaw::u32(errno.number().into()));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The parameters of a call. An i32 is zero-extended.
///
/// # Safety
/// `slots` must hold parameters of the row's types.
unsafe fn read_slots(slots: &[MaybeUninit<ValRaw>], row: &Syscall) -> Args {
    let mut args = Args::default();
    for ((arg, slot), param) in args.iter_mut().zip(slots).zip(row.params) {
        // SAFETY: the caller passed as many as the row has.
        let raw = unsafe { slot.assume_init_ref() };
        *arg = match param.wasm {
            ValType::I32 => raw.get_u32().into(),
            ValType::I64 => raw.get_u64(),
        };
    }
    args
}

/// The bytes of a guest's memory, for one of its calls.
pub fn view(memory: Option<wasmtime::Memory>, store: &impl AsContext) -> Memory<'_> {
    let nothing = NonNull::dangling();
    let (base, len) = match memory {
        None => (nothing.as_ptr(), 0),
        Some(memory) => (memory.data_ptr(store), memory.data_size(store)),
    };
    // SAFETY: wasmtime gave these bytes. The memory is neither grown nor dropped while its store is borrowed.
    // Nobody makes a reference to the bytes.
    unsafe { Memory::new(NonNull::new(base).unwrap_or(nothing), len) }
}

/// The address of a guest's memory, for other threads.
#[derive(Debug)]
pub struct Window {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: it is only used behind the lock of `exposing`, which takes it away before the memory may move.
unsafe impl Send for Window {}

impl Window {
    /// The bytes of the memory.
    pub const fn view(&self) -> Memory<'_> {
        // SAFETY: `exposing` keeps the store as it is while the window is there, and the window is borrowed.
        // Nobody makes a reference to the bytes.
        unsafe { Memory::new(self.base, self.len) }
    }
}

/// Calls a function while other threads find the guest's memory in `window`. They hold its lock as long as
/// they use the memory.
pub fn exposing<T>(
    window: &Mutex<Option<Window>>,
    memory: Option<wasmtime::Memory>,
    store: &impl AsContext,
    act: impl FnOnce() -> T,
) -> T {
    /// Takes the window away, also when `act` panics.
    struct Shown<'a>(&'a Mutex<Option<Window>>);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
    let _shown = Shown(window);
    if let Some(memory) = memory
        && let Some(base) = NonNull::new(memory.data_ptr(store))
    {
        let shown = Window { base, len: memory.data_size(store) };
        *window.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }
    act()
}

/// Loads the machine code of a module from a file, which is mapped under this lease. The caller vouches that
/// this crate has made the file: `cache` checks its seal.
pub fn deserialize(engine: &Engine, file: File, lease: Lease) -> Result<Loaded> {
    let descriptor = file.as_raw_fd();
    // SAFETY: the file must hold machine code that wasmtime made, and must not change while it is mapped. Its
    // seal, a MAC with a secret that no guest can read, proves the first; wasmtime itself refuses code of
    // another version or for another processor. The file was checked under the lease, and its mapped pages
    // are copied before the lease is given back.
    let module = unsafe { Module::deserialize_open_file(engine, file)? };
    if Memories::can_be_copied(&module) {
        return Ok(Loaded::mapped(module, lease, descriptor));
    }
    // SAFETY: as above; these bytes are of the same module.
    let copy = unsafe { Module::deserialize(engine, module.serialize()?)? };
    drop(lease);
    Ok(copy.into())
}

/// Loads the machine code of a component from a file without a name that nobody can change, and maps it. The
/// caller vouches for it in the same way.
pub fn deserialize_copy(engine: &Engine, file: &File) -> Result<Component> {
    // wasmtime opens files of components by a path. This one leads to the very file.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: as above; the file is sealed.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Loads machine code of this form from memory. The caller vouches for it in the same way.
pub fn deserialize_bytes(engine: &Engine, form: Form, bytes: &[u8]) -> Result<MachineCode> {
    // SAFETY: as above; `Program.deserialize` has its caller vouch for the bytes.
    unsafe {
        Ok(match form {
            Form::Module => Module::deserialize(engine, bytes)?.into(),
            Form::Component => MachineCode::Component(Component::deserialize(engine, bytes)?),
        })
    }
}

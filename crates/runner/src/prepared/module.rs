//! A module that is ready to run: its machine code and its imports.

use super::foreign::Foreign;
use crate::compile::refused;
use crate::guest::{Guest, pause, serve};
use crate::lease::Loaded;
use crate::numbers::Signature;
use crate::{imported, interface, raw};
use std::collections::HashMap;
use std::sync::Arc;
use wasi_rs_core::abi::Abi;
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_modules::error::{ProgramError, shortened};
use wasi_rs_modules::interface::{Purpose, syscall};
use wasi_rs_modules::rewrite::unshare;
use wasmtime::{Caller, ExternType, FuncType, InstancePre, Linker, MemoryType, Module, Store, Val};

/// A module that is ready to run in one mode.
pub struct PreparedModule {
    /// Its machine code.
    pub code: Loaded,
    /// The edition of WASI it is for.
    pub abi: Abi,
    /// The reason why it is no command, if it is none.
    pub start: Result<(), ProgramError>,
    /// The functions it imports that are not WASI's.
    pub foreign: Vec<Foreign>,
    linked: Linked,
}

/// Its imports.
enum Linked {
    /// Calls only.
    Whole(InstancePre<Guest>),
    /// Calls and memories. Each run has memories of its own.
    WithMemories(Linker<Guest>, Vec<(String, String, MemoryType)>),
}

impl PreparedModule {
    /// A module of this machine code, for this purpose.
    pub fn new(code: Loaded, purpose: Purpose) -> Result<Self, ProgramError> {
        let (abi, start) = {
            let interface = interface::of_module(&code.module);
            (interface.check(purpose)?, interface.check_start())
        };
        let linked = Linked::new(&code.module, abi)?;
        let named = |(module, name, _): (&str, &str, _)| Foreign { module: module.to_owned(), name: name.to_owned() };
        let foreign = foreign_functions(&code.module, abi).map(named).collect();
        Ok(Self { code, abi, start, foreign, linked })
    }

    /// An instance in this store.
    pub fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<wasmtime::Instance> {
        let (linker, memories) = match &self.linked {
            Linked::Whole(instance) => return instance.instantiate(store),
            Linked::WithMemories(linker, memories) => (linker, memories),
        };
        let mut linker = linker.clone();
        for (module, name, ty) in memories {
            let memory = wasmtime::Memory::new(&mut *store, ty.clone())?;
            linker.define(&*store, module, name, memory)?;
        }
        linker.instantiate(store, &self.code.module)
    }
}

/// The functions that a module imports and that are not WASI's, with their names.
fn foreign_functions(module: &Module, abi: Abi) -> impl Iterator<Item = (&str, &str, FuncType)> {
    let is_own = move |module: &str, name: &str| {
        (module, name) == (unshare::NAMESPACE, unshare::PAUSE) || syscall(abi, module, name).is_some()
    };
    module.imports().filter_map(move |import| {
        let ty = import.ty().func().cloned()?;
        (!is_own(import.module(), import.name())).then(|| (import.module(), import.name(), ty))
    })
}

impl Linked {
    fn new(module: &Module, abi: Abi) -> Result<Self, ProgramError> {
        let mut linker = Linker::new(module.engine());
        // A program may import one call several times.
        linker.allow_shadowing(true);
        let mut memories = Vec::new();
        for import in module.imports() {
            if let ExternType::Memory(memory) = import.ty() {
                memories.push((import.module().to_owned(), import.name().to_owned(), memory));
                continue;
            }
            if (import.module(), import.name()) == (unshare::NAMESPACE, unshare::PAUSE) {
                linker.func_wrap(unshare::NAMESPACE, unshare::PAUSE, pause).map_err(refused)?;
                continue;
            }
            if let Some((index, row)) = SYSCALLS.iter().enumerate().find(|(_, row)| row.name == import.name())
                && import.module() == abi.module()
            {
                raw::define(&mut linker, import.module(), (index, row), serve).map_err(refused)?;
            }
        }
        let mut types = HashMap::new();
        for (index, (module, name, ty)) in foreign_functions(module, abi).enumerate() {
            let first = types.entry((module, name)).or_insert_with(|| ty.clone());
            if !FuncType::eq(first, &ty) {
                let (module, name) = (shortened(module), shortened(name));
                return Err(ProgramError::Wrong(format!("imports {module}.{name} twice, as functions of two types")));
            }
            let signature = Arc::new(Signature::of(&ty).ok_or_else(|| not_of_numbers(module, name))?);
            let call = move |caller: Caller<'_, Guest>, args: &[Val], results: &mut [Val]| {
                imported::call(caller, index, &signature, args, results)
            };
            linker.func_new(module, name, ty, call).map_err(refused)?;
        }
        Ok(if memories.is_empty() {
            Self::Whole(linker.instantiate_pre(module).map_err(refused)?)
        } else {
            Self::WithMemories(linker, memories)
        })
    }
}

/// The error for a function whose parameters or results the embedder can't get or give.
fn not_of_numbers(module: &str, name: &str) -> ProgramError {
    let (module, name) = (shortened(module), shortened(name));
    ProgramError::Wrong(format!(
        "imports {module}.{name} as a function that takes or returns something else than numbers (i32, i64, f32, f64)"
    ))
}

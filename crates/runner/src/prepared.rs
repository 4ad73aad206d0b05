//! A program that is ready to run: its machine code and its imports.

use super::compile::refused;
use super::guest::{Guest, pause, serve};
use super::lease::Loaded;
use super::{interface, raw};
use wasi_rs_core::abi::Abi;
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_modules::error::ProgramError;
use wasi_rs_modules::rewrite::unshare;
use wasmtime::{ExternType, InstancePre, Linker, MemoryType, Module, Store};

/// A program that is ready to run in one mode. It exists as long as a run uses it.
pub struct Prepared {
    /// Its machine code.
    pub code: Loaded,
    /// The edition of WASI it is for.
    pub abi: Abi,
    linked: Linked,
}

/// Its imports.
enum Linked {
    /// Calls only.
    Whole(InstancePre<Guest>),
    /// Calls and memories. Each run has memories of its own.
    WithMemories(Linker<Guest>, Vec<(String, String, MemoryType)>),
}

impl Prepared {
    /// A program of this machine code.
    pub fn new(code: Loaded) -> Result<Self, ProgramError> {
        let abi = interface::of_module(&code.module).check()?;
        let linked = Linked::new(&code.module).map_err(refused)?;
        Ok(Self { code, abi, linked })
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

impl Linked {
    fn new(module: &Module) -> wasmtime::Result<Self> {
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
                linker.func_wrap(unshare::NAMESPACE, unshare::PAUSE, pause)?;
                continue;
            }
            if let Some((index, row)) = SYSCALLS.iter().enumerate().find(|(_, row)| row.name == import.name()) {
                raw::define(&mut linker, import.module(), (index, row), serve)?;
            }
        }
        Ok(if memories.is_empty() {
            Self::Whole(linker.instantiate_pre(module)?)
        } else {
            Self::WithMemories(linker, memories)
        })
    }
}

//! A program: its bytes, the machine code made from them, and what it imports.

use super::cache::{Cache, Digest, Key};
use super::compilations::{Compilations, Then, Wait};
use super::compile::{self, Effort, Failure};
use super::guest::Guest;
use super::mode::Mode;
use super::source::Source;
use super::{cache, face, guest, raw};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use wasi_rs_core::abi::Abi;
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::compile_limits;
use wasi_rs_modules::error::ProgramError;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::rewrite::v8_module::V8Module;
use wasi_rs_modules::rewrite::{unshare, v8_module};
use wasmtime::{ExternType, InstancePre, Linker, MemoryType, Module, Store};

/// A program.
pub struct Program {
    source: Source,
    cache: Option<Cache>,
    digest: OnceLock<Digest>,
    ready: Mutex<HashMap<Mode, Weak<Prepared>>>,
    /// Held while the cache is looked into.
    looking: Mutex<()>,
    /// Those that are going on.
    pub(super) compilations: Compilations,
    /// What stays ready, also while it does not run.
    kept: Mutex<Vec<Arc<Prepared>>>,
    /// What was found to be ready, for the run that comes then.
    found: Mutex<Option<Arc<Prepared>>>,
}

/// A program that is ready to run in one mode.
pub struct Prepared {
    /// Its machine code.
    pub module: Module,
    /// The edition of WASI it is for.
    pub abi: Abi,
    linked: Linked,
}

/// Its imports.
enum Linked {
    /// All are calls.
    Whole(InstancePre<Guest>),
    /// Beside the calls there are memories, of which each run has its own.
    WithMemories(Linker<Guest>, Vec<(String, String, MemoryType)>),
}

impl Program {
    /// A program that nothing is known of yet.
    pub fn new(source: Source, cache: Option<Cache>) -> Self {
        let (digest, ready) = (OnceLock::new(), Mutex::default());
        Self {
            source,
            cache,
            digest,
            ready,
            looking: Mutex::default(),
            compilations: Compilations::default(),
            kept: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Has `then` called with the program ready to run in this mode: as others use it now, from the cache, or compiled. That
    /// is given up, and `then` never called, when what this returns is dropped before.
    pub fn prepare(self: &Arc<Self>, mode: Mode, then: Then) -> Option<Wait> {
        match self.in_use(mode) {
            Some(prepared) => then(Ok(prepared)),
            None => return Compilations::join(self, mode, then),
        }
        None
    }

    /// Keeps it ready, for as long as the program is there.
    pub fn keep(&self, prepared: Arc<Prepared>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(prepared);
    }

    /// The program, ready to run in this mode, if nothing has to be compiled for that.
    pub fn find(&self, mode: Mode, cancellation: &Cancellation) -> Result<Option<Arc<Prepared>>, ProgramError> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = self.in_use(mode) {
            return Ok(Some(prepared));
        }
        let engine = mode.engine().map_err(refused)?;
        let module = match &self.source {
            Source::Code(_) if mode.fuel => {
                let why =
                    "is machine code that does not count, from deserialize(): limits.fuel needs the module itself";
                return Err(ProgramError::Wrong(why.to_owned()));
            }
            Source::Code(code) => Some(raw::deserialize_bytes(&engine, code).map_err(refused)?),
            _ => match self.cache_of(self.source.size()?) {
                Some(cache) => cache.load(&engine, &Key::new(&engine, self.digest(cache, cancellation)?)),
                None => None,
            },
        };
        module.map(|module| self.link(mode, module)).transpose()
    }

    /// Finds it, or makes the machine code that is missing.
    pub(super) fn make(
        &self,
        mode: Mode,
        effort: Effort,
        cancellation: &Cancellation,
    ) -> Result<Arc<Prepared>, Failure> {
        if let Some(prepared) = self.find(mode, cancellation)? {
            return Ok(prepared);
        }
        let bytes = self.source.for_wasmtime(cancellation)?;
        let code = compile::compile(&bytes, mode, effort, cancellation)?;
        let engine = mode.engine().map_err(refused)?;
        // Of the bytes that were compiled: the file may have changed since it was looked at.
        if let Some(cache) = &self.cache
            && let Ok(digest) = cache::digest(&bytes[..])
        {
            cache.store(&Key::new(&engine, &digest), &code);
        }
        Ok(self.link(mode, raw::deserialize_bytes(&engine, &code)?)?)
    }

    /// Whether it runs without a delay to speak of: there is machine code, or little to make.
    pub fn is_ready(&self, mode: Mode, cancellation: &Cancellation) -> Result<bool, ProgramError> {
        if !matches!(self.source, Source::Code(_)) && self.source.size()? <= compile::SMALL as u64 {
            return Ok(true);
        }
        let found = self.find(mode, cancellation)?;
        let is_ready = found.is_some();
        if is_ready {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        Ok(is_ready)
    }

    /// As it is being used in this mode.
    pub(super) fn in_use(&self, mode: Mode) -> Option<Arc<Prepared>> {
        let prepared = self.ready().get(&mode).and_then(Weak::upgrade)?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Some(prepared)
    }

    fn link(&self, mode: Mode, module: Module) -> Result<Arc<Prepared>, ProgramError> {
        let prepared = Arc::new(Prepared::new(module)?);
        self.ready().insert(mode, Arc::downgrade(&prepared));
        Ok(prepared)
    }

    /// The cache, if it has machine code of any program of so many bytes.
    fn cache_of(&self, len: u64) -> Option<&Cache> {
        self.cache.as_ref().filter(|cache| compile_limits::may_be_compiled(len) && cache.has_any(len))
    }

    /// How many bytes of memory it holds for its source.
    pub fn held(&self) -> usize {
        self.source.held()
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<Mode, Weak<Prepared>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As V8 is to get it for a thread of its own.
    pub fn for_v8(&self, limits: &Limits, cancellation: &Cancellation) -> Result<V8Module, ProgramError> {
        v8_module::for_thread(self.source.for_v8(cancellation)?, limits, cancellation)
    }

    /// As V8 is to get it for the main thread.
    pub fn for_main_thread(&self, cancellation: &Cancellation) -> Result<V8Module, ProgramError> {
        v8_module::for_main_thread(self.source.for_v8(cancellation)?)
    }

    /// What its bytes are, in short.
    fn digest(&self, cache: &Cache, cancellation: &Cancellation) -> Result<&Digest, ProgramError> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let digest = self.source.digest(cache, cancellation)?;
        Ok(self.digest.get_or_init(|| digest))
    }
}

/// The refusal of a program for an error of wasmtime.
pub fn refused(error: wasmtime::Error) -> ProgramError {
    ProgramError::Wrong(format!("{error:#}"))
}

impl Prepared {
    fn new(module: Module) -> Result<Self, ProgramError> {
        let abi = face::of_module(&module).check()?;
        let linked = Linked::new(&module).map_err(refused)?;
        Ok(Self { module, abi, linked })
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
        linker.instantiate(store, &self.module)
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
                linker.func_wrap(unshare::NAMESPACE, unshare::PAUSE, guest::pause)?;
                continue;
            }
            if let Some((index, row)) = SYSCALLS.iter().enumerate().find(|(_, row)| row.name == import.name()) {
                raw::define(&mut linker, import.module(), index, row)?;
            }
        }
        Ok(if memories.is_empty() {
            Self::Whole(linker.instantiate_pre(module)?)
        } else {
            Self::WithMemories(linker, memories)
        })
    }
}

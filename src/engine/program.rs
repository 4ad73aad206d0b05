//! A program: its bytes, the machine code made from them, and what it imports.

use super::cache::{Cache, Digest, Key};
use super::cancellation::Cancellation;
use super::compilations::{Compilations, Then, Wait};
use super::compile::{self, Effort, Failure};
use super::fit::Face;
use super::for_v8::ForV8;
use super::guest::Guest;
use super::lease::Loaded;
use super::mode::Mode;
use super::plan::Limits;
use super::source::Source;
use super::{cache, effort, for_v8, guest, raw, unshared};
use crate::abi::{Abi, Errno};
use crate::module::outline::Unreadable;
use crate::syscalls::SYSCALLS;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use wasmparser::BinaryReaderError;
use wasmtime::{ExternType, InstancePre, Linker, MemoryType, Store};

/// How many unknown imports are named.
const SHOWN_IMPORTS: usize = 3;

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

/// How many bytes of a line, or a name, of a program's own choice stand in a message.
const SHOWN_BYTES: usize = 400;

/// What a message has of it.
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES {
        return Cow::Borrowed(text);
    }
    let end = (0..=SHOWN_BYTES).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default()))
}

/// What is wrong with a program.
#[derive(Clone, Debug)]
pub enum Unusable {
    /// Its file can't be read.
    Unreadable(PathBuf, Errno),
    /// It imports what is not there: this, and so much more.
    Import {
        /// The first few.
        shown: Vec<String>,
        /// How many others.
        more: usize,
    },
    /// It imports from both editions of WASI.
    Editions,
    /// It is not valid, or needs what the engine does not have; in the engine's words.
    Uncompiled(String),
    /// It is none, or can't be run here; in words.
    Wrong(String),
    /// Nobody waited any more for what was to be done with it.
    GivenUp,
}

impl Unusable {
    /// It imports these, which are not there.
    pub fn import(mut all: impl Iterator<Item: ToString>) -> Self {
        let shown = all.by_ref().take(SHOWN_IMPORTS).map(|one| shortened(&one.to_string()).into_owned()).collect();
        Self::Import { shown, more: all.count() }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, errno) => write!(f, "can't be read: {}: '{}'", errno.text(), path.display()),
            Self::Import { shown, more } => {
                write!(f, "imports what WASI preview 1 does not have: {}", shown.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")?;
                }
                f.write_str("; build it for wasm32-wasip1")
            }
            Self::Editions => write!(
                f,
                "imports system calls of {} and of {}, which lay out their records differently; build all of it for one of them",
                Abi::Unstable.module(),
                Abi::Preview1.module()
            ),
            // As for V8's words: lib/errors.js.
            Self::Uncompiled(why) => {
                write!(f, "can't be compiled: it is not valid, or needs what this engine does not have\n  {why}")
            }
            Self::Wrong(why) => f.write_str(why),
            Self::GivenUp => f.write_str("was given up, as nobody waited for it"),
        }
    }
}

impl From<Unreadable> for Unusable {
    fn from(error: Unreadable) -> Self {
        Self::Uncompiled(error.to_string())
    }
}

impl From<BinaryReaderError> for Unusable {
    fn from(error: BinaryReaderError) -> Self {
        Self::Uncompiled(error.to_string())
    }
}

impl From<wasmtime::Error> for Unusable {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wrong(format!("{error:#}"))
    }
}

/// A program that is ready to run in one mode. It is there as long as anything runs that was made of it.
pub struct Prepared {
    /// Its machine code.
    pub code: Loaded,
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
    pub fn find(&self, mode: Mode, cancellation: &Cancellation) -> Result<Option<Arc<Prepared>>, Unusable> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = self.in_use(mode) {
            return Ok(Some(prepared));
        }
        let engine = mode.engine()?;
        let code = match &self.source {
            Source::Code(_) if mode.fuel => {
                let why =
                    "is machine code that does not count, from deserialize(): limits.fuel needs the module itself";
                return Err(Unusable::Wrong(why.to_owned()));
            }
            Source::Code(code) => Some(raw::deserialize_bytes(&engine, code)?.into()),
            _ => match self.cache_of(self.source.size()?) {
                Some(cache) => cache.load(&engine, &Key::new(&engine, self.digest(cache, cancellation)?)),
                None => None,
            },
        };
        code.map(|code| self.link(mode, code)).transpose()
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
        let engine = mode.engine()?;
        // Of the bytes that were compiled: the file may have changed since it was looked at.
        if let Some(cache) = &self.cache
            && let Ok(digest) = cache::digest(&bytes[..])
        {
            cache.store(&Key::new(&engine, &digest), &code);
        }
        Ok(self.link(mode, raw::deserialize_bytes(&engine, &code)?.into())?)
    }

    /// Whether it runs without a delay to speak of: there is machine code, or little to make.
    pub fn is_ready(&self, mode: Mode, cancellation: &Cancellation) -> Result<bool, Unusable> {
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

    fn link(&self, mode: Mode, code: Loaded) -> Result<Arc<Prepared>, Unusable> {
        let prepared = Arc::new(Prepared::new(code)?);
        self.ready().insert(mode, Arc::downgrade(&prepared));
        Ok(prepared)
    }

    /// The cache, if it has machine code of any program of so many bytes.
    fn cache_of(&self, len: u64) -> Option<&Cache> {
        self.cache.as_ref().filter(|cache| effort::may_be_compiled(len) && cache.has_any(len))
    }

    /// How many bytes of memory it holds for its source.
    pub fn held(&self) -> usize {
        self.source.held()
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<Mode, Weak<Prepared>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As V8 is to get it for a thread of its own.
    pub fn for_v8(&self, limits: &Limits, cancellation: &Cancellation) -> Result<ForV8, Unusable> {
        for_v8::for_thread(self.source.for_v8(cancellation)?, limits, cancellation)
    }

    /// As V8 is to get it for the main thread.
    pub fn for_main_thread(&self, cancellation: &Cancellation) -> Result<ForV8, Unusable> {
        for_v8::for_main_thread(self.source.for_v8(cancellation)?)
    }

    /// What its bytes are, in short.
    fn digest(&self, cache: &Cache, cancellation: &Cancellation) -> Result<&Digest, Unusable> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let digest = self.source.digest(cache, cancellation)?;
        Ok(self.digest.get_or_init(|| digest))
    }
}

/// Whether it begins as a module does that an engine takes.
pub fn expect_core_module(bytes: &[u8]) -> Result<(), Unusable> {
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Err(Unusable::Wrong(
            "is a WebAssembly component; only core modules run here. Build it for wasm32-wasip1".to_owned(),
        )),
        _ => Err(Unusable::Wrong("is not a WebAssembly module: it does not begin with '\\0asm'".to_owned())),
    }
}

impl Prepared {
    fn new(code: Loaded) -> Result<Self, Unusable> {
        let module = &code.module;
        let mut linker = Linker::new(module.engine());
        // A program may import one call several times.
        linker.allow_shadowing(true);
        let abi = Face::of_module(module).check()?;
        let mut memories = Vec::new();
        for import in module.imports() {
            if let ExternType::Memory(memory) = import.ty() {
                memories.push((import.module().to_owned(), import.name().to_owned(), memory));
                continue;
            }
            if (import.module(), import.name()) == (unshared::NAMESPACE, unshared::PAUSE) {
                linker.func_wrap(unshared::NAMESPACE, unshared::PAUSE, guest::pause)?;
                continue;
            }
            if let Some((index, row)) = SYSCALLS.iter().enumerate().find(|(_, row)| row.name == import.name()) {
                raw::define(&mut linker, import.module(), index, row)?;
            }
        }
        let linked = if memories.is_empty() {
            Linked::Whole(linker.instantiate_pre(module)?)
        } else {
            Linked::WithMemories(linker, memories)
        };
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

//! A program as a file or bytes, and the machine code made from it.

use super::cache::{Cache, Digest, Key};
use super::compile::{self, Effort, Failure, refused};
use super::guest::Guest;
use super::interface::Description;
use super::machine_code::MachineCode;
use super::mode::Mode;
use super::prepared::Prepared;
use super::source::Source;
use super::{cache, raw, snapshot};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use wasi_rs_core::abi::Abi;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::compile_limits;
use wasi_rs_modules::error::{Form, ProgramError};
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::rewrite::v8_module::{self, V8Module};
use wasi_rs_modules::skeleton;
use wasmtime::{Engine, Store};

/// A program: its bytes and its machine code.
pub struct Executable {
    source: Source,
    purpose: Purpose,
    cache: Option<Cache>,
    digest: OnceLock<Digest>,
    ready: Mutex<HashMap<Mode, Weak<Prepared>>>,
    /// Held while the cache is searched.
    searching: Mutex<()>,
    /// Prepared programs that stay while no run uses them.
    kept: Mutex<Vec<Arc<Prepared>>>,
    /// The prepared program that `is_ready` has found, kept for the run that follows.
    found: Mutex<Option<Arc<Prepared>>>,
}

impl Executable {
    /// A program that has not been read yet.
    pub fn new(source: Source, purpose: Purpose, cache: Option<Cache>) -> Self {
        let (digest, ready) = (OnceLock::new(), Mutex::default());
        Self {
            source,
            purpose,
            cache,
            digest,
            ready,
            searching: Mutex::default(),
            kept: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Keeps a prepared program for as long as this exists.
    pub fn keep(&self, prepared: Arc<Prepared>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(prepared);
    }

    /// The edition of WASI, the description, and the functions that the embedder has to give, of a program
    /// that is kept.
    pub fn describe(&self) -> Option<(Abi, Description, Vec<String>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()?;
        Some((kept.abi(), kept.describe(), kept.missing()))
    }

    /// The prepared program for this mode, if nothing has to be compiled.
    pub fn find(&self, mode: Mode, cancellation: &Cancellation) -> Result<Option<Arc<Prepared>>, ProgramError> {
        let _searching = self.searching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = self.in_use(mode) {
            return Ok(Some(prepared));
        }
        let code = match &self.source {
            Source::Code(_) if mode.fuel => {
                let why =
                    "is machine code that does not count, from deserialize(): limits.fuel needs the module itself";
                return Err(ProgramError::Wrong(why.to_owned()));
            }
            Source::Code(_) if mode.is_deterministic => {
                let why = "is machine code from deserialize(), whose results may differ from one processor to another: \
                           options.deterministic needs the module itself";
                return Err(ProgramError::Wrong(why.to_owned()));
            }
            Source::Code(code) => Some(self.deserialize(mode, code)?),
            _ => self.load(mode, cancellation)?,
        };
        code.map(|code| self.link(mode, code)).transpose()
    }

    /// The prepared program for this mode: found, or compiled.
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
        let (code, of) = compile::compile(&bytes, self.purpose, mode, effort, cancellation)?;
        let engine = of.engine().map_err(refused)?;
        // The digest of the bytes that were compiled: the file may have changed since `find`.
        if let Some(cache) = &self.cache
            && let Ok(digest) = cache::digest(&bytes[..])
        {
            cache.store(&Key::new(&engine, &digest), &code);
        }
        Ok(self.link(mode, raw::deserialize_bytes(&engine, Form::of(&bytes)?, &code)?)?)
    }

    /// The prepared program for this mode, made on the calling thread, which waits for it.
    pub fn make_here(&self, mode: Mode) -> Result<Arc<Prepared>, ProgramError> {
        Ok(self.make(mode, Effort::Awaited, &Cancellation::default())?)
    }

    /// True if the program is to start in wasmtime now: there is machine code, or little to compile, or no
    /// other engine runs it.
    pub fn is_ready(&self, mode: Mode, cancellation: &Cancellation) -> Result<bool, ProgramError> {
        let is_code = matches!(self.source, Source::Code(_));
        if !is_code
            && (self.source.size()? <= compile::SMALL as u64 || matches!(self.source.form(), Ok(Form::Component)))
        {
            return Ok(true);
        }
        let found = self.find(mode, cancellation)?;
        let is_ready = found.is_some();
        if is_ready {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        Ok(is_ready)
    }

    /// True if the cache has machine code for this mode.
    pub fn is_kept(&self, mode: Mode, cancellation: &Cancellation) -> Result<bool, ProgramError> {
        Ok(self.load(mode, cancellation)?.is_some())
    }

    /// The machine code from the cache, if it is there.
    fn load(&self, mode: Mode, cancellation: &Cancellation) -> Result<Option<MachineCode>, ProgramError> {
        let Some(cache) = self.cache_of(self.source.size()?) else { return Ok(None) };
        let (form, digest) = (self.source.form()?, self.digest(cache, cancellation)?);
        for mode in mode.tried(form) {
            let engine = mode.engine().map_err(refused)?;
            if let Some(code) = cache.load(&engine, &Key::new(&engine, digest), form) {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// The machine code of `deserialize()`.
    fn deserialize(&self, mode: Mode, code: &[u8]) -> Result<MachineCode, ProgramError> {
        if Engine::detect_precompiled(code).is_none() {
            let why = "is no machine code of wasi-rs, or is cut off: deserialize() takes what serialize() gave, compile() takes WebAssembly";
            return Err(ProgramError::Wrong(why.to_owned()));
        }
        let form = self.source.form()?;
        let mut error = ProgramError::Cancelled;
        for mode in mode.tried(form) {
            let engine = mode.engine().map_err(refused)?;
            match raw::deserialize_bytes(&engine, form, code) {
                Ok(code) => return Ok(code),
                Err(why) => {
                    let why = format!("is machine code that can't be used here: serialize() it anew\n  {why:#}");
                    error = ProgramError::Wrong(why);
                }
            }
        }
        Err(error)
    }

    /// The prepared program for this mode, if a run uses it now.
    pub(super) fn in_use(&self, mode: Mode) -> Option<Arc<Prepared>> {
        let prepared = self.ready().get(&mode).and_then(Weak::upgrade)?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Some(prepared)
    }

    fn link(&self, mode: Mode, code: MachineCode) -> Result<Arc<Prepared>, ProgramError> {
        let prepared = Arc::new(Prepared::new(code, self.purpose)?);
        self.ready().insert(mode, Arc::downgrade(&prepared));
        Ok(prepared)
    }

    /// The cache, if it has machine code of any program of `len` bytes.
    fn cache_of(&self, len: u64) -> Option<&Cache> {
        self.cache.as_ref().filter(|cache| compile_limits::may_be_compiled(len) && cache.has_any(len))
    }

    /// Bytes of memory held for its source.
    pub fn held(&self) -> usize {
        self.source.held()
    }

    fn ready(&self) -> MutexGuard<'_, HashMap<Mode, Weak<Prepared>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The module for V8 in a thread of its own.
    pub fn for_v8(&self, limits: &Limits, cancellation: &Cancellation) -> Result<V8Module, ProgramError> {
        v8_module::for_thread(self.source.for_v8(cancellation)?, limits, cancellation)
    }

    /// The module for V8 on the main thread.
    pub fn for_main_thread(&self, cancellation: &Cancellation) -> Result<V8Module, ProgramError> {
        v8_module::for_main_thread(self.source.for_v8(cancellation)?)
    }

    /// A program like this one, whose instances tell their state.
    pub fn instrument(&self, cancellation: &Cancellation) -> Result<Vec<u8>, ProgramError> {
        let bytes = self.bytes(cancellation)?;
        compile::check(&bytes, self.purpose, cancellation)?;
        snapshot::instrument(&bytes, Form::of(&bytes)?)
    }

    /// The program that begins with the state of an instance of its instrumented form.
    pub fn snapshot(&self, store: &mut Store<Guest>, exports: snapshot::Exports) -> Result<Vec<u8>, ProgramError> {
        snapshot::snapshot(&self.bytes(&Cancellation::default())?, store, exports)
    }

    fn bytes(&self, cancellation: &Cancellation) -> Result<Cow<'_, [u8]>, ProgramError> {
        if matches!(self.source, Source::Code(_)) {
            let why = "is machine code, of which nothing can be prepared: compile() its bytes or its file";
            return Err(ProgramError::Wrong(why.to_owned()));
        }
        self.source.for_wasmtime(cancellation)
    }

    /// The description of a component's functions and types, as JSON; none for a module. No function is
    /// compiled for that.
    pub fn types(&self, cancellation: &Cancellation) -> Result<Option<String>, ProgramError> {
        let bytes = self.source.for_wasmtime(cancellation)?;
        if Form::of(&bytes)? == Form::Module {
            return Ok(None);
        }
        compile::check(&bytes, self.purpose, cancellation)?;
        let skeleton = skeleton::of_component(&bytes)?;
        let (code, of) = compile::compile(&skeleton, self.purpose, Mode::default(), Effort::Awaited, cancellation)?;
        let code = raw::deserialize_bytes(&of.engine().map_err(refused)?, Form::Component, &code).map_err(refused)?;
        Ok(Prepared::new(code, self.purpose)?.interface().map(str::to_owned))
    }

    /// The form of the program.
    pub fn form(&self) -> Result<Form, ProgramError> {
        self.source.form()
    }

    /// The digest of its bytes.
    fn digest(&self, cache: &Cache, cancellation: &Cancellation) -> Result<&Digest, ProgramError> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let digest = self.source.digest(cache, cancellation)?;
        Ok(self.digest.get_or_init(|| digest))
    }
}

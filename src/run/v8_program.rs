//! Programs of V8: prepared in the environment that runs them, compiled in their workers. (A module that the
//! environment had compiled would be optimised until the process ends; that of a worker until the worker
//! ends.)

use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, SharedBytes, Value};
use crate::permission::require_wasi;
use crate::run::description::description_to_js;
use crate::run::outcome::program_error_to_js;
use crate::run::reader::{Reader, float, held, whole};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasi_rs_core::abi::Abi;
use wasi_rs_modules::compile_limits::Compilers;
use wasi_rs_modules::rewrite::v8_module::{self, ImportedMemory, V8Module};
use wasi_rs_runner::in_v8::Waiting;
use wasi_rs_runner::interface::Description;

/// Runs that no worker has taken yet.
pub static WAITING: Waiting<V8Program> = Waiting::new();

/// A program as V8 gets it.
pub struct V8Program {
    /// Its number, which no other program ever has.
    id: u64,
    bytes: Arc<SharedBytes>,
    memories: Vec<ImportedMemory>,
    /// The edition of WASI it is for.
    pub abi: Abi,
    start: Option<String>,
    objects: Option<u64>,
    compilers: Compilers,
}

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<()> {
    js.set_named(object, FindProgram::NAME, js.function::<FindProgram>(0)?)?;
    js.set_named(object, ModuleProgram::NAME, js.function::<ModuleProgram>(0)?)
}

impl V8Program {
    /// A program with this module.
    pub fn new(module: V8Module) -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let V8Module { bytes, memories, abi, start, objects, compilers } = module;
        let (id, bytes) = (LAST.fetch_add(1, Relaxed) + 1, SharedBytes::new(bytes));
        Arc::new(Self { id, bytes, memories, abi, start, objects, compilers })
    }

    /// `{ id, withBytes(), memories: [{ module, name, type }], version, isBaseline, start?, objects? }`
    /// as the environment gets it that owns the program.
    pub fn owned_by(self: Arc<Self>, js: Js<'_>) -> JsResult<Value<'_>> {
        let value = js.hold_weighing(Arc::clone(&self), self.bytes.size())?;
        self.describe(js, value)
    }

    /// The same for a worker.
    fn lent_to(self: Arc<Self>, js: Js<'_>) -> JsResult<Value<'_>> {
        let value = js.hold(Arc::clone(&self))?;
        self.describe(js, value)
    }

    fn describe<'s>(&self, js: Js<'s>, value: Value<'s>) -> JsResult<Value<'s>> {
        js.set_named(value, "id", js.number(float(self.id))?)?;
        js.set_named(value, WithBytes::NAME, js.function::<WithBytes>(0)?)?;
        let memories = self.memories.iter().map(|memory| imported_memory_to_js(js, memory));
        js.set_named(value, "memories", js.array(memories)?)?;
        js.set_named(value, "version", js.string(self.abi.version())?)?;
        js.set_named(value, "isBaseline", js.boolean(self.compilers == Compilers::Baseline)?)?;
        if let Some(start) = &self.start {
            js.set_named(value, "start", js.string(start)?)?;
        }
        if let Some(bytes) = self.objects {
            js.set_named(value, "objects", js.number(float(bytes))?)?;
        }
        Ok(value)
    }
}

/// A memory's type as `new WebAssembly.Memory()` takes it, and the names of its import.
fn imported_memory_to_js<'s>(js: Js<'s>, memory: &ImportedMemory) -> JsResult<Value<'s>> {
    let (object, ty) = (js.object()?, js.object()?);
    js.set_named(object, "module", js.string(&memory.module)?)?;
    js.set_named(object, "name", js.string(&memory.name)?)?;
    js.set_named(ty, "initial", js.number(float(memory.bounds.min))?)?;
    if let Some(max) = memory.bounds.max {
        js.set_named(ty, "maximum", js.number(float(max))?)?;
    }
    js.set_named(ty, "shared", js.boolean(memory.bounds.is_shared())?)?;
    js.set_named(object, "isWide", js.boolean(memory.bounds.is_wide())?)?;
    js.set_named(object, "type", ty)?;
    Ok(object)
}

/// `program.withBytes(use)`: the result of `use`, which is called with an ArrayBuffer of the module. The
/// buffer is not to be written to, and is detached afterwards.
struct WithBytes;

impl Method for WithBytes {
    const NAME: &'static str = "withBytes";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        call.js.with_shared(&held::<V8Program>(call.js, call.this)?.bytes, call.args[0])
    }
}

/// `v8Program(number)`: the program of the run with this number, for its worker; an exception if there is no
/// such run.
struct FindProgram;

impl Method for FindProgram {
    const NAME: &'static str = "v8Program";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        if let Some(program) = WAITING.program(whole(js.number_of(call.args[0])?)) {
            return program.lent_to(js);
        }
        let message = js.string("no such run: the file of the addon was replaced, or the run is over")?;
        Err(js.throw(js.error(ErrorKind::Error, None, message)?))
    }
}

/// `moduleProgram({ imports, exports })`: the program of a module with these, as
/// `WebAssembly.Module.imports()` and `exports()` tell them: `{ value: { program, description } }`, or the
/// error of one that does not run here.
struct ModuleProgram;

impl Method for ModuleProgram {
    const NAME: &'static str = "moduleProgram";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        require_wasi(js)?;
        let names = Reader { js, object: call.args[0] }.names()?;
        let module = match v8_module::of_names(&names) {
            Ok(module) => module,
            Err(error) => return program_error_to_js(js, &error),
        };
        let description = description_to_js(js, module.abi, &Description::of_names(&names), &[])?;
        let (answer, value) = (js.object()?, js.object()?);
        js.set_named(value, "program", V8Program::new(module).owned_by(js)?)?;
        js.set_named(value, "description", description)?;
        js.set_named(answer, "value", value)?;
        Ok(answer)
    }
}

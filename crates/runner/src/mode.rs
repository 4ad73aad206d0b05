//! The modes of machine code. Code of one mode does not run in another, so each has an engine of its own.

use super::stacks::Stacks;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wasi_rs_modules::error::Form;
use wasi_rs_modules::limits::Limits;
use wasi_rs_modules::startup::MAX_SPARSE;
use wasmtime::{Config, Engine, EngineWeak, Result};

/// The stack of a program without a limit: as much as V8 gives.
pub const STACK: usize = 1 << 20;

/// The most stack a program may be given.
pub const MAX_STACK: usize = 64 << 20;

/// The stack of what a guest calls, where it has a stack of its own.
const SYSTEM_CALLS: usize = 512 << 10;

/// A mode of machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// True if instructions are counted.
    pub fuel: bool,
    /// Bytes of stack. The code itself does not depend on it; wasmtime wants an engine for each all the same.
    pub stack: usize,
    /// True if results that WebAssembly leaves open are fixed: the bits of a NaN, relaxed SIMD.
    pub is_deterministic: bool,
    /// True if functions may be asynchronous, as in WASI 0.3. Calls of others take longer then.
    pub is_concurrent: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self { fuel: false, stack: STACK, is_deterministic: false, is_concurrent: false }
    }
}

impl Mode {
    /// The mode for a run with these limits.
    pub fn of(limits: &Limits) -> Self {
        let stack = limits.stack.unwrap_or(STACK);
        let Limits { fuel, is_deterministic, .. } = *limits;
        Self { fuel: fuel.is_some(), stack, is_deterministic, is_concurrent: false }
    }

    /// The modes in which a program of this form is tried, in this order.
    pub fn tried(self, form: Form) -> impl Iterator<Item = Self> {
        let concurrent = (form == Form::Component).then_some(Self { is_concurrent: true, ..self });
        std::iter::once(self).chain(concurrent)
    }

    /// The engine of this mode: one in the process, as long as anybody uses it.
    pub fn engine(self) -> Result<Engine> {
        static ENGINES: Mutex<Option<HashMap<Mode, EngineWeak>>> = Mutex::new(None);
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        let engines = engines.get_or_insert_default();
        if let Some(engine) = engines.get(&self).and_then(EngineWeak::upgrade) {
            return Ok(engine);
        }
        engines.retain(|_, engine| engine.upgrade().is_some());
        let engine = self.new_engine()?;
        engines.insert(self, engine.weak());
        Ok(engine)
    }

    /// An engine of this mode that nobody else has.
    pub fn new_engine(self) -> Result<Engine> {
        Engine::new(&self.config())
    }

    fn config(self) -> Config {
        let mut config = Config::new();
        config
            .consume_fuel(self.fuel)
            .epoch_interruption(true)
            .max_wasm_stack(self.stack)
            .concurrency_support(self.is_concurrent)
            .cranelift_nan_canonicalization(self.is_deterministic)
            .relaxed_simd_deterministic(self.is_deterministic)
            // The guest's stack, and that of its system calls.
            .async_stack_size(self.stack.saturating_add(SYSTEM_CALLS))
            .with_host_stack(Arc::new(Stacks))
            .memory_guaranteed_dense_image_size(MAX_SPARSE)
            // Only debuggers and profilers of the process would read it.
            .native_unwind_info(cfg!(windows));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_one_engine_while_it_is_used() {
        let mode = Mode { stack: STACK + 4096, ..Mode::default() };
        let engine = mode.engine().unwrap();
        assert!(Engine::same(&engine, &mode.engine().unwrap()));
        assert!(!Engine::same(&engine, &Mode { fuel: true, ..mode }.engine().unwrap()));
        assert!(!Engine::same(&engine, &Mode { is_deterministic: true, ..mode }.engine().unwrap()));
    }
}

//! Which call of the embedder each task of a guest belongs to, where several calls are made at the same time.

use std::collections::HashMap;
use wasmtime::component::GuestTaskId;
use wasmtime::{AsContextMut, Result};

/// The calls that are being made: their numbers, by the tasks that they are.
#[derive(Debug, Default)]
pub struct Callers(HashMap<GuestTaskId, u64>);

/// The data of a store in which they are made.
pub trait Called {
    /// The calls.
    fn callers(&mut self) -> &mut Callers;
}

impl Callers {
    /// A call has begun.
    pub fn begin(&mut self, task: GuestTaskId, number: u64) {
        self.0.insert(task, number);
    }

    /// It is over.
    pub fn end(&mut self, task: GuestTaskId) {
        self.0.remove(&task);
    }
}

/// The number of the call that a function of the embedder is called for; none if that call is over, or if
/// calls are made one after the other.
pub fn caller<T: Called + 'static>(mut store: impl AsContextMut<Data = T>) -> Result<Option<u64>> {
    let mut store = store.as_context_mut();
    if store.data_mut().callers().0.is_empty() {
        return Ok(None);
    }
    let calls = std::mem::take(store.data_mut().callers());
    let found = store.async_call_stack().map(|mut tasks| tasks.find_map(|task| calls.0.get(&task).copied()));
    *store.data_mut().callers() = calls;
    found
}

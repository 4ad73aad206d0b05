//! A call of a guest's export.

use super::numbers::{Signature, cells, values};
use super::stop::Stop;
use std::fmt;
use std::sync::Arc;
use wasmtime::{AsContextMut, Func, Val};

/// The end of a call, unless the instance ends with it.
#[derive(Debug)]
pub enum Returned {
    /// The function has returned; these are the bytes of its results.
    Values(Vec<u8>),
    /// A function of the embedder has thrown in the call with this number, and nothing in between has caught
    /// it.
    Thrown(u32),
    /// The call was not made: the instance was in another one.
    Busy,
}

/// A call of an export.
pub struct ExportCall {
    /// The function.
    pub func: Func,
    /// Its type.
    pub signature: Arc<Signature>,
    /// The parameters, as bytes.
    pub args: Vec<u8>,
    /// Gets the end of the call, on any thread.
    pub answer: Box<dyn FnOnce(Returned) + Send>,
}

impl fmt::Debug for ExportCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportCall").field("args", &self.args).finish_non_exhaustive()
    }
}

impl ExportCall {
    /// Makes the call. An error is the end of the instance, and there is no answer then.
    pub fn make(&self, store: impl AsContextMut) -> wasmtime::Result<Returned> {
        let mut results = vec![Val::I32(0); self.signature.results.len()];
        match self.func.call(store, &values(&self.signature.params, &self.args), &mut results) {
            Ok(()) => Ok(Returned::Values(cells(&results))),
            Err(error) => match error.downcast_ref::<Stop>() {
                Some(Stop::Thrown(number)) => Ok(Returned::Thrown(*number)),
                _ => Err(error),
            },
        }
    }

    /// Delivers the end of the call.
    pub fn answer(self, returned: Returned) {
        (self.answer)(returned);
    }

    /// Answers that the call is not made.
    pub fn refuse(self) {
        self.answer(Returned::Busy);
    }
}

//! A call of a guest's export.

use super::callers::Called;
use super::component_type::ComponentType;
use super::numbers::{Signature, cells, values};
use super::stop::Stop;
use std::fmt;
use std::sync::Arc;
use wasi_rs_components::handles::{Holder, Lent, with_handles};
use wasi_rs_components::values::Decoded;
use wasmtime::component::{self, Accessor};
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
    /// The call was not made, for this reason: its parameters are wrong.
    Refused(String),
}

/// An answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// It is over.
    Returned(Returned),
    /// It is over, and the guest goes on; [`Reply::Idle`] comes when it does not.
    GoesOn(Returned),
    /// The guest waits for calls.
    Idle,
}

/// The function of a call.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A function of a module, that takes and returns numbers.
    Module(Func, Arc<Signature>),
    /// A function of a component.
    Component(Arc<ComponentFunction>),
    /// The end of a resource of the guest, which the embedder holds by the handle in the parameters.
    Drop,
    /// The next elements of a stream or future of the guest: its handle, and their number at most.
    Read,
    /// The end of one: its handle.
    Close,
}

/// A function of a component.
#[derive(Debug)]
pub struct ComponentFunction {
    /// The function, in the instance.
    pub func: component::Func,
    /// Its type.
    pub ty: ComponentType,
}

/// A call of an export.
pub struct ExportCall {
    /// Its number, by which the embedder knows it.
    pub number: u64,
    /// The function.
    pub callee: Callee,
    /// The parameters, as bytes.
    pub args: Vec<u8>,
    /// Gets the end of the call, on any thread.
    pub answer: Box<dyn Fn(Reply) + Send>,
}

impl fmt::Debug for ExportCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportCall").field("args", &self.args).finish_non_exhaustive()
    }
}

impl ExportCall {
    /// Makes the call. An error is the end of the instance, and there is no answer then.
    pub fn make(&self, mut store: impl AsContextMut<Data: Holder>) -> wasmtime::Result<Returned> {
        match &self.callee {
            Callee::Module(func, signature) => {
                let mut results = vec![Val::I32(0); signature.results.len()];
                match func.call(store, &values(&signature.params, &self.args), &mut results) {
                    Ok(()) => Ok(Returned::Values(cells(&results))),
                    Err(error) => match error.downcast_ref::<Stop>() {
                        Some(Stop::Thrown(number)) => Ok(Returned::Thrown(*number)),
                        _ => Err(error),
                    },
                }
            }
            Callee::Component(_) if store.as_context().engine().get_concurrency_support() => {
                let why = "a component with asynchronous functions can't be called by a function that it waits for";
                Ok(Returned::Refused(why.to_owned()))
            }
            Callee::Component(function) => function.call(store, &self.args),
            Callee::Drop => match with_handles(&mut store, |handles| handles.take(&self.args)) {
                Ok(resource) => {
                    resource.resource_drop(store)?;
                    Ok(Returned::Values(Vec::new()))
                }
                Err(error) => Ok(Returned::Refused(error.to_string())),
            },
            Callee::Read | Callee::Close => {
                Ok(Returned::Refused("a stream can't be used by a function that the component waits for".to_owned()))
            }
        }
    }

    /// Delivers the end of the call.
    pub fn answer(self, returned: Returned) {
        (self.answer)(Reply::Returned(returned));
    }

    /// Answers that the call is not made.
    pub fn refuse(self) {
        self.answer(Returned::Busy);
    }
}

impl ComponentFunction {
    /// Calls it. (A component can't go on after an error, so one that the embedder has thrown is its end.)
    fn call(&self, mut store: impl AsContextMut<Data: Holder>, args: &[u8]) -> wasmtime::Result<Returned> {
        if let Some(direct) = &self.ty.direct {
            return direct.call(self.func, store, args).map(Returned::Values);
        }
        self.converted(&mut store, args)
    }

    /// The same as a task, for the call with this number. The parameters are taken back by it.
    pub async fn call_concurrent<T: Holder + Called>(
        &self,
        store: &Accessor<T>,
        number: u64,
        args: &[u8],
    ) -> wasmtime::Result<Returned> {
        let (decoded, lent) = store.with(|mut store| self.decode(store.as_context_mut(), args));
        let mut results = vec![component::Val::Bool(false); self.ty.results.len()];
        let called = match &decoded {
            Ok(args) => self.call_as_task(store, number, args, &mut results).await,
            Err(_) => Ok(()),
        };
        store.with(|mut store| self.finish(store.as_context_mut(), decoded.map(|_| called), lent, &results))
    }

    async fn call_as_task<T: Holder + Called>(
        &self,
        store: &Accessor<T>,
        number: u64,
        args: &[component::Val],
        results: &mut [component::Val],
    ) -> wasmtime::Result<()> {
        let call = store.with(|mut store| {
            let call = self.func.start_call_concurrent(&mut store, args, results)?;
            store.data_mut().callers().begin(call.task(), number);
            Ok::<_, wasmtime::Error>(call)
        })?;
        let task = call.task();
        let called = self.func.finish_call_concurrent(store, call).await;
        store.with(|mut store| store.data_mut().callers().end(task));
        called
    }

    /// Makes a call with the values that these bytes are, and turns its results into bytes.
    fn converted<S: AsContextMut<Data: Holder>>(&self, store: &mut S, args: &[u8]) -> wasmtime::Result<Returned> {
        let (decoded, lent) = self.decode(&mut *store, args);
        let mut results = vec![component::Val::Bool(false); self.ty.results.len()];
        let called = decoded.map(|args| self.func.call(&mut *store, &args, &mut results));
        self.finish(store, called, lent, &results)
    }

    fn decode(&self, store: impl AsContextMut<Data: Holder>, args: &[u8]) -> Decoded {
        with_handles(store, |handles| handles.decode(&self.ty.types, &self.ty.params, args))
    }

    /// The end of a call that was made, or of one whose parameters were wrong.
    fn finish(
        &self,
        store: impl AsContextMut<Data: Holder>,
        called: wasmtime::Result<wasmtime::Result<()>>,
        lent: Lent,
        results: &[component::Val],
    ) -> wasmtime::Result<Returned> {
        with_handles(store, |handles| match called {
            Ok(called) => {
                called?;
                handles.take_back(lent)?;
                let (bytes, loans) = handles.encode(&self.ty.types, &self.ty.results, results)?;
                handles.end_loans(loans)?;
                Ok(Returned::Values(bytes))
            }
            Err(error) => {
                handles.take_back(lent)?;
                Ok(Returned::Refused(error.to_string()))
            }
        })
    }
}

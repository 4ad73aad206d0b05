//! The requests of an environment: programs that it runs, and questions that it asks about them. Each has a
//! number, and is answered by a message: the function that `listen` was given is called with the number and
//! the answer.

use crate::node_api::channel::{Channel, Message};
use crate::node_api::{Call, Js, JsResult, Method, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_runner::background::BACKGROUND;
use wasi_rs_runner::compilations::Wait;
use wasi_rs_runner::instance::Instance;
use wasi_rs_runner::run::{Population, Run};

/// The requests of an environment.
#[derive(Default)]
pub struct Requests {
    channel: OnceLock<Arc<Channel>>,
    /// The number of answers that are expected.
    expected: AtomicUsize,
    pending: Mutex<HashMap<u32, Cancel>>,
    /// Its runs in V8.
    pub v8_runs: Population,
}

/// The means to cancel a request.
pub enum Cancel {
    /// A run, which is ended.
    Run(Arc<Run>),
    /// An instance, which is ended.
    Instance(Arc<Instance>),
    /// The wait for machine code that is being made; dropped to cancel it.
    Wait(Wait),
    /// The cancellation of the search for an answer.
    Search(Cancellation),
}

impl Cancel {
    fn cancel(self) {
        match self {
            Self::Run(run) => run.end(),
            Self::Instance(instance) => instance.end(),
            Self::Wait(wait) => drop(wait),
            Self::Search(search) => search.cancel(),
        }
    }
}

impl Requests {
    fn pending(&self) -> MutexGuard<'_, HashMap<u32, Cancel>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the means to cancel a request, until that is answered.
    pub fn keep(&self, id: u32, cancel: Cancel) {
        self.pending().insert(id, cancel);
    }

    /// Cancels a request. A run, or the search for an answer, is answered all the same.
    pub fn cancel(&self, id: u32) {
        let cancel = self.pending().remove(&id);
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
    }

    /// A number that identifies the environment as the owner of work in the background.
    pub fn number(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    fn cancel_all(self: &Arc<Self>) {
        let pending = std::mem::take(&mut *self.pending());
        pending.into_values().for_each(Cancel::cancel);
        BACKGROUND.cancel_all_of(self.number());
    }

    /// Keeps the event loop from ending until the answer comes.
    pub fn expect(&self, js: Js<'_>) {
        if self.expected.fetch_add(1, Relaxed) == 0
            && let Some(channel) = self.channel.get()
        {
            channel.set_ref(js, true);
        }
    }

    fn forget(&self, js: Js<'_>, id: u32) {
        self.drop_kept(id);
        self.expect_less(js);
    }

    /// Drops the means to cancel a request.
    pub fn drop_kept(&self, id: u32) {
        let answered = self.pending().remove(&id);
        drop(answered);
    }

    /// Takes one [`Self::expect`] back.
    pub fn expect_less(&self, js: Js<'_>) {
        if self.expected.fetch_sub(1, Relaxed) == 1
            && let Some(channel) = self.channel.get()
        {
            channel.set_ref(js, false);
        }
    }

    /// Answers request `id` with what `answer` makes, on the environment's thread.
    pub fn respond(
        self: Arc<Self>,
        id: u32,
        answer: impl for<'s> FnOnce(Js<'s>) -> JsResult<Value<'s>> + Send + 'static,
    ) {
        let requests = Arc::clone(&self);
        self.send(id, move |js| {
            requests.forget(js, id);
            answer(js)
        });
    }

    /// Has the environment's function called with the number of a request and what `content` makes.
    pub fn send(&self, id: u32, content: impl for<'s> FnOnce(Js<'s>) -> JsResult<Value<'s>> + Send + 'static) {
        let Some(channel) = self.channel.get() else { return };
        let message: Message = Box::new(move |js, function| {
            let id = js.number(id.into())?;
            let args = match content(js) {
                Ok(content) => [id, content, js.undefined()?],
                // Such as more bytes than there is memory for.
                Err(thrown) => [id, js.undefined()?, js.take_exception(thrown)?],
            };
            js.call(js.undefined()?, function, &args).map(drop)
        });
        channel.send(message);
    }
}

/// `listen(deliver)`: the requests of this environment, of which `deliver(id, answer)` gets the answers;
/// `deliver(id, undefined, exception)` for one that could not be made.
pub struct Listen;

impl Method for Listen {
    const NAME: &'static str = "listen";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let requests = Arc::new(Requests::default());
        let at_end = Arc::clone(&requests);
        let channel = js.channel(call.args[0], Box::new(move || at_end.cancel_all()))?;
        let _ = requests.channel.set(channel);
        js.hold(requests)
    }
}

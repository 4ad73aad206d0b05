//! Calls of a guest to functions of the embedder. The guest's thread waits for each answer, without its slot,
//! until the run is ended at the latest. While it waits, others may read and write the guest's memory, and
//! the embedder may call the guest's exports, which the waiting thread does.

use super::control::Control;
use super::export_call::ExportCall;
use super::numbers::Signature;
use super::raw::{self, Window};
use super::stop::Stop;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wasi_rs_components::wasi::p3::{Expected, Reactor};
use wasi_rs_core::memory::Memory;
use wasmtime::{AsContext, Memory as GuestMemory};

/// The time that a guest's thread looks for an answer before it goes to sleep.
const LINGER: Duration = Duration::from_micros(50);

/// The functions that the embedder gives to a guest, as the guest imports them.
#[derive(Clone, Debug)]
pub struct Given {
    /// The calls to them.
    pub calls: Arc<HostCalls>,
    /// For each function that the guest imports, its index in the embedder's list.
    pub indices: Arc<[u32]>,
}

/// A call that the embedder is to answer.
#[derive(Debug)]
pub struct HostCall {
    /// Its number, for the answer.
    pub number: u32,
    /// The function: an index of the list that the embedder gave.
    pub function: u32,
    /// The type of the function, if a module calls it. (Those of a component are told by its description.)
    pub signature: Option<Arc<Signature>>,
    /// The parameters, as bytes.
    pub args: Vec<u8>,
    /// The number of the guest's call that it is made in, if several are made at the same time and it is in
    /// one.
    pub caller: Option<u64>,
}

/// The answer to a call: the results, as bytes; none if the function has thrown.
pub type Answer = Option<Vec<u8>>;

/// Passes a call on to the embedder, on the guest's thread, and returns at once; the answer, if it is there
/// already.
pub type Ask = Box<dyn Fn(HostCall) -> Option<Answer> + Send + Sync>;

/// The functions that the embedder gives to a guest, and the calls that it has not answered.
pub struct HostCalls {
    /// The names of the functions, with their indices.
    given: HashMap<(String, String), u32>,
    ask: Ask,
    state: Mutex<State>,
    changed: Condvar,
    /// True if something has happened that the thread has not seen.
    has_changed: AtomicBool,
    /// The guest's memory, while its thread waits.
    window: Mutex<Option<Window>>,
}

#[derive(Default)]
struct State {
    /// The number of the last call.
    last: u32,
    /// The calls that wait, innermost last.
    waiting: Vec<u32>,
    answers: HashMap<u32, Answer>,
    /// Calls of the guest's exports, for the thread that waits.
    inner: VecDeque<ExportCall>,
    /// The calls that wait without a thread.
    open: HashMap<u32, Open>,
}

/// A call that waits without a thread, and its answer.
struct Open {
    answer: Option<Answer>,
    waker: Option<Waker>,
    expected: Expected,
}

/// The results of a call that waits without a thread, as bytes; an error if the function throws.
pub struct Asked {
    calls: Arc<HostCalls>,
    number: u32,
}

impl Future for Asked {
    type Output = wasmtime::Result<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let thrown = || Stop::Thrown(self.number).into();
        let mut state = self.calls.state();
        let Some(open) = state.open.get_mut(&self.number) else { return Poll::Ready(Err(thrown())) };
        open.waker = Some(context.waker().clone());
        open.answer.take().map_or(Poll::Pending, |answer| Poll::Ready(answer.ok_or_else(thrown)))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.calls.state().open.remove(&self.number);
    }
}

impl State {
    /// The number of the next call.
    const fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}

/// The reason why a wait is over.
pub enum Event {
    /// The answer has come.
    Answer(Answer),
    /// An export is to be called.
    Inner(ExportCall),
    /// The run is to end.
    Ended,
}

impl std::fmt::Debug for HostCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostCalls")
    }
}

impl HostCalls {
    /// Functions with these names of module and function.
    pub fn new(given: Vec<(String, String)>, ask: Ask) -> Arc<Self> {
        let given = given.into_iter().zip(0..).collect();
        let (state, window) = (Mutex::default(), Mutex::default());
        Arc::new(Self { given, ask, state, changed: Condvar::new(), has_changed: AtomicBool::new(false), window })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of a function, if it is given.
    pub fn index_of(&self, module: &str, name: &str) -> Option<u32> {
        self.given.get(&(module.to_owned(), name.to_owned())).copied()
    }

    /// Answers a call; false if nobody waits for the answer any more.
    pub fn answer(&self, number: u32, answer: Answer) -> bool {
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(&number) {
            open.answer = Some(answer);
            open.waker.take().into_iter().for_each(Waker::wake);
            open.expected.ring();
        } else if state.waiting.contains(&number) {
            state.answers.insert(number, answer);
            self.tell();
        } else {
            return false;
        }
        true
    }

    /// Calls a function, for a call of the guest's if there is one, and waits for its results without a
    /// thread.
    pub fn ask(self: &Arc<Self>, function: u32, args: Vec<u8>, caller: Option<u64>, reactor: &Arc<Reactor>) -> Asked {
        let number = self.state().next();
        let asked = Asked { calls: Arc::clone(self), number };
        let open = Open { answer: None, waker: None, expected: reactor.expect() };
        self.state().open.insert(number, open);
        if let Some(answer) = (self.ask)(HostCall { number, function, signature: None, args, caller }) {
            self.answer(number, answer);
        }
        asked
    }

    /// Calls a function whose answer nobody waits for.
    pub fn tell_of(&self, function: u32, args: Vec<u8>) {
        let number = self.state().next();
        (self.ask)(HostCall { number, function, signature: None, args, caller: None });
    }

    /// Has the waiting thread call an export. The call comes back if no thread waits.
    pub fn call_inner(&self, call: ExportCall) -> std::result::Result<(), ExportCall> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return Err(call);
        }
        state.inner.push_back(call);
        self.tell();
        Ok(())
    }

    /// Wakes the thread that waits: the run is ended.
    pub fn wake(&self) {
        let _state = self.state(); // a thread that has looked for the end already waits
        self.tell();
    }

    /// Calls a function with the guest's memory, if its thread waits.
    pub fn with_memory<T>(&self, act: impl FnOnce(&Memory<'_>) -> T) -> Option<T> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.as_ref().map(|window| act(&window.view()))
    }

    /// Waits for the answer to a call, or for something to do. Other threads reach this memory meanwhile. The
    /// call is made first, if it has not been.
    pub fn wait(
        &self,
        call: (u32, Option<HostCall>),
        control: &Control,
        memory: Option<GuestMemory>,
        store: &impl AsContext,
    ) -> Event {
        let (number, request) = call;
        raw::exposing(&self.window, memory, store, || {
            control.memories.release();
            // The memory is there for the embedder's function from its beginning on.
            if let Some(answer) = request.and_then(|request| (self.ask)(request)) {
                control.memories.acquire();
                return Event::Answer(answer);
            }
            self.linger();
            control.slot.release();
            let event = self.next_event(number, control);
            control.slot.acquire();
            control.memories.acquire();
            event
        })
    }

    /// Waits for something to happen, for a short time: to wake a thread takes longer.
    fn linger(&self) {
        let since = Instant::now();
        while !self.has_changed.swap(false, Acquire) && since.elapsed() < LINGER {
            std::hint::spin_loop();
        }
    }

    fn tell(&self) {
        self.has_changed.store(true, Release);
        self.changed.notify_all();
    }

    /// The number of a call that begins.
    pub fn begin(&self) -> u32 {
        let mut state = self.state();
        let number = state.next();
        state.waiting.push(number);
        number
    }

    fn next_event(&self, number: u32, control: &Control) -> Event {
        let mut state = self.state();
        loop {
            if control.is_ended() {
                return Event::Ended;
            }
            if let Some(answer) = state.answers.remove(&number) {
                return Event::Answer(answer);
            }
            if let Some(call) = state.inner.pop_front() {
                return Event::Inner(call);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a call. Calls of exports that came too late are dropped: their instance is over.
    pub fn end(&self, number: u32) {
        let late = {
            let mut state = self.state();
            state.waiting.retain(|waiting| *waiting != number);
            state.answers.remove(&number);
            if state.waiting.is_empty() { std::mem::take(&mut state.inner) } else { VecDeque::new() }
        };
        late.into_iter().for_each(ExportCall::refuse);
    }
}

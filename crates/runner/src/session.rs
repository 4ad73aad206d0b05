//! Calls that are made in one store at the same time, where functions may be asynchronous. The event loop of
//! the store runs until all of them have returned, and nothing goes on but what waits for the embedder. More
//! calls may come meanwhile.

use super::export_call::{Callee, ExportCall, Reply, Returned};
use super::guest::Guest;
use super::run::lock;
use super::tasks;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use wasi_rs_components::handles::with_handles;
use wasi_rs_components::wasi::p3::{Expected, Reactor};
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime::{AsContextMut, Result, Store};

/// The calls for the thread that is in a store.
#[derive(Default)]
pub struct Inbox(Mutex<Mail>);

#[derive(Default)]
struct Mail {
    /// True from the call on for which a thread enters the store, until that leaves it.
    is_open: bool,
    /// The event loop, once a thread is in it.
    reactor: Option<Arc<Reactor>>,
    calls: VecDeque<ExportCall>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Hands a call to the thread that is in the store, or enters it; gives it back if there is none.
    pub fn push(&self, call: ExportCall) -> std::result::Result<(), ExportCall> {
        let mut mail = lock(&self.0);
        if !mail.is_open {
            return Err(call);
        }
        mail.calls.push_back(call);
        let (waker, reactor) = (mail.waker.take(), mail.reactor.clone());
        drop(mail);
        waker.into_iter().for_each(Waker::wake);
        reactor.iter().for_each(|reactor| reactor.ring());
        Ok(())
    }

    /// Takes calls from now on: a thread will enter the store.
    pub fn open(&self) {
        lock(&self.0).is_open = true;
    }

    fn take(&self, context: &Context<'_>) -> VecDeque<ExportCall> {
        let mut mail = lock(&self.0);
        mail.waker = Some(context.waker().clone());
        std::mem::take(&mut mail.calls)
    }

    /// Leaves a store by this function, unless there is another call. No call comes in between.
    pub fn close<S, R>(&self, store: S, leave: impl FnOnce(S) -> R) -> std::result::Result<R, S> {
        let mut mail = lock(&self.0);
        if !mail.calls.is_empty() {
            return Err(store);
        }
        *mail = Mail::default();
        Ok(leave(store))
    }

    /// Takes no more calls: the instance has ended. Those that are there are dropped.
    pub fn end(&self) {
        *lock(&self.0) = Mail::default();
    }
}

/// The calls that are being made.
#[derive(Default)]
struct Calls {
    running: usize,
    /// Those that have returned, and are not answered.
    over: Vec<(ExportCall, Returned)>,
    waker: Option<Waker>,
}

/// A call as a task of the store.
struct Task {
    call: ExportCall,
    calls: Arc<Mutex<Calls>>,
}

impl AccessorTask<Guest> for Task {
    async fn run(self, store: &Accessor<Guest>) -> Result<()> {
        let returned = make(self.call.number, &self.call.callee, &self.call.args, store).await?;
        let mut calls = lock(&self.calls);
        calls.running = calls.running.saturating_sub(1);
        calls.over.push((self.call, returned));
        let waker = calls.waker.take();
        drop(calls);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

async fn make(number: u64, callee: &Callee, args: &[u8], store: &Accessor<Guest>) -> Result<Returned> {
    match callee {
        Callee::Component(function) => function.call_concurrent(store, number, args).await,
        Callee::Read => {
            let [number, most] = tasks::numbers(args)?;
            match store.with(|mut store| with_handles(store.as_context_mut(), |handles| handles.reading(number))) {
                Ok(reading) => reading.next(most).await.map(Returned::Values),
                Err(error) => Ok(Returned::Refused(error.to_string())),
            }
        }
        Callee::Close => {
            let [number] = tasks::numbers(args)?;
            Ok(match store.with(|mut store| with_handles(store.as_context_mut(), |handles| handles.close(number))) {
                Ok(()) => Returned::Values(Vec::new()),
                Err(error) => Returned::Refused(error.to_string()),
            })
        }
        Callee::Module(..) | Callee::Drop => Ok(Returned::Busy), // they are made otherwise
    }
}

/// The reason why the event loop is left.
enum Pause {
    /// All is done, or waits for the embedder.
    Done,
    /// Resources are to be ended, which can't be done in it.
    Drops(Vec<ExportCall>),
}

/// The view of the thread that is in the store.
struct Session<'s> {
    inbox: &'s Inbox,
    calls: Arc<Mutex<Calls>>,
    reactor: Arc<Reactor>,
    /// Held while calls are being made: whatever they wait for, another call may bring it.
    expected: Option<Expected>,
    /// The first call that was answered before all was done.
    early: Option<ExportCall>,
}

/// Calls that have been made.
#[derive(Default)]
pub struct Served {
    /// Those that are to be answered once the store was left.
    over: Vec<(ExportCall, Returned)>,
    /// Those that were answered before that, and are to be told of it.
    early: Vec<ExportCall>,
}

impl Served {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.over.extend(other.over);
        self.early.extend(other.early);
    }

    /// Answers and tells: the store was left.
    pub fn answer(self) {
        for (call, returned) in self.over {
            call.answer(returned);
        }
        for call in self.early {
            (call.answer)(Reply::Idle);
        }
    }
}

/// Makes calls in a store: this one, and those that come. An error is the end of the instance.
pub fn serve(store: &mut Store<Guest>, inbox: &Inbox, first: Option<ExportCall>) -> Result<Served> {
    let reactor = Arc::clone(store.data_mut().view().reactor());
    {
        let mut mail = lock(&inbox.0);
        mail.reactor = Some(Arc::clone(&reactor));
        if let Some(first) = first {
            mail.calls.push_front(first);
        }
    }
    reactor.set_listening(true);
    let calls = Arc::<Mutex<Calls>>::default();
    let mut session = Session { inbox, calls, reactor: Arc::clone(&reactor), expected: None, early: None };
    loop {
        let pause = tasks::block_on(store, async |store| {
            let act =
                async |store: &Accessor<Guest>| std::future::poll_fn(|context| session.poll(store, context)).await;
            store.run_concurrent(act).await?
        })??;
        let Pause::Drops(drops) = pause else { break };
        for call in drops {
            let returned = tasks::end_resource(store, &call.args)?;
            lock(&session.calls).over.push((call, returned));
        }
    }
    reactor.set_listening(false);
    let over = std::mem::take(&mut lock(&session.calls).over);
    Ok(Served { over, early: session.early.into_iter().collect() })
}

impl Session<'_> {
    fn poll(&mut self, store: &Accessor<Guest>, context: &mut Context<'_>) -> Poll<Result<Pause>> {
        let moments = self.reactor.take_moments();
        let mut drops = Vec::new();
        for call in self.inbox.take(context) {
            if matches!(call.callee, Callee::Drop) {
                drops.push(call);
                continue;
            }
            lock(&self.calls).running += 1;
            context.waker().wake_by_ref(); // the event loop looks at its tasks before it polls this
            let task = Task { call, calls: Arc::clone(&self.calls) };
            if let Err(error) = store.spawn(task) {
                return Poll::Ready(Err(error));
            }
        }
        if !drops.is_empty() {
            return Poll::Ready(Ok(Pause::Drops(drops)));
        }
        let mut calls = lock(&self.calls);
        calls.waker = Some(context.waker().clone());
        if calls.running == 0 {
            self.expected = None;
            let is_done =
                store.poll_no_interesting_tasks(context).is_ready() && self.reactor.poll_idle(context).is_ready();
            // A guest may leave tasks that wait for the embedder to read or write a stream. Streams that are
            // left have ended by the next turn.
            if moments.is_stuck || (is_done && moments.has_turned) {
                return Poll::Ready(Ok(Pause::Done));
            }
            if is_done {
                self.reactor.on_turn(context.waker());
                return Poll::Pending;
            }
            self.reactor.on_stuck(context.waker());
        } else if self.expected.is_none() {
            self.expected = Some(self.reactor.expect());
        }
        // Those that are done with all else are answered later: what the guest has used is known then.
        if calls.over.is_empty() {
            return Poll::Pending;
        }
        if !moments.has_turned {
            self.reactor.on_turn(context.waker());
            return Poll::Pending;
        }
        let over = std::mem::take(&mut calls.over);
        drop(calls);
        for (call, returned) in over {
            if self.early.is_some() {
                call.answer(returned);
            } else {
                (call.answer)(Reply::GoesOn(returned));
                self.early = Some(call);
            }
        }
        Poll::Pending
    }
}

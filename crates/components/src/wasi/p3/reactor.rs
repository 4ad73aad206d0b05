//! The event loop of a component of WASI 0.3: its futures are polled on the guest's thread, and when all of
//! them wait, the thread waits in a system call for the same things. So a wait ends with the guest, as each
//! wait does.

use crate::system::System;
use crate::wasi::OpenFile;
use crate::wasi::calls::{Awaited, Calls, Made};
use crate::wasi::errors::Failed;
use crate::wasi::http::exchange::Exchange;
use crate::wasi::poll::MOST;
use crate::wasi::scratch::Scratch;
use crate::wasi::sockets::state::Tcp;
use std::collections::BTreeMap;
use std::io::{PipeWriter, Write};
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use wasi_rs_core::abi::flags::Sdflags;
use wasmtime::{Result, Trap, bail};

/// The number of times that futures are polled before what they wait for is looked at, though others go on.
const ROUNDS: u32 = 64;

/// The things that the futures of one guest wait for.
#[derive(Debug, Default)]
pub struct Reactor {
    state: Mutex<State>,
    bell: Bell,
}

/// Wakes the guest's thread from another one.
#[derive(Debug, Default)]
struct Bell {
    has_rung: AtomicBool,
    /// The pipe whose one end the thread waits for, once it has waited.
    pipe: Mutex<Option<(u32, PipeWriter)>>,
}

impl Bell {
    fn pipe(&self) -> MutexGuard<'_, Option<(u32, PipeWriter)>> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        if !self.has_rung.swap(true, SeqCst)
            && let Some((_, writer)) = &mut *self.pipe()
        {
            let _ = writer.write(&[0]); // one byte at most is in it
        }
    }

    /// The descriptor that can be read once it has rung.
    fn descriptor(&self, calls: &mut Calls<'_>) -> Made<u32> {
        if let Some((fd, _)) = &*self.pipe() {
            return Ok(*fd);
        }
        let (fd, writer) = calls.open_pipe()?;
        *self.pipe() = Some((fd, writer));
        Ok(fd)
    }
}

/// An answer of another thread that will come.
#[derive(Debug)]
pub struct Expected(Arc<Reactor>);

impl Expected {
    /// Wakes the guest's thread: the answer is there.
    pub fn ring(&self) {
        self.0.ring();
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.expected = state.expected.saturating_sub(1);
    }
}

#[derive(Debug, Default)]
struct State {
    /// The waits by their numbers.
    waits: BTreeMap<u64, (Awaited, Waker)>,
    next: u64,
    /// Files of streams that are gone, to be closed.
    left: Vec<Left>,
    /// The number of tasks of the host that go on though the guest waits for none of them.
    busy: usize,
    /// The wakers of those who wait until there are none.
    idle: Vec<Waker>,
    /// The number of answers of other threads that will come.
    expected: usize,
    /// True if other threads may ring, whether an answer will come or not.
    listens: bool,
    /// The one who is told before the thread waits, and the one who is told if there is nothing to wait for.
    turn: Moment,
    stuck: Moment,
}

/// A moment of the event loop that somebody waits for.
#[derive(Debug, Default)]
struct Moment {
    waker: Option<Waker>,
    has_come: bool,
}

/// The moments of the event loop that have come.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// The thread was about to wait.
    pub has_turned: bool,
    /// There was nothing that it could wait for.
    pub is_stuck: bool,
}

impl Moment {
    /// True if it has come since it was asked for; nobody waits for it any more.
    fn take(&mut self) -> bool {
        std::mem::take(self).has_come
    }

    /// It has come. False if nobody waits for it.
    fn come(&mut self) -> bool {
        let Some(waker) = self.waker.take() else { return false };
        self.has_come = true;
        waker.wake();
        true
    }
}

/// A thing of which one owner is gone, who could make no system call.
#[derive(Debug)]
pub enum Left {
    /// A file.
    File(Arc<OpenFile>),
    /// An exchange of HTTP.
    Exchange(Arc<Exchange>),
    /// A socket for TCP.
    Tcp(Arc<Tcp>),
    /// The same, to which nothing is sent any more.
    Sent(Arc<Tcp>),
}

impl Left {
    /// The files that nobody has any more.
    fn into_files(self) -> impl Iterator<Item = OpenFile> {
        let (file, exchange) = match self {
            Self::File(file) => (Arc::into_inner(file), None),
            Self::Tcp(tcp) | Self::Sent(tcp) => {
                (Arc::into_inner(tcp).and_then(|Tcp { file, .. }| Arc::into_inner(file)), None)
            }
            Self::Exchange(exchange) => (None, Exchange::into_files(exchange)),
        };
        file.into_iter().chain(exchange.into_iter().flatten())
    }
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects an answer of another thread, as long as the result exists: the guest's thread waits for it.
    pub fn expect(self: &Arc<Self>) -> Expected {
        self.lock().expected += 1;
        Expected(Arc::clone(self))
    }

    /// Sets if other threads may ring at any time.
    pub fn set_listening(&self, listens: bool) {
        let mut state = self.lock();
        (state.listens, state.turn, state.stuck) = (listens, Moment::default(), Moment::default());
    }

    /// Wakes the guest's thread, if it listens.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// The moments that have come since this was called before, of those that were asked for.
    pub fn take_moments(&self) -> Moments {
        let mut state = self.lock();
        Moments { has_turned: state.turn.take(), is_stuck: state.stuck.take() }
    }

    /// Wakes this waker before the thread waits for the next time.
    pub fn on_turn(&self, waker: &Waker) {
        self.lock().turn.waker = Some(waker.clone());
    }

    /// Wakes this waker when there is nothing that the thread could wait for.
    pub fn on_stuck(&self, waker: &Waker) {
        self.lock().stuck.waker = Some(waker.clone());
    }

    /// A future that is ready when this is there.
    pub fn wait(self: &Arc<Self>, awaited: Awaited) -> Wait {
        Wait { reactor: Arc::clone(self), awaited, number: None }
    }

    /// Leaves a file to be closed: whoever drops a stream can make no system call.
    pub fn leave(&self, left: Left) {
        self.lock().left.push(left);
    }

    /// Counts a task of the host, as long as the result exists.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.lock().busy += 1;
        Busy(Arc::clone(self))
    }

    /// Waits until no such task goes on.
    pub fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.busy == 0 {
            return Poll::Ready(());
        }
        state.idle.push(context.waker().clone());
        Poll::Pending
    }

    /// Closes the files that were left.
    pub fn close_left(&self, calls: &mut Calls<'_>) -> Result<()> {
        let left = std::mem::take(&mut self.lock().left);
        for tcp in left.iter().filter_map(|left| if let Left::Sent(tcp) = left { Some(tcp) } else { None }) {
            match calls.shutdown(tcp.file.fd, Sdflags::WR) {
                Err(Failed::Trap(error)) => return Err(error),
                _ => tcp.inner().is_shut[1] = true, // the peer may have ended it by now
            }
        }
        for OpenFile { fd, is_to_close, .. } in left.into_iter().flat_map(Left::into_files) {
            if is_to_close {
                calls.close(fd)?;
            }
        }
        Ok(())
    }

    /// Waits until one of the things is there, and wakes the futures that wait for those.
    fn turn(&self, calls: &mut Calls<'_>, is_prompt: bool) -> Result<()> {
        let mut state = self.lock();
        if state.turn.come() {
            return Ok(());
        }
        let (numbers, mut awaited): (Vec<_>, Vec<_>) =
            state.waits.iter().map(|(number, (awaited, _))| (*number, *awaited)).unzip();
        if awaited.len() > MOST {
            bail!("{} things are waited for at once: {MOST} is the most", awaited.len());
        }
        if awaited.is_empty() && state.expected == 0 && !is_prompt {
            return if state.stuck.come() { Ok(()) } else { Err(Trap::AsyncDeadlock.into()) };
        }
        let listens = state.listens || state.expected > 0;
        drop(state);
        let ended = |failed| match failed {
            Failed::Errno(errno) => wasmtime::Error::msg(errno.text()),
            Failed::Trap(error) => error,
        };
        let bell = if listens { Some(self.bell.descriptor(calls).map_err(ended)?) } else { None };
        awaited.extend(bell.map(Awaited::Read));
        // From now on whoever rings writes into the pipe.
        let has_rung = listens && self.bell.has_rung.swap(false, SeqCst);
        let found = calls.poll(&awaited, is_prompt || has_rung).map_err(ended)?;
        if let Some(bell) = bell
            && found.last() == Some(&true)
        {
            calls.read(bell, 1, None).map_err(ended)?;
            self.bell.has_rung.store(false, SeqCst);
        }
        let mut state = self.lock();
        let ready = numbers.into_iter().zip(found).filter(|(_, is_there)| *is_there);
        let woken: Vec<_> = ready.filter_map(|(number, _)| state.waits.remove(&number)).collect();
        drop(state);
        woken.into_iter().for_each(|(_, waker)| waker.wake());
        Ok(())
    }
}

/// Something that is left to the reactor when this is dropped.
#[derive(Debug)]
pub struct Held {
    left: Option<Left>,
    reactor: Arc<Reactor>,
}

impl Held {
    /// Holds it.
    pub const fn new(left: Left, reactor: Arc<Reactor>) -> Self {
        Self { left: Some(left), reactor }
    }

    /// The thing that is held.
    pub const fn get(&self) -> Option<&Left> {
        self.left.as_ref()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            self.reactor.leave(left);
        }
    }
}

/// A task of the host that goes on.
#[derive(Debug)]
pub struct Busy(Arc<Reactor>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy = state.busy.saturating_sub(1);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.into_iter().for_each(Waker::wake);
    }
}

/// A future that is ready when something is there.
#[derive(Debug)]
pub struct Wait {
    reactor: Arc<Reactor>,
    awaited: Awaited,
    /// Its number, once it waits.
    number: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (awaited, number, reactor) = (self.awaited, self.number, Arc::clone(&self.reactor));
        let mut state = reactor.lock();
        match number {
            None => {
                let number = state.next;
                state.next = number.wrapping_add(1);
                state.waits.insert(number, (awaited, context.waker().clone()));
                self.number = Some(number);
                Poll::Pending
            }
            Some(number) => match state.waits.get_mut(&number) {
                Some((_, waker)) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.reactor.lock().waits.remove(&number);
        }
    }
}

/// True if a future is to be polled again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// The wait of a stream or future, which may go on from one poll of it to the next.
#[derive(Debug)]
pub struct Waiting {
    reactor: Arc<Reactor>,
    wait: Option<Wait>,
}

impl Waiting {
    /// A stream or future that waits for nothing yet.
    pub const fn new(reactor: Arc<Reactor>) -> Self {
        Self { reactor, wait: None }
    }

    /// Waits for this. None: it is there. Otherwise the result of the poll, which is `cancelled` where the
    /// other side waits no longer.
    pub fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        awaited: Awaited,
        cancelled: Option<T>,
    ) -> Option<Poll<Result<T>>> {
        let wait = self.wait.get_or_insert_with(|| self.reactor.wait(awaited));
        match (Pin::new(wait).poll(context), cancelled) {
            (Poll::Ready(()), _) => {
                self.wait = None;
                None
            }
            (Poll::Pending, Some(cancelled)) => Some(Poll::Ready(Ok(cancelled))),
            (Poll::Pending, None) => Some(Poll::Pending),
        }
    }
}

/// Polls a future until it is ready, and waits meanwhile with these system calls. An error is the end of the
/// guest.
pub fn block_on<F: Future>(reactor: &Reactor, system: &mut dyn System, future: F) -> Result<F::Output> {
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let (mut future, mut rounds, mut scratch) = (pin!(future), 0, Scratch::default());
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        reactor.close_left(&mut Calls::new(system, &mut scratch))?;
        if let Poll::Ready(output) = polled {
            return Ok(output);
        }
        let goes_on = woken.0.swap(false, Relaxed);
        rounds = if goes_on { rounds + 1 } else { ROUNDS };
        if rounds >= ROUNDS {
            rounds = 0;
            reactor.turn(&mut Calls::new(system, &mut scratch), goes_on)?;
        }
    }
}

//! Calls of a guest's exports that the environment waits for, for a moment: to wake a thread, or to send a
//! message to the event loop, takes longer than many a call.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasi_rs_runner::export_call::Reply;
use wasi_rs_runner::host_calls::HostCall;

/// The time that the environment waits for each event of a call before it leaves that to a message.
const PATIENCE: Duration = Duration::from_micros(20);

/// The time after which it does not wait for a call any more, whatever has come: a guest that calls a
/// function of the embedder over and over must not hold the event loop up.
const MOST: Duration = Duration::from_micros(200);

/// An event of a call.
pub enum Event {
    /// The call is over.
    Reply(Reply),
    /// A function of the embedder is to be called.
    HostCall(HostCall),
}

/// A call that the environment waits for.
pub struct Prompt {
    state: Mutex<State>,
    has_come: AtomicBool,
    since: Instant,
}

enum State {
    Awaited,
    Come(Event),
    /// The environment waits no more.
    Late,
}

impl Prompt {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to the environment; gives it back if that waits no more.
    pub fn give(&self, event: Event) -> Option<Event> {
        let mut state = self.state();
        // Where several calls are made at the same time, there may be an event that it has not seen.
        if !matches!(*state, State::Awaited) {
            return Some(event);
        }
        *state = State::Come(event);
        self.has_come.store(true, Release);
        None
    }

    /// Waits for the next event, if `is_patient`; none if it is left to a message from now on.
    pub fn wait(&self, is_patient: bool) -> Option<Event> {
        let since = Instant::now();
        let is_time = || is_patient && since.elapsed() < PATIENCE && self.since.elapsed() < MOST;
        while !self.has_come.load(Acquire) && is_time() {
            std::hint::spin_loop();
        }
        let mut state = self.state();
        self.has_come.store(false, Relaxed);
        match std::mem::replace(&mut *state, State::Late) {
            State::Come(Event::HostCall(call)) => {
                *state = State::Awaited;
                Some(Event::HostCall(call))
            }
            State::Come(returned) => Some(returned),
            State::Awaited | State::Late => None,
        }
    }
}

/// The calls of a guest that the environment waits for, innermost last, by their numbers.
#[derive(Default)]
pub struct Prompts(Mutex<Vec<(u64, Arc<Prompt>)>>);

impl Prompts {
    fn all(&self) -> MutexGuard<'_, Vec<(u64, Arc<Prompt>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for a call.
    pub fn open(&self, number: u64) -> Arc<Prompt> {
        let prompt =
            Prompt { state: Mutex::new(State::Awaited), has_come: AtomicBool::new(false), since: Instant::now() };
        let prompt = Arc::new(prompt);
        self.all().push((number, Arc::clone(&prompt)));
        prompt
    }

    /// The next event of a call, if it comes soon. Ends the wait for the call, unless that event is a call of
    /// a function of the embedder.
    pub fn next(&self, number: u64, is_patient: bool) -> Option<Event> {
        let prompt = self.all().iter().find(|(one, _)| *one == number).map(|(_, prompt)| Arc::clone(prompt))?;
        let event = prompt.wait(is_patient);
        if !matches!(event, Some(Event::HostCall(_))) {
            self.all().retain(|(one, _)| *one != number);
        }
        event
    }

    /// Hands a call of the embedder's function to the environment; gives it back if that waits for no call.
    pub fn ask(&self, call: HostCall) -> Option<HostCall> {
        let innermost = self.all().last().map(|(_, prompt)| Arc::clone(prompt));
        match innermost {
            None => Some(call),
            Some(prompt) => match prompt.give(Event::HostCall(call))? {
                Event::HostCall(call) => Some(call),
                Event::Reply(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_rs_runner::export_call::Returned;

    fn host_call(number: u32) -> HostCall {
        HostCall { number, function: 0, signature: None, args: Vec::new(), caller: None }
    }

    #[test]
    fn an_event_is_taken_or_left_to_a_message() {
        let prompts = Prompts::default();
        assert!(prompts.ask(host_call(1)).is_some(), "nobody waits");
        let prompt = prompts.open(7);
        assert!(prompts.ask(host_call(1)).is_none());
        assert!(matches!(prompts.next(7, true), Some(Event::HostCall(call)) if call.number == 1));
        assert!(prompt.give(Event::Reply(Reply::Returned(Returned::Busy))).is_none());
        assert!(matches!(prompts.next(7, true), Some(Event::Reply(_))));
        assert!(prompts.next(7, true).is_none(), "it is over");
        let prompt = prompts.open(8);
        assert!(prompts.next(8, false).is_none());
        assert!(prompt.give(Event::Reply(Reply::Returned(Returned::Busy))).is_some(), "it comes late");
        assert!(prompts.ask(host_call(2)).is_some());
    }

    #[test]
    fn the_innermost_call_is_asked() {
        let prompts = Prompts::default();
        let (outer, inner) = (prompts.open(1), prompts.open(2));
        assert!(prompts.ask(host_call(5)).is_none());
        assert!(matches!(inner.wait(false), Some(Event::HostCall(_))));
        assert!(outer.wait(false).is_none());
    }
}

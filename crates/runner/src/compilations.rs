//! Compilations in progress, and the runs that wait for them.
//!
//! A run that waits holds neither a thread nor a slot: it registers a callback, which is called when the
//! machine code is there. A program is compiled once for each mode, however many runs wait for it. When the
//! last of them is ended, the compilation is cancelled.

use super::background::BACKGROUND;
use super::compile::{Effort, Failure};
use super::executable::Executable;
use super::mode::Mode;
use super::prepared::Prepared;
use super::scheduler::COMPILERS;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::error::ProgramError;

/// The result of a compilation.
pub type Made = Result<Arc<Prepared>, ProgramError>;

/// Callback that takes the result, on any thread.
pub type Then = Box<dyn FnOnce(Made) + Send>;

/// The compilations in progress in this process. A key has the address of the program, which is unique while
/// a compilation or a waiting run holds a reference to it.
static IN_PROGRESS: Mutex<Option<HashMap<Key, Compilation>>> = Mutex::new(None);

/// A program and a mode.
type Key = (usize, Mode);

fn key(executable: &Weak<Executable>, mode: Mode) -> Key {
    (executable.as_ptr().addr(), mode)
}

struct Compilation {
    cancellation: Cancellation,
    waiting: HashMap<u64, Then>,
}

/// The wait of a run for a compilation. When the last is dropped, the compilation is cancelled.
pub struct Wait {
    executable: Arc<Executable>,
    mode: Mode,
    number: u64,
}

impl Drop for Wait {
    fn drop(&mut self) {
        cancel_wait(key(&Arc::downgrade(&self.executable), self.mode), self.number);
    }
}

/// Calls a function with the compilations in progress, under their lock.
fn with_all<T>(act: impl FnOnce(&mut HashMap<Key, Compilation>) -> T) -> T {
    act(IN_PROGRESS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// Calls `then` with the program ready to run in this mode: as others use it now, from the cache, or
/// compiled. `then` is not called if the wait is dropped before.
pub fn prepare(executable: &Arc<Executable>, mode: Mode, then: Then) -> Option<Wait> {
    match executable.in_use(mode) {
        Some(prepared) => then(Ok(prepared)),
        None => return Some(join(executable, mode, then)),
    }
    None
}

/// Calls `then` when the program is ready to run in this mode.
fn join(executable: &Arc<Executable>, mode: Mode, then: Then) -> Wait {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Relaxed);
    let wait = Wait { executable: Arc::clone(executable), mode, number };
    let weak = Arc::downgrade(executable);
    let key = key(&weak, mode);
    let cancellation = Cancellation::default();
    let is_new = with_all(|all| {
        let is_new = !all.contains_key(&key);
        let new = || Compilation { cancellation: cancellation.clone(), waiting: HashMap::new() };
        all.entry(key).or_insert_with(new).waiting.insert(number, then);
        is_new
    });
    if !is_new {
        return wait;
    }
    BACKGROUND.cancel(executable);
    // A weak reference: the runs that wait keep the program.
    if let Err(error) = COMPILERS.submit(Box::new(move || work(&weak, mode, &cancellation))) {
        let wrong = format!("can't be compiled: no thread could be started: {error}");
        finish(key, None, &Err(ProgramError::Wrong(wrong)));
    }
    wait
}

/// Delivers the result to all runs that wait for this compilation; without `of`, for any with this key.
fn finish(key: Key, of: Option<&Cancellation>, made: &Made) {
    let compilation = with_all(|all| {
        let is_meant = all.get(&key).is_some_and(|there| of.is_none_or(|of| of.is(&there.cancellation)));
        if is_meant { all.remove(&key) } else { None }
    });
    for then in compilation.into_iter().flat_map(|compilation| compilation.waiting.into_values()) {
        then(made.clone());
    }
}

fn cancel_wait(key: Key, number: u64) {
    let then = with_all(|all| {
        let compilation = all.get_mut(&key)?;
        let then = compilation.waiting.remove(&number)?;
        if compilation.waiting.is_empty() {
            compilation.cancellation.cancel();
            all.remove(&key);
        }
        Some(then)
    });
    drop(then); // not under the lock: the drop may cancel another wait
}

fn work(weak: &Weak<Executable>, mode: Mode, cancellation: &Cancellation) {
    let Some(executable) = weak.upgrade().filter(|_| !cancellation.is_cancelled()) else {
        return;
    };
    let made = catch_unwind(AssertUnwindSafe(|| executable.make(mode, Effort::Awaited, cancellation)));
    let made = match made {
        Ok(Ok(prepared)) => Ok(prepared),
        Ok(Err(Failure::Cancelled)) => return,
        Ok(Err(Failure::ProgramError(error))) => Err(error),
        Err(_) => Err(ProgramError::Wrong("made wasi-rs panic".to_owned())),
    };
    finish(key(weak, mode), Some(cancellation), &made);
}

#[cfg(test)]
mod tests {
    use super::super::compile::tests::{hard, until};
    use super::super::source::Source;
    use super::*;
    use std::sync::mpsc::{Receiver, channel};
    use wasi_rs_modules::interface::Purpose;

    fn program(bytes: Vec<u8>) -> Arc<Executable> {
        Arc::new(Executable::new(Source::Bytes(bytes), Purpose::Command, None))
    }

    fn prepare(program: &Arc<Executable>) -> (Option<Wait>, Receiver<Made>) {
        let (sender, receiver) = channel();
        let then = Box::new(move |made| sender.send(made).unwrap());
        (super::prepare(program, Mode::default(), then), receiver)
    }

    fn cancellation(program: &Arc<Executable>) -> Option<Cancellation> {
        let key = key(&Arc::downgrade(program), Mode::default());
        with_all(|all| all.get(&key).map(|there| there.cancellation.clone()))
    }

    #[test]
    fn one_compilation_serves_all_waiting_runs() {
        let program = program(hard(2));
        let waits: Vec<_> = (0..8).map(|_| prepare(&program)).collect();
        let all: Vec<_> = waits.iter().map(|(_, receiver)| receiver.recv().unwrap().unwrap()).collect();
        assert!(all.iter().all(|prepared| Arc::ptr_eq(prepared, &all[0])));
        assert!(cancellation(&program).is_none());
        let (wait, receiver) = prepare(&program);
        assert!(wait.is_none(), "it is in use");
        assert!(Arc::ptr_eq(&receiver.recv().unwrap().unwrap(), &all[0]));
    }

    #[test]
    fn a_compilation_is_cancelled_with_the_last_run_that_waits() {
        let program = program(hard(300));
        let (first, first_made) = prepare(&program);
        let (second, _second_made) = prepare(&program);
        let cancellation = cancellation(&program).unwrap();
        drop(first);
        assert!(first_made.recv().is_err());
        assert!(!cancellation.is_cancelled());
        drop(second);
        assert!(cancellation.is_cancelled());
        // A run that comes later starts another compilation.
        let (third, _third_made) = prepare(&program);
        assert!(!super::tests::cancellation(&program).unwrap().is_cancelled());
        drop(third);
        drop(_third_made);
        until(|| Arc::strong_count(&program) == 1); // no thread works on it any more
    }

    #[test]
    fn all_waiting_runs_get_the_error() {
        let program = program(b"no module".to_vec());
        for (_wait, receiver) in [prepare(&program), prepare(&program)] {
            assert!(receiver.recv().unwrap().err().unwrap().to_string().contains("is not a WebAssembly module"));
        }
    }

    #[test]
    fn hard_programs_do_not_hold_up_an_easy_one() {
        let hard: Vec<_> = (0..6).map(|_| program(hard(300))).collect();
        let waits: Vec<_> = hard.iter().map(prepare).collect();
        let easy = program(wat::parse_str(r#"(module (func (export "_start")))"#).unwrap());
        let (_wait, receiver) = prepare(&easy);
        receiver.recv().unwrap().unwrap();
        drop(waits);
    }
}

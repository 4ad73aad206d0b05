//! The compilations of one program that are going on, and who waits for them.
//!
//! Nobody waits in a lock, or holds a place meanwhile: whoever wants the machine code leaves word, and is called when it is
//! there. One program is compiled once for each mode, however many wait; and when nobody does any more, not at all.

use super::background::BACKGROUND;
use super::compile::{Effort, Failure};
use super::mode::Mode;
use super::pool::COMPILATIONS;
use super::program::{Prepared, Program};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::error::ProgramError;

/// What came of a compilation.
pub type Made = Result<Arc<Prepared>, ProgramError>;

/// Takes what came of it, on whatever thread.
pub type Then = Box<dyn FnOnce(Made) + Send>;

/// Those of one program.
#[derive(Default)]
pub struct Compilations {
    going_on: Mutex<HashMap<Mode, Compilation>>,
}

struct Compilation {
    cancellation: Cancellation,
    waiting: HashMap<u64, Then>,
}

/// Somebody's interest in a compilation: dropped, it is given up.
pub struct Wait {
    program: Arc<Program>,
    mode: Mode,
    number: u64,
}

impl Compilations {
    fn going_on(&self) -> MutexGuard<'_, HashMap<Mode, Compilation>> {
        self.going_on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `then` called when the program is ready to run in this mode.
    pub fn join(program: &Arc<Program>, mode: Mode, then: Then) -> Option<Wait> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let wait = Wait { program: Arc::clone(program), mode, number };
        let mut going_on = program.compilations.going_on();
        if let Some(compilation) = going_on.get_mut(&mode) {
            compilation.waiting.insert(number, then);
            return Some(wait);
        }
        let cancellation = Cancellation::default();
        let waiting = HashMap::from([(number, then)]);
        going_on.insert(mode, Compilation { cancellation: cancellation.clone(), waiting });
        drop(going_on);
        BACKGROUND.leave_to_others(program);
        // Whoever waits for it keeps the program.
        let weak = Arc::downgrade(program);
        if let Err(error) = COMPILATIONS.submit(Box::new(move || work(&weak, mode, &cancellation))) {
            let wrong = format!("can't be compiled: no thread could be started: {error}");
            program.compilations.finish(mode, None, &Err(ProgramError::Wrong(wrong)));
        }
        Some(wait)
    }

    /// Tells all who wait for it what came of this compilation, or of whichever there is.
    fn finish(&self, mode: Mode, of: Option<&Cancellation>, made: &Made) {
        let mut going_on = self.going_on();
        if !going_on.get(&mode).is_some_and(|there| of.is_none_or(|of| of.is(&there.cancellation))) {
            return;
        }
        let compilation = going_on.remove(&mode);
        drop(going_on);
        for then in compilation.into_iter().flat_map(|compilation| compilation.waiting.into_values()) {
            then(made.clone());
        }
    }

    fn give_up(&self, mode: Mode, number: u64) {
        let mut going_on = self.going_on();
        let Some(compilation) = going_on.get_mut(&mode) else { return };
        let then = compilation.waiting.remove(&number);
        if then.is_some() && compilation.waiting.is_empty() {
            compilation.cancellation.cancel();
            going_on.remove(&mode);
        }
        drop(going_on); // before what it holds, which may have a say in this too
        drop(then);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.program.compilations.give_up(self.mode, self.number);
    }
}

fn work(program: &Weak<Program>, mode: Mode, cancellation: &Cancellation) {
    let Some(program) = program.upgrade().filter(|_| !cancellation.is_cancelled()) else {
        return;
    };
    let made = catch_unwind(AssertUnwindSafe(|| program.make(mode, Effort::Awaited, cancellation)));
    let made = match made {
        Ok(Ok(prepared)) => Ok(prepared),
        Ok(Err(Failure::Cancelled)) => return,
        Ok(Err(Failure::ProgramError(unusable))) => Err(unusable),
        Err(_) => Err(ProgramError::Wrong("made wasi-rs panic".to_owned())),
    };
    program.compilations.finish(mode, Some(cancellation), &made);
}

#[cfg(test)]
mod tests {
    use super::super::compile::tests::{hard, until};
    use super::super::source::Source;
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn program(bytes: Vec<u8>) -> Arc<Program> {
        Arc::new(Program::new(Source::Bytes(bytes), None))
    }

    fn prepare(program: &Arc<Program>) -> (Option<Wait>, Receiver<Made>) {
        let (sender, receiver) = channel();
        (program.prepare(Mode::default(), Box::new(move |made| sender.send(made).unwrap())), receiver)
    }

    fn cancellation(program: &Program) -> Option<Cancellation> {
        program.compilations.going_on().get(&Mode::default()).map(|there| there.cancellation.clone())
    }

    #[test]
    fn one_compilation_serves_all_who_wait() {
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
    fn it_goes_on_while_somebody_waits_and_ends_with_the_last() {
        let program = program(hard(300));
        let (first, first_made) = prepare(&program);
        let (second, _second_made) = prepare(&program);
        let cancellation = cancellation(&program).unwrap();
        drop(first);
        assert!(first_made.recv().is_err());
        assert!(!cancellation.is_cancelled());
        drop(second);
        assert!(cancellation.is_cancelled());
        // Whoever comes then gets another.
        let (third, _third_made) = prepare(&program);
        assert!(!super::tests::cancellation(&program).unwrap().is_cancelled());
        drop(third);
        drop(_third_made);
        until(|| Arc::strong_count(&program) == 1); // nobody works at it any more
    }

    #[test]
    fn all_are_told_what_is_wrong() {
        let program = program(b"no module".to_vec());
        for (_wait, receiver) in [prepare(&program), prepare(&program)] {
            assert!(receiver.recv().unwrap().err().unwrap().to_string().contains("is not a WebAssembly module"));
        }
    }

    #[test]
    fn hard_ones_do_not_keep_others_from_their_turn() {
        let hard: Vec<_> = (0..6).map(|_| program(hard(300))).collect();
        let waits: Vec<_> = hard.iter().map(prepare).collect();
        let easy = program(wat::parse_str(r#"(module (func (export "_start")))"#).unwrap());
        let (_wait, receiver) = prepare(&easy);
        receiver.recv().unwrap().unwrap();
        drop(waits);
    }
}

//! Tests of `crates/runner/src/termination.rs` in all orders that the memory model allows.

#![cfg(test)]
#![allow(missing_docs, dead_code)]

#[path = "../../src/termination.rs"]
mod termination;

mod sync {
    pub use loom::sync::atomic::{AtomicBool, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};
    pub use std::sync::{PoisonError, TryLockError};
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;
use termination::{CallLock, Termination};

#[derive(Default)]
struct Owned {
    is_closed: bool,
    calls: usize,
}

#[test]
fn no_call_is_made_once_the_run_has_been_marked_dead() {
    loom::model(|| {
        let run = Arc::new((Termination::<()>::default(), CallLock::new(Owned::default())));
        let guest = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                for _ in 0..2 {
                    let Some(mut owned) = run.1.enter(&run.0) else { return };
                    assert!(!owned.is_closed);
                    owned.calls += 1;
                }
            }
        });
        run.0.end(|()| ());
        if let Some(mut owned) = run.1.try_lock() {
            owned.is_closed = true;
        }
        guest.join().unwrap();
        assert!(run.1.enter(&run.0).is_none());
        assert!(run.1.try_lock().is_some(), "nobody keeps the lock");
    });
}

#[test]
fn the_descriptors_of_a_run_that_was_given_up_are_closed_once() {
    loom::model(|| {
        let run = Arc::new((Termination::<()>::default(), CallLock::new(Owned::default())));
        let closed = Arc::new(AtomicUsize::new(0));
        let close = |owned: &mut Owned, closed: &AtomicUsize| {
            if !std::mem::replace(&mut owned.is_closed, true) {
                closed.fetch_add(1, Relaxed);
            }
        };
        let guest = thread::spawn({
            let (run, closed) = (Arc::clone(&run), Arc::clone(&closed));
            move || {
                while let Some(mut owned) = run.1.enter(&run.0) {
                    assert!(!owned.is_closed);
                    owned.calls += 1;
                    if owned.calls == 2 {
                        break;
                    }
                }
                close(&mut run.1.lock(), &closed);
            }
        });
        run.0.end(|()| ());
        // The reaper tries twice; then it gives the run up, and closes nothing.
        if let Some(mut owned) = run.1.try_lock().or_else(|| run.1.try_lock()) {
            close(&mut owned, &closed);
        }
        guest.join().unwrap();
        assert_eq!(closed.load(Relaxed), 1);
        assert!(run.1.lock().is_closed);
    });
}

#[test]
fn a_run_that_begins_while_it_is_ended_is_ended_by_one_thread_or_the_other() {
    loom::model(|| {
        let run = Arc::new((Termination::<()>::default(), AtomicBool::new(false)));
        let guest = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                run.1.store(true, Relaxed);
                run.0.is_ended_by_now()
            }
        });
        run.0.end(|()| ());
        let has_begun = run.1.load(Relaxed);
        let has_noticed = guest.join().unwrap();
        assert!(has_begun || has_noticed);
    });
}

#[test]
fn a_wakeup_pipe_that_is_made_while_the_run_is_ended_is_woken() {
    loom::model(|| {
        let run = Arc::new(Termination::default());
        let woken = Arc::new(AtomicUsize::new(0));
        let wake = |wakeup: &mut Arc<AtomicUsize>| {
            let _ = wakeup.fetch_add(1, SeqCst);
        };
        let guest = thread::spawn({
            let (run, wakeup) = (Arc::clone(&run), Arc::clone(&woken));
            move || run.install(wakeup, wake)
        });
        run.end(wake);
        guest.join().unwrap();
        assert!(woken.load(SeqCst) > 0);
    });
}

/// Two flags without an order between them: each side sets its own, then reads the other's. The model finds
/// the order in which both read the old value.
#[test]
#[should_panic(expected = "a call of a dead run")]
fn flags_without_an_order_are_not_enough() {
    loom::model(|| {
        let flags = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
        let guest = thread::spawn({
            let flags = Arc::clone(&flags);
            move || {
                flags.0.store(true, Relaxed);
                !flags.1.load(Relaxed)
            }
        });
        flags.1.store(true, Relaxed);
        let is_dead = !flags.0.load(Relaxed);
        assert!(!(guest.join().unwrap() && is_dead), "a call of a dead run");
    });
}

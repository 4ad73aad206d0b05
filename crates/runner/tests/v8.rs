//! Runs in V8. The test takes the part of the worker.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wasi_rs_core::abi::{Abi, Errno};
use wasi_rs_core::ctx::{Ctx, Fixed, Preopen, PreopenSource};
use wasi_rs_core::syscalls::Flow;
use wasi_rs_modules::limits::Limits;
use wasi_rs_runner::handover::{self, Given, Ticket};
use wasi_rs_runner::in_v8::{self, InWorker, Waiting};
use wasi_rs_runner::outcome::{End, Exception, Outcome};
use wasi_rs_runner::plan::{Http, OnBegin, Plan, Stdio};
use wasi_rs_runner::run::{Engine, Population, Run};

/// The time after which a missing event counts as a failure.
const NEVER: Duration = Duration::from_secs(30);

fn plan() -> Plan {
    Plan {
        args: Vec::new(),
        env: Vec::new(),
        preopens: Vec::new(),
        fixed: Fixed::default(),
        trace: None,
        tally: None,
        stdio: [Stdio::Ignore, Stdio::Capture, Stdio::Ignore],
        max_buffer: [usize::MAX; 2],
        limits: Limits::default(),
        concurrency: Engine::V8.concurrency(),
        host: None,
        sockets: Vec::new(),
        http: Http::default(),
        on_begin: OnBegin::default(),
    }
}

/// Runs that no worker has taken yet, with a program.
static WAITING: Waiting<&str> = Waiting::new();
const PROGRAM: &str = "program";

/// A requested run, with the channels of its number and its outcome.
struct Asked {
    run: Arc<Run>,
    begins: Receiver<u64>,
    outcome: Receiver<Outcome>,
}

fn start(plan: Plan) -> Asked {
    start_among(&Population::default(), plan)
}

fn start_among(population: &Population, plan: Plan) -> Asked {
    let ((begun, begins), (ended, outcome)) = (channel(), channel());
    let begin = Box::new(move |number| begun.send(number).unwrap());
    let finish = Box::new(move |outcome| ended.send(outcome).unwrap());
    let run = WAITING.start(population.clone(), Arc::new(PROGRAM), plan, begin, finish);
    Asked { run, begins, outcome }
}

impl Asked {
    fn number(&self) -> u64 {
        self.begins.recv_timeout(NEVER).unwrap()
    }

    fn outcome(&self) -> Outcome {
        self.outcome.recv_timeout(NEVER).unwrap()
    }
}

fn take(number: u64) -> Option<(InWorker, Ctx)> {
    let (run, program) = WAITING.take(number)?;
    assert_eq!(*program, PROGRAM);
    in_v8::begin(run, Abi::Preview1, |interrupt| Box::new(interrupt))
}

#[test]
fn a_worker_takes_a_run_once_and_settles_it() {
    let asked = start(plan());
    let number = asked.number();
    let (worker, ctx) = take(number).unwrap();
    assert!(take(number).is_none());
    assert!(worker.begin_call(65536) && worker.end_call(&ctx.usage, Flow::Answer(Errno::Success)));
    assert!(worker.reason().is_none());
    drop(ctx);
    worker.finish(End::Exit(3));
    let outcome = asked.outcome();
    assert!(matches!(outcome.end, End::Exit(3)), "{:?}", outcome.end);
    assert_eq!(outcome.captured, [Some(Vec::new()), None]);
    let usage = outcome.usage;
    assert_eq!((usage.calls, usage.memory, usage.fuel), (1, 65536, None));
    assert!(usage.wall > 0);
    worker.finish(End::Exit(4)); // it is over
    assert!(asked.outcome.recv().is_err());
}

#[test]
fn a_run_with_an_exception_of_javascript_has_an_outcome() {
    let asked = start(plan());
    let (worker, _ctx) = take(asked.number()).unwrap();
    worker.finish(End::Exception(Exception { name: "LinkError".to_owned(), ..Exception::default() }));
    let End::Exception(exception) = asked.outcome().end else { panic!("it is another") };
    assert_eq!(exception.name, "LinkError");
}

#[test]
fn a_run_that_is_refused_leaves_its_descriptors_to_another_engine() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let file = std::os::fd::OwnedFd::from(writer).into();
    let ticket = Ticket::new(Given { file, is_host_stream: false });
    let asked = start(Plan { stdio: [Stdio::Ignore, Stdio::Ticket(ticket.number()), Stdio::Ignore], ..plan() });
    let number = asked.number();
    assert_eq!(*WAITING.program(number).unwrap(), PROGRAM);
    WAITING.refuse(number, Exception { name: "CompileError".to_owned(), ..Exception::default() });
    let End::Exception(exception) = asked.outcome().end else { panic!("it is another") };
    assert_eq!(exception.name, "CompileError");
    assert!(take(number).is_none() && WAITING.program(number).is_none());
    assert!(handover::take(ticket.number()).is_some());
    WAITING.refuse(number, Exception::default()); // it is over
}

#[test]
fn a_run_that_is_ended_before_it_begins_is_not_taken() {
    let asked = start(plan());
    let number = asked.number();
    asked.run.end();
    assert!(take(number).is_none());
    let outcome = asked.outcome();
    assert!(matches!(outcome.end, End::Ended), "{:?}", outcome.end);
    assert_eq!(outcome.captured, [Some(Vec::new()), None]);
}

#[test]
fn an_ended_run_makes_no_call() {
    let asked = start(plan());
    let (worker, ctx) = take(asked.number()).unwrap();
    asked.run.end();
    assert!(!worker.begin_call(0) && !worker.end_call(&ctx.usage, Flow::Answer(Errno::Success)));
    assert!(matches!(worker.reason(), Some(End::Ended)));
    drop((ctx, worker));
    assert!(matches!(asked.outcome().end, End::Ended));
}

#[test]
fn the_outcome_does_not_wait_for_a_worker_that_hangs() {
    let asked = start(plan());
    let taken = take(asked.number()).unwrap();
    asked.run.end();
    assert!(matches!(asked.outcome().end, End::Ended));
    drop(taken);
}

#[test]
fn a_worker_that_ends_by_itself_does_not_settle_the_run() {
    let asked = start(plan());
    drop(take(asked.number()).unwrap());
    assert!(asked.outcome.try_recv().is_err());
    asked.run.end();
    assert!(matches!(asked.outcome().end, End::Ended));
}

#[test]
fn a_run_whose_files_can_not_be_opened_has_an_outcome() {
    let missing =
        Preopen { name: "/".to_owned(), source: PreopenSource::Path("/nowhere/at/all".to_owned()), read_only: false };
    let asked = start(Plan { preopens: vec![missing], ..plan() });
    assert!(take(asked.number()).is_none());
    match asked.outcome().end {
        End::OpenError(error) => assert_eq!(error.errno, Errno::Noent),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_more_runs_begin_than_the_plan_allows() {
    let population = Population::default();
    let first = start_among(&population, Plan { concurrency: 1, ..plan() });
    let taken = take(first.number()).unwrap();
    let second = start_among(&population, Plan { concurrency: 1, ..plan() });
    assert!(matches!(second.outcome().end, End::Busy(1)));
    taken.0.finish(End::Exit(0));
    let third = start_among(&population, Plan { concurrency: 1, ..plan() });
    drop(take(third.number()).unwrap());
}

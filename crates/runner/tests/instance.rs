//! Instances that live on: calls of exports, calls to the embedder, and their end.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use wasi_rs_core::abi::Ptr;
use wasi_rs_core::ctx::Fixed;
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::limits::Limits;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::export_call::{Reply, Returned};
use wasi_rs_runner::host_calls::{HostCall, HostCalls};
use wasi_rs_runner::instance::{self, Instance, Unreachable};
use wasi_rs_runner::outcome::{End, Outcome};
use wasi_rs_runner::plan::{Http, OnBegin, Plan, Stdio};
use wasi_rs_runner::source::Source;

fn plan(host: Option<Arc<HostCalls>>) -> Plan {
    Plan {
        args: vec!["library".to_owned()],
        env: Vec::new(),
        preopens: Vec::new(),
        fixed: Fixed::default(),
        trace: None,
        tally: None,
        stdio: [Stdio::Ignore, Stdio::Ignore, Stdio::Ignore],
        max_buffer: [usize::MAX; 2],
        limits: Limits::default(),
        concurrency: instance::MOST,
        host,
        sockets: Vec::new(),
        http: Http::default(),
        on_begin: OnBegin::default(),
    }
}

/// A loaded module: the instance, the names of its exports, and its outcome.
struct Loaded {
    instance: Arc<Instance>,
    exports: Vec<String>,
    outcome: Receiver<Outcome>,
}

fn request(text: &str, plan: Plan) -> (Arc<Instance>, Receiver<Vec<String>>, Receiver<Outcome>) {
    let executable = Executable::new(Source::Bytes(wat::parse_str(text).unwrap()), Purpose::Any, None);
    let ((loaded, exports), (finish, outcome)) = (channel(), channel());
    let instance = instance::load(
        Arc::new(executable),
        plan,
        Box::new(move |all, _| loaded.send(all.iter().map(|one| one.name.clone()).collect()).unwrap()),
        Box::new(move |outcome| finish.send(outcome).unwrap()),
    );
    (instance, exports, outcome)
}

/// The cells of numbers.
fn cells(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers in cells.
fn numbers(cells: &[u8]) -> Vec<u64> {
    cells.as_chunks().0.iter().map(|cell| u64::from_le_bytes(*cell)).collect()
}

fn load(text: &str, plan: Plan) -> Loaded {
    let (instance, exports, outcome) = request(text, plan);
    Loaded { instance, exports: exports.recv().unwrap(), outcome }
}

/// Sends on the end of a call.
fn replying(answer: Sender<Returned>) -> Box<dyn Fn(Reply) + Send> {
    Box::new(move |reply| match reply {
        Reply::Returned(returned) => drop(answer.send(returned)),
        other => panic!("{other:?}"),
    })
}

impl Loaded {
    fn start(&self, name: &str, args: &[u64]) -> Receiver<Returned> {
        let (answer, returned) = channel();
        let index = self.exports.iter().position(|export| export == name).unwrap();
        self.instance.call(1, index, cells(args), false, replying(answer));
        returned
    }

    fn call(&self, name: &str, args: &[u64]) -> Vec<u64> {
        match self.start(name, args).recv().unwrap() {
            Returned::Values(bytes) => numbers(&bytes),
            other => panic!("{other:?}"),
        }
    }
}

/// Functions of the embedder whose calls come through a channel.
fn asking(names: &[&str]) -> (Arc<HostCalls>, Receiver<HostCall>) {
    let (ask, asked) = channel();
    let ask = Mutex::new(ask);
    let names = names.iter().map(|name| ("env".to_owned(), (*name).to_owned())).collect();
    (
        HostCalls::new(
            names,
            Box::new(move |call| {
                ask.lock().unwrap().send(call).unwrap();
                None
            }),
        ),
        asked,
    )
}

const COUNTER: &str = r#"(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $n (i32.const 10)))
    (func (export "next") (param i32) (result i32)
        (global.set $n (i32.add (global.get $n) (local.get 0))) (i32.store (i32.const 0) (global.get $n))
        (global.get $n))
    (func (export "spin") (loop (br 0)))
    (func (export "trap") unreachable))"#;

const CALLER: &str = r#"(module (import "env" "host" (func $host (param i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 8) "text")
    (func (export "call") (param i32) (result i32) (call $host (local.get 0)))
    (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))"#;

#[test]
fn an_instance_keeps_its_state_between_calls() {
    let counter = load(COUNTER, plan(None));
    assert_eq!(counter.exports, ["next", "spin", "trap"]);
    assert_eq!(counter.call("next", &[1]), [11]);
    assert_eq!(counter.call("next", &[5]), [16]);
    let bytes = counter.instance.with_memory(|memory| {
        let mut bytes = [0; 4];
        memory.copy_out(Ptr::new(0), &mut bytes).unwrap();
        bytes
    });
    assert_eq!(bytes, Ok([16, 0, 0, 0]));
    assert!(counter.instance.run.usage().cpu > 0);
    counter.instance.end();
    assert!(matches!(counter.outcome.recv().unwrap().end, End::Ended));
    assert_eq!(counter.instance.with_memory(|_| ()), Err(Unreachable::Gone));
}

#[test]
fn a_call_that_is_made_has_the_instance() {
    let counter = load(COUNTER, plan(None));
    let spinning = counter.start("spin", &[]);
    assert_eq!(counter.instance.with_memory(|_| ()), Err(Unreachable::Busy));
    assert!(matches!(counter.start("next", &[1]).recv().unwrap(), Returned::Busy));
    counter.instance.end();
    assert!(matches!(counter.outcome.recv().unwrap().end, End::Ended));
    assert!(spinning.recv().is_err(), "there is no answer");
}

#[test]
fn a_trap_ends_the_instance() {
    let counter = load(COUNTER, plan(None));
    let trapped = counter.start("trap", &[]);
    assert!(matches!(counter.outcome.recv().unwrap().end, End::Trap(_)));
    assert!(trapped.recv().is_err());
    assert!(matches!(counter.start("next", &[1]).recv().unwrap(), Returned::Busy));
}

#[test]
fn the_embedder_answers_calls_and_calls_back() {
    let (host, asked) = asking(&["host"]);
    let caller = load(CALLER, plan(Some(Arc::clone(&host))));
    let returned = caller.start("call", &[7]);
    let call = asked.recv().unwrap();
    assert_eq!((call.function, numbers(&call.args)), (0, vec![7]));
    let size = caller.instance.with_memory(|memory| memory.len());
    assert_eq!(size, Ok(65536), "it is reached while the guest waits");
    let (answer, inner) = channel();
    caller.instance.call(2, 1, cells(&[21]), true, replying(answer));
    assert!(matches!(inner.recv().unwrap(), Returned::Values(values) if numbers(&values) == [42]));
    host.answer(call.number, Some(cells(&[9])));
    assert!(matches!(returned.recv().unwrap(), Returned::Values(values) if numbers(&values) == [9]));

    let returned = caller.start("call", &[8]);
    let call = asked.recv().unwrap();
    host.answer(call.number + 1, Some(cells(&[1]))); // nobody waits for that
    host.answer(call.number, None);
    assert!(matches!(returned.recv().unwrap(), Returned::Thrown(number) if number == call.number));
    assert_eq!(caller.call("double", &[4]), [8], "it lives on");
}

#[test]
fn an_end_ends_the_wait_for_an_answer() {
    let (host, asked) = asking(&["host"]);
    let caller = load(CALLER, plan(Some(host)));
    let returned = caller.start("call", &[7]);
    asked.recv().unwrap();
    caller.instance.end();
    assert!(matches!(caller.outcome.recv().unwrap().end, End::Ended));
    assert!(returned.recv().is_err());
}

#[test]
fn modules_that_can_not_be_loaded_are_told() {
    let error = |text: &str, plan| match request(text, plan).2.recv().unwrap().end {
        End::ProgramError(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let missing = error(CALLER, plan(None));
    assert!(missing.contains("env.host (function); give it what it imports by options.imports"), "{missing}");
    let (host, _asked) = asking(&["other"]);
    assert!(error(CALLER, plan(Some(host))).contains("env.host"));
    let typed = error(r#"(module (import "env" "f" (func (param funcref))))"#, plan(None));
    assert!(typed.contains("env.f as a function that takes or returns something else than numbers"), "{typed}");
    let initialize = error(r#"(module (func (export "_initialize") (param i32)))"#, plan(None));
    assert!(initialize.contains("its '_initialize' must take nothing and return nothing"), "{initialize}");
    let (_, exports, outcome) = request(r#"(module (func (export "_initialize") unreachable))"#, plan(None));
    assert!(matches!(outcome.recv().unwrap().end, End::Trap(_)));
    assert!(exports.recv().is_err(), "it was not loaded");
}

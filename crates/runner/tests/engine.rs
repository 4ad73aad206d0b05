//! Programs in wasmtime: the outcome of a run, its limits, and its early end.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::fmt::Write;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::ctx::{Fixed, Preopen, PreopenSource};
use wasi_rs_core::host::clocks::Beginning;
use wasi_rs_core::syscalls::SYSCALLS;
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::limits::Limits;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::handover::{Given, Ticket};
use wasi_rs_runner::in_wasmtime;
use wasi_rs_runner::outcome::{End, Outcome, Trap};
use wasi_rs_runner::plan::{Http, OnBegin, Plan, Stdio};
use wasi_rs_runner::run::{Engine, Run};
use wasi_rs_runner::source::Source;

/// A program: `items`, and a `_start` with this `body`. All calls are imported by their names.
fn text(memory: &str, items: &str, body: &str) -> String {
    let mut text = "(module\n".to_owned();
    for row in &SYSCALLS {
        let params: Vec<_> = row.params.iter().map(|param| format!("{:?}", param.wasm).to_lowercase()).collect();
        let result = if row.returns { "(result i32)" } else { "" };
        let (name, params) = (row.name, params.join(" "));
        if body.contains(&format!("${name}")) {
            writeln!(text, r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) {result}))"#)
                .unwrap();
        }
    }
    format!(r#"{text} {memory} {items} (func $main (export "_start") {body}))"#)
}

/// A descriptor for the program.
fn given(fd: OwnedFd) -> Stdio {
    let ticket = Ticket::new(Given { file: fd.into(), is_host_stream: false });
    let number = ticket.number();
    std::mem::forget(ticket); // which would close it
    Stdio::Ticket(number)
}

fn program(items: &str, body: &str) -> Arc<Executable> {
    of_text(&text(r#"(memory (export "memory") 1)"#, items, body))
}

fn of_text(text: &str) -> Arc<Executable> {
    Arc::new(Executable::new(Source::Bytes(wat::parse_str(text).unwrap()), Purpose::Command, None))
}

/// The directory as the guest's `/`.
fn root_at(path: &Path) -> Vec<Preopen> {
    vec![Preopen {
        name: "/".to_owned(),
        source: PreopenSource::Path(path.to_str().unwrap().to_owned()),
        read_only: false,
    }]
}

/// A plan without input, whose output is captured.
fn plan() -> Plan {
    Plan {
        args: vec!["program".to_owned()],
        env: Vec::new(),
        preopens: Vec::new(),
        fixed: Fixed::default(),
        trace: None,
        tally: None,
        stdio: [Stdio::Bytes(Vec::new()), Stdio::Capture, Stdio::Capture],
        max_buffer: [usize::MAX; 2],
        limits: Limits::default(),
        concurrency: Engine::Wasmtime.concurrency(),
        host: None,
        sockets: Vec::new(),
        http: Http::default(),
        on_begin: OnBegin::default(),
    }
}

fn limited(limits: Limits) -> Plan {
    Plan { limits, ..plan() }
}

fn start(program: &Arc<Executable>, plan: Plan) -> (Arc<Run>, Receiver<Outcome>) {
    let (sender, receiver) = channel();
    (in_wasmtime::start(Arc::clone(program), plan, Box::new(move |outcome| sender.send(outcome).unwrap())), receiver)
}

fn run(program: &Arc<Executable>, plan: Plan) -> Outcome {
    start(program, plan).1.recv().unwrap()
}

fn trap(outcome: Outcome) -> String {
    match outcome.end {
        End::Trap(Trap { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn error_of(text: &str) -> String {
    match run(&of_text(text), plan()).end {
        End::ProgramError(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Writes "hello\n" to stdout, twice.
const HELLO: &str = r#"
    (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))"#;
const HELLO_DATA: &str = r#"(data (i32.const 8) "hello\n")"#;

/// Reads up to 100 bytes from stdin, and exits with their number.
const READ: &str = r#"
    (i32.store (i32.const 0) (i32.const 200)) (i32.store (i32.const 4) (i32.const 100))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 100)))
    (call $proc_exit (i32.load (i32.const 100)))"#;

static SPIN: LazyLock<Arc<Executable>> = LazyLock::new(|| program("", "(loop $l (br $l))"));

#[test]
fn output_and_usage_are_in_the_outcome() {
    let outcome = run(&program(HELLO_DATA, HELLO), plan());
    assert!(matches!(outcome.end, End::Exit(0)), "{:?}", outcome.end);
    assert_eq!(outcome.captured, [Some(b"hello\nhello\n".to_vec()), Some(Vec::new())]);
    let usage = outcome.usage;
    assert_eq!((usage.calls, usage.read, usage.written, usage.memory, usage.fuel), (2, 0, 12, 65536, None));
    assert!(usage.wall > 0 && usage.cpu > 0);
}

#[test]
fn stdin_is_read_and_the_exit_code_is_the_program_s() {
    let stdio = [Stdio::Bytes(b"12345".to_vec()), Stdio::Capture, Stdio::Capture];
    let outcome = run(&program("", READ), Plan { stdio, ..plan() });
    assert!(matches!(outcome.end, End::Exit(5)), "{:?}", outcome.end);
    let exit = run(&program("", "(call $proc_exit (i32.const -1))"), plan());
    assert!(matches!(exit.end, End::Exit(u32::MAX)));
}

#[test]
fn a_directory_is_opened_when_the_run_begins() {
    let body = r#"(call $proc_exit (call $path_create_directory
        (i32.const 3) (i32.const 8) (i32.const 5)))"#;
    let maker = program(HELLO_DATA, body);
    let folder = tempfile::tempdir().unwrap();
    let preopens = root_at(folder.path());
    assert!(matches!(run(&maker, Plan { preopens, ..plan() }).end, End::Exit(0)));
    assert!(folder.path().join("hello").is_dir());
    let missing = root_at(&folder.path().join("missing"));
    match run(&maker, Plan { preopens: missing, ..plan() }).end {
        End::OpenError(error) => assert_eq!(error.errno, Errno::Noent),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_wants_to_know_is_told_when_a_run_has_begun() {
    let told = |preopens| {
        let (sender, receiver) = channel();
        let on_begin = OnBegin(Some(Box::new(move || sender.send(()).unwrap())));
        run(&program("", "unreachable"), Plan { preopens, on_begin, ..plan() });
        receiver.try_recv().is_ok()
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(told(root_at(folder.path())));
    assert!(!told(root_at(&folder.path().join("missing"))));
}

#[test]
fn a_trap_names_the_functions() {
    let text = trap(run(&program("(func $inner unreachable)", "(call $inner)"), plan()));
    assert!(text.starts_with("wasm trap: unreachable\n"), "{text}");
    assert!(text.contains("!inner\n") && text.ends_with("!main"), "{text}");
    let text = trap(run(&program("", "(drop (i32.load (i32.const 65536)))"), plan()));
    assert!(text.contains("out of bounds"), "{text}");
    let text = trap(run(&program("(func $deep (call $deep))", "(call $deep)"), plan()));
    assert!(text.contains("call stack exhausted"), "{text}");
}

#[test]
fn memory_beyond_the_limit_is_a_failed_grow() {
    // The limit is 4 pages: 3 more are granted, a 5th is not, 2 at once are not.
    let body = r#"
        (call $proc_exit (i32.add (i32.add
            (i32.mul (memory.grow (i32.const 3)) (i32.const 100))
            (i32.mul (memory.grow (i32.const 1)) (i32.const 10)))
            (memory.grow (i32.const 0))))"#;
    let limits = Limits { memory: Some(4 * 65536), ..Limits::default() };
    let outcome = run(&program("", body), limited(limits));
    assert!(matches!(outcome.end, End::Exit(94)), "{:?}", outcome.end);
    assert_eq!(outcome.usage.memory, 4 * 65536);
    let limits = Limits { memory: Some(65535), ..Limits::default() };
    assert!(matches!(run(&program("", body), limited(limits)).end, End::ProgramError(_)));
}

#[test]
fn table_elements_fuel_stack_and_files_are_limited() {
    let grow = program("(table $t 1 funcref)", "(call $proc_exit (table.grow $t (ref.null func) (i32.const 10)))");
    let end = |limits| run(&grow, limited(limits)).end;
    assert!(matches!(end(Limits { table_elements: Some(10), ..Limits::default() }), End::Exit(u32::MAX)));
    assert!(matches!(end(Limits { table_elements: Some(11), ..Limits::default() }), End::Exit(1)));

    let outcome = run(&SPIN, limited(Limits { fuel: Some(10_000), ..Limits::default() }));
    assert!(matches!(outcome.end, End::Fuel), "{:?}", outcome.end);
    assert_eq!(outcome.usage.fuel, Some(10_000));

    // A thousand frames need more than a page of stack, and less than a megabyte.
    let deep = program(
        "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))",
        "(call $deep (i32.const 1000))",
    );
    assert!(matches!(run(&deep, plan()).end, End::Exit(0)));
    let small = run(&deep, limited(Limits { stack: Some(8192), ..Limits::default() }));
    assert!(trap(small).contains("call stack exhausted"));

    let body = "(call $proc_exit (call $path_open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 5)
        (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 100)))";
    let opener = program(HELLO_DATA, body);
    let folder = tempfile::tempdir().unwrap();
    let open = |open_files| {
        let preopens = root_at(folder.path());
        run(&opener, Plan { preopens, ..limited(Limits { open_files: Some(open_files), ..Limits::default() }) }).end
    };
    let full = u32::from(Errno::Mfile.number());
    assert!(matches!(open(4), End::Exit(code) if code == full));
    assert!(matches!(open(5), End::Exit(0)));
}

#[test]
fn where_results_are_left_open_a_deterministic_program_has_one() {
    // A NaN with a payload, and with a sign; a fraction that is none, made a number.
    let load = "(i32.load (i32.const 0))";
    let nan = format!("(i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 {load}) (f32.const 1)))");
    let truncated =
        format!("(i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (f32x4.splat (f32.reinterpret_i32 {load}))))");
    let limits = Limits { is_deterministic: true, ..Limits::default() };
    for (bits, expression, expected) in [
        ("\\45\\23\\a1\\7f", &nan, 0x7fc0_0000),
        ("\\45\\23\\a1\\ff", &nan, 0x7fc0_0000),
        ("\\45\\23\\a1\\7f", &truncated, 0),
    ] {
        let program = program(&format!("(data (i32.const 0) \"{bits}\")"), &format!("(call $proc_exit {expression})"));
        let end = run(&program, limited(limits)).end;
        assert!(matches!(end, End::Exit(code) if code == expected), "{expression}: {end:?}");
    }
}

#[test]
fn fuel_ends_a_program_at_the_same_point_each_time() {
    let body = format!("(loop $l {HELLO} (br $l))");
    let limits = Limits { fuel: Some(10_000), is_deterministic: true, ..Limits::default() };
    let outcome = || run(&program(HELLO_DATA, &body), limited(limits));
    let (one, other) = (outcome(), outcome());
    assert!(matches!((&one.end, &other.end), (End::Fuel, End::Fuel)), "{:?}", one.end);
    assert!(one.captured[0].as_ref().is_some_and(|output| output.len() > 100));
    assert_eq!((one.captured, one.usage.calls), (other.captured, other.usage.calls));
}

#[test]
fn more_output_than_is_captured_ends_the_program_and_the_rest_is_kept() {
    let max_buffer = [8, usize::MAX];
    let outcome = run(&program(HELLO_DATA, &format!("{HELLO} (loop $l (br $l))")), Plan { max_buffer, ..plan() });
    assert!(matches!(outcome.end, End::Overflow("stdout")), "{:?}", outcome.end);
    assert_eq!(outcome.captured[0].as_deref(), Some(&b"hello\nhe"[..]));
}

#[test]
fn errors_say_why_a_program_can_not_run() {
    let unknown =
        error_of(r#"(module (import "env" "f" (func)) (memory (export "memory") 1) (func (export "_start")))"#);
    assert_eq!(
        unknown,
        "imports what WASI preview 1 does not have: env.f (function); give it what it imports by options.imports, or build it for wasm32-wasip1"
    );
    assert_eq!(error_of("(module)"), "is not a command: it exports no function '_start'; load() gives its exports");
    let component = error_of("(component)");
    assert!(component.starts_with("is a component that is no command"), "{component}");
    for bytes in [&b""[..], b"\0asm", b"#!/bin/sh"] {
        match run(&Arc::new(Executable::new(Source::Bytes(bytes.to_vec()), Purpose::Command, None)), plan()).end {
            End::ProgramError(error) => assert!(error.to_string().contains("is not a WebAssembly module"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let invalid = [&b"\0asm\x01\0\0\0"[..], b"garbage"].concat();
    match run(&Arc::new(Executable::new(Source::Bytes(invalid), Purpose::Command, None)), plan()).end {
        End::ProgramError(error) => assert!(error.to_string().starts_with("can't be compiled: "), "{error}"),
        other => panic!("{other:?}"),
    }
    let missing = Executable::new(Source::File("/nowhere/at/all.wasm".into()), Purpose::Command, None);
    match run(&Arc::new(missing), plan()).end {
        End::ProgramError(error) => assert!(error.to_string().contains("/nowhere/at/all.wasm"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_memory_a_program_can_exit() {
    let exits = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (func (export "_start") (call $proc_exit (i32.const 7))))"#;
    let end = run(&of_text(exits), plan()).end;
    assert!(matches!(end, End::Exit(7)), "{end:?}");
    let body = "(call $proc_exit (call $args_sizes_get (i32.const 0) (i32.const 4)))";
    let end = run(&of_text(&text("", "", body)), plan()).end;
    assert!(matches!(&end, End::ProgramError(why) if why.to_string().contains("memory")), "{end:?}");
}

#[test]
fn snapshot_0_has_its_own_layouts() {
    // The record of `fd_filestat_get` has 56 bytes there, and 64 in preview1.
    let text = r#"(module
        (import "wasi_unstable" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 64))
            (drop (call $stat (i32.const 3) (i32.const 0)))
            (call $exit (i32.load8_u (i32.const 56)))))"#;
    let preopens = root_at(Path::new("/"));
    let end = run(&of_text(text), Plan { preopens, ..plan() }).end;
    assert!(matches!(end, End::Exit(0xa5)), "{end:?}");
}

#[test]
fn imported_memories_are_the_run_s_own() {
    for (ty, limit) in [("1", None), ("1 100 shared", None), ("1 100 shared", Some(2 * 65536))] {
        let memory = format!(r#"(import "env" "memory" (memory {ty})) (export "memory" (memory 0))"#);
        let body = format!("{HELLO} (call $proc_exit (memory.grow (i32.const 2)))");
        let outcome = run(&of_text(&text(&memory, HELLO_DATA, &format!("{body} (call $proc_exit (i32.const 9))"))), {
            limited(Limits { memory: limit, ..Limits::default() })
        });
        let grown = if limit.is_some() { u32::MAX } else { 1 };
        assert!(matches!(outcome.end, End::Exit(code) if code == grown), "{ty}: {:?}", outcome.end);
        assert_eq!(outcome.captured[0].as_deref(), Some(&b"hello\nhello\n"[..]));
    }
}

/// Ends a run as soon as it has written to stdout, or at once if it makes no call.
fn ended(program: &Arc<Executable>, stdin: Stdio) -> Outcome {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdout = given(writer.into());
    let (run, outcome) = start(program, Plan { stdio: [stdin, stdout, Stdio::Capture], ..plan() });
    let mut first = [0];
    std::io::Read::read_exact(&mut reader, &mut first).unwrap();
    run.end();
    let outcome = outcome.recv().unwrap();
    assert!(matches!(outcome.end, End::Ended), "{:?}", outcome.end);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
    outcome
}

#[test]
fn by_clocks_of_its_own_a_program_waits_without_waiting_and_is_ended_all_the_same() {
    let clock = Some(Beginning { realtime: 0, monotonic: 0, step: 0 });
    let own = |plan| Plan { fixed: Fixed { clock, ..Fixed::default() }, ..plan };
    let wait = "(call $proc_exit (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 3600000000000)))";
    let waits = of_text(&text(r#"(memory (export "memory") 1 1 shared)"#, "", wait));
    let outcome = run(&waits, own(plan()));
    assert!(matches!(outcome.end, End::Exit(2)), "{:?}", outcome.end);
    let sleep = "(i64.store (i32.const 1032) (i64.const 0)) (i64.store (i32.const 1040) (i64.const 1))
        (i64.store (i32.const 1048) (i64.const 3600000000000)) (i64.store (i32.const 1056) (i64.const 0))
        (drop (call $poll_oneoff (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 4096)))";
    let sleeps = program(HELLO_DATA, &format!("{HELLO} (loop $l {sleep} (br $l))"));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = [Stdio::Ignore, given(writer.into()), Stdio::Ignore];
    let (sleeper, outcome) = start(&sleeps, own(Plan { stdio, ..plan() }));
    std::io::Read::read_exact(&mut reader, &mut [0]).unwrap();
    sleeper.end();
    let outcome = outcome.recv().unwrap();
    assert!(matches!(outcome.end, End::Ended), "{:?}", outcome.end);
}

#[test]
fn a_run_is_ended_in_loops_calls_and_waits() {
    let memory = r#"(memory (export "memory") 1000)"#;
    let fill = "(loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $l))";
    let wait = "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 8) (i64.const -1)))";
    let sleep = "(i64.store (i32.const 1024) (i64.const 0)) (i64.store (i32.const 1032) (i64.const 0))
        (i64.store (i32.const 1040) (i64.const 1)) (i64.store (i32.const 1048) (i64.const 100000000000))
        (drop (call $poll_oneoff (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 4096)))";
    let ends = [
        text(memory, HELLO_DATA, &format!("{HELLO} (loop $l (br $l))")),
        text(memory, HELLO_DATA, &format!("{HELLO} {fill}")),
        text(r#"(memory (export "memory") 1 1 shared)"#, HELLO_DATA, &format!("{HELLO} {wait}")),
        text(memory, HELLO_DATA, &format!("{HELLO} {sleep}")),
        text(memory, HELLO_DATA, &format!("{HELLO} (loop $l (drop (call $sched_yield)) (br $l))")),
    ];
    for end in ends {
        ended(&of_text(&end), Stdio::Bytes(Vec::new()));
    }
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = given(reader.into());
    ended(&program(HELLO_DATA, &format!("{HELLO} {READ}")), pipe);
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    ended(&program(HELLO_DATA, &format!("{HELLO} {READ}")), given(socket.into()));
}

/// A socket that takes long to close, since it holds bytes that its peer has not read; the peer; and the
/// beginning of the socket's line in the kernel's table.
#[cfg(target_os = "linux")]
fn lingering() -> (OwnedFd, std::net::TcpStream, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    rustix::net::sockopt::set_socket_linger(&socket, Some(std::time::Duration::from_secs(3600))).unwrap();
    socket.set_nonblocking(true).unwrap();
    while (&socket).write(&[0; 65536]).is_ok() {}
    let line = format!(" 0100007F:{:04X} ", socket.local_addr().unwrap().port());
    (socket.into(), other, line)
}

/// Waits until the kernel is closing that socket.
#[cfg(target_os = "linux")]
fn is_closing(line: &str) {
    const FIN_WAIT1: &str = "04";
    let is_closing = |table: String| {
        let mut ours = table.lines().filter_map(|one| one.split_once(line));
        ours.any(|(_, rest)| rest.split(' ').nth(1) == Some(FIN_WAIT1))
    };
    while !is_closing(std::fs::read_to_string("/proc/net/tcp").unwrap()) {
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_is_given_up_while_the_kernel_makes_its_call() {
    let closes = program(HELLO_DATA, &format!("(drop (call $fd_close (i32.const 0))) {HELLO}"));
    let mut others = Vec::new();
    let mut outputs = Vec::new();
    // More than there are slots.
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get().max(4) {
        let (socket, other, line) = lingering();
        let (reader, writer) = std::io::pipe().unwrap();
        let stdio = [given(socket), given(writer.into()), Stdio::Capture];
        let (run, outcome) = start(&closes, Plan { stdio, ..plan() });
        is_closing(&line);
        run.end();
        let outcome = outcome.recv().unwrap();
        assert!(matches!(outcome.end, End::Ended), "{:?}", outcome.end);
        assert_eq!(outcome.usage.calls, 1);
        is_closing(&line); // still
        others.push(other);
        outputs.push((run, reader));
    }
    // None of them has a slot.
    assert!(matches!(self::run(&program(HELLO_DATA, HELLO), plan()).end, End::Exit(0)));
    // When the kernel is done, the thread makes no other call, and closes the descriptors.
    drop(others);
    for (_, mut reader) in outputs {
        let mut written = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut written).unwrap();
        assert_eq!(written, b"");
    }
}

#[test]
fn a_run_that_never_began_is_ended_at_once() {
    let spinning: Vec<_> = (0..64).map(|_| start(&SPIN, plan())).collect();
    for (run, outcome) in spinning.iter().rev() {
        run.end();
        assert!(matches!(outcome.recv().unwrap().end, End::Ended));
    }
}

#[test]
fn waiting_runs_do_not_hold_up_others() {
    let reader = program("", READ);
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let (stdin, writer) = std::io::pipe().unwrap();
        let stdio = [given(stdin.into()), Stdio::Capture, Stdio::Capture];
        waiting.push((start(&reader, Plan { stdio, ..plan() }), writer));
    }
    assert!(matches!(run(&program(HELLO_DATA, HELLO), plan()).end, End::Exit(0)));
    for ((_, outcome), mut writer) in waiting {
        writer.write_all(b"abc").unwrap();
        assert!(matches!(outcome.recv().unwrap().end, End::Exit(3)));
    }
}

#[test]
fn as_many_runs_as_slots_run_at_once() {
    let busy = program(HELLO_DATA, &format!("{HELLO} (loop $l (br $l))"));
    for _ in 0..20 {
        let (mut reader, writer) = std::io::pipe().unwrap();
        // The least number of slots; other tests need some for a moment too.
        let runs: Vec<_> = (0..4)
            .map(|_| {
                let stdout = given(writer.try_clone().unwrap().into());
                start(&busy, Plan { stdio: [Stdio::Bytes(Vec::new()), stdout, Stdio::Capture], ..plan() })
            })
            .collect();
        let mut all = [0; 4 * "hello\nhello\n".len()];
        std::io::Read::read_exact(&mut reader, &mut all).unwrap();
        for (run, outcome) in runs {
            run.end();
            assert!(matches!(outcome.recv().unwrap().end, End::Ended));
        }
    }
}

#[test]
fn a_thousand_runs_all_end() {
    let hello = program(HELLO_DATA, HELLO);
    let runs: Vec<_> = (0..1000).map(|_| start(&hello, plan())).collect();
    for (_, outcome) in runs {
        assert_eq!(outcome.recv().unwrap().captured[0].as_deref(), Some(&b"hello\nhello\n"[..]));
    }
}

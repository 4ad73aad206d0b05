//! Command components in wasmtime: programs of preview 1 that wit-component's adapter has made components of
//! WASI 0.2. So their calls go from the adapter to the interfaces, and from these to the system calls.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use tempfile::TempDir;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER,
};
use wasi_rs_core::ctx::{Fixed, Preopen, PreopenSource};
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::limits::Limits;
use wasi_rs_runner::executable::Executable;
use wasi_rs_runner::handover::{Given, Ticket};
use wasi_rs_runner::in_wasmtime;
use wasi_rs_runner::outcome::{End, Outcome};
use wasi_rs_runner::plan::{Http, OnBegin, Plan, Stdio};
use wasi_rs_runner::run::{Engine, Run};
use wasi_rs_runner::source::Source;
use wit_component::ComponentEncoder;

/// The parameters of the calls that the programs make.
const CALLS: [(&str, &str); 18] = [
    ("args_get", "i32 i32"),
    ("args_sizes_get", "i32 i32"),
    ("clock_time_get", "i32 i64 i32"),
    ("environ_get", "i32 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("fd_close", "i32"),
    ("fd_filestat_set_size", "i32 i64"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("poll_oneoff", "i32 i32 i32 i32"),
];

/// A program with these texts from address 1024 on, 64 bytes for each, and this body. `$check` ends it with
/// the errno unless that is 0; `$put` writes bytes to stdout.
fn program(texts: &[&str], body: &str) -> Arc<Executable> {
    let used = CALLS.iter().filter(|(name, _)| *name == "fd_write" || body.contains(&format!("${name}")));
    let imports: String = used
        .map(|(name, params)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {params}) (result i32)))\n")
        })
        .collect();
    let data: String =
        (0..).zip(texts).map(|(i, text)| format!("(data (i32.const {}) \"{text}\")\n", 1024 + 64 * i)).collect();
    let text = format!(
        r#"(module {imports}
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2) {data}
        (func $check (param i32) (if (local.get 0) (then (i32.store (i32.const 8) (local.get 0))
            (call $put (i32.const 8) (i32.const 1)) (call $exit (i32.const 1)))))
        (func $put (param i32 i32)
            (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
            (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
        (func (export "_start") (local $fd i32) {body}))"#
    );
    let module = wat::parse_str(text).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    let bytes = encoder.adapter(NAME, ADAPTER).unwrap().encode().unwrap();
    Arc::new(Executable::new(Source::Bytes(bytes), Purpose::Command, None))
}

/// The address and length of text number `index`.
fn text(index: usize, text: &str) -> String {
    format!("(i32.const {}) (i32.const {})", 1024 + 64 * index, text.len())
}

/// The call that opens text number `index` in descriptor 3, with oflags and rights; the descriptor is at 32.
fn open(index: usize, name: &str, oflags: u32, rights: u64) -> String {
    format!(
        "(call $path_open (i32.const 3) (i32.const 0) {} (i32.const {oflags}) (i64.const {rights}) (i64.const 0)
            (i32.const 0) (i32.const 32))",
        text(index, name)
    )
}

const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;
const CREAT: u32 = 1;

fn plan(dir: Option<&Path>) -> Plan {
    let preopen = |path: &Path| Preopen {
        name: "/".to_owned(),
        source: PreopenSource::Path(path.to_str().unwrap().to_owned()),
        read_only: false,
    };
    Plan {
        args: ["prog", "first", "zweites ä"].map(str::to_owned).into(),
        env: vec!["A=b=c".to_owned()],
        preopens: dir.map(preopen).into_iter().collect(),
        stdio: [Stdio::Ignore, Stdio::Capture, Stdio::Capture],
        max_buffer: [1 << 20; 2],
        limits: Limits::default(),
        concurrency: Engine::Wasmtime.concurrency(),
        fixed: Fixed::default(),
        trace: None,
        tally: None,
        host: None,
        sockets: Vec::new(),
        http: Http::default(),
        on_begin: OnBegin::default(),
    }
}

fn run(program: &Arc<Executable>, plan: Plan) -> Outcome {
    let (sender, receiver) = channel();
    let _run: Arc<Run> =
        in_wasmtime::start(Arc::clone(program), plan, Box::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().unwrap()
}

/// The output of a program that has ended well.
fn output(program: &Arc<Executable>, plan: Plan) -> String {
    let outcome = run(program, plan);
    let [stdout, stderr] = outcome.captured.map(|bytes| String::from_utf8_lossy(&bytes.unwrap()).into_owned());
    assert!(matches!(outcome.end, End::Exit(0)), "{:?}: {stdout:?} {stderr}", outcome.end);
    stdout
}

/// The errno with which a program has ended.
fn errno(program: &Arc<Executable>, plan: Plan) -> u8 {
    let outcome = run(program, plan);
    assert!(matches!(outcome.end, End::Exit(1)), "{:?}", outcome.end);
    outcome.captured[0].as_ref().unwrap()[0]
}

const NOENT: u8 = 44;
const PERM: u8 = 63;
const ROFS: u8 = 69;

#[test]
fn arguments_and_environment() {
    let both = program(
        &[],
        "(call $check (call $args_sizes_get (i32.const 64) (i32.const 68)))
        (call $check (call $args_get (i32.const 128) (i32.const 256)))
        (call $put (i32.const 256) (i32.load (i32.const 68)))
        (call $check (call $environ_sizes_get (i32.const 64) (i32.const 68)))
        (call $check (call $environ_get (i32.const 128) (i32.const 256)))
        (call $put (i32.const 256) (i32.load (i32.const 68)))",
    );
    assert_eq!(output(&both, plan(None)), "prog\0first\0zweites ä\0A=b=c\0");
}

#[test]
fn files_are_written_moved_and_read() {
    let dir = TempDir::new().unwrap();
    let names = ["a.txt", "d", "d/b.txt", "hello", "link"];
    let body = [
        format!("(call $check {})", open(0, names[0], CREAT, READ | WRITE)),
        "(local.set $fd (i32.load (i32.const 32)))
        (i32.store (i32.const 40) (i32.const 1216)) (i32.store (i32.const 44) (i32.const 5))
        (call $check (call $fd_write (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $check (call $fd_write (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $check (call $fd_filestat_set_size (local.get $fd) (i64.const 8)))
        (call $check (call $fd_close (local.get $fd)))"
            .to_owned(),
        format!("(call $check (call $path_create_directory (i32.const 3) {}))", text(1, names[1])),
        format!("(call $check (call $path_rename (i32.const 3) {} (i32.const 3) {}))", text(0, names[0]), text(2, names[2])),
        format!("(call $check (call $path_symlink {} (i32.const 3) {}))", text(2, names[2]), text(4, names[4])),
        format!("(call $check {})", open(2, names[2], 0, READ)),
        "(local.set $fd (i32.load (i32.const 32)))
        (i32.store (i32.const 40) (i32.const 4096)) (i32.store (i32.const 44) (i32.const 100))
        (call $check (call $fd_seek (local.get $fd) (i64.const 1) (i32.const 0) (i32.const 56)))
        (call $check (call $fd_read (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $put (i32.const 4096) (i32.load (i32.const 48)))
        (call $check (call $fd_read (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $put (i32.const 4096) (i32.load (i32.const 48)))"
            .to_owned(),
        format!("(call $check (call $path_filestat_get (i32.const 3) (i32.const 1) {} (i32.const 4096)))", text(4, names[4])),
        "(i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.load (i32.const 4128)))) (call $put (i32.const 64) (i32.const 1))"
            .to_owned(),
        format!("(call $check (call $path_unlink_file (i32.const 3) {}))", text(4, names[4])),
    ];
    assert_eq!(output(&program(&names, &body.concat()), plan(Some(dir.path()))), "ellohel8");
    assert_eq!(fs::read_to_string(dir.path().join("d/b.txt")).unwrap(), "hellohel");
    assert!(!dir.path().join("link").exists());
}

#[test]
fn directories_are_listed_whole() {
    let dir = TempDir::new().unwrap();
    for index in 0..700 {
        fs::write(dir.path().join(format!("{index:060}")), "").unwrap();
    }
    // Writes what it gets, as often as it gets a full buffer.
    let lists = program(
        &[],
        "(local.set $fd (i32.const 0))
        (call $check (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 100000) (i64.const 0) (i32.const 64)))
        (call $put (i32.const 4096) (i32.load (i32.const 64)))",
    );
    let outcome = run(&lists, plan(Some(dir.path())));
    let listed = outcome.captured[0].as_ref().unwrap();
    let names: HashSet<_> = listed.windows(60).collect();
    assert!((0..700).all(|index| names.contains(format!("{index:060}").as_bytes())));
}

#[test]
fn nothing_outside_of_the_directory_is_reached() {
    let dir = TempDir::new().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    symlink(dir.path().join("secret"), inside.join("absolute")).unwrap();
    symlink("../secret", inside.join("relative")).unwrap();
    for name in ["../secret", "absolute", "relative"] {
        // Links are followed.
        let reads = open(0, name, 0, READ).replacen("(i32.const 0)", "(i32.const 1)", 1);
        assert_eq!(errno(&program(&[name], &format!("(call $check {reads})")), plan(Some(&inside))), PERM, "{name}");
    }
    let none = format!("(call $check {})", open(0, "none", 0, READ));
    assert_eq!(errno(&program(&["none"], &none), plan(Some(&inside))), NOENT);
}

#[test]
fn a_read_only_directory_is_not_changed() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "content").unwrap();
    let read_only = || {
        let mut plan = plan(Some(dir.path()));
        plan.preopens[0].read_only = true;
        plan
    };
    let file = text(0, "file");
    for body in [
        open(0, "file", 0, WRITE),
        open(0, "file", 1 << 3, READ), // truncated
        format!("(call $path_unlink_file (i32.const 3) {file})"),
        format!("(call $path_create_directory (i32.const 3) {})", text(1, "new")),
        format!("(call $path_rename (i32.const 3) {file} (i32.const 3) {})", text(1, "new")),
    ] {
        assert_eq!(errno(&program(&["file", "new"], &format!("(call $check {body})")), read_only()), ROFS, "{body}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "content");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Waits for input, or for a time of the monotonic clock, relative.
fn polling(nanoseconds: u64) -> Arc<Executable> {
    program(
        &[],
        &format!(
            "(i32.store8 (i32.const 136) (i32.const 1))
            (i64.store (i32.const 176) (i64.const 7)) (i32.store (i32.const 192) (i32.const 1))
            (i64.store (i32.const 200) (i64.const {nanoseconds}))
            (call $check (call $poll_oneoff (i32.const 128) (i32.const 512) (i32.const 2) (i32.const 64)))
            (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.wrap_i64 (i64.load (i32.const 512)))))
            (call $put (i32.const 64) (i32.const 1))"
        ),
    )
}

/// A plan whose input is a pipe; the other end is the second result.
fn piped() -> (Plan, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let ticket = Ticket::new(Given { file: std::os::fd::OwnedFd::from(reader).into(), is_host_stream: false });
    let number = ticket.number();
    std::mem::forget(ticket); // which would close it
    let mut plan = plan(None);
    plan.stdio[0] = Stdio::Ticket(number);
    (plan, writer)
}

#[test]
fn waits_end_by_a_time_and_by_input() {
    use std::io::Write;
    let (plan, _writer) = piped();
    assert_eq!(output(&polling(1_000_000), plan), "7", "the clock");
    let (plan, mut writer) = piped();
    writer.write_all(b"x").unwrap();
    assert_eq!(output(&polling(u64::MAX), plan), "0", "input");
}

#[test]
fn a_program_that_waits_is_ended() {
    let reads = program(
        &[],
        "(i32.store (i32.const 40) (i32.const 4096)) (i32.store (i32.const 44) (i32.const 100))
        (call $check (call $fd_read (i32.const 0) (i32.const 40) (i32.const 1) (i32.const 48)))",
    );
    for waiting in [reads, polling(u64::MAX), program(&[], "(loop (br 0))")] {
        let ((mut plan, _writer), (sender, receiver), (begin, begun)) = (piped(), channel(), channel());
        plan.on_begin = OnBegin(Some(Box::new(move || begin.send(()).unwrap())));
        let run = in_wasmtime::start(waiting, plan, Box::new(move |outcome| sender.send(outcome).unwrap()));
        begun.recv().unwrap();
        run.end();
        assert!(matches!(receiver.recv().unwrap().end, End::Ended));
    }
}

#[test]
fn limits_hold() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let limited = |limits| Plan { limits, ..plan(Some(dir.path())) };
    let opens = program(&["file"], &format!("(loop (call $check {}) (br 0))", open(0, "file", 0, READ)));
    let end = run(&opens, limited(Limits { open_files: Some(8), ..Limits::default() }));
    assert!(matches!(end.end, End::Exit(1)), "{:?}", end.end);
    assert!(end.usage.calls < 100, "{}", end.usage.calls);
    let spins = program(&[], "(loop (br 0))");
    assert!(matches!(run(&spins, limited(Limits { fuel: Some(10_000), ..Limits::default() })).end, End::Fuel));
    let small = limited(Limits { memory: Some(65536), ..Limits::default() });
    match run(&spins, small).end {
        End::ProgramError(error) => assert!(error.to_string().contains("limits.memory"), "{error}"),
        other => panic!("{other:?}"),
    }
}

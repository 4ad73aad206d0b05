//! Calls of a guest that is watched. A call is decoded once into data ([`Call`]); a line for people is one
//! form of it, JSON the other.

mod call;
mod json;
mod names;
mod text;

use super::transfer::Transfer;
use super::{Flow, SYSCALLS};
use crate::abi::Args;
use crate::abi::errno::{Errno, Result};
use crate::ctx::Ctx;
use crate::memory::{self, Buffers, Memory, Position};
use crate::watch::{Form, Sink, Trace, Watch};
use call::{Call, End};
pub(super) use call::{Field, Value, flags, name_of};
use names::number_of;
pub use names::{matching, names};
use std::time::Instant;

/// A call of a guest that is watched, which has begun.
#[derive(Debug)]
pub struct Watched {
    index: usize,
    args: Args,
    /// The parameters, if it may be shown.
    params: Option<Vec<Field>>,
    begun: Instant,
}

impl Watched {
    /// The call of this number in the list, with its parameters as they are now; none if the guest is not
    /// watched.
    #[inline]
    pub fn begin(ctx: &Ctx, memory: &Memory<'_>, index: usize, args: &Args) -> Option<Self> {
        ctx.watch().and_then(|watch| Self::new(watch, ctx, memory, index, args))
    }

    #[cold]
    fn new(watch: &Watch, ctx: &Ctx, memory: &Memory<'_>, index: usize, args: &Args) -> Option<Self> {
        let row = SYSCALLS.get(index)?;
        let is_shown = watch.trace.as_ref().is_some_and(|trace| trace.selection.has(index));
        let params = is_shown.then(|| call::params(row, memory, args, ctx.abi()));
        Some(Self { index, args: *args, params, begun: Instant::now() })
    }

    /// Counts and shows the call, with what came of it.
    pub fn end(self, ctx: &Ctx, memory: &Memory<'_>, flow: Flow) {
        let nanoseconds = nanoseconds(self.begun);
        let Some((watch, row)) = ctx.watch().zip(SYSCALLS.get(self.index)) else { return };
        let end = match flow {
            Flow::Exit(_) => End::Never,
            Flow::Answer(Errno::Success) => End::Success(Vec::new()),
            Flow::Answer(errno) => End::Failure(errno),
        };
        let call = Over { number: self.index, name: row.name, params: self.params, end, nanoseconds };
        call.tell(watch, ctx, || call::results(row, memory, &self.args));
    }
}

/// Makes a call that is not in the list; counts and shows it, if the guest is watched: its name, its
/// parameters, what came of it.
pub(super) fn made<T>(
    ctx: &Ctx,
    name: &'static str,
    params: impl FnOnce() -> Vec<Field>,
    make: impl FnOnce() -> Result<T>,
    results: impl FnOnce(&T) -> Vec<Field>,
) -> Result<T> {
    let Some(watch) = ctx.watch() else { return make() };
    let number = number_of(name);
    let params = watch.trace.as_ref().filter(|trace| trace.selection.has(number)).map(|_| params());
    let begun = Instant::now();
    let result = make();
    let nanoseconds = nanoseconds(begun);
    let end = result.as_ref().map_or_else(|errno| End::Failure(*errno), |_| End::Success(Vec::new()));
    let call = Over { number, name, params, end, nanoseconds };
    call.tell(watch, ctx, || result.as_ref().map(results).unwrap_or_default());
    result
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A call that is over, whose results are not decoded.
struct Over {
    number: usize,
    name: &'static str,
    params: Option<Vec<Field>>,
    end: End,
    nanoseconds: u64,
}

impl Over {
    fn tell(self, watch: &Watch, ctx: &Ctx, results: impl FnOnce() -> Vec<Field>) {
        let Self { number, name, params, end, nanoseconds } = self;
        let has_failed = matches!(end, End::Failure(_));
        if let Some(tally) = &watch.tally {
            tally.count(number, has_failed, nanoseconds);
        }
        let (Some(trace), Some(params)) = (&watch.trace, params) else { return };
        if trace.selection.errors && !has_failed {
            return;
        }
        let end = if let End::Success(_) = end { End::Success(results()) } else { end };
        show(watch, trace, ctx, &Call { name, params, end, nanoseconds });
    }
}

/// Shows a call where the guest is traced, at once. A reader that is slow is waited for as long as the guest
/// may wait; that the line can't be written at all is nothing to the guest.
fn show(watch: &Watch, trace: &Trace, ctx: &Ctx, call: &Call) {
    let line = match trace.form {
        Form::Text => text::line(call),
        Form::Json => json::line(call),
    };
    let mut line = line.into_bytes();
    match &trace.to {
        Sink::File(file) => {
            let mut buffers = Buffers::from(line.as_mut_slice());
            let _ = Transfer::on(file, ctx.interrupt()).run(memory::Call::Write(Position::Current), &mut buffers);
        }
        Sink::Function(show) => {
            if !show(line) {
                watch.is_to_end.set(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;
    use crate::watch::{Selection, Tally};
    use std::sync::{Arc, Mutex};

    /// The bytes that are shown of a guest.
    type Shown = Arc<Mutex<Vec<u8>>>;

    /// A guest that is traced in this form.
    fn traced(form: Form, selection: Selection) -> (Guest, Shown) {
        let shown = Shown::default();
        let to = Arc::clone(&shown);
        let show = move |bytes: Vec<u8>| {
            to.lock().unwrap().extend_from_slice(&bytes);
            true
        };
        let trace = Trace { to: Sink::Function(Box::new(show)), form, selection };
        (Guest::new().watched(Some(trace), None), shown)
    }

    /// The line of a call that is made.
    fn line((guest, shown): &(Guest, Shown), name: &str, params: &[u64]) -> String {
        let index = SYSCALLS.iter().position(|row| row.name == name).expect(name);
        let mut args = Args::default();
        args[..params.len()].copy_from_slice(params);
        let call = Watched::begin(&guest.ctx, &guest.memory.view(), index, &args).unwrap();
        let flow = guest.flow(name, params);
        call.end(&guest.ctx, &guest.memory.view(), flow);
        String::from_utf8(std::mem::take(&mut shown.lock().unwrap())).unwrap()
    }

    #[test]
    fn a_line_shows_parameters_and_results() {
        let traced = traced(Form::Text, Selection::default());
        let guest = &traced.0;
        let [path, len] = guest.path(0, "a/\"\n\u{17e}");
        let opened = line(&traced, "path_open", &[DIR, 1, path, len, 1 | 8, ALL, 2, 0, 64]);
        let path = r#"path_open(fd: 3, dirflags: SYMLINK_FOLLOW, path: "a/\"\nž", oflags: CREAT|TRUNC, "#;
        let rights = "fs_rights_base: ALL, fs_rights_inheriting: FD_READ, fdflags: 0, opened_fd: 0x40) = ENOENT\n";
        assert_eq!(opened, format!("{path}{rights}"));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let [iovs, len] = guest.iovec(0, 0x400, 12);
        let wrote = line(&traced, "fd_write", &[fd, iovs, len, 0x3fc]);
        assert_eq!(wrote, "fd_write(fd: 4, iovs: [(0x400, 12)], nwritten: 0x3fc) = 0, nwritten 12\n");
        let sought = line(&traced, "fd_seek", &[fd, (-2_i64).cast_unsigned(), 2, 8]);
        assert_eq!(sought, "fd_seek(fd: 4, offset: -2, whence: END, newoffset: 0x8) = 0, newoffset 10\n");
        let clock = line(&traced, "clock_res_get", &[2, 8]);
        assert!(
            clock.starts_with("clock_res_get(id: PROCESS_CPUTIME_ID, resolution: 0x8) = 0, resolution "),
            "{clock}"
        );
        assert_eq!(
            line(&traced, "args_sizes_get", &[8, 12]),
            "args_sizes_get(argc: 0x8, argv_buf_size: 0xc) = 0, argc 3, argv_buf_size 16\n"
        );
        assert_eq!(
            line(&traced, "fd_prestat_dir_name", &[DIR, 8, 4]),
            "fd_prestat_dir_name(fd: 3, path: 0x8, path_len: 4) = 0\n"
        );
        assert_eq!(line(&traced, "proc_exit", &[7]), "proc_exit(rval: 7)\n");
    }

    #[test]
    fn values_without_a_meaning_are_shown_as_numbers() {
        let traced = traced(Form::Text, Selection::default());
        let far = u64::from(u32::MAX);
        let made = line(&traced, "path_create_directory", &[DIR, far, 5]);
        assert_eq!(made, "path_create_directory(fd: 3, path: 0xffffffff, path_len: 5) = EFAULT\n");
        let wrote = line(&traced, "fd_write", &[1, far, 1, far]);
        assert_eq!(wrote, "fd_write(fd: 1, iovs: 0xffffffff, iovs_len: 1, nwritten: 0xffffffff) = EFAULT\n");
        assert_eq!(
            line(&traced, "fd_seek", &[1, 0, 9, 0]),
            "fd_seek(fd: 1, offset: 0, whence: 9, newoffset: 0x0) = EINVAL\n"
        );
        let flags = line(&traced, "fd_fdstat_set_flags", &[1, 0x1_0001]);
        assert_eq!(flags, "fd_fdstat_set_flags(fd: 1, flags: APPEND|0x10000) = EINVAL\n");
    }

    #[test]
    fn a_line_stays_short_for_any_parameters() {
        let traced = traced(Form::Text, Selection::default());
        for (name, params) in [
            ("fd_write", vec![1, 0, u64::from(u32::MAX), 8]),
            ("fd_read", vec![0, 0, u64::from(u32::MAX), 8]),
            ("path_unlink_file", vec![DIR, 0, u64::from(u32::MAX)]),
            ("path_unlink_file", vec![DIR, 0, 60_000]),
        ] {
            let line = line(&traced, name, &params);
            assert!(line.len() < 300, "{line}");
        }
        for row in &SYSCALLS {
            if !["poll_oneoff", "sched_yield"].contains(&row.name) {
                let line = line(&traced, row.name, &vec![u64::MAX; row.params.len()]);
                assert!(line.starts_with(row.name) && line.len() < 400, "{line}");
            }
        }
    }

    /// A guest that is traced to a pipe nobody reads yet, and its reader.
    fn traced_to_a_pipe() -> (Guest, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        (Guest::new().traced_to(writer), reader)
    }

    /// Makes calls of so many bytes of lines, which are more than a pipe holds.
    fn make_calls(guest: &Guest, bytes: usize) -> usize {
        let mut len = 0;
        while len < bytes {
            let call = Watched::begin(&guest.ctx, &guest.memory.view(), 0, &Args::default()).unwrap();
            call.end(&guest.ctx, &guest.memory.view(), Flow::Answer(Errno::Success));
            len += "args_get(argv: 0x0, argv_buf: 0x0) = 0\n".len();
        }
        len
    }

    #[test]
    fn no_line_is_lost_on_a_reader_that_is_slow() {
        use std::io::Read;
        let (guest, mut reader) = traced_to_a_pipe();
        let read = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let len = make_calls(&guest, 200_000);
        drop(guest);
        let bytes = read.join().unwrap();
        assert_eq!(bytes.len(), len);
        assert!(
            bytes
                .split_inclusive(|byte| *byte == b'\n')
                .all(|line| line == b"args_get(argv: 0x0, argv_buf: 0x0) = 0\n")
        );
    }

    #[test]
    fn a_reader_that_never_reads_is_waited_for_as_long_as_the_guest_may_wait() {
        #[derive(Debug)]
        struct Never;
        impl crate::host::wait::Interrupt for Never {
            fn poll_interval(&self) -> Option<u64> {
                Some(1_000)
            }
            fn is_interrupted(&self) -> bool {
                true
            }
        }
        let (guest, _reader) = traced_to_a_pipe();
        make_calls(&guest.waiting_with(Box::new(Never)), 200_000);
    }

    #[test]
    fn a_guest_that_is_not_watched_has_no_line() {
        let guest = Guest::new();
        assert!(Watched::begin(&guest.ctx, &guest.memory.view(), 0, &Args::default()).is_none());
    }

    #[test]
    fn json_has_what_the_line_has() {
        let traced = traced(Form::Json, Selection::default());
        let json = |name, params: &[u64]| {
            let line = line(&traced, name, params);
            let (json, time) = line.split_once(",\"nanoseconds\":").unwrap();
            assert!(time.ends_with("}\n") && time.trim_end_matches("}\n").parse::<u64>().is_ok(), "{line}");
            json.to_owned()
        };
        let guest = &traced.0;
        let [path, len] = guest.path(0, "a/\"\n\u{17e}");
        assert_eq!(
            json("path_open", &[DIR, 1, path, len, 1 | 8 | 64, 2, 0, 64, 64]),
            "{\"name\":\"path_open\",\"params\":{\"fd\":3,\"dirflags\":[\"SYMLINK_FOLLOW\"],\
             \"path\":\"a/\\\"\\u000a\u{17e}\",\"oflags\":[\"CREAT\",\"TRUNC\",\"0x40\"],\
             \"fs_rights_base\":[\"FD_READ\"],\"fs_rights_inheriting\":[],\"fdflags\":[\"0x40\"],\"opened_fd\":64},\
             \"result\":{},\"errno\":\"EINVAL\""
        );
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let [iovs, len] = guest.iovec(0, 0x400, 12);
        assert_eq!(
            json("fd_write", &[fd, iovs, len, 0x3fc]),
            "{\"name\":\"fd_write\",\"params\":{\"fd\":4,\"iovs\":[{\"buf\":1024,\"buf_len\":12}],\"iovs_len\":1,\
             \"nwritten\":1020},\"result\":{\"nwritten\":12},\"errno\":null"
        );
        assert_eq!(
            json("fd_seek", &[fd, (-2_i64).cast_unsigned(), 2, 8]),
            "{\"name\":\"fd_seek\",\"params\":{\"fd\":4,\"offset\":-2,\"whence\":\"END\",\"newoffset\":8},\
             \"result\":{\"newoffset\":10},\"errno\":null"
        );
        assert_eq!(
            json("proc_exit", &[7]),
            "{\"name\":\"proc_exit\",\"params\":{\"rval\":7},\"result\":{},\"errno\":null"
        );
    }

    #[test]
    fn a_guest_can_not_write_lines_of_its_own() {
        let hostile = "x\"} \u{7f}\u{85}\u{1b}[2J\u{202e}\n{\"name\":\"forged\"}\r\n";
        for form in [Form::Text, Form::Json] {
            let traced = traced(form, Selection::default());
            let [path, len] = traced.0.path(0, hostile);
            let one = line(&traced, "path_unlink_file", &[DIR, path, len]);
            assert_eq!(one.matches('\n').count(), 1, "{one}");
            assert!(!one.trim_end_matches('\n').chars().any(char::is_control), "{one:?}");
            traced.0.memory.put(0, b"a\xff\xfeb");
            let one = line(&traced, "path_unlink_file", &[DIR, 0, 4]);
            let shown = if form == Form::Text { r#""a\xff\xfeb""# } else { "\"a\u{fffd}\u{fffd}b\"" };
            assert!(one.contains(shown), "{one}");
            traced.0.memory.put(0, &[1; 4096]);
            let one = line(&traced, "path_unlink_file", &[DIR, 0, 4096]);
            assert!(one.len() < 6 * 4096 + 300, "{}", one.len());
        }
    }

    #[test]
    fn calls_are_chosen_by_name_and_failure() {
        let of = |patterns: &[&str], errors| {
            let calls = patterns.iter().fold(0, |calls, pattern| calls | matching(pattern));
            traced(Form::Text, Selection { calls, errors })
        };
        let some = of(&["fd_w*", "path_unlink_file"], false);
        assert_ne!(line(&some, "fd_write", &[1, 0, 0, 8]), "");
        assert_ne!(line(&some, "path_unlink_file", &[DIR, 0, 0]), "");
        assert_eq!(line(&some, "fd_read", &[0, 0, 0, 8]), "");
        let failing = of(&["*"], true);
        assert_eq!(line(&failing, "fd_write", &[1, 0, 0, 8]), "");
        assert_eq!(line(&failing, "fd_write", &[9, 0, 0, 8]).lines().count(), 1);
        assert_eq!(line(&failing, "proc_exit", &[1]), "");
    }

    #[test]
    fn calls_are_counted_by_name() {
        let tally = Arc::<Tally>::default();
        let guest = Guest::new().watched(None, Some(Arc::clone(&tally)));
        let write = |fd| {
            let mut args = Args::default();
            args[0] = fd;
            let call = Watched::begin(&guest.ctx, &guest.memory.view(), number_of("fd_write"), &args).unwrap();
            let flow = guest.flow("fd_write", &args[..4]);
            call.end(&guest.ctx, &guest.memory.view(), flow);
        };
        [1, 1, 99].into_iter().for_each(write);
        let counted = tally.counted(number_of("fd_write")).unwrap();
        assert_eq!((counted.calls, counted.errors), (3, 1));
        assert!(counted.nanoseconds > 0);
        assert_eq!(names().filter(|name| tally.counted(number_of(name)).is_some()).count(), 1);
    }

    #[test]
    fn a_function_can_have_the_guest_end() {
        let trace =
            Trace { to: Sink::Function(Box::new(|_| false)), form: Form::Text, selection: Selection::default() };
        let guest = Guest::new().watched(Some(trace), None);
        assert!(!guest.ctx.is_to_end());
        make_calls(&guest, 1);
        assert!(guest.ctx.is_to_end());
    }
}

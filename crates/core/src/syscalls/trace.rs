//! System calls as lines for people, in the manner of `strace`.
//!
//! The list says what is decoded. Guest memory is only read, and checked as for any call: what does not lie
//! in it is shown as its address. A line is bounded by the longest path, however large the numbers are that
//! the guest hands over.

use super::transfer::Transfer;
use super::{Flow, Parameter, SYSCALLS, Syscall};
use crate::abi::errno::Errno;
use crate::abi::flags::{
    Advice, Clockid, Fdflags, Fstflags, Lookupflags, Oflags, Riflags, Rights, Sdflags, Siflags, Whence,
};
use crate::abi::records::Iovec;
use crate::abi::{Abi, Args, Param, Ptr};
use crate::ctx::Ctx;
use crate::memory::{Buffers, Call, Memory, PathBytes, Position};
use bitflags::Flags;
use std::fmt::{Debug, Write as _};

/// The most iovecs that are shown.
const IOVECS: u32 = 8;

/// Pointers to numbers that are arrays, rather than the place of one result.
const ARRAYS: [&str; 2] = ["argv", "environ"];

/// The line of a call that has begun.
#[derive(Debug)]
pub struct Line {
    row: &'static Syscall,
    args: Args,
    text: String,
}

impl Line {
    /// The call of this number in the list, with its parameters as they are now; none if the guest is not
    /// traced.
    #[inline]
    pub fn begin(ctx: &Ctx, memory: &Memory<'_>, index: usize, args: &Args) -> Option<Self> {
        if ctx.is_traced() { Self::new(ctx, memory, index, args) } else { None }
    }

    #[cold]
    fn new(ctx: &Ctx, memory: &Memory<'_>, index: usize, args: &Args) -> Option<Self> {
        let row = SYSCALLS.get(index)?;
        let mut text = format!("{}(", row.name);
        let mut cells = row.params.iter().zip(args).peekable();
        while let Some((param, &raw)) = cells.next() {
            let _ = write!(text, "{}: ", param.name);
            let count = cells.peek().map_or(0, |(_, len)| low(**len));
            match extent(row, param, memory, raw, count) {
                Some(shown) => {
                    text.push_str(&shown);
                    cells.next();
                }
                None => text.push_str(&single(param, raw, ctx.abi())),
            }
            if cells.peek().is_some() {
                text.push_str(", ");
            }
        }
        text.push(')');
        Some(Self { row, args: *args, text })
    }

    /// The whole line, with what came of the call.
    fn finish(mut self, memory: &Memory<'_>, flow: Flow) -> String {
        match flow {
            Flow::Exit(_) => {}
            Flow::Answer(Errno::Success) => {
                self.text.push_str(" = 0");
                for (param, &raw) in self.row.params.iter().zip(&self.args) {
                    if let Some(number) = result(param, memory, raw) {
                        let _ = write!(self.text, ", {} {number}", param.name);
                    }
                }
            }
            Flow::Answer(errno) => {
                let _ = write!(self.text, " = {}", errno.name());
            }
        }
        self.text.push('\n');
        self.text
    }

    /// Writes the line to where the guest is traced, at once. A reader that is slow is waited for as long as
    /// the guest may wait; that the line can't be written at all is nothing to the guest.
    pub fn end(self, ctx: &Ctx, memory: &Memory<'_>, flow: Flow) {
        write(ctx, self.finish(memory, flow));
    }
}

/// Shows a call that is not in the list, with what came of it.
pub(super) fn show(ctx: &Ctx, call: impl FnOnce() -> String, result: Result<String, Errno>) {
    if ctx.is_traced() {
        let came = result.unwrap_or_else(|errno| errno.name().to_owned());
        write(ctx, format!("{} = {came}\n", call()));
    }
}

fn write(ctx: &Ctx, line: String) {
    let Some(file) = ctx.trace() else { return };
    let mut line = line.into_bytes();
    let mut buffers = Buffers::from(line.as_mut_slice());
    let _ = Transfer::on(file, ctx.interrupt()).run(Call::Write(Position::Current), &mut buffers);
}

/// The low half of a raw parameter: an `i32`.
const fn low(raw: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "an i32 parameter was zero-extended, or its high half is noise")]
    let low = raw as u32;
    low
}

/// A path or iovecs, whose length the next parameter tells; none if it is neither, or not inside the memory.
fn extent(row: &Syscall, param: &Parameter, memory: &Memory<'_>, raw: u64, count: u32) -> Option<String> {
    match param.pointee {
        "u8" if row.home == "path" && param.name.ends_with("path") => {
            let mut bytes = PathBytes::default();
            memory.path(Ptr::new(low(raw)), count, &mut bytes).ok().map(|path| quoted(path.to_bytes()))
        }
        "Iovec" => iovecs(memory, Ptr::new(low(raw)), count),
        _ => None,
    }
}

/// Bytes as text, with escapes for what is none or is not seen.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().escape_debug());
        let _ = write!(text, "{}", chunk.invalid().escape_ascii());
    }
    text.push('"');
    text
}

fn iovecs(memory: &Memory<'_>, array: Ptr<Iovec>, count: u32) -> Option<String> {
    let shown = (0..count.min(IOVECS)).map(|index| {
        let Iovec { buf, buf_len } = memory.read(memory.element(array, index).ok()?).ok()?;
        Some(format!("({buf:#x}, {buf_len})"))
    });
    let mut shown: Vec<_> = shown.collect::<Option<_>>()?;
    if count > IOVECS {
        shown.push(format!("... of {count}"));
    }
    Some(format!("[{}]", shown.join(", ")))
}

/// A parameter that stands for itself.
fn single(param: &Parameter, raw: u64, abi: Abi) -> String {
    match param.type_name {
        "pointer" => format!("{:#x}", low(raw)),
        "u64" => raw.to_string(),
        "s64" => raw.cast_signed().to_string(),
        "whence" => named::<Whence>(raw, abi),
        "clockid" => named::<Clockid>(raw, abi),
        "advice" => named::<Advice>(raw, abi),
        "rights" => flags::<Rights>(raw),
        "fdflags" => flags::<Fdflags>(low(raw).into()),
        "fstflags" => flags::<Fstflags>(low(raw).into()),
        "lookupflags" => flags::<Lookupflags>(low(raw).into()),
        "oflags" => flags::<Oflags>(low(raw).into()),
        "riflags" => flags::<Riflags>(low(raw).into()),
        "sdflags" => flags::<Sdflags>(low(raw).into()),
        "siflags" => flags::<Siflags>(low(raw).into()),
        _ => low(raw).to_string(),
    }
}

/// The name that a number has in the standard, or the number.
fn named<T: Param + Debug>(raw: u64, abi: Abi) -> String {
    T::lift(raw, abi).map_or_else(|_| low(raw).to_string(), |value| name_of(&value))
}

/// The name of a value as the standard writes it: `MONOTONIC`, `KEEP_ALIVE`.
pub(super) fn name_of(value: &impl Debug) -> String {
    let mut name = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The names of flags; what has no name, as a number.
pub(super) fn flags<F: Flags<Bits: Into<u64>>>(raw: u64) -> String {
    let known = F::FLAGS.iter().filter(|flag| {
        let bits: u64 = flag.value().bits().into();
        bits != 0 && raw & bits == bits
    });
    let all: u64 = F::all().bits().into();
    if raw & all == all && F::FLAGS.len() > 8 {
        return "ALL".to_owned();
    }
    let mut names: Vec<_> = known.map(|flag| flag.name().to_owned()).collect();
    if raw & !all != 0 || raw == 0 {
        names.push(if raw == 0 { "0".to_owned() } else { format!("{:#x}", raw & !all) });
    }
    names.join("|")
}

/// The number that the call has left where a parameter points to.
fn result(param: &Parameter, memory: &Memory<'_>, raw: u64) -> Option<u64> {
    let at = low(raw);
    match param.pointee {
        _ if ARRAYS.contains(&param.name) => None,
        "u16" => memory.read(Ptr::<u16>::new(at)).ok().map(u64::from),
        "u32" => memory.read(Ptr::<u32>::new(at)).ok().map(u64::from),
        "u64" => memory.read(Ptr::<u64>::new(at)).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, DIR, Guest};
    use super::*;

    /// The line of a call that is made.
    fn line(guest: &Guest, name: &str, params: &[u64]) -> String {
        let index = SYSCALLS.iter().position(|row| row.name == name).expect(name);
        let mut args = Args::default();
        args[..params.len()].copy_from_slice(params);
        let line = Line::begin(&guest.ctx, &guest.memory.view(), index, &args).unwrap();
        let flow = guest.flow(name, params);
        line.finish(&guest.memory.view(), flow)
    }

    #[test]
    fn a_line_shows_parameters_and_results() {
        let guest = Guest::traced();
        let [path, len] = guest.path(0, "a/\"\n\u{17e}");
        let opened = line(&guest, "path_open", &[DIR, 1, path, len, 1 | 8, ALL, 2, 0, 64]);
        let path = r#"path_open(fd: 3, dirflags: SYMLINK_FOLLOW, path: "a/\"\nž", oflags: CREAT|TRUNC, "#;
        let rights = "fs_rights_base: ALL, fs_rights_inheriting: FD_READ, fdflags: 0, opened_fd: 0x40) = ENOENT\n";
        assert_eq!(opened, format!("{path}{rights}"));
        let fd = guest.open("file", 1, ALL, 0).unwrap();
        let [iovs, len] = guest.iovec(0, 0x400, 12);
        let wrote = line(&guest, "fd_write", &[fd, iovs, len, 0x3fc]);
        assert_eq!(wrote, "fd_write(fd: 4, iovs: [(0x400, 12)], nwritten: 0x3fc) = 0, nwritten 12\n");
        let sought = line(&guest, "fd_seek", &[fd, (-2_i64).cast_unsigned(), 2, 8]);
        assert_eq!(sought, "fd_seek(fd: 4, offset: -2, whence: END, newoffset: 0x8) = 0, newoffset 10\n");
        let clock = line(&guest, "clock_res_get", &[2, 8]);
        assert!(
            clock.starts_with("clock_res_get(id: PROCESS_CPUTIME_ID, resolution: 0x8) = 0, resolution "),
            "{clock}"
        );
        assert_eq!(
            line(&guest, "args_sizes_get", &[8, 12]),
            "args_sizes_get(argc: 0x8, argv_buf_size: 0xc) = 0, argc 3, argv_buf_size 16\n"
        );
        assert_eq!(
            line(&guest, "fd_prestat_dir_name", &[DIR, 8, 4]),
            "fd_prestat_dir_name(fd: 3, path: 0x8, path_len: 4) = 0\n"
        );
        assert_eq!(line(&guest, "proc_exit", &[7]), "proc_exit(rval: 7)\n");
    }

    #[test]
    fn values_without_a_meaning_are_shown_as_numbers() {
        let guest = Guest::traced();
        let far = u64::from(u32::MAX);
        let made = line(&guest, "path_create_directory", &[DIR, far, 5]);
        assert_eq!(made, "path_create_directory(fd: 3, path: 0xffffffff, path_len: 5) = EFAULT\n");
        let wrote = line(&guest, "fd_write", &[1, far, 1, far]);
        assert_eq!(wrote, "fd_write(fd: 1, iovs: 0xffffffff, iovs_len: 1, nwritten: 0xffffffff) = EFAULT\n");
        assert_eq!(
            line(&guest, "fd_seek", &[1, 0, 9, 0]),
            "fd_seek(fd: 1, offset: 0, whence: 9, newoffset: 0x0) = EINVAL\n"
        );
        let flags = line(&guest, "fd_fdstat_set_flags", &[1, 0x1_0001]);
        assert_eq!(flags, "fd_fdstat_set_flags(fd: 1, flags: APPEND|0x10000) = EINVAL\n");
    }

    #[test]
    fn a_line_stays_short_for_any_parameters() {
        let guest = Guest::traced();
        for (name, params) in [
            ("fd_write", vec![1, 0, u64::from(u32::MAX), 8]),
            ("fd_read", vec![0, 0, u64::from(u32::MAX), 8]),
            ("path_unlink_file", vec![DIR, 0, u64::from(u32::MAX)]),
            ("path_unlink_file", vec![DIR, 0, 60_000]),
        ] {
            let line = line(&guest, name, &params);
            assert!(line.len() < 300, "{line}");
        }
        for row in &SYSCALLS {
            if !["poll_oneoff", "sched_yield"].contains(&row.name) {
                let line = line(&guest, row.name, &vec![u64::MAX; row.params.len()]);
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
            let line = Line::begin(&guest.ctx, &guest.memory.view(), 0, &Args::default()).unwrap();
            len += line.text.len() + " = 0, ".len() - 1;
            line.end(&guest.ctx, &guest.memory.view(), Flow::Answer(Errno::Success));
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
    fn a_guest_that_is_not_traced_has_no_line() {
        let guest = Guest::new();
        assert!(Line::begin(&guest.ctx, &guest.memory.view(), 0, &Args::default()).is_none());
    }
}

//! Sequences of system calls that no program would make, and the tree they are made in.

use super::{Numbers, PAGE, SharedMemory, guest, snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use wasi_rs_core::abi::records::{Record, SubscriptionFd};
use wasi_rs_core::abi::{Abi, Args, Errno, Fd, Ptr, ValType};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::host::stream::{Input, Output, Stream};
use wasi_rs_core::syscalls::{ENTRIES, Flow, SYSCALLS, Syscall};

/// Calls in a sequence.
const CALLS: usize = 200;
/// The most bytes of an output in memory.
pub const CAPTURED: usize = 2000;
/// The contents of the files outside, which no guest may ever see.
const SECRET: &[u8] = b"the secret of the outside, 0123456789";

const COMPONENTS: &[&str] = &[
    "..", ".", "", "a", "b", "dir", "sub", "file", "out", "up", "abs", "self", "loop", "deep", "hard", "secret",
    "outside", "box", "box2", "other", "é🐎", "x y", "\u{7f}",
];

pub fn plant(root: &Path) {
    fs::create_dir_all(root.join("box/dir/sub/deep")).unwrap();
    fs::create_dir(root.join("box2")).unwrap();
    fs::create_dir_all(root.join("outside/dir")).unwrap();
    fs::write(root.join("outside/secret"), SECRET).unwrap();
    fs::write(root.join("outside/dir/secret"), SECRET).unwrap();
    fs::write(root.join("secret"), SECRET).unwrap();
    fs::write(root.join("box/file"), "a file").unwrap();
    fs::write(root.join("box/dir/file"), "another").unwrap();
    // Making links takes a privilege on Windows.
    #[cfg(unix)]
    plant_links(root);
}

#[cfg(unix)]
fn plant_links(root: &Path) {
    use std::os::unix::fs::symlink;
    for (target, link) in [
        ("../outside", "box/out"),
        ("..", "box/up"),
        ("../../outside/secret", "box/dir/out"),
        (".", "box/self"),
        ("loop", "box/loop"),
        ("../box2", "box/other"),
        ("dir/sub/deep", "box/deep"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    symlink(root.join("outside"), root.join("box/abs")).unwrap();
    symlink(root.join("secret"), root.join("box2/abs")).unwrap();
}

/// The entries beside the guest's directories.
pub fn outside(root: &Path) -> Vec<BTreeMap<String, String>> {
    let top =
        fs::read_dir(root).unwrap().map(|entry| (entry.unwrap().file_name().into_string().unwrap(), String::new()));
    vec![
        snapshot(&root.join("outside")),
        top.collect(),
        BTreeMap::from([("secret".to_owned(), String::from_utf8(fs::read(root.join("secret")).unwrap()).unwrap())]),
    ]
}

/// Makes up calls.
struct Generator {
    numbers: Numbers,
    /// The length of the guest's memory.
    end: u64,
    /// The host's path of the outside: an absolute path that must lead nowhere.
    outside: String,
}

impl Generator {
    /// An address: mostly of a fixed few, so that calls meet each other's results; now and then at or past
    /// the end.
    fn address(&mut self) -> u64 {
        match self.numbers.below(20) {
            0 => self.end.saturating_sub(self.numbers.below(64)),
            1 => self.end + self.numbers.below(64),
            2 => u64::from(u32::MAX) - self.numbers.below(64),
            3 => self.numbers.below(self.end.max(1)),
            _ => 8 * self.numbers.below(512),
        }
    }

    fn number(&mut self) -> u64 {
        match self.numbers.below(12) {
            0 => u64::MAX - self.numbers.below(3),
            1 => (1 << self.numbers.below(64)) - self.numbers.below(2),
            2 => self.numbers.next(),
            _ => self.numbers.below(300),
        }
    }

    fn path(&mut self) -> String {
        let count = 1 + self.numbers.below(3) * self.numbers.below(3);
        let mut path: Vec<_> = (0..count).map(|_| *self.numbers.pick(COMPONENTS)).collect();
        if self.numbers.one_in(6) {
            let absolute = ["", "/box", &self.outside];
            path.insert(0, absolute[usize::try_from(self.numbers.below(3)).unwrap()]);
        }
        if self.numbers.one_in(6) {
            path.push("");
        }
        let mut path = path.join("/");
        if self.numbers.one_in(50) {
            path.push('\0');
        }
        if self.numbers.one_in(200) {
            path = path.repeat(800);
        }
        path
    }

    /// Puts something into the memory that the parameter may then point at; its address.
    fn pointee(&mut self, memory: &SharedMemory, name: &str, len: &mut Option<u64>) -> u64 {
        let at = self.address();
        let bytes = if name.contains("path") && !self.numbers.one_in(10) {
            let path = self.path().into_bytes();
            *len = Some(path.len() as u64);
            path
        } else if name == "iovs" || name.ends_with("_data") {
            let count = self.numbers.below(4);
            *len = Some(count);
            (0..count)
                .flat_map(|_| [self.address(), self.numbers.below(128)])
                .flat_map(|word| word.to_le_bytes()[..4].to_vec())
                .collect()
        } else {
            return at;
        };
        let _ = memory.view().copy_in(Ptr::new(u32::try_from(at).unwrap_or(u32::MAX)), &bytes);
        at
    }

    /// A descriptor: mostly one that is open, and seldom one of the directories where it would be closed.
    fn fd(&mut self, ctx: &Ctx, syscall: &str) -> u64 {
        let closes = syscall == "fd_close" || syscall == "fd_renumber" || syscall == "fd_fdstat_set_rights";
        if syscall.starts_with("path") && !self.numbers.one_in(4) {
            return 3 + self.numbers.below(2);
        }
        for _ in 0..8 {
            let fd = self.numbers.below(16);
            let spared = closes && fd < 5 && !self.numbers.one_in(50);
            if !spared && ctx.descriptors.get(Fd(u32::try_from(fd).unwrap())).is_ok() {
                return fd;
            }
        }
        self.number()
    }

    fn call(&mut self, ctx: &Ctx, memory: &SharedMemory, row: &Syscall) -> Args {
        let mut args = Args::default();
        let mut len = None;
        for (arg, param) in args.iter_mut().zip(row.params) {
            *arg = match (param.type_name, param.name) {
                ("fd", _) => self.fd(ctx, row.name),
                ("pointer", name) => self.pointee(memory, name, &mut len),
                ("u32", name) if name.ends_with("len") && !self.numbers.one_in(20) => {
                    len.take().unwrap_or_else(|| self.numbers.below(256))
                }
                ("rights", _) if !self.numbers.one_in(8) => u64::MAX,
                ("u32" | "u64" | "s64" | "rights", _) => self.number(),
                _ if self.numbers.one_in(20) => self.number(),
                ("siflags", _) => 0,
                ("lookupflags", _) => self.numbers.below(2),
                ("whence", _) => self.numbers.below(3),
                ("fdflags" | "oflags" | "fstflags", _) => self.numbers.below(16) & self.numbers.next(),
                _ => self.numbers.below(4),
            };
            if param.wasm == ValType::I32 {
                *arg &= 0xffff_ffff;
            }
        }
        if row.name == "poll_oneoff" {
            self.bound_wait(memory, &args);
        }
        args
    }

    /// A wait must end: its first subscription is to a descriptor that can't be open.
    fn bound_wait(&mut self, memory: &SharedMemory, args: &Args) {
        let first = SubscriptionFd { userdata: 1, tag: 1, file_descriptor: u32::MAX };
        let _ = memory.view().copy_in(Ptr::new(u32::try_from(args[0]).unwrap()), &first.encode());
    }
}

#[derive(Default)]
pub struct Counts {
    pub sequences: u64,
    pub calls: u64,
    pub succeeded: u64,
    pub errnos: BTreeMap<&'static str, u64>,
}

/// Makes a sequence of calls, as long as there are numbers; with `waits` also those that wait.
pub fn sequence(numbers: Numbers, root: &Path, waits: bool, ctx: &Ctx, memory: &SharedMemory, counts: &mut Counts) {
    let name = numbers.to_string();
    let mut generator =
        Generator { numbers, end: memory.view().len(), outside: root.join("outside").to_str().unwrap().to_owned() };
    for _ in 0..CALLS {
        if generator.numbers.is_empty() {
            break;
        }
        let number = usize::try_from(generator.numbers.below(SYSCALLS.len() as u64)).unwrap();
        let row = &SYSCALLS[number];
        if row.name == "poll_oneoff" && !waits {
            continue;
        }
        let args = generator.call(ctx, memory, row);
        match ENTRIES[number](ctx, &memory.view(), &args) {
            Flow::Answer(Errno::Nosys) => panic!("{name}: {} answers ENOSYS", row.name),
            Flow::Answer(Errno::Success) => counts.succeeded += 1,
            Flow::Answer(errno) => *counts.errnos.entry(errno.name()).or_default() += 1,
            Flow::Exit(_) => assert_eq!(row.name, "proc_exit"),
        }
        counts.calls += 1;
        // The whole memory is much to look through after every call.
        if counts.calls.is_multiple_of(40) {
            let leaked = memory.all().windows(SECRET.len()).any(|window| window == SECRET);
            assert!(!leaked, "{name}: what is outside has been read");
        }
    }
    counts.sequences += 1;
}

/// A guest with two directories below `root` and streams in memory; its last stream takes what it writes.
pub fn guest_in(root: &Path, abi: Abi) -> (Ctx, Arc<Output>) {
    let boxes = [root.join("box"), root.join("box2")];
    let ctx = guest(abi, &[("/box", &boxes[0]), ("other", &boxes[1])]);
    let output = Arc::new(Output::new(CAPTURED));
    for stream in [
        Stream::Input(Arc::new(Input::new(vec![b'i'; 1000]))),
        Stream::Input(Arc::new(Input::on_demand())),
        Stream::Output(Arc::clone(&output)),
    ] {
        ctx.push_stream(stream).unwrap();
    }
    (ctx, output)
}

/// The sequence that these bytes say: the first what guest makes it, the others which calls.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    let before = outside(root.path());
    let abi = if first & 1 == 0 { Abi::Preview1 } else { Abi::Unstable };
    let (ctx, output) = guest_in(root.path(), abi);
    let memory = SharedMemory::new(if first & 2 == 0 { PAGE } else { usize::from(*first) });
    sequence(Numbers::given(rest), root.path(), true, &ctx, &memory, &mut Counts::default());
    assert_eq!(outside(root.path()), before, "something outside has changed");
    assert!(output.take().len() <= CAPTURED, "more is held than may be");
}

/// No file of this process grows beyond the limit: a call that would make it is EFBIG, and no signal.
/// (Nothing here must fill the disk.)
#[cfg(unix)]
#[allow(unsafe_code, reason = "signal dispositions are the process's, and no safe crate sets this one")]
pub fn limit_file_size() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Fsize, Rlimit { current: Some(1 << 20), maximum: None }).unwrap();
    // SAFETY: SIG_IGN is a valid disposition of SIGXFSZ.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

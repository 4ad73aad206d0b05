//! The same calls on files in three guests, with a directory of the host, a directory in memory, and one in
//! memory above another of the host: the answers are the same, and so are the trees afterwards.

use super::{Numbers, PAGE, SharedMemory, call, guest, snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use wasi_rs_core::abi::flags::Filetype;
use wasi_rs_core::abi::records::{Dirent, Filestat, Record};
use wasi_rs_core::abi::{Abi, Errno, Fd, Ptr};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::files::memory::{Item, New, Tree};
use wasi_rs_core::files::object::Object;
use wasi_rs_core::host::dir::open_preopen_unsandboxed;

/// Calls in a sequence.
const CALLS: usize = 300;

const COMPONENTS: &[&str] = &["..", ".", "", "a", "b", "dir", "sub", "file", "up", "self", "loop", "deep", "é🐎"];

/// Addresses: of paths, of bytes, of results.
const PATHS: [u32; 2] = [0, 8192];
const IOVEC: u32 = 16_384;
const BYTES: u32 = 20_480;
const RESULT: u32 = 40_960;
/// The longest read, write and listing.
const MOST: u64 = 16_000;

/// One of the guests.
struct Twin {
    ctx: Ctx,
    memory: SharedMemory,
}

impl Twin {
    fn new(ctx: Ctx) -> Self {
        Self { ctx, memory: SharedMemory::new(PAGE) }
    }

    fn record<T: Record>(&self, at: u32) -> T {
        self.memory.view().read(Ptr::new(at)).unwrap()
    }

    /// The attributes that two file systems agree on. Of directories some count names, some not.
    fn stat(&self) -> String {
        let Filestat { filetype, nlink, size, .. } = self.record(RESULT);
        if filetype == 3 { "directory".to_owned() } else { format!("type {filetype}, {nlink} links, {size} bytes") }
    }

    fn times(&self) -> String {
        let Filestat { filetype, atim, mtim, .. } = self.record(RESULT);
        // Following a link is an access where a file system notes these.
        let atim = if filetype == Filetype::SymbolicLink.number() { 0 } else { atim };
        format!("{} {atim} {mtim}", self.stat())
    }

    fn bytes(&self) -> String {
        let count = self.memory.u32(RESULT);
        format!("{:?}", self.memory.get(BYTES, usize::try_from(count).unwrap()))
    }

    fn number(&self) -> String {
        self.record::<u64>(RESULT).to_string()
    }

    /// All names in a directory, with their types.
    fn list(&self, fd: u64) -> String {
        let mut names = BTreeMap::new();
        let mut cookie = 0;
        loop {
            let errno = call(&self.ctx, &self.memory, "fd_readdir", &[fd, BYTES.into(), 600, cookie, RESULT.into()]);
            if errno != Errno::Success {
                return format!("{names:?} {}", errno.name());
            }
            let used = self.memory.u32(RESULT);
            let mut at = 0;
            while used - at >= 24 {
                let Dirent { d_next, d_namlen, d_type, .. } = self.record(BYTES + at);
                if used - at - 24 < d_namlen {
                    break;
                }
                let name = String::from_utf8(self.memory.get(BYTES + at + 24, d_namlen as usize)).unwrap();
                assert!(names.insert(name, d_type).is_none(), "a name twice");
                cookie = d_next;
                at += 24 + d_namlen;
            }
            if used < 600 {
                return format!("{names:?}");
            }
        }
    }
}

/// The trees that both begin with.
fn plant(root: &Path, tree: &Arc<Tree>) {
    for dir in ["dir", "dir/sub", "dir/sub/deep"] {
        fs::create_dir(root.join(dir)).unwrap();
        tree.put(dir.as_bytes(), New::Dir, 1).unwrap();
    }
    let long = "long ".repeat(1000);
    for (file, text) in [("file", "a file"), ("dir/file", "another"), ("dir/sub/b", &long)] {
        fs::write(root.join(file), text).unwrap();
        tree.put(file.as_bytes(), New::File(text.as_bytes().into()), 1).unwrap();
    }
    #[cfg(unix)]
    for (target, link) in
        [("..", "up"), (".", "self"), ("loop", "loop"), ("dir/sub/deep", "deep"), ("../file", "dir/a")]
    {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        tree.put(link.as_bytes(), New::Link(target.into()), 1).unwrap();
    }
}

fn host_tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        let host = root.join(&path);
        let kind = fs::symlink_metadata(&host).unwrap().file_type();
        let what = if kind.is_dir() {
            for entry in fs::read_dir(&host).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                left.push(if path.is_empty() { name } else { format!("{path}/{name}") });
            }
            "directory".to_owned()
        } else if kind.is_symlink() {
            format!("link to {:?}", fs::read_link(&host).unwrap().to_str().unwrap().as_bytes())
        } else {
            format!("{:?}", fs::read(&host).unwrap())
        };
        if !path.is_empty() {
            found.insert(path, what);
        }
    }
    found
}

fn memory_tree(tree: &Arc<Tree>) -> BTreeMap<String, String> {
    let what = |item| match item {
        Item::Dir => "directory".to_owned(),
        Item::Link(target) => format!("link to {target:?}"),
        Item::File(bytes) => format!("{:?}", bytes.to_vec(u64::MAX).unwrap()),
    };
    tree.items().unwrap().into_iter().map(|(path, item)| (String::from_utf8(path).unwrap(), what(item))).collect()
}

/// Makes up calls on files.
struct Calls {
    numbers: Numbers,
    twins: [Twin; 3],
    overlay: Arc<Tree>,
}

impl Calls {
    fn path(&mut self, at: u32) -> [u64; 2] {
        let count = 1 + self.numbers.below(3) * self.numbers.below(3);
        let mut path: Vec<_> = (0..count).map(|_| *self.numbers.pick(COMPONENTS)).collect();
        if self.numbers.one_in(6) {
            path.push("");
        }
        let mut path = path.join("/");
        if self.numbers.one_in(100) {
            path = "n".repeat(250 + usize::try_from(self.numbers.below(10)).unwrap());
        }
        for twin in &self.twins {
            twin.memory.put(at, path.as_bytes());
        }
        [at.into(), path.len() as u64]
    }

    /// Mostly the directory that they begin with, now and then the same for reading only, or what they have
    /// opened.
    fn dir(&mut self) -> u64 {
        match self.numbers.below(8) {
            0 => self.fd(),
            1 => 4,
            _ => 3,
        }
    }

    fn fd(&mut self) -> u64 {
        for _ in 0..8 {
            let fd = 3 + self.numbers.below(12);
            if self.twins[0].ctx.descriptors.get(Fd(u32::try_from(fd).unwrap())).is_ok() {
                return fd;
            }
        }
        5
    }

    fn is_dir(&self, fd: u64) -> bool {
        let descriptor = self.twins[0].ctx.descriptors.get(Fd(u32::try_from(fd).unwrap()));
        descriptor.is_ok_and(|descriptor| descriptor.object.filetype() == Ok(Filetype::Directory))
    }

    fn offset(&mut self) -> u64 {
        match self.numbers.below(10) {
            0 => 65_436 * self.numbers.below(3) + self.numbers.below(200),
            1 => u64::MAX - self.numbers.below(3),
            _ => self.numbers.below(6000),
        }
    }

    /// A buffer of the memory, with bytes to write.
    fn iovec(&mut self) -> [u64; 2] {
        let len = if self.numbers.one_in(4) { self.numbers.below(MOST) } else { self.numbers.below(40) };
        let byte = u8::try_from(self.numbers.below(256)).unwrap();
        for twin in &self.twins {
            twin.memory.put(BYTES, &vec![byte; usize::try_from(len).unwrap()]);
            twin.memory.put(IOVEC, &[BYTES.to_le_bytes(), u32::try_from(len).unwrap().to_le_bytes()].concat());
        }
        [IOVEC.into(), 1]
    }

    /// True for a file of the host beneath the overlay, open for reading: it stays what it is when the
    /// overlay has changed, and its times can't be set.
    fn is_below(&self, name: &str, params: &[u64]) -> bool {
        let is_file = |fd: u64| {
            let descriptor = self.twins[2].ctx.descriptors.get(Fd(u32::try_from(fd).unwrap()));
            descriptor.is_ok_and(|descriptor| matches!(descriptor.object, Object::File(_)))
        };
        match name {
            "fd_filestat_set_times" | "fd_filestat_get" => is_file(params[0]),
            // A path that begins at a file is ENOTDIR, or from one file system to another.
            "path_rename" => is_file(params[0]) || is_file(params[3]),
            "path_link" => is_file(params[0]) || is_file(params[4]),
            _ => name.starts_with("fd_") && self.overlay.used() > 0 && is_file(params[0]),
        }
    }

    /// Makes a call in all guests, and compares the errnos, and what `look` sees where it succeeds.
    fn both(&self, name: &str, params: &[u64], look: impl Fn(&Twin) -> String) -> bool {
        let is_below = self.is_below(name, params);
        let [host, memory, overlay] = [0, 1, 2].map(|index| {
            let twin = &self.twins[index];
            match call(&twin.ctx, &twin.memory, name, params) {
                Errno::Success => look(twin),
                errno => errno.name().to_owned(),
            }
        });
        let path = |at: usize| {
            let [at, len] = [params[at], params[at + 1]].map(|number| usize::try_from(number).unwrap());
            String::from_utf8(self.twins[0].memory.get(u32::try_from(at).unwrap(), len)).unwrap()
        };
        let paths = match name {
            "path_open" | "path_filestat_get" | "path_filestat_set_times" => path(2),
            "path_create_directory" | "path_unlink_file" | "path_remove_directory" | "path_readlink" => path(1),
            "path_rename" => format!("{} -> {}", path(1), path(4)),
            "path_link" => format!("{} -> {}", path(2), path(5)),
            "path_symlink" => format!("{} at {}", path(0), path(3)),
            _ => String::new(),
        };
        assert_eq!(host, memory, "{}: {name} {params:?} {paths}: the host's and memory's", self.numbers);
        if !is_below {
            assert_eq!(host, overlay, "{}: {name} {params:?} {paths}: the host's and the overlay's", self.numbers);
        }
        !host.starts_with('E')
    }

    fn call(&mut self) -> bool {
        let nothing = |_: &Twin| String::new();
        let result = u64::from(RESULT);
        match self.numbers.below(27) {
            0..6 => {
                let [path, len] = self.path(PATHS[0]);
                let dir = self.dir();
                let oflags = if self.numbers.one_in(3) { self.numbers.below(16) } else { self.numbers.below(2) };
                let fdflags = if self.numbers.one_in(5) { self.numbers.below(2) } else { 0 };
                let rights = *self.numbers.pick(&[u64::MAX, 2, 64, 2 + 64, 0]);
                let follow = self.numbers.below(2);
                let params = [dir, follow, path, len, oflags, rights, u64::MAX, fdflags, result];
                self.both("path_open", &params, |twin| twin.memory.u32(RESULT).to_string())
            }
            6 => {
                let [path, len] = self.path(PATHS[0]);
                let dir = self.dir();
                self.both("path_create_directory", &[dir, path, len], nothing)
            }
            7 => {
                let [path, len] = self.path(PATHS[0]);
                let dir = self.dir();
                self.both("path_remove_directory", &[dir, path, len], nothing)
            }
            8 => {
                let [path, len] = self.path(PATHS[0]);
                let dir = self.dir();
                self.both("path_unlink_file", &[dir, path, len], nothing)
            }
            9 | 10 => {
                let ([path, len], [other, other_len]) = (self.path(PATHS[0]), self.path(PATHS[1]));
                let (dir, to) = (self.dir(), self.dir());
                self.both("path_rename", &[dir, path, len, to, other, other_len], nothing)
            }
            11 => {
                let ([path, len], [other, other_len]) = (self.path(PATHS[0]), self.path(PATHS[1]));
                let (dir, to, follow) = (self.dir(), self.dir(), self.numbers.below(2));
                self.both("path_link", &[dir, follow, path, len, to, other, other_len], nothing)
            }
            12 => {
                let ([path, len], [other, other_len]) = (self.path(PATHS[0]), self.path(PATHS[1]));
                let dir = self.dir();
                self.both("path_symlink", &[path, len, dir, other, other_len], nothing)
            }
            13 => {
                let [path, len] = self.path(PATHS[0]);
                let (dir, room) = (self.dir(), *self.numbers.pick(&[0, 3, 1000]));
                self.both("path_readlink", &[dir, path, len, BYTES.into(), room, result], Twin::bytes)
            }
            14 => {
                let [path, len] = self.path(PATHS[0]);
                let (dir, follow) = (self.dir(), self.numbers.below(2));
                self.both("path_filestat_get", &[dir, follow, path, len, result], Twin::stat)
            }
            15 => {
                let [path, len] = self.path(PATHS[0]);
                let (dir, follow, time) = (self.dir(), self.numbers.below(2), 1000 * self.numbers.below(99));
                let done = self.both("path_filestat_set_times", &[dir, follow, path, len, time, 2 * time, 5], nothing);
                done && self.both("path_filestat_get", &[dir, follow, path, len, result], Twin::times)
            }
            16 => {
                let (fd, [iovs, count]) = (self.fd(), self.iovec());
                // A directory that has been listed has an offset with which ext4 answers EINVAL.
                if self.is_dir(fd) {
                    return false;
                }
                self.both("fd_read", &[fd, iovs, count, result], Twin::bytes)
            }
            17 => {
                let (fd, [iovs, count], offset) = (self.fd(), self.iovec(), self.offset());
                self.both("fd_pread", &[fd, iovs, count, offset, result], Twin::bytes)
            }
            18 => {
                let (fd, [iovs, count]) = (self.fd(), self.iovec());
                self.both("fd_write", &[fd, iovs, count, result], Twin::bytes)
            }
            19 => {
                let (fd, [iovs, count], offset) = (self.fd(), self.iovec(), self.offset());
                // An offset means nothing to some systems, for a file with APPEND.
                let appends = self.twins[0].ctx.descriptors.get(Fd(u32::try_from(fd).unwrap()));
                if appends.is_ok_and(|descriptor| descriptor.flags().bits() & 1 == 1) {
                    return false;
                }
                self.both("fd_pwrite", &[fd, iovs, count, offset, result], Twin::bytes)
            }
            20 => {
                let (fd, offset, whence) = (self.fd(), self.offset(), self.numbers.below(3));
                self.both("fd_seek", &[fd, offset, whence, result], Twin::number)
                    && self.both("fd_tell", &[fd, result], Twin::number)
            }
            21 => {
                let fd = self.fd();
                self.both("fd_filestat_get", &[fd, result], Twin::stat)
                    && self.both("fd_fdstat_get", &[fd, result], |twin| format!("{:?}", twin.memory.get(RESULT, 24)))
            }
            22 => {
                let (fd, size) = (self.fd(), self.offset());
                self.both("fd_filestat_set_size", &[fd, size], nothing)
            }
            23 => {
                let (fd, time) = (self.fd(), 1000 * self.numbers.below(99));
                self.both("fd_filestat_set_times", &[fd, time, 3 * time, 5], nothing)
                    && self.both("fd_filestat_get", &[fd, result], Twin::times)
            }
            24 => {
                let (fd, offset, len) = (self.fd(), self.numbers.below(70_000), self.numbers.below(5000));
                match self.numbers.below(4) {
                    0 => self.both("fd_allocate", &[fd, offset, len], nothing),
                    1 => self.both("fd_advise", &[fd, offset, len, 1], nothing),
                    2 => self.both("fd_sync", &[fd], nothing) && self.both("fd_datasync", &[fd], nothing),
                    _ => self.both("fd_fdstat_set_flags", &[fd, offset & 1], nothing),
                }
            }
            25 => {
                let fd = self.fd();
                self.both("fd_readdir", &[fd, BYTES.into(), 0, 0, result], |twin| twin.list(fd))
            }
            _ => {
                let fd = self.fd();
                if fd < 5 { false } else { self.both("fd_close", &[fd], nothing) }
            }
        }
    }
}

/// Makes a sequence of calls, as long as there are numbers. How many were made, and how many succeeded.
pub fn sequence(numbers: Numbers) -> (u64, u64) {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::new(1 << 30, 1);
    plant(root.path(), &tree);
    let host = Twin::new(guest(Abi::Preview1, &[("/box", root.path())]));
    let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
    host.ctx.push_preopen("/same", dir, true).unwrap();
    let memory = Twin::new(guest(Abi::Preview1, &[]));
    memory.ctx.push_preopen("/box", tree.root().unwrap(), false).unwrap();
    memory.ctx.push_preopen("/same", tree.root().unwrap(), true).unwrap();
    let lower = tempfile::tempdir().unwrap();
    plant(lower.path(), &Tree::new(1 << 30, 1));
    let before = snapshot(lower.path());
    let dir = open_preopen_unsandboxed(lower.path().to_str().unwrap()).unwrap();
    let overlay = Tree::over(dir, &Tree::new(1 << 30, 1), 1).unwrap();
    let above = Twin::new(guest(Abi::Preview1, &[]));
    above.ctx.push_preopen("/box", overlay.root().unwrap(), false).unwrap();
    above.ctx.push_preopen("/same", overlay.root().unwrap(), true).unwrap();
    let mut calls = Calls { numbers, twins: [host, memory, above], overlay: Arc::clone(&overlay) };
    let (mut made, mut succeeded) = (0, 0);
    while made < CALLS as u64 && !calls.numbers.is_empty() {
        made += 1;
        succeeded += u64::from(calls.call());
    }
    assert_eq!(host_tree(root.path()), memory_tree(&tree), "{}: the host's tree and memory's", calls.numbers);
    assert_eq!(host_tree(root.path()), memory_tree(&overlay), "{}: the host's tree and the overlay's", calls.numbers);
    assert_eq!(snapshot(lower.path()), before, "{}: what is beneath the overlay has changed", calls.numbers);
    let name = calls.numbers.to_string();
    drop(calls);
    // With everything removed, nothing is left of the budget.
    for path in tree.items().unwrap().into_iter().map(|(path, _)| path).filter(|path| !path.contains(&b'/')) {
        tree.remove(&path, 2).unwrap();
    }
    assert_eq!(tree.used(), 0, "{name}: bytes are lost");
    (made, succeeded)
}

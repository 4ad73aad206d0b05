//! A guest driven from outside the crate: raw parameters in, what a guest would see out.

#![allow(dead_code, unsafe_code, reason = "each test uses its part; a guest's memory is raw bytes")]

pub mod sequences;
pub mod twins;

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::ptr::NonNull;
use wasi_rs_core::abi::{Abi, Args, Errno, Ptr};
use wasi_rs_core::ctx::{Ctx, Strings};
use wasi_rs_core::host::dir::open_preopen_unsandboxed;
use wasi_rs_core::host::file::{File, OwnedHandle};
use wasi_rs_core::memory::Memory;
use wasi_rs_core::syscalls::{ENTRIES, Flow, SYSCALLS};

/// A WebAssembly page.
pub const PAGE: usize = 65536;

/// A guest's memory, which other threads may write to.
pub struct SharedMemory {
    bytes: Vec<UnsafeCell<u8>>,
}

// SAFETY: nobody holds a reference to the bytes; all access is by address, as with a shared WebAssembly
// memory.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    pub fn new(len: usize) -> Self {
        Self { bytes: (0..len).map(|_| UnsafeCell::new(0)).collect() }
    }

    pub fn view(&self) -> Memory<'_> {
        let base = NonNull::new(self.bytes.as_ptr().cast_mut().cast()).unwrap();
        // SAFETY: the cells live as long as `self` and are written only by address.
        unsafe { Memory::new(base, self.bytes.len()) }
    }

    pub fn put(&self, at: u32, bytes: &[u8]) {
        self.view().copy_in(Ptr::new(at), bytes).unwrap();
    }

    pub fn get(&self, at: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.view().copy_out(Ptr::new(at), &mut bytes).unwrap();
        bytes
    }

    pub fn u32(&self, at: u32) -> u32 {
        self.view().read(Ptr::new(at)).unwrap()
    }

    pub fn all(&self) -> Vec<u8> {
        self.get(0, self.bytes.len())
    }
}

/// A guest with an ended stdin, stdout and stderr to nowhere, and these directories as 3, 4, ...
pub fn guest(abi: Abi, preopens: &[(&str, &Path)]) -> Ctx {
    let mut args = Strings::default();
    args.push("guest").unwrap();
    let mut env = Strings::default();
    env.push("NAME=value").unwrap();
    let ctx = Ctx::new(abi, args, env);
    let (stdin, _) = std::io::pipe().unwrap();
    let null = || fs::OpenOptions::new().write(true).open(if cfg!(windows) { "NUL" } else { "/dev/null" }).unwrap();
    for stream in [OwnedHandle::from(stdin), null().into(), null().into()] {
        ctx.push_stdio(File::from(stream), false).unwrap();
    }
    for (name, path) in preopens {
        ctx.push_preopen(name, open_preopen_unsandboxed(path.to_str().unwrap()).unwrap(), false).unwrap();
    }
    ctx
}

/// A guest whose only descriptor, 0, is this stream.
pub fn guest_on(stream: impl Into<OwnedHandle>) -> Ctx {
    let ctx = Ctx::new(Abi::Preview1, Strings::default(), Strings::default());
    ctx.push_stdio(File::from(stream.into()), false).unwrap();
    ctx
}

/// A system call by its name.
pub fn call(ctx: &Ctx, memory: &SharedMemory, name: &str, params: &[u64]) -> Errno {
    let index = SYSCALLS.iter().position(|row| row.name == name).unwrap();
    assert_eq!(SYSCALLS[index].params.len(), params.len(), "{name}");
    let mut args = Args::default();
    args[..params.len()].copy_from_slice(params);
    match ENTRIES[index](ctx, &memory.view(), &args) {
        Flow::Answer(errno) => errno,
        Flow::Exit(code) => panic!("{name} ended the guest with {code}"),
    }
}

/// Attributes that only reading leaves as they are.
fn attributes(stat: &fs::Metadata) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        format!("{:?} {:o} {} {}.{}", stat.modified(), stat.mode(), stat.ino(), stat.ctime(), stat.ctime_nsec())
    }
    #[cfg(not(unix))]
    format!("{:?} {:?}", stat.modified(), stat.file_type())
}

/// Everything below a directory: what each entry is, when it was changed, and what is in it. Links are not
/// followed.
pub fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let stat = fs::symlink_metadata(&folder).unwrap();
        entries.insert(folder.display().to_string(), attributes(&stat));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() {
                folders.push(path);
                continue;
            }
            let content = if stat.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            let what = format!("{} {content:?}", attributes(&stat));
            entries.insert(path.display().to_string(), what);
        }
    }
    entries
}

/// Numbers that are the same in every run: made from a seed (splitmix64), or given by a fuzzer.
pub enum Numbers {
    Seeded { seed: u64, state: u64 },
    Given(std::vec::IntoIter<u8>),
}

impl Numbers {
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded { seed, state: seed }
    }

    pub fn given(bytes: &[u8]) -> Self {
        Self::Given(Vec::from(bytes).into_iter())
    }

    /// True if there are no more; those of a seed never end.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Given(rest) if rest.as_slice().is_empty())
    }

    pub fn next(&mut self) -> u64 {
        match self {
            Self::Seeded { state, .. } => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            Self::Given(rest) => rest.take(8).fold(0, |number, byte| number << 8 | u64::from(byte)),
        }
    }

    /// A number below `bound`. Of what is given it takes as many bytes as the bound has.
    pub fn below(&mut self, bound: u64) -> u64 {
        match self {
            Self::Seeded { .. } => self.next() % bound,
            Self::Given(rest) => {
                let bytes = (bound.ilog2() / 8 + 1) as usize;
                rest.take(bytes).fold(0, |number, byte| number << 8 | u64::from(byte)) % bound
            }
        }
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seeded { seed, .. } => write!(f, "seed {seed}"),
            Self::Given(_) => write!(f, "what was given"),
        }
    }
}

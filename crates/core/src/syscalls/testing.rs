//! A guest for the tests of the syscalls: a masked memory, a context, a directory of the host.

use super::{ENTRIES, Flow, SYSCALLS};
use crate::abi::Abi;
use crate::abi::errno::Errno;
use crate::abi::flags::Rights;
use crate::abi::records::Record;
use crate::abi::{Args, Ptr};
use crate::ctx::{Ctx, Fixed, Strings};
use crate::host::dir::open_preopen_unsandboxed;
use crate::host::file::{File, OwnedHandle};
use crate::host::wait::Interrupt;
use crate::memory::guest::TestMemory;
use crate::network::Network;
use crate::watch::{Form, Selection, Sink, Tally, Trace, Watch};
use std::io::PipeReader;
use std::path::PathBuf;
use std::sync::Arc;

/// The number of the guest's directory, `/dir`.
pub const DIR: u64 = 3;

/// All rights, as programs ask for them.
pub const ALL: u64 = Rights::all().bits();

/// A time as the operating system keeps it: Windows counts in steps of 100 ns.
pub const fn kept(nanoseconds: u64) -> u64 {
    if cfg!(windows) { nanoseconds / 100 * 100 } else { nanoseconds }
}

/// A guest with stdin from an ended pipe, stdout into [`Guest::stdout`], and one directory.
pub struct Guest {
    pub ctx: Ctx,
    pub memory: TestMemory,
    pub stdout: PipeReader,
    root: tempfile::TempDir,
}

impl Guest {
    pub fn new() -> Self {
        Self::with(Abi::Preview1)
    }

    /// A guest whose directory is for reading only.
    pub fn reading_only() -> Self {
        Self::made(Abi::Preview1, true)
    }

    /// Has its calls traced to this file.
    pub fn traced_to(self, file: impl Into<OwnedHandle>) -> Self {
        let to = Sink::File(file.into().into());
        self.watched(Some(Trace { to, form: Form::Text, selection: Selection::default() }), None)
    }

    /// Has its calls watched.
    pub fn watched(self, trace: Option<Trace>, tally: Option<Arc<Tally>>) -> Self {
        Self { ctx: self.ctx.watching(Watch::of(trace, tally)), ..self }
    }

    /// Has its calls interrupted by this.
    pub fn waiting_with(self, interrupt: Box<dyn Interrupt>) -> Self {
        Self { ctx: self.ctx.waiting_with(interrupt), ..self }
    }

    /// Has parts of its surroundings fixed.
    pub fn fixing(self, fixed: Fixed) -> Self {
        Self { ctx: self.ctx.fixing(fixed), ..self }
    }

    /// Lets it use this network.
    pub fn networking(self, network: Network) -> Self {
        Self { ctx: self.ctx.networking(network), ..self }
    }

    /// Lets it have at most this many descriptors, of which it has none any more.
    pub fn limiting_open_files(self, limit: usize) -> Self {
        Self { ctx: self.ctx.limiting_open_files(limit), ..self }
    }

    pub fn with(abi: Abi) -> Self {
        Self::made(abi, false)
    }

    fn made(abi: Abi, read_only: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (mut args, mut env) = (Strings::default(), Strings::default());
        for arg in ["prog", "", "emoji🐎"] {
            args.push(arg).unwrap();
        }
        env.push("K=val").unwrap();
        let ctx = Ctx::new(abi, args, env);
        let (stdin, _) = std::io::pipe().unwrap();
        let (stdout, writer) = std::io::pipe().unwrap();
        let stderr = writer.try_clone().unwrap();
        for stream in [OwnedHandle::from(stdin), writer.into(), stderr.into()] {
            ctx.push_stdio(File::from(stream), false).unwrap();
        }
        let dir = open_preopen_unsandboxed(root.path().to_str().unwrap()).unwrap();
        ctx.push_preopen("/dir", dir, read_only).unwrap();
        Self { ctx, memory: TestMemory::new(64 * 1024), stdout, root }
    }

    /// The host's path of a file in the directory.
    pub fn host(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// The memory's length: the first address outside.
    pub fn end(&self) -> u64 {
        self.memory.view().len()
    }

    pub fn flow(&self, name: &str, params: &[u64]) -> Flow {
        let index = SYSCALLS.iter().position(|row| row.name == name).expect(name);
        assert_eq!(params.len(), SYSCALLS[index].params.len(), "{name} takes another number of parameters");
        let mut args = Args::default();
        args[..params.len()].copy_from_slice(params);
        ENTRIES[index](&self.ctx, &self.memory.view(), &args)
    }

    /// Makes a system call with raw parameters, as a guest does.
    pub fn call(&self, name: &str, params: &[u64]) -> Errno {
        match self.flow(name, params) {
            Flow::Answer(errno) => errno,
            Flow::Exit(code) => panic!("{name} ended the guest with {code}"),
        }
    }

    /// Puts a path at `offset`; the two parameters that name it.
    pub fn path(&self, offset: u32, path: &str) -> [u64; 2] {
        self.memory.put(offset, path.as_bytes());
        [u64::from(offset), path.len() as u64]
    }

    /// Puts one iovec at `offset`; the two parameters that name it.
    pub fn iovec(&self, offset: u32, buf: u32, len: u32) -> [u64; 2] {
        self.memory.put_iovecs(offset, &[(buf, len)]);
        [u64::from(offset), 1]
    }

    /// `path_open` in the directory, following links.
    pub fn open(&self, path: &str, oflags: u64, rights: u64, fdflags: u64) -> Result<u64, Errno> {
        let [at, len] = self.path(60_000, path);
        match self.call("path_open", &[DIR, 1, at, len, oflags, rights, ALL, fdflags, 59_996]) {
            Errno::Success => Ok(u64::from(self.u32(59_996))),
            errno => Err(errno),
        }
    }

    pub fn bytes(&self, offset: u32, len: usize) -> Vec<u8> {
        self.memory.get(offset, len)
    }

    pub fn record<T: Record>(&self, offset: u32) -> T {
        self.memory.view().read(Ptr::new(offset)).unwrap()
    }

    pub fn u32(&self, offset: u32) -> u32 {
        self.record(offset)
    }

    pub fn u64(&self, offset: u32) -> u64 {
        self.record(offset)
    }
}

//! The system calls that the interfaces make. Parameters and results are those of Rust; a buffer of the host
//! takes the place of the guest's memory.

use super::errors::Failed;
use super::scratch::{KEPT_BLOCK, Scratch, low};
use crate::direct::Block;
use crate::system::System;
use std::io::PipeWriter;
use wasi_rs_core::abi::flags::{
    Clockid, Eventtype, Fdflags, Fstflags, Lookupflags, Oflags, Rights, Sdflags, Subclockflags,
};
use wasi_rs_core::abi::records::{
    Dirent, Event, Fdstat, Filestat, Iovec, Prestat, Record, SubscriptionClock, SubscriptionFd,
};
use wasi_rs_core::abi::{Args, Errno, Ptr};
use wasi_rs_core::memory::{Memory, PATH_MAX};
use wasi_rs_core::syscalls::SYSCALLS;
use wasmtime::Error;

pub use super::errors::Made;

/// The bytes that a directory is listed into at once.
const LISTING: u32 = 8 << 10;

/// The bytes of a link's target.
const TARGET: u32 = PATH_MAX;

/// The system calls of a guest.
pub struct Calls<'a> {
    system: &'a mut dyn System,
    scratch: &'a mut Scratch,
}

/// The place of a file: a directory, and a path in it.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// The descriptor of the directory.
    pub fd: u32,
    /// The path.
    pub path: &'p str,
    /// True if a link at its end is followed.
    pub follows: bool,
}

impl Place<'_> {
    const fn flags(&self) -> u64 {
        let flags = if self.follows { Lookupflags::SYMLINK_FOLLOW } else { Lookupflags::empty() };
        flags.bits() as u64
    }
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// The place of the next entry.
    pub next: u64,
    /// Its type, as a number.
    pub filetype: u8,
    /// Its name.
    pub name: &'e [u8],
    /// The bytes that it takes in the list.
    pub size: usize,
}

impl<'e> Entry<'e> {
    /// The first entry of a list, whose last may be cut off.
    pub fn first_of(bytes: &'e [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk()?;
        let Dirent { d_next: next, d_namlen, d_type: filetype, .. } = Dirent::decode(head);
        let name = rest.get(..d_namlen as usize)?;
        Some(Self { next, filetype, name, size: head.len().saturating_add(name.len()) })
    }
}

/// A thing to wait for.
#[derive(Clone, Copy, Debug)]
pub enum Awaited {
    /// Input of a descriptor.
    Read(u32),
    /// Room for output of a descriptor.
    Write(u32),
    /// A time of the monotonic clock, in nanoseconds.
    Time(u64),
}

/// The number of a call in the list. (There is none without a number: the tests make each.)
fn number_of(name: &str) -> usize {
    SYSCALLS.iter().position(|row| row.name == name).unwrap_or(SYSCALLS.len())
}

/// The number of a call, which is looked up once.
macro_rules! number {
    ($name:ident) => {{
        static NUMBER: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| number_of(stringify!($name)));
        *NUMBER
    }};
}

/// Makes a call by its name, in the scratch memory.
macro_rules! call {
    ($calls:expr, $name:ident, $($arg:expr),*) => {{
        let args = [$(u64::from($arg)),*];
        $calls.make(number!($name), &args)
    }};
}

fn make(system: &mut dyn System, index: usize, bytes: &mut [u8], args: &[u64]) -> Made {
    let mut all = Args::default();
    for (arg, given) in all.iter_mut().zip(args) {
        *arg = *given;
    }
    match system.call(index, &Memory::of_bytes(bytes), &all)? {
        Errno::Success => Ok(()),
        errno => Err(errno.into()),
    }
}

/// Moves bytes between a descriptor and a block of `bytes`, by one of two calls: where the descriptor stands,
/// or at an offset. The result is their number.
fn transfer(
    system: &mut dyn System,
    [plain, at]: [usize; 2],
    fd: u32,
    bytes: &mut [u8],
    buf: u32,
    buf_len: u32,
    offset: Option<u64>,
) -> Made<u32> {
    let iovec = Iovec { buf, buf_len }.encode();
    let count = iovec.len() as u64;
    if let Some(head) = bytes.first_chunk_mut() {
        *head = iovec;
    }
    match offset {
        Some(offset) => make(system, at, bytes, &[fd.into(), 0, 1, offset, count])?,
        None => make(system, plain, bytes, &[fd.into(), 0, 1, count])?,
    }
    Ok(Memory::of_bytes(bytes).read(Ptr::new(low(count)))?)
}

impl<'a> Calls<'a> {
    /// The system calls of this guest.
    pub fn new(system: &'a mut dyn System, scratch: &'a mut Scratch) -> Self {
        scratch.clear();
        Self { system, scratch }
    }

    fn make(&mut self, index: usize, args: &[u64]) -> Made {
        make(self.system, index, self.scratch.of_call(), args)
    }

    /// Ends the guest. The result is the error that does it.
    pub fn exit(&mut self, code: u32) -> Error {
        match call!(self, proc_exit, code) {
            Err(Failed::Trap(error)) => error,
            _ => Error::msg("the guest has not ended by proc_exit"),
        }
    }

    /// Closes a descriptor. A failure has closed it as well.
    pub fn close(&mut self, fd: u32) -> wasmtime::Result<()> {
        match call!(self, fd_close, fd) {
            Err(Failed::Trap(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The strings of a list, of the arguments or of the environment.
    fn strings(
        &mut self,
        sizes: impl FnOnce(&mut Self, u64, u64) -> Made,
        get: impl FnOnce(&mut Self, u64, u64) -> Made,
    ) -> Made<Vec<String>> {
        let (count, len) = (self.scratch.room::<u32>(), self.scratch.room::<u32>());
        sizes(self, count, len)?;
        let (count, len) = (self.scratch.get::<u32>(count)?, self.scratch.get::<u32>(len)?);
        let addresses = count.checked_mul(4).ok_or(Errno::Nomem)?;
        let addresses = self.scratch.allot(addresses as usize);
        let strings = self.scratch.allot(len as usize);
        get(self, addresses, strings)?;
        let strings = self.scratch.bytes(strings, len).split(|byte| *byte == 0).take(count as usize);
        Ok(strings.map(|string| String::from_utf8_lossy(string).into_owned()).collect())
    }

    /// The arguments.
    pub fn args(&mut self) -> Made<Vec<String>> {
        self.strings(
            |calls, count, size| call!(calls, args_sizes_get, count, size),
            |calls, addresses, strings| call!(calls, args_get, addresses, strings),
        )
    }

    /// The environment.
    pub fn environment(&mut self) -> Made<Vec<String>> {
        self.strings(
            |calls, count, size| call!(calls, environ_sizes_get, count, size),
            |calls, addresses, strings| call!(calls, environ_get, addresses, strings),
        )
    }

    /// A time of a clock, in nanoseconds.
    pub fn time(&mut self, clock: Clockid) -> Made<u64> {
        let time = self.scratch.room::<u64>();
        call!(self, clock_time_get, clock.number(), 0u32, time)?;
        self.scratch.get(time)
    }

    /// The resolution of a clock, in nanoseconds.
    pub fn resolution(&mut self, clock: Clockid) -> Made<u64> {
        let resolution = self.scratch.room::<u64>();
        call!(self, clock_res_get, clock.number(), resolution)?;
        self.scratch.get(resolution)
    }

    /// Random bytes.
    pub fn random(&mut self, len: u32) -> Made<Block> {
        self.filled(len, |system, bytes| {
            make(system, number!(random_get), bytes, &[Block::START.into(), len.into()])?;
            Ok(len)
        })
    }

    /// Bytes of a file: at an offset, or where the descriptor stands. None is the end.
    pub fn read(&mut self, fd: u32, len: u32, offset: Option<u64>) -> Made<Block> {
        self.filled(len, |system, bytes| {
            transfer(system, [number!(fd_read), number!(fd_pread)], fd, bytes, Block::START, len, offset)
        })
    }

    /// Bytes that a call fills, and the number of which it tells.
    fn filled(&mut self, len: u32, fill: impl FnOnce(&mut dyn System, &mut [u8]) -> Made<u32>) -> Made<Block> {
        let act = |block: &mut Block, system| {
            let count = fill(system, block.room(len as usize))?;
            Ok(block.first(count as usize))
        };
        if len > KEPT_BLOCK {
            act(&mut Block::default(), self.system)
        } else {
            act(&mut self.scratch.block, self.system)
        }
    }

    /// Writes bytes, the first of which are left out: at an offset, or where the descriptor stands. The
    /// result is their number.
    pub fn write(&mut self, fd: u32, block: &mut Block, from: usize, offset: Option<u64>) -> Made<u32> {
        let len = u32::try_from(block.len().saturating_sub(from)).map_err(|_| Errno::Inval)?;
        let start = Block::START.checked_add(low(from as u64)).ok_or(Errno::Inval)?;
        transfer(self.system, [number!(fd_write), number!(fd_pwrite)], fd, block.whole(), start, len, offset)
    }

    /// Ends directions of a connection.
    pub fn shutdown(&mut self, fd: u32, how: Sdflags) -> Made {
        call!(self, sock_shutdown, fd, how.bits())
    }

    /// The state of a descriptor.
    pub fn fdstat(&mut self, fd: u32) -> Made<Fdstat> {
        let stat = self.scratch.room::<Fdstat>();
        call!(self, fd_fdstat_get, fd, stat)?;
        self.scratch.get(stat)
    }

    /// Sets the flags of a descriptor.
    pub fn set_flags(&mut self, fd: u32, flags: Fdflags) -> Made {
        call!(self, fd_fdstat_set_flags, fd, flags.bits())
    }

    /// The attributes of an open file.
    pub fn filestat(&mut self, fd: u32) -> Made<Filestat> {
        let stat = self.scratch.room::<Filestat>();
        call!(self, fd_filestat_get, fd, stat)?;
        self.scratch.get(stat)
    }

    /// The attributes of a file.
    pub fn path_filestat(&mut self, place: Place<'_>) -> Made<Filestat> {
        let [path, len] = self.scratch.path(place.path)?;
        let stat = self.scratch.room::<Filestat>();
        call!(self, path_filestat_get, place.fd, place.flags(), path, len, stat)?;
        self.scratch.get(stat)
    }

    /// Sets the times of an open file: access, modification.
    pub fn set_times(&mut self, fd: u32, [access, modification]: [u64; 2], flags: Fstflags) -> Made {
        call!(self, fd_filestat_set_times, fd, access, modification, flags.bits())
    }

    /// Sets the times of a file.
    pub fn path_set_times(&mut self, place: Place<'_>, times: [u64; 2], flags: Fstflags) -> Made {
        let ([path, len], [access, modification]) = (self.scratch.path(place.path)?, times);
        call!(self, path_filestat_set_times, place.fd, place.flags(), path, len, access, modification, flags.bits())
    }

    /// Sets the size of an open file.
    pub fn set_size(&mut self, fd: u32, size: u64) -> Made {
        call!(self, fd_filestat_set_size, fd, size)
    }

    /// Tells how a part of a file will be used.
    pub fn advise(&mut self, fd: u32, offset: u64, len: u64, advice: u8) -> Made {
        call!(self, fd_advise, fd, offset, len, advice)
    }

    /// Waits until a file is on the device; only its data, if `data_only`.
    pub fn sync(&mut self, fd: u32, data_only: bool) -> Made {
        if data_only { call!(self, fd_datasync, fd) } else { call!(self, fd_sync, fd) }
    }

    /// The name of a directory that the guest was started with; EBADF for another descriptor.
    pub fn preopen(&mut self, fd: u32) -> Made<String> {
        let prestat = self.scratch.room::<Prestat>();
        call!(self, fd_prestat_get, fd, prestat)?;
        let Prestat { name_len, .. } = self.scratch.get(prestat)?;
        let name = self.scratch.allot(name_len as usize);
        call!(self, fd_prestat_dir_name, fd, name, name_len)?;
        Ok(String::from_utf8_lossy(self.scratch.bytes(name, name_len)).into_owned())
    }

    /// Opens a file or directory. Rights: of the descriptor, and of those that are opened through it.
    pub fn open(&mut self, place: Place<'_>, flags: Oflags, rights: [Rights; 2], fdflags: Fdflags) -> Made<u32> {
        let [path, len] = self.scratch.path(place.path)?;
        let (opened, [base, inheriting]) = (self.scratch.room::<u32>(), rights.map(|rights| rights.bits()));
        call!(
            self,
            path_open,
            place.fd,
            place.flags(),
            path,
            len,
            flags.bits(),
            base,
            inheriting,
            fdflags.bits(),
            opened
        )?;
        self.scratch.get(opened)
    }

    /// Creates a directory.
    pub fn create_directory(&mut self, fd: u32, path: &str) -> Made {
        let [path, len] = self.scratch.path(path)?;
        call!(self, path_create_directory, fd, path, len)
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, fd: u32, path: &str) -> Made {
        let [path, len] = self.scratch.path(path)?;
        call!(self, path_remove_directory, fd, path, len)
    }

    /// Removes the name of a file.
    pub fn unlink_file(&mut self, fd: u32, path: &str) -> Made {
        let [path, len] = self.scratch.path(path)?;
        call!(self, path_unlink_file, fd, path, len)
    }

    /// Gives a file another name.
    pub fn link(&mut self, old: Place<'_>, new_fd: u32, new: &str) -> Made {
        let ([path, len], [new, new_len]) = (self.scratch.path(old.path)?, self.scratch.path(new)?);
        call!(self, path_link, old.fd, old.flags(), path, len, new_fd, new, new_len)
    }

    /// Renames a file or directory.
    pub fn rename(&mut self, fd: u32, old: &str, new_fd: u32, new: &str) -> Made {
        let ([old, old_len], [new, new_len]) = (self.scratch.path(old)?, self.scratch.path(new)?);
        call!(self, path_rename, fd, old, old_len, new_fd, new, new_len)
    }

    /// Creates a symbolic link.
    pub fn symlink(&mut self, target: &str, fd: u32, path: &str) -> Made {
        let ([target, target_len], [path, len]) = (self.scratch.path(target)?, self.scratch.path(path)?);
        call!(self, path_symlink, target, target_len, fd, path, len)
    }

    /// The target of a link.
    pub fn readlink(&mut self, fd: u32, path: &str) -> Made<String> {
        let [path, len] = self.scratch.path(path)?;
        let used = self.scratch.room::<u32>();
        let buf = self.scratch.allot(TARGET as usize);
        call!(self, path_readlink, fd, path, len, buf, TARGET, used)?;
        let used = self.scratch.get::<u32>(used)?;
        let target = String::from_utf8(self.scratch.bytes(buf, used).to_owned()).map_err(|_| Errno::Ilseq)?;
        // An absolute one is a path of the host's.
        let is_absolute = target.starts_with('/');
        if is_absolute { Err(Errno::Perm.into()) } else { Ok(target) }
    }

    /// Lists some entries of a directory, from a place on; none at its end.
    pub fn list(&mut self, fd: u32, from: u64, to: &mut Vec<u8>) -> Made {
        let (buf, used) = (self.scratch.allot(LISTING as usize), self.scratch.room::<u32>());
        call!(self, fd_readdir, fd, buf, LISTING, from, used)?;
        let used = self.scratch.get::<u32>(used)?;
        let entries = self.scratch.bytes(buf, used);
        // A name that does not fit would be asked for again and again.
        if Entry::first_of(entries).is_none() && used == LISTING {
            return Err(Errno::Overflow.into());
        }
        to.clear();
        to.extend_from_slice(entries);
        Ok(())
    }

    /// Opens a pipe: the descriptor of the end that is read, and the other end.
    pub fn open_pipe(&mut self) -> Made<(u32, PipeWriter)> {
        self.system.open_pipe().map_err(Failed::Trap)?.map_err(Failed::Errno)
    }

    /// Waits until one of these things is there. The result has true for each that is. Waits for nothing, if
    /// `is_prompt`.
    pub fn poll(&mut self, awaited: &[Awaited], is_prompt: bool) -> Made<Vec<bool>> {
        let now = is_prompt.then_some(Awaited::Time(0));
        let first = self.scratch.allot(0);
        for (userdata, one) in (0..).zip(awaited.iter().copied().chain(now)) {
            self.scratch.put(&subscription(userdata, one));
        }
        let count = awaited.len() + usize::from(is_prompt);
        let events = self.scratch.allot(Event::SIZE * count);
        let found = self.scratch.room::<u32>();
        let subscriptions = u32::try_from(count).map_err(|_| Errno::Inval)?;
        call!(self, poll_oneoff, first, events, subscriptions, found)?;
        let found = self.scratch.get::<u32>(found)?;
        let mut ready = vec![false; awaited.len()];
        for number in 0..u64::from(found) {
            let event = self.scratch.get::<Event>(events + number * Event::SIZE as u64)?;
            // An error is to be seen by who reads or writes.
            if let Some(ready) = usize::try_from(event.userdata).ok().and_then(|index| ready.get_mut(index)) {
                *ready = true;
            }
        }
        Ok(ready)
    }
}

fn subscription(userdata: u64, awaited: Awaited) -> [u8; SubscriptionClock::SIZE] {
    let of = |tag: Eventtype, file_descriptor| SubscriptionFd { userdata, tag: tag.number(), file_descriptor }.encode();
    match awaited {
        Awaited::Read(fd) => of(Eventtype::FdRead, fd),
        Awaited::Write(fd) => of(Eventtype::FdWrite, fd),
        Awaited::Time(timeout) => SubscriptionClock {
            userdata,
            tag: Eventtype::Clock.number(),
            id: Clockid::Monotonic.number(),
            timeout,
            precision: 0,
            flags: Subclockflags::ABSTIME.bits(),
        }
        .encode(),
    }
}

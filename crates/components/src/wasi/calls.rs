//! The system calls that the interfaces make. Parameters and results are those of Rust; a buffer of the host
//! takes the place of the guest's memory.

use super::errors::Failed;
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

/// The result of a call.
pub type Made<T = ()> = Result<T, Failed>;

/// The bytes that a directory is listed into at once.
const LISTING: u32 = 4 << 10;

/// The bytes of a link's target.
const TARGET: u32 = PATH_MAX;

/// The system calls of a guest.
pub struct Calls<'a> {
    system: &'a mut dyn System,
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
#[derive(Clone, Debug)]
pub struct Entry {
    /// The place of the next entry.
    pub next: u64,
    /// Its type, as a number.
    pub filetype: u8,
    /// Its name; none if it is no text.
    pub name: Option<String>,
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

/// Memory for the time of a call: what is put there, and room for results.
#[derive(Default)]
struct Scratch(Vec<u8>);

impl Scratch {
    /// The offset of bytes that are put there.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.0.len();
        self.0.extend_from_slice(bytes);
        at as u64
    }

    /// The offset of room for a number or record.
    fn room<T: Record>(&mut self) -> u64 {
        self.put(T::ZERO.as_ref())
    }

    /// The offset of a path, and its length.
    fn path(&mut self, path: &str) -> Made<[u64; 2]> {
        if path.len() > PATH_MAX as usize {
            return Err(Errno::Nametoolong.into());
        }
        if path.starts_with('/') {
            return Err(Errno::Perm.into());
        }
        Ok([self.put(path.as_bytes()), path.len() as u64])
    }

    fn get<T: Record>(&mut self, at: u64) -> Made<T> {
        Ok(Memory::of_bytes(&mut self.0).read(Ptr::new(low(at)))?)
    }
}

/// An offset in a buffer, which is shorter than 4 GiB.
fn low(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The number of a call in the list. (There is none without a number: the tests make each.)
fn number_of(name: &str) -> usize {
    SYSCALLS.iter().position(|row| row.name == name).unwrap_or(SYSCALLS.len())
}

/// Makes a call by its name, whose number is looked up once.
macro_rules! call {
    ($calls:expr, $name:ident, $bytes:expr, $($arg:expr),*) => {{
        static NUMBER: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| number_of(stringify!($name)));
        $calls.make(*NUMBER, $bytes, &[$(u64::from($arg)),*])
    }};
}

impl<'a> Calls<'a> {
    /// The system calls of this guest.
    pub fn new(system: &'a mut dyn System) -> Self {
        Self { system }
    }

    fn make(&mut self, index: usize, bytes: &mut [u8], args: &[u64]) -> Made {
        let mut all = Args::default();
        for (arg, given) in all.iter_mut().zip(args) {
            *arg = *given;
        }
        match self.system.call(index, &Memory::of_bytes(bytes), &all)? {
            Errno::Success => Ok(()),
            errno => Err(errno.into()),
        }
    }

    /// Ends the guest. The result is the error that does it.
    pub fn exit(&mut self, code: u32) -> Error {
        match call!(self, proc_exit, &mut [], code) {
            Err(Failed::Trap(error)) => error,
            _ => Error::msg("the guest has not ended by proc_exit"),
        }
    }

    /// Closes a descriptor. A failure has closed it as well.
    pub fn close(&mut self, fd: u32) -> wasmtime::Result<()> {
        match call!(self, fd_close, &mut [], fd) {
            Err(Failed::Trap(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The strings of a list, of the arguments or of the environment.
    fn strings(
        &mut self,
        sizes: impl FnOnce(&mut Self, &mut [u8], u32, u32) -> Made,
        get: impl FnOnce(&mut Self, &mut [u8], u32, u32) -> Made,
    ) -> Made<Vec<String>> {
        let mut scratch = Scratch::default();
        let (count, bytes) = (scratch.room::<u32>(), scratch.room::<u32>());
        sizes(self, &mut scratch.0, low(count), low(bytes))?;
        let (count, bytes) = (scratch.get::<u32>(count)?, scratch.get::<u32>(bytes)?);
        let addresses = u64::from(count) * 4;
        let mut memory = vec![0; usize::try_from(addresses + u64::from(bytes)).map_err(|_| Errno::Nomem)?];
        get(self, &mut memory, 0, low(addresses))?;
        let (_, strings) = memory.split_at(usize::try_from(addresses).unwrap_or(usize::MAX).min(memory.len()));
        let strings = strings.split(|byte| *byte == 0).take(count as usize);
        Ok(strings.map(|string| String::from_utf8_lossy(string).into_owned()).collect())
    }

    /// The arguments.
    pub fn args(&mut self) -> Made<Vec<String>> {
        self.strings(
            |calls, bytes, count, size| call!(calls, args_sizes_get, bytes, count, size),
            |calls, bytes, addresses, strings| call!(calls, args_get, bytes, addresses, strings),
        )
    }

    /// The environment.
    pub fn environment(&mut self) -> Made<Vec<String>> {
        self.strings(
            |calls, bytes, count, size| call!(calls, environ_sizes_get, bytes, count, size),
            |calls, bytes, addresses, strings| call!(calls, environ_get, bytes, addresses, strings),
        )
    }

    /// A time of a clock, in nanoseconds.
    pub fn time(&mut self, clock: Clockid) -> Made<u64> {
        let mut scratch = Scratch::default();
        let time = scratch.room::<u64>();
        call!(self, clock_time_get, &mut scratch.0, clock.number(), 0u32, time)?;
        scratch.get(time)
    }

    /// The resolution of a clock, in nanoseconds.
    pub fn resolution(&mut self, clock: Clockid) -> Made<u64> {
        let mut scratch = Scratch::default();
        let resolution = scratch.room::<u64>();
        call!(self, clock_res_get, &mut scratch.0, clock.number(), resolution)?;
        scratch.get(resolution)
    }

    /// Random bytes.
    pub fn random(&mut self, len: u32) -> Made<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        call!(self, random_get, &mut bytes, 0u32, len)?;
        Ok(bytes)
    }

    /// Bytes of a file: at an offset, or where the descriptor stands. None is the end.
    pub fn read(&mut self, fd: u32, len: u32, offset: Option<u64>) -> Made<Vec<u8>> {
        let mut scratch = Scratch(vec![0; len as usize]);
        let iovec = scratch.put(&Iovec { buf: 0, buf_len: len }.encode());
        let nread = scratch.room::<u32>();
        match offset {
            Some(offset) => call!(self, fd_pread, &mut scratch.0, fd, iovec, 1u32, offset, nread)?,
            None => call!(self, fd_read, &mut scratch.0, fd, iovec, 1u32, nread)?,
        }
        let count = scratch.get::<u32>(nread)?;
        let mut bytes = scratch.0;
        bytes.truncate(count as usize);
        Ok(bytes)
    }

    /// Writes bytes, the first of which are left out: at an offset, or where the descriptor stands. The
    /// result is their number.
    pub fn write(&mut self, fd: u32, bytes: &mut Vec<u8>, from: usize, offset: Option<u64>) -> Made<u32> {
        let len = bytes.len();
        let mut scratch = Scratch(std::mem::take(bytes));
        let buf_len = u32::try_from(len.saturating_sub(from)).map_err(|_| Errno::Inval)?;
        let iovec = scratch.put(&Iovec { buf: low(from as u64), buf_len }.encode());
        let nwritten = scratch.room::<u32>();
        let made = match offset {
            Some(offset) => call!(self, fd_pwrite, &mut scratch.0, fd, iovec, 1u32, offset, nwritten),
            None => call!(self, fd_write, &mut scratch.0, fd, iovec, 1u32, nwritten),
        };
        let count = made.and_then(|()| scratch.get::<u32>(nwritten));
        *bytes = scratch.0;
        bytes.truncate(len);
        count
    }

    /// Ends directions of a connection.
    pub fn shutdown(&mut self, fd: u32, how: Sdflags) -> Made {
        call!(self, sock_shutdown, &mut [], fd, how.bits())
    }

    /// The state of a descriptor.
    pub fn fdstat(&mut self, fd: u32) -> Made<Fdstat> {
        let mut scratch = Scratch::default();
        let stat = scratch.room::<Fdstat>();
        call!(self, fd_fdstat_get, &mut scratch.0, fd, stat)?;
        scratch.get(stat)
    }

    /// Sets the flags of a descriptor.
    pub fn set_flags(&mut self, fd: u32, flags: Fdflags) -> Made {
        call!(self, fd_fdstat_set_flags, &mut [], fd, flags.bits())
    }

    /// The attributes of an open file.
    pub fn filestat(&mut self, fd: u32) -> Made<Filestat> {
        let mut scratch = Scratch::default();
        let stat = scratch.room::<Filestat>();
        call!(self, fd_filestat_get, &mut scratch.0, fd, stat)?;
        scratch.get(stat)
    }

    /// The attributes of a file.
    pub fn path_filestat(&mut self, place: Place<'_>) -> Made<Filestat> {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(place.path)?;
        let stat = scratch.room::<Filestat>();
        call!(self, path_filestat_get, &mut scratch.0, place.fd, place.flags(), path, len, stat)?;
        scratch.get(stat)
    }

    /// Sets the times of an open file: access, modification.
    pub fn set_times(&mut self, fd: u32, [access, modification]: [u64; 2], flags: Fstflags) -> Made {
        call!(self, fd_filestat_set_times, &mut [], fd, access, modification, flags.bits())
    }

    /// Sets the times of a file.
    pub fn path_set_times(&mut self, place: Place<'_>, times: [u64; 2], flags: Fstflags) -> Made {
        let mut scratch = Scratch::default();
        let ([path, len], [access, modification]) = (scratch.path(place.path)?, times);
        call!(
            self,
            path_filestat_set_times,
            &mut scratch.0,
            place.fd,
            place.flags(),
            path,
            len,
            access,
            modification,
            flags.bits()
        )
    }

    /// Sets the size of an open file.
    pub fn set_size(&mut self, fd: u32, size: u64) -> Made {
        call!(self, fd_filestat_set_size, &mut [], fd, size)
    }

    /// Tells how a part of a file will be used.
    pub fn advise(&mut self, fd: u32, offset: u64, len: u64, advice: u8) -> Made {
        call!(self, fd_advise, &mut [], fd, offset, len, advice)
    }

    /// Waits until a file is on the device; only its data, if `data_only`.
    pub fn sync(&mut self, fd: u32, data_only: bool) -> Made {
        if data_only { call!(self, fd_datasync, &mut [], fd) } else { call!(self, fd_sync, &mut [], fd) }
    }

    /// The name of a directory that the guest was started with; EBADF for another descriptor.
    pub fn preopen(&mut self, fd: u32) -> Made<String> {
        let mut scratch = Scratch::default();
        let prestat = scratch.room::<Prestat>();
        call!(self, fd_prestat_get, &mut scratch.0, fd, prestat)?;
        let Prestat { name_len, .. } = scratch.get(prestat)?;
        let mut name = vec![0; name_len as usize];
        call!(self, fd_prestat_dir_name, &mut name, fd, 0u32, name_len)?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// Opens a file or directory. Rights: of the descriptor, and of those that are opened through it.
    pub fn open(&mut self, place: Place<'_>, flags: Oflags, rights: [Rights; 2], fdflags: Fdflags) -> Made<u32> {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(place.path)?;
        let (opened, [base, inheriting]) = (scratch.room::<u32>(), rights.map(|rights| rights.bits()));
        call!(
            self,
            path_open,
            &mut scratch.0,
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
        scratch.get(opened)
    }

    /// Creates a directory.
    pub fn create_directory(&mut self, fd: u32, path: &str) -> Made {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(path)?;
        call!(self, path_create_directory, &mut scratch.0, fd, path, len)
    }

    /// Removes an empty directory.
    pub fn remove_directory(&mut self, fd: u32, path: &str) -> Made {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(path)?;
        call!(self, path_remove_directory, &mut scratch.0, fd, path, len)
    }

    /// Removes the name of a file.
    pub fn unlink_file(&mut self, fd: u32, path: &str) -> Made {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(path)?;
        call!(self, path_unlink_file, &mut scratch.0, fd, path, len)
    }

    /// Gives a file another name.
    pub fn link(&mut self, old: Place<'_>, new_fd: u32, new: &str) -> Made {
        let mut scratch = Scratch::default();
        let ([path, len], [new, new_len]) = (scratch.path(old.path)?, scratch.path(new)?);
        call!(self, path_link, &mut scratch.0, old.fd, old.flags(), path, len, new_fd, new, new_len)
    }

    /// Renames a file or directory.
    pub fn rename(&mut self, fd: u32, old: &str, new_fd: u32, new: &str) -> Made {
        let mut scratch = Scratch::default();
        let ([old, old_len], [new, new_len]) = (scratch.path(old)?, scratch.path(new)?);
        call!(self, path_rename, &mut scratch.0, fd, old, old_len, new_fd, new, new_len)
    }

    /// Creates a symbolic link.
    pub fn symlink(&mut self, target: &str, fd: u32, path: &str) -> Made {
        let mut scratch = Scratch::default();
        let ([target, target_len], [path, len]) = (scratch.path(target)?, scratch.path(path)?);
        call!(self, path_symlink, &mut scratch.0, target, target_len, fd, path, len)
    }

    /// The target of a link.
    pub fn readlink(&mut self, fd: u32, path: &str) -> Made<String> {
        let mut scratch = Scratch::default();
        let [path, len] = scratch.path(path)?;
        let used = scratch.room::<u32>();
        let buf = scratch.put(&[0; TARGET as usize]);
        call!(self, path_readlink, &mut scratch.0, fd, path, len, buf, TARGET, used)?;
        let used = scratch.get::<u32>(used)?;
        let start = usize::try_from(buf).unwrap_or(usize::MAX);
        let target = scratch.0.get(start..start.saturating_add(used as usize)).unwrap_or_default();
        let target = String::from_utf8(target.to_owned()).map_err(|_| Errno::Ilseq)?;
        // An absolute one is a path of the host's.
        let is_absolute = target.starts_with('/');
        if is_absolute { Err(Errno::Perm.into()) } else { Ok(target) }
    }

    /// Some entries of a directory, from a place on; none at its end.
    pub fn list(&mut self, fd: u32, from: u64) -> Made<Vec<Entry>> {
        let mut scratch = Scratch(vec![0; LISTING as usize]);
        let used = scratch.room::<u32>();
        call!(self, fd_readdir, &mut scratch.0, fd, 0u32, LISTING, from, used)?;
        let used = scratch.get::<u32>(used)?;
        let entries = entries(scratch.0.get(..used as usize).unwrap_or_default());
        // A name that does not fit would be asked for again and again.
        if entries.is_empty() && used == LISTING { Err(Errno::Overflow.into()) } else { Ok(entries) }
    }

    /// Opens a pipe: the descriptor of the end that is read, and the other end.
    pub fn open_pipe(&mut self) -> Made<(u32, PipeWriter)> {
        self.system.open_pipe().map_err(Failed::Trap)?.map_err(Failed::Errno)
    }

    /// Waits until one of these things is there. The result has true for each that is. Waits for nothing, if
    /// `is_prompt`.
    pub fn poll(&mut self, awaited: &[Awaited], is_prompt: bool) -> Made<Vec<bool>> {
        let now = is_prompt.then_some(Awaited::Time(0));
        let mut scratch = Scratch::default();
        for (userdata, one) in (0..).zip(awaited.iter().copied().chain(now)) {
            scratch.put(&subscription(userdata, one));
        }
        let count = awaited.len() + usize::from(is_prompt);
        let events = scratch.put(&vec![0; Event::SIZE * count]);
        let found = scratch.room::<u32>();
        let subscriptions = u32::try_from(count).map_err(|_| Errno::Inval)?;
        call!(self, poll_oneoff, &mut scratch.0, 0u32, events, subscriptions, found)?;
        let found = scratch.get::<u32>(found)?;
        let mut ready = vec![false; awaited.len()];
        for number in 0..u64::from(found) {
            let event = scratch.get::<Event>(events + number * Event::SIZE as u64)?;
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

/// The whole entries of a listing, whose last may be cut off.
fn entries(mut bytes: &[u8]) -> Vec<Entry> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let Dirent { d_next, d_namlen, d_type, .. } = Dirent::decode(head);
        let Some((name, rest)) = rest.split_at_checked(d_namlen as usize) else { break };
        all.push(Entry { next: d_next, filetype: d_type, name: String::from_utf8(name.to_owned()).ok() });
        bytes = rest;
    }
    all
}

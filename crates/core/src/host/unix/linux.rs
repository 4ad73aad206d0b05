//! Calls that Linux has and macOS has not, or has otherwise.

pub mod attr;

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Advice;
use crate::host::handle::File;
use crate::host::interrupt::Interrupt;
use crate::host::pieces::{FIRST, in_pieces};
use crate::host::rows::Rows;
use crate::host::unix::convert::{entry_type, retry};
use rustix::event::PollFlags;
use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, major, openat2};
use rustix::io::Errno as Os;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, accept_with, socket_with};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;

/// A handle that only names a file.
pub const PATH_ONLY: OFlags = OFlags::PATH;

/// The flag for O_RSYNC, which Linux ignores: O_SYNC gives what it asks for.
pub const RSYNC: OFlags = OFlags::SYNC;

/// The event of a socket whose other side has ended its writing.
pub const HALF_CLOSED: PollFlags = PollFlags::RDHUP;

/// The driver of terminals' masters, and of a process's own terminal: to open one means another than the one
/// that is open.
const ALIASES: u32 = 5;

/// Bytes of entries that one kernel call gives.
const BATCH_BYTES: usize = 32 * 1024;

/// The number of a thread in /proc.
pub type ThreadNumber = i32;

pub fn current_thread() -> ThreadNumber {
    rustix::thread::gettid().as_raw_nonzero().get()
}

#[allow(clippy::disallowed_methods, reason = "a file of the kernel's, and no guest has a say in its name")]
pub fn cpu_of(thread: ThreadNumber) -> Option<u64> {
    let numbers = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    numbers.split(' ').next()?.parse().ok()
}

/// The flag of a transfer by which a closed peer is EPIPE and no signal.
pub const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// A socket that does not wait.
pub fn socket(family: AddressFamily, kind: SocketType) -> io::Result<File> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?.into())
}

pub fn accept(file: &File) -> io::Result<File> {
    Ok(accept_with(file, SocketFlags::CLOEXEC)?.into())
}

/// True if the socket takes connections.
pub fn is_listening(file: &File) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(file)?)
}

/// Another description of an open pipe or terminal, which does not wait; none where it can't be opened anew,
/// as another user's, and of other devices, for which to open them again may mean something else.
pub fn nonblocking_twin(file: &File) -> Option<File> {
    let stat = rustix::fs::fstat(file).ok()?;
    let is_same = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => true,
        FileType::CharacterDevice => major(stat.st_rdev) != ALIASES && file.is_terminal(),
        _ => false,
    };
    if !is_same {
        return None;
    }
    let access = rustix::fs::fcntl_getfl(file).ok()? & OFlags::ACCMODE;
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // A link of the kernel's, that leads to what is open and not to a name.
    let path = format!("/proc/self/fd/{}", file.handle().as_raw_fd());
    Some(rustix::fs::open(path, flags, Mode::empty()).ok()?.into())
}

pub fn allocate(file: &File, offset: u64, len: u64, interrupt: &dyn Interrupt) -> Result {
    let make = |flags, offset, len| retry(|| rustix::fs::fallocate(file, flags, offset, len));
    let make_all = |offset, len| make(FallocateFlags::empty(), offset, len);
    if interrupt.poll_interval().is_none() || len <= FIRST || offset.checked_add(len).is_none() {
        return make_all(offset, len);
    }
    // The end comes first, without the file becoming longer: so what is wrong with the range or the file is
    // known before there is anything else. It comes last again, and sets the length.
    let head = len - FIRST;
    match make(FallocateFlags::KEEP_SIZE, offset + head, FIRST) {
        Err(Errno::Notsup) => return make_all(offset, len), // such as NFS
        result => result?,
    }
    in_pieces(interrupt, head, |done, next| make(FallocateFlags::KEEP_SIZE, offset + done, next))?;
    make_all(offset + head, FIRST)
}

pub fn advise(file: &File, offset: u64, len: u64, advice: Advice) -> Result {
    use rustix::fs::Advice as Os;
    let advice = match advice {
        Advice::Normal => Os::Normal,
        Advice::Sequential => Os::Sequential,
        Advice::Random => Os::Random,
        Advice::Willneed => Os::WillNeed,
        Advice::Dontneed => Os::DontNeed,
        Advice::Noreuse => Os::NoReuse,
    };
    Ok(rustix::fs::fadvise(file, offset, NonZeroU64::new(len), advice)?)
}

pub fn sync(file: &File) -> Result {
    retry(|| rustix::fs::fsync(file))
}

pub fn datasync(file: &File) -> Result {
    retry(|| rustix::fs::fdatasync(file))
}

/// Attempts at a path during which something was renamed, anywhere in the system.
const RENAMES: usize = 16;

/// True for the root directory of the process, by whichever path it was opened.
pub fn is_root(dir: &std::fs::File) -> bool {
    let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    match (rustix::fs::fstat(dir), rustix::fs::stat("/")) {
        (Ok(dir), Ok(root)) => identity(dir) == identity(root),
        _ => false,
    }
}

/// Opens the file that `path` leads to within the root directory `dir`. None if that can't be done: before
/// Linux 5.6, where a filter of system calls forbids it (EPERM has other meanings too), while others rename
/// without end.
pub fn open_in_root(dir: &File, path: &[u8], flags: OFlags) -> Option<Result<File>> {
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RENAMES {
        match openat2(dir, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Os::AGAIN) => {}
            Err(Os::NOSYS | Os::PERM) => return None,
            result => return Some(result.map(File::from).map_err(Into::into)),
        }
    }
    // Or somebody has a lease on the file, which a handle that only names it does not ask about.
    let naming = OFlags::PATH | OFlags::CLOEXEC | (flags & OFlags::NOFOLLOW);
    let has_lease = !flags.contains(OFlags::PATH) && openat2(dir, path, naming, Mode::empty(), resolve).is_ok();
    has_lease.then_some(Err(Errno::Again))
}

/// Reads the entries of one kernel call: from `start` on, or from the present position.
pub fn read(dir: &File, start: Option<u64>, scratch: &mut Vec<u8>, rows: &mut Rows) -> Result {
    if let Some(start) = start {
        rustix::fs::seek(dir, SeekFrom::Start(start))?;
    }
    scratch.clear();
    scratch.reserve_exact(BATCH_BYTES);
    let mut raw = RawDir::new(dir, scratch.spare_capacity_mut());
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        rows.push(entry.next_entry_cookie(), entry.ino(), entry_type(dir, name, entry.file_type()), name)?;
        if raw.is_buffer_empty() {
            break;
        }
    }
    Ok(())
}

//! Leases on files, their signal, and the replacement of mapped pages by copies. One of the addresses of
//! `unsafe`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use libc::{c_int, pid_t};
use rustix::fs::{Access, MemfdFlags, SealFlags, access, fcntl_add_seals, fstatfs, memfd_create};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap, mmap_anonymous, mremap_fixed, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

/// The signal to the thread. Any other thread ignores it by default. Sending it never fails for lack of
/// memory. (For a real-time signal, which is queued, that would make the kernel send SIGIO, which ends a
/// process.)
const SIGNAL: c_int = libc::SIGURG;

// Not in libc for every target.
const F_SETSIG: c_int = 10;
const F_SETOWN_EX: c_int = 15;

/// The kernel's list of this process's mappings.
pub const MAPS: &str = "/proc/self/maps";

/// The kernel's number of a thread.
pub type Thread = pid_t;

/// `struct f_owner_ex`: the receiver of a file's signals.
#[repr(C)]
struct Owner {
    kind: c_int,
    id: pid_t,
}

/// `F_OWNER_TID`.
const OF_THREAD: c_int = 0;

/// Takes a lease on a file that is open for reading. The thread gets a signal when somebody is about to
/// change the file. Without a thread the caller gets it, and ignores it.
pub fn take(file: &File, thread: Option<Thread>) -> io::Result<()> {
    // A file system in another process changes a file without the kernel's knowledge.
    if fstatfs(file)?.f_type == libc::FUSE_SUPER_MAGIC {
        return Err(io::ErrorKind::Unsupported.into());
    }
    access(MAPS, Access::READ_OK)?;
    // Before the lease: the default is a signal to the whole process, SIGIO, which ends it.
    fcntl(file, F_SETSIG, SIGNAL)?;
    set_owner(file, thread.unwrap_or_else(current));
    fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)
}

/// Makes this thread the receiver of the file's signals.
pub fn set_owner(file: &File, thread: Thread) {
    let owner = Owner { kind: OF_THREAD, id: thread };
    // SAFETY: the call reads an `f_owner_ex`.
    unsafe { libc::fcntl(file.as_raw_fd(), F_SETOWN_EX, &raw const owner) };
}

/// True if somebody waits for the lease to be given back.
pub fn is_breaking(file: &File) -> bool {
    // SAFETY: the call takes no third argument.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) == libc::F_UNLCK }
}

/// Gives the lease back, also where others have descriptors of the same description.
pub fn give_back(file: &File) {
    let _ = fcntl(file, libc::F_SETLEASE, libc::F_UNLCK); // fails if the kernel has taken it back by force
}

fn fcntl(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: the commands that are used here take an int.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn current() -> Thread {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Blocks the signal in the calling thread, which receives it by `wait` from now on.
pub fn begin() -> Thread {
    // SAFETY: the set is the caller's own, and there is a null pointer for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const *signals(), ptr::null_mut()) };
    current()
}

/// Waits for the signal, or for this time. In either case the caller is to check its leases.
pub fn wait(at_most: Duration) {
    let timeout = libc::timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: the set and the time are the caller's own, and there is a null pointer for the signal's
    // information.
    unsafe { libc::sigtimedwait(&raw const *signals(), ptr::null_mut(), &raw const timeout) };
}

/// Sends the signal to a thread that exists.
pub fn wake(thread: Thread) {
    // SAFETY: the call takes three numbers. The signal is blocked in that thread.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
}

fn signals() -> Box<libc::sigset_t> {
    // SAFETY: a set is numbers, and the calls get one that is the caller's own.
    unsafe {
        let mut set = Box::new(std::mem::zeroed());
        libc::sigemptyset(&raw mut *set);
        libc::sigaddset(&raw mut *set, SIGNAL);
        set
    }
}

/// Replaces an image of machine code, and the file of this descriptor, by a copy. After an error, parts of
/// the image may have been replaced.
///
/// Threads may execute the code meanwhile: the kernel replaces a range of pages in one step, and the bytes
/// are the same before and after.
pub fn detach(image: &Range<usize>, text: &Range<usize>, descriptor: RawFd) -> io::Result<()> {
    let copy = memfd_create("wasi-rs-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(copy);
    let original = ptr::with_exposed_provenance_mut::<c_void>(image.start);
    // SAFETY: the image is mapped as long as the module exists, and can be read: the file is not truncated
    // before the lease is given back. Nobody writes to it, since wasmtime has made it read-only.
    copy.write_all(unsafe { std::slice::from_raw_parts(original.cast(), image.len()) })?;
    fcntl_add_seals(&copy, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    let page = page_size();
    let text = (text.start - image.start) / page * page..(text.end - image.start).next_multiple_of(page);
    let read = ProtFlags::READ;
    let parts = [
        (0..text.start, read),
        (text.clone(), read | ProtFlags::EXEC),
        (text.end..image.len().next_multiple_of(page), read),
    ];
    for (part, protection) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
        // SAFETY: the part is of the image, which wasmtime gives back as a whole. It is protected as wasmtime
        // has done it: the text, which begins and ends with a page, can be executed, the rest can be read.
        unsafe {
            let place = original.byte_add(part.start);
            mmap(place, part.len(), protection, MapFlags::PRIVATE | MapFlags::FIXED, &copy, part.start as u64)?;
        }
    }
    // SAFETY: the descriptor is wasmtime's, which is open as long as the module exists, and from which it
    // maps the memories of new instances. From here on those begin as pages of the copy.
    match unsafe { libc::dup3(copy.as_raw_fd(), descriptor, libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Replaces a range of a guest's memory that is mapped from a file by a copy. The caller makes sure that
/// nobody changes it meanwhile.
pub fn detach_memory(range: &Range<usize>) -> io::Result<()> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let original = ptr::with_exposed_provenance_mut::<c_void>(range.start);
    // SAFETY: the range is part of a memory that can be read and written, and that exists as long as its run.
    // It is replaced in one step by pages with the same bytes. No other thread knows of `copy`.
    unsafe {
        let copy = mmap_anonymous(ptr::null_mut(), range.len(), protection, MapFlags::PRIVATE)?;
        original.copy_to_nonoverlapping(copy, range.len());
        if let Err(error) = mremap_fixed(copy, range.len(), range.len(), MremapFlags::MAYMOVE, original) {
            let _ = munmap(copy, range.len());
            return Err(error.into());
        }
    }
    Ok(())
}

fn page_size() -> usize {
    // SAFETY: the call takes a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

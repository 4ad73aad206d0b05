use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use wasi_rs_core::host::file::{File, is_beyond_share};

/// Prepares the process for guests: forks and large files must do it no harm.
pub fn prepare_process() {
    reseed_after_fork();
    ignore_file_size_signal();
}

/// Ends the process with this exit code: waits for no thread, and calls no exit handlers.
#[cfg(feature = "text")]
pub fn quit(code: i32) -> ! {
    // SAFETY: no code of this process runs any more.
    unsafe { libc::_exit(code) }
}

/// Has every guest's random bytes seeded anew in the child of a fork.
fn reseed_after_fork() {
    extern "C" fn in_child() {
        wasi_rs_core::host::random::forked();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the handler is one atomic store, which is allowed after a fork, and the addon is never
    // unloaded. If there is no memory for the handler, a fork fails as well.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

/// Has a write beyond the process's limit of file sizes fail with EFBIG: by default the signal that goes with
/// it ends the process, and a guest's write must not do that.
fn ignore_file_size_signal() {
    // SAFETY: the disposition is only replaced where it is the default one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGXFSZ, ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }
}

thread_local! {
    /// The lowest address of this thread's stack; zero if it is not known.
    #[cfg(all(feature = "engine", target_os = "linux"))]
    static STACK_END: usize = stack_end();
}

#[cfg(all(feature = "engine", target_os = "linux"))]
fn stack_end() -> usize {
    let (mut start, mut size, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: the attributes are initialized by the first call, and used only if it has succeeded; the others
    // write what they are given the places of.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return 0;
        }
        libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut size);
        libc::pthread_attr_getguardsize(&raw const attributes, &raw mut guard);
        libc::pthread_attr_destroy(&raw mut attributes);
    }
    // Some versions of the C library count the guard as a part of the stack.
    start.addr().saturating_add(guard)
}

/// The bytes of stack that are left on this thread; none if that is not known.
#[cfg(feature = "engine")]
pub fn stack_left() -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        let here = 0_u8;
        let end = STACK_END.with(|end| *end);
        (end != 0).then(|| ptr::from_ref(&here).addr().saturating_sub(end))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// True on the first thread of the process: in Node the main thread, which is not ended while a call waits.
#[cfg(target_os = "linux")]
pub fn is_main_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

/// True on the first thread of the process: in Node the main thread, which is not ended while a call waits.
#[cfg(target_os = "macos")]
pub fn is_main_thread() -> bool {
    // SAFETY: the function has no preconditions.
    unsafe { libc::pthread_main_np() != 0 }
}

/// A descriptor of the host, by its number, without taking it over; an error unless it is open.
///
/// As with node:wasi the guest uses the host's descriptor itself: when the host closes a pipe, the reader
/// sees its end. So the host must keep it open for as long as the guest may use it.
pub fn host_descriptor(number: i32) -> std::io::Result<File> {
    // SAFETY: the call only looks the number up; EBADF if nothing has it.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, and since this "owner" is never dropped it is not closed here. If the host closes
    // it after all, the guest's calls get EBADF, or what the host has opened under that number since.
    Ok(File::borrowed(ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) })))
}

/// A copy of a socket of the host, by its number, which belongs to the guest; and true if it takes
/// connections.
pub fn listening_socket(number: i32) -> std::io::Result<(File, bool)> {
    let copy = copy_of_descriptor(number)?;
    let listens = copy.is_listening()?;
    Ok((copy, listens))
}

/// A copy of a descriptor of the host, by its number, which belongs to the guest.
pub fn copy_of_descriptor(number: i32) -> std::io::Result<File> {
    if number < 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: it is only used during this call, which looks the number up; EBADF if nothing has it.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let own = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    within_share(&own)?;
    Ok(own.into())
}

/// EMFILE if a descriptor that was opened for a program is one too many for all of them.
pub fn within_share(file: &impl AsRawFd) -> std::io::Result<()> {
    let number = usize::try_from(file.as_raw_fd()).unwrap_or(0);
    if is_beyond_share(number) { Err(rustix::io::Errno::MFILE.into()) } else { Ok(()) }
}

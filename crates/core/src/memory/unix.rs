//! The kernel calls that get addresses of the guest's memory. No safe wrapper may have those: the memory is
//! shared.

use super::transfer::{Mode, Position};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

pub use libc::iovec as Iovec;

pub type Handle<'a> = BorrowedFd<'a>;

#[cfg(test)]
pub fn handle(file: &std::fs::File) -> Handle<'_> {
    std::os::fd::AsFd::as_fd(file)
}

/// An offset that `Iovecs::transfer` has found to fit; none where the descriptor itself knows, as it does
/// when it appends.
fn offset_of(position: Position) -> Option<libc::off_t> {
    match position {
        Position::At(offset) => Some(libc::off_t::try_from(offset).unwrap_or(libc::off_t::MAX)),
        Position::Current | Position::End => None,
    }
}

/// # Safety
/// The iovecs must lie in memory that may be written to for the time of the call.
pub unsafe fn read(fd: BorrowedFd<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let (fd, count) = (fd.as_raw_fd(), c_int(iovecs.len()));
    // SAFETY: the caller answers for the iovecs. `fd` is borrowed, so it is open.
    transfer::count_of(unsafe {
        match (iovecs, offset_of(position)) {
            ([one], None) => transfer::read(fd, one.iov_base, one.iov_len),
            ([one], Some(offset)) => transfer::pread(fd, one.iov_base, one.iov_len, offset),
            (many, None) => transfer::readv(fd, many.as_ptr(), count),
            (many, Some(offset)) => transfer::preadv(fd, many.as_ptr(), count, offset),
        }
    })
}

/// # Safety
/// The iovecs must lie in memory that may be read from for the time of the call.
pub unsafe fn write(fd: BorrowedFd<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let (fd, count) = (fd.as_raw_fd(), c_int(iovecs.len()));
    // SAFETY: as in `read`.
    transfer::count_of(unsafe {
        match (iovecs, offset_of(position)) {
            ([one], None) => transfer::write(fd, one.iov_base, one.iov_len),
            ([one], Some(offset)) => transfer::pwrite(fd, one.iov_base, one.iov_len, offset),
            (many, None) => transfer::writev(fd, many.as_ptr(), count),
            (many, Some(offset)) => transfer::pwritev(fd, many.as_ptr(), count, offset),
        }
    })
}

/// As `read`, without waiting: EAGAIN where it would, EOPNOTSUPP where the kernel can't tell.
///
/// # Safety
/// As `read`.
pub unsafe fn read_now(fd: BorrowedFd<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let (fd, count) = (fd.as_raw_fd(), c_int(iovecs.len()));
    // SAFETY: as in `read`.
    unsafe { transfer::read_now(fd, iovecs.as_ptr(), count, offset_of(position)) }
}

/// As `write`, without waiting: EAGAIN where it would, EOPNOTSUPP where the kernel can't tell.
///
/// # Safety
/// As `write`.
pub unsafe fn write_now(fd: BorrowedFd<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let (fd, count) = (fd.as_raw_fd(), c_int(iovecs.len()));
    // SAFETY: as in `read`.
    unsafe { transfer::write_now(fd, iovecs.as_ptr(), count, offset_of(position)) }
}

/// The flag for the blocking of a message's transfer.
const fn flag_of(mode: Mode) -> libc::c_int {
    match mode {
        Mode::Blocking => 0,
        Mode::Nonblocking => libc::MSG_DONTWAIT,
    }
}

/// # Safety
/// As `read`.
pub unsafe fn receive(
    fd: BorrowedFd<'_>,
    iovecs: &[Iovec],
    peek: bool,
    whole: bool,
    mode: Mode,
) -> io::Result<(u32, bool)> {
    let flags = if peek { libc::MSG_PEEK } else { 0 } | if whole { libc::MSG_WAITALL } else { 0 };
    let mut message = message_header(iovecs);
    // SAFETY: the caller answers for the iovecs `message` points at; it has no name or control part.
    let got = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags | flag_of(mode)) };
    count_of(got).map(|count| (count, message.msg_flags & libc::MSG_TRUNC != 0))
}

/// # Safety
/// As `write`.
pub unsafe fn send(fd: BorrowedFd<'_>, iovecs: &[Iovec], mode: Mode) -> io::Result<u32> {
    let message = message_header(iovecs);
    // SAFETY: as in `receive`; the kernel only reads.
    count_of(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | flag_of(mode)) })
}

/// The calls that move bytes, as Linux has them. The C library's are cancellation points, which costs two
/// atomic exchanges around each call in a process with several threads, and no thread of Node is ever
/// cancelled; its `syscall` takes as long as a tenth of a short write.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod transfer {
    use libc::{c_int, iovec, off_t, size_t, ssize_t};
    use std::ffi::c_void;

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) use super::count_of;

    /// The result of a kernel call: bytes, or the error with its sign turned.
    #[cfg(target_arch = "x86_64")]
    pub fn count_of(returned: ssize_t) -> std::io::Result<u32> {
        if returned >= 0 {
            return Ok(u32::try_from(returned).unwrap_or(u32::MAX));
        }
        Err(std::io::Error::from_raw_os_error(i32::try_from(-returned).unwrap_or(libc::EIO)))
    }

    #[cfg(target_arch = "x86_64")]
    macro_rules! call {
        ($number:expr, $first:expr, $second:expr, $third:expr $(, $fourth:expr $(, $fifth:expr, $sixth:expr)?)?) => {{
            let returned: ssize_t;
            std::arch::asm!(
                "syscall",
                inlateout("rax") $number => returned,
                in("rdi") $first,
                in("rsi") $second,
                in("rdx") $third,
                $(in("r10") $fourth, $(in("r8") $fifth, in("r9") $sixth,)?)?
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
            returned
        }};
    }

    #[cfg(not(target_arch = "x86_64"))]
    macro_rules! call {
        ($($arg:expr),*) => {
            ssize_t::try_from(libc::syscall($($arg),*)).unwrap_or(-1) // both have 64 bits
        };
    }

    macro_rules! calls {
        ($($name:ident = $number:ident($($arg:ident: $type:ty),*);)*) => {$(
            /// # Safety
            /// As the C library's function of that name.
            #[inline]
            pub unsafe fn $name($($arg: $type),*) -> ssize_t {
                // SAFETY: the kernel takes the C function's arguments, and looks at no more.
                unsafe { call!(libc::$number, $($arg),*) }
            }
        )*};
    }

    calls! {
        read = SYS_read(fd: c_int, base: *mut c_void, len: size_t);
        write = SYS_write(fd: c_int, base: *const c_void, len: size_t);
        readv = SYS_readv(fd: c_int, iovecs: *const iovec, count: c_int);
        writev = SYS_writev(fd: c_int, iovecs: *const iovec, count: c_int);
        pread = SYS_pread64(fd: c_int, base: *mut c_void, len: size_t, offset: off_t);
        pwrite = SYS_pwrite64(fd: c_int, base: *const c_void, len: size_t, offset: off_t);
        preadv = SYS_preadv(fd: c_int, iovecs: *const iovec, count: c_int, offset: off_t);
        pwritev = SYS_pwritev(fd: c_int, iovecs: *const iovec, count: c_int, offset: off_t);
        preadv2 = SYS_preadv2(fd: c_int, iovecs: *const iovec, count: c_int, offset: off_t, high: off_t, flags: c_int);
        pwritev2 = SYS_pwritev2(fd: c_int, iovecs: *const iovec, count: c_int, offset: off_t, high: off_t, flags: c_int);
    }

    /// The descriptor's own offset, to calls that take one.
    const OWN_OFFSET: off_t = -1;

    /// # Safety
    /// As `readv`.
    pub unsafe fn read_now(
        fd: c_int,
        iovecs: *const iovec,
        count: c_int,
        offset: Option<off_t>,
    ) -> std::io::Result<u32> {
        // SAFETY: the caller answers for the iovecs. (An offset has one part where registers have 64 bits.)
        count_of(unsafe { preadv2(fd, iovecs, count, offset.unwrap_or(OWN_OFFSET), 0, libc::RWF_NOWAIT) })
    }

    /// # Safety
    /// As `writev`.
    pub unsafe fn write_now(
        fd: c_int,
        iovecs: *const iovec,
        count: c_int,
        offset: Option<off_t>,
    ) -> std::io::Result<u32> {
        // SAFETY: as in `read_now`.
        count_of(unsafe { pwritev2(fd, iovecs, count, offset.unwrap_or(OWN_OFFSET), 0, libc::RWF_NOWAIT) })
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod transfer {
    pub(super) use super::count_of;
    use libc::{c_int, iovec, off_t};
    pub use libc::{pread, preadv, pwrite, pwritev, read, readv, write, writev};
    use std::io::{ErrorKind, Result};

    /// # Safety
    /// None: no call of this system says that it must not wait.
    pub unsafe fn read_now(_: c_int, _: *const iovec, _: c_int, _: Option<off_t>) -> Result<u32> {
        Err(ErrorKind::Unsupported.into())
    }

    /// # Safety
    /// None: as `read_now`.
    pub unsafe fn write_now(_: c_int, _: *const iovec, _: c_int, _: Option<off_t>) -> Result<u32> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// A message of these buffers and nothing else.
fn message_header(iovecs: &[Iovec]) -> libc::msghdr {
    // SAFETY: msghdr is a C struct of numbers and pointers, for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = iovecs.as_ptr().cast_mut(); // which the kernel only reads
    message.msg_iovlen = iovecs.len() as _;
    message
}

/// A batch's length as the C calls want it.
fn c_int(len: usize) -> libc::c_int {
    libc::c_int::try_from(len).unwrap_or(libc::c_int::MAX)
}

/// The result of a call of the C library: bytes, or the error in errno.
fn count_of(returned: isize) -> io::Result<u32> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(u32::try_from(returned).unwrap_or(u32::MAX)) }
}

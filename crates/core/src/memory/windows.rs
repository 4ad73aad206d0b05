//! The calls that get addresses of the guest's memory. No safe wrapper may have those: the memory is shared.

use super::transfer::{Mode, Position};
use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_DIRECTORY_NOT_SUPPORTED, ERROR_HANDLE_EOF, ERROR_INVALID_FUNCTION, ERROR_SEEK, HANDLE,
};
use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_BEGIN, FILE_CURRENT, FILE_TYPE_DISK, FILE_TYPE_PIPE, GetFileType, ReadFile, SetFilePointerEx, WriteFile,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Pipes::PeekNamedPipe;

/// A stretch of memory, in the words of the other systems.
#[derive(Clone, Copy, Debug)]
pub struct Iovec {
    pub iov_base: *mut c_void,
    pub iov_len: usize,
}

pub type Handle<'a> = BorrowedHandle<'a>;

#[cfg(test)]
pub fn handle(file: &std::fs::File) -> Handle<'_> {
    std::os::windows::io::AsHandle::as_handle(file)
}

/// # Safety
/// The iovecs must lie in memory that may be written to for the time of the call.
pub unsafe fn read(file: BorrowedHandle<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let handle = file.as_raw_handle();
    // SAFETY: the handle is borrowed, so it is open.
    let is_pipe = unsafe { GetFileType(handle) == FILE_TYPE_PIPE };
    one_by_one(handle, iovecs, position, |first, base, len, count, overlapped| {
        // One read that finds something is a read: the next would wait for more. One that wants nothing would
        // wait too.
        if is_pipe && (len == 0 || (!first && !has_bytes(handle))) {
            return Ok(());
        }
        // SAFETY: the caller answers for the iovecs; the rest is this function's own.
        match succeeded(unsafe { ReadFile(handle, base.cast(), len, count, overlapped) }) {
            Err(error) if is_code(&error, ERROR_HANDLE_EOF) || is_code(&error, ERROR_BROKEN_PIPE) => Ok(()),
            // The error of Windows for a directory.
            Err(error) if is_code(&error, ERROR_INVALID_FUNCTION) => Err(code(ERROR_DIRECTORY_NOT_SUPPORTED)),
            result => result,
        }
    })
}

/// # Safety
/// The iovecs must lie in memory that may be read from for the time of the call.
pub unsafe fn write(file: BorrowedHandle<'_>, iovecs: &[Iovec], position: Position) -> io::Result<u32> {
    let handle = file.as_raw_handle();
    one_by_one(handle, iovecs, position, |_, base, len, count, overlapped| {
        // SAFETY: as in `read`.
        succeeded(unsafe { WriteFile(handle, base.cast(), len, count, overlapped) })
    })
}

/// # Safety
/// None: no call of this system says that it must not wait.
pub unsafe fn read_now(_: BorrowedHandle<'_>, _: &[Iovec], _: Position) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Safety
/// None: as `read_now`.
pub unsafe fn write_now(_: BorrowedHandle<'_>, _: &[Iovec], _: Position) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Safety
/// None: there are no sockets to receive from.
pub unsafe fn receive(_: BorrowedHandle<'_>, _: &[Iovec], _: bool, _: bool, _: Mode) -> io::Result<(u32, bool)> {
    Err(io::Error::from_raw_os_error(WSAENOTSOCK))
}

/// # Safety
/// None: there are no sockets to send to.
pub unsafe fn send(_: BorrowedHandle<'_>, _: &[Iovec], _: Mode) -> io::Result<u32> {
    Err(io::Error::from_raw_os_error(WSAENOTSOCK))
}

/// Makes a call for each iovec until one is cut short: Windows has none that takes several. A call at a
/// position moves the file's own offset, which is put back.
fn one_by_one(
    handle: HANDLE,
    iovecs: &[Iovec],
    position: Position,
    mut call: impl FnMut(bool, *mut c_void, u32, *mut u32, *mut OVERLAPPED) -> io::Result<()>,
) -> io::Result<u32> {
    let before = match position {
        Position::At(_) => Some(offset_of(handle)?),
        Position::Current | Position::End => None,
    };
    let mut total = 0_u32;
    let mut outcome = Ok(());
    for (number, Iovec { iov_base, iov_len }) in iovecs.iter().enumerate() {
        let len = u32::try_from(*iov_len).unwrap_or(u32::MAX).min(u32::MAX - total);
        let mut overlapped = OVERLAPPED::default();
        let at = match position {
            Position::Current => None,
            Position::At(offset) => Some(offset.saturating_add(u64::from(total))),
            Position::End => Some(u64::MAX),
        };
        if let Some(offset) = at {
            overlapped.Anonymous.Anonymous.Offset = (offset & u64::from(u32::MAX)) as u32;
            overlapped.Anonymous.Anonymous.OffsetHigh = (offset >> 32) as u32;
        }
        let overlapped = if at.is_some() { &raw mut overlapped } else { null_mut() };
        let mut count = 0;
        outcome = call(number == 0, *iov_base, len, &raw mut count, overlapped);
        total = total.saturating_add(count);
        if outcome.is_err() || count < len {
            break;
        }
    }
    if let Some(offset) = before {
        // SAFETY: the handle is borrowed, so it is open. It has just told this offset.
        unsafe { SetFilePointerEx(handle, offset, null_mut(), FILE_BEGIN) };
    }
    // Bytes moved before an error are reported first; the error comes with the next call.
    if total > 0 { Ok(total) } else { outcome.map(|()| 0) }
}

/// A file's own offset; an error if it has none.
fn offset_of(handle: HANDLE) -> io::Result<i64> {
    let mut offset = 0;
    // SAFETY: the handle is borrowed, so it is open; moving by nothing tells where it is.
    unsafe {
        if GetFileType(handle) != FILE_TYPE_DISK {
            return Err(code(ERROR_SEEK));
        }
        succeeded(SetFilePointerEx(handle, 0, &raw mut offset, FILE_CURRENT))?;
    }
    Ok(offset)
}

fn has_bytes(pipe: HANDLE) -> bool {
    let mut available = 0;
    // SAFETY: the handle is borrowed, so it is open; only the count is asked for.
    unsafe { PeekNamedPipe(pipe, null_mut(), 0, null_mut(), &raw mut available, null_mut()) != 0 && available > 0 }
}

/// The result of a call that answers "true" or "false".
fn succeeded(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn code(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

fn is_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

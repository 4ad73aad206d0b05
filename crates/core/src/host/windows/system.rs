//! The calls of Windows that neither std nor cap-std has safe names for: here they get them.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use std::ffi::OsStr;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;
use windows_sys::Wdk::Storage::FileSystem::{FILE_LINK_INFORMATION, FileLinkInformation, NtSetInformationFile};
use windows_sys::Win32::Foundation::{
    ERROR_NO_MORE_FILES, FILETIME, GetLastError, HANDLE, INVALID_HANDLE_VALUE, NO_ERROR, RtlNtStatusToDosError,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_INFO_BY_HANDLE_CLASS, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TYPE_CHAR, FILE_TYPE_DISK,
    FILE_TYPE_PIPE, FileAttributeTagInfo, FileBasicInfo, FileIdBothDirectoryInfo, FileIdBothDirectoryRestartInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetFileType, ReOpenFile,
};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetProcessTimes, GetThreadTimes, WaitForSingleObject,
};

/// The kind of object behind a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file or directory.
    Disk,
    /// A console, or a device.
    Character,
    /// A pipe; a socket too.
    Pipe,
}

/// Attributes of a file; times in 100 ns since 1601.
#[derive(Clone, Copy, Debug)]
pub struct Information {
    pub attributes: u32,
    pub reparse_tag: u32,
    pub accessed: i64,
    pub modified: i64,
    pub changed: i64,
    pub volume: u32,
    pub index: u64,
    pub links: u32,
    pub size: u64,
}

fn raw(handle: BorrowedHandle<'_>) -> HANDLE {
    handle.as_raw_handle()
}

/// The result of a call that answers "true" or "false".
fn succeeded(answer: i32) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub fn kind(handle: BorrowedHandle<'_>) -> io::Result<Kind> {
    // SAFETY: the handle is borrowed, so it is open.
    match unsafe { GetFileType(raw(handle)) } {
        FILE_TYPE_DISK => Ok(Kind::Disk),
        FILE_TYPE_CHAR => Ok(Kind::Character),
        FILE_TYPE_PIPE => Ok(Kind::Pipe),
        // SAFETY: no preconditions. Unknown without an error is a device.
        _ => match unsafe { GetLastError() } {
            NO_ERROR => Ok(Kind::Character),
            error => Err(io::Error::from_raw_os_error(error.cast_signed())),
        },
    }
}

/// One of the records that tell about a file.
///
/// # Safety
/// `T` must be the record of this class: plain numbers.
unsafe fn information_of<T: Default>(handle: BorrowedHandle<'_>, class: FILE_INFO_BY_HANDLE_CLASS) -> io::Result<T> {
    let mut record = T::default();
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the call writes at most `size` bytes to `record`, which takes any bytes: the caller answers for
    // that.
    succeeded(unsafe { GetFileInformationByHandleEx(raw(handle), class, (&raw mut record).cast(), size) })?;
    Ok(record)
}

pub fn information(handle: BorrowedHandle<'_>) -> io::Result<Information> {
    let mut numbers = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the call fills the record.
    succeeded(unsafe { GetFileInformationByHandle(raw(handle), &raw mut numbers) })?;
    // SAFETY: it is the record of the class.
    let times: FILE_BASIC_INFO = unsafe { information_of(handle, FileBasicInfo) }?;
    // SAFETY: as above. A file system without reparse points may not know the class.
    let tag: FILE_ATTRIBUTE_TAG_INFO = unsafe { information_of(handle, FileAttributeTagInfo) }.unwrap_or_default();
    let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Information {
        attributes: numbers.dwFileAttributes,
        reparse_tag: tag.ReparseTag,
        accessed: times.LastAccessTime,
        modified: times.LastWriteTime,
        changed: times.ChangeTime,
        volume: numbers.dwVolumeSerialNumber,
        index: wide(numbers.nFileIndexHigh, numbers.nFileIndexLow),
        links: numbers.nNumberOfLinks,
        size: wide(numbers.nFileSizeHigh, numbers.nFileSizeLow),
    })
}

/// Another handle of the same file, for something else.
pub fn reopen(handle: BorrowedHandle<'_>, access: u32) -> io::Result<OwnedHandle> {
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: the handle is borrowed, so it is open.
    let opened = unsafe { ReOpenFile(raw(handle), access, share, FILE_FLAG_BACKUP_SEMANTICS) };
    if opened == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made it, for us.
    Ok(unsafe { OwnedHandle::from_raw_handle(opened) })
}

/// Makes `name` in `dir` another name of `file`, a handle that must have been opened without following a
/// link.
pub fn link(file: BorrowedHandle<'_>, dir: BorrowedHandle<'_>, name: &OsStr) -> io::Result<()> {
    const NAME: usize = offset_of!(FILE_LINK_INFORMATION, FileName);
    let wide: Vec<u16> = name.encode_wide().collect();
    let name_bytes = u32::try_from(size_of_val(wide.as_slice())).map_err(|_| io::ErrorKind::InvalidInput)?;
    // Of words, so that the record in it is aligned.
    let mut buffer = vec![0_u64; size_of::<FILE_LINK_INFORMATION>().div_ceil(8) + wide.len().div_ceil(4)];
    let record = buffer.as_mut_ptr().cast::<FILE_LINK_INFORMATION>();
    // SAFETY: the buffer has room for the record and, from the place of its last field on, for the name.
    unsafe {
        (*record).RootDirectory = raw(dir);
        (*record).FileNameLength = name_bytes;
        let to = record.cast::<u8>().add(NAME).cast::<u16>();
        to.copy_from_nonoverlapping(wide.as_ptr(), wide.len());
    }
    let length = u32::try_from(size_of_val(buffer.as_slice())).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut status = Default::default();
    // SAFETY: `record` is what the class asks for, `length` bytes long; both handles are borrowed, so they
    // are open.
    let answer =
        unsafe { NtSetInformationFile(raw(file), &raw mut status, record.cast(), length, FileLinkInformation) };
    if answer >= 0 {
        return Ok(());
    }
    // SAFETY: no preconditions.
    Err(io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(answer) }.cast_signed()))
}

/// Gives records `FILE_ID_BOTH_DIR_INFO` of the next entries of a directory, or none at its end.
pub fn list<'b>(dir: BorrowedHandle<'_>, restart: bool, buffer: &'b mut [u64]) -> io::Result<Option<&'b [u8]>> {
    let class = if restart { FileIdBothDirectoryRestartInfo } else { FileIdBothDirectoryInfo };
    let size = size_of_val(buffer);
    let length = u32::try_from(size).unwrap_or(0);
    // SAFETY: the call writes at most `length` bytes to the buffer, which takes any.
    match succeeded(unsafe { GetFileInformationByHandleEx(raw(dir), class, buffer.as_mut_ptr().cast(), length) }) {
        // SAFETY: they are the buffer's own bytes, borrowed for as long.
        Ok(()) => Ok(Some(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), size) })),
        Err(error) if error.raw_os_error() == Some(ERROR_NO_MORE_FILES.cast_signed()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes that can be read from a pipe.
pub fn peek(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut available = 0;
    // SAFETY: only the count is asked for.
    succeeded(unsafe { PeekNamedPipe(raw(pipe), null_mut(), 0, null_mut(), &raw mut available, null_mut()) })?;
    Ok(available)
}

/// True if waiting for the handle would end at once: for a console, if there is input.
pub fn is_signaled(handle: BorrowedHandle<'_>) -> bool {
    // SAFETY: the handle is borrowed, so it is open.
    unsafe { WaitForSingleObject(raw(handle), 0) == WAIT_OBJECT_0 }
}

/// The performance counter, and how often it counts in a second.
pub fn performance_counter() -> (u64, u64) {
    let (mut count, mut frequency) = (0, 0);
    // SAFETY: both are filled; neither fails on any Windows that Node runs on.
    unsafe {
        QueryPerformanceCounter(&raw mut count);
        QueryPerformanceFrequency(&raw mut frequency);
    }
    (count.cast_unsigned(), frequency.cast_unsigned())
}

/// The time that processors have been busy with this process, or this thread, in 100 ns.
pub fn processor_time(of_thread: bool) -> u64 {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: both handles mean the caller's own, and need no closing; all four times are filled.
    unsafe {
        if of_thread {
            GetThreadTimes(GetCurrentThread(), created, exited, kernel, user);
        } else {
            GetProcessTimes(GetCurrentProcess(), created, exited, kernel, user);
        }
    }
    let count = |time: &FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    count(kernel).saturating_add(count(user))
}

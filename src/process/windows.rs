use std::io;
use std::mem::ManuallyDrop;
use std::os::windows::io::{FromRawHandle, OwnedHandle, RawHandle};
use wasi_rs_core::host::file::File;
use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;
use windows_sys::Win32::Networking::WinSock::WSAENOTSOCK;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW, GetModuleHandleW,
    GetProcAddress,
};

/// Keeps the addon loaded: unmapped while a worker thread still unwinds through it, it would take the process
/// down. Nothing else needs to change: there are no forks, and no signals that a guest's calls could bring
/// about.
pub fn prepare_process() {
    let mut module = std::ptr::null_mut();
    let here = prepare_process as fn() as *const u16;
    // SAFETY: with FROM_ADDRESS the name is an address in a module, and it is this one's. Should the call
    // fail, the addon is loaded as any other is.
    unsafe {
        GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
            here,
            &raw mut module,
        );
    }
}

/// True on Node's main thread, which is not ended while a call waits. Windows does not know a first thread,
/// so each is taken for a worker: its waits go in slices, between which Node is asked.
pub const fn is_main_thread() -> bool {
    false
}

/// A handle of the host, by its descriptor number, without taking it over; an error unless it is open.
///
/// The numbers are those of Node's own C library, of which the addon has another copy: only Node can tell
/// what a number stands for. It exports libuv's function that does. As on other systems the guest uses the
/// host's handle itself, and the host must keep it open for as long as the guest may use it.
pub fn host_descriptor(number: i32) -> io::Result<File> {
    type GetOsHandle = unsafe extern "C" fn(i32) -> RawHandle;
    // SAFETY: null means the program itself, which stays loaded; both names end in NUL.
    let function = unsafe { GetProcAddress(GetModuleHandleW(std::ptr::null()), c"uv_get_osfhandle".as_ptr().cast()) };
    let Some(function) = function else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the program does not export uv_get_osfhandle"));
    };
    // SAFETY: libuv's header declares it so: `uv_os_fd_t uv_get_osfhandle(int fd)`.
    let get_os_handle = unsafe { std::mem::transmute::<unsafe extern "system" fn() -> isize, GetOsHandle>(function) };
    // SAFETY: it takes any number, and answers -1 or -2 for one that stands for nothing.
    let handle = unsafe { get_os_handle(number) };
    if handle.addr().cast_signed() <= 0 {
        return Err(io::Error::from_raw_os_error(ERROR_INVALID_HANDLE.cast_signed()));
    }
    // SAFETY: it is open, and since this "owner" is never dropped it is not closed here. If the host closes
    // it after all, the guest's calls get EBADF, or what the host has opened under that number since.
    Ok(File::borrowed(ManuallyDrop::new(unsafe { OwnedHandle::from_raw_handle(handle) })))
}

/// An error: Node's sockets have no descriptor numbers on Windows.
pub fn listening_socket(_: i32) -> io::Result<(File, bool)> {
    Err(io::Error::from_raw_os_error(WSAENOTSOCK))
}

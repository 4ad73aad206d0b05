//! The sockets of exchanges of HTTP.

use wasi_rs_core::abi::Errno;
use wasi_rs_core::host::file::{File, OwnedHandle, is_beyond_share};

/// The two ends of an exchange: the embedder's, and the guest's, which does not wait. Children of the process
/// don't get them.
#[cfg(unix)]
pub fn pair() -> Result<(OwnedHandle, File), Errno> {
    use std::os::fd::AsRawFd;
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    for end in [&here, &there] {
        if is_beyond_share(usize::try_from(end.as_raw_fd()).unwrap_or(0)) {
            return Err(Errno::Mfile);
        }
    }
    there.set_nonblocking(true)?;
    Ok((here.into(), OwnedHandle::from(there).into()))
}

/// The two ends of an exchange.
#[cfg(not(unix))]
pub fn pair() -> Result<(OwnedHandle, File), Errno> {
    Err(Errno::Notsup)
}

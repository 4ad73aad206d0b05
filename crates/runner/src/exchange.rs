//! The sockets of exchanges of HTTP: one for each direction. An end that is closed with bytes in it that
//! nobody has read makes the other one fail, which must not cost the bytes that go the other way.

use wasi_rs_core::abi::Errno;
use wasi_rs_core::host::file::{File, OwnedHandle, is_beyond_share};

/// The ends of an exchange: that which is read, and that which is written.
pub struct Ends<T> {
    /// The end that is read.
    pub input: T,
    /// The end that is written.
    pub output: T,
}

/// The embedder's ends, and the guest's, which do not wait. Children of the process don't get them.
#[cfg(unix)]
pub fn pair() -> Result<(Ends<OwnedHandle>, Ends<File>), Errno> {
    let ((to_guest, input), (from_guest, output)) = (one_way()?, one_way()?);
    Ok((Ends { input: from_guest, output: to_guest }, Ends { input, output }))
}

#[cfg(unix)]
fn one_way() -> Result<(OwnedHandle, File), Errno> {
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

/// The embedder's ends, and the guest's.
#[cfg(not(unix))]
pub fn pair() -> Result<(Ends<OwnedHandle>, Ends<File>), Errno> {
    Err(Errno::Notsup)
}

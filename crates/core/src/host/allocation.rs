//! The allocation of space in a file, for systems without a call that has Linux's rules.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;

/// The size that makes room for `len` bytes from `offset` on, or none if the file is as long already. The
/// errors are Linux's.
pub fn end_to_allocate(
    filetype: Filetype,
    offset: u64,
    len: u64,
    size: impl FnOnce() -> Result<u64>,
) -> Result<Option<u64>> {
    match filetype {
        Filetype::RegularFile => {}
        Filetype::Unknown => return Err(Errno::Spipe),
        _ => return Err(Errno::Nodev),
    }
    if len == 0 {
        return Err(Errno::Inval);
    }
    let end = offset.checked_add(len).filter(|end| i64::try_from(*end).is_ok()).ok_or(Errno::Fbig)?;
    let size = size()?;
    Ok(Some(end).filter(|end| *end > size))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_extended_to_the_end_of_the_range_only() {
        let end = |offset, len| end_to_allocate(Filetype::RegularFile, offset, len, || Ok(10));
        assert_eq!((end(4, 6), end(4, 7), end(20, 1)), (Ok(None), Ok(Some(11)), Ok(Some(21))));
        assert_eq!((end(0, 0), end(u64::MAX, 1)), (Err(Errno::Inval), Err(Errno::Fbig)));
        assert_eq!(end(i64::MAX as u64, 1), Err(Errno::Fbig));
    }

    #[test]
    fn files_of_other_types_have_no_space_to_allocate() {
        let size = || panic!("the size is not asked for");
        assert_eq!(end_to_allocate(Filetype::Unknown, 0, 0, size), Err(Errno::Spipe));
        assert_eq!(end_to_allocate(Filetype::Directory, 0, 0, size), Err(Errno::Nodev));
    }
}

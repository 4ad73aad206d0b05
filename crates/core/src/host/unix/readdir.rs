use crate::abi::flags::Filetype;
use crate::host::file::File;
use crate::host::unix::file::{filestat_of, filetype_of};
use rustix::fs::{AtFlags, FileType};

#[cfg(target_os = "macos")]
pub use crate::host::snapshot::read;
#[cfg(target_os = "macos")]
pub use crate::host::unix::system::for_each_entry;
#[cfg(target_os = "linux")]
pub use crate::host::unix::system::read;

/// What an entry is. Some file systems don't say so in a listing.
pub fn entry_type(dir: &File, name: &[u8], listed: FileType) -> Filetype {
    match listed {
        FileType::Unknown => rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .and_then(|stat| Filetype::from_number(filestat_of(&stat).filetype).ok())
            .unwrap_or(Filetype::Unknown),
        known => filetype_of(known),
    }
}

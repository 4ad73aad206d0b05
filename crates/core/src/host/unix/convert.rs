//! Values in the operating system's words and in the standard's.

use crate::abi::errno::Result;
use crate::abi::flags::Filetype;
use crate::abi::records::Filestat;
use crate::host::handle::{File, SetTime};
use crate::host::time::{NANOS_PER_SEC, nanoseconds};
use rustix::fs::{AtFlags, FileType, Stat, Timespec, Timestamps};

/// Runs a call again while a signal interrupts it.
pub fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

/// The time of so many nanoseconds.
pub fn timespec(nanoseconds: u64) -> Timespec {
    // Both quotients fit: u64::MAX nanoseconds are 1.8e10 seconds.
    Timespec {
        tv_sec: (nanoseconds / NANOS_PER_SEC).cast_signed(),
        tv_nsec: (nanoseconds % NANOS_PER_SEC).cast_signed(),
    }
}

/// The times as the operating system takes them.
pub fn timestamps(atim: SetTime, mtim: SetTime) -> Timestamps {
    let time = |set| match set {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        SetTime::To(nanoseconds) => timespec(nanoseconds),
    };
    Timestamps { last_access: time(atim), last_modification: time(mtim) }
}

/// The standard's name for a type of file; it has none for a pipe.
pub fn filetype_of(os: FileType) -> Filetype {
    match os {
        FileType::RegularFile => Filetype::RegularFile,
        FileType::Directory => Filetype::Directory,
        FileType::Symlink => Filetype::SymbolicLink,
        FileType::CharacterDevice => Filetype::CharacterDevice,
        FileType::BlockDevice => Filetype::BlockDevice,
        FileType::Socket => Filetype::SocketStream,
        FileType::Fifo | FileType::Unknown => Filetype::Unknown,
    }
}

/// The standard's record of what the operating system told.
#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions, reason = "widths differ between systems")]
pub fn filestat_of(stat: &Stat) -> Filestat {
    // Not a closure: the fields differ in type from one system to the other.
    macro_rules! time {
        ($seconds:ident, $nanos:ident) => {
            nanoseconds(stat.$seconds.into(), i64::try_from(stat.$nanos).unwrap_or(0))
        };
    }
    Filestat {
        dev: u64::try_from(stat.st_dev).unwrap_or(0),
        ino: stat.st_ino,
        filetype: filetype_of(FileType::from_raw_mode(stat.st_mode)).number(),
        nlink: u64::from(stat.st_nlink),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        atim: time!(st_atime, st_atime_nsec),
        mtim: time!(st_mtime, st_mtime_nsec),
        ctim: time!(st_ctime, st_ctime_nsec),
    }
}

/// The type of an entry. Some file systems don't say so in a listing.
pub fn entry_type(dir: &File, name: &[u8], listed: FileType) -> Filetype {
    match listed {
        FileType::Unknown => rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .and_then(|stat| Filetype::from_number(filestat_of(&stat).filetype).ok())
            .unwrap_or(Filetype::Unknown),
        known => filetype_of(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_nanoseconds_is_a_time() {
        assert_eq!((timespec(u64::MAX).tv_sec, timespec(u64::MAX).tv_nsec), (18_446_744_073, 709_551_615));
    }
}

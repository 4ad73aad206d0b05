use super::clock::{since_1970, system_time};
use super::system::{self, Information, Kind};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Advice, Fdflags, Filetype};
use crate::abi::records::Filestat;
use crate::host::allocation::end_to_allocate;
use crate::host::handle::{File, SetTime};
use crate::host::interrupt::Interrupt;
use cap_std::io_lifetimes::AsFilelike;
use std::fs::FileTimes;
use std::io::{self, Seek};
use std::time::SystemTime;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_WRITE_ATTRIBUTES,
};

pub use std::io::SeekFrom;

/// Reparse points of these tags stand for another file: links and mount points.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// False: a transfer at an offset costs more than one at the handle's own, since it moves that too.
pub const TRANSFERS_ANYWHERE: bool = false;

/// The number of files that the process may have open: Windows has no limit.
pub const fn open_files_limit() -> usize {
    usize::MAX
}

/// Calls a function of std on the file.
fn with<T>(file: &File, call: impl FnOnce(&mut &std::fs::File) -> io::Result<T>) -> Result<T> {
    Ok(call(&mut &*file.handle.as_filelike_view::<std::fs::File>())?)
}

/// The errno that Linux has for a call that only regular files take, unless the file is one.
fn require_regular(file: &File, of_pipe: Errno, of_others: Errno) -> Result {
    match kept_filetype(file)? {
        Filetype::RegularFile => Ok(()),
        Filetype::Unknown => Err(of_pipe),
        _ => Err(of_others),
    }
}

/// Zero: no number of a file tells how many are open.
pub const fn number(_: &File) -> usize {
    0
}

/// The type of the file, which the operating system is asked for once.
pub fn kept_filetype(file: &File) -> Result<Filetype> {
    file.filetype_by(filetype)
}

pub fn filetype(file: &File) -> Result<Filetype> {
    Ok(match system::kind(file.handle())? {
        Kind::Disk => {
            let Information { attributes, reparse_tag, .. } = system::information(file.handle())?;
            filetype_of(attributes, reparse_tag)
        }
        Kind::Character => Filetype::CharacterDevice,
        // The standard has no name for a pipe.
        Kind::Pipe => Filetype::Unknown,
    })
}

/// The standard's name for a type of file.
pub const fn filetype_of(attributes: u32, reparse_tag: u32) -> Filetype {
    if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 && reparse_tag & NAME_SURROGATE != 0 {
        Filetype::SymbolicLink
    } else if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        Filetype::Directory
    } else {
        Filetype::RegularFile
    }
}

pub fn stat(file: &File) -> Result<Filestat> {
    let filetype = kept_filetype(file)?;
    if matches!(filetype, Filetype::CharacterDevice | Filetype::Unknown) {
        return Ok(Filestat { filetype: filetype.number(), nlink: 1, ..Filestat::default() });
    }
    let Information { accessed, modified, changed, volume, index, links, size, .. } =
        system::information(file.handle())?;
    Ok(Filestat {
        dev: u64::from(volume),
        ino: index,
        filetype: filetype.number(),
        nlink: u64::from(links),
        size,
        atim: since_1970(accessed),
        mtim: since_1970(modified),
        ctim: since_1970(changed),
    })
}

pub fn set_size(file: &File, size: u64) -> Result {
    require_regular(file, Errno::Inval, Errno::Inval)?;
    match with(file, |file| file.set_len(size)) {
        // More than the file system takes: nothing else of it can be invalid.
        Err(Errno::Inval) => Err(Errno::Fbig),
        result => result,
    }
}

pub fn set_times(file: &File, atim: SetTime, mtim: SetTime) -> Result {
    if matches!(kept_filetype(file)?, Filetype::CharacterDevice | Filetype::Unknown) {
        return Err(Errno::Inval);
    }
    let time = |set| match set {
        SetTime::Keep => None,
        SetTime::Now => Some(SystemTime::now()),
        SetTime::To(nanoseconds) => Some(system_time(nanoseconds)),
    };
    let mut times = FileTimes::new();
    if let Some(time) = time(atim) {
        times = times.set_accessed(time);
    }
    if let Some(time) = time(mtim) {
        times = times.set_modified(time);
    }
    match with(file, |file| file.set_times(times)) {
        // A handle for reading may not do this on Windows; whoever has a file open may on other systems.
        Err(Errno::Acces) => {
            let file = system::reopen(file.handle(), FILE_WRITE_ATTRIBUTES)?;
            Ok(std::fs::File::from(file).set_times(times)?)
        }
        result => result,
    }
}

pub fn allocate(file: &File, offset: u64, len: u64, _: &dyn Interrupt) -> Result {
    match end_to_allocate(kept_filetype(file)?, offset, len, || Ok(stat(file)?.size))? {
        Some(end) => set_size(file, end),
        None => Ok(()),
    }
}

/// Checks the file only: Windows takes no advice.
pub fn advise(file: &File, _offset: u64, _len: u64, _advice: Advice) -> Result {
    if kept_filetype(file)? == Filetype::Unknown { Err(Errno::Spipe) } else { Ok(()) }
}

pub fn seek(file: &File, to: SeekFrom) -> Result<u64> {
    require_regular(file, Errno::Spipe, Errno::Spipe)?;
    with(file, |file| file.seek(to))
}

pub fn sync(file: &File) -> Result {
    match kept_filetype(file)? {
        Filetype::RegularFile => {}
        // There is no such call for directories.
        Filetype::Directory => return Ok(()),
        // Of a pipe it would wait for the reader.
        _ => return Err(Errno::Inval),
    }
    match with(file, |file| file.sync_all()) {
        // Through a handle for reading nothing was written that could have to be waited for.
        Err(Errno::Acces) => Ok(()),
        result => result,
    }
}

pub fn datasync(file: &File) -> Result {
    sync(file)
}

pub fn available(file: &File) -> u64 {
    match kept_filetype(file) {
        Ok(Filetype::Unknown) => system::peek(file.handle()).map_or(0, u64::from),
        _ => 0,
    }
}

/// No flags: a handle does not tell its own.
pub const fn flags(_: &File) -> Result<Fdflags> {
    Ok(Fdflags::empty())
}

/// Each write says where it goes: see `Position::End`.
pub const fn set_append(_: &File, _append: bool) -> Result {
    Ok(())
}

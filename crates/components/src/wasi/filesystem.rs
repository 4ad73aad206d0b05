//! wasi:filesystem: descriptors are those of the system calls.

use super::calls::{Calls, Made, Place};
use super::clocks::{datetime, nanoseconds};
use super::errors::{Failed, IoError, code_of};
use super::generated::filesystem::{preopens, types};
use super::listing::{Listing, type_of};
use super::streams::{InputStream, OutputStream, Place as StreamPlace};
use super::{OpenFile, View};
use crate::direct::Block;
use std::sync::Arc;
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::flags::{Fdflags, Filetype, Fstflags, Oflags, Rights};
use wasi_rs_core::abi::records::Filestat;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The first descriptor that may be a directory of the guest's own.
const FIRST_PREOPEN: u32 = 3;

/// The most bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// The resource `descriptor`.
#[derive(Clone, Debug)]
pub struct Descriptor {
    file: Arc<OpenFile>,
    /// The ways of using it that it was opened for.
    flags: DescriptorFlags,
    /// True if it may be used to change the content of the directory that it is, if it is one, whatever it
    /// was opened for: programs open directories without asking for that, and change them.
    changes: bool,
}

impl Descriptor {
    /// True if the content of this directory may be changed by it.
    fn may_change(&self, calls: &mut Calls<'_>) -> Made<bool> {
        Ok(self.changes && self.file.kind(calls)?.0 == Some(Filetype::Directory))
    }
}

/// The rights to change a file.
const WRITING: Rights = Rights::FD_WRITE.union(Rights::FD_ALLOCATE).union(Rights::FD_FILESTAT_SET_SIZE);

fn place(fd: u32, flags: PathFlags, path: &str) -> Place<'_> {
    Place { fd, path, follows: flags.contains(PathFlags::SYMLINK_FOLLOW) }
}

fn stat_of(stat: &Filestat) -> DescriptorStat {
    DescriptorStat {
        type_: type_of(Filetype::from_number(stat.filetype).ok()),
        link_count: stat.nlink,
        size: stat.size,
        data_access_timestamp: Some(datetime(stat.atim)),
        data_modification_timestamp: Some(datetime(stat.mtim)),
        status_change_timestamp: Some(datetime(stat.ctim)),
    }
}

/// A number that tells files apart.
fn hash_of(stat: &Filestat) -> MetadataHashValue {
    // Each file of a device has another: both steps can be undone (MurmurHash3's last).
    let mixed = |number: u64| {
        let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        number ^ (number >> 33)
    };
    let lower = mixed(stat.ino ^ mixed(stat.dev ^ 1));
    MetadataHashValue { lower, upper: mixed(lower ^ stat.dev) }
}

/// Times for a system call, and what to do with them.
fn times_of(access: NewTimestamp, modification: NewTimestamp) -> Made<([u64; 2], Fstflags)> {
    let one = |time: NewTimestamp, set: Fstflags, now: Fstflags| match time {
        NewTimestamp::NoChange => Ok((0, Fstflags::empty())),
        NewTimestamp::Now => Ok((0, now)),
        NewTimestamp::Timestamp(time) => nanoseconds(time).map(|time: u64| (time, set)).ok_or(Errno::Inval),
    };
    let (access, of_access) = one(access, Fstflags::ATIM, Fstflags::ATIM_NOW)?;
    let (modification, of_modification) = one(modification, Fstflags::MTIM, Fstflags::MTIM_NOW)?;
    Ok(([access, modification], of_access | of_modification))
}

/// The flags that a file is opened with.
fn oflags(flags: OpenFlags) -> Oflags {
    let mut all = Oflags::empty();
    for (flag, one) in [
        (OpenFlags::CREATE, Oflags::CREAT),
        (OpenFlags::DIRECTORY, Oflags::DIRECTORY),
        (OpenFlags::EXCLUSIVE, Oflags::EXCL),
        (OpenFlags::TRUNCATE, Oflags::TRUNC),
    ] {
        all.set(one, flags.contains(flag));
    }
    all
}

/// The flags to open a file with: one that is created is written, one that is opened for nothing is read.
fn opened_flags(open: OpenFlags, mut flags: DescriptorFlags) -> DescriptorFlags {
    if !flags.contains(DescriptorFlags::WRITE) {
        flags |= DescriptorFlags::READ;
    }
    if open.contains(OpenFlags::CREATE) {
        flags |= DescriptorFlags::WRITE;
    }
    flags
}

/// The ways of writing that a descriptor may have.
const SYNC_FLAGS: [(DescriptorFlags, Fdflags); 3] = [
    (DescriptorFlags::FILE_INTEGRITY_SYNC, Fdflags::SYNC),
    (DescriptorFlags::DATA_INTEGRITY_SYNC, Fdflags::DSYNC),
    (DescriptorFlags::REQUESTED_WRITE_SYNC, Fdflags::RSYNC),
];

impl View<'_> {
    fn descriptor(&mut self, descriptor: &Resource<Descriptor>) -> Made<Descriptor> {
        Ok(self.wasi.table.get(descriptor)?.clone())
    }

    /// The number of a descriptor, for a call that is made at once.
    fn fd(&mut self, descriptor: &Resource<Descriptor>) -> Made<u32> {
        Ok(self.wasi.table.get(descriptor)?.file.fd)
    }

    /// The same, if it was opened for this.
    fn fd_opened_for(&mut self, descriptor: &Resource<Descriptor>, flag: DescriptorFlags) -> Made<u32> {
        self.opened_for(descriptor, flag).map(|file| file.fd)
    }

    /// A file that was opened for this.
    fn opened_for(&mut self, descriptor: &Resource<Descriptor>, flag: DescriptorFlags) -> Made<&Arc<OpenFile>> {
        let descriptor = self.wasi.table.get(descriptor)?;
        if descriptor.flags.contains(flag) { Ok(&descriptor.file) } else { Err(Errno::Badf.into()) }
    }

    /// False for a pipe, a terminal or a socket, which is read and written where it is.
    fn has_places(&mut self, file: &OpenFile) -> Made<bool> {
        let (filetype, _) = file.kind(&mut self.calls())?;
        Ok(matches!(filetype, Some(Filetype::RegularFile | Filetype::BlockDevice | Filetype::Directory)))
    }

    pub(super) fn read_file(&mut self, this: &Resource<Descriptor>, length: u64, offset: u64) -> Made<(Block, bool)> {
        let length = u32::try_from(length.min(PIECE)).unwrap_or(u32::MAX);
        let fd = self.fd_opened_for(this, DescriptorFlags::READ)?;
        let bytes = self.calls().read(fd, length, Some(offset))?;
        let is_end = bytes.is_empty() && length > 0;
        Ok((bytes, is_end))
    }

    pub(super) fn write_file(&mut self, this: &Resource<Descriptor>, mut bytes: Block, offset: u64) -> Made<u64> {
        let fd = self.fd_opened_for(this, DescriptorFlags::WRITE)?;
        Ok(self.calls().write(fd, &mut bytes, 0, Some(offset))?.into())
    }

    /// The place of a stream that reads a file from an offset on.
    pub(super) fn place_to_read(&mut self, this: &Resource<Descriptor>, offset: u64) -> Made<StreamPlace> {
        let file = Arc::clone(self.opened_for(this, DescriptorFlags::READ)?);
        Ok(if self.has_places(&file)? { StreamPlace::At(file, offset) } else { StreamPlace::Current(file) })
    }

    /// The place of a stream that writes to a file from an offset on, or to its end.
    pub(super) fn place_to_write(&mut self, this: &Resource<Descriptor>, offset: Option<u64>) -> Made<StreamPlace> {
        let file = Arc::clone(self.opened_for(this, DescriptorFlags::WRITE)?);
        Ok(match offset {
            _ if !self.has_places(&file)? => StreamPlace::Current(file),
            Some(offset) => StreamPlace::At(file, offset),
            None => StreamPlace::End(file),
        })
    }

    /// The entries of a directory.
    pub(super) fn listing(&mut self, this: &Resource<Descriptor>) -> Made<Listing> {
        let file = self.descriptor(this)?.file;
        self.listing_of(file)
    }

    /// Does something with a descriptor, which is dropped afterwards.
    fn with<T>(&mut self, descriptor: Descriptor, act: impl FnOnce(&mut Calls<'_>, &Descriptor) -> Made<T>) -> Made<T> {
        act(&mut self.calls(), &descriptor)
    }

    fn open(
        &mut self,
        base: &Descriptor,
        place: Place<'_>,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Made<Descriptor> {
        let mut calls = self.calls();
        let flags = opened_flags(open, flags);
        let (_, given) = base.file.kind(&mut calls)?;
        let mut own = Rights::FILE.union(Rights::DIRECTORY).difference(WRITING) & given;
        if flags.contains(DescriptorFlags::WRITE) {
            own.insert(WRITING & given);
            own.insert(Rights::FD_WRITE); // if it is not given, the call says so
        }
        if !flags.contains(DescriptorFlags::READ) {
            own.remove(Rights::FD_READ);
        }
        let mut fdflags = Fdflags::empty();
        for (flag, one) in SYNC_FLAGS {
            fdflags.set(one, flags.contains(flag));
        }
        let fd = calls.open(place, oflags(open), [own, given], fdflags)?;
        if flags.contains(DescriptorFlags::MUTATE_DIRECTORY) && !base.changes {
            calls.close(fd)?;
            return Err(Errno::Rofs.into());
        }
        Ok(Descriptor { file: Arc::new(OpenFile::new(fd, true)), flags, changes: base.changes })
    }
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        let mut all = Vec::new();
        for fd in FIRST_PREOPEN.. {
            let name = match self.calls().preopen(fd) {
                Ok(name) => name,
                Err(Failed::Errno(_)) => break,
                Err(Failed::Trap(error)) => return Err(error),
            };
            let file = OpenFile::new(fd, false);
            let (_, inheriting) = file.kind(&mut self.calls())?;
            let (changes, mut flags) = (inheriting.contains(Rights::PATH_UNLINK_FILE), DescriptorFlags::READ);
            if changes {
                flags |= DescriptorFlags::MUTATE_DIRECTORY;
            }
            all.push((self.wasi.table.push(Descriptor { file: Arc::new(file), flags, changes })?, name));
        }
        Ok(all)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, failed: Failed) -> Result<ErrorCode> {
        Self::code(failed)
    }

    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(match self.wasi.table.get(&error)? {
            IoError::Errno(errno) => Some(code_of(*errno)),
            IoError::Http(_) => None,
        })
    }
}

impl types::HostDescriptor for View<'_> {
    fn read_via_stream(&mut self, this: Resource<Descriptor>, offset: u64) -> Made<Resource<InputStream>> {
        let source = self.place_to_read(&this, offset)?;
        Ok(self.wasi.table.push(InputStream::new(source))?)
    }

    fn write_via_stream(&mut self, this: Resource<Descriptor>, offset: u64) -> Made<Resource<OutputStream>> {
        let target = self.place_to_write(&this, Some(offset))?;
        Ok(self.wasi.table.push(OutputStream::new(target))?)
    }

    fn append_via_stream(&mut self, this: Resource<Descriptor>) -> Made<Resource<OutputStream>> {
        let target = self.place_to_write(&this, None)?;
        Ok(self.wasi.table.push(OutputStream::new(target))?)
    }

    fn advise(&mut self, this: Resource<Descriptor>, offset: u64, length: u64, advice: Advice) -> Made {
        use wasi_rs_core::abi::flags::Advice as Number;
        let advice = match advice {
            Advice::Normal => Number::Normal,
            Advice::Sequential => Number::Sequential,
            Advice::Random => Number::Random,
            Advice::WillNeed => Number::Willneed,
            Advice::DontNeed => Number::Dontneed,
            Advice::NoReuse => Number::Noreuse,
        };
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| {
            if this.file.kind(calls)?.0 == Some(Filetype::Directory) {
                return Err(Errno::Badf.into());
            }
            calls.advise(this.file.fd, offset, length, advice.number())
        })
    }

    fn sync_data(&mut self, this: Resource<Descriptor>) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.sync(this.file.fd, true))
    }

    fn get_flags(&mut self, this: Resource<Descriptor>) -> Made<DescriptorFlags> {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| {
            let mut flags = this.flags;
            if flags.contains(DescriptorFlags::MUTATE_DIRECTORY) && !this.may_change(calls)? {
                flags &= !DescriptorFlags::MUTATE_DIRECTORY;
            }
            Ok(flags)
        })
    }

    fn get_type(&mut self, this: Resource<Descriptor>) -> Made<DescriptorType> {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| Ok(type_of(this.file.kind(calls)?.0)))
    }

    fn set_size(&mut self, this: Resource<Descriptor>, size: u64) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.set_size(this.file.fd, size))
    }

    fn set_times(&mut self, this: Resource<Descriptor>, access: NewTimestamp, modification: NewTimestamp) -> Made {
        let (times, flags) = times_of(access, modification)?;
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.set_times(this.file.fd, times, flags))
    }

    fn read(&mut self, this: Resource<Descriptor>, length: u64, offset: u64) -> Made<(Vec<u8>, bool)> {
        self.read_file(&this, length, offset).map(|(bytes, is_end)| (bytes.to_vec(), is_end))
    }

    fn write(&mut self, this: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Made<u64> {
        self.write_file(&this, Block::from(&*bytes), offset)
    }

    fn read_directory(&mut self, this: Resource<Descriptor>) -> Made<Resource<Listing>> {
        let listing = self.listing(&this)?;
        Ok(self.wasi.table.push(listing)?)
    }

    fn sync(&mut self, this: Resource<Descriptor>) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.sync(this.file.fd, false))
    }

    fn create_directory_at(&mut self, this: Resource<Descriptor>, path: String) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.create_directory(this.file.fd, &path))
    }

    fn stat(&mut self, this: Resource<Descriptor>) -> Made<DescriptorStat> {
        let fd = self.fd(&this)?;
        Ok(stat_of(&self.calls().filestat(fd)?))
    }

    fn stat_at(&mut self, this: Resource<Descriptor>, flags: PathFlags, path: String) -> Made<DescriptorStat> {
        let fd = self.fd(&this)?;
        Ok(stat_of(&self.calls().path_filestat(place(fd, flags, &path))?))
    }

    fn set_times_at(
        &mut self,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Made {
        let (times, set) = times_of(access, modification)?;
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.path_set_times(place(this.file.fd, flags, &path), times, set))
    }

    fn link_at(
        &mut self,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new: Resource<Descriptor>,
        new_path: String,
    ) -> Made {
        let (descriptor, new) = (self.descriptor(&this)?, self.descriptor(&new)?);
        self.with(descriptor, |calls, this| calls.link(place(this.file.fd, flags, &path), new.file.fd, &new_path))
    }

    fn open_at(
        &mut self,
        this: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Made<Resource<Descriptor>> {
        let base = self.descriptor(&this)?;
        let descriptor = self.open(&base, place(base.file.fd, path_flags, &path), open, flags)?;
        let fd = descriptor.file.fd;
        Ok(self.push_open(descriptor, fd)?)
    }

    fn readlink_at(&mut self, this: Resource<Descriptor>, path: String) -> Made<String> {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.readlink(this.file.fd, &path))
    }

    fn remove_directory_at(&mut self, this: Resource<Descriptor>, path: String) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| {
            let removed = calls.remove_directory(this.file.fd, &path);
            if matches!(removed, Err(Failed::Errno(Errno::Notdir))) && path.ends_with('/') {
                // A link that leads out of the directory is not permitted, whatever is there.
                let place = Place { fd: this.file.fd, path: &path, follows: true };
                if let Err(Failed::Errno(errno @ (Errno::Perm | Errno::Notcapable))) = calls.path_filestat(place) {
                    return Err(errno.into());
                }
            }
            removed
        })
    }

    fn rename_at(&mut self, this: Resource<Descriptor>, old: String, to: Resource<Descriptor>, new: String) -> Made {
        let (descriptor, to) = (self.descriptor(&this)?, self.descriptor(&to)?);
        self.with(descriptor, |calls, this| calls.rename(this.file.fd, &old, to.file.fd, &new))
    }

    fn symlink_at(&mut self, this: Resource<Descriptor>, target: String, path: String) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.symlink(&target, this.file.fd, &path))
    }

    fn unlink_file_at(&mut self, this: Resource<Descriptor>, path: String) -> Made {
        let descriptor = self.descriptor(&this)?;
        self.with(descriptor, |calls, this| calls.unlink_file(this.file.fd, &path))
    }

    fn is_same_object(&mut self, this: Resource<Descriptor>, other: Resource<Descriptor>) -> Result<bool> {
        let (one, other) = (self.descriptor(&this)?, self.descriptor(&other)?);
        let mut identity = |descriptor: &Descriptor| match self.calls().filestat(descriptor.file.fd) {
            Ok(stat) => Ok(Some((stat.dev, stat.ino))),
            Err(Failed::Errno(_)) => Ok(None),
            Err(Failed::Trap(error)) => Err(error),
        };
        let (one, other) = (identity(&one)?, identity(&other)?);
        Ok(one.is_some() && one == other)
    }

    fn metadata_hash(&mut self, this: Resource<Descriptor>) -> Made<MetadataHashValue> {
        let fd = self.fd(&this)?;
        Ok(hash_of(&self.calls().filestat(fd)?))
    }

    fn metadata_hash_at(
        &mut self,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Made<MetadataHashValue> {
        let fd = self.fd(&this)?;
        Ok(hash_of(&self.calls().path_filestat(place(fd, flags, &path))?))
    }

    fn drop(&mut self, this: Resource<Descriptor>) -> Result<()> {
        let descriptor = self.wasi.table.delete(this)?;
        self.release(descriptor.file)
    }
}

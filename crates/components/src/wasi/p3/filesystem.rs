//! wasi:filesystem: the functions of 0.2, with the types of 0.3.

use super::clocks::instant;
use super::generated::clocks::system_clock::Instant;
use super::generated::filesystem::{preopens, types};
use super::reactor::{Left, Reactor};
use super::streams::{self, End, Teller};
use crate::wasi::calls::Made;
use crate::wasi::clocks::nanoseconds;
use crate::wasi::errors::{Failed, match_code};
use crate::wasi::filesystem::Descriptor;
use crate::wasi::generated::clocks::wall_clock::Datetime;
use crate::wasi::generated::filesystem::types::{self as of_0_2, HostDescriptor as _};
use crate::wasi::listing::Listing;
use crate::wasi::streams::Place;
use crate::wasi::{View, Views};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasi_rs_core::abi::Errno;
use wasmtime::component::{
    Access, Accessor, Destination, FutureReader, Resource, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

/// A future of the end of a stream.
type Ended = FutureReader<std::result::Result<(), ErrorCode>>;

fn code_of(errno: Errno) -> ErrorCode {
    match_code!(errno, ErrorCode, ErrorCode::Other(Some("would block".to_owned())))
}

/// Flags of one version, as those of the same names of another.
macro_rules! flags {
    ($flags:expr, $From:ty => $To:ty, $($name:ident)*) => {{
        let (flags, mut all) = ($flags, <$To>::empty());
        $(if flags.contains(<$From>::$name) {
            all |= <$To>::$name;
        })*
        all
    }};
}

/// Flags of descriptors, as those of the same names of another version.
macro_rules! descriptor_flags {
    ($flags:expr, $From:ty => $To:ty) => {
        flags!($flags, $From => $To, READ WRITE FILE_INTEGRITY_SYNC DATA_INTEGRITY_SYNC REQUESTED_WRITE_SYNC
            MUTATE_DIRECTORY)
    };
}

fn path_flags(flags: PathFlags) -> of_0_2::PathFlags {
    flags!(flags, PathFlags => of_0_2::PathFlags, SYMLINK_FOLLOW)
}

fn open_flags(flags: OpenFlags) -> of_0_2::OpenFlags {
    flags!(flags, OpenFlags => of_0_2::OpenFlags, CREATE DIRECTORY EXCLUSIVE TRUNCATE)
}

const fn type_of(ty: of_0_2::DescriptorType) -> DescriptorType {
    match ty {
        of_0_2::DescriptorType::BlockDevice => DescriptorType::BlockDevice,
        of_0_2::DescriptorType::CharacterDevice => DescriptorType::CharacterDevice,
        of_0_2::DescriptorType::Directory => DescriptorType::Directory,
        of_0_2::DescriptorType::Fifo => DescriptorType::Fifo,
        of_0_2::DescriptorType::SymbolicLink => DescriptorType::SymbolicLink,
        of_0_2::DescriptorType::RegularFile => DescriptorType::RegularFile,
        of_0_2::DescriptorType::Socket => DescriptorType::Socket,
        of_0_2::DescriptorType::Unknown => DescriptorType::Other(None),
    }
}

fn stat_of(stat: &of_0_2::DescriptorStat) -> DescriptorStat {
    let time = |time: Option<Datetime>| time.and_then(nanoseconds).map(instant);
    DescriptorStat {
        type_: type_of(stat.type_),
        link_count: stat.link_count,
        size: stat.size,
        data_access_timestamp: time(stat.data_access_timestamp),
        data_modification_timestamp: time(stat.data_modification_timestamp),
        status_change_timestamp: time(stat.status_change_timestamp),
    }
}

const fn hash_of(hash: &of_0_2::MetadataHashValue) -> MetadataHashValue {
    MetadataHashValue { lower: hash.lower, upper: hash.upper }
}

/// A time for a file; an error if it is before 1970, which the system calls have no number for.
fn time_of(time: NewTimestamp) -> Made<of_0_2::NewTimestamp> {
    Ok(match time {
        NewTimestamp::NoChange => of_0_2::NewTimestamp::NoChange,
        NewTimestamp::Now => of_0_2::NewTimestamp::Now,
        NewTimestamp::Timestamp(Instant { seconds, nanoseconds }) => {
            let seconds = u64::try_from(seconds).map_err(|_| Errno::Inval)?;
            of_0_2::NewTimestamp::Timestamp(Datetime { seconds, nanoseconds })
        }
    })
}

const fn advice_of(advice: Advice) -> of_0_2::Advice {
    match advice {
        Advice::Normal => of_0_2::Advice::Normal,
        Advice::Sequential => of_0_2::Advice::Sequential,
        Advice::Random => of_0_2::Advice::Random,
        Advice::WillNeed => of_0_2::Advice::WillNeed,
        Advice::DontNeed => of_0_2::Advice::DontNeed,
        Advice::NoReuse => of_0_2::Advice::NoReuse,
    }
}

fn with<U: 'static, R>(store: &Accessor<U, Views>, act: impl FnOnce(&mut View<'_>) -> R) -> R {
    store.with(|mut store| act(&mut store.get()))
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        crate::wasi::generated::filesystem::preopens::Host::get_directories(self)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, failed: Failed) -> Result<ErrorCode> {
        match failed {
            Failed::Errno(errno) => Ok(code_of(errno)),
            Failed::Trap(error) => Err(error),
        }
    }
}

impl types::HostDescriptor for View<'_> {
    fn drop(&mut self, this: Resource<Descriptor>) -> Result<()> {
        of_0_2::HostDescriptor::drop(self, this)
    }
}

/// The place of a stream; an errno if the descriptor has none.
fn place<U: 'static>(
    store: &mut Access<'_, U, Views>,
    act: impl FnOnce(&mut View<'_>) -> Made<Place>,
) -> Result<std::result::Result<Place, Errno>> {
    match act(&mut store.get()) {
        Ok(place) => Ok(Ok(place)),
        Err(Failed::Errno(errno)) => Ok(Err(errno)),
        Err(Failed::Trap(error)) => Err(error),
    }
}

/// The entries of a directory, for a guest that reads them.
struct Entries<U: 'static> {
    view: fn(&mut U) -> View<'_>,
    reactor: Arc<Reactor>,
    listing: Option<Listing>,
    end: Teller<End>,
}

/// The most entries that are given at once where nobody says how many.
const MOST_ENTRIES: usize = 64;

impl<U> Drop for Entries<U> {
    fn drop(&mut self) {
        self.end.tell(Ok(()));
        if let Some(listing) = self.listing.take() {
            self.reactor.leave(Left::File(listing.into_file()));
        }
    }
}

impl<U: 'static> StreamProducer<U> for Entries<U> {
    type Item = DirectoryEntry;
    type Buffer = VecBuffer<DirectoryEntry>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'a, U>,
        mut destination: Destination<'a, DirectoryEntry, VecBuffer<DirectoryEntry>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let most = destination.remaining(&mut store).unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES);
        let Some(listing) = &mut this.listing else { return Poll::Ready(Ok(StreamResult::Dropped)) };
        let (mut all, mut end) = (Vec::new(), None);
        while all.len() < most {
            match (this.view)(store.data_mut()).next_entry(listing) {
                Ok(Some(of_0_2::DirectoryEntry { type_, name })) => {
                    all.push(DirectoryEntry { type_: type_of(type_), name });
                }
                Ok(None) => end = Some(Ok(())),
                Err(Failed::Errno(errno)) => end = Some(Err(errno)),
                Err(Failed::Trap(error)) => return Poll::Ready(Err(error)),
            }
            if end.is_some() {
                break;
            }
        }
        destination.set_buffer(all.into());
        let Some(end) = end else { return Poll::Ready(Ok(StreamResult::Completed)) };
        this.end.tell(end);
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<U: Send + 'static> types::HostDescriptorWithStore<U> for Views {
    fn read_via_stream(
        mut store: Access<'_, U, Self>,
        this: Resource<Descriptor>,
        offset: u64,
    ) -> Result<(StreamReader<u8>, Ended)> {
        match place(&mut store, |view| view.place_to_read(&this, offset))? {
            Ok(place) => streams::read(&mut store, place, code_of),
            Err(errno) => streams::refused(&mut store, errno, code_of),
        }
    }

    fn write_via_stream(
        mut store: Access<'_, U, Self>,
        this: Resource<Descriptor>,
        mut data: StreamReader<u8>,
        offset: u64,
    ) -> Result<Ended> {
        match place(&mut store, |view| view.place_to_write(&this, Some(offset)))? {
            Ok(place) => streams::write(&mut store, place, data, code_of),
            Err(errno) => {
                data.close(&mut store)?;
                streams::failed(&mut store, errno, code_of)
            }
        }
    }

    fn append_via_stream(
        mut store: Access<'_, U, Self>,
        this: Resource<Descriptor>,
        mut data: StreamReader<u8>,
    ) -> Result<Ended> {
        match place(&mut store, |view| view.place_to_write(&this, None))? {
            Ok(place) => streams::write(&mut store, place, data, code_of),
            Err(errno) => {
                data.close(&mut store)?;
                streams::failed(&mut store, errno, code_of)
            }
        }
    }

    fn read_directory(
        mut store: Access<'_, U, Self>,
        this: Resource<Descriptor>,
    ) -> Result<(StreamReader<DirectoryEntry>, Ended)> {
        let listing = match store.get().listing(&this) {
            Ok(listing) => listing,
            Err(Failed::Errno(errno)) => {
                let reader = StreamReader::new(&mut store, std::iter::empty())?;
                return Ok((reader, streams::failed(&mut store, errno, code_of)?));
            }
            Err(Failed::Trap(error)) => return Err(error),
        };
        let (view, reactor) = (store.getter(), Arc::clone(&store.get().wasi.reactor));
        let (teller, end) = Teller::new();
        let entries = Entries { view, reactor, listing: Some(listing), end: teller };
        let reader = StreamReader::new(&mut store, entries)?;
        Ok((reader, streams::end_of(&mut store, end, code_of)?))
    }

    async fn advise(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        offset: u64,
        length: u64,
        advice: Advice,
    ) -> Made {
        with(store, |view| view.advise(this, offset, length, advice_of(advice)))
    }

    async fn sync_data(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made {
        with(store, |view| view.sync_data(this))
    }

    async fn get_flags(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made<DescriptorFlags> {
        let flags = with(store, |view| view.get_flags(this))?;
        Ok(descriptor_flags!(flags, of_0_2::DescriptorFlags => DescriptorFlags))
    }

    async fn get_type(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made<DescriptorType> {
        with(store, |view| view.get_type(this)).map(type_of)
    }

    async fn set_size(store: &Accessor<U, Self>, this: Resource<Descriptor>, size: u64) -> Made {
        with(store, |view| view.set_size(this, size))
    }

    async fn set_times(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Made {
        let (access, modification) = (time_of(access)?, time_of(modification)?);
        with(store, |view| view.set_times(this, access, modification))
    }

    async fn sync(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made {
        with(store, |view| view.sync(this))
    }

    async fn create_directory_at(store: &Accessor<U, Self>, this: Resource<Descriptor>, path: String) -> Made {
        with(store, |view| view.create_directory_at(this, path))
    }

    async fn stat(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made<DescriptorStat> {
        with(store, |view| view.stat(this)).map(|stat| stat_of(&stat))
    }

    async fn stat_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Made<DescriptorStat> {
        with(store, |view| view.stat_at(this, path_flags(flags), path)).map(|stat| stat_of(&stat))
    }

    async fn set_times_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Made {
        let (access, modification) = (time_of(access)?, time_of(modification)?);
        with(store, |view| view.set_times_at(this, path_flags(flags), path, access, modification))
    }

    async fn link_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        new: Resource<Descriptor>,
        new_path: String,
    ) -> Made {
        with(store, |view| view.link_at(this, path_flags(flags), path, new, new_path))
    }

    async fn open_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        wanted: DescriptorFlags,
    ) -> Made<Resource<Descriptor>> {
        let wanted = descriptor_flags!(wanted, DescriptorFlags => of_0_2::DescriptorFlags);
        with(store, |view| {
            view.close_left()?;
            view.open_at(this, path_flags(flags), path, open_flags(open), wanted)
        })
    }

    async fn readlink_at(store: &Accessor<U, Self>, this: Resource<Descriptor>, path: String) -> Made<String> {
        with(store, |view| view.readlink_at(this, path))
    }

    async fn remove_directory_at(store: &Accessor<U, Self>, this: Resource<Descriptor>, path: String) -> Made {
        with(store, |view| view.remove_directory_at(this, path))
    }

    async fn rename_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        old: String,
        to: Resource<Descriptor>,
        new: String,
    ) -> Made {
        with(store, |view| view.rename_at(this, old, to, new))
    }

    async fn symlink_at(store: &Accessor<U, Self>, this: Resource<Descriptor>, target: String, path: String) -> Made {
        with(store, |view| view.symlink_at(this, target, path))
    }

    async fn unlink_file_at(store: &Accessor<U, Self>, this: Resource<Descriptor>, path: String) -> Made {
        with(store, |view| view.unlink_file_at(this, path))
    }

    async fn is_same_object(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> Result<bool> {
        with(store, |view| view.is_same_object(this, other))
    }

    async fn metadata_hash(store: &Accessor<U, Self>, this: Resource<Descriptor>) -> Made<MetadataHashValue> {
        with(store, |view| view.metadata_hash(this)).map(|hash| hash_of(&hash))
    }

    async fn metadata_hash_at(
        store: &Accessor<U, Self>,
        this: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Made<MetadataHashValue> {
        with(store, |view| view.metadata_hash_at(this, path_flags(flags), path)).map(|hash| hash_of(&hash))
    }
}

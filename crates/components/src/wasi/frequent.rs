//! The functions of WASI 0.2 that programs call most, in the place of those that are made of the interfaces:
//! a list of bytes is copied once, and a record is written at once.

use super::View;
use super::calls::Made;
use super::errors::StreamFailed;
use super::filesystem::Descriptor;
use super::generated::clocks::wall_clock::{self, Datetime};
use super::generated::filesystem::types::{
    DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, PathFlags,
};
use super::generated::io::streams::{HostOutputStream, StreamError};
use super::listing::Listing;
use super::streams::{InputStream, OutputStream};
use crate::direct::{Block, Quick};
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, Resource};
use wasmtime::{Result, StoreContextMut};

/// A result as wasmtime writes it.
type Answer<T, E = ErrorCode> = std::result::Result<T, E>;

/// A part of a file, and whether it is its end.
type Part = (Vec<u8>, bool);

fn answer<T>(made: Made<T>) -> Result<Answer<T>> {
    made.map_or_else(|failed| View::code(failed).map(Err), |value| Ok(Ok(value)))
}

/// A result of a stream.
fn streamed<T>(mut view: View<'_>, made: Answer<T, StreamFailed>) -> Result<Answer<T, StreamError>> {
    made.map_or_else(|failed| view.stream_error(failed).map(Err), |value| Ok(Ok(value)))
}

/// A result whose bytes are written by `write`.
fn quick<T, E, const N: usize>(
    answer: Answer<T, E>,
    write: impl FnOnce(&T, &mut Fields<'_>),
) -> Quick<Answer<T, E>, N> {
    match answer {
        Ok(value) => {
            let mut bytes = [0; N];
            write(&value, &mut Fields(&mut bytes));
            Quick::Bytes(bytes)
        }
        error => Quick::Value(error),
    }
}

/// The bytes of a value, by their offsets.
struct Fields<'b>(&'b mut [u8]);

impl Fields<'_> {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        if let Some(place) = self.0.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = bytes;
        }
    }

    fn u64(&mut self, at: usize, number: u64) {
        self.put(at, number.to_le_bytes());
    }
}

/// The bytes of a `result<descriptor-stat, error-code>`.
fn quick_stat(made: Made<DescriptorStat>) -> Result<Quick<Answer<DescriptorStat>, 104>> {
    Ok(quick(answer(made)?, |stat, fields| {
        fields.put(8, [number_of(stat.type_)]);
        fields.u64(16, stat.link_count);
        fields.u64(24, stat.size);
        let times = [stat.data_access_timestamp, stat.data_modification_timestamp, stat.status_change_timestamp];
        for (at, time) in (32..).step_by(24).zip(times) {
            if let Some(time) = time {
                fields.put(at, [1]);
                fields.u64(at + 8, time.seconds);
                fields.put(at + 16, time.nanoseconds.to_le_bytes());
            }
        }
    }))
}

/// The number of a type, as the interface has it.
const fn number_of(ty: DescriptorType) -> u8 {
    match ty {
        DescriptorType::Unknown => 0,
        DescriptorType::BlockDevice => 1,
        DescriptorType::CharacterDevice => 2,
        DescriptorType::Directory => 3,
        DescriptorType::Fifo => 4,
        DescriptorType::SymbolicLink => 5,
        DescriptorType::RegularFile => 6,
        DescriptorType::Socket => 7,
    }
}

/// The bytes of a `result<metadata-hash-value, error-code>`.
fn quick_hash(made: Made<MetadataHashValue>) -> Result<Quick<Answer<MetadataHashValue>, 24>> {
    Ok(quick(answer(made)?, |hash, fields| {
        fields.u64(8, hash.lower);
        fields.u64(16, hash.upper);
    }))
}

/// A `result<list<u8>, stream-error>`.
fn quick_bytes(view: View<'_>, read: Answer<Block, StreamFailed>) -> Result<Quick<Answer<Vec<u8>, StreamError>, 12>> {
    Ok(match streamed(view, read)? {
        Ok(bytes) => Quick::List([0; 12], 4, bytes),
        Err(error) => Quick::Value(Err(error)),
    })
}

/// A `result<tuple<list<u8>, bool>, error-code>`.
fn quick_part(made: Made<(Block, bool)>) -> Result<Quick<Answer<Part>, 16>> {
    Ok(match answer(made)? {
        Ok((bytes, is_end)) => {
            let mut record = [0; 16];
            Fields(&mut record).put(12, [is_end.into()]);
            Quick::List(record, 4, bytes)
        }
        Err(error) => Quick::Value(Err(error)),
    })
}

/// A `result<option<directory-entry>, error-code>`.
fn quick_entry(made: Made<Option<DirectoryEntry>>) -> Result<Quick<Answer<Option<DirectoryEntry>>, 20>> {
    Ok(match answer(made)? {
        Ok(Some(entry)) => {
            let mut record = [0; 20];
            let mut fields = Fields(&mut record);
            fields.put(4, [1]);
            fields.put(8, [number_of(entry.type_)]);
            Quick::Text(record, 12, entry.name)
        }
        other => Quick::Value(other),
    })
}

/// A time.
fn quick_time(time: Datetime) -> Quick<Datetime, 16> {
    let mut record = [0; 16];
    let mut fields = Fields(&mut record);
    fields.u64(0, time.seconds);
    fields.put(8, time.nanoseconds.to_le_bytes());
    Quick::Bytes(record)
}

/// The bytes of a `result<u64, error-code>`.
fn quick_number(made: Made<u64>) -> Result<Quick<Answer<u64>, 16>> {
    Ok(quick(answer(made)?, |number, fields| fields.u64(8, *number)))
}

/// The bytes of a `result<_, stream-error>`.
fn quick_nothing(view: View<'_>, made: Answer<(), StreamFailed>) -> Result<Quick<Answer<(), StreamError>, 12>> {
    Ok(quick(streamed(view, made)?, |(), _| ()))
}

type Input = Resource<InputStream>;
type Output = Resource<OutputStream>;
type File = Resource<Descriptor>;

/// Where functions are defined, and how they see a guest.
struct Place<'l, T: 'static> {
    functions: LinkerInstance<'l, T>,
    view: fn(&mut T) -> View<'_>,
}

impl<T: 'static> Place<'_, T> {
    /// Defines a function by what it does.
    fn define<P, R>(&mut self, name: &str, act: impl Fn(View<'_>, P) -> Result<R> + Send + Sync + 'static) -> Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: Lower + 'static,
        (R,): ComponentNamedList + Lower,
    {
        let view = self.view;
        let define = move |mut store: StoreContextMut<'_, T>, params: P| Ok((act(view(store.data_mut()), params)?,));
        self.functions.func_wrap(name, define)
    }
}

/// Defines them, in the place of the others.
pub fn link<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut files = Place { functions: linker.instance("wasi:filesystem/types@0.2.12")?, view };
    files.define("[method]descriptor.stat", |mut view, (this,): (File,)| quick_stat(view.stat(this)))?;
    files.define("[method]descriptor.stat-at", |mut view, (this, flags, path): (File, PathFlags, String)| {
        quick_stat(view.stat_at(this, flags, path))
    })?;
    files.define("[method]descriptor.metadata-hash", |mut view, (this,): (File,)| {
        quick_hash(view.metadata_hash(this))
    })?;
    files
        .define("[method]descriptor.metadata-hash-at", |mut view, (this, flags, path): (File, PathFlags, String)| {
            quick_hash(view.metadata_hash_at(this, flags, path))
        })?;
    files.define("[method]descriptor.read", |mut view, (this, length, offset): (File, u64, u64)| {
        quick_part(view.read_file(&this, length, offset))
    })?;
    files.define("[method]descriptor.write", |mut view, (this, bytes, offset): (File, Block, u64)| {
        quick_number(view.write_file(&this, bytes, offset))
    })?;
    files
        .define("[method]directory-entry-stream.read-directory-entry", |mut view, (this,): (Resource<Listing>,)| {
            quick_entry(view.read_directory_entry(this))
        })?;
    let mut streams = Place { functions: linker.instance("wasi:io/streams@0.2.12")?, view };
    streams.define("[method]input-stream.read", |mut view, (stream, len): (Input, u64)| {
        let read = view.read_now(&stream, len);
        quick_bytes(view, read)
    })?;
    streams.define("[method]input-stream.blocking-read", |mut view, (stream, len): (Input, u64)| {
        let read = view.wait_for_input(&stream).and_then(|()| view.read_now(&stream, len));
        quick_bytes(view, read)
    })?;
    streams.define("[method]output-stream.check-write", |mut view, (stream,): (Output,)| {
        let permit = view.check_write(stream);
        let answer: Quick<Answer<u64, StreamError>, 16> =
            quick(streamed(view, permit)?, |permit, fields| fields.u64(8, *permit));
        Ok(answer)
    })?;
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.define(name, |mut view, (stream,): (Output,)| {
            // There is nothing to wait for.
            let flushed = view.flush(stream);
            quick_nothing(view, flushed)
        })?;
    }
    streams.define("[method]output-stream.write", |mut view, (stream, bytes): (Output, Block)| {
        let written = view.write_permitted(&stream, bytes);
        quick_nothing(view, written)
    })?;
    streams.define(
        "[method]output-stream.blocking-write-and-flush",
        |mut view, (stream, bytes): (Output, Block)| {
            let written = view.write_blocking(&stream, bytes);
            quick_nothing(view, written)
        },
    )?;
    let mut clock = Place { functions: linker.instance("wasi:clocks/wall-clock@0.2.12")?, view };
    clock.define("now", |mut view, (): ()| Ok(quick_time(wall_clock::Host::now(&mut view)?)))?;
    let mut random = Place { functions: linker.instance("wasi:random/random@0.2.12")?, view };
    random.define("get-random-bytes", |mut view, (len,): (u64,)| view.random(len))?;
    linker.allow_shadowing(false);
    Ok(())
}

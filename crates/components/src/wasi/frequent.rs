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
use wasmtime::component::{Linker, Resource};
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

/// Defines them, in the place of the others.
pub fn link<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut files = linker.instance("wasi:filesystem/types@0.2.12")?;
    files.func_wrap("[method]descriptor.stat", move |mut store: StoreContextMut<'_, T>, (this,): (File,)| {
        Ok((quick_stat(view(store.data_mut()).stat(this))?,))
    })?;
    files.func_wrap(
        "[method]descriptor.stat-at",
        move |mut store: StoreContextMut<'_, T>, (this, flags, path): (File, PathFlags, String)| {
            Ok((quick_stat(view(store.data_mut()).stat_at(this, flags, path))?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.metadata-hash",
        move |mut store: StoreContextMut<'_, T>, (this,): (File,)| {
            Ok((quick_hash(view(store.data_mut()).metadata_hash(this))?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.metadata-hash-at",
        move |mut store: StoreContextMut<'_, T>, (this, flags, path): (File, PathFlags, String)| {
            Ok((quick_hash(view(store.data_mut()).metadata_hash_at(this, flags, path))?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read",
        move |mut store: StoreContextMut<'_, T>, (this, length, offset): (File, u64, u64)| {
            Ok((quick_part(view(store.data_mut()).read_file(&this, length, offset))?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write",
        move |mut store: StoreContextMut<'_, T>, (this, bytes, offset): (File, Block, u64)| {
            Ok((quick_number(view(store.data_mut()).write_file(&this, bytes, offset))?,))
        },
    )?;
    files.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        move |mut store: StoreContextMut<'_, T>, (this,): (Resource<Listing>,)| {
            Ok((quick_entry(view(store.data_mut()).read_directory_entry(this))?,))
        },
    )?;
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap(
        "[method]input-stream.read",
        move |mut store: StoreContextMut<'_, T>, (stream, len): (Input, u64)| {
            let mut view = view(store.data_mut());
            let read = view.read_now(&stream, len);
            Ok((quick_bytes(view, read)?,))
        },
    )?;
    streams.func_wrap(
        "[method]input-stream.blocking-read",
        move |mut store: StoreContextMut<'_, T>, (stream, len): (Input, u64)| {
            let mut view = view(store.data_mut());
            let read = view.wait_for_input(&stream).and_then(|()| view.read_now(&stream, len));
            Ok((quick_bytes(view, read)?,))
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        move |mut store: StoreContextMut<'_, T>, (stream,): (Output,)| {
            let mut view = view(store.data_mut());
            let permit = view.check_write(stream);
            let answer: Quick<Answer<u64, StreamError>, 16> =
                quick(streamed(view, permit)?, |permit, fields| fields.u64(8, *permit));
            Ok((answer,))
        },
    )?;
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.func_wrap(name, move |mut store: StoreContextMut<'_, T>, (stream,): (Output,)| {
            let mut view = view(store.data_mut());
            // There is nothing to wait for.
            let flushed = view.flush(stream);
            Ok((quick_nothing(view, flushed)?,))
        })?;
    }
    streams.func_wrap(
        "[method]output-stream.write",
        move |mut store: StoreContextMut<'_, T>, (stream, bytes): (Output, Block)| {
            let mut view = view(store.data_mut());
            let written = view.write_permitted(&stream, bytes);
            Ok((quick_nothing(view, written)?,))
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.blocking-write-and-flush",
        move |mut store: StoreContextMut<'_, T>, (stream, bytes): (Output, Block)| {
            let mut view = view(store.data_mut());
            let written = view.write_blocking(&stream, bytes);
            Ok((quick_nothing(view, written)?,))
        },
    )?;
    let mut clock = linker.instance("wasi:clocks/wall-clock@0.2.12")?;
    clock.func_wrap("now", move |mut store: StoreContextMut<'_, T>, (): ()| {
        Ok((quick_time(wall_clock::Host::now(&mut view(store.data_mut()))?),))
    })?;
    let mut random = linker.instance("wasi:random/random@0.2.12")?;
    random.func_wrap("get-random-bytes", move |mut store: StoreContextMut<'_, T>, (len,): (u64,)| {
        Ok((view(store.data_mut()).random(len)?,))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

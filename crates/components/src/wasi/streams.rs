//! wasi:io/streams: the standard streams, files from an offset on, and connections.
//!
//! A stream of a file has always input or room. Bytes go to the system at once when they are written, so
//! there is nothing to flush. Streams of bodies of HTTP are served by `http`.

use super::calls::Made;
use super::errors::StreamFailed;
use super::generated::io::streams;
use super::http::exchange::{Exchange, Want};
use super::http::outgoing::Shared;
use super::poll::Pollable;
use super::sockets::state::{Aspect, Tcp};
use super::{Failed, OpenFile, View};
use crate::direct::Block;
use std::sync::Arc;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::flags::Fdflags;
use wasmtime::component::Resource;
use wasmtime::{Error, Result};

/// The most bytes that are read at once, and that may be written at once to a file.
const PIECE: u32 = 1 << 20;

/// The bytes for which there is room in a pipe that can be written to, on every system.
const PIPE: u32 = 4096;

/// The most bytes of a write that waits. (The interface says so.)
const MOST_BLOCKING: usize = 4096;

/// The resource `input-stream`.
#[derive(Debug)]
pub struct InputStream {
    source: Place,
    /// True after an error: it is closed then.
    has_failed: bool,
}

/// The resource `output-stream`.
#[derive(Debug)]
pub struct OutputStream {
    target: Place,
    /// The bytes that may be written.
    permit: u64,
    /// True after an error: it is closed then.
    has_failed: bool,
}

/// The place where a stream reads or writes.
#[derive(Clone, Debug)]
pub enum Place {
    /// A standard stream.
    Standard(u32),
    /// A file without offsets, such as a pipe.
    Current(Arc<OpenFile>),
    /// A file, from an offset on.
    At(Arc<OpenFile>, u64),
    /// The end of a file.
    End(Arc<OpenFile>),
    /// The body of a message of HTTP that comes.
    Message(Arc<Exchange>),
    /// The body of a message of HTTP that is made.
    Body(Shared),
    /// A connection.
    Tcp(Arc<Tcp>),
}

impl Place {
    /// The descriptor of one that may have to be waited for.
    pub fn awaited(&self) -> Option<u32> {
        match self {
            Self::Standard(fd) => Some(*fd),
            Self::Current(file) => Some(file.fd),
            Self::Tcp(tcp) => Some(tcp.file.fd),
            Self::At(..) | Self::End(_) | Self::Message(_) | Self::Body(_) => None,
        }
    }

    fn go_on(&mut self, bytes: u64) {
        if let Self::At(_, offset) = self {
            *offset = offset.saturating_add(bytes);
        }
    }
}

impl InputStream {
    /// The standard stream of this descriptor.
    pub const fn standard(fd: u32) -> Self {
        Self::new(Place::Standard(fd))
    }

    /// The body of a message of HTTP.
    pub(super) const fn message(exchange: Arc<Exchange>) -> Self {
        Self::new(Place::Message(exchange))
    }

    /// A connection.
    pub(super) const fn tcp(connection: Arc<Tcp>) -> Self {
        Self::new(Place::Tcp(connection))
    }

    /// A stream that is read at a place.
    pub(super) const fn new(source: Place) -> Self {
        Self { source, has_failed: false }
    }

    fn pollable(&self) -> Pollable {
        match &self.source {
            Place::Message(exchange) => Pollable::Message(Arc::clone(exchange), Want::Data),
            Place::Tcp(tcp) => Pollable::Tcp(Arc::downgrade(tcp), Aspect::Input),
            other => other.awaited().map_or(Pollable::Ready, Pollable::Read),
        }
    }
}

impl OutputStream {
    /// The standard stream of this descriptor.
    pub const fn standard(fd: u32) -> Self {
        Self::new(Place::Standard(fd))
    }

    /// The body of a message of HTTP.
    pub(super) const fn body(body: Shared) -> Self {
        Self::new(Place::Body(body))
    }

    /// A connection.
    pub(super) const fn tcp(connection: Arc<Tcp>) -> Self {
        Self::new(Place::Tcp(connection))
    }

    /// A stream that is written to a place.
    pub(super) const fn new(target: Place) -> Self {
        Self { target, permit: 0, has_failed: false }
    }

    fn pollable(&self) -> Pollable {
        match &self.target {
            Place::Body(body) => View::pollable_of_body(body),
            Place::Tcp(tcp) => Pollable::Tcp(Arc::downgrade(tcp), Aspect::Output),
            other => other.awaited().map_or(Pollable::Ready, Pollable::Write),
        }
    }
}

/// The result of an operation of a stream.
type Streamed<T = ()> = std::result::Result<T, StreamFailed>;

/// The bytes to be read at once.
fn piece(len: u64) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX).min(PIECE)
}

impl View<'_> {
    fn input(&mut self, stream: &Resource<InputStream>) -> Made<&mut InputStream> {
        Ok(self.wasi.table.get_mut(stream)?)
    }

    fn output(&mut self, stream: &Resource<OutputStream>) -> Made<&mut OutputStream> {
        Ok(self.wasi.table.get_mut(stream)?)
    }

    /// Reads what is there.
    pub(super) fn read_now(&mut self, stream: &Resource<InputStream>, len: u64) -> Streamed<Block> {
        if self.input(stream)?.has_failed {
            return Err(StreamFailed::Closed);
        }
        let read = self.try_read(stream, len);
        if read.is_err() {
            self.input(stream)?.has_failed = true;
        }
        read
    }

    fn try_read(&mut self, stream: &Resource<InputStream>, len: u64) -> Streamed<Block> {
        // The way of a file, which is gone most, is shorter.
        if let Place::At(file, offset) = &self.input(stream)?.source {
            let (fd, offset) = (file.fd, *offset);
            let read = self.read_at(fd, offset, len)?;
            self.input(stream)?.source.go_on(read.len() as u64);
            return Ok(read);
        }
        let mut source = self.input(stream)?.source.clone();
        let read = self.read_place(&mut source, len)?;
        self.input(stream)?.source = source;
        Ok(read)
    }

    /// Reads what is there at an offset of a file.
    fn read_at(&mut self, fd: u32, offset: u64, len: u64) -> Streamed<Block> {
        let len = piece(len);
        if len == 0 {
            return Ok(Block::default());
        }
        let read = self.calls().read(fd, len, Some(offset))?;
        if read.is_empty() { Err(StreamFailed::Closed) } else { Ok(read) }
    }

    /// Reads what is there; nothing, if there is nothing yet.
    pub(super) fn read_place(&mut self, source: &mut Place, len: u64) -> Streamed<Block> {
        let len = piece(len);
        if len == 0 {
            return Ok(Block::default());
        }
        let read = match &*source {
            Place::Message(exchange) => return Ok(Block::from(&*self.read_message(exchange, len as usize)?)),
            Place::At(file, offset) => self.read_at(file.fd, *offset, len.into())?,
            Place::End(_) | Place::Body(_) => Block::default(),
            Place::Tcp(tcp) if tcp.is_shut(Aspect::Input) => Block::default(),
            other => {
                let fd = other.awaited().unwrap_or_default();
                // A connection never waits.
                if !matches!(other, Place::Tcp(_)) && !self.is_ready(Pollable::Read(fd))? {
                    return Ok(Block::default());
                }
                match self.calls().read(fd, len, None) {
                    Err(Failed::Errno(Errno::Again)) => return Ok(Block::default()),
                    read => read?,
                }
            }
        };
        if read.is_empty() {
            return Err(StreamFailed::Closed);
        }
        source.go_on(read.len() as u64);
        Ok(read)
    }

    pub(super) fn wait_for_input(&mut self, stream: &Resource<InputStream>) -> Streamed {
        let pollable = self.input(stream)?.pollable();
        Ok(self.block_on(pollable)?)
    }

    fn wait_for_room(&mut self, stream: &Resource<OutputStream>) -> Streamed {
        let pollable = self.output(stream)?.pollable();
        Ok(self.block_on(pollable)?)
    }

    /// An error if a write has failed: everything was written otherwise, so there is nothing to flush.
    fn require_open(&mut self, stream: &Resource<OutputStream>) -> Streamed {
        if self.output(stream)?.has_failed { Err(StreamFailed::Closed) } else { Ok(()) }
    }

    /// The bytes that may be written now.
    fn room(&mut self, stream: &Resource<OutputStream>) -> Streamed<u64> {
        self.require_open(stream)?;
        let permit = match &self.output(stream)?.target {
            Place::At(..) | Place::End(_) => PIECE.into(),
            other => {
                let target = other.clone();
                self.room_at(&target)?
            }
        };
        self.output(stream)?.permit = permit;
        Ok(permit)
    }

    /// The bytes that may be written to a place now.
    pub(super) fn room_at(&mut self, target: &Place) -> Streamed<u64> {
        if matches!(target, Place::Tcp(tcp) if tcp.is_shut(Aspect::Output)) {
            return Err(StreamFailed::Closed);
        }
        Ok(match (target.awaited(), target) {
            (_, Place::Body(body)) => self.room_of_body(body)? as u64,
            (Some(fd), _) if self.is_ready(Pollable::Write(fd))? => PIPE.into(),
            (Some(_), _) => 0,
            (None, _) => PIECE.into(),
        })
    }

    /// Writes all bytes; waits where there is no room.
    fn write_all(&mut self, stream: &Resource<OutputStream>, bytes: Block) -> Streamed {
        self.require_open(stream)?;
        let written = self.try_write(stream, bytes);
        if written.is_err() {
            self.output(stream)?.has_failed = true;
        }
        written
    }

    fn try_write(&mut self, stream: &Resource<OutputStream>, mut bytes: Block) -> Streamed {
        let mut done = 0;
        while done < bytes.len() {
            if let Place::Body(body) = &self.output(stream)?.target {
                let body = Shared::clone(body);
                return self.write_body(&body, &bytes);
            }
            match self.write_on(stream, &mut bytes, done) {
                Err(Failed::Errno(Errno::Again)) => self.wait_for_room(stream)?,
                Err(failed) => return Err(failed.into()),
                Ok(written) => done = done.saturating_add(written as usize),
            }
        }
        Ok(())
    }

    /// Writes bytes, the first of which are left out, where a stream is that is no body. The result is their
    /// number.
    fn write_on(&mut self, stream: &Resource<OutputStream>, bytes: &mut Block, from: usize) -> Made<u32> {
        // The way of a file, which is gone most, is shorter.
        if let Place::At(file, offset) = &self.output(stream)?.target {
            let (fd, offset) = (file.fd, *offset);
            let written = self.write_at(fd, offset, bytes, from)?;
            self.output(stream)?.target.go_on(written.into());
            return Ok(written);
        }
        let mut target = self.output(stream)?.target.clone();
        let written = self.write_place(&mut target, bytes, from)?;
        self.output(stream)?.target = target;
        Ok(written)
    }

    fn write_at(&mut self, fd: u32, offset: u64, bytes: &mut Block, from: usize) -> Made<u32> {
        let written = self.calls().write(fd, bytes, from, Some(offset))?;
        if written == 0 { Err(Errno::Io.into()) } else { Ok(written) }
    }

    /// Writes bytes, the first of which are left out, to a place that is no body. The result is their number.
    pub(super) fn write_place(&mut self, target: &mut Place, bytes: &mut Block, from: usize) -> Made<u32> {
        let written = match &*target {
            Place::Standard(fd) => self.calls().write(*fd, bytes, from, None),
            Place::Current(file) => self.calls().write(file.fd, bytes, from, None),
            Place::Tcp(tcp) if tcp.is_shut(Aspect::Output) => Err(Errno::Pipe.into()),
            Place::Tcp(tcp) => self.calls().write(tcp.file.fd, bytes, from, None),
            Place::At(file, offset) => self.write_at(file.fd, *offset, bytes, from),
            Place::End(file) => self.append(file, bytes, from),
            Place::Body(_) | Place::Message(_) => Err(Errno::Badf.into()),
        }?;
        target.go_on(written.into());
        if written == 0 { Err(Errno::Io.into()) } else { Ok(written) }
    }

    /// Writes all bytes to a descriptor without offsets; waits where there is no room.
    pub(super) fn write_to(&mut self, fd: u32, bytes: &[u8]) -> Streamed {
        let (mut bytes, mut done) = (Block::from(bytes), 0);
        while done < bytes.len() {
            match self.calls().write(fd, &mut bytes, done, None) {
                Err(Failed::Errno(Errno::Again)) => self.block_on(Pollable::Write(fd))?,
                Ok(0) => return Err(Errno::Io.into()),
                Ok(written) => done = done.saturating_add(written as usize),
                Err(failed) => return Err(failed.into()),
            }
        }
        Ok(())
    }

    /// Drops one owner of what a stream is of.
    fn release_place(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Standard(_) | Place::Body(_) => Ok(()),
            Place::Current(file) | Place::At(file, _) | Place::End(file) => self.release(file),
            Place::Message(exchange) => self.release_exchange(exchange),
            Place::Tcp(tcp) => self.release_tcp(tcp),
        }
    }

    /// Writes to the end of a file, whose descriptor has that flag only meanwhile: others write by it to
    /// offsets.
    fn append(&mut self, file: &OpenFile, bytes: &mut Block, from: usize) -> Made<u32> {
        let flags = Fdflags::from_bits_truncate(self.calls().fdstat(file.fd)?.flags);
        self.calls().set_flags(file.fd, flags | Fdflags::APPEND)?;
        let written = self.calls().write(file.fd, bytes, from, None);
        self.calls().set_flags(file.fd, flags)?;
        written
    }

    /// Writes bytes for which there is a permit.
    pub(super) fn write_permitted(&mut self, stream: &Resource<OutputStream>, bytes: Block) -> Streamed {
        self.spend(stream, bytes.len() as u64)?;
        self.write_all(stream, bytes)
    }

    /// Writes a few bytes; waits for a place for them.
    pub(super) fn write_blocking(&mut self, stream: &Resource<OutputStream>, bytes: Block) -> Streamed {
        Self::check_blocking(bytes.len() as u64)?;
        self.write_all(stream, bytes)
    }

    /// Takes bytes off the permit to write. More than that end the guest.
    fn spend(&mut self, stream: &Resource<OutputStream>, bytes: u64) -> Streamed {
        let output = self.output(stream)?;
        let Some(left) = output.permit.checked_sub(bytes) else {
            let why = format!("{bytes} bytes were written where check-write had permitted {}", output.permit);
            return Err(Failed::Trap(Error::msg(why)).into());
        };
        output.permit = left;
        Ok(())
    }

    /// Moves bytes of an input to an output with room.
    fn splice_now(&mut self, to: &Resource<OutputStream>, from: &Resource<InputStream>, len: u64) -> Streamed<u64> {
        let room = self.room(to)?;
        let bytes = self.read_now(from, len.min(room))?;
        let count = bytes.len() as u64;
        self.write_all(to, bytes)?;
        Ok(count)
    }

    fn check_blocking(len: u64) -> Streamed {
        if len > MOST_BLOCKING as u64 {
            let why =
                format!("{len} bytes were written at once, and {MOST_BLOCKING} is the most for a write that waits");
            return Err(Failed::Trap(Error::msg(why)).into());
        }
        Ok(())
    }
}

/// Zeros to be written.
fn zeros(len: u64) -> Made<Block> {
    let len = usize::try_from(len).map_err(|_| Errno::Inval)?;
    Ok(Block::zeros(len))
}

impl streams::HostInputStream for View<'_> {
    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> Streamed<Vec<u8>> {
        Ok(self.read_now(&stream, len)?.to_vec())
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> Streamed<Vec<u8>> {
        self.wait_for_input(&stream)?;
        Ok(self.read_now(&stream, len)?.to_vec())
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> Streamed<u64> {
        Ok(self.read_now(&stream, len)?.len() as u64)
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> Streamed<u64> {
        self.wait_for_input(&stream)?;
        Ok(self.read_now(&stream, len)?.len() as u64)
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> Result<Resource<Pollable>> {
        let pollable = self.input(&stream)?.pollable();
        Ok(self.wasi.table.push(pollable)?)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> Result<()> {
        let stream = self.wasi.table.delete(stream)?;
        self.release_place(stream.source)
    }
}

impl streams::HostOutputStream for View<'_> {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> Streamed<u64> {
        self.room(&stream)
    }

    fn write(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> Streamed {
        self.write_permitted(&stream, Block::from(&*bytes))
    }

    fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> Streamed {
        self.write_blocking(&stream, Block::from(&*bytes))
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> Streamed {
        self.require_open(&stream)
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> Streamed {
        self.require_open(&stream)
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> Result<Resource<Pollable>> {
        let pollable = self.output(&stream)?.pollable();
        Ok(self.wasi.table.push(pollable)?)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> Streamed {
        self.spend(&stream, len)?;
        self.write_all(&stream, zeros(len)?)
    }

    fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, len: u64) -> Streamed {
        Self::check_blocking(len)?;
        self.write_all(&stream, zeros(len)?)
    }

    fn splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, len: u64) -> Streamed<u64> {
        self.splice_now(&to, &from, len)
    }

    fn blocking_splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, len: u64) -> Streamed<u64> {
        self.wait_for_room(&to)?;
        self.wait_for_input(&from)?;
        self.splice_now(&to, &from, len)
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> Result<()> {
        let stream = self.wasi.table.delete(stream)?;
        self.release_place(stream.target)
    }
}

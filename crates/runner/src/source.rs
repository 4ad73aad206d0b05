//! The source of a program's bytes, and the reading of it, for both engines.
//!
//! A path may lead to anything: a device without end, a pipe that nobody writes to, a file of a terabyte. So
//! only regular files are read, after a check of their first bytes, up to the size that an engine takes, and
//! in pieces, so that reading can be cancelled.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

use super::cache::{self, Cache, Digest};
use std::borrow::Cow;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasi_rs_core::abi::Errno;
use wasi_rs_modules::cancellation::Cancellation;
use wasi_rs_modules::compile_limits;
use wasi_rs_modules::error::{Form, MAX_BYTES, ProgramError, expect_core_module};
use wasi_rs_modules::sections::CUSTOM;
use wasmparser::{BinaryReader, BinaryReaderError};
use wasmtime::{Engine, Precompiled};

/// The length of a module's header in bytes.
const HEAD: usize = 8;

/// The number of bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// The beginning of the names of debug sections.
const DEBUG: &[u8] = b".debug_";

/// Bytes that a small module may grow by, before V8 gets it; a large one grows by less than one in 64.
const ROOM_FOR_EDITS: u64 = 8192;

/// The most sections whose headers are read, each by one call to the system.
const MAX_SECTIONS: usize = 1000;

/// The bytes that are read of each section: its number, its length, and the beginning of its name.
const PEEK: usize = 32;

/// The source of a program.
pub enum Source {
    /// The bytes of a module, in memory.
    Bytes(Vec<u8>),
    /// The path of a file, which is read when it is needed.
    File(PathBuf),
    /// Machine code of the default mode, without the module.
    Code(Vec<u8>),
}

impl Source {
    /// The number of bytes.
    pub fn size(&self) -> Result<u64, ProgramError> {
        match self {
            Self::Bytes(bytes) | Self::Code(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => Ok(regular(path, std::fs::metadata(path))?.len()),
        }
    }

    /// The form of the program.
    pub fn form(&self) -> Result<Form, ProgramError> {
        match self {
            Self::Bytes(bytes) => Form::of(bytes),
            Self::File(path) => Form::of(&head(path, &open(path)?.0)?),
            Self::Code(code) => Ok(match Engine::detect_precompiled(code) {
                Some(Precompiled::Component) => Form::Component,
                _ => Form::Module,
            }),
        }
    }

    /// The bytes of memory that it holds.
    pub fn held(&self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Code(bytes) => bytes.len(),
            Self::File(_) => 0,
        }
    }

    /// The digest of the bytes, which are read in pieces; an error if they are more than wasmtime takes.
    pub fn digest(&self, cache: &Cache, cancellation: &Cancellation) -> Result<Digest, ProgramError> {
        let (path, found) = match self {
            Self::Bytes(bytes) | Self::Code(bytes) => (Path::new(""), cache::digest(cancellation.reader(&bytes[..]))),
            Self::File(path) => {
                let (file, metadata) = open(path)?;
                compile_limits::check_bytes(metadata.len())?;
                let content = cancellation.reader((&file).take(metadata.len()));
                (path.as_path(), cache.digest(&file, content))
            }
        };
        cancellation.check()?;
        found.map_err(|error| unreadable(path, error))
    }

    /// The bytes for wasmtime.
    pub fn for_wasmtime(&self, cancellation: &Cancellation) -> Result<Cow<'_, [u8]>, ProgramError> {
        match self {
            Self::Bytes(bytes) | Self::Code(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => {
                let (file, metadata) = open(path)?;
                Form::of(&head(path, &file)?)?;
                compile_limits::check_bytes(metadata.len())?;
                read(path, &file, std::slice::from_ref(&(0..metadata.len())), cancellation).map(Cow::Owned)
            }
        }
    }

    /// The bytes for V8, without debug sections. (V8 copies all bytes that it gets, and debug sections are
    /// half of some files.)
    pub fn for_v8(&self, cancellation: &Cancellation) -> Result<Vec<u8>, ProgramError> {
        match self {
            Self::Bytes(bytes) => {
                let mut copy = room(bytes.len() as u64)?;
                copy.extend_from_slice(bytes);
                Ok(copy)
            }
            Self::Code(_) => Err(ProgramError::Wrong(
                "is machine code of wasmtime, from deserialize(), which no other engine runs".to_owned(),
            )),
            Self::File(path) => {
                let (file, metadata) = open(path)?;
                expect_core_module(&head(path, &file)?)?;
                let kept = kept(&file, metadata.len()).map_err(|error| unreadable(path, error))?;
                read(path, &file, &kept, cancellation)
            }
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> ProgramError {
    ProgramError::Unreadable(path.to_owned(), error.into())
}

/// The metadata of a file, if it is a regular one.
fn regular(path: &Path, metadata: io::Result<Metadata>) -> Result<Metadata, ProgramError> {
    let metadata = metadata.map_err(|error| unreadable(path, error))?;
    if metadata.is_dir() {
        return Err(ProgramError::Unreadable(path.to_owned(), Errno::Isdir));
    }
    if !metadata.is_file() {
        let what = kind(metadata.file_type());
        return Err(ProgramError::Wrong(format!("can't be read: it is {what}, no regular file: '{}'", path.display())));
    }
    Ok(metadata)
}

fn kind(of: FileType) -> &'static str {
    match of {
        _ if of.is_fifo() => "a pipe",
        _ if of.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Opens a file if it is a regular one. Others are not opened, since that alone may wait or have an effect.
fn open(path: &Path) -> Result<(File, Metadata), ProgramError> {
    regular(path, std::fs::metadata(path))?;
    // The path may lead to another file by now.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = opened.map_err(|error| unreadable(path, error))?;
    let metadata = regular(path, file.metadata())?;
    Ok((file, metadata))
}

fn head(path: &Path, file: &File) -> Result<Vec<u8>, ProgramError> {
    let mut head = Vec::new();
    let from = file;
    from.take(HEAD as u64).read_to_end(&mut head).map_err(|error| unreadable(path, error))?;
    Ok(head)
}

/// A vector with room for a module of so many bytes, and for what is put into it before V8 gets it: it is not
/// copied as it grows. An error if the module is beyond the limit.
fn room(bytes: u64) -> Result<Vec<u8>, ProgramError> {
    if bytes > MAX_BYTES {
        return Err(ProgramError::Wrong(format!("is too large: it has {bytes} bytes, and {MAX_BYTES} is the most")));
    }
    let mut room = Vec::new();
    match usize::try_from(bytes + bytes / 64 + ROOM_FOR_EDITS).map(|bytes| room.try_reserve_exact(bytes)) {
        Ok(Ok(())) => Ok(room),
        _ => Err(ProgramError::Wrong(format!("can't be read: there is no memory for its {bytes} bytes"))),
    }
}

fn read(path: &Path, file: &File, ranges: &[Range<u64>], cancellation: &Cancellation) -> Result<Vec<u8>, ProgramError> {
    let mut content = room(ranges.iter().map(|range| range.end - range.start).sum())?;
    for range in ranges {
        let mut from = file;
        from.seek(SeekFrom::Start(range.start)).map_err(|error| unreadable(path, error))?;
        let mut left = from.take(range.end - range.start);
        while left.limit() > 0 {
            cancellation.check()?;
            let piece = Read::by_ref(&mut left).take(PIECE as u64).read_to_end(&mut content);
            if piece.map_err(|error| unreadable(path, error))? == 0 {
                break; // it has become shorter
            }
        }
    }
    Ok(content)
}

/// The ranges of a file without its debug sections; all of a file that is no module.
fn kept(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut at = HEAD as u64;
    let mut ranges: Vec<_> = std::iter::once(0..at.min(size)).collect();
    for left in (0..MAX_SECTIONS).rev() {
        if at >= size {
            break;
        }
        let mut head = [0; PEEK];
        let len = file.read_at(&mut head, at)?;
        // Errors in the rest are found when it is read.
        let section = header(head.get(..len).unwrap_or_default()).ok().filter(|_| left > 0);
        let (section, is_debug) = section.unwrap_or((size - at, false));
        let end = at.saturating_add(section).min(size);
        match ranges.last_mut() {
            _ if is_debug => {}
            Some(last) if last.end == at => last.end = end,
            _ => ranges.push(at..end),
        }
        at = end;
    }
    Ok(ranges)
}

/// The length of the section with this beginning, and true if it is a debug section.
fn header(head: &[u8]) -> Result<(u64, bool), BinaryReaderError> {
    let mut reader = BinaryReader::new(head, 0);
    let id = reader.read_u8()?;
    let content = reader.read_var_u32()?;
    let len = reader.original_position() as u64 + u64::from(content);
    if id != CUSTOM {
        return Ok((len, false));
    }
    reader.read_var_u32()?; // the length of its name
    let name = reader.read_bytes(reader.bytes_remaining())?;
    Ok((len, name.starts_with(DEBUG)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use wasm_encoder::Encode;

    #[test]
    fn debug_sections_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        let custom = |name: &str, len: usize| {
            let mut content = Vec::new();
            name.encode(&mut content);
            content.resize(content.len() + len, 7);
            let mut section = vec![CUSTOM];
            content.as_slice().encode(&mut section);
            section
        };
        let module = wat::parse_str("(module (func))").unwrap();
        let (name, debug) = (custom("name", 10), custom(".debug_str", 100_000));
        let long_name = custom(&format!(".debug_{}", "x".repeat(100)), 0);
        let of = |parts: &[&[u8]]| {
            fs::write(&file, parts.concat()).unwrap();
            Source::File(file.clone()).for_v8(&Cancellation::default()).unwrap()
        };
        assert_eq!(of(&[&module]), module);
        assert_eq!(of(&[&module, &debug, &name, &long_name, &debug]), [&module[..], &name].concat());
        assert_eq!(of(&[&module, &debug[..50]]), module, "its end is beyond the file's");
        let many = name.repeat(MAX_SECTIONS);
        assert_eq!(of(&[&module, &many, &debug]), [&module[..], &many, &debug].concat());
    }

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    /// The result for each engine.
    fn refusals(path: &Path) -> [String; 2] {
        let (source, cancellation) = (Source::File(path.to_owned()), Cancellation::default());
        let told = |error: Option<ProgramError>| error.map_or(String::new(), |error| error.to_string());
        [told(source.for_v8(&cancellation).err()), told(source.for_wasmtime(&cancellation).err())]
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        for (path, said) in [
            (folder.path().join("none"), "can't be read: no such file or directory"),
            (folder.path().to_owned(), "can't be read: is a directory"),
            (pipe, "can't be read: it is a pipe, no regular file: '"),
            (PathBuf::from("/dev/zero"), "can't be read: it is a device, no regular file: '/dev/zero'"),
        ] {
            for refusal in refusals(&path) {
                assert!(refusal.starts_with(said), "{refusal}");
            }
            assert!(Source::File(path).size().unwrap_err().to_string().starts_with(said));
        }
    }

    #[test]
    fn files_that_are_no_module_or_too_large_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let large = |content: &[u8], len: u64| {
            fs::write(&path, content).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
            refusals(&path)
        };
        for content in [&b""[..], b"\0asm", b"no module"] {
            for refusal in large(content, 1 << 40) {
                assert!(refusal.starts_with("is not a WebAssembly module"), "{refusal}");
            }
        }
        let [for_v8, for_wasmtime] = large(MODULE, 1 << 40);
        assert_eq!(for_v8, "is too large: it has 1099511627776 bytes, and 1073741824 is the most");
        assert!(for_wasmtime.starts_with("is too hard to compile: it has 1099511627776 bytes"), "{for_wasmtime}");
        let debug = [MODULE, &[CUSTOM, 0xff, 0xff, 0xff, 0xff, 0x0f, 7], b".debug_"].concat();
        assert_eq!(large(&debug, 1 << 31)[0], "", "only debuggers want more");
    }

    #[test]
    fn reading_is_cancelled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, MODULE).unwrap();
        let cancellation = Cancellation::default();
        cancellation.cancel();
        let source = Source::File(path);
        assert!(matches!(source.for_v8(&cancellation), Err(ProgramError::Cancelled)));
        assert!(matches!(source.for_wasmtime(&cancellation), Err(ProgramError::Cancelled)));
        let cache = Cache::new(folder.path().join("cache"), 0);
        assert!(matches!(source.digest(&cache, &cancellation), Err(ProgramError::Cancelled)));
    }
}

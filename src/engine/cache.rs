//! Machine code on disk.
//!
//! To take machine code from a file is to trust the file. So the folder must be the user's own and closed to everybody
//! else; a file appears in it whole, under a name that only its own content can have, and is never written to again; and
//! its length and checksum are looked at before each use. Whatever does not fit is made anew.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

use super::raw;
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use wasmtime::{Engine, Module};

/// What a program's bytes are, in short.
pub type Digest = [u8; 32];

/// How many bytes the folder holds unless it is told.
pub const SIZE: u64 = 1 << 30;

/// The end of a file's name.
const EXTENSION: &str = "cwasm";

/// How old the mark of its last use may become, before it is set anew: most uses write nothing.
const FRESH: Duration = Duration::from_secs(3600);

/// How old a file that is being written may become before it is thought to be given up.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A digest of all that there is to read.
pub fn digest(mut from: impl Read) -> io::Result<Digest> {
    let mut sha = Sha256::new();
    each_piece(&mut from, |piece| sha.update(piece))?;
    Ok(sha.finalize().into())
}

fn each_piece(from: &mut impl Read, mut look: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => look(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The name of machine code: what it was made from, and by what.
pub struct Key(String);

impl Key {
    /// Of these bytes, made by this engine.
    pub fn new(engine: &Engine, digest: &Digest) -> Self {
        let mut sha = ShaHasher(Sha256::new());
        sha.write(digest);
        engine.precompile_compatibility_hash().hash(&mut sha);
        let name = sha.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("{name}.{EXTENSION}"))
    }
}

/// What std's `Hash` feeds, kept whole.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// What stands behind the machine code in its file.
struct Trailer {
    len: u64,
    checksum: u32,
}

impl Trailer {
    const MAGIC: [u8; 8] = *b"wasi-rs\x01";
    const SIZE: usize = 20;

    fn of(code: &[u8]) -> Self {
        Self { len: code.len() as u64, checksum: crc32fast::hash(code) }
    }

    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = self.len.to_le_bytes().into_iter().chain(self.checksum.to_le_bytes()).chain(Self::MAGIC);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }
}

/// A folder of machine code.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    size: u64,
}

impl Cache {
    /// The folder at this path, which is made when there is something to keep.
    pub fn new(folder: PathBuf, size: u64) -> Self {
        Self { folder, size }
    }

    /// Whether there is something under this name. That it can be used is not said.
    pub fn has(&self, key: &Key) -> bool {
        self.is_trusted() && self.folder.join(&key.0).exists()
    }

    /// The machine code of this name, if it is there and can be trusted.
    pub fn load(&self, engine: &Engine, key: &Key) -> Option<Module> {
        if !self.is_trusted() {
            return None;
        }
        let path = self.folder.join(&key.0);
        let mut file = open_own(&path).ok()?;
        if !is_whole(&mut file).unwrap_or(false) {
            return None;
        }
        let used = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
        if used.elapsed().is_ok_and(|age| age > FRESH) {
            // What has not been used for longest goes first.
            let _ = file.set_modified(SystemTime::now());
        }
        raw::deserialize(engine, file).ok()
    }

    /// Keeps machine code under this name. That it can't is no error: it is made anew the next time.
    pub fn store(&self, key: &Key, code: &[u8]) {
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        if self.is_trusted() && self.write(key, code).is_ok() {
            let _ = self.make_room(key);
        }
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("{}.{}.{}.tmp", key.0, std::process::id(), COUNT.fetch_add(1, Relaxed));
        let temporary = self.folder.join(unique);
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
                file.write_all(code)?;
                file.write_all(&Trailer::of(code).encode())
            });
        // Others see it whole or not at all.
        let kept = written.and_then(|()| fs::rename(&temporary, self.folder.join(&key.0)));
        if kept.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        kept
    }

    /// Removes what has not been used for longest until the rest fits; never what was just written.
    fn make_room(&self, keep: &Key) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let (path, metadata) = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
                Ok(file) => file,
                // Somebody else has just removed it.
                Err(_) => continue,
            };
            let used = metadata.modified()?;
            if path.extension().is_some_and(|extension| extension == "tmp") {
                if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                    let _ = fs::remove_file(&path);
                }
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push((used, metadata.len(), path));
            }
        }
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        files.sort();
        for (_, len, path) in files {
            if total <= self.size {
                break;
            }
            if !path.ends_with(&keep.0) && fs::remove_file(&path).is_ok() {
                total -= len;
            }
        }
        Ok(())
    }

    /// Whether it is a folder of the user's own that nobody else can look into.
    fn is_trusted(&self) -> bool {
        fs::metadata(&self.folder).is_ok_and(|metadata| metadata.is_dir() && is_private(&metadata))
    }
}

fn is_private(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
}

/// Opens a file of the user's own that nobody else can change.
fn open_own(path: &Path) -> io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = File::options().read(true).write(true).custom_flags(no_follow).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && is_private(&metadata) { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Whether a file is as long as it says, and holds what it held.
fn is_whole(file: &mut File) -> io::Result<bool> {
    let Some(len) = file.metadata()?.len().checked_sub(Trailer::SIZE as u64) else {
        return Ok(false);
    };
    let mut crc = crc32fast::Hasher::new();
    each_piece(&mut file.take(len), |piece| crc.update(piece))?;
    let mut found = Vec::new();
    file.read_to_end(&mut found)?;
    file.rewind()?;
    Ok(found == Trailer { len, checksum: crc.finalize() }.encode())
}

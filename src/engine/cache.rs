//! Machine code on disk.
//!
//! To take machine code from a file is to trust the file. So the folder must be the user's own and closed to everybody
//! else; a file appears in it whole, under a name that only its own content can have, and is never written to again; and
//! its length and checksum are looked at before it is used, the first time and whenever it may have changed since.
//! Whatever does not fit is made anew.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

use super::raw;
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use wasmtime::{Engine, Module};

/// What some bytes are, in short.
type Short = [u8; 32];

/// What a program's bytes are, in short, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    short: Short,
    len: u64,
}

/// How many bytes the folder holds unless it is told.
pub const SIZE: u64 = 1 << 30;

/// The end of a file's name.
const EXTENSION: &str = "cwasm";

/// The end of the name of a file that holds what another file's bytes are, in short.
const DIGEST_EXTENSION: &str = "digest";

/// The end of the name of a file that tells which file of machine code was found to be whole.
const CHECKED_EXTENSION: &str = "checked";

/// How long ago a file must have changed for its times to tell it from what it becomes next.
const SETTLED: Duration = Duration::from_secs(2);

/// How long it is noted what was found of a file.
const NOTED: Duration = Duration::from_secs(90 * 24 * 3600);

/// How old the mark of its last use may become, before it is set anew: most uses write nothing.
const FRESH: Duration = Duration::from_secs(3600);

/// How old a file that is being written may become before it is thought to be given up.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A digest of all that there is to read.
pub fn digest(mut from: impl Read) -> io::Result<Digest> {
    let (mut sha, mut len) = (Sha256::new(), 0);
    each_piece(&mut from, |piece| {
        sha.update(piece);
        len += piece.len() as u64;
    })?;
    Ok(Digest { short: sha.finalize().into(), len })
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
        sha.write(&digest.short);
        engine.precompile_compatibility_hash().hash(&mut sha);
        Self(format!("{}{}", hex(&sha.0.finalize()), Self::end(digest.len)))
    }

    /// How the names of all machine code end that was made from so many bytes.
    fn end(len: u64) -> String {
        format!(".{len:x}.{EXTENSION}")
    }

    /// The name of the note that it is whole.
    fn note(&self) -> String {
        format!("{}.{CHECKED_EXTENSION}", self.0)
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

/// What stands behind the content of a file.
struct Trailer {
    len: u64,
    checksum: u32,
}

impl Trailer {
    const MAGIC: [u8; 8] = *b"wasi-rs\x01";
    const SIZE: usize = 20;

    fn of(content: &[u8]) -> Self {
        Self { len: content.len() as u64, checksum: crc32fast::hash(content) }
    }

    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let fields = self.len.to_le_bytes().into_iter().chain(self.checksum.to_le_bytes()).chain(Self::MAGIC);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }
}

/// What a file is without a look at its content: any change of it changes one of these. (The time of the last change
/// can't be set, and is told by a clock that ticks every few milliseconds: so what has changed just now is looked at.)
struct Identity {
    short: Short,
    is_settled: bool,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        let changed = Duration::new(
            u64::try_from(metadata.ctime()).unwrap_or(0),
            u32::try_from(metadata.ctime_nsec()).unwrap_or(0),
        );
        let fields = [
            metadata.dev().into(),
            metadata.ino().into(),
            metadata.len().into(),
            i128::from(metadata.mtime()),
            i128::from(metadata.mtime_nsec()),
            i128::from(metadata.ctime()),
            i128::from(metadata.ctime_nsec()),
        ];
        let sha = fields.iter().fold(Sha256::new(), |sha, field| sha.chain_update(field.to_le_bytes()));
        let age = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(changed);
        Self { short: sha.finalize().into(), is_settled: age > SETTLED }
    }

    /// The name of the note of what its bytes are, in short.
    fn note(&self) -> String {
        format!("{}.{DIGEST_EXTENSION}", hex(&self.short))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    /// What a file's bytes are, in short: as it was noted when they were last looked at, if nothing has changed since.
    pub fn digest(&self, path: &Path) -> io::Result<Digest> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        if let Some(short) = self.read_note(&identity.note()) {
            return Ok(Digest { short, len: metadata.len() });
        }
        let found = digest(&file)?;
        let unchanged = Identity::of(&file.metadata()?).short == identity.short;
        if unchanged && identity.is_settled {
            self.keep(&identity.note(), &found.short, false);
        }
        Ok(found)
    }

    fn read_note(&self, name: &str) -> Option<Short> {
        if !self.is_trusted() {
            return None;
        }
        let mut file = open_own(&self.folder.join(name)).ok()?;
        let mut noted = Short::default();
        (is_whole(&mut file).ok()? && file.metadata().ok()?.len() == (noted.len() + Trailer::SIZE) as u64)
            .then_some(())?;
        file.read_exact(&mut noted).ok()?;
        Some(noted)
    }

    /// Whether there is machine code of a program of so many bytes: where there is none, the program need not be looked at.
    pub fn has_any(&self, len: u64) -> bool {
        let end = Key::end(len);
        let is_code = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().ends_with(end.as_bytes()))
        };
        fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.any(is_code))
    }

    /// The machine code of this name, if it is there and can be trusted.
    pub fn load(&self, engine: &Engine, key: &Key) -> Option<Module> {
        if !self.is_trusted() {
            return None;
        }
        let path = self.folder.join(&key.0);
        let mut file = open_own(&path).ok()?;
        let metadata = file.metadata().ok()?;
        // Reading all of it takes longer than everything else that there is to do before a large program runs.
        let identity = Identity::of(&metadata);
        if self.read_note(&key.note()) != Some(identity.short) {
            if !is_whole(&mut file).unwrap_or(false) {
                return None;
            }
            if identity.is_settled {
                self.keep(&key.note(), &identity.short, false);
            }
        }
        let used = metadata.modified().ok()?;
        if used.elapsed().is_ok_and(|age| age > FRESH) {
            // What has not been used for longest goes first.
            let _ = file.set_modified(SystemTime::now());
        }
        raw::deserialize(engine, file).ok()
    }

    /// Keeps machine code under this name. That it can't is no error: it is made anew the next time.
    pub fn store(&self, key: &Key, code: &[u8]) {
        if self.keep(&key.0, code, true) {
            let _ = self.make_room(key);
        }
    }

    /// Whether it could be kept; if `synced`, beyond a loss of power.
    fn keep(&self, name: &str, content: &[u8], synced: bool) -> bool {
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        self.is_trusted() && self.write(name, content, synced).is_ok()
    }

    fn write(&self, name: &str, content: &[u8], synced: bool) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("{name}.{}.{}.tmp", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let temporary = self.folder.join(unique);
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
                file.write_all(content)?;
                file.write_all(&Trailer::of(content).encode())?;
                if synced { file.sync_data() } else { Ok(()) }
            });
        // Others see it whole or not at all.
        let kept = written.and_then(|()| fs::rename(&temporary, self.folder.join(name)));
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
            let is_older = |than| used.elapsed().is_ok_and(|age| age > than);
            match path.extension().and_then(OsStr::to_str) {
                Some(EXTENSION) => files.push((used, metadata.len(), path)),
                Some("tmp") if is_older(ABANDONED) => drop(fs::remove_file(&path)),
                Some(DIGEST_EXTENSION | CHECKED_EXTENSION) if is_older(NOTED) => drop(fs::remove_file(&path)),
                _ => {}
            }
        }
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        files.sort();
        for (_, len, path) in files {
            if total <= self.size {
                break;
            }
            if !path.ends_with(&keep.0) && fs::remove_file(&path).is_ok() {
                let _ = fs::remove_file(path.with_added_extension(CHECKED_EXTENSION));
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
    let file = File::options().read(true).custom_flags(no_follow).open(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mode::Mode;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const WASM: &str = r#"(module (func (export "_start")))"#;

    struct Kept {
        _root: tempfile::TempDir,
        cache: Cache,
        engine: Engine,
        key: Key,
        code: Vec<u8>,
    }

    /// A cache that holds one program.
    fn kept() -> Kept {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path().join("a/b"), SIZE);
        let engine = Mode::default().engine().unwrap();
        let code = Module::new(&engine, wat::parse_str(WASM).unwrap()).unwrap().serialize().unwrap();
        let key = Key::new(&engine, &digest(WASM.as_bytes()).unwrap());
        cache.store(&key, &code);
        Kept { _root: root, cache, engine, key, code }
    }

    impl Kept {
        fn path(&self) -> PathBuf {
            self.cache.folder.join(&self.key.0)
        }

        fn loads(&self) -> bool {
            self.cache.load(&self.engine, &self.key).is_some()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.cache.folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn what_was_kept_is_found() {
        let kept = kept();
        assert!(kept.loads());
        let len = WASM.len() as u64;
        assert!(kept.cache.has_any(len) && !kept.cache.has_any(len + 1) && !kept.cache.has_any(len % 16));
        assert!(!Cache::new(kept.cache.folder.join("none"), SIZE).has_any(len));
        assert_eq!(kept.names(), std::slice::from_ref(&kept.key.0));
        let fuel = Mode { fuel: true, ..Mode::default() }.engine().unwrap();
        let of_fuel = Key::new(&fuel, &digest(WASM.as_bytes()).unwrap());
        assert!(kept.cache.load(&fuel, &of_fuel).is_none(), "another mode has other code");
        let other = Key::new(&kept.engine, &digest(&b"other"[..]).unwrap());
        assert!(kept.cache.load(&kept.engine, &other).is_none());
    }

    #[test]
    fn what_is_not_as_it_was_written_is_not_used() {
        let kept = kept();
        let whole = fs::read(kept.path()).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let foreign = [&b"\x7fELF"[..], &whole[4..whole.len() - Trailer::SIZE]].concat();
        let longer = [&whole[..], &[0]].concat();
        for bad in [&whole[..whole.len() - 1], &whole[..100], &whole[..10], &[], &flipped, &foreign, &longer] {
            fs::write(kept.path(), bad).unwrap();
            assert!(!kept.loads(), "{} bytes of {}", bad.len(), whole.len());
        }
        // Whole, but no machine code: wasmtime refuses it.
        kept.cache.store(&kept.key, b"not machine code");
        assert!(!kept.loads());
        kept.cache.store(&kept.key, &kept.code);
        assert!(kept.loads());
    }

    #[test]
    fn what_was_found_whole_is_looked_at_again_when_it_may_have_changed() {
        let kept = kept();
        assert!(kept.loads());
        assert!(!kept.names().contains(&kept.key.note()), "it has changed just now");
        let whole = fs::read(kept.path()).unwrap();
        let mut wrong_checksum = whole.clone();
        wrong_checksum[whole.len() - Trailer::SIZE + 8] ^= 1;
        fs::write(kept.path(), &wrong_checksum).unwrap();
        assert!(!kept.loads());
        let note = |identity: &Short| kept.cache.keep(&kept.key.note(), identity, false);
        let identity = || Identity::of(&fs::metadata(kept.path()).unwrap()).short;
        note(&identity());
        assert!(kept.loads(), "as it was noted");
        note(&[7; 32]);
        assert!(!kept.loads(), "of another file");
        note(&identity());
        let before = identity();
        while identity() == before {
            fs::write(kept.path(), &wrong_checksum).unwrap();
        }
        assert!(!kept.loads(), "written to since");
    }

    #[test]
    fn what_others_could_change_is_not_used() {
        let kept = kept();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for open in [0o755, 0o770, 0o701] {
            mode(&kept.cache.folder, open);
            assert!(!kept.loads(), "{open:o}");
        }
        mode(&kept.cache.folder, 0o700);
        mode(&kept.path(), 0o620);
        assert!(!kept.loads());
        mode(&kept.path(), 0o600);
        assert!(kept.loads());
        let elsewhere = kept.cache.folder.join("elsewhere");
        fs::rename(kept.path(), &elsewhere).unwrap();
        symlink(&elsewhere, kept.path()).unwrap();
        assert!(!kept.loads());
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let kept = kept();
        let size = fs::metadata(kept.path()).unwrap().len();
        let cache = Cache::new(kept.cache.folder.clone(), 2 * size);
        let keys = ["a", "b", "c"].map(|name| Key::new(&kept.engine, &digest(name.as_bytes()).unwrap()));
        let ago = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
        let age = |name: &str, hours| {
            File::options().write(true).open(kept.cache.folder.join(name)).unwrap().set_modified(ago(hours)).unwrap();
        };
        for name in ["given-up.tmp", "being-written.tmp", "old.digest", "new.digest", "old.checked", "new.checked"] {
            fs::write(kept.cache.folder.join(name), "").unwrap();
        }
        age("given-up.tmp", 2);
        age("old.digest", 24 * 91);
        age("old.checked", 24 * 91);
        age(&kept.key.0, 5);
        cache.store(&keys[0], &kept.code);
        cache.keep(&keys[0].note(), &[7; 32], false); // it goes with the code
        age(&keys[0].0, 4);
        // The first is used again, and is no longer the oldest.
        assert!(kept.loads());
        cache.store(&keys[1], &kept.code);
        let noted = ["being-written.tmp", "new.digest", "new.checked"].map(String::from);
        let mut left = [&[kept.key.0.clone(), keys[1].0.clone()][..], &noted].concat();
        left.sort();
        assert_eq!(kept.names(), left);
        // What was just written stays, however little there may be.
        Cache::new(kept.cache.folder.clone(), 0).store(&keys[2], &kept.code);
        assert!(kept.names().contains(&keys[2].0) && !kept.names().contains(&kept.key.0));
    }

    #[test]
    fn a_file_is_looked_at_again_when_it_may_have_changed() {
        let kept = kept();
        let path = kept.cache.folder.join("program.wasm");
        fs::write(&path, "one").unwrap();
        assert_eq!(kept.cache.digest(&path).unwrap(), digest(&b"one"[..]).unwrap());
        assert!(kept.names().iter().all(|name| !name.ends_with(DIGEST_EXTENSION)), "it has changed just now");
        // A file that has been there for long: of the system's own.
        let old = Path::new("/bin/sh");
        let found = kept.cache.digest(old).unwrap();
        let noted = kept.names().into_iter().find(|name| name.ends_with(DIGEST_EXTENSION)).unwrap();
        assert_eq!(found, digest(File::open(old).unwrap()).unwrap());
        kept.cache.keep(&noted, &[7; 32], false);
        let as_noted = Digest { short: [7; 32], len: fs::metadata(old).unwrap().len() };
        assert_eq!(kept.cache.digest(old).unwrap(), as_noted);
        kept.cache.keep(&noted, &[7; 31], false);
        assert_eq!(kept.cache.digest(old).unwrap(), found);
    }

    #[test]
    fn many_may_write_at_once() {
        let kept = kept();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| kept.cache.store(&kept.key, &kept.code)));
            }
            for _ in 0..100 {
                assert!(kept.loads());
            }
        });
        assert_eq!(kept.names(), std::slice::from_ref(&kept.key.0));
    }
}

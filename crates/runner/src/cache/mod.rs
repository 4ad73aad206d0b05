//! Machine code on disk.
//!
//! To take machine code from a file is to trust the file, and a guest may be able to write to the folder. So
//! each file is sealed with a secret that no guest can reach ([`folder`]), under its own name ([`sealed`]);
//! and what is executed is a file that nobody changes before it was copied ([`super::lease`]), or else a copy
//! in memory ([`code`]). Whatever does not fit is made anew, and that nothing can be kept is no error.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

mod code;
mod eviction;
mod folder;
mod names;
pub mod sealed;

use super::lease::{Lease, Loaded};
use super::raw;
use code::Code;
pub use folder::Unfit;
use folder::{Folder, each_piece};
use names::{DIGEST_EXTENSION, EXTENSION, note_of};
use sealed::Short;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use wasi_rs_modules::REWRITINGS;
use wasmtime::Engine;

/// The digest of a program's bytes, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    short: Short,
    len: u64,
}

/// How many bytes the folder holds unless it is told.
pub const SIZE: u64 = 1 << 30;

/// Up to so many bytes a copy is taken of machine code: in a tenth of a millisecond, and it takes neither a
/// thread nor descriptors for as long as the program is there.
const COPIED: u64 = 256 << 10;

/// How long ago a file must have changed for its times to tell it from what it becomes next.
const SETTLED: Duration = Duration::from_secs(2);

/// How old the mark of its last use may become, before it is set anew: most uses write nothing.
const FRESH: Duration = Duration::from_secs(3600);

/// A digest of all that there is to read.
pub fn digest(mut from: impl Read) -> io::Result<Digest> {
    let (mut sha, mut len) = (Sha256::new(), 0);
    each_piece(&mut from, |piece| {
        sha.update(piece);
        len += piece.len() as u64;
    })?;
    Ok(Digest { short: sha.finalize().into(), len })
}

/// The name of machine code: what it was made from, and by what.
pub struct Key(String);

impl Key {
    /// Of these bytes, made by this engine and this version of what is around it.
    pub fn new(engine: &Engine, digest: &Digest) -> Self {
        Self::by(engine, digest, env!("CARGO_PKG_VERSION"), REWRITINGS)
    }

    fn by(engine: &Engine, digest: &Digest, version: &str, rewritings: u32) -> Self {
        let mut sha = ShaHasher(Sha256::new());
        sha.write(&digest.short);
        (version, rewritings).hash(&mut sha);
        engine.precompile_compatibility_hash().hash(&mut sha);
        Self(format!("{}{}", hex(&sha.0.finalize()), Self::end(digest.len)))
    }

    /// How the names of all machine code end that was made from so many bytes.
    fn end(len: u64) -> String {
        format!(".{len:x}.{EXTENSION}")
    }

    /// The name of the note that it is whole.
    fn note(&self) -> String {
        note_of(&self.0)
    }
}

/// A hasher that keeps the whole digest of what `Hash` feeds it.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The identity of a file without a look at its content: any change of it changes one of these. (The time of
/// the last change can't be set, and is told by a clock that ticks every few milliseconds: so what has
/// changed just now is looked at.)
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

    /// Makes the folder, or says why nothing is kept in it.
    pub fn make(&self) -> Result<(), Unfit> {
        Folder::make(&self.folder).map(drop)
    }

    /// The digest of a file's bytes: as it was noted when they were last read, if nothing has changed since;
    /// otherwise `content` is what is read of it.
    pub fn digest(&self, file: &File, content: impl Read) -> io::Result<Digest> {
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        if let Some(short) = Folder::open(&self.folder).ok().and_then(|folder| folder.note(&identity.note())) {
            return Ok(Digest { short, len: metadata.len() });
        }
        let found = digest(content)?;
        let unchanged = Identity::of(&file.metadata()?).short == identity.short;
        if unchanged
            && identity.is_settled
            && let Ok(folder) = Folder::make(&self.folder)
        {
            let _ = folder.write(&identity.note(), &found.short, false);
        }
        Ok(found)
    }

    /// True if there is machine code of a program of so many bytes: where there is none, the program need not
    /// be looked at.
    pub fn has_any(&self, len: u64) -> bool {
        Folder::open(&self.folder).is_ok_and(|folder| folder.has_name(&Key::end(len)))
    }

    /// The machine code of this name, if it is there and is what was kept under it.
    pub fn load(&self, engine: &Engine, key: &Key) -> Option<Loaded> {
        let folder = Folder::open(&self.folder).ok()?;
        let code = load(&folder, &key.0, &key.note())?;
        match code {
            Code::File(file, lease) => raw::deserialize(engine, file, lease),
            Code::Bytes(bytes) => raw::deserialize_bytes(engine, &bytes).map(Loaded::from),
        }
        .ok()
    }

    /// Keeps machine code under this name. That it can't is no error: it is made anew the next time.
    pub fn store(&self, key: &Key, code: &[u8]) {
        let Ok(folder) = Folder::make(&self.folder) else { return };
        if folder.write(&key.0, code, true).is_ok() {
            let _ = eviction::make_room(&folder, self.size, &key.0);
        }
    }
}

/// The content of a file, in a form that stays what it is from here on.
fn load(folder: &Folder, name: &str, note: &str) -> Option<Code> {
    let file = folder.file(name).ok()?;
    // Before anything of it is looked at.
    let lease = if file.metadata().ok()?.len() > COPIED { Lease::take(&file) } else { None };
    let seal = folder.seal(name, &file)?;
    let metadata = file.metadata().ok()?;
    let identity = Identity::of(&metadata);
    let code = match lease {
        Some(lease) => Code::File(file.try_clone().ok()?, lease),
        None => Code::read(&file, seal.len).ok()?,
    };
    // Reading all of it takes longer than everything else that there is to do before a large program runs.
    // But the note is of the file as it was before that.
    let is_noted = folder.note(note) == Some(identity.short);
    let is_unchanged = Identity::of(&file.metadata().ok()?).short == identity.short;
    if !(is_noted && is_unchanged) && code.digest(seal.len).ok()? != seal.digest {
        return None;
    }
    if !is_noted && is_unchanged && identity.is_settled {
        let _ = folder.write(note, &identity.short, false);
    }
    if metadata.modified().ok()?.elapsed().is_ok_and(|age| age > FRESH) {
        // What has not been used for longest goes first.
        let _ = file.set_modified(SystemTime::now());
    }
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use wasi_rs_core::abi::Errno;
    use wasi_rs_core::abi::flags::{Fdflags, Oflags};
    use wasi_rs_core::host::dir::{OpenHow, open_preopen_unsandboxed};
    use wasmtime::Module;

    const WASM: &str = r#"(module (func (export "_start")))"#;

    struct Kept {
        root: tempfile::TempDir,
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
        Kept { root, cache, engine, key, code }
    }

    impl Kept {
        fn path(&self) -> PathBuf {
            self.cache.folder.join(&self.key.0)
        }

        fn loads(&self) -> bool {
            self.cache.load(&self.engine, &self.key).is_some()
        }

        fn folder(&self) -> Folder {
            Folder::open(&self.cache.folder).unwrap()
        }

        fn write_note(&self, name: &str, content: &[u8]) {
            self.folder().write(name, content, false).unwrap();
        }

        fn other(&self, content: &str) -> Key {
            Key::new(&self.engine, &digest(content.as_bytes()).unwrap())
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.cache.folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    /// Writes to a file as root would, whatever its mode.
    fn overwrite(path: &Path, content: &[u8]) {
        let mode = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        fs::write(path, content).unwrap();
        mode(0o400);
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
        assert!(kept.cache.load(&kept.engine, &kept.other("other")).is_none());
    }

    #[test]
    fn the_name_tells_the_version_and_the_rewritings() {
        let engine = Mode::default().engine().unwrap();
        let digest = digest(WASM.as_bytes()).unwrap();
        let own = Key::new(&engine, &digest).0;
        assert_eq!(own, Key::by(&engine, &digest, env!("CARGO_PKG_VERSION"), REWRITINGS).0);
        assert_ne!(own, Key::by(&engine, &digest, "0.0.0", REWRITINGS).0);
        assert_ne!(own, Key::by(&engine, &digest, env!("CARGO_PKG_VERSION"), REWRITINGS + 1).0);
    }

    #[test]
    fn what_is_not_as_it_was_written_is_not_used() {
        let kept = kept();
        let whole = fs::read(kept.path()).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let foreign = [&b"\x7fELF"[..], &whole[4..whole.len() - sealed::Seal::SIZE]].concat();
        let longer = [&whole[..], &[0]].concat();
        for bad in [&whole[..whole.len() - 1], &whole[..100], &whole[..10], &[], &flipped, &foreign, &longer] {
            overwrite(&kept.path(), bad);
            assert!(!kept.loads(), "{} bytes of {}", bad.len(), whole.len());
        }
        // Whole, but no machine code: wasmtime refuses it.
        kept.cache.store(&kept.key, b"not machine code");
        assert!(!kept.loads());
        kept.cache.store(&kept.key, &kept.code);
        assert!(kept.loads());
    }

    #[test]
    fn a_file_is_not_taken_for_another() {
        let kept = kept();
        let other = kept.other("other");
        kept.cache.store(&other, &kept.code);
        fs::copy(kept.cache.folder.join(&other.0), kept.cache.folder.join("copy")).unwrap();
        fs::rename(kept.cache.folder.join("copy"), kept.path()).unwrap();
        assert!(!kept.loads() && kept.cache.load(&kept.engine, &other).is_some());
        let note = [7; 32];
        kept.write_note("one", &note);
        fs::rename(kept.cache.folder.join("one"), kept.cache.folder.join("two")).unwrap();
        assert_eq!(kept.folder().note("two"), None);
        kept.write_note("two", &note);
        assert_eq!(kept.folder().note("two"), Some(note));
    }

    #[test]
    fn what_lies_in_another_folder_is_not_known() {
        let kept = kept();
        let (folder, away) = (&kept.cache.folder, kept.root.path().join("away"));
        // As a guest can: all that it holds is the same, but the folder.
        fs::rename(folder, &away).unwrap();
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(away.join(&kept.key.0), kept.path()).unwrap();
        assert!(!kept.loads() && !kept.cache.has_any(WASM.len() as u64));
        kept.cache.make().unwrap();
        assert!(!kept.loads(), "nor when it has a secret of its own");
        kept.cache.store(&kept.key, &kept.code);
        assert!(kept.loads());
        // And the other is what it was.
        fs::rename(folder, kept.root.path().join("own")).unwrap();
        fs::rename(&away, folder).unwrap();
        assert!(!kept.loads());
        fs::rename(kept.root.path().join("own").join(&kept.key.0), kept.path()).unwrap();
        assert!(!kept.loads());
    }

    #[test]
    fn processes_that_race_agree_on_one_secret() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("folder");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Folder::make(&path).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let first = &secrets[0];
        first.write("name", &[1; 32], false).unwrap();
        assert!(secrets.iter().all(|folder| folder.note("name") == Some([1; 32])));
    }

    #[test]
    fn what_was_loaded_does_not_change() {
        let kept = kept();
        let (folder, note) = (kept.folder(), kept.key.note());
        let large = vec![7; usize::try_from(COPIED).unwrap() + 1];
        let seal = sealed::Seal::of(&large);
        let load = || load(&folder, &kept.key.0, &note);
        let loaded = |content| {
            kept.cache.store(&kept.key, content);
            load().unwrap()
        };
        let dir = open_preopen_unsandboxed(kept.cache.folder.to_str().unwrap()).unwrap();
        let name = std::ffi::CString::new(kept.key.0.as_str()).unwrap();
        let ways = [
            (true, Oflags::empty()),
            (false, Oflags::TRUNC),
            (false, Oflags::TRUNC | Oflags::EXCL),
            (true, Oflags::TRUNC),
            (true, Oflags::CREAT),
        ];
        for (write, oflags) in ways {
            let mapped = loaded(&large);
            let open = || {
                let how = OpenHow { follow: false, oflags, fdflags: Fdflags::empty(), read: true, write };
                dir.open_at(&name, &how)
            };
            if cfg!(target_os = "linux") {
                assert!(matches!(mapped, Code::File(..)));
                // What is open would wait; a guest's call tries again.
                let refusal = if rustix::process::geteuid().is_root() { Errno::Again } else { Errno::Acces };
                assert_eq!(open().unwrap_err(), refusal, "{write} {oflags:?}");
            }
            assert_eq!(mapped.digest(seal.len).unwrap(), seal.digest);
            drop(mapped);
            if rustix::process::geteuid().is_root() {
                let file = open().unwrap();
                // There is none to be had now: it is read.
                let copy = load();
                assert_eq!(copy.is_none(), oflags.contains(Oflags::TRUNC));
                if let Some(copy) = copy {
                    assert!(matches!(copy, Code::Bytes(_)));
                    overwrite(&kept.path(), b"");
                    assert_eq!(copy.digest(seal.len).unwrap(), seal.digest);
                }
                drop(file);
            }
        }
        let small = loaded(&kept.code);
        overwrite(&kept.path(), b"");
        let seal = sealed::Seal::of(&kept.code);
        assert_eq!(small.digest(seal.len).unwrap(), seal.digest);
    }

    #[test]
    fn what_was_found_whole_is_looked_at_again_when_it_may_have_changed() {
        let kept = kept();
        assert!(kept.loads());
        assert!(!kept.names().contains(&kept.key.note()), "it has changed just now");
        let mut changed = fs::read(kept.path()).unwrap();
        changed[100] ^= 1;
        overwrite(&kept.path(), &changed);
        assert!(!kept.loads());
        // Where nothing that wasmtime looks at is changed.
        let at = changed.windows(6).position(|bytes| bytes == b"_start").unwrap();
        changed[100] ^= 1;
        changed[at] ^= 1;
        overwrite(&kept.path(), &changed);
        let note = |identity: &Short| kept.write_note(&kept.key.note(), identity);
        let identity = || Identity::of(&fs::metadata(kept.path()).unwrap()).short;
        note(&identity());
        assert!(kept.loads(), "as it was noted");
        note(&[7; 32]);
        assert!(!kept.loads(), "of another file");
        note(&identity());
        let before = identity();
        while identity() == before {
            overwrite(&kept.path(), &changed);
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
            assert!(matches!(kept.cache.make(), Err(Unfit::Shared)));
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
    fn a_link_to_a_folder_is_not_followed() {
        let kept = kept();
        let link = kept.root.path().join("link");
        symlink(&kept.cache.folder, &link).unwrap();
        for path in [link.clone(), link.join(""), link.join(".")] {
            let cache = Cache::new(path, SIZE);
            assert!(cache.load(&kept.engine, &kept.key).is_none());
            assert!(matches!(cache.make(), Err(Unfit::Link)));
            cache.store(&kept.other("other"), &kept.code);
        }
        assert_eq!(kept.names(), std::slice::from_ref(&kept.key.0));
        // One on the way there is: nobody can use any path otherwise.
        symlink(kept.root.path().join("a"), kept.root.path().join("way")).unwrap();
        assert!(Cache::new(kept.root.path().join("way/b"), SIZE).load(&kept.engine, &kept.key).is_some());
    }

    #[test]
    fn what_lies_in_the_place_of_a_file_neither_stops_nor_fails() {
        let kept = kept();
        let note = kept.cache.folder.join(kept.key.note());
        for place in [kept.path(), note] {
            let _ = fs::remove_file(&place);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &place,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
            kept.loads();
            fs::remove_file(&place).unwrap();
            // Larger than there is memory: it is told by its seal that it is none of ours.
            File::create(&place).unwrap().set_len(1 << 40).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
            kept.loads();
            fs::remove_file(&place).unwrap();
            fs::create_dir_all(place.join("full")).unwrap();
            kept.cache.store(&kept.key, &kept.code);
            kept.loads();
            fs::remove_dir_all(&place).unwrap();
            kept.cache.store(&kept.key, &kept.code);
            assert!(kept.loads());
        }
        assert!(kept.names().iter().all(|name| !name.ends_with("tmp")));
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let kept = kept();
        let size = fs::metadata(kept.path()).unwrap().len();
        let cache = Cache::new(kept.cache.folder.clone(), 2 * size);
        let keys = ["a", "b", "c"].map(|name| kept.other(name));
        let ago = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
        let age = |name: &str, hours| {
            File::open(kept.cache.folder.join(name)).unwrap().set_modified(ago(hours)).unwrap();
        };
        let named = |count: u64, end: &str| format!("{count:064x}.{end}");
        let touch = |name: &str| {
            fs::write(kept.cache.folder.join(name), "").unwrap();
            fs::set_permissions(kept.cache.folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        let (gone, stay) =
            ([("tmp", 2), ("lock", 2), ("digest", 24 * 91), ("1.cwasm.checked", 24 * 91)], "tmp digest checked");
        for (end, hours) in gone {
            touch(&named(1, end));
            age(&named(1, end), hours);
        }
        let mut left: Vec<_> = stay.split(' ').map(|end| named(2, end)).collect();
        left.iter().for_each(|name| touch(name));
        // What is not ours is not touched, be it ever so old and large.
        for name in ["given-up.tmp", "other.cwasm", "z.digest", &named(3, "tmp")[1..]] {
            touch(name);
            File::options().write(true).open(kept.cache.folder.join(name)).unwrap().set_len(100 * size).unwrap();
            age(name, 24 * 365);
            left.push(name.to_owned());
        }
        let outside = kept.root.path().join("outside");
        fs::write(&outside, "outside").unwrap();
        symlink(&outside, kept.cache.folder.join(named(4, "1.cwasm"))).unwrap();
        left.push(named(4, "1.cwasm"));
        age(&kept.key.0, 5);
        cache.store(&keys[0], &kept.code);
        kept.write_note(&keys[0].note(), &[7; 32]); // it goes with the code
        age(&keys[0].0, 4);
        // The first is used again, and is no longer the oldest.
        assert!(kept.loads());
        cache.store(&keys[1], &kept.code);
        left.extend([kept.key.0.clone(), keys[1].0.clone()]);
        left.sort();
        assert_eq!(kept.names(), left);
        // Of what nobody sealed, the date means nothing.
        let planted = named(5, "1.cwasm");
        touch(&planted);
        let file = File::options().write(true).open(kept.cache.folder.join(&planted)).unwrap();
        file.set_len(10 * size).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(1 << 32)).unwrap();
        age(&kept.key.0, 0);
        cache.store(&keys[1], &kept.code);
        assert_eq!(kept.names(), left);
        // What was just written stays, however little there may be.
        Cache::new(kept.cache.folder.clone(), 0).store(&keys[2], &kept.code);
        assert!(kept.names().contains(&keys[2].0) && !kept.names().contains(&kept.key.0));
        assert_eq!(fs::read(&outside).unwrap(), b"outside");
    }

    #[test]
    fn a_file_is_looked_at_again_when_it_may_have_changed() {
        let kept = kept();
        let path = kept.cache.folder.join("program.wasm");
        let of = |path: &Path| {
            let file = File::open(path)?;
            kept.cache.digest(&file, &file)
        };
        fs::write(&path, "one").unwrap();
        assert_eq!(of(&path).unwrap(), digest(&b"one"[..]).unwrap());
        assert!(kept.names().iter().all(|name| !name.ends_with(DIGEST_EXTENSION)), "it has changed just now");
        // A file that has been there for long: of the system's own.
        let old = Path::new("/bin/sh");
        let found = of(old).unwrap();
        let noted = kept.names().into_iter().find(|name| name.ends_with(DIGEST_EXTENSION)).unwrap();
        assert_eq!(found, digest(File::open(old).unwrap()).unwrap());
        kept.write_note(&noted, &[7; 32]);
        let as_noted = Digest { short: [7; 32], len: fs::metadata(old).unwrap().len() };
        assert_eq!(of(old).unwrap(), as_noted);
        kept.write_note(&noted, &[7; 31]);
        assert_eq!(of(old).unwrap(), found);
        // As a guest would have it, who has no secret.
        kept.write_note(&noted, &[7; 32]);
        let mut forged = fs::read(kept.cache.folder.join(&noted)).unwrap();
        forged[0] ^= 1;
        overwrite(&kept.cache.folder.join(&noted), &forged);
        assert_eq!(of(old).unwrap(), found);
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

//! Machine code on disk.
//!
//! Machine code from a file is trusted, and a guest may be able to write to the folder. So each file has a
//! seal ([`sealed`]): a MAC of its name and content, made with a secret that no guest can read ([`folder`]).
//! The code is executed from a file that can't change before it was copied ([`super::lease`]), or from a copy
//! in memory ([`code`]). A file without a valid seal is not used, and the program is compiled again. A folder
//! that can't keep anything is no error.

#![allow(clippy::disallowed_methods, reason = "the embedder's own files, not the guest's")]

mod code;
mod eviction;
mod folder;
mod names;
pub mod sealed;

use super::lease::Lease;
use super::machine_code::MachineCode;
use super::raw;
use code::{Code, all_of};
pub use folder::Unfit;
use folder::{Folder, each_piece};
use names::{DIGEST_EXTENSION, EXTENSION, record_of};
use sealed::ShaDigest;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use wasi_rs_modules::REWRITINGS;
use wasi_rs_modules::error::Form;
use wasmtime::Engine;

/// The digest of a program's bytes, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    sha: ShaDigest,
    len: u64,
}

/// The size of the folder in bytes, unless the caller sets another.
pub const SIZE: u64 = 1 << 30;

/// The most bytes of machine code that are copied rather than mapped. The copy takes a tenth of a
/// millisecond; a mapping needs a thread and descriptors for as long as the program exists.
const COPIED: u64 = 256 << 10;

/// The age of a file's last change from which its times identify its content. (Two changes within one tick of
/// the clock leave the same times.)
const SETTLED: Duration = Duration::from_secs(2);

/// The age at which the time of a file's last use is set again. Most uses write nothing.
const FRESH: Duration = Duration::from_secs(3600);

/// The digest of all bytes of a reader.
pub fn digest(mut from: impl Read) -> io::Result<Digest> {
    let (mut sha, mut len) = (Sha256::new(), 0);
    each_piece(&mut from, |piece| {
        sha.update(piece);
        len += piece.len() as u64;
    })?;
    Ok(Digest { sha: sha.finalize().into(), len })
}

/// The name of machine code, made from the digests of the module, the engine and the version.
pub struct Key(String);

impl Key {
    /// The key of the module with this digest, compiled by this engine and this version of the package.
    pub fn new(engine: &Engine, digest: &Digest) -> Self {
        Self::by(engine, digest, env!("CARGO_PKG_VERSION"), REWRITINGS)
    }

    fn by(engine: &Engine, digest: &Digest, version: &str, rewritings: u32) -> Self {
        let mut sha = ShaHasher(Sha256::new());
        sha.write(&digest.sha);
        (version, rewritings).hash(&mut sha);
        engine.precompile_compatibility_hash().hash(&mut sha);
        Self(format!("{}{}", hex(&sha.0.finalize()), Self::end(digest.len)))
    }

    /// The end of the names of all machine code that was made from modules of `len` bytes.
    fn end(len: u64) -> String {
        format!(".{len:x}.{EXTENSION}")
    }

    /// The name of the record that the file has been checked.
    fn record(&self) -> String {
        record_of(&self.0)
    }
}

/// A hasher with the whole digest of SHA-256, for values that implement `Hash`.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The identity of a file by its metadata: any change of the file changes at least one field. (Nobody can set
/// the time of the last change. Its clock ticks every few milliseconds only, so a file that has just changed
/// is read again.)
struct Identity {
    sha: ShaDigest,
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
        Self { sha: sha.finalize().into(), is_settled: age > SETTLED }
    }

    /// The name of the record with the digest of the file's bytes.
    fn record(&self) -> String {
        format!("{}.{DIGEST_EXTENSION}", hex(&self.sha))
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
    /// A cache in the folder at this path, which is made when the first file is stored.
    pub fn new(folder: PathBuf, size: u64) -> Self {
        Self { folder, size }
    }

    /// Makes the folder. The error says why nothing can be kept in it.
    pub fn make(&self) -> Result<(), Unfit> {
        Folder::make(&self.folder).map(drop)
    }

    /// The digest of a file's bytes: from its record, if the file has not changed since; otherwise from
    /// `content`, a reader of the file.
    pub fn digest(&self, file: &File, content: impl Read) -> io::Result<Digest> {
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        if let Some(sha) = Folder::open(&self.folder).ok().and_then(|folder| folder.record(&identity.record())) {
            return Ok(Digest { sha, len: metadata.len() });
        }
        let found = digest(content)?;
        let unchanged = Identity::of(&file.metadata()?).sha == identity.sha;
        if unchanged
            && identity.is_settled
            && let Ok(folder) = Folder::make(&self.folder)
        {
            let _ = folder.write(&identity.record(), &found.sha, false);
        }
        Ok(found)
    }

    /// True if there is machine code of any program of `len` bytes. If there is none, no digest of the
    /// program is needed.
    pub fn has_any(&self, len: u64) -> bool {
        Folder::open(&self.folder).is_ok_and(|folder| folder.has_name(&Key::end(len)))
    }

    /// The machine code with this key, of a program of this form, if there is a file of it with a valid seal.
    pub fn load(&self, engine: &Engine, key: &Key, form: Form) -> Option<MachineCode> {
        let folder = Folder::open(&self.folder).ok()?;
        let code = load(&folder, &key.0, &key.record(), form)?;
        match code {
            Code::File(file, lease) => raw::deserialize(engine, file, lease).map(MachineCode::Module),
            // Without /proc there is no path to it.
            Code::Copy(file) => match raw::deserialize_copy(engine, &file) {
                Ok(code) => Ok(MachineCode::Component(code)),
                Err(_) => raw::deserialize_bytes(engine, form, &all_of(&file).ok()?),
            },
            Code::Bytes(bytes) => raw::deserialize_bytes(engine, form, &bytes),
        }
        .ok()
    }

    /// Stores machine code with this key. A failure is ignored: the program is compiled again the next time.
    pub fn store(&self, key: &Key, code: &[u8]) {
        let Ok(folder) = Folder::make(&self.folder) else { return };
        if folder.write(&key.0, code, true).is_ok() {
            let _ = eviction::make_room(&folder, self.size, &key.0);
        }
    }
}

/// The content of a file, if its seal is valid, in a form that can't change from here on.
fn load(folder: &Folder, name: &str, record: &str, form: Form) -> Option<Code> {
    let file = folder.file(name).ok()?;
    let is_large = file.metadata().ok()?.len() > COPIED;
    // Taken before the file is checked, so that it can't change after the check. (The memories of a
    // component, which are mapped as well, can't be found, so it gets a copy.)
    let lease = if is_large && form == Form::Module { Lease::take(&file) } else { None };
    let seal = folder.seal(name, &file)?;
    let metadata = file.metadata().ok()?;
    let identity = Identity::of(&metadata);
    let code = match lease {
        Some(lease) => Code::File(file.try_clone().ok()?, lease),
        None if is_large && form == Form::Component => {
            Code::copy(&file, seal.len).or_else(|_| Code::read(&file, seal.len)).ok()?
        }
        None => Code::read(&file, seal.len).ok()?,
    };
    // To read all of a large file takes longer than all other steps before its program runs. So a file that
    // has a record is not read again, if it has not changed since `identity` was taken.
    let is_recorded = folder.record(record) == Some(identity.sha);
    let is_unchanged = Identity::of(&file.metadata().ok()?).sha == identity.sha;
    if !(is_recorded && is_unchanged) && code.digest(seal.len).ok()? != seal.digest {
        return None;
    }
    if !is_recorded && is_unchanged && identity.is_settled {
        let _ = folder.write(record, &identity.sha, false);
    }
    if metadata.modified().ok()?.elapsed().is_ok_and(|age| age > FRESH) {
        // Eviction removes the files with the oldest times first.
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
            self.cache.load(&self.engine, &self.key, Form::Module).is_some()
        }

        fn folder(&self) -> Folder {
            Folder::open(&self.cache.folder).unwrap()
        }

        fn write_record(&self, name: &str, content: &[u8]) {
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
    fn machine_code_that_was_stored_is_loaded() {
        let kept = kept();
        assert!(kept.loads());
        let len = WASM.len() as u64;
        assert!(kept.cache.has_any(len) && !kept.cache.has_any(len + 1) && !kept.cache.has_any(len % 16));
        assert!(!Cache::new(kept.cache.folder.join("none"), SIZE).has_any(len));
        assert_eq!(kept.names(), std::slice::from_ref(&kept.key.0));
        for mode in [Mode { fuel: true, ..Mode::default() }, Mode { is_deterministic: true, ..Mode::default() }] {
            let engine = mode.engine().unwrap();
            let key = Key::new(&engine, &digest(WASM.as_bytes()).unwrap());
            assert!(kept.cache.load(&engine, &key, Form::Module).is_none(), "{mode:?} has other code");
        }
        assert!(kept.cache.load(&kept.engine, &kept.other("other"), Form::Module).is_none());
    }

    #[test]
    fn the_key_depends_on_the_version_and_the_rewritings() {
        let engine = Mode::default().engine().unwrap();
        let digest = digest(WASM.as_bytes()).unwrap();
        let own = Key::new(&engine, &digest).0;
        assert_eq!(own, Key::by(&engine, &digest, env!("CARGO_PKG_VERSION"), REWRITINGS).0);
        assert_ne!(own, Key::by(&engine, &digest, "0.0.0", REWRITINGS).0);
        assert_ne!(own, Key::by(&engine, &digest, env!("CARGO_PKG_VERSION"), REWRITINGS + 1).0);
    }

    #[test]
    fn a_changed_file_is_not_used() {
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
    fn a_file_under_the_name_of_another_is_not_used() {
        let kept = kept();
        let other = kept.other("other");
        kept.cache.store(&other, &kept.code);
        fs::copy(kept.cache.folder.join(&other.0), kept.cache.folder.join("copy")).unwrap();
        fs::rename(kept.cache.folder.join("copy"), kept.path()).unwrap();
        assert!(!kept.loads() && kept.cache.load(&kept.engine, &other, Form::Module).is_some());
        let record = [7; 32];
        kept.write_record("one", &record);
        fs::rename(kept.cache.folder.join("one"), kept.cache.folder.join("two")).unwrap();
        assert_eq!(kept.folder().record("two"), None);
        kept.write_record("two", &record);
        assert_eq!(kept.folder().record("two"), Some(record));
    }

    #[test]
    fn files_of_another_folder_are_not_used() {
        let kept = kept();
        let (folder, away) = (&kept.cache.folder, kept.root.path().join("away"));
        // A guest can do this: the same files in a new folder.
        fs::rename(folder, &away).unwrap();
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(away.join(&kept.key.0), kept.path()).unwrap();
        assert!(!kept.loads() && !kept.cache.has_any(WASM.len() as u64));
        kept.cache.make().unwrap();
        assert!(!kept.loads(), "nor when it has a secret of its own");
        kept.cache.store(&kept.key, &kept.code);
        assert!(kept.loads());
        // The first folder does not accept files of the second.
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
        assert!(secrets.iter().all(|folder| folder.record("name") == Some([1; 32])));
    }

    #[test]
    fn loaded_machine_code_does_not_change_with_its_file() {
        let kept = kept();
        let (folder, record) = (kept.folder(), kept.key.record());
        let large = vec![7; usize::try_from(COPIED).unwrap() + 1];
        let seal = sealed::Seal::of(&large);
        let load = || load(&folder, &kept.key.0, &record, Form::Module);
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
                // An open waits for the lease; that of a guest fails with EAGAIN instead.
                let refusal = if rustix::process::geteuid().is_root() { Errno::Again } else { Errno::Acces };
                assert_eq!(open().unwrap_err(), refusal, "{write} {oflags:?}");
            }
            assert_eq!(mapped.digest(seal.len).unwrap(), seal.digest);
            drop(mapped);
            if rustix::process::geteuid().is_root() {
                let file = open().unwrap();
                // No lease is granted while the file is open for writing: the file is copied.
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
    fn a_checked_file_is_checked_again_when_it_may_have_changed() {
        let kept = kept();
        assert!(kept.loads());
        assert!(!kept.names().contains(&kept.key.record()), "it has changed just now");
        let mut changed = fs::read(kept.path()).unwrap();
        changed[100] ^= 1;
        overwrite(&kept.path(), &changed);
        assert!(!kept.loads());
        // A change of bytes that wasmtime does not check.
        let at = changed.windows(6).position(|bytes| bytes == b"_start").unwrap();
        changed[100] ^= 1;
        changed[at] ^= 1;
        overwrite(&kept.path(), &changed);
        let record = |identity: &ShaDigest| kept.write_record(&kept.key.record(), identity);
        let identity = || Identity::of(&fs::metadata(kept.path()).unwrap()).sha;
        record(&identity());
        assert!(kept.loads(), "as it was recorded");
        record(&[7; 32]);
        assert!(!kept.loads(), "of another file");
        record(&identity());
        let before = identity();
        while identity() == before {
            overwrite(&kept.path(), &changed);
        }
        assert!(!kept.loads(), "written to since");
    }

    #[test]
    fn files_that_other_users_could_change_are_not_used() {
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
            assert!(cache.load(&kept.engine, &kept.key, Form::Module).is_none());
            assert!(matches!(cache.make(), Err(Unfit::Link)));
            cache.store(&kept.other("other"), &kept.code);
        }
        assert_eq!(kept.names(), std::slice::from_ref(&kept.key.0));
        // A link to a folder above is followed: many paths have one.
        symlink(kept.root.path().join("a"), kept.root.path().join("way")).unwrap();
        assert!(Cache::new(kept.root.path().join("way/b"), SIZE).load(&kept.engine, &kept.key, Form::Module).is_some());
    }

    #[test]
    fn pipes_huge_files_and_folders_in_the_place_of_a_file_are_ignored() {
        let kept = kept();
        let record = kept.cache.folder.join(kept.key.record());
        for place in [kept.path(), record] {
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
            // Larger than the memory: its missing seal is noticed without reading the file.
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
    fn the_files_that_were_not_used_for_the_longest_time_are_removed() {
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
        // Files that are not the cache's stay, however old and large they are.
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
        kept.write_record(&keys[0].record(), &[7; 32]); // it goes with the code
        age(&keys[0].0, 4);
        // The first is used again, and is no longer the oldest.
        assert!(kept.loads());
        cache.store(&keys[1], &kept.code);
        left.extend([kept.key.0.clone(), keys[1].0.clone()]);
        left.sort();
        assert_eq!(kept.names(), left);
        // A file without a seal is removed first, whatever its date is.
        let planted = named(5, "1.cwasm");
        touch(&planted);
        let file = File::options().write(true).open(kept.cache.folder.join(&planted)).unwrap();
        file.set_len(10 * size).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(1 << 32)).unwrap();
        age(&kept.key.0, 0);
        cache.store(&keys[1], &kept.code);
        assert_eq!(kept.names(), left);
        // The file that was just written stays, even in a cache of size 0.
        Cache::new(kept.cache.folder.clone(), 0).store(&keys[2], &kept.code);
        assert!(kept.names().contains(&keys[2].0) && !kept.names().contains(&kept.key.0));
        assert_eq!(fs::read(&outside).unwrap(), b"outside");
    }

    #[test]
    fn a_program_is_read_again_when_it_may_have_changed() {
        let kept = kept();
        let path = kept.cache.folder.join("program.wasm");
        let of = |path: &Path| {
            let file = File::open(path)?;
            kept.cache.digest(&file, &file)
        };
        fs::write(&path, "one").unwrap();
        assert_eq!(of(&path).unwrap(), digest(&b"one"[..]).unwrap());
        assert!(kept.names().iter().all(|name| !name.ends_with(DIGEST_EXTENSION)), "it has changed just now");
        // An old file of the system.
        let old = Path::new("/bin/sh");
        let found = of(old).unwrap();
        let recorded = kept.names().into_iter().find(|name| name.ends_with(DIGEST_EXTENSION)).unwrap();
        assert_eq!(found, digest(File::open(old).unwrap()).unwrap());
        kept.write_record(&recorded, &[7; 32]);
        let as_recorded = Digest { sha: [7; 32], len: fs::metadata(old).unwrap().len() };
        assert_eq!(of(old).unwrap(), as_recorded);
        kept.write_record(&recorded, &[7; 31]);
        assert_eq!(of(old).unwrap(), found);
        // A record that was forged by a guest, which does not have the secret.
        kept.write_record(&recorded, &[7; 32]);
        let mut forged = fs::read(kept.cache.folder.join(&recorded)).unwrap();
        forged[0] ^= 1;
        overwrite(&kept.cache.folder.join(&recorded), &forged);
        assert_eq!(of(old).unwrap(), found);
    }

    #[test]
    fn threads_may_store_and_load_at_once() {
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

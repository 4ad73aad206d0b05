//! Properties of the cache's reader: it accepts files that the cache has written, and no others.

use crate::common::Numbers;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wasi_rs_modules::error::Form;
use wasi_rs_runner::cache::sealed::{Seal, Secret, open};
use wasi_rs_runner::cache::{Cache, Key, SIZE, digest};
use wasi_rs_runner::mode::Mode;

/// The name and secret that the files of the corpus were sealed with.
const NAME: &str = "name";
const SECRET: Secret = Secret([7; 32]);

/// The most changes of one file.
const CHANGES: u64 = 8;

/// Checks a file of these bytes; and a sealed file with these bytes as content, with changes chosen by them.
pub fn check(bytes: &[u8]) {
    check_file(bytes);
    let sealed = sealed(bytes);
    assert_eq!(open(NAME, &SECRET, &sealed), Some(bytes), "what was sealed is not opened");
    assert_eq!(open("other", &SECRET, &sealed), None, "it is taken for another");
    assert_eq!(open(NAME, &Secret([8; 32]), &sealed), None, "it is opened with another secret");
    let changed = changed(&sealed, &mut Numbers::given(bytes));
    assert!(changed == sealed || open(NAME, &SECRET, &changed).is_none(), "what was changed is opened");
    check_folder(bytes);
}

fn sealed(content: &[u8]) -> Vec<u8> {
    [content, &Seal::of(content).encode(NAME, &SECRET)].concat()
}

/// Checks that a file is opened only if sealing its content makes the same file.
fn check_file(bytes: &[u8]) {
    if let Some(content) = open(NAME, &SECRET, bytes) {
        assert!(sealed(content) == bytes, "what was not sealed is opened");
    }
    for len in [0, 1, bytes.len() as u64, u64::MAX] {
        let end = bytes.get(bytes.len().saturating_sub(Seal::SIZE)..).unwrap();
        if let Some(seal) = Seal::decode(NAME, &SECRET, end, len) {
            assert!(seal.encode(NAME, &SECRET) == end && seal.len + Seal::SIZE as u64 == len, "a seal nobody made");
        }
    }
}

/// The bytes with some bits flipped, some bytes removed, and some bytes doubled.
fn changed(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..numbers.below(CHANGES) {
        let at = usize::try_from(numbers.below(bytes.len() as u64 + 1)).unwrap();
        let len = usize::try_from(numbers.below(Seal::SIZE as u64)).unwrap().min(bytes.len() - at);
        match numbers.below(4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + len)),
            2 => bytes.extend_from_within(at..at + len),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (len % 8)),
        }
    }
    bytes
}

/// A cache that holds one program.
struct Kept {
    _root: TempDir,
    cache: Cache,
    key: Key,
    /// The file of its machine code, and the bytes of the file.
    path: PathBuf,
    whole: Vec<u8>,
}

impl Kept {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("cache");
        let cache = Cache::new(folder.clone(), SIZE);
        let wasm = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
        let engine = Mode::default().engine().unwrap();
        let key = Key::new(&engine, &digest(&wasm[..]).unwrap());
        cache.store(&key, &engine.precompile_module(&wasm).unwrap());
        let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&path).unwrap();
        Self { _root: root, cache, key, path, whole }
    }

    /// Replaces a file, as a guest with write access to the folder can.
    fn put(&self, path: &Path, bytes: &[u8]) {
        let temporary = self.path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary).unwrap();
        file.write_all(bytes).unwrap();
        fs::rename(&temporary, path).unwrap();
    }
}

// One for each thread; its folder is removed when the thread ends.
thread_local! {
    static KEPT: Kept = Kept::new();
}

/// Checks machine code that was changed on disk, with a forged record that it has been checked.
fn check_folder(bytes: &[u8]) {
    let engine = Mode::default().engine().unwrap();
    KEPT.with(|kept| {
        let file = changed(&kept.whole, &mut Numbers::given(bytes));
        kept.put(&kept.path.with_added_extension("checked"), bytes);
        kept.put(&kept.path, &file);
        let is_loaded = kept.cache.load(&engine, &kept.key, Form::Module).is_some();
        assert_eq!(is_loaded, file == kept.whole, "only machine code as it was kept is loaded");
    });
}

//! A tree in memory above a directory of the host: what is there reads through, what changes stays above,
//! and the host's directory is never written, whatever happens in it meanwhile.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

use common::{PAGE, SharedMemory, call, guest, snapshot};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasi_rs_core::abi::flags::{Fdflags, Oflags, Rights};
use wasi_rs_core::abi::records::Dirent;
use wasi_rs_core::abi::{Abi, Errno, Ptr};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::files::dir::Dir;
use wasi_rs_core::files::memory::{Item, New, Open, Tree};
use wasi_rs_core::files::object::Object;
use wasi_rs_core::host::dir::{OpenHow, open_preopen_unsandboxed};
use wasi_rs_core::host::file::SetTime;

const ALL: u64 = Rights::all().bits();
const DIR: u64 = 3;
const RESULT: u32 = 20_000;
const DATA: u32 = 24_000;

fn over(lower: &Path, upper: &Arc<Tree>) -> Result<Arc<Tree>, Errno> {
    Tree::over(open_preopen_unsandboxed(lower.to_str().unwrap()).unwrap(), upper, 1)
}

fn new(limit: u64) -> Arc<Tree> {
    Tree::new(limit, 1)
}

/// A directory with a file, a directory with another one, links and a pipe.
fn planted() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("dir/deep")).unwrap();
    fs::write(root.path().join("file"), "of the host").unwrap();
    fs::write(root.path().join("dir/inner"), "inner").unwrap();
    fs::write(root.path().join("dir/deep/x"), "x").unwrap();
    symlink("dir/inner", root.path().join("link")).unwrap();
    symlink("/etc/passwd", root.path().join("absolute")).unwrap();
    symlink("../..", root.path().join("dir/up")).unwrap();
    rustix::fs::mknodat(CWD, root.path().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    root
}

fn how(oflags: Oflags, write: bool) -> OpenHow {
    OpenHow { follow: true, oflags, fdflags: Fdflags::empty(), read: true, write }
}

fn dir(root: &Open) -> Dir<'_> {
    Dir::Memory(root, 5.into())
}

fn write(root: &Open, path: &std::ffi::CStr, text: &str) -> Result<(), Errno> {
    let Object::Memory(open) = dir(root).open_at(path, &how(Oflags::CREAT, true), false)? else { panic!() };
    let mut bytes = text.as_bytes().to_vec();
    let len = bytes.len() as u64;
    open.write(Some(0), &mut bytes.as_mut_slice().into(), len, 7).map(drop)
}

fn read(tree: &Arc<Tree>, path: &str) -> Result<String, Errno> {
    Ok(String::from_utf8(tree.file(path.as_bytes())?.to_vec(1 << 20)?).unwrap())
}

fn paths(items: Vec<(Vec<u8>, Item)>) -> Vec<String> {
    items.into_iter().map(|(path, _)| String::from_utf8(path).unwrap()).collect()
}

fn removed(tree: &Arc<Tree>) -> Vec<String> {
    let text = |(path, is_dir)| String::from_utf8(path).unwrap() + if is_dir { "/" } else { "" };
    tree.removed().into_iter().map(text).collect()
}

#[test]
fn what_is_not_changed_reads_through_and_costs_nothing() {
    let lower = planted();
    let tree = over(lower.path(), &new(0)).unwrap();
    assert_eq!(read(&tree, "link").unwrap(), "inner");
    let all = ["absolute", "dir", "dir/deep", "dir/deep/x", "dir/inner", "dir/up", "file", "link"];
    assert_eq!(paths(tree.items().unwrap()), all);
    let root = tree.root().unwrap();
    for path in [c"absolute", c"dir/up", c"..", c"dir/up/x"] {
        assert_eq!(dir(&root).open_at(path, &how(Oflags::empty(), false), false).unwrap_err(), Errno::Notcapable);
    }
    assert_eq!(dir(&root).open_at(c"pipe", &how(Oflags::empty(), false), false).unwrap_err(), Errno::Acces);
    assert_eq!(dir(&root).open_at(c"pipe", &how(Oflags::empty(), true), false).unwrap_err(), Errno::Acces);
    // A directory that is open is counted no more than a file is.
    let inner = dir(&root).open_at(c"dir/deep", &how(Oflags::DIRECTORY, false), false).unwrap();
    assert_eq!(inner.stat().unwrap(), dir(&root).stat_at(c"dir/deep", true).unwrap());
    for result in [
        dir(&root).unlink_at(c"file"),
        dir(&root).create_dir_at(c"new"),
        dir(&root).rename_at(c"file", &dir(&root), c"other"),
        write(&root, c"file", "x"),
    ] {
        assert_eq!(result, Err(Errno::Nospc));
    }
    assert_eq!((tree.used(), tree.changed().unwrap().len(), tree.removed().len()), (0, 0, 0));
}

#[test]
fn what_changes_stays_above() {
    let lower = planted();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    let ino = |path| dir(&root).stat_at(path, true).unwrap().ino;
    let (file, folder) = (ino(c"file"), ino(c"dir"));
    write(&root, c"file", "OF").unwrap();
    write(&root, c"link", "through the link").unwrap();
    dir(&root).set_times_at(c"dir/deep/x", true, SetTime::To(1), SetTime::To(2)).unwrap();
    assert_eq!((ino(c"file"), ino(c"dir")), (file, folder), "they keep their numbers");
    assert_eq!(read(&tree, "file").unwrap(), "OF the host");
    assert_eq!(read(&tree, "dir/inner").unwrap(), "through the link");
    assert_eq!(paths(tree.changed().unwrap()), ["dir/deep/x", "dir/inner", "file"]);
    dir(&root).unlink_at(c"file").unwrap();
    dir(&root).unlink_at(c"pipe").unwrap();
    assert_eq!(dir(&root).stat_at(c"file", true), Err(Errno::Noent));
    assert_eq!(removed(&tree), ["file", "pipe"]);
    write(&root, c"file", "anew").unwrap();
    assert_eq!((read(&tree, "file").unwrap().as_str(), removed(&tree)), ("anew", vec!["pipe".to_owned()]));
    dir(&root).unlink_at(c"file").unwrap();
    assert_eq!(dir(&root).stat_at(c"file", true), Err(Errno::Noent), "the host's does not come back");
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn a_directory_made_where_one_was_is_empty_and_one_that_is_renamed_has_all() {
    let lower = planted();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    let open = dir(&root).open_at(c"dir/deep", &how(Oflags::DIRECTORY, false), false).unwrap();
    assert_eq!(dir(&root).remove_dir_at(c"dir"), Err(Errno::Notempty));
    dir(&root).rename_at(c"dir", &dir(&root), c"moved").unwrap();
    assert_eq!(read(&tree, "moved/deep/x").unwrap(), "x");
    assert_eq!(removed(&tree), ["dir/"]);
    assert_eq!(paths(tree.changed().unwrap()), ["moved", "moved/deep", "moved/deep/x", "moved/inner", "moved/up"]);
    // The open one has moved along.
    open.dir(|| 1.into()).unwrap().create_dir_at(c"made").unwrap();
    assert_eq!(dir(&root).stat_at(c"moved/deep/made", true).unwrap().filetype, 3);
    assert_eq!(dir(&root).rename_at(c"moved", &dir(&root), c"moved/deep/y"), Err(Errno::Inval));
    dir(&root).create_dir_at(c"dir").unwrap();
    assert_eq!(dir(&root).stat_at(c"dir/inner", true), Err(Errno::Noent));
    assert_eq!(removed(&tree), ["dir/"], "the new one has nothing of the old one");
    tree.remove(b"moved", 1).unwrap();
    assert_eq!(open.dir(|| 1.into()).unwrap().create_dir_at(c"more"), Err(Errno::Noent));
    tree.remove(b"dir", 1).unwrap();
    assert_eq!(paths(tree.items().unwrap()), ["absolute", "file", "link"]);
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn an_upper_with_files_is_above_and_is_in_one_overlay_only() {
    let lower = planted();
    let upper = new(1 << 20);
    upper.put(b"dir/inner", New::File(Arc::from(&b"above"[..])), 1).unwrap();
    upper.put(b"file", New::Dir, 1).unwrap();
    let held = upper.root().unwrap();
    let also = upper.root().unwrap();
    assert_eq!(over(lower.path(), &upper).unwrap_err(), Errno::Busy);
    drop(also);
    let tree = over(lower.path(), &upper).unwrap();
    assert_eq!(read(&tree, "dir/inner").unwrap(), "above");
    assert_eq!(read(&tree, "dir/deep/x").unwrap(), "x");
    assert_eq!(tree.file(b"file").unwrap_err(), Errno::Isdir);
    assert_eq!(over(lower.path(), &upper).unwrap_err(), Errno::Busy);
    assert_eq!(over(lower.path(), &tree).unwrap_err(), Errno::Busy);
    assert!(upper.is_taken() && upper.root().is_err());
    drop(held);
    assert_eq!(tree.used(), upper.used());
}

#[test]
fn a_copy_that_does_not_fit_or_is_interrupted_leaves_nothing() {
    let lower = planted();
    fs::write(lower.path().join("large"), vec![7; 4 << 20]).unwrap();
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    assert_eq!(write(&root, c"large", "x"), Err(Errno::Nospc));
    assert_eq!(tree.used(), 0);
    assert!(dir(&root).open_at(c"large", &how(Oflags::TRUNC, true), false).is_ok(), "no byte is needed");
    let tree = over(lower.path(), &new(1 << 30)).unwrap();
    let root = tree.root().unwrap();
    let moment = wasi_rs_core::files::memory::Moment { now: 1, interrupt: &Ended };
    let opened = Dir::Memory(&root, moment).open_at(c"large", &how(Oflags::empty(), true), false);
    assert_eq!((opened.unwrap_err(), tree.used()), (Errno::Canceled, 0));
}

/// The bytes of a file that the tree has no room for.
const LARGE: u64 = 3 << 20;

#[test]
fn a_tree_that_is_full_loses_nothing_and_still_removes() {
    let lower = planted();
    fs::write(lower.path().join("large"), vec![7; usize::try_from(LARGE).unwrap()]).unwrap();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(400_000)).unwrap();
    let root = tree.root().unwrap();
    write(&root, c"file", "OF").unwrap();
    while write(&root, &std::ffi::CString::new(format!("more-{}", tree.used())).unwrap(), "").is_ok() {}
    let used = tree.used();
    let bytes: Arc<[u8]> = vec![1; 300_000].into();
    for path in ["dir/inner", "large", "new"] {
        assert_eq!(tree.write_file(path.as_bytes(), Arc::clone(&bytes), 1), Err(Errno::Nospc));
    }
    assert_eq!(dir(&root).unlink_at(c"dir/inner"), Err(Errno::Nospc));
    assert_eq!(dir(&root).rename_at(c"dir", &dir(&root), c"moved"), Err(Errno::Nospc));
    assert_eq!((read(&tree, "dir/inner").unwrap().as_str(), tree.used()), ("inner", used));
    assert_eq!(tree.file(b"large").unwrap().to_vec(LARGE).unwrap(), vec![7; usize::try_from(LARGE).unwrap()]);
    // A copy can be removed, and so there is room again.
    dir(&root).unlink_at(c"file").unwrap();
    assert!(tree.used() < used);
    let more = paths(tree.changed().unwrap()).into_iter().filter(|path| path.starts_with("more")).take(10);
    more.for_each(|path| tree.remove(path.as_bytes(), 1).unwrap());
    assert_eq!(dir(&root).stat_at(c"file", true), Err(Errno::Noent));
    tree.write_file(b"dir/inner", Arc::from(&b"anew"[..]), 1).unwrap();
    for (path, item) in tree.items().unwrap() {
        if matches!(item, Item::File(bytes) if !bytes.is_of_host()) {
            tree.remove(&path, 1).unwrap();
        }
    }
    assert_eq!(removed(&tree), ["dir/inner", "file"]);
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn directories_that_come_and_go_leave_no_cost() {
    let lower = planted();
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    let name = |index: u32| std::ffi::CString::new(format!("name-{index}")).unwrap();
    dir(&root).rename_at(c"dir", &dir(&root), &name(0)).unwrap();
    let used = tree.used();
    for index in 0..1000 {
        dir(&root).rename_at(&name(index), &dir(&root), &name(index + 1)).unwrap();
        dir(&root).create_dir_at(c"own").unwrap();
        dir(&root).rename_at(c"own", &dir(&root), &name(5000 + index)).unwrap();
        dir(&root).remove_dir_at(&name(5000 + index)).unwrap();
    }
    dir(&root).rename_at(&name(1000), &dir(&root), &name(0)).unwrap();
    assert_eq!(tree.used(), used);
    assert_eq!(read(&tree, "name-0/deep/x").unwrap(), "x");
    // The host's own is not reached by its old name, also when it is made anew there.
    fs::create_dir(lower.path().join("name-7")).unwrap();
    assert_eq!(dir(&root).stat_at(c"dir", true), Err(Errno::Noent));
    assert!(dir(&root).stat_at(c"name-7", true).is_ok());
}

#[test]
fn the_embedder_removes_directories_that_are_open() {
    let lower = planted();
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    let open_dir = |path| match dir(&root).open_at(path, &how(Oflags::DIRECTORY, false), false).unwrap() {
        Object::Memory(open) => open,
        other => panic!("{other:?}"),
    };
    let (parent, deep) = (open_dir(c"dir"), open_dir(c"dir/deep"));
    dir(&root).rename_at(c"dir", &dir(&root), c"moved").unwrap();
    tree.remove(b"moved", 1).unwrap();
    for (open, name) in [(&parent, c"inner"), (&deep, c"x")] {
        assert_eq!(dir(open).stat_at(name, true), Err(Errno::Noent));
        assert_eq!(dir(open).create_dir_at(name), Err(Errno::Noent));
        assert_eq!(open.list(0, &mut [0; 100]).unwrap_err(), Errno::Noent);
    }
}

#[test]
fn names_that_are_no_text_are_read_and_not_changed() {
    use std::os::unix::ffi::OsStrExt;
    let lower = planted();
    let odd = std::ffi::OsStr::from_bytes(b"dir/\xffodd");
    fs::write(lower.path().join(odd), "odd").unwrap();
    fs::create_dir(lower.path().join(std::ffi::OsStr::from_bytes(b"\xfe"))).unwrap();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    assert!(dir(&root).open_at(c"dir/\xffodd", &how(Oflags::empty(), false), false).is_ok());
    for result in [
        dir(&root).unlink_at(c"dir/\xffodd"),
        dir(&root).rename_at(c"dir/\xffodd", &dir(&root), c"text"),
        dir(&root).rename_at(c"file", &dir(&root), c"\xff"),
        dir(&root).link_at(c"dir/\xffodd", true, &dir(&root), c"text"),
        dir(&root).set_times_at(c"dir/\xffodd", true, SetTime::Now, SetTime::Now),
        dir(&root).create_dir_at(c"\xfe/made"),
        dir(&root).remove_dir_at(c"\xfe"),
        write(&root, c"dir/\xffodd", "x"),
        write(&root, c"\xff", "x"),
        dir(&root).open_at(c"dir/\xffodd", &how(Oflags::TRUNC, true), false).map(drop),
    ] {
        assert_eq!(result, Err(Errno::Ilseq));
    }
    assert_eq!(tree.items().unwrap_err(), Errno::Ilseq);
    assert!(tree.changed().unwrap().iter().all(|(path, _)| path.is_ascii()));
    tree.remove(b"dir", 1).unwrap();
    assert_eq!(removed(&tree), ["dir/"]);
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn sockets_and_pipes_are_shown_and_removed_and_nothing_else() {
    let lower = planted();
    let _socket = std::os::unix::net::UnixListener::bind(lower.path().join("socket")).unwrap();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    for name in [c"pipe", c"socket"] {
        assert!(dir(&root).stat_at(name, true).is_ok());
        for result in [
            dir(&root).open_at(name, &how(Oflags::empty(), false), false).map(drop),
            dir(&root).open_at(name, &how(Oflags::TRUNC, true), false).map(drop),
            dir(&root).rename_at(name, &dir(&root), c"other"),
            dir(&root).link_at(name, true, &dir(&root), c"other"),
            dir(&root).set_times_at(name, true, SetTime::Now, SetTime::Now),
        ] {
            assert_eq!(result, Err(Errno::Acces));
        }
        dir(&root).rename_at(c"file", &dir(&root), name).unwrap();
        dir(&root).rename_at(name, &dir(&root), c"file").unwrap();
        assert_eq!(dir(&root).stat_at(name, true), Err(Errno::Noent));
    }
    assert_eq!(removed(&tree), ["pipe", "socket"]);
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn names_of_one_file_are_files_of_their_own_once_changed() {
    let lower = planted();
    fs::hard_link(lower.path().join("file"), lower.path().join("second")).unwrap();
    let before = snapshot(lower.path());
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    write(&root, c"file", "OF").unwrap();
    assert_eq!(
        (read(&tree, "file").unwrap().as_str(), read(&tree, "second").unwrap().as_str()),
        ("OF the host", "of the host")
    );
    dir(&root).link_at(c"file", true, &dir(&root), c"third").unwrap();
    write(&root, c"third", "TO").unwrap();
    assert_eq!(read(&tree, "file").unwrap(), "TO the host");
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn a_lower_directory_that_goes_leaves_what_is_above() {
    let lower = planted();
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    write(&root, c"file", "OF").unwrap();
    let deep = dir(&root).open_at(c"dir/deep", &how(Oflags::DIRECTORY, false), false).unwrap();
    fs::remove_dir_all(lower.path()).unwrap();
    assert_eq!(read(&tree, "file").unwrap(), "OF the host");
    assert_eq!(tree.file(b"dir/inner").unwrap_err(), Errno::Noent);
    assert_eq!(deep.dir(|| 1.into()).unwrap().create_dir_at(c"made"), Err(Errno::Noent));
    assert_eq!(write(&root, c"dir/new", "x"), Err(Errno::Noent));
    write(&root, c"new", "x").unwrap();
    assert_eq!((paths(tree.items().unwrap()), removed(&tree)), (vec!["file".to_owned(), "new".to_owned()], vec![]));
}

#[test]
fn a_directory_of_100_000_files_costs_nothing_until_one_is_changed() {
    let lower = tempfile::tempdir().unwrap();
    for index in 0..100_000 {
        fs::write(lower.path().join(format!("{index}")), "").unwrap();
    }
    let tree = over(lower.path(), &new(2000)).unwrap();
    let ctx = guest(Abi::Preview1, &[]);
    ctx.push_preopen("/", tree.root().unwrap(), false).unwrap();
    let memory = SharedMemory::new(PAGE);
    assert_eq!((tree.items().unwrap().len(), tree.used()), (100_000, 0));
    write(&tree.root().unwrap(), c"77", "").unwrap();
    tree.remove(b"78", 1).unwrap();
    assert_eq!(list(&ctx, &memory, DIR, |_| {}).len(), 2 + 99_999);
    assert_eq!((paths(tree.changed().unwrap()), removed(&tree)), (vec!["77".to_owned()], vec!["78".to_owned()]));
}

#[test]
fn paths_that_are_too_deep_are_refused() {
    let lower = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::open(lower.path(), rustix::fs::OFlags::DIRECTORY, 0.into()).unwrap();
    for _ in 0..4200 {
        rustix::fs::mkdirat(&at, "d", 0o700.into()).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY, 0.into()).unwrap();
    }
    let tree = over(lower.path(), &new(1 << 24)).unwrap();
    let steps = std::ffi::CString::new("d/".repeat(500)).unwrap();
    let mut open = tree.root().unwrap();
    for _ in 0..8 {
        let Ok(Object::Memory(next)) = dir(&open).open_at(&steps, &how(Oflags::DIRECTORY, false), false) else {
            panic!()
        };
        open = next;
    }
    let steps = std::ffi::CString::new("d/".repeat(150)).unwrap();
    let Ok(Object::Memory(deep)) = dir(&open).open_at(&steps, &how(Oflags::DIRECTORY, false), false) else { panic!() };
    for path in [c"d", c"none"] {
        assert_eq!(dir(&deep).stat_at(path, true), Err(Errno::Nametoolong));
        assert_eq!(dir(&deep).create_dir_at(path), Err(Errno::Nametoolong));
    }
}

/// A file is put in its place by renaming, as careful programs do: a copy is one of them, never of both.
#[test]
fn a_copy_has_the_bytes_of_one_file_while_the_host_replaces_it() {
    let lower = planted();
    let file = lower.path().join("replaced");
    let texts = ["a".repeat(300_000), "b".repeat(200_000)];
    fs::write(&file, &texts[0]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ending = Ending(&done);
        scope.spawn(|| {
            for text in texts.iter().cycle() {
                fs::write(lower.path().join("next"), text).unwrap();
                fs::rename(lower.path().join("next"), &file).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut copied = 0;
        for _ in 0..300 {
            let tree = over(lower.path(), &new(1 << 20)).unwrap();
            let root = tree.root().unwrap();
            match dir(&root).open_at(c"replaced", &how(Oflags::empty(), true), false) {
                Ok(_) => {
                    copied += 1;
                    let bytes = tree.file(b"replaced").unwrap().to_vec(1 << 20).unwrap();
                    assert!(texts.iter().any(|text| text.as_bytes() == bytes), "{} bytes", bytes.len());
                }
                Err(errno) => assert_eq!(errno, Errno::Busy),
            }
        }
        assert!(copied > 0);
    });
}

#[derive(Debug)]
struct Ended;

impl wasi_rs_core::host::wait::Interrupt for Ended {
    fn poll_interval(&self) -> Option<u64> {
        Some(1)
    }

    fn is_interrupted(&self) -> bool {
        true
    }
}

/// Bytes of a listing's steps.
const STEP: u32 = 200;

/// Lists a directory by small steps; `each` is called between them.
fn list(ctx: &Ctx, memory: &SharedMemory, fd: u64, mut each: impl FnMut(usize)) -> Vec<String> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let params = [fd, DATA.into(), STEP.into(), cookie, RESULT.into()];
        assert_eq!(call(ctx, memory, "fd_readdir", &params), Errno::Success);
        let used = memory.u32(RESULT);
        let mut at = 0;
        while used - at >= 24 {
            let head: Dirent = memory.view().read(Ptr::new(DATA + at)).unwrap();
            if used - at - 24 < head.d_namlen {
                break;
            }
            names.push(String::from_utf8(memory.get(DATA + at + 24, head.d_namlen as usize)).unwrap());
            cookie = head.d_next;
            assert!(i32::try_from(cookie).is_ok());
            at += 24 + head.d_namlen;
        }
        if used < STEP {
            return names;
        }
        each(names.len());
    }
}

#[test]
fn a_listing_has_each_name_once_while_names_come_and_go() {
    let lower = tempfile::tempdir().unwrap();
    for index in 0..500 {
        fs::write(lower.path().join(format!("below-{index}")), "").unwrap();
    }
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    let root = tree.root().unwrap();
    for index in 0..200 {
        write(&root, &std::ffi::CString::new(format!("above-{index}")).unwrap(), "").unwrap();
        write(&root, &std::ffi::CString::new(format!("below-{index}")).unwrap(), "").unwrap();
        tree.remove(format!("below-{}", 499 - index).as_bytes(), 1).unwrap();
    }
    let ctx = guest(Abi::Preview1, &[]);
    ctx.push_preopen("/", tree.root().unwrap(), false).unwrap();
    let memory = SharedMemory::new(PAGE);
    let names = list(&ctx, &memory, DIR, |_| {});
    let unique: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!((names.len(), unique.len()), (2 + 200 + 300, 2 + 200 + 300));
    let mut step = 0;
    let seen = list(&ctx, &memory, DIR, |_| {
        // Some are removed, others made, one is copied from below.
        let _ = tree.remove(format!("above-{step}").as_bytes(), 1);
        let _ = tree.remove(format!("below-{}", 250 + step).as_bytes(), 1);
        write(&root, &std::ffi::CString::new(format!("new-{step}")).unwrap(), "").unwrap();
        step += 1;
    });
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(once.len(), seen.len(), "a name came twice");
    for index in 0..200 {
        assert!(once.contains(&format!("below-{index}")));
    }
}

fn open(ctx: &Ctx, memory: &SharedMemory, name: &str, oflags: u64, rights: u64) -> Result<u64, Errno> {
    memory.put(0, name.as_bytes());
    let params = [DIR, 1, 0, name.len() as u64, oflags, rights, ALL, 0, u64::from(RESULT)];
    match call(ctx, memory, "path_open", &params) {
        Errno::Success => Ok(u64::from(memory.u32(RESULT))),
        errno => Err(errno),
    }
}

/// The bytes of a file, at most 64.
fn bytes(ctx: &Ctx, memory: &SharedMemory, fd: u64) -> Vec<u8> {
    memory.put(RESULT + 8, &[DATA.to_le_bytes(), 64_u32.to_le_bytes()].concat());
    let read = call(ctx, memory, "fd_read", &[fd, u64::from(RESULT) + 8, 1, u64::from(RESULT)]);
    let count = memory.u32(RESULT) as usize;
    if read == Errno::Success { memory.get(DATA, count) } else { Vec::new() }
}

#[test]
fn a_file_of_the_host_is_read_and_can_t_be_changed_by_its_descriptor() {
    let lower = planted();
    let before = snapshot(lower.path());
    let ctx = guest(Abi::Preview1, &[]);
    let tree = over(lower.path(), &new(1 << 20)).unwrap();
    ctx.push_preopen("/", tree.root().unwrap(), false).unwrap();
    let memory = SharedMemory::new(PAGE);
    let fd = open(&ctx, &memory, "file", 0, Rights::FD_READ.bits()).unwrap();
    assert_eq!(bytes(&ctx, &memory, fd), b"of the host");
    let times = call(&ctx, &memory, "fd_filestat_set_times", &[fd, 1, 1, 5]);
    assert_eq!(times, Errno::Rofs);
    assert_eq!(call(&ctx, &memory, "fd_filestat_set_size", &[fd, 0]), Errno::Inval);
    assert_eq!(call(&ctx, &memory, "fd_allocate", &[fd, 0, 100]), Errno::Badf);
    assert_eq!(call(&ctx, &memory, "fd_filestat_get", &[fd, u64::from(RESULT)]), Errno::Success);
    let stat: wasi_rs_core::abi::records::Filestat = memory.view().read(Ptr::new(RESULT)).unwrap();
    assert_eq!(stat, Dir::Memory(&tree.root().unwrap(), 1.into()).stat_at(c"file", true).unwrap());
    assert_eq!(snapshot(lower.path()), before);
}

#[test]
fn two_guests_and_two_overlays_have_one_directory_beneath() {
    let lower = planted();
    let before = snapshot(lower.path());
    let trees = [over(lower.path(), &new(1 << 24)).unwrap(), over(lower.path(), &new(1 << 24)).unwrap()];
    std::thread::scope(|scope| {
        for (number, tree) in [&trees[0], &trees[0], &trees[1]].into_iter().enumerate() {
            scope.spawn(move || {
                let root = tree.root().unwrap();
                for round in 0..500 {
                    let own = std::ffi::CString::new(format!("dir/{number}-{round}")).unwrap();
                    // The other guest may have the directory under its other name.
                    let made = write(&root, &own, "bytes");
                    assert!(matches!(made, Ok(()) | Err(Errno::Noent)), "{made:?}");
                    let _ = write(&root, c"file", "changed");
                    let _ = dir(&root).rename_at(c"dir", &dir(&root), c"moved");
                    let _ = dir(&root).rename_at(c"moved", &dir(&root), c"dir");
                    let _ = dir(&root).unlink_at(c"file");
                    let _ = tree.remove(own.to_bytes(), 1);
                    let _ = tree.items().unwrap();
                }
            });
        }
    });
    assert_eq!(snapshot(lower.path()), before);
}

fn swapped() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("box/swap/sub")).unwrap();
    fs::create_dir_all(root.path().join("outside/sub")).unwrap();
    for (path, text) in
        [("outside/secret", "outside"), ("outside/sub/secret", "outside"), ("box/swap/secret", "inside!")]
    {
        fs::write(root.path().join(path), text).unwrap();
    }
    fs::write(root.path().join("box/swap/sub/secret"), "inside!").unwrap();
    fs::write(root.path().join("box/mine"), "mine").unwrap();
    symlink(root.path().join("outside"), root.path().join("box/absolute")).unwrap();
    symlink("../outside", root.path().join("box/relative")).unwrap();
    root
}

/// Ends another thread, also where a check fails.
struct Ending<'d>(&'d AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_directory_that_is_swapped_beneath_never_leads_outside() {
    let root = swapped();
    let boxed = root.path().join("box");
    let before = snapshot(&root.path().join("outside"));
    let inside =
        [boxed.join("mine"), boxed.join("swap/secret")].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ending = Ending(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for link in ["absolute", "relative"] {
                    for _ in 0..2 {
                        renameat_with(CWD, boxed.join("swap"), CWD, boxed.join(link), RenameFlags::EXCHANGE).unwrap();
                    }
                }
            }
        });
        let memory = SharedMemory::new(PAGE);
        let (mut served, mut refused) = (0, 0);
        for round in 0..600 {
            let ctx = guest(Abi::Preview1, &[]);
            let tree = over(&boxed, &new(1 << 20)).unwrap();
            ctx.push_preopen("/", tree.root().unwrap(), false).unwrap();
            for path in ["swap/secret", "swap/sub/secret", "absolute/secret", "relative/sub/secret"] {
                for rights in [Rights::FD_READ.bits(), ALL] {
                    match open(&ctx, &memory, path, 0, rights) {
                        Ok(fd) => {
                            assert_eq!(bytes(&ctx, &memory, fd), b"inside!", "{path} in round {round}");
                            call(&ctx, &memory, "fd_close", &[fd]);
                            served += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
            }
            let opened = tree.root().unwrap();
            let all = dir(&opened);
            let _ = all.rename_at(c"swap", &all, c"stolen");
            let _ = all.rename_at(c"mine", &all, c"swap/given");
            let _ = all.unlink_at(c"swap/secret");
            let _ = all.set_times_at(c"swap/sub/secret", true, SetTime::To(1), SetTime::To(1));
            let _ = all.link_at(c"swap/secret", true, &all, c"stolen");
            let _ = write(&opened, c"swap/made", "made");
            for (path, item) in tree.items().unwrap() {
                if let Item::File(bytes) = item {
                    let found = bytes.to_vec(1 << 20);
                    assert!(found.as_deref() != Ok(b"outside"), "{}", String::from_utf8_lossy(&path));
                }
            }
        }
        println!("{served} went on inside, {refused} were refused");
        assert!(served > 0 && refused > 0, "{served} and {refused}");
    });
    assert_eq!(snapshot(&root.path().join("outside")), before, "something outside has changed");
    let after = [boxed.join("mine"), fs::canonicalize(boxed.join("swap")).unwrap().join("secret")];
    assert_eq!(fs::read_to_string(&after[0]).unwrap(), "mine");
    assert_eq!(after.map(|path| fs::metadata(path).unwrap().modified().unwrap())[0], inside[0]);
    assert_eq!(fs::read_dir(&boxed).unwrap().count(), 4);
}

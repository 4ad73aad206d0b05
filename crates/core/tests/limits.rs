//! Much of everything: entries, open files, offsets.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

use common::{PAGE, SharedMemory, call, guest};
use std::collections::HashSet;
use std::fs;
use wasi_rs_core::abi::flags::Rights;
use wasi_rs_core::abi::records::Dirent;
use wasi_rs_core::abi::{Abi, Errno, Ptr};
use wasi_rs_core::ctx::Ctx;

const ALL: u64 = Rights::all().bits();
const DIR: u64 = 3;

fn open(ctx: &Ctx, memory: &SharedMemory, name: &str, oflags: u64) -> Result<u32, Errno> {
    memory.put(0, name.as_bytes());
    match call(ctx, memory, "path_open", &[DIR, 0, 0, name.len() as u64, oflags, ALL, ALL, 0, 1000]) {
        Errno::Success => Ok(memory.u32(1000)),
        errno => Err(errno),
    }
}

#[test]
fn a_hundred_thousand_entries_go_through_a_buffer_of_128_bytes() {
    const FILES: usize = 100_000;
    let root = tempfile::tempdir().unwrap();
    for index in 0..FILES {
        fs::File::create(root.path().join(format!("entry-{index}"))).unwrap();
    }
    let (ctx, memory) = (guest(Abi::Preview1, &[("/", root.path())]), SharedMemory::new(PAGE));
    let (mut names, mut cookie, mut calls) = (HashSet::new(), 0, 0);
    loop {
        assert_eq!(call(&ctx, &memory, "fd_readdir", &[DIR, 1024, 128, cookie, 16]), Errno::Success);
        calls += 1;
        let used = memory.u32(16);
        let mut at = 0;
        while used - at >= 24 {
            let head: Dirent = memory.view().read(Ptr::new(1024 + at)).unwrap();
            if used - at - 24 < head.d_namlen {
                break;
            }
            assert!(names.insert(memory.get(1024 + at + 24, head.d_namlen as usize)), "an entry came twice");
            cookie = head.d_next;
            at += 24 + head.d_namlen;
        }
        if used < 128 {
            break;
        }
    }
    assert_eq!(names.len(), FILES + 2);
    assert!(calls > FILES / 5, "{calls} calls");
}

#[test]
fn a_guest_that_opens_without_end_gets_emfile_and_the_host_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (ctx, memory) = (guest(Abi::Preview1, &[("/", root.path())]), SharedMemory::new(PAGE));
    let mut last = open(&ctx, &memory, "file", 1).unwrap();
    let full = loop {
        match open(&ctx, &memory, "file", 0) {
            Ok(fd) => last = fd,
            Err(errno) => break errno,
        }
    };
    assert_eq!(full, Errno::Mfile);
    assert!(fs::File::open(root.path().join("file")).is_ok(), "the host has no descriptor left");
    assert_eq!(call(&ctx, &memory, "fd_close", &[u64::from(last)]), Errno::Success);
    assert_eq!(open(&ctx, &memory, "file", 0), Ok(last));
}

#[cfg(unix)]
#[test]
fn descriptors_of_a_guest_are_closed_with_it() {
    let root = tempfile::tempdir().unwrap();
    let open_files = || fs::read_dir("/dev/fd").unwrap().count();
    let path = root.path().canonicalize().unwrap();
    let ours = || {
        fs::read_dir("/proc/self/fd").map_or(0, |entries| {
            entries
                .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                .filter(|to| to.starts_with(&path))
                .count()
        })
    };
    let (ctx, memory) = (guest(Abi::Preview1, &[("/", root.path())]), SharedMemory::new(PAGE));
    for index in 0..50 {
        open(&ctx, &memory, &format!("file-{index}"), 1).unwrap();
    }
    assert!(open_files() > 50);
    #[cfg(target_os = "linux")]
    assert_eq!(ours(), 51);
    drop(ctx);
    assert_eq!(ours(), 0);
}

#[test]
fn offsets_have_64_bits_and_end_where_the_operating_system_s_do() {
    let root = tempfile::tempdir().unwrap();
    let (ctx, memory) = (guest(Abi::Preview1, &[("/", root.path())]), SharedMemory::new(PAGE));
    let fd = u64::from(open(&ctx, &memory, "file", 1).unwrap());
    memory.put(100, &[200_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat());
    for offset in [5_u64 << 30, 1 << 40] {
        assert_eq!(call(&ctx, &memory, "fd_pwrite", &[fd, 100, 1, offset, 64]), Errno::Success, "{offset}");
        assert_eq!(fs::metadata(root.path().join("file")).unwrap().len(), offset + 1);
    }
    let greatest = i64::MAX.cast_unsigned();
    assert!(matches!(call(&ctx, &memory, "fd_pwrite", &[fd, 100, 1, greatest, 64]), Errno::Inval | Errno::Fbig));
    assert_eq!(call(&ctx, &memory, "fd_pwrite", &[fd, 100, 1, greatest + 1, 64]), Errno::Inval);
    assert_eq!(call(&ctx, &memory, "fd_pread", &[fd, 100, 1, u64::MAX, 64]), Errno::Inval);
    assert_eq!(call(&ctx, &memory, "fd_filestat_set_size", &[fd, greatest]), Errno::Fbig);
    assert_eq!(call(&ctx, &memory, "fd_filestat_set_size", &[fd, greatest + 1]), Errno::Inval);
    assert_eq!(call(&ctx, &memory, "fd_allocate", &[fd, greatest, greatest]), Errno::Fbig);
}

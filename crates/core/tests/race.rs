//! A directory that another thread swaps for a link to the outside, over and over, while a guest works
//! through it.

#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

use common::{PAGE, SharedMemory, call, guest, snapshot};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use wasi_rs_core::abi::flags::Rights;
use wasi_rs_core::abi::{Abi, Errno};
use wasi_rs_core::ctx::Ctx;

const ROUNDS: u64 = 20_000;
const ALL: u64 = Rights::all().bits();
const DIR: u64 = 3;
const PATH: u64 = 0;
const OTHER_PATH: u64 = 1000;
const RESULT: u32 = 2000;
const DATA: u32 = 4000;

/// The attempts of the guest in each round, on a path below the swapped directory, and their answers.
type Attempt = fn(&Ctx, &SharedMemory) -> Errno;

fn path(memory: &SharedMemory, path: &str) -> [u64; 2] {
    memory.put(0, path.as_bytes());
    [PATH, path.len() as u64]
}

fn open(ctx: &Ctx, memory: &SharedMemory, name: &str, oflags: u64) -> Result<u64, Errno> {
    let [at, len] = path(memory, name);
    match call(ctx, memory, "path_open", &[DIR, 1, at, len, oflags, ALL, ALL, 0, u64::from(RESULT)]) {
        Errno::Success => Ok(u64::from(memory.u32(RESULT))),
        errno => Err(errno),
    }
}

fn read_secret(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    match open(ctx, memory, "swap/secret", 0) {
        Ok(fd) => {
            memory.put(RESULT + 8, &[DATA.to_le_bytes(), 16_u32.to_le_bytes()].concat());
            call(ctx, memory, "fd_read", &[fd, u64::from(RESULT) + 8, 1, u64::from(RESULT)]);
            assert_ne!(memory.get(DATA, 7), b"outside", "the guest has read a file outside");
            call(ctx, memory, "fd_close", &[fd])
        }
        Err(errno) => errno,
    }
}

fn create_file(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    match open(ctx, memory, "swap/made", 1 | 8) {
        Ok(fd) => call(ctx, memory, "fd_close", &[fd]),
        Err(errno) => errno,
    }
}

fn make_directory(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    let [at, len] = path(memory, "swap/folder");
    let made = call(ctx, memory, "path_create_directory", &[DIR, at, len]);
    call(ctx, memory, "path_remove_directory", &[DIR, at, len]);
    made
}

fn rename_out(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    let [at, len] = path(memory, "mine");
    memory.put(1000, b"swap/given");
    call(ctx, memory, "path_rename", &[DIR, OTHER_PATH, 10, DIR, at, len]);
    call(ctx, memory, "path_rename", &[DIR, at, len, DIR, OTHER_PATH, 10])
}

fn unlink_secret(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    let [at, len] = path(memory, "swap/victim");
    call(ctx, memory, "path_unlink_file", &[DIR, at, len])
}

fn set_times(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    let [at, len] = path(memory, "swap/secret");
    call(ctx, memory, "path_filestat_set_times", &[DIR, 1, at, len, 1, 1, 5])
}

fn link_secret(ctx: &Ctx, memory: &SharedMemory) -> Errno {
    let [at, len] = path(memory, "swap/secret");
    memory.put(1000, b"stolen");
    let linked = call(ctx, memory, "path_link", &[DIR, 1, at, len, DIR, OTHER_PATH, 6]);
    call(ctx, memory, "path_unlink_file", &[DIR, OTHER_PATH, 6]);
    linked
}

const ATTEMPTS: &[(&str, Attempt)] = &[
    ("read", read_secret),
    ("create", create_file),
    ("mkdir", make_directory),
    ("rename", rename_out),
    ("unlink", unlink_secret),
    ("set_times", set_times),
    ("link", link_secret),
];

fn plant(root: &Path) {
    fs::create_dir_all(root.join("box/swap")).unwrap();
    fs::create_dir(root.join("outside")).unwrap();
    fs::write(root.join("outside/secret"), "outside").unwrap();
    fs::write(root.join("outside/victim"), "victim").unwrap();
    fs::write(root.join("box/swap/secret"), "inside!").unwrap();
    fs::write(root.join("box/mine"), "mine").unwrap();
    symlink(root.join("outside"), root.join("box/absolute")).unwrap();
    symlink("../outside", root.join("box/relative")).unwrap();
}

#[test]
fn a_swapped_directory_never_leads_outside() {
    let root = tempfile::tempdir().unwrap();
    plant(root.path());
    let boxed = root.path().join("box");
    let before = snapshot(&root.path().join("outside"));
    let (done, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // An exchange is atomic: at every moment `swap` is the directory or one of the links.
            while !done.load(Ordering::Relaxed) {
                for link in ["absolute", "relative"] {
                    for _ in 0..2 {
                        let (swap, link) = (boxed.join("swap"), boxed.join(link));
                        renameat_with(CWD, &swap, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                        swaps.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let (ctx, memory) = (guest(Abi::Preview1, &[("/", &boxed)]), SharedMemory::new(PAGE));
        for (name, attempt) in ATTEMPTS {
            let (mut served, mut refused) = (0_u64, 0_u64);
            for _ in 0..ROUNDS {
                match attempt(&ctx, &memory) {
                    Errno::Notcapable => refused += 1,
                    _ => served += 1,
                }
            }
            println!("{name}: {served} went on inside, {refused} were refused");
            // Both must occur, or there was no race.
            assert!(served > 0 && refused > 0, "{name}: {served} and {refused}");
        }
        done.store(true, Ordering::Relaxed);
    });
    let attempts = ROUNDS * ATTEMPTS.len() as u64;
    println!("{attempts} attempts, {} swaps", swaps.load(Ordering::Relaxed));
    assert_eq!(snapshot(&root.path().join("outside")), before, "something outside has changed");
}

//! The calls that programs make most do not allocate: once a call has been made, making it again takes
//! nothing from the heap. A counting allocator sees it, per thread.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]
#![allow(unsafe_code, reason = "an allocator is unsafe")]

mod common;

use common::{PAGE, SharedMemory, call, guest};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use wasi_rs_core::abi::{Abi, Errno};
use wasi_rs_core::ctx::Ctx;

/// The system's allocator, and how often the thread has called it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

const FILE: u64 = 4;
const RESULT: u64 = 0;
const IOVECS: u64 = 64;
const PATH: u64 = 1024;
const BUFFER: u64 = 4096;
const RIGHTS: u64 = (1 << 28) - 1;

/// A guest in a folder with a file, which is open, and a path to another of this length; its memory, with
/// iovecs.
fn guest_with_path(folder: &Path, length: usize) -> (Ctx, SharedMemory) {
    // Components as short as a name may be, all below the folder.
    let path: String = "deep/".chars().cycle().take(length - 4).chain("file".chars()).collect();
    let path = path.replace("//", "/");
    std::fs::create_dir_all(folder.join(&path).parent().unwrap()).unwrap();
    for file in ["open", &path] {
        std::fs::write(folder.join(file), "content").unwrap();
    }
    let (ctx, memory) = (guest(Abi::Preview1, &[("/", folder)]), SharedMemory::new(PAGE));
    for index in 0..2_u32 {
        memory.put(u32::try_from(IOVECS).unwrap() + 8 * index, &u32::try_from(BUFFER).unwrap().to_le_bytes());
        memory.put(u32::try_from(IOVECS).unwrap() + 8 * index + 4, &16_u32.to_le_bytes());
    }
    memory.put(u32::try_from(PATH).unwrap(), b"open");
    assert_eq!(call(&ctx, &memory, "path_open", &[3, 0, PATH, 4, 0, RIGHTS, 0, 0, RESULT]), Errno::Success);
    assert_eq!(u64::from(memory.u32(0)), FILE);
    memory.put(u32::try_from(PATH).unwrap(), path.as_bytes());
    (ctx, memory)
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations_of(|| drop(Box::new(1))), 1);
    assert_eq!(allocations_of(|| ()), 0);
}

#[test]
fn calls_that_programs_make_most_do_not_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let length = 255;
    let (ctx, memory) = guest_with_path(folder.path(), length);
    let calls: &[(&str, &[u64])] = &[
        ("fd_read", &[FILE, IOVECS, 2, RESULT]),
        ("fd_write", &[FILE, IOVECS, 2, RESULT]),
        ("fd_write", &[1, IOVECS, 1, RESULT]),
        ("fd_seek", &[FILE, 0, 0, RESULT]),
        ("fd_tell", &[FILE, RESULT]),
        ("fd_pread", &[FILE, IOVECS, 1, 0, RESULT]),
        ("fd_pwrite", &[FILE, IOVECS, 1, 0, RESULT]),
        ("fd_filestat_get", &[FILE, RESULT]),
        ("fd_fdstat_get", &[FILE, RESULT]),
        ("clock_time_get", &[1, 1, RESULT]),
        ("random_get", &[BUFFER, 8]),
        ("random_get", &[BUFFER, 8192]),
        ("environ_get", &[RESULT, BUFFER]),
        ("path_filestat_get", &[3, 1, PATH, length as u64, RESULT]),
        ("path_open", &[3, 1, PATH, length as u64, 0, RIGHTS, 0, 0, RESULT]),
        ("fd_close", &[5]),
    ];
    for round in 0..3 {
        for (name, params) in calls {
            let count = allocations_of(|| assert_eq!(call(&ctx, &memory, name, params), Errno::Success, "{name}"));
            // The first round may: the table of descriptors grows, the generator is seeded.
            assert!(round == 0 || count == 0, "{name} {params:?}: {count} allocations");
        }
    }
}

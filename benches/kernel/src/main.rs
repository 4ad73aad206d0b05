//! `kernel FOLDER ROW`: what the kernel takes for the calls that a row of `benches/syscalls.mjs` can't do
//! without, in nanoseconds. Nothing for a row that needs none. The folder has what the guests' have.
//!
//! A path below the folder must not lead out of it: one of several components is opened by `openat2`, which
//! sees to that.

use rustix::fs::{
    Advice, AtFlags, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps, UTIME_NOW,
};
use rustix::io::Result;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};
use rustix::{fs, io, thread};
use std::ffi::CStr;
use std::hint::black_box;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const DEEP: &CStr = c"a/b/c/d/e/file";
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
const TIMES: Timestamps = Timestamps { last_access: NOW, last_modification: NOW };

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, row] = arguments.as_slice() else {
        panic!("usage: kernel FOLDER ROW");
    };
    // The kernel counts references to open files and locks offsets once a process has threads, as Node's has.
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    if let Some(nanoseconds) = floor(folder, row).expect("the calls succeed") {
        println!("{nanoseconds}");
    }
}

fn floor(folder: &str, row: &str) -> Result<Option<f64>> {
    let open = |path: &CStr, flags| fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
    let root = fs::open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let file = beneath(&root, c"file", OFlags::RDONLY)?;
    let output = beneath(&root, c"output", OFlags::WRONLY)?;
    let entries = beneath(&root, c"folder", OFlags::DIRECTORY)?;
    let null = open(c"/dev/null", OFlags::WRONLY)?;
    let mut buffer = vec![0; MIB];
    let four = [[0; 16]; 4];
    let slices = four.each_ref().map(|bytes| IoSlice::new(bytes));

    let nanoseconds = match row {
        "sched_yield" => time(|| {
            thread::sched_yield();
            Ok(())
        }),
        "clock_time_get, monotonic" => time(|| Ok(clock_gettime(ClockId::Monotonic))),
        "clock_time_get, realtime" => time(|| Ok(clock_gettime(ClockId::Realtime))),
        "random_get, 8 B" => time(|| getrandom(&mut buffer[..8], GetRandomFlags::empty())),
        "random_get, 64 KiB" => time(|| getrandom(&mut buffer[..65536], GetRandomFlags::empty())),
        "fd_seek" => time(|| fs::seek(&file, SeekFrom::Start(0))),
        "fd_tell" => time(|| fs::seek(&file, SeekFrom::Current(0))),
        "fd_advise" => time(|| fs::fadvise(&file, 0, None, Advice::Normal)),
        "fd_write, 16 B to /dev/null" => time(|| io::write(&null, &four[0])),
        "fd_write, 4 x 16 B to /dev/null" => time(|| io::writev(&null, &slices)),
        "fd_seek + fd_read, 16 B" => time(|| {
            fs::seek(&file, SeekFrom::Start(0))?;
            io::read(&file, &mut buffer[..16])
        }),
        "fd_pread, 4 KiB" => time(|| io::pread(&file, &mut buffer[..4096], 0)),
        "fd_pread, 64 KiB" => time(|| io::pread(&file, &mut buffer[..65536], 0)),
        "fd_pread, 1 MiB" => time(|| io::pread(&file, &mut buffer[..], 0)),
        "fd_pwrite, 4 KiB" => time(|| io::pwrite(&output, &buffer[..4096], 0)),
        "fd_sync" => time(|| fs::fsync(&output)),
        "fd_filestat_get" => time(|| fs::fstat(&file)),
        "fd_filestat_set_size" => time(|| fs::ftruncate(&output, 4096)),
        "fd_filestat_set_times" => time(|| fs::futimens(&output, &TIMES)),
        "path_open + fd_close, depth 1" => time(|| beneath(&root, c"file", OFlags::RDONLY)),
        "path_open + fd_close, depth 6" => time(|| beneath(&root, DEEP, OFlags::RDONLY)),
        "path_open + fd_close, through a link" => time(|| beneath(&root, c"link/c/d/e/file", OFlags::RDONLY)),
        "path_open, no such file" => time(|| Ok(beneath(&root, c"missing", OFlags::RDONLY).is_err())),
        "create + fd_close + unlink" => time(|| {
            drop(beneath(&root, c"new", OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?);
            fs::unlinkat(&root, c"new", AtFlags::empty())
        }),
        "path_filestat_get, depth 1" => time(|| fs::statat(&root, c"file", AtFlags::SYMLINK_NOFOLLOW)),
        "path_filestat_get, depth 6" => time(|| stat_beneath(&root, DEEP)),
        "path_filestat_get, of a link" => time(|| stat_beneath(&root, c"link-to-file")),
        "path_filestat_get, no such file" => {
            time(|| Ok(fs::statat(&root, c"missing", AtFlags::SYMLINK_NOFOLLOW).is_err()))
        }
        "path_filestat_set_times" => {
            time(|| fs::utimensat(beneath(&root, c"file", OFlags::PATH)?, c"", &TIMES, AtFlags::EMPTY_PATH))
        }
        "path_create_ + path_remove_directory" => time(|| {
            fs::mkdirat(&root, c"new", Mode::RWXU)?;
            fs::unlinkat(&root, c"new", AtFlags::REMOVEDIR)
        }),
        "path_rename, there and back" => time(|| {
            fs::renameat(&root, c"here", &root, c"there")?;
            fs::renameat(&root, c"there", &root, c"here")
        }),
        "path_readlink" => time(|| fs::readlinkat_raw(&root, c"link-to-file", &mut buffer[..256])),
        "path_symlink + path_unlink_file" => time(|| {
            fs::symlinkat(c"file", &root, c"new")?;
            fs::unlinkat(&root, c"new", AtFlags::empty())
        }),
        "path_link + path_unlink_file" => time(|| {
            fs::linkat(&root, c"file", &root, c"new", AtFlags::empty())?;
            fs::unlinkat(&root, c"new", AtFlags::empty())
        }),
        "fd_readdir, 100 entries" => {
            let mut listing = Vec::with_capacity(32 * 1024);
            time(|| {
                fs::seek(&entries, SeekFrom::Start(0))?;
                let mut listed = RawDir::new(&entries, listing.spare_capacity_mut());
                while let Some(entry) = listed.next() {
                    entry?;
                }
                Ok(())
            })
        }
        _ => return Ok(None),
    };
    nanoseconds.map(Some)
}

fn beneath(dir: impl AsFd, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() };
    fs::openat2(dir, path, flags | OFlags::CLOEXEC, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
}

fn stat_beneath(dir: impl AsFd, path: &CStr) -> Result<Stat> {
    fs::fstat(beneath(dir, path, OFlags::PATH)?)
}

/// Nanoseconds that one round takes: the median of many samples, each shorter than the slices in which the
/// system shares a core out.
fn time<T>(mut round: impl FnMut() -> Result<T>) -> Result<f64> {
    const SAMPLES: usize = 101;
    const SAMPLE: Duration = Duration::from_millis(1);
    let mut sample = |rounds: u32| {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(round()?);
        }
        Ok(start.elapsed())
    };
    let mut rounds = 1;
    while sample(rounds)? < SAMPLE {
        rounds *= 2;
    }
    let samples: Result<Vec<_>> = (0..SAMPLES).map(|_| sample(rounds)).collect();
    let mut samples = samples?;
    samples.sort_unstable();
    Ok(samples[SAMPLES / 2].as_secs_f64() * 1e9 / f64::from(rounds))
}

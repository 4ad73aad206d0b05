//! Descriptors that make a guest wait: pipes, terminals, sockets.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod common;

use common::{PAGE, SharedMemory, call, guest_on};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use wasi_rs_core::abi::flags::{Filetype, Rights};
use wasi_rs_core::abi::records::{Event, Fdstat, Record, SubscriptionFd};
use wasi_rs_core::abi::{Errno, Ptr};
use wasi_rs_core::ctx::Ctx;

const IOVEC: u32 = 0;
const COUNT: u32 = 64;
const DATA: u32 = 1024;

/// Reads or writes with one iovec at DATA; how many bytes.
fn transfer(ctx: &Ctx, memory: &SharedMemory, name: &str, len: u32) -> Result<u32, Errno> {
    memory.put(IOVEC, &[DATA.to_le_bytes(), len.to_le_bytes()].concat());
    match call(ctx, memory, name, &[0, u64::from(IOVEC), 1, u64::from(COUNT)]) {
        Errno::Success => Ok(memory.u32(COUNT)),
        errno => Err(errno),
    }
}

#[test]
fn a_stdout_that_the_host_has_set_nonblocking_loses_nothing() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let sent: Vec<u8> = (0..4_000_000_u32).map(|index| (index % 251) as u8).collect();
    let received = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            received
        });
        let (ctx, memory) = (guest_on(writer), SharedMemory::new(2 * PAGE));
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let chunk = &rest[..rest.len().min(100_000)];
            memory.put(DATA, chunk);
            let written = transfer(&ctx, &memory, "fd_write", u32::try_from(chunk.len()).unwrap()).unwrap();
            assert!(written > 0);
            rest = &rest[written as usize..];
        }
        drop(ctx);
        reading.join().unwrap()
    });
    assert!(received == sent, "what was written is not what was read");
}

/// Keeps the handler from being optimised into nothing, and tells that it ran.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

#[test]
#[allow(unsafe_code, reason = "signals have no safe interface here")]
fn a_signal_does_not_end_a_read() {
    // SAFETY: the handler only stores to an atomic; without SA_RESTART, so that the kernel does end the call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (send_thread, thread) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        // SAFETY: no argument, no effect.
        send_thread.send(unsafe { libc::pthread_self() }).unwrap();
        let (ctx, memory) = (guest_on(reader), SharedMemory::new(PAGE));
        (transfer(&ctx, &memory, "fd_read", 16), memory.get(DATA, 5))
    });
    let thread = thread.recv().unwrap();
    for _ in 0..2_000 {
        // SAFETY: the thread waits for what is written below, so it is there.
        assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
        std::thread::yield_now();
    }
    writer.write_all(b"after").unwrap();
    assert_eq!(reading.join().unwrap(), (Ok(5), b"after".to_vec()));
    assert!(INTERRUPTED.load(Ordering::Relaxed));
}

/// A terminal: the program's side and the user's side.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let name = ptsname(&user, Vec::new()).unwrap();
    let program = fs::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (program.into(), user)
}

fn poll_read(ctx: &Ctx, memory: &SharedMemory) -> (Event, u32) {
    memory.put(256, &SubscriptionFd { userdata: 9, tag: 1, file_descriptor: 0 }.encode());
    assert_eq!(call(ctx, memory, "poll_oneoff", &[256, 512, 1, u64::from(COUNT)]), Errno::Success);
    (memory.view().read(Ptr::new(512)).unwrap(), memory.u32(COUNT))
}

#[test]
fn a_terminal_is_a_character_device_that_can_t_seek_and_is_read_by_lines() {
    let (program, user) = terminal();
    let (ctx, memory) = (guest_on(program), SharedMemory::new(PAGE));
    assert_eq!(call(&ctx, &memory, "fd_fdstat_get", &[0, 512]), Errno::Success);
    let stat: Fdstat = memory.view().read(Ptr::new(512)).unwrap();
    assert_eq!(stat.filetype, Filetype::CharacterDevice.number());
    assert!(!Rights::from_bits_truncate(stat.rights_base).intersects(Rights::FD_SEEK | Rights::FD_TELL));
    rustix::io::write(&user, b"line\nnext").unwrap();
    let (event, count) = poll_read(&ctx, &memory);
    assert_eq!((event.userdata, event.error, event.nbytes, count), (9, 0, 5, 1));
    assert_eq!(transfer(&ctx, &memory, "fd_read", 100), Ok(5));
    assert_eq!(memory.get(DATA, 5), b"line\n");
    memory.put(DATA, b"out");
    assert_eq!(transfer(&ctx, &memory, "fd_write", 3), Ok(3));
}

#[test]
fn a_pipe_that_has_ended_is_ready_with_a_hangup() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (ctx, memory) = (guest_on(reader), SharedMemory::new(PAGE));
    let mut writer = writer;
    writer.write_all(b"abc").unwrap();
    let (event, _) = poll_read(&ctx, &memory);
    assert_eq!((event.nbytes, event.flags), (3, 0));
    drop(writer);
    assert_eq!(poll_read(&ctx, &memory).0.flags, 1);
    assert_eq!(transfer(&ctx, &memory, "fd_read", 100), Ok(3));
    assert_eq!(transfer(&ctx, &memory, "fd_read", 100), Ok(0));
}

#[test]
fn waitall_waits_until_the_buffers_are_full() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (ctx, memory) = (guest_on(ours), SharedMemory::new(PAGE));
    memory.put(IOVEC, &[DATA.to_le_bytes(), 6_u32.to_le_bytes()].concat());
    let writing = std::thread::spawn(move || {
        theirs.write_all(b"abc").unwrap();
        // The guest gets both halves, also if it has taken the first before the second comes.
        let mut queue = [PollFd::new(&theirs, PollFlags::OUT)];
        poll(&mut queue, None).unwrap();
        theirs.write_all(b"def").unwrap();
        theirs
    });
    let received = call(&ctx, &memory, "sock_recv", &[0, u64::from(IOVEC), 1, 2, u64::from(COUNT), 72]);
    assert_eq!((received, memory.u32(COUNT), memory.get(DATA, 6)), (Errno::Success, 6, b"abcdef".to_vec()));
    let theirs = writing.join().unwrap();
    assert!(theirs.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn a_message_that_is_too_long_is_cut_and_said_so() {
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let (ctx, memory) = (guest_on(ours), SharedMemory::new(PAGE));
    theirs.send(b"abcdef").unwrap();
    memory.put(IOVEC, &[DATA.to_le_bytes(), 4_u32.to_le_bytes()].concat());
    let received = call(&ctx, &memory, "sock_recv", &[0, u64::from(IOVEC), 1, 0, u64::from(COUNT), 72]);
    assert_eq!((received, memory.u32(COUNT), memory.get(72, 2)), (Errno::Success, 4, vec![1, 0]));
}

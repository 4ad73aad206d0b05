//! The system calls. This file has the list of them, in the standard's order, and the macros that read it;
//! the bodies are in the modules, each syscall in one.

#![allow(clippy::too_many_arguments, reason = "one parameter of the standard, one parameter here")]

mod args;
mod attr;
mod clock;
mod fd;
mod flow;
mod io;
mod path;
mod poll;
mod proc;
mod random;
mod readdir;
pub mod serving;
mod sock;
pub mod sockets;
pub mod trace;
mod transfer;

#[cfg(test)]
mod testing;

use crate::abi::flags::{
    Advice, Clockid, Fdflags, Fstflags, Lookupflags, Oflags, Riflags, Rights, Sdflags, Siflags, Whence,
};
use crate::abi::records::{Event, Fdstat, Filestat, Iovec, Prestat, SubscriptionClock};
use crate::abi::{Args, Fd, Param, Ptr, ValType};
use crate::ctx::Ctx;
use crate::memory::Memory;

pub use flow::{Exit, Flow};

/// The list. A row is `module::name(parameter: type, ...) -> result;`, with the names of the standard
/// (`wasi_snapshot_preview1.witx`); one cell is one WebAssembly parameter. Above it stand two lines: its
/// effect, and the errors that are its own. `$reader!` gets all rows.
macro_rules! syscalls {
    ($reader:ident) => {
        $reader! {
            /// Writes the command line's arguments: their addresses to `argv`, their bytes to `argv_buf`.
            /// none.
            args::args_get(argv: Ptr<u32>, argv_buf: Ptr<u8>) -> Errno;
            /// Tells how many arguments there are and how many bytes they take.
            /// none.
            args::args_sizes_get(argc: Ptr<u32>, argv_buf_size: Ptr<u32>) -> Errno;
            /// Writes the environment's `NAME=value` strings: their addresses to `environ`, their bytes to `environ_buf`.
            /// none.
            args::environ_get(environ: Ptr<u32>, environ_buf: Ptr<u8>) -> Errno;
            /// Tells how many variables there are and how many bytes they take.
            /// none.
            args::environ_sizes_get(environc: Ptr<u32>, environ_buf_size: Ptr<u32>) -> Errno;
            /// Tells a clock's resolution in nanoseconds.
            /// EINVAL: no such clock.
            clock::clock_res_get(id: Clockid, resolution: Ptr<u64>) -> Errno;
            /// Tells what a clock shows, in nanoseconds.
            /// EINVAL: no such clock.
            clock::clock_time_get(id: Clockid, precision: u64, time: Ptr<u64>) -> Errno;
            /// Tells the host how a stretch of a file will be used.
            /// EINVAL: no such advice; ESPIPE: a pipe.
            attr::fd_advise(fd: Fd, offset: u64, len: u64, advice: Advice) -> Errno;
            /// Makes room in a file, extending it if need be.
            /// EINVAL: no length; EFBIG; ENODEV, ESPIPE: no regular file; ENOSPC.
            attr::fd_allocate(fd: Fd, offset: u64, len: u64) -> Errno;
            /// Closes a descriptor.
            /// none.
            fd::fd_close(fd: Fd) -> Errno;
            /// Waits until a file's data is on the device.
            /// EINVAL: can't be synchronised; EIO.
            io::fd_datasync(fd: Fd) -> Errno;
            /// Tells a descriptor's type, flags and rights.
            /// none.
            fd::fd_fdstat_get(fd: Fd, stat: Ptr<Fdstat>) -> Errno;
            /// Sets a descriptor's flags.
            /// ENOTSUP: DSYNC, RSYNC and SYNC stay as they were opened; EINVAL: unknown flags.
            fd::fd_fdstat_set_flags(fd: Fd, flags: Fdflags) -> Errno;
            /// Drops rights of a descriptor.
            /// ENOTCAPABLE: a right that the descriptor does not have.
            fd::fd_fdstat_set_rights(fd: Fd, fs_rights_base: Rights, fs_rights_inheriting: Rights) -> Errno;
            /// Tells the attributes of an open file.
            /// none.
            attr::fd_filestat_get(fd: Fd, buf: Ptr<Filestat>) -> Errno;
            /// Cuts or extends an open file.
            /// EINVAL: no regular file, or a size beyond 63 bits; EFBIG.
            attr::fd_filestat_set_size(fd: Fd, size: u64) -> Errno;
            /// Sets the times of an open file.
            /// EINVAL: a time and now, or unknown flags; EPERM.
            attr::fd_filestat_set_times(fd: Fd, atim: u64, mtim: u64, fst_flags: Fstflags) -> Errno;
            /// Reads at an offset; the descriptor's own stays.
            /// EISDIR; ESPIPE: can't seek; EINVAL: an offset beyond 63 bits.
            io::fd_pread(fd: Fd, iovs: Ptr<Iovec>, iovs_len: u32, offset: u64, nread: Ptr<u32>) -> Errno;
            /// Tells about a directory the guest was started with.
            /// EBADF: also a descriptor that is no preopen.
            fd::fd_prestat_get(fd: Fd, buf: Ptr<Prestat>) -> Errno;
            /// Writes the name of such a directory.
            /// EBADF: also a descriptor that is no preopen; ENAMETOOLONG: the buffer is too short.
            fd::fd_prestat_dir_name(fd: Fd, path: Ptr<u8>, path_len: u32) -> Errno;
            /// Writes at an offset; the descriptor's own stays.
            /// ESPIPE: can't seek; EINVAL: an offset beyond 63 bits; EFBIG; ENOSPC.
            io::fd_pwrite(fd: Fd, iovs: Ptr<Iovec>, iovs_len: u32, offset: u64, nwritten: Ptr<u32>) -> Errno;
            /// Reads.
            /// EISDIR; EAGAIN: NONBLOCK and nothing there; EIO.
            io::fd_read(fd: Fd, iovs: Ptr<Iovec>, iovs_len: u32, nread: Ptr<u32>) -> Errno;
            /// Lists a directory from `cookie` on, as far as the buffer goes; the last entry may be cut.
            /// ENOTDIR; EINVAL: a cookie that no entry had.
            readdir::fd_readdir(fd: Fd, buf: Ptr<u8>, buf_len: u32, cookie: u64, bufused: Ptr<u32>) -> Errno;
            /// Moves a descriptor to another number, closing what that was.
            /// EBADF: either is not open.
            fd::fd_renumber(fd: Fd, to: Fd) -> Errno;
            /// Moves a descriptor's offset.
            /// EINVAL: no such whence, or before the start; EISDIR; ESPIPE: can't seek.
            io::fd_seek(fd: Fd, offset: i64, whence: Whence, newoffset: Ptr<u64>) -> Errno;
            /// Waits until a file's data and metadata are on the device.
            /// EINVAL: can't be synchronised; EIO.
            io::fd_sync(fd: Fd) -> Errno;
            /// Tells a descriptor's offset.
            /// EISDIR; ESPIPE: can't seek.
            io::fd_tell(fd: Fd, offset: Ptr<u64>) -> Errno;
            /// Writes.
            /// EAGAIN: NONBLOCK and no room; EPIPE: nobody reads; EFBIG; ENOSPC.
            io::fd_write(fd: Fd, iovs: Ptr<Iovec>, iovs_len: u32, nwritten: Ptr<u32>) -> Errno;
            /// Creates a directory.
            /// EEXIST.
            path::path_create_directory(fd: Fd, path: Ptr<u8>, path_len: u32) -> Errno;
            /// Tells the attributes of a file.
            /// EINVAL: unknown flags.
            path::path_filestat_get(
                fd: Fd, flags: Lookupflags, path: Ptr<u8>, path_len: u32, buf: Ptr<Filestat>) -> Errno;
            /// Sets the times of a file.
            /// EINVAL: a time and now, or unknown flags; EPERM.
            path::path_filestat_set_times(
                fd: Fd, flags: Lookupflags, path: Ptr<u8>, path_len: u32,
                atim: u64, mtim: u64, fst_flags: Fstflags) -> Errno;
            /// Gives a file another name.
            /// EEXIST; EPERM: a directory; EXDEV; EMLINK.
            path::path_link(
                old_fd: Fd, old_flags: Lookupflags, old_path: Ptr<u8>, old_path_len: u32,
                new_fd: Fd, new_path: Ptr<u8>, new_path_len: u32) -> Errno;
            /// Opens a file or directory.
            /// EEXIST: CREAT with EXCL; EISDIR: a directory for writing; EMFILE; ENXIO: a pipe for writing that nobody reads, at once with NONBLOCK; EINVAL: unknown flags.
            path::path_open(
                fd: Fd, dirflags: Lookupflags, path: Ptr<u8>, path_len: u32, oflags: Oflags,
                fs_rights_base: Rights, fs_rights_inheriting: Rights, fdflags: Fdflags, opened_fd: Ptr<u32>) -> Errno;
            /// Writes a link's target, cut to the buffer.
            /// EINVAL: not a link.
            path::path_readlink(
                fd: Fd, path: Ptr<u8>, path_len: u32, buf: Ptr<u8>, buf_len: u32, bufused: Ptr<u32>) -> Errno;
            /// Removes an empty directory.
            /// ENOTEMPTY; EINVAL: a path that ends in dots; EBUSY.
            path::path_remove_directory(fd: Fd, path: Ptr<u8>, path_len: u32) -> Errno;
            /// Renames a file or directory.
            /// EISDIR; ENOTEMPTY; EXDEV; EBUSY: a path that ends in dots; EINVAL: into itself.
            path::path_rename(
                fd: Fd, old_path: Ptr<u8>, old_path_len: u32,
                new_fd: Fd, new_path: Ptr<u8>, new_path_len: u32) -> Errno;
            /// Creates a symbolic link.
            /// EEXIST; ENOTCAPABLE: also an absolute target.
            path::path_symlink(
                old_path: Ptr<u8>, old_path_len: u32, fd: Fd, new_path: Ptr<u8>, new_path_len: u32) -> Errno;
            /// Removes a file's name.
            /// EISDIR; EBUSY.
            path::path_unlink_file(fd: Fd, path: Ptr<u8>, path_len: u32) -> Errno;
            /// Waits for one or more of several things.
            /// EINVAL: no subscription or more than 65536, or an unknown type or flag. Of a subscription, in its event: EBADF, ENOTCAPABLE, EINVAL (a clock that can't be waited for).
            poll::poll_oneoff(
                r#in: Ptr<SubscriptionClock>, out: Ptr<Event>, nsubscriptions: u32, nevents: Ptr<u32>) -> Errno;
            /// Ends the guest.
            /// none.
            proc::proc_exit(rval: u32) -> Never;
            /// Sends the guest a signal: ENOTSUP, nothing a guest does signals the host.
            /// ENOTSUP.
            proc::proc_raise(sig: u32) -> Errno;
            /// Lets others run: in V8, a guest whose memory no thread shares goes to the kernel with the first call and each eighth after it.
            /// none.
            proc::sched_yield() -> Errno;
            /// Writes random bytes.
            /// none.
            random::random_get(buf: Ptr<u8>, buf_len: u32) -> Errno;
            /// Accepts a connection.
            /// ENOTSOCK; EAGAIN: NONBLOCK and nobody there; EMFILE; EINVAL: other flags than NONBLOCK, or not listening.
            sock::sock_accept(fd: Fd, flags: Fdflags, result: Ptr<u32>) -> Errno;
            /// Receives from a socket.
            /// ENOTSOCK; EAGAIN: NONBLOCK and nothing there; ENOTCONN; ECONNRESET; EINVAL: unknown flags.
            sock::sock_recv(
                fd: Fd, ri_data: Ptr<Iovec>, ri_data_len: u32, ri_flags: Riflags,
                ro_datalen: Ptr<u32>, ro_flags: Ptr<u16>) -> Errno;
            /// Sends to a socket.
            /// ENOTSOCK; EAGAIN: NONBLOCK and no room; EPIPE: nobody reads; ENOTCONN; EINVAL: any flag.
            sock::sock_send(
                fd: Fd, si_data: Ptr<Iovec>, si_data_len: u32, si_flags: Siflags, so_datalen: Ptr<u32>) -> Errno;
            /// Ends one direction of a socket, or both.
            /// ENOTSOCK; ENOTCONN; EINVAL: neither direction, or unknown flags.
            sock::sock_shutdown(fd: Fd, how: Sdflags) -> Errno;
        }
    };
}

/// A row of the list, as data.
#[derive(Debug)]
pub struct Syscall {
    /// The standard's name.
    pub name: &'static str,
    /// The module of its body.
    pub home: &'static str,
    /// Its effect, in a sentence.
    pub doc: &'static str,
    /// The errors that are its own, beside those of its parameters and of paths.
    pub errors: &'static str,
    /// Its parameters.
    pub params: &'static [Parameter],
    /// True if the guest gets an errno; `proc_exit` does not return.
    pub returns: bool,
}

/// A cell of a row.
#[derive(Debug)]
pub struct Parameter {
    /// The standard's name.
    pub name: &'static str,
    /// The name of its type.
    pub type_name: &'static str,
    /// The name of the type it points to, if it is a pointer.
    pub pointee: &'static str,
    /// Its WebAssembly type.
    pub wasm: ValType,
}

/// A syscall's body behind a uniform face: the guest, its memory, the raw parameters.
pub type Entry = fn(&Ctx, &Memory<'_>, &Args) -> Flow;

/// True if a row returns: `Errno` does, `Never` doesn't.
macro_rules! returns {
    (Errno) => {
        true
    };
    (Never) => {
        false
    };
}

macro_rules! define {
    ($(#[doc = $doc:literal] #[doc = $errors:literal] $home:ident::$name:ident($($param:ident: $type:ty),*) -> $result:ident;)*) => {
        /// The number of syscalls.
        pub const COUNT: usize = [$(stringify!($name)),*].len();

        /// The list as data.
        pub static SYSCALLS: [Syscall; COUNT] = [$(Syscall {
            name: stringify!($name),
            home: stringify!($home),
            doc: $doc.trim_ascii(),
            errors: $errors.trim_ascii(),
            params: &[$(Parameter {
                name: stringify!($param),
                type_name: <$type as Param>::NAME,
                pointee: <$type as Param>::POINTEE,
                wasm: <$type as Param>::TYPE,
            }),*],
            returns: returns!($result),
        }),*];

        /// The list as functions, in the same order.
        pub static ENTRIES: [Entry; COUNT] = [$(|ctx, memory, args| {
            let [$($param,)* ..] = *args;
            $(let $param = match <$type as Param>::lift($param, ctx.abi()) {
                Ok(param) => param,
                Err(errno) => return Flow::Answer(errno),
            };)*
            $home::$name(ctx, memory, $($param),*).into()
        }),*];
    };
}

syscalls!(define);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::param::MAX_PARAMS;

    #[test]
    fn the_list_has_the_standard_s_46_functions() {
        assert_eq!(COUNT, 46);
        assert_eq!(SYSCALLS.iter().map(|row| row.params.len()).max(), Some(MAX_PARAMS));
        assert!(SYSCALLS.iter().all(|row| row.doc.ends_with('.') && row.returns == (row.name != "proc_exit")));
    }
}

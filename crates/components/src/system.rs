//! The system calls beneath. All that a component does outside of itself goes through them, so that the
//! sandbox, the limits, the trace and the end of a run are those of a program of preview1.

use std::io::PipeWriter;
use wasi_rs_core::abi::{Args, Errno};
use wasi_rs_core::ctx::Ctx;
use wasi_rs_core::memory::Memory;

/// The system calls of one guest.
pub trait System: Send {
    /// Makes a system call: row number `index` of the list (`wasi_rs_core::syscalls::SYSCALLS`). Its pointers
    /// are offsets in `memory`. An error ends the guest, and is handed on to wasmtime as it is.
    fn call(&mut self, index: usize, memory: &Memory<'_>, args: &Args) -> wasmtime::Result<Errno>;

    /// Makes a call that is not in the list, on the guest's context. It must not wait. An error ends the
    /// guest.
    fn enter(&mut self, call: &mut dyn FnMut(&Ctx)) -> wasmtime::Result<()>;

    /// Opens the sockets, one to read and one to write, whose other ends get a request of HTTP that the guest
    /// makes. None if it may make none.
    fn open_exchange(&mut self) -> wasmtime::Result<Result<Option<[u32; 2]>, Errno>>;

    /// Opens a pipe: the descriptor of the guest's end, which is read, and the other end.
    fn open_pipe(&mut self) -> wasmtime::Result<Result<(u32, PipeWriter), Errno>>;
}

//! Floor 4: programs run in wasmtime, on threads of their own, under limits.
//!
//! | module | what |
//! | --- | --- |
//! | [`mode`] | what machine code is made for, and the engine that makes it |
//! | [`program`] | a program: its bytes, its machine code, its imports |
//! | [`memories`] | shared memories of a program's own, under the limit too |
//! | [`cache`] | machine code on disk |
//! | [`plan`] | what a run is asked for, and the guest's context made from it |
//! | [`guest`] | one run inside wasmtime |
//! | [`run`] | one run from outside: started, ended early, its outcome |
//! | [`watch`] | how a run is ended early, wherever it is |
//! | [`pool`] | the threads |
//! | [`raw`] | what wasmtime can't check: one of the addresses of `unsafe` |

pub mod cache;
pub mod guest;
pub mod memories;
pub mod mode;
pub mod plan;
pub mod pool;
pub mod program;
pub mod raw;
pub mod run;
pub mod watch;

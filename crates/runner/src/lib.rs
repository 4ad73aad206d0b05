//! Programs run in wasmtime, on threads of their own, under limits. It knows nothing of Node.
//!
//! | module | what |
//! | --- | --- |
//! | [`mode`] | what machine code is made for, and the engine that makes it |
//! | [`program`], [`source`] | a program: its bytes, and how they are read; its machine code, its imports |
//! | [`cache`] | machine code on disk |
//! | [`lease`] | files of machine code that are mapped, and who is about to change one; holds one of the addresses of `unsafe` |
//! | [`compile`] | one compilation |
//! | [`compilations`] | those of one program, and who waits for them |
//! | [`face`] | the imports and exports of a compiled module |
//! | [`background`] | machine code made for the next time |
//! | [`plan`] | what a run is asked for, and the guest's context made from it |
//! | [`handover`] | descriptors on their way to a guest |
//! | [`guest`] | one run inside wasmtime |
//! | [`run`] | one run from outside: started, ended early, its outcome |
//! | [`watch`] | how a run is ended early, wherever it is |
//! | [`ending`], [`sync`] | the end of a run against what its thread does at that moment |
//! | [`reaper`] | the thread that sees ended runs to their end |
//! | [`pool`] | the threads |
//! | [`raw`] | what wasmtime can't check: one of the addresses of `unsafe` |

pub mod background;
pub mod cache;
pub mod compilations;
pub mod compile;
pub mod ending;
pub mod face;
pub mod guest;
pub mod handover;
pub mod lease;
pub mod mode;
pub mod place;
pub mod plan;
pub mod pool;
pub mod program;
pub mod raw;
pub mod reaper;
pub mod run;
pub mod source;
mod sync;
pub mod watch;

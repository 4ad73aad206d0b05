//! Floor 5: programs run in wasmtime, on threads of their own, under limits.
//!
//! | module | what |
//! | --- | --- |
//! | [`mode`] | what machine code is made for, and the engine that makes it |
//! | [`program`], [`source`] | a program: its bytes, and how they are read; its machine code, its imports |
//! | [`fit`] | whether a module is a program that runs here, for both engines |
//! | [`for_v8`] | a program as V8 gets it, where it runs there |
//! | [`stoppable`], [`limit`], [`start`], [`edit`] | how it is changed for that |
//! | [`additions`] | functions that are added to a module, for [`objects`] and [`unshared`] |
//! | [`objects`] | its garbage-collected objects, kept to a limit there |
//! | [`meter`] | what counts its calls there |
//! | [`unshared`] | memories that a program declares as shared, and its waiting for them, in wasmtime |
//! | [`cache`] | machine code on disk |
//! | [`lease`] | files of machine code that are mapped, and who is about to change one; holds one of the addresses of `unsafe` |
//! | [`compile`], [`effort`], [`startup`] | one compilation, and what each engine is given at most |
//! | [`compilations`], [`cancellation`] | those of one program, and who waits for them; how work is given up |
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

pub mod additions;
pub mod background;
pub mod cache;
pub mod cancellation;
pub mod compilations;
pub mod compile;
pub mod edit;
pub mod effort;
pub mod ending;
pub mod fit;
pub mod for_v8;
pub mod guest;
pub mod handover;
pub mod lease;
pub mod limit;
pub mod meter;
pub mod mode;
pub mod objects;
pub mod place;
pub mod plan;
pub mod pool;
pub mod program;
pub mod raw;
pub mod reaper;
pub mod run;
pub mod source;
pub mod start;
pub mod startup;
pub mod stoppable;
mod sync;
pub mod unshared;
pub mod watch;

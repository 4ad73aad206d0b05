//! Floor 4: programs run in wasmtime, on threads of their own, under limits.
//!
//! | module | what |
//! | --- | --- |
//! | [`mode`] | what machine code is made for, and the engine that makes it |
//! | [`program`] | a program: its bytes, its machine code, its imports |
//! | [`for_v8`] | a program as V8 gets it, where it runs there |
//! | [`memories`] | shared memories of a program's own, under the limit too |
//! | [`sections`] | the sections of a module, for those two |
//! | [`cache`] | machine code on disk |
//! | [`beside`] | a process that makes it meanwhile |
//! | [`plan`] | what a run is asked for, and the guest's context made from it |
//! | [`guest`] | one run inside wasmtime |
//! | [`run`] | one run from outside: started, ended early, its outcome |
//! | [`watch`] | how a run is ended early, wherever it is |
//! | [`pool`] | the threads |
//! | [`raw`] | what wasmtime can't check: one of the addresses of `unsafe` |

pub mod beside;
pub mod cache;
pub mod for_v8;
pub mod guest;
pub mod memories;
pub mod mode;
pub mod plan;
pub mod pool;
pub mod program;
pub mod raw;
pub mod run;
pub mod sections;
pub mod watch;

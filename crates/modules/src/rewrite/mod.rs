//! The changes of a module before an engine gets it.
//!
//! | module | what |
//! | --- | --- |
//! | [`v8_module`] | a program as V8 gets it |
//! | [`interruptible`], [`limit`], [`start_function`], [`edit`] | how it is changed for that |
//! | [`additions`] | functions that are added to a module, for [`array_checks`] and [`unshare`] |
//! | [`array_checks`] | its garbage-collected objects, kept to a limit in V8 |
//! | [`call_counter`] | what counts its calls in V8 |
//! | [`unshare`] | memories that a program declares as shared, and its waiting for them, in wasmtime |

pub mod additions;
pub mod array_checks;
pub mod call_counter;
pub mod edit;
pub mod interruptible;
pub mod limit;
pub mod start_function;
pub mod unshare;
pub mod v8_module;

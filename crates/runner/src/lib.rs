//! Programs that run off the caller's thread, under limits: in wasmtime on threads of this crate, or in V8 in
//! workers of Node, which take runs by their numbers. This crate does not depend on Node.
//!
//! | module | content |
//! | --- | --- |
//! | [`plan`], [`handover`] | the plan of a run, descriptors on their way to a guest, the guest's context |
//! | [`outcome`] | the outcome of a run |
//! | [`run`] | one run in either engine, seen from outside: ended early, settled |
//! | [`in_wasmtime`], [`guest`], [`stop`], [`traps`] | a run in wasmtime |
//! | [`instance`], [`next_call`] | a module that is instantiated once and called any number of times |
//! | [`tasks`], [`session`], [`stacks`] | tasks of WASI 0.3: alone, as calls at the same time; their stacks |
//! | [`snapshot`] | programs that begin with the state of an instance |
//! | [`export_call`], [`component_type`] | a call of a guest's export; the type of a component's function |
//! | [`exchange`] | sockets of exchanges of HTTP |
//! | [`host_calls`], [`imported`], [`numbers`] | calls to functions of the embedder |
//! | [`given_streams`] | streams that the embedder gives to a component |
//! | [`in_v8`] | a run in V8 |
//! | [`scheduler`], [`slot`] | slots for the guests of both engines, and threads |
//! | [`control`] | the means to end a run early |
//! | [`termination`], [`sync`] | the flag that ends a run, and its races with calls |
//! | [`reaper`] | the thread that makes sure that ended runs are settled |
//! | [`executable`], [`source`] | a program: its bytes, how they are read, and its machine code |
//! | [`machine_code`], [`prepared`] | machine code, of a module or a component; the same, ready to run |
//! | [`interface`] | the imports and exports of a module |
//! | [`callers`] | the calls that tasks of a guest belong to |
//! | [`live`] | an instance in its store |
//! | [`mode`] | the modes of machine code, and the engine that makes it |
//! | [`cache`] | machine code on disk |
//! | [`lease`] | mapped files of machine code that may change; one of the addresses of `unsafe` |
//! | [`compile`] | one compilation |
//! | [`compilations`] | compilations in progress, and the runs that wait for them |
//! | [`background`] | machine code made in the background for later runs |
//! | [`raw`] | the unsafe part of wasmtime's interface: one of the addresses of `unsafe` |

pub mod background;
pub mod cache;
pub mod callers;
pub mod compilations;
pub mod compile;
pub mod component_type;
pub mod control;
pub mod exchange;
pub mod executable;
pub mod export_call;
mod given_streams;
pub mod guest;
pub mod handover;
pub mod host_calls;
pub mod imported;
pub mod in_v8;
pub mod in_wasmtime;
pub mod instance;
pub mod interface;
pub mod lease;
pub mod live;
pub mod machine_code;
mod meter;
pub mod mode;
mod next_call;
pub mod numbers;
pub mod outcome;
pub mod plan;
pub mod prepared;
pub mod raw;
pub mod reaper;
pub mod run;
pub mod scheduler;
mod session;
pub mod slot;
pub mod snapshot;
pub mod source;
mod stacks;
pub mod stop;
mod sync;
mod tasks;
pub mod termination;
pub mod traps;

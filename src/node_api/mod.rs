//! Raw Node-API, made safe: one of the addresses of `unsafe`. It knows nothing of this package.
//!
//! napi-rs registers the addon. Everything else goes through here, which its wrappers can't do exactly:
//! exceptions that must pass through untouched (also primitive ones), methods that find their state by
//! property, one callback that is as cheap as a callback can be, and the addresses of WebAssembly memories.
//!
//! A [`Js`] is the right to call the engine during one callback; a [`Value`] lives as long. A call into the
//! engine that fails leaves a JavaScript exception pending and answers [`Thrown`], which travels up with `?`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

mod bridge;
mod bytes;
#[cfg(feature = "engine")]
pub mod channel;
mod errors;
mod functions;
#[cfg(feature = "engine")]
mod held;
#[cfg(feature = "engine")]
mod lent;
mod marked;
mod objects;
mod panics;
mod references;
mod scope;
#[cfg(feature = "engine")]
mod shared_bytes;
mod state;
mod store;
mod strings;
mod values;
mod worker;

pub use bridge::within;
pub use errors::ErrorKind;
pub use functions::{Call, Finalizer, Method, StateFunction};
#[cfg(feature = "engine")]
pub use lent::with_lent;
pub use marked::Mark;
#[cfg(feature = "class")]
pub use marked::Weighed;
pub use references::Reference;
pub use scope::{Js, JsResult, Thrown, Value};
#[cfg(feature = "engine")]
pub use shared_bytes::SharedBytes;
pub use store::{Key, Store};
pub use values::Type;
pub use worker::Worker;

//! Editions of the class.

use wasi_rs_core::abi::Abi;

/// An edition of the class: its behaviour where its documentation, or Node's tests, want something of their
/// own.
#[derive(Clone, Copy, Debug)]
pub struct Edition {
    /// Its name in the addon.
    pub export: &'static str,
    /// The version of a guest whose options don't say; without one, they must.
    pub version: Option<Abi>,
    /// True if `proc_exit` ends `start()` by default.
    pub return_on_exit: bool,
    /// True if `fd_readdir` lists `.` and `..`, as the standard wants it.
    pub lists_dots: bool,
    /// True if a standard stream may be something else than a descriptor, which node:wasi refuses.
    pub streams: bool,
}

/// The class of `wasi-rs`.
pub const STANDARD: Edition =
    Edition { export: "WASI", version: None, return_on_exit: true, lists_dots: true, streams: true };

/// The class of `wasi-rs/compat`: the behaviour that Node's own tests pin.
pub const COMPAT: Edition = Edition { export: "compat", lists_dots: false, streams: false, ..STANDARD };

/// The class of `wasi-rs/legacy`: the older edition of Node's documentation.
pub const LEGACY: Edition =
    Edition { export: "legacy", version: Some(Abi::Preview1), return_on_exit: false, ..STANDARD };

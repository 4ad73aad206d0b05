//! WASI 0.2.

use crate::system::System;
use wasmtime::component::Linker;

/// State.
#[derive(Debug, Default)]
pub struct Wasi {}

/// View.
pub struct View<'a> {
    /// State.
    pub wasi: &'a mut Wasi,
    /// Calls.
    pub system: &'a mut dyn System,
}

/// Defines the interfaces of WASI 0.2 in a linker.
pub fn link<T: 'static>(_: &mut Linker<T>, _: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    Ok(())
}

/// True if an import of this name is one that `link` defines.
pub fn is_known(_: &str) -> bool {
    false
}

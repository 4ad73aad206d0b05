//! Loaded machine code, of a module or a component.

use super::lease::Loaded;
use wasmtime::Module;
use wasmtime::component::Component;

/// Loaded machine code.
pub enum MachineCode {
    /// A module's.
    Module(Loaded),
    /// A component's. It is in memory, and mapped from no file.
    Component(Component),
}

impl From<Module> for MachineCode {
    fn from(module: Module) -> Self {
        Self::Module(module.into())
    }
}

//! A program that is ready to run: its machine code and its imports.

mod component;
mod foreign;
mod module;

pub use component::PreparedComponent;
pub use foreign::Foreign;
pub use module::PreparedModule;

use super::compile::refused;
use super::host_calls::HostCalls;
use super::interface::{self, Description};
use super::machine_code::MachineCode;
use std::sync::Arc;
use wasi_rs_core::abi::Abi;
use wasi_rs_modules::error::{Form, ProgramError};
use wasi_rs_modules::interface::Purpose;
use wasi_rs_modules::worlds::check_handler;
use wasmtime::Engine;

/// A program that is ready to run in one mode. It exists as long as a run uses it.
pub enum Prepared {
    /// A core module.
    Module(PreparedModule),
    /// A component.
    Component(PreparedComponent),
}

impl Prepared {
    /// A program of this machine code, for this purpose.
    pub fn new(code: MachineCode, purpose: Purpose) -> Result<Self, ProgramError> {
        Ok(match code {
            MachineCode::Module(code) => Self::Module(PreparedModule::new(code, purpose)?),
            MachineCode::Component(code) => Self::Component(PreparedComponent::new(code, purpose)?),
        })
    }

    /// The form of the program.
    pub const fn form(&self) -> Form {
        match self {
            Self::Module(_) => Form::Module,
            Self::Component(_) => Form::Component,
        }
    }

    /// The engine of its mode.
    pub fn engine(&self) -> &Engine {
        match self {
            Self::Module(module) => module.code.module.engine(),
            Self::Component(component) => component.code.engine(),
        }
    }

    /// The edition of WASI that its system calls are of.
    pub const fn abi(&self) -> Abi {
        match self {
            Self::Module(module) => module.abi,
            Self::Component(_) => Abi::Preview1,
        }
    }

    /// An error if it is no command.
    pub fn check_start(&self) -> Result<(), ProgramError> {
        match self {
            Self::Module(module) => module.start.clone(),
            Self::Component(component) => component.check_start(),
        }
    }

    /// An error if it is no handler of HTTP.
    pub fn check_handler(&self) -> Result<(), ProgramError> {
        check_handler(match self {
            Self::Module(_) => None,
            Self::Component(component) => component.handler_name(),
        })
    }

    fn foreign(&self) -> &[Foreign] {
        match self {
            Self::Module(module) => &module.foreign,
            Self::Component(component) => &component.foreign,
        }
    }

    /// The functions that the embedder has to give, in words.
    pub fn missing(&self) -> Vec<String> {
        self.foreign().iter().map(ToString::to_string).collect()
    }

    /// For each function it imports that is not WASI's, the index in the embedder's list. An error if one is
    /// missing there.
    pub fn given_by(&self, host: Option<&HostCalls>) -> Result<Arc<[u32]>, ProgramError> {
        foreign::indices(self.foreign(), host, self.form())
    }

    /// The description of the program.
    pub fn describe(&self) -> Description {
        match self {
            Self::Module(module) => interface::describe(&module.code.module),
            Self::Component(component) => component.describe(),
        }
    }

    /// The description of a component's functions and types, for JavaScript.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Module(_) => None,
            Self::Component(component) => Some(&component.interface),
        }
    }

    /// The types of a component's functions.
    pub fn types(&self) -> Arc<[wasi_rs_components::description::Described]> {
        match self {
            Self::Module(_) => Arc::default(),
            Self::Component(component) => Arc::clone(&component.types),
        }
    }

    /// Its machine code, as it is deserialized.
    pub fn serialize(&self) -> Result<Vec<u8>, ProgramError> {
        match self {
            Self::Module(module) => module.code.module.serialize(),
            Self::Component(component) => component.code.serialize(),
        }
        .map_err(refused)
    }
}

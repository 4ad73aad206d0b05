//! Functions that a program imports and that are not WASI's: the embedder has to give them.

use crate::host_calls::HostCalls;
use std::fmt;
use std::sync::Arc;
use wasi_rs_modules::error::{Form, ProgramError};

/// The beginning of the names of functions that end resources.
pub const DROP: &str = "[resource-drop]";

/// A function that the embedder has to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The module or the interface that it belongs to; empty for a function that a component imports alone.
    pub module: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.strip_prefix(DROP) {
            Some(resource) => write!(f, "{}.{resource} (resource)", self.module),
            None => write!(f, "{}.{} (function)", self.module, self.name),
        }
    }
}

/// For each function, the index in the embedder's list. An error if one is missing there.
pub fn indices(all: &[Foreign], host: Option<&HostCalls>, form: Form) -> Result<Arc<[u32]>, ProgramError> {
    let index_of = |one: &Foreign| host.and_then(|host| host.index_of(&one.module, &one.name));
    let mut missing = all.iter().filter(|one| index_of(one).is_none()).peekable();
    if missing.peek().is_some() {
        return Err(match form {
            Form::Module => ProgramError::import(missing),
            Form::Component => ProgramError::import_of_component(missing.map(|one| {
                let text = one.to_string();
                // A name of a module may be empty, one of an interface not.
                text.strip_prefix('.').map(str::to_owned).unwrap_or(text)
            })),
        });
    }
    Ok(all.iter().filter_map(index_of).collect())
}

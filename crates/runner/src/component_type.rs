//! The type of a function of a component.

use std::sync::Arc;
use wasi_rs_components::description::{Described, Function};
use wasi_rs_components::direct::Direct;

/// The type of a function of a component: indices in a table of types.
#[derive(Clone, Debug)]
pub struct ComponentType {
    /// The table.
    pub types: Arc<[Described]>,
    /// The types of its parameters.
    pub params: Arc<[usize]>,
    /// The type of its result, if it has one.
    pub results: Arc<[usize]>,
    /// The short way to call it, if there is one.
    pub direct: Option<Direct>,
}

impl ComponentType {
    /// The type of a function whose types are in this table.
    pub fn new(types: &Arc<[Described]>, function: &Function) -> Self {
        Self {
            types: Arc::clone(types),
            params: function.params.iter().map(|(_, ty)| *ty).collect(),
            results: function.result.into_iter().collect(),
            direct: Direct::of(types, function),
        }
    }
}

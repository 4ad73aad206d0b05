//! Stub.
use wasmtime::component::{ResourceAny, Type, Val};
use wasmtime::{Result, StoreContextMut};

/// Handles.
#[derive(Debug, Default)]
pub struct Handles {}

/// Handles in a store.
pub struct InStore<'a, T: 'static> {
    _handles: &'a mut Handles,
    _store: StoreContextMut<'a, T>,
}

impl<'a, T> InStore<'a, T> {
    /// New.
    pub fn new(handles: &'a mut Handles, store: StoreContextMut<'a, T>) -> Self {
        Self { _handles: handles, _store: store }
    }
    /// Encodes.
    pub fn encode(&mut self, _: &[Val], _: &[Type]) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
    /// Encodes.
    pub fn encode_lent(&mut self, _: &[Val], _: &[Type]) -> Result<(Vec<u8>, Vec<u32>)> {
        Ok((Vec::new(), Vec::new()))
    }
    /// Ends.
    pub fn end_loans(&mut self, _: Vec<u32>) -> Result<()> {
        Ok(())
    }
    /// Decodes.
    pub fn decode(&mut self, _: &[Type], _: &[u8]) -> Result<Vec<Val>> {
        Ok(Vec::new())
    }
    /// Takes.
    pub fn take(&mut self, _: &[u8]) -> Result<ResourceAny> {
        Err(wasmtime::Error::msg("none"))
    }
}

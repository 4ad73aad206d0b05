//! References to JavaScript values that outlive a callback.

use super::scope::{Js, JsResult, Value, result_of};
use napi::sys;

/// A reference to a JavaScript value. It stays on the thread of its environment.
#[derive(Debug)]
pub struct Reference {
    env: sys::napi_env,
    raw: sys::napi_ref,
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: a reference is dropped on its environment's thread, and by the environment's state at the
        // latest, whose finalizer runs while references can still be deleted.
        unsafe { sys::napi_delete_reference(self.env, self.raw) };
    }
}

impl<'s> Js<'s> {
    /// A reference that keeps the value alive until the environment ends.
    pub fn keep(self, value: Value<'s>) -> JsResult<Reference> {
        result_of!(self, napi_create_reference(value.raw, 1) -> sys::napi_ref)
            .map(|raw| Reference { env: self.env, raw })
    }

    /// A reference that does not keep the object alive.
    pub fn watch(self, object: Value<'s>) -> JsResult<Reference> {
        result_of!(self, napi_create_reference(object.raw, 0) -> sys::napi_ref)
            .map(|raw| Reference { env: self.env, raw })
    }

    /// The value of a reference, if it is still there.
    pub fn dereference(self, reference: &Reference) -> JsResult<Option<Value<'s>>> {
        let raw = result_of!(self, napi_get_reference_value(reference.raw) -> sys::napi_value)?;
        Ok((!raw.is_null()).then(|| self.value(raw)))
    }
}

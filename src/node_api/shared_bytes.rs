//! Bytes that several environments read.

use super::panics::contained;
use super::scope::{Js, JsResult, Value};
use napi::sys;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// Bytes for several environments. Rust does not read them any more, so nothing here relies on JavaScript not
/// writing to them.
pub struct SharedBytes(Vec<u8>);

impl SharedBytes {
    /// Bytes to share.
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(bytes))
    }

    /// The number of bytes.
    pub const fn size(&self) -> usize {
        self.0.len()
    }
}

unsafe extern "C" fn release_shared(_: sys::napi_env, _: *mut c_void, shared: *mut c_void) {
    // SAFETY: `shared_buffer` gave up this reference for the finalizer, which runs once.
    let shared = unsafe { Arc::from_raw(shared.cast::<SharedBytes>()) };
    contained(|| drop(shared));
}

impl<'s> Js<'s> {
    /// Calls a function with an ArrayBuffer of these bytes. It is detached when the function returns, for the
    /// engine counts it as memory of the environment. The bytes are copied only where the host forbids
    /// anything else (Electron).
    pub fn with_shared(self, shared: &Arc<SharedBytes>, function: Value<'s>) -> JsResult<Value<'s>> {
        let buffer = self.shared_buffer(shared)?;
        let result = self.call(self.undefined()?, function, &[buffer]);
        // SAFETY: the buffer is of this callback. A host that can't detach it collects it.
        let _ = unsafe { sys::napi_detach_arraybuffer(self.env, buffer.raw) };
        result
    }

    fn shared_buffer(self, shared: &Arc<SharedBytes>) -> JsResult<Value<'s>> {
        let (data, len) = (shared.0.as_ptr().cast_mut().cast(), shared.size());
        let owner = Arc::into_raw(Arc::clone(shared));
        let mut buffer = ptr::null_mut();
        // SAFETY: the bytes stay where they are until the finalizer drops this reference to their owner.
        let status = unsafe {
            let hint = owner.cast_mut().cast();
            sys::napi_create_external_arraybuffer(self.env, data, len, Some(release_shared), hint, &raw mut buffer)
        };
        if status == sys::Status::napi_ok {
            return Ok(self.value(buffer));
        }
        // SAFETY: no buffer was made, so no finalizer has this reference.
        drop(unsafe { Arc::from_raw(owner) });
        if status == sys::Status::napi_no_external_buffers_allowed {
            return self.array_buffer(&shared.0);
        }
        self.check(status).map(|()| self.value(buffer))
    }
}

//! Bytes: buffers and views that JavaScript hands over, which may be of any realm, and new ones.

use super::scope::{Js, JsResult, Value, result_of, value_of};
use napi::sys;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

impl<'s> Js<'s> {
    /// A new ArrayBuffer with these bytes.
    pub fn array_buffer(self, bytes: &[u8]) -> JsResult<Value<'s>> {
        let mut data = ptr::null_mut();
        let buffer = value_of!(self, napi_create_arraybuffer(bytes.len(), &raw mut data))?;
        if let Some(data) = NonNull::new(data.cast::<u8>()) {
            // SAFETY: the buffer was just made, with room for so many bytes, and nothing else knows it.
            unsafe { data.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Ok(buffer)
    }

    /// A new Buffer with these bytes.
    pub fn buffer(self, bytes: &[u8]) -> JsResult<Value<'s>> {
        value_of!(self, napi_create_buffer_copy(bytes.len(), bytes.as_ptr().cast(), ptr::null_mut()))
    }

    /// True for an ArrayBuffer; a SharedArrayBuffer is none.
    pub fn is_array_buffer(self, value: Value<'s>) -> JsResult<bool> {
        result_of!(self, napi_is_arraybuffer(value.raw) -> bool)
    }

    /// The bytes of an ArrayBuffer or a Uint8Array: address and length.
    pub fn bytes_of(self, buffer: Value<'s>) -> JsResult<(NonNull<u8>, usize)> {
        if !self.is_array_buffer(buffer)? {
            let (_, data, len) = self.typed_array(buffer)?;
            return Ok((data, len));
        }
        let mut data = ptr::null_mut();
        let len = result_of!(self, napi_get_arraybuffer_info(buffer.raw, &raw mut data) -> usize)?;
        Ok(addressed(data, len))
    }

    /// A copy of the bytes of a Uint8Array; nothing if it is something else.
    pub fn uint8_array(self, value: Value<'s>) -> JsResult<Option<Vec<u8>>> {
        if !self.is_typed_array(value)? {
            return Ok(None);
        }
        let (kind, base, len) = self.typed_array(value)?;
        Ok((kind == sys::TypedarrayType::uint8_array).then(|| copied(base, len)))
    }

    /// A copy of the bytes of a typed array, a DataView or an ArrayBuffer; nothing if it is something else.
    pub fn view_or_buffer(self, value: Value<'s>) -> JsResult<Option<Vec<u8>>> {
        let (base, len) = if self.is_typed_array(value)? {
            let (kind, base, len) = self.typed_array(value)?;
            (base, len * element_size(kind))
        } else if self.is_data_view(value)? {
            self.data_view(value)?
        } else if self.is_array_buffer(value)? {
            self.bytes_of(value)?
        } else {
            return Ok(None);
        };
        Ok(Some(copied(base, len)))
    }

    /// A copy of the first bytes of a Uint8Array; all of them, if there are fewer.
    pub fn first_bytes(self, array: Value<'s>, count: usize) -> JsResult<Vec<u8>> {
        let (_, base, len) = self.typed_array(array)?;
        Ok(copied(base, len.min(count)))
    }

    /// Copies bytes to the beginning of a Uint8Array; false if they are more than that has.
    pub fn put_bytes(self, array: Value<'s>, bytes: &[u8]) -> JsResult<bool> {
        let (_, base, len) = self.typed_array(array)?;
        if bytes.len() > len {
            return Ok(false);
        }
        // SAFETY: the array has so many bytes; nothing of the engine runs meanwhile, and `bytes` is Rust's
        // own.
        unsafe { base.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(true)
    }

    /// Tells the engine of memory that it does not see, so that it collects in time.
    pub fn adjust_external_memory(self, bytes: i64) -> JsResult<()> {
        result_of!(self, napi_adjust_external_memory(bytes) -> i64).map(drop)
    }

    fn is_typed_array(self, value: Value<'s>) -> JsResult<bool> {
        result_of!(self, napi_is_typedarray(value.raw) -> bool)
    }

    fn is_data_view(self, value: Value<'s>) -> JsResult<bool> {
        result_of!(self, napi_is_dataview(value.raw) -> bool)
    }

    /// The type of a typed array's elements, their address and number.
    fn typed_array(self, array: Value<'s>) -> JsResult<(sys::napi_typedarray_type, NonNull<u8>, usize)> {
        let (mut kind, mut len, mut data, mut offset, mut of) = (0, 0, ptr::null_mut(), 0, ptr::null_mut());
        // SAFETY: as in `result_of!`, with several results.
        self.check(unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                array.raw,
                &raw mut kind,
                &raw mut len,
                &raw mut data,
                &raw mut of,
                &raw mut offset,
            )
        })?;
        let (data, len) = addressed(data, len);
        Ok((kind, data, len))
    }

    /// The bytes of a DataView: address and length.
    fn data_view(self, view: Value<'s>) -> JsResult<(NonNull<u8>, usize)> {
        let (mut len, mut data, mut of, mut offset) = (0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: as in `result_of!`, with several results.
        self.check(unsafe {
            sys::napi_get_dataview_info(self.env, view.raw, &raw mut len, &raw mut data, &raw mut of, &raw mut offset)
        })?;
        Ok(addressed(data, len))
    }
}

/// Bytes as the engine names them: those of a memory of no pages, or of a detached buffer, may have no
/// address.
fn addressed(data: *mut c_void, len: usize) -> (NonNull<u8>, usize) {
    NonNull::new(data.cast()).map_or((NonNull::dangling(), 0), |data| (data, len))
}

/// A copy of bytes that the engine has just named.
fn copied(base: NonNull<u8>, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    // SAFETY: the engine gave these bytes, and nothing runs that could take them away; they may be shared
    // with other threads, so no reference to them is made. `set_len` counts the bytes just written.
    unsafe {
        base.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), len);
        bytes.set_len(len);
    }
    bytes
}

/// Bytes of an element of a typed array.
const fn element_size(kind: sys::napi_typedarray_type) -> usize {
    use sys::TypedarrayType as Kind;
    match kind {
        Kind::int16_array | Kind::uint16_array => 2,
        Kind::int32_array | Kind::uint32_array | Kind::float32_array => 4,
        Kind::float64_array | Kind::bigint64_array | Kind::biguint64_array => 8,
        _ => 1, // of a kind that is newer than this, not all bytes
    }
}

//! Bytes that JavaScript hands over, copied. What they are in may be of any realm: nothing here asks for a class.

use super::{Js, JsResult, Value, addressed};
use napi::sys;
use std::ptr::{self, NonNull};

impl<'s> Js<'s> {
    /// The bytes of a Uint8Array; nothing if it is something else.
    pub fn uint8_array(self, value: Value<'s>) -> JsResult<Option<Vec<u8>>> {
        if !self.is_typed_array(value)? {
            return Ok(None);
        }
        let (kind, base, len) = self.typed_array(value)?;
        Ok((kind == sys::TypedarrayType::uint8_array).then(|| copied(base, len)))
    }

    /// The bytes of a typed array, a DataView or an ArrayBuffer; nothing if it is something else.
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

    fn is_typed_array(self, value: Value<'s>) -> JsResult<bool> {
        let mut is = false;
        // SAFETY: `env` and the value are of this callback, and the result is a local.
        self.check(unsafe { sys::napi_is_typedarray(self.env, value.raw, &raw mut is) })?;
        Ok(is)
    }

    fn is_data_view(self, value: Value<'s>) -> JsResult<bool> {
        let mut is = false;
        // SAFETY: as above.
        self.check(unsafe { sys::napi_is_dataview(self.env, value.raw, &raw mut is) })?;
        Ok(is)
    }

    /// Where the bytes of a DataView are, and how many.
    fn data_view(self, view: Value<'s>) -> JsResult<(NonNull<u8>, usize)> {
        let (mut len, mut data, mut of, mut offset) = (0, ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: `env` and the value are of this callback, and the results are locals.
        self.check(unsafe {
            sys::napi_get_dataview_info(self.env, view.raw, &raw mut len, &raw mut data, &raw mut of, &raw mut offset)
        })?;
        Ok(addressed(data, len))
    }
}

/// A copy of bytes that the engine has just named.
fn copied(base: NonNull<u8>, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    // SAFETY: the engine gave these bytes, and nothing runs that could take them away; they may be shared with other
    // threads, so no reference to them is made. `set_len` counts what was just written.
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

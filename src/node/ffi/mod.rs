//! Raw Node-API, made safe: one of the addresses of `unsafe`.
//!
//! napi-rs registers the module and defines the class. What goes through here is what its wrappers can't do exactly:
//! exceptions that must pass through untouched (also primitive ones), methods that find their state by property, one
//! callback that is as cheap as a callback can be, and the addresses of WebAssembly memories.
//!
//! A [`Js`] is the right to talk to the engine during one callback; a [`Value`] lives as long. A call into the engine
//! that fails leaves a JavaScript exception pending and answers [`Thrown`], which travels up with `?`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

mod bridge;
mod bytes;
mod callback;
mod memory;
#[cfg(feature = "engine")]
pub mod pipes;
mod process;
#[cfg(feature = "engine")]
pub mod threads;

pub use bridge::within;
pub use callback::{Call, Method, method};
pub use memory::{GuestMemory, PageMemory, UNBOUND};
#[cfg(all(unix, feature = "text"))]
pub use process::quit;
#[cfg(all(unix, feature = "engine"))]
use process::within_share;
pub use process::{Worker, copy_of_descriptor, host_descriptor, is_main_thread, prepare_process, trace_file};

use super::realm::{Environment, Realm};
use callback::{environment_ended, guest_collected, syscall};
use napi::sys;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// A JavaScript exception is pending; nothing is left but to return to the engine, or to take it.
#[derive(Debug)]
pub struct Thrown;

/// What a call into the engine gives.
pub type JsResult<T> = Result<T, Thrown>;

/// The engine, during one callback.
#[derive(Clone, Copy)]
pub struct Js<'s> {
    env: sys::napi_env,
    callback: PhantomData<&'s ()>,
}

/// A JavaScript value, during one callback.
#[derive(Clone, Copy)]
pub struct Value<'s> {
    raw: sys::napi_value,
    callback: PhantomData<&'s ()>,
}

/// What `typeof` says, and `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Undefined,
    Null,
    Boolean,
    Number,
    String,
    Symbol,
    Object,
    Function,
    Bigint,
}

/// Calls a Node-API function whose last parameter is where the result goes.
///
/// SAFETY of every use: `env` is valid during the callback that `Js` stands for, values are handles of that callback,
/// strings are passed with their length, and the result is a local of the type the function writes.
macro_rules! napi {
    ($js:expr, $function:ident($($arg:expr),*) -> $result:ty) => {{
        let mut result: $result = <$result as Empty>::EMPTY;
        // SAFETY: see the macro.
        let status = unsafe { sys::$function($js.env, $($arg,)* &mut result) };
        $js.check(status).map(|()| result)
    }};
}

/// What a result holds before it is written.
trait Empty {
    const EMPTY: Self;
}

macro_rules! empty {
    ($($type:ty = $value:expr;)*) => {$(impl Empty for $type { const EMPTY: Self = $value; })*};
}

empty! {
    sys::napi_value = ptr::null_mut();
    sys::napi_ref = ptr::null_mut();
    bool = false;
    f64 = 0.0;
    u32 = 0;
    usize = 0;
    sys::napi_valuetype = 0;
}

impl<'s> Js<'s> {
    /// # Safety
    /// `env` must be the environment of a callback that is running, and `'s` no longer than it.
    pub(super) unsafe fn new(env: sys::napi_env) -> Self {
        Self { env, callback: PhantomData }
    }

    fn value(self, raw: sys::napi_value) -> Value<'s> {
        Value { raw, callback: PhantomData }
    }

    /// Makes sure that a failed call has left an exception.
    fn check(self, status: sys::napi_status) -> JsResult<()> {
        match status {
            sys::Status::napi_ok => Ok(()),
            sys::Status::napi_pending_exception | sys::Status::napi_cannot_run_js => Err(Thrown),
            other => {
                let message = format!("Node-API call failed with status {other}\0");
                // SAFETY: the message ends in NUL; no code is given.
                unsafe { sys::napi_throw_error(self.env, ptr::null(), message.as_ptr().cast()) };
                Err(Thrown)
            }
        }
    }

    /// The same value, known to live as long as this callback: values of an outer callback do.
    pub fn rescope(self, value: Value<'_>) -> Value<'s> {
        self.value(value.raw)
    }

    pub fn undefined(self) -> JsResult<Value<'s>> {
        napi!(self, napi_get_undefined() -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn null(self) -> JsResult<Value<'s>> {
        napi!(self, napi_get_null() -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn global(self) -> JsResult<Value<'s>> {
        napi!(self, napi_get_global() -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn boolean(self, value: bool) -> JsResult<Value<'s>> {
        napi!(self, napi_get_boolean(value) -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn number(self, value: f64) -> JsResult<Value<'s>> {
        napi!(self, napi_create_double(value) -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn string(self, text: &str) -> JsResult<Value<'s>> {
        napi!(self, napi_create_string_utf8(text.as_ptr().cast(), signed(text.len())) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    /// A string of UTF-16 units, as JavaScript has them: they need not be a text.
    pub fn string_of_units(self, units: &[u16]) -> JsResult<Value<'s>> {
        napi!(self, napi_create_string_utf16(units.as_ptr(), signed(units.len())) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    /// The UTF-16 units of a string.
    pub fn units_of(self, string: Value<'s>) -> JsResult<Vec<u16>> {
        let len = napi!(self, napi_get_value_string_utf16(string.raw, ptr::null_mut(), 0) -> usize)?;
        let mut units = vec![0_u16; len + 1];
        let copied = napi!(self, napi_get_value_string_utf16(string.raw, units.as_mut_ptr(), units.len()) -> usize)?;
        units.truncate(copied);
        Ok(units)
    }

    pub fn symbol(self, description: &str) -> JsResult<Value<'s>> {
        let description = self.string(description)?;
        napi!(self, napi_create_symbol(description.raw) -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn object(self) -> JsResult<Value<'s>> {
        napi!(self, napi_create_object() -> sys::napi_value).map(|raw| self.value(raw))
    }

    /// A new array of these.
    pub fn array(self, items: impl Iterator<Item = JsResult<Value<'s>>>) -> JsResult<Value<'s>> {
        let array = napi!(self, napi_create_array() -> sys::napi_value).map(|raw| self.value(raw))?;
        for (index, item) in (0..).zip(items) {
            self.set_index(array, index, item?)?;
        }
        Ok(array)
    }

    /// A new ArrayBuffer with these bytes.
    pub fn array_buffer(self, bytes: &[u8]) -> JsResult<Value<'s>> {
        let mut data = ptr::null_mut();
        let raw = napi!(self, napi_create_arraybuffer(bytes.len(), &raw mut data) -> sys::napi_value)?;
        if let Some(data) = NonNull::new(data.cast::<u8>()) {
            // SAFETY: the buffer was just made, with room for so many bytes, and nothing else knows it.
            unsafe { data.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Ok(self.value(raw))
    }

    /// A new Buffer with these bytes.
    pub fn buffer(self, bytes: &[u8]) -> JsResult<Value<'s>> {
        napi!(self, napi_create_buffer_copy(bytes.len(), bytes.as_ptr().cast(), ptr::null_mut()) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    /// A function backed by a [`Method`], which finds `data` (see [`Call::data`]).
    pub fn function<M: Method>(self, data: usize) -> JsResult<Value<'s>> {
        let data = ptr::without_provenance_mut(data);
        napi!(self, napi_create_function(
            M::NAME.as_ptr().cast(), signed(M::NAME.len()), Some(method::<M>), data) -> sys::napi_value)
        .map(|raw| self.value(raw))
    }

    /// The function through which all syscalls enter: no argument, no result, everything in the realm's call page.
    /// The realm must be the environment's own: it stays where it is until the environment ends.
    pub fn syscall_function(self, realm: &Realm) -> JsResult<Value<'s>> {
        let data = ptr::from_ref(realm).cast_mut().cast();
        napi!(self, napi_create_function(c"syscall".as_ptr(), 7, Some(syscall), data) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    pub fn type_of(self, value: Value<'s>) -> JsResult<Type> {
        Ok(match napi!(self, napi_typeof(value.raw) -> sys::napi_valuetype)? {
            sys::ValueType::napi_undefined => Type::Undefined,
            sys::ValueType::napi_null => Type::Null,
            sys::ValueType::napi_boolean => Type::Boolean,
            sys::ValueType::napi_number => Type::Number,
            sys::ValueType::napi_string => Type::String,
            sys::ValueType::napi_symbol => Type::Symbol,
            sys::ValueType::napi_function => Type::Function,
            sys::ValueType::napi_bigint => Type::Bigint,
            _ => Type::Object,
        })
    }

    pub fn is_undefined(self, value: Value<'s>) -> JsResult<bool> {
        Ok(self.type_of(value)? == Type::Undefined)
    }

    pub fn is_array_buffer(self, value: Value<'s>) -> JsResult<bool> {
        napi!(self, napi_is_arraybuffer(value.raw) -> bool)
    }

    pub fn strict_equals(self, left: Value<'s>, right: Value<'s>) -> JsResult<bool> {
        napi!(self, napi_strict_equals(left.raw, right.raw) -> bool)
    }

    pub fn get(self, object: Value<'s>, key: Value<'s>) -> JsResult<Value<'s>> {
        napi!(self, napi_get_property(object.raw, key.raw) -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn get_named(self, object: Value<'s>, name: &str) -> JsResult<Value<'s>> {
        self.get(object, self.string(name)?)
    }

    pub fn get_index(self, object: Value<'s>, index: u32) -> JsResult<Value<'s>> {
        napi!(self, napi_get_element(object.raw, index) -> sys::napi_value).map(|raw| self.value(raw))
    }

    pub fn array_length(self, array: Value<'s>) -> JsResult<u32> {
        napi!(self, napi_get_array_length(array.raw) -> u32)
    }

    pub fn set(self, object: Value<'s>, key: Value<'s>, value: Value<'s>) -> JsResult<()> {
        // SAFETY: as in `napi!`.
        self.check(unsafe { sys::napi_set_property(self.env, object.raw, key.raw, value.raw) })
    }

    pub fn set_index(self, object: Value<'s>, index: u32, value: Value<'s>) -> JsResult<()> {
        // SAFETY: as in `napi!`.
        self.check(unsafe { sys::napi_set_element(self.env, object.raw, index, value.raw) })
    }

    pub fn set_named(self, object: Value<'s>, name: &str, value: Value<'s>) -> JsResult<()> {
        self.set(object, self.string(name)?, value)
    }

    pub fn delete_named(self, object: Value<'s>, name: &str) -> JsResult<bool> {
        let name = self.string(name)?;
        napi!(self, napi_delete_property(object.raw, name.raw) -> bool)
    }

    pub fn call(self, this: Value<'s>, function: Value<'s>, args: &[Value<'s>]) -> JsResult<Value<'s>> {
        // A `Value` is its handle and nothing else, so a slice of the one is a slice of the other.
        const { assert!(size_of::<Value<'_>>() == size_of::<sys::napi_value>()) };
        napi!(self, napi_call_function(this.raw, function.raw, args.len(), args.as_ptr().cast()) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    pub fn construct(self, constructor: Value<'s>, args: &[Value<'s>]) -> JsResult<Value<'s>> {
        napi!(self, napi_new_instance(constructor.raw, args.len(), args.as_ptr().cast()) -> sys::napi_value)
            .map(|raw| self.value(raw))
    }

    /// What `${value}` is.
    pub fn to_string(self, value: Value<'s>) -> JsResult<Value<'s>> {
        napi!(self, napi_coerce_to_string(value.raw) -> sys::napi_value).map(|raw| self.value(raw))
    }

    /// What `${value}` is, as text.
    pub fn coerce_to_string(self, value: Value<'s>) -> JsResult<String> {
        self.string_of(self.to_string(value)?)
    }

    /// The text of a string; a lone surrogate becomes U+FFFD.
    pub fn string_of(self, string: Value<'s>) -> JsResult<String> {
        let copy = |room| {
            let mut text = vec![0_u8; room];
            let copied = napi!(self, napi_get_value_string_utf8(string.raw, text.as_mut_ptr().cast(), room) -> usize)?;
            text.truncate(copied);
            Ok(text)
        };
        // Asking for the length first would cost as much as copying a string of ordinary length.
        let mut text = copy(256)?;
        if text.len() > 250 {
            text = copy(1 + napi!(self, napi_get_value_string_utf8(string.raw, ptr::null_mut(), 0) -> usize)?)?;
        }
        Ok(String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    pub fn number_of(self, number: Value<'s>) -> JsResult<f64> {
        napi!(self, napi_get_value_double(number.raw) -> f64)
    }

    /// Whether `if (value)` is taken.
    pub fn truthy(self, value: Value<'s>) -> JsResult<bool> {
        let boolean = napi!(self, napi_coerce_to_bool(value.raw) -> sys::napi_value)?;
        self.boolean_of(self.value(boolean))
    }

    pub fn boolean_of(self, boolean: Value<'s>) -> JsResult<bool> {
        napi!(self, napi_get_value_bool(boolean.raw) -> bool)
    }

    /// Throws a value.
    pub fn throw(self, value: Value<'s>) -> Thrown {
        // SAFETY: as in `napi!`.
        unsafe { sys::napi_throw(self.env, value.raw) };
        Thrown
    }

    /// An error object of the environment's own realm, with a code if there is one.
    pub fn error(self, kind: ErrorKind, code: Option<&str>, message: Value<'s>) -> JsResult<Value<'s>> {
        let code = match code {
            Some(code) => self.string(code)?.raw,
            None => ptr::null_mut(),
        };
        match kind {
            ErrorKind::Error => napi!(self, napi_create_error(code, message.raw) -> sys::napi_value),
            ErrorKind::TypeError => napi!(self, napi_create_type_error(code, message.raw) -> sys::napi_value),
            ErrorKind::RangeError => napi!(self, napi_create_range_error(code, message.raw) -> sys::napi_value),
        }
        .map(|raw| self.value(raw))
    }

    /// Takes the pending exception. There is none that could be taken when the thread is being terminated.
    pub fn take_exception(self, thrown: Thrown) -> JsResult<Value<'s>> {
        let mut pending = false;
        // SAFETY: as in `napi!`.
        let status = unsafe { sys::napi_is_exception_pending(self.env, &raw mut pending) };
        if status != sys::Status::napi_ok || !pending {
            return Err(thrown);
        }
        let mut raw = ptr::null_mut();
        // SAFETY: as in `napi!`.
        match unsafe { sys::napi_get_and_clear_last_exception(self.env, &raw mut raw) } {
            sys::Status::napi_ok => Ok(self.value(raw)),
            _ => Err(thrown),
        }
    }

    /// A reference that keeps the value alive until the environment ends.
    pub fn keep(self, value: Value<'s>) -> JsResult<Reference> {
        napi!(self, napi_create_reference(value.raw, 1) -> sys::napi_ref).map(|raw| Reference { env: self.env, raw })
    }

    /// A reference that does not keep the object alive.
    pub fn watch(self, object: Value<'s>) -> JsResult<Reference> {
        napi!(self, napi_create_reference(object.raw, 0) -> sys::napi_ref).map(|raw| Reference { env: self.env, raw })
    }

    /// What a reference refers to, if it is still there.
    pub fn dereference(self, reference: &Reference) -> JsResult<Option<Value<'s>>> {
        let raw = napi!(self, napi_get_reference_value(reference.raw) -> sys::napi_value)?;
        Ok((!raw.is_null()).then(|| self.value(raw)))
    }

    /// Runs [`Realm::forget_guest`] for a guest's ticket once `object` has been collected.
    pub fn forget_guest_with(self, object: Value<'s>, ticket: usize) -> JsResult<()> {
        let data = ptr::without_provenance_mut(ticket);
        // SAFETY: as in `napi!`; the data is a number, not a pointer.
        self.check(unsafe {
            sys::napi_add_finalizer(self.env, object.raw, data, Some(guest_collected), ptr::null_mut(), ptr::null_mut())
        })
    }

    /// Tells the engine of memory that it does not see, so that it collects in time.
    pub fn adjust_external_memory(self, bytes: i64) -> JsResult<()> {
        let mut total = 0;
        // SAFETY: as in `napi!`.
        self.check(unsafe { sys::napi_adjust_external_memory(self.env, bytes, &raw mut total) })
    }

    /// Gives the environment what it has once; it is dropped when the environment ends.
    pub fn set_environment(self, environment: Box<Environment>) -> JsResult<()> {
        let data = Box::into_raw(environment);
        // SAFETY: the finalizer takes the box back, at the environment's end and not before.
        self.check(unsafe {
            sys::napi_set_instance_data(self.env, data.cast(), Some(environment_ended), ptr::null_mut())
        })
    }

    /// What the environment has once.
    pub fn environment(self) -> JsResult<&'s Environment> {
        let mut data = ptr::null_mut();
        // SAFETY: as in `napi!`.
        self.check(unsafe { sys::napi_get_instance_data(self.env, &raw mut data) })?;
        // SAFETY: `set_environment` put it there when the module was loaded, before any of its functions could run, and it is
        // only shared from then on.
        unsafe { data.cast::<Environment>().as_ref() }.ok_or(Thrown)
    }

    /// The environment's realm.
    pub fn realm(self) -> JsResult<&'s Realm> {
        self.environment()?.realm().ok_or(Thrown)
    }

    /// The bytes of an ArrayBuffer or a Uint8Array: where they are and how many.
    fn bytes_of(self, buffer: Value<'s>) -> JsResult<(NonNull<u8>, usize)> {
        if !self.is_array_buffer(buffer)? {
            let (_, data, len) = self.typed_array(buffer)?;
            return Ok((data, len));
        }
        let mut data = ptr::null_mut();
        let len = napi!(self, napi_get_arraybuffer_info(buffer.raw, &raw mut data) -> usize)?;
        Ok(addressed(data, len))
    }

    /// The type of a typed array's elements, where they are and how many.
    fn typed_array(self, array: Value<'s>) -> JsResult<(i32, NonNull<u8>, usize)> {
        let (mut kind, mut len, mut data, mut offset, mut of) = (0, 0, ptr::null_mut(), 0, ptr::null_mut());
        // SAFETY: as in `napi!`, with several results.
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
}

/// Bytes as the engine names them: those of a memory of no pages, or of a detached buffer, may have no address.
fn addressed(data: *mut std::ffi::c_void, len: usize) -> (NonNull<u8>, usize) {
    NonNull::new(data.cast()).map_or((NonNull::dangling(), 0), |data| (data, len))
}

/// A string's length as Node-API wants it.
fn signed(len: usize) -> isize {
    isize::try_from(len).unwrap_or(isize::MAX)
}

/// Which constructor makes an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    Error,
    TypeError,
    RangeError,
}

/// A reference to a JavaScript value that outlives the callback.
#[derive(Debug)]
pub struct Reference {
    env: sys::napi_env,
    raw: sys::napi_ref,
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: a reference is dropped on its environment's thread, by the realm at the latest, whose finalizer runs
        // while references can still be deleted.
        unsafe { sys::napi_delete_reference(self.env, self.raw) };
    }
}

//! Values that an environment keeps, by key.

use super::references::Reference;
use super::scope::{Js, JsResult, Thrown, Value};
use std::marker::PhantomData;

/// A key of a [`Store`].
pub trait Key: Copy {
    /// Its number; small ones take little memory.
    fn index(self) -> u32;
}

/// Values that are kept alive as long as the store, by key. One reference serves all.
#[derive(Debug)]
pub struct Store<K> {
    object: Reference,
    keys: PhantomData<K>,
}

impl<K: Key> Store<K> {
    /// An empty store.
    pub fn new(js: Js<'_>) -> JsResult<Self> {
        Ok(Self { object: js.keep(js.object()?)?, keys: PhantomData })
    }

    fn object<'s>(&self, js: Js<'s>) -> JsResult<Value<'s>> {
        js.dereference(&self.object)?.ok_or(Thrown)
    }

    /// The value of a key, undefined if there is none yet.
    pub fn get<'s>(&self, js: Js<'s>, key: K) -> JsResult<Value<'s>> {
        js.get_index(self.object(js)?, key.index())
    }

    /// Keeps values.
    pub fn put<'s>(&self, js: Js<'s>, values: impl IntoIterator<Item = (K, Value<'s>)>) -> JsResult<()> {
        let object = self.object(js)?;
        values.into_iter().try_for_each(|(key, value)| js.set_index(object, key.index(), value))
    }

    /// The value of a key, which `make` makes the first time.
    pub fn get_or_make<'s>(
        &self,
        js: Js<'s>,
        key: K,
        make: impl FnOnce() -> JsResult<Value<'s>>,
    ) -> JsResult<Value<'s>> {
        let known = self.get(js, key)?;
        if !js.is_undefined(known)? {
            return Ok(known);
        }
        let made = make()?;
        self.put(js, [(key, made)])?;
        Ok(made)
    }
}

//! The tree behind an object.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use crate::node_api::{Js, JsResult, Mark, Type, Value};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::files::memory::{Open, RawOpen};

/// The mark of objects with a tree, for each addon of this package. (The handle within has a version.)
const MARK: Mark = Mark { lower: 0x4f1c_9a37_d2e8_6b05, upper: 1 };

/// The message for a directory whose files another one has.
pub const IS_UPPER: &str = "the directory is the upper one of an overlay";

/// A directory that an object stands for, opened once more; none if it is another object.
pub fn directory_of<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<Option<Result<Open, Errno>>> {
    if js.type_of(object)? != Type::Object {
        return Ok(None);
    }
    let marked = js.marked::<RawOpen>(object, MARK)?;
    // SAFETY: objects with this mark hold a value that begins with the handle of an `Open` that it
    // keeps.
    Ok(marked.and_then(|root| unsafe { Open::of_raw(root.read()) }))
}

#[cfg(feature = "class")]
mod maker {
    use super::MARK;
    use crate::node_api::{Js, JsResult, Value, Weighed};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use wasi_rs_core::abi::Errno;
    use wasi_rs_core::files::memory::{Open, RawOpen, Tree};

    /// The value of such an object, of which any addon reads the root, and only the one that has made it the
    /// rest.
    #[repr(C)]
    struct Marked<T> {
        root: RawOpen,
        open: Open,
        /// Bytes that the engine was told of.
        weight: AtomicI64,
        rest: T,
    }

    impl<T: 'static> Weighed for Marked<T> {
        fn weight(&self) -> i64 {
            self.weight.load(Ordering::Relaxed)
        }
    }

    /// Has an object stand for the root directory of a tree.
    pub fn mark<'s>(js: Js<'s>, object: Value<'s>, tree: Arc<Tree>) -> JsResult<Result<(), Errno>> {
        match tree.root() {
            Ok(open) => {
                js.mark(object, MARK, Marked { root: open.raw(), open, weight: AtomicI64::new(0), rest: tree }).map(Ok)
            }
            Err(errno) => Ok(Err(errno)),
        }
    }

    /// The tree that an object stands for.
    pub fn tree_of<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<Option<Arc<Tree>>> {
        let marked = js.marked::<Marked<Arc<Tree>>>(object, MARK)?;
        // SAFETY: objects with this mark are made by the one addon that has the functions of trees.
        let Some(marked) = marked.map(|marked| unsafe { marked.as_ref() }) else { return Ok(None) };
        // Programs fill it meanwhile: the engine is told when its embedder looks.
        let used = i64::try_from(marked.rest.used()).unwrap_or(i64::MAX);
        let before = marked.weight.swap(used, Ordering::Relaxed);
        if used != before {
            js.adjust_external_memory(used - before)?;
        }
        Ok(Some(Arc::clone(&marked.rest)))
    }
}

#[cfg(feature = "class")]
pub use maker::{mark, tree_of};

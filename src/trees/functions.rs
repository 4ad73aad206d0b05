//! The functions of trees, for `lib/memory.js`. An error of a tree is its name, such as `'ENOENT'`, in
//! place of the answer.

use super::object::{IS_UPPER, mark, tree_of};
use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Thrown, Value};
use crate::permission::{Scope, require_path};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::flags::Clockid;
use wasi_rs_core::files::memory::{Item, New, Tree};
use wasi_rs_core::host::clock;
use wasi_rs_core::host::dir::open_preopen_unsandboxed;
use wasi_rs_core::host::random::Random;

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    let object = js.object()?;
    js.set_named(object, Make::NAME, js.function::<Make>(0)?)?;
    js.set_named(object, Adopt::NAME, js.function::<Adopt>(0)?)?;
    js.set_named(object, Share::NAME, js.function::<Share>(0)?)?;
    js.set_named(object, Put::NAME, js.function::<Put>(0)?)?;
    js.set_named(object, WriteFile::NAME, js.function::<WriteFile>(0)?)?;
    js.set_named(object, ReadFile::NAME, js.function::<ReadFile>(0)?)?;
    js.set_named(object, Remove::NAME, js.function::<Remove>(0)?)?;
    js.set_named(object, MarkStart::NAME, js.function::<MarkStart>(0)?)?;
    js.set_named(object, Items::NAME, js.function::<Items>(0)?)?;
    js.set_named(object, Changed::NAME, js.function::<Changed>(0)?)?;
    js.set_named(object, Removed::NAME, js.function::<Removed>(0)?)?;
    js.set_named(object, Usage::NAME, js.function::<Usage>(0)?)?;
    js.set_named(object, Overlay::NAME, js.function::<Overlay>(0)?)?;
    js.set_named(exports, "trees", object)
}

/// The longest file that JavaScript gets: a `Uint8Array` of V8 takes no more.
const MOST: u64 = (1 << 33) - 1;

fn now() -> u64 {
    clock::now(Clockid::Realtime)
}

fn tree(call: &Call<'_>) -> JsResult<Arc<Tree>> {
    tree_at(call.js, call.args[0])
}

fn tree_at<'s>(js: Js<'s>, object: Value<'s>) -> JsResult<Arc<Tree>> {
    let (code, message) = match tree_of(js, object)? {
        Some(tree) if !tree.is_taken() => return Ok(tree),
        Some(_) => (Some("ERR_INVALID_STATE"), IS_UPPER),
        None => (None, "not a directory in memory"),
    };
    Err(js.throw(js.error(ErrorKind::TypeError, code, js.string(message)?)?))
}

fn path(call: &Call<'_>) -> JsResult<Vec<u8>> {
    call.js.string_of(call.args[1]).map(String::into_bytes)
}

fn answer(js: Js<'_>, result: Result<(), Errno>) -> JsResult<Value<'_>> {
    match result {
        Ok(()) => js.undefined(),
        Err(errno) => js.string(errno.name()),
    }
}

fn bytes<'s>(js: Js<'s>, value: Value<'s>) -> JsResult<Option<Vec<u8>>> {
    js.view_or_buffer(value)
}

/// `make(object, limit)`: has the object stand for a new tree, whose files take at most `limit` bytes.
struct Make;

impl Method for Make {
    const NAME: &'static str = "make";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [object, limit, ..]) = (call.js, call.args);
        let limit = js.number_of(limit)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let limit = limit as u64;
        answer(js, mark(js, object, Tree::new(limit, now()))?)
    }
}

/// The trees that can be found by their tokens, from any thread, as long as an object stands for them.
static SHARED: LazyLock<Mutex<HashMap<String, Weak<Tree>>>> = LazyLock::new(Mutex::default);

/// `share(object)`: a token with which `adopt` finds the tree. It is as hard to guess as a key.
struct Share;

impl Method for Share {
    const NAME: &'static str = "share";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, tree) = (call.js, tree(call)?);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, tree| tree.strong_count() > 0);
        let known = shared.iter().find(|(_, other)| std::ptr::eq(other.as_ptr(), Arc::as_ptr(&tree)));
        if let Some((token, _)) = known {
            return js.string(token);
        }
        let mut key = [0; 16];
        if let Err(errno) = Random::default().fill(&mut key) {
            return js
                .error(ErrorKind::Error, Some(errno.name()), js.string(errno.text())?)
                .and_then(|error| Err(js.throw(error)));
        }
        let token = format!("wasi-rs:memory:{:032x}", u128::from_ne_bytes(key));
        shared.insert(token.clone(), Arc::downgrade(&tree));
        js.string(&token)
    }
}

/// `adopt(object, token)`: has the object stand for the tree that was shared; false if it is gone.
struct Adopt;

impl Method for Adopt {
    const NAME: &'static str = "adopt";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [object, token, ..]) = (call.js, call.args);
        let token = js.string_of(token)?;
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.get(&token).and_then(Weak::upgrade);
        drop(shared);
        match found {
            Some(tree) => js.boolean(mark(js, object, tree)?.is_ok()),
            None => js.boolean(false),
        }
    }
}

/// `put(object, path, what)`: a directory, if `what` is undefined, a link to it, if it is a string, or a
/// file with these bytes.
struct Put;

impl Method for Put {
    const NAME: &'static str = "put";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, what) = (call.js, call.args[2]);
        let new = match bytes(js, what)? {
            Some(bytes) => New::File(bytes.into()),
            None if js.is_undefined(what)? => New::Dir,
            None => New::Link(js.string_of(what)?.into_bytes()),
        };
        answer(js, tree(call)?.put(&path(call)?, new, now()))
    }
}

/// `writeFile(object, path, bytes)`.
struct WriteFile;

impl Method for WriteFile {
    const NAME: &'static str = "writeFile";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let bytes = bytes(js, call.args[2])?.ok_or(Thrown)?;
        answer(js, tree(call)?.write_file(&path(call)?, bytes.into(), now()))
    }
}

/// `readFile(object, path)`: a `Buffer`.
struct ReadFile;

impl Method for ReadFile {
    const NAME: &'static str = "readFile";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let tree = tree(call)?;
        let bytes = tree.file(&path(call)?).and_then(|file| {
            let most = if file.is_of_host() { MOST } else { tree.limit().min(MOST) };
            file.to_vec(most)
        });
        match bytes {
            Ok(bytes) => js.owned_buffer(bytes),
            Err(errno) => js.string(errno.name()),
        }
    }
}

/// `remove(object, path)`: a directory with all that is in it.
struct Remove;

impl Method for Remove {
    const NAME: &'static str = "remove";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        answer(call.js, tree(call)?.remove(&path(call)?, now()))
    }
}

/// `markStart(object)`: what is there is the start, once.
struct MarkStart;

impl Method for MarkStart {
    const NAME: &'static str = "markStart";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        answer(call.js, tree(call)?.mark_start())
    }
}

/// `items(object)`: all paths in order, each as `[path, what]`: undefined for a directory, a `Buffer` for a
/// file, the target of a link as a string.
struct Items;

impl Method for Items {
    const NAME: &'static str = "items";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let tree = tree(call)?;
        items_to_js(call.js, tree.items(), tree.limit())
    }
}

/// `changed(object)`: the same of the paths that were not there at the start, or stood for something else.
struct Changed;

impl Method for Changed {
    const NAME: &'static str = "changed";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let tree = tree(call)?;
        items_to_js(call.js, tree.changed(), tree.limit())
    }
}

/// Of files with holes the bytes may be more than the tree's limit: together they are at most that here.
/// Those of the host's files don't count there.
fn items_to_js(js: Js<'_>, items: Result<Vec<(Vec<u8>, Item)>, Errno>, limit: u64) -> JsResult<Value<'_>> {
    let items = match items {
        Ok(items) => items,
        Err(errno) => return js.string(errno.name()),
    };
    let mut left = limit.min(MOST);
    let text = |bytes: &[u8]| js.string(&String::from_utf8_lossy(bytes));
    let items = items.into_iter().map(|(path, item)| {
        let what = match item {
            Item::Dir => js.undefined()?,
            Item::Link(target) => text(&target)?,
            Item::File(file) => match file.to_vec(if file.is_of_host() { MOST } else { left }) {
                Ok(bytes) => {
                    left -= if file.is_of_host() { 0 } else { bytes.len() as u64 };
                    js.owned_buffer(bytes)?
                }
                Err(errno) => {
                    let why = match errno {
                        Errno::Nomem if !file.is_of_host() => "with its holes, more than the limit of the directory",
                        _ => errno.text(),
                    };
                    let message = format!("{}: {why}, read '{}'", errno.name(), String::from_utf8_lossy(&path));
                    let error = js.error(ErrorKind::Error, Some(errno.name()), js.string(&message)?)?;
                    return Err(js.throw(error));
                }
            },
        };
        js.array([text(&path), Ok(what)].into_iter())
    });
    js.array(items)
}

/// `removed(object)`: the paths of the start that are not there any more; those of directories end in a
/// slash.
struct Removed;

impl Method for Removed {
    const NAME: &'static str = "removed";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let js = call.js;
        let paths = tree(call)?.removed().into_iter().map(|(path, is_dir)| {
            js.string(&format!("{}{}", String::from_utf8_lossy(&path), if is_dir { "/" } else { "" }))
        });
        js.array(paths)
    }
}

/// `usage(object)`: `[used, limit]`, in bytes.
struct Usage;

impl Method for Usage {
    const NAME: &'static str = "usage";

    #[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are these")]
    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, tree) = (call.js, tree(call)?);
        js.array([tree.used(), tree.limit()].map(|number| js.number(number as f64)).into_iter())
    }
}

/// `overlay(object, path, upper)`: has the object stand for the files of another one above a directory of
/// the host; that has none any more.
struct Overlay;

impl Method for Overlay {
    const NAME: &'static str = "overlay";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [object, path, upper, ..]) = (call.js, call.args);
        // The embedder itself reads through it.
        let path = require_path(js, &[Scope::Read], &js.string_of(path)?)?;
        let upper = tree_at(js, upper)?;
        let lower = match path.to_str().ok_or(Errno::Ilseq).map(open_preopen_unsandboxed) {
            Ok(Ok(lower)) => lower,
            Ok(Err(error)) => return answer(js, Err(error.into())),
            Err(errno) => return answer(js, Err(errno)),
        };
        match Tree::over(lower, &upper, now()) {
            Ok(tree) => answer(js, mark(js, object, tree)?),
            Err(errno) => answer(js, Err(errno)),
        }
    }
}

//! Node's permission model. It is asked by the native functions themselves: whoever may read the package's files can call
//! these without the checks of `lib/`. What they ask is what was there when the addon was loaded: `globalThis.process` and
//! `process.permission.has` are anybody's to replace.

use crate::errors;
use crate::node_api::{Js, JsResult, Reference, Type, Value};
use std::cell::RefCell;
use std::path::{Path, PathBuf, absolute};
use std::rc::{Rc, Weak};

/// What a process needs a flag for, where it was started with `--permission`.
#[derive(Clone, Copy)]
pub enum Scope {
    /// Programs of WASI, as with node:wasi. (Neither asks for permissions of the file system: which directories a guest may
    /// use, the embedder says.)
    Wasi,
    /// To read files.
    Read,
    /// To change files.
    Write,
}

impl Scope {
    /// Its name in `process.permission.has()`, in the flag, and in the error.
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Wasi => ("wasi", "--allow-wasi", "WASI"),
            Self::Read => ("fs.read", "--allow-fs-read", "FileSystemRead"),
            Self::Write => ("fs.write", "--allow-fs-write", "FileSystemWrite"),
        }
    }
}

/// `ERR_ACCESS_DENIED`, unless the process may run programs of WASI.
pub fn require_wasi(js: Js<'_>) -> JsResult<()> {
    require(js, Scope::Wasi, None)
}

/// A path that stays the same when the working directory changes; `ERR_ACCESS_DENIED`, unless the process may do these
/// with what is there.
pub fn require_path(js: Js<'_>, scopes: &[Scope], path: &str) -> JsResult<PathBuf> {
    let path = absolute(path).unwrap_or_else(|_| path.into());
    scopes.iter().try_for_each(|scope| require(js, *scope, Some(&path)))?;
    Ok(path)
}

fn require(js: Js<'_>, scope: Scope, path: Option<&Path>) -> JsResult<()> {
    let models: Vec<_> = MODELS.with_borrow(|models| models.iter().filter_map(Weak::upgrade).collect());
    let resource = path.map(Path::to_string_lossy).unwrap_or_default();
    let (name, ..) = scope.names();
    for model in models {
        let mut arguments = vec![js.string(name)?];
        if path.is_some() {
            arguments.push(js.string(&resource)?);
        }
        if !model.permits(js, &arguments)? {
            return Err(errors::access_denied(js, scope, &resource));
        }
    }
    Ok(())
}

thread_local! {
    /// Those of all loads of the addons on this thread. All are asked: who has replaced something since may load an addon once
    /// more.
    static MODELS: RefCell<Vec<Weak<Model>>> = const { RefCell::new(Vec::new()) };
}

/// The model of an environment, where the process was started with `--permission`.
#[derive(Debug)]
pub struct Model {
    permission: Reference,
    has: Reference,
}

impl Model {
    /// Takes it as the addon is loaded. `lib/addon.js` has put Node's own `process` on the exports, for another may be the
    /// global one already.
    pub fn take(js: Js<'_>, exports: Value<'_>) -> JsResult<Option<Rc<Self>>> {
        let given = js.get_named(exports, "process")?;
        let process = if js.is_undefined(given)? { js.get_named(js.global()?, "process")? } else { given };
        if js.type_of(process)? != Type::Object {
            return Ok(None); // not in Node
        }
        let permission = js.get_named(process, "permission")?;
        if js.is_undefined(permission)? {
            return Ok(None);
        }
        let has = js.keep(js.get_named(permission, "has")?)?;
        let model = Rc::new(Self { permission: js.keep(permission)?, has });
        MODELS.with_borrow_mut(|models| {
            models.retain(|model| model.strong_count() > 0);
            models.push(Rc::downgrade(&model));
        });
        Ok(Some(model))
    }

    fn permits<'s>(&self, js: Js<'s>, arguments: &[Value<'s>]) -> JsResult<bool> {
        let (Some(permission), Some(has)) = (js.dereference(&self.permission)?, js.dereference(&self.has)?) else {
            return Ok(false);
        };
        js.truthy(js.call(permission, has, arguments)?)
    }
}

//! Node's permission model. The native functions themselves ask it: a script that may read the package's
//! files can call these without the checks of `lib/`. They ask the model that was there when the addon was
//! loaded, because scripts may replace `globalThis.process` and `process.permission.has`.

use crate::errors;
use crate::node_api::{Js, JsResult, Reference, Type, Value};
use std::cell::RefCell;
use std::path::{Path, PathBuf, absolute};
use std::rc::{Rc, Weak};

/// A permission that a process needs a flag for, where it was started with `--permission`.
#[derive(Clone, Copy)]
pub enum Scope {
    /// Running programs of WASI, as with node:wasi. (Neither asks for permissions of the file system: which
    /// directories a guest may use, the embedder says.)
    Wasi,
    /// Reading files.
    Read,
    /// Changing files.
    Write,
    /// Connections, and names of hosts. Node has it from version 25 on.
    Net,
}

impl Scope {
    /// Its name in `process.permission.has()`, in the flag, and in the error.
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Wasi => ("wasi", "--allow-wasi", "WASI"),
            Self::Read => ("fs.read", "--allow-fs-read", "FileSystemRead"),
            Self::Write => ("fs.write", "--allow-fs-write", "FileSystemWrite"),
            Self::Net => ("net", "--allow-net", "Net"),
        }
    }
}

/// `ERR_ACCESS_DENIED`, unless the process may run programs of WASI.
pub fn require_wasi(js: Js<'_>) -> JsResult<()> {
    require(js, Scope::Wasi, None)
}

/// `ERR_ACCESS_DENIED`, unless the process may use the network, or Node has no such permission.
pub fn require_net(js: Js<'_>) -> JsResult<()> {
    require(js, Scope::Net, None)
}

/// The absolute path; `ERR_ACCESS_DENIED`, unless the process has these permissions there.
pub fn require_path(js: Js<'_>, scopes: &[Scope], path: &str) -> JsResult<PathBuf> {
    let path = absolute(path).unwrap_or_else(|_| path.into());
    scopes.iter().try_for_each(|scope| require(js, *scope, Some(&path)))?;
    Ok(path)
}

fn require(js: Js<'_>, scope: Scope, path: Option<&Path>) -> JsResult<()> {
    let models: Vec<_> = MODELS.with_borrow(|models| models.iter().filter_map(Weak::upgrade).collect());
    let resource = path.map(Path::to_string_lossy).unwrap_or_default();
    let (name, flag, permission) = scope.names();
    for model in models {
        let mut arguments = vec![js.string(name)?];
        if path.is_some() {
            arguments.push(js.string(&resource)?);
        }
        if matches!(scope, Scope::Net) && !model.has_net {
            continue;
        }
        if !model.permits(js, &arguments)? {
            return Err(errors::access_denied(js, permission, flag, &resource));
        }
    }
    Ok(())
}

thread_local! {
    /// The models of all loads of the addons on this thread. All are asked: a script that has replaced
    /// something since may load an addon once more.
    static MODELS: RefCell<Vec<Weak<Model>>> = const { RefCell::new(Vec::new()) };
}

/// The model of an environment, where the process was started with `--permission`.
#[derive(Debug)]
struct Model {
    permission: Reference,
    has: Reference,
    /// True if it knows the scope of networks.
    has_net: bool,
}

/// Takes the model, as the addon is loaded. `lib/addon.js` has put Node's own `process` on the exports, for
/// another may be the global one already.
pub fn capture(js: Js<'_>, exports: Value<'_>) -> JsResult<()> {
    let given = js.get_named(exports, "process")?;
    let process = if js.is_undefined(given)? { js.get_named(js.global()?, "process")? } else { given };
    if js.type_of(process)? != Type::Object {
        return Ok(()); // not in Node
    }
    let permission = js.get_named(process, "permission")?;
    if js.is_undefined(permission)? {
        return Ok(());
    }
    let has = js.keep(js.get_named(permission, "has")?)?;
    let flags = js.get_named(process, "allowedNodeEnvironmentFlags")?;
    let has_net = match js.type_of(flags)? {
        Type::Object => {
            js.truthy(js.call(flags, js.get_named(flags, "has")?, &[js.string(Scope::Net.names().1)?])?)?
        }
        _ => false,
    };
    let model = js.add_state(Rc::new(Model { permission: js.keep(permission)?, has, has_net }))?;
    MODELS.with_borrow_mut(|models| {
        models.retain(|model| model.strong_count() > 0);
        models.push(Rc::downgrade(model));
    });
    Ok(())
}

impl Model {
    fn permits<'s>(&self, js: Js<'s>, arguments: &[Value<'s>]) -> JsResult<bool> {
        let (Some(permission), Some(has)) = (js.dereference(&self.permission)?, js.dereference(&self.has)?) else {
            return Ok(false);
        };
        js.truthy(js.call(permission, has, arguments)?)
    }
}

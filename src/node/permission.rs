//! Node's permission model. It is asked by the native functions themselves: whoever may read the package's files can call
//! these without the checks of `lib/`.

use super::errors;
use super::ffi::{Js, JsResult, Value};
use std::path::{Path, PathBuf, absolute};

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
    let Some(permission) = model(js)? else {
        return Ok(());
    };
    let resource = path.map(Path::to_string_lossy).unwrap_or_default();
    let (name, ..) = scope.names();
    let mut arguments = vec![js.string(name)?];
    if path.is_some() {
        arguments.push(js.string(&resource)?);
    }
    let has = js.call(permission, js.get_named(permission, "has")?, &arguments)?;
    if js.truthy(has)? { Ok(()) } else { Err(errors::access_denied(js, scope, &resource)) }
}

/// `process.permission`, which is there where the process was started with `--permission`.
fn model(js: Js<'_>) -> JsResult<Option<Value<'_>>> {
    let process = js.get_named(js.global()?, "process")?;
    let permission = js.get_named(process, "permission")?;
    Ok(if js.is_undefined(permission)? { None } else { Some(permission) })
}

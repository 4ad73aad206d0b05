//! Modules and instances of the WebAssembly that is made here.

use crate::builtins::{self, Builtin};
use crate::call::encode::NAMESPACE;
use crate::node_api::{Js, JsResult, Value};

/// A module of these bytes.
pub fn compile<'s>(js: Js<'s>, bytes: &[u8]) -> JsResult<Value<'s>> {
    js.construct(builtins::get(js, Builtin::Module)?, &[js.array_buffer(bytes)?])
}

/// The exports of a new instance of a module.
pub fn instantiate<'s>(js: Js<'s>, module: Value<'s>, imports: Value<'s>) -> JsResult<Value<'s>> {
    let namespaces = js.object()?;
    js.set_named(namespaces, NAMESPACE, imports)?;
    let instance = js.construct(builtins::get(js, Builtin::Instance)?, &[module, namespaces])?;
    js.get_named(instance, "exports")
}

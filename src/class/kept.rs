//! Values that the class keeps in an environment: the symbols of its properties, those of control requests, a
//! trap.

use crate::node_api::{Js, JsResult, Key, Store, Value};

/// A value that the class keeps.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// The symbol `kBindingName`: the import module's name.
    BindingName,
    /// The symbol `kSetMemory`: a function that binds a memory, and takes control requests.
    SetMemory,
    /// The symbol `kStarted`.
    Started,
    /// The symbol `kExitCode`; also the exception of `proc_exit`.
    ExitCode,
    /// The symbol `kInstance`.
    Instance,
    /// The control request to close everything. Symbols of control requests are not handed out.
    Dispose,
    /// The control request for the guest's number.
    Number,
    /// The control request for the bytes captured of stdout.
    Stdout,
    /// The control request for the bytes captured of stderr.
    Stderr,
    /// The property of the function at `kSetMemory` with the embedder's functions for the standard streams.
    Handlers,
    /// The trap that ends a guest.
    Trap,
}

impl Key for Kept {
    fn index(self) -> u32 {
        self as u32
    }
}

struct Values(Store<Kept>);

/// Makes the symbols, as the addon is loaded.
pub fn init(js: Js<'_>) -> JsResult<()> {
    let store = Store::new(js)?;
    let symbols = [
        (Kept::BindingName, js.symbol("kBindingName")?),
        (Kept::SetMemory, js.symbol("kSetMemory")?),
        (Kept::Started, js.symbol("kStarted")?),
        (Kept::ExitCode, js.symbol("kExitCode")?),
        (Kept::Instance, js.symbol("kInstance")?),
        (Kept::Dispose, js.symbol("dispose")?),
        (Kept::Number, js.symbol("number")?),
        (Kept::Stdout, js.symbol("stdout")?),
        (Kept::Stderr, js.symbol("stderr")?),
        (Kept::Handlers, js.symbol("handlers")?),
    ];
    store.put(js, symbols)?;
    js.add_state(Values(store)).map(drop)
}

/// A value that the class keeps.
pub fn kept(js: Js<'_>, key: Kept) -> JsResult<Value<'_>> {
    js.state::<Values>()?.0.get(js, key)
}

/// The trap, which `make` makes the first time.
pub fn trap<'s>(js: Js<'s>, make: impl FnOnce() -> JsResult<Value<'s>>) -> JsResult<Value<'s>> {
    js.state::<Values>()?.0.get_or_make(js, Kept::Trap, make)
}

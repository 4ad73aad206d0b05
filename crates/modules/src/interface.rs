//! The interface of a module, its imports and exports, and the check that it is a program that runs here.
//! Both engines make the check, from what each knows of the module, and get the same words.

use crate::error::{ProgramError, shortened};
use crate::outline::{self, Item, Outline};
use crate::rewrite::unshare::{NAMESPACE, PAUSE};
use crate::signature;
use std::collections::HashMap;
use std::fmt;
use wasi_rs_core::abi::Abi;
use wasi_rs_core::syscalls::{SYSCALLS, Syscall};

/// The editions of WASI that are served.
const EDITIONS: [Abi; 2] = [Abi::Preview1, Abi::Unstable];

/// The memory that the system calls work on.
const MEMORY: &str = "memory";

/// The exports that are checked.
const START: &str = "_start";
const INITIALIZE: &str = "_initialize";

/// The use that a module is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be run from `_start` to its end, with WASI's functions alone.
    #[default]
    Command,
    /// Any: the embedder may give it functions, and call its exports.
    Any,
}

/// The imports of a module, and three of its exports. The types stay in the module: in words they may take
/// more bytes than it has.
pub struct Interface<'a> {
    imports: Vec<Import<'a>>,
    start: Option<Kind<'a>>,
    has_initialize: bool,
    memory: Option<Kind<'a>>,
    /// True if it has a memory, exported or not; none if that is not known.
    has_memory: Option<bool>,
}

/// The imports and exports of a module as `WebAssembly.Module.imports()` and `exports()` tell them: without
/// types.
#[derive(Debug, Default)]
pub struct Names {
    /// Module, name and kind of each import.
    pub imports: Vec<(String, String, String)>,
    /// Name and kind of each export.
    pub exports: Vec<(String, String)>,
}

/// An import of a module.
pub struct Import<'a> {
    /// The name of the module it is imported from.
    pub module: &'a str,
    /// Its name there.
    pub name: &'a str,
    /// Its kind.
    pub kind: Kind<'a>,
}

/// The kind of an import or export.
pub enum Kind<'a> {
    /// A function, with a closure for its type in words.
    Function(Box<dyn Fn() -> String + 'a>),
    /// A function of a type that is not known.
    Untyped,
    /// A memory, table, global or tag.
    Other(&'static str),
}

impl Kind<'_> {
    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Function(_) | Self::Untyped => "function",
            Self::Other(name) => name,
        }
    }

    /// A function's type in words, if it is known.
    pub fn signature(&self) -> Option<String> {
        match self {
            Self::Function(signature) => Some(signature()),
            Self::Untyped | Self::Other(_) => None,
        }
    }
}

impl Kind<'static> {
    /// The kind that JavaScript's name for it tells.
    pub fn from_name(name: &str) -> Self {
        match name {
            "function" => Self::Untyped,
            "memory" => Self::Other(MEMORY),
            "table" => Self::Other("table"),
            "global" => Self::Other("global"),
            _ => Self::Other("tag"),
        }
    }
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} ({})", self.module, self.name, self.kind.name())
    }
}

impl Import<'_> {
    fn syscall(&self, abi: Abi) -> Option<&'static Syscall> {
        syscall(abi, self.module, self.name)
    }
}

impl<'a> Interface<'a> {
    /// The interface of a module with these imports; `export` finds an export, and `has_memory` is true if
    /// the module has a memory, exported or not.
    pub fn new(imports: Vec<Import<'a>>, export: impl Fn(&str) -> Option<Kind<'a>>, has_memory: bool) -> Self {
        let is_own = |import: &Import<'_>| (import.module, import.name) != (NAMESPACE, PAUSE);
        let imports: Vec<_> = imports.into_iter().filter(is_own).collect();
        let has_memory = Some(has_memory || imports.iter().any(|import| import.kind.name() == MEMORY));
        let (start, memory, has_initialize) = (export(START), export(MEMORY), export(INITIALIZE).is_some());
        Self { imports, start, has_initialize, memory, has_memory }
    }

    /// The interface of a module that V8 has compiled, which tells names and kinds and no types.
    pub fn of_names(names: &'a Names) -> Self {
        let import =
            |(module, name, kind): &'a (String, String, String)| Import { module, name, kind: Kind::from_name(kind) };
        let export = |wanted: &str| {
            let (_, kind) = names.exports.iter().find(|(name, _)| name == wanted)?;
            Some(Kind::from_name(kind))
        };
        Self {
            imports: names.imports.iter().map(import).collect(),
            start: export(START),
            has_initialize: export(INITIALIZE).is_some(),
            memory: export(MEMORY),
            has_memory: None,
        }
    }

    /// The interface of a module that was read.
    pub fn of_outline(outline: &'a Outline<'_>) -> Self {
        // A function may be of a type that is not there.
        let function = |ty: Option<u32>| {
            let signature = move || ty.and_then(|ty| outline.function_type(ty)).map(signature::of_function);
            Kind::Function(Box::new(move || signature().unwrap_or_default()))
        };
        let imports = outline.imports.iter().map(|import| Import {
            module: import.module,
            name: import.name,
            kind: match import.item {
                Item::Function(ty) => function(Some(ty)),
                ref other => Kind::Other(other.kind()),
            },
        });
        let export = |name: &str| {
            let export = outline.exports.iter().find(|export| export.name == name)?;
            Some(match outline::kind_of(export) {
                "function" => function(outline.all_functions().nth(export.index as usize)),
                other => Kind::Other(other),
            })
        };
        Self::new(imports.collect(), export, !outline.memories.is_empty())
    }

    /// The edition of WASI that it is for, if it fits this purpose: every import exists or can be given, and
    /// has the right type; it exports a memory if it makes calls that take addresses; and a command exports
    /// `_start`.
    pub fn check(&self, purpose: Purpose) -> Result<Abi, ProgramError> {
        let abi = self.edition()?;
        let is_missing = |import: &&Import<'_>| match import.kind.name() {
            // Any memory is made for it, but for those under the name of what is added by us.
            MEMORY => import.module == NAMESPACE,
            "function" => purpose == Purpose::Command && import.syscall(abi).is_none(),
            _ => true,
        };
        let mut missing = self.imports.iter().filter(is_missing).peekable();
        if missing.peek().is_some() {
            return Err(ProgramError::import(missing));
        }
        self.check_sizes()?;
        self.check_types(abi)?;
        if purpose == Purpose::Command {
            self.check_start()?;
        }
        self.check_memory(abi)?;
        Ok(abi)
    }

    fn edition(&self) -> Result<Abi, ProgramError> {
        let is_used = |abi: &Abi| self.imports.iter().any(|import| import.syscall(*abi).is_some());
        match EDITIONS.into_iter().filter(is_used).collect::<Vec<_>>()[..] {
            [] => Ok(Abi::Preview1),
            [abi] => Ok(abi),
            _ => Err(ProgramError::Editions),
        }
    }

    /// A memory is made for a program in the size that it asks for.
    fn check_sizes(&self) -> Result<(), ProgramError> {
        let memory = self.imports.iter().find(|import| import.kind.name() == MEMORY);
        let Some(Import { module, name, .. }) = memory.filter(|_| self.has_memory.is_none()) else {
            return Ok(());
        };
        let (module, name) = (shortened(module), shortened(name));
        Err(ProgramError::Wrong(format!(
            "imports the memory {module}.{name}, of a size that a WebAssembly.Module does not tell: \
             pass the bytes or the path of the module instead"
        )))
    }

    fn check_types(&self, abi: Abi) -> Result<(), ProgramError> {
        // For each name its first kind, and whether another kind comes later.
        let mut kinds = HashMap::new();
        for Import { module, name, kind } in &self.imports {
            if let Some((first, is_mixed)) = kinds.get_mut(&(*module, *name)) {
                // Which is made for it, but once; and the two may be of different types.
                if *first == MEMORY && kind.name() == MEMORY {
                    let (module, name) = (shortened(module), shortened(name));
                    return Err(ProgramError::Wrong(format!("imports the memory {module}.{name} twice")));
                }
                *is_mixed |= *first != kind.name();
            } else {
                kinds.insert((*module, *name), (kind.name(), false));
            }
        }
        for import @ Import { module, name, kind } in &self.imports {
            if let (Some(ty), Some(row)) = (kind.signature(), import.syscall(abi)) {
                let right = signature::of_syscall(row);
                if ty != right {
                    let wrong = format!("imports {module}.{name} as a function of type {ty}; its type is {right}");
                    return Err(ProgramError::Wrong(wrong));
                }
            }
            if kinds.get(&(*module, *name)).is_some_and(|(_, is_mixed)| *is_mixed) {
                let (module, name) = (shortened(module), shortened(name));
                let wrong = format!("imports {module}.{name} as two different things, one of them a {}", kind.name());
                return Err(ProgramError::Wrong(wrong));
            }
        }
        Ok(())
    }

    /// An error unless it is a command.
    pub fn check_start(&self) -> Result<(), ProgramError> {
        let wrong = |why: String| Err(ProgramError::Wrong(format!("is not a command: {why}")));
        let Some(start) = self.start.as_ref().filter(|start| start.name() == "function") else {
            return wrong("it exports no function '_start'; load() gives its exports".to_owned());
        };
        if let Some(ty) = start.signature()
            && ty != signature::text([].into_iter(), [].into_iter())
        {
            return wrong(format!("its '_start' is of type {ty}; it must take nothing and return nothing"));
        }
        if self.has_initialize {
            return wrong("it exports '_initialize' as well as '_start', and a program is one or the other".to_owned());
        }
        Ok(())
    }

    /// Every call that takes an address would answer EFAULT.
    fn check_memory(&self, abi: Abi) -> Result<(), ProgramError> {
        let takes_address = |import: &&Import<'_>| {
            import.syscall(abi).is_some_and(|row| row.params.iter().any(|param| !param.pointee.is_empty()))
        };
        let Some(Import { name, .. }) = self.imports.iter().find(takes_address) else {
            return Ok(());
        };
        let why = match &self.memory {
            Some(Kind::Other(MEMORY)) => return Ok(()),
            Some(other) => format!("its export 'memory' is a {}", other.name()),
            None if self.has_memory == Some(true) => {
                "it does not export its memory; it must do so as 'memory'".to_owned()
            }
            None if self.has_memory.is_none() => "it exports no memory as 'memory'".to_owned(),
            None => "it has no memory, which it would have to export as 'memory'".to_owned(),
        };
        Err(ProgramError::Wrong(format!("can't make its system calls ({name}): {why}")))
    }
}

/// The syscall that goes by this name in an edition.
pub fn syscall(abi: Abi, module: &str, name: &str) -> Option<&'static Syscall> {
    SYSCALLS.iter().find(|row| module == abi.module() && row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result for a module with these imports and exports, each in words.
    fn check(imports: &[&str], exports: &[&str]) -> Result<Abi, String> {
        let parts = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let imports = imports.iter().map(|text| <[String; 3]>::try_from(parts(text)).unwrap().into());
        let exports = exports.iter().map(|text| <[String; 2]>::try_from(parts(text)).unwrap().into());
        let names = Names { imports: imports.collect(), exports: exports.collect() };
        Interface::of_names(&names).check(Purpose::Command).map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_kinds_tell_whether_a_module_is_a_program() {
        let [start, memory] = ["_start function", "memory memory"];
        let write = "wasi_snapshot_preview1 fd_write function";
        assert_eq!(check(&[], &[start]), Ok(Abi::Preview1));
        assert_eq!(check(&[write], &[start, memory]), Ok(Abi::Preview1));
        assert_eq!(check(&["wasi_unstable fd_write function"], &[start, memory]), Ok(Abi::Unstable));
        for (imports, exports, expected) in [
            (&[][..], &[][..], "is not a command: it exports no function '_start'; load() gives its exports"),
            (&[], &["_start memory"], "is not a command: it exports no function '_start'; load() gives its exports"),
            (&[], &[start, "_initialize global"], "is not a command: it exports '_initialize' as well as '_start'"),
            (&[write], &[start], "can't make its system calls (fd_write): it exports no memory as 'memory'"),
            (
                &[write],
                &[start, "memory table"],
                "can't make its system calls (fd_write): its export 'memory' is a table",
            ),
            (
                &["env memory memory"],
                &[start],
                "imports the memory env.memory, of a size that a WebAssembly.Module does",
            ),
            (&[write, "env f function"], &[start], "imports what WASI preview 1 does not have: env.f (function)"),
            (&[write, "wasi_unstable fd_read function"], &[start], "imports system calls of wasi_unstable and of"),
            (&["a b tag"], &[start], "imports what WASI preview 1 does not have: a.b (tag)"),
        ] {
            let error = check(imports, exports).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

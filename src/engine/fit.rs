//! Whether a module is a program that runs here. Both engines ask, of what each has of the module, and get the same words.

use super::program::{Unusable, shortened};
use super::unshared::{NAMESPACE, PAUSE};
use crate::abi::Abi;
use crate::module::outline::{self, Item, Outline};
use crate::module::signature;
use crate::syscalls::{SYSCALLS, Syscall};
use std::collections::HashMap;
use std::fmt;
use wasmparser::FuncType;
use wasmtime::{ExternType, Module, ValType};

/// The editions of WASI that are served.
const EDITIONS: [Abi; 2] = [Abi::Preview1, Abi::Unstable];

/// The memory that the system calls work on.
const MEMORY: &str = "memory";

/// The exports that are looked at.
const START: &str = "_start";
const INITIALIZE: &str = "_initialize";

/// What is looked at of a module: what it imports, and three exports. The types stay the module's: there may be more to say of
/// them than it has bytes.
pub struct Face<'a> {
    imports: Vec<Import<'a>>,
    start: Option<Kind<'a>>,
    has_initialize: bool,
    memory: Option<Kind<'a>>,
    has_memory: bool,
}

struct Import<'a> {
    module: &'a str,
    name: &'a str,
    kind: Kind<'a>,
}

/// What is imported or exported.
enum Kind<'a> {
    /// A function, as the bytes say; of a type that may not be there.
    Function(Option<&'a FuncType>),
    /// A function, as wasmtime has it.
    FunctionOfModule(wasmtime::FuncType),
    /// Something else.
    Other(&'static str),
}

impl Kind<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Function(_) | Self::FunctionOfModule(_) => "function",
            Self::Other(name) => name,
        }
    }

    /// A function's type in words.
    fn signature(&self) -> Option<String> {
        match self {
            Self::Function(ty) => Some(ty.map(signature::of_function).unwrap_or_default()),
            Self::FunctionOfModule(ty) => {
                let names = |types: Vec<ValType>| types.iter().map(name).collect::<Vec<_>>();
                let (params, results) = (names(ty.params().collect()), names(ty.results().collect()));
                Some(signature::text(params.into_iter(), results.into_iter()))
            }
            Self::Other(_) => None,
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

impl<'a> Face<'a> {
    /// That of a module as wasmtime has it.
    pub fn of_module(module: &'a Module) -> Self {
        let imports = module.imports().map(|import| Import {
            module: import.module(),
            name: import.name(),
            kind: kind_of(import.ty()),
        });
        // The function that was added by us is none of the program's.
        let imports: Vec<_> = imports.filter(|import| (import.module, import.name) != (NAMESPACE, PAUSE)).collect();
        let export = |name| module.get_export(name).map(kind_of);
        let memory = export(MEMORY);
        let has_memory = module.resources_required().num_memories > 0
            || imports.iter().any(|import| import.kind.name() == MEMORY)
            || module.exports().any(|export| matches!(export.ty(), ExternType::Memory(_)));
        Self { imports, start: export(START), has_initialize: export(INITIALIZE).is_some(), memory, has_memory }
    }

    /// That of a module as its bytes say.
    pub fn of_outline(outline: &'a Outline<'_>) -> Self {
        let function = |ty: Option<u32>| Kind::Function(ty.and_then(|ty| outline.function_type(ty)));
        let imports = outline.imports.iter().map(|import| Import {
            module: import.module,
            name: import.name,
            kind: match import.item {
                Item::Function(ty) => function(Some(ty)),
                ref other => Kind::Other(other.kind()),
            },
        });
        let export = |name| {
            let export = outline.exports.iter().find(|export| export.name == name)?;
            Some(match outline::kind_of(export) {
                "function" => function(outline.all_functions().nth(export.index as usize)),
                other => Kind::Other(other),
            })
        };
        let has_memory =
            !outline.memories.is_empty() || outline.imports.iter().any(|import| matches!(import.item, Item::Memory(_)));
        Self {
            imports: imports.collect(),
            start: export(START),
            has_initialize: export(INITIALIZE).is_some(),
            memory: export(MEMORY),
            has_memory,
        }
    }

    /// The edition of WASI that it is for, if it can be run: every import is there and of the type it has, there is a
    /// `_start`, and a memory for those calls that take addresses.
    pub fn check(&self) -> Result<Abi, Unusable> {
        let abi = self.edition()?;
        let is_missing = |import: &&Import<'_>| {
            let is_call = import.kind.name() == "function" && import.syscall(abi).is_some();
            // Any memory is made for it, but for those under the name of what is added by us.
            !is_call && (import.kind.name() != MEMORY || import.module == NAMESPACE)
        };
        let mut missing = self.imports.iter().filter(is_missing).peekable();
        if missing.peek().is_some() {
            return Err(Unusable::import(missing));
        }
        self.check_types(abi)?;
        self.check_start()?;
        self.check_memory(abi)?;
        Ok(abi)
    }

    fn edition(&self) -> Result<Abi, Unusable> {
        let is_used = |abi: &Abi| self.imports.iter().any(|import| import.syscall(*abi).is_some());
        match EDITIONS.into_iter().filter(is_used).collect::<Vec<_>>()[..] {
            [] => Ok(Abi::Preview1),
            [abi] => Ok(abi),
            _ => Err(Unusable::Editions),
        }
    }

    fn check_types(&self, abi: Abi) -> Result<(), Unusable> {
        // Of each name what it is first, and whether it is something else later.
        let mut kinds = HashMap::new();
        for Import { module, name, kind } in &self.imports {
            if let Some((first, is_mixed)) = kinds.get_mut(&(*module, *name)) {
                // Which is made for it, but once; and the two may be of different types.
                if *first == MEMORY && kind.name() == MEMORY {
                    let (module, name) = (shortened(module), shortened(name));
                    return Err(Unusable::Wrong(format!("imports the memory {module}.{name} twice")));
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
                    return Err(Unusable::Wrong(wrong));
                }
            }
            if kinds.get(&(*module, *name)).is_some_and(|(_, is_mixed)| *is_mixed) {
                let (module, name) = (shortened(module), shortened(name));
                let wrong = format!("imports {module}.{name} as two different things, one of them a {}", kind.name());
                return Err(Unusable::Wrong(wrong));
            }
        }
        Ok(())
    }

    fn check_start(&self) -> Result<(), Unusable> {
        let wrong = |why: String| Err(Unusable::Wrong(format!("is not a command: {why}")));
        let Some(ty) = self.start.as_ref().and_then(Kind::signature) else {
            return wrong("it exports no function '_start'".to_owned());
        };
        if ty != signature::text([].into_iter(), [].into_iter()) {
            return wrong(format!("its '_start' is of type {ty}; it must take nothing and return nothing"));
        }
        if self.has_initialize {
            return wrong("it exports '_initialize' as well as '_start', and a program is one or the other".to_owned());
        }
        Ok(())
    }

    /// Every call that takes an address would answer EFAULT.
    fn check_memory(&self, abi: Abi) -> Result<(), Unusable> {
        let takes_address = |import: &&Import<'_>| {
            import.syscall(abi).is_some_and(|row| row.params.iter().any(|param| !param.pointee.is_empty()))
        };
        let Some(Import { name, .. }) = self.imports.iter().find(takes_address) else {
            return Ok(());
        };
        let why = match &self.memory {
            Some(Kind::Other(MEMORY)) => return Ok(()),
            Some(other) => format!("its export 'memory' is a {}", other.name()),
            None if self.has_memory => "it does not export its memory; it must do so as 'memory'".to_owned(),
            None => "it has no memory, which it would have to export as 'memory'".to_owned(),
        };
        Err(Unusable::Wrong(format!("can't make its system calls ({name}): {why}")))
    }
}

/// The syscall that goes by this name in an edition.
fn syscall(abi: Abi, module: &str, name: &str) -> Option<&'static Syscall> {
    SYSCALLS.iter().find(|row| module == abi.module() && row.name == name)
}

fn kind_of(ty: ExternType) -> Kind<'static> {
    match ty {
        ExternType::Func(ty) => Kind::FunctionOfModule(ty),
        ExternType::Global(_) => Kind::Other("global"),
        ExternType::Table(_) => Kind::Other("table"),
        ExternType::Memory(_) => Kind::Other(MEMORY),
        _ => Kind::Other("tag"),
    }
}

fn name(ty: &ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "v128",
        _ if ty.is_funcref() => "funcref",
        _ if ty.is_externref() => "externref",
        ValType::Ref(_) => "ref",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mode::Mode;

    const P1: &str = "wasi_snapshot_preview1";

    /// What both faces of a module say.
    fn check(text: &str) -> Result<Abi, String> {
        let bytes = wat::parse_str(text).unwrap();
        let by_bytes = Face::of_outline(&Outline::read(&bytes).unwrap()).check().map_err(|error| error.to_string());
        let module = Module::from_binary(&Mode::default().engine().unwrap(), &bytes).unwrap();
        let by_module = Face::of_module(&module).check().map_err(|error| error.to_string());
        assert_eq!(by_bytes, by_module, "{text}");
        by_bytes
    }

    #[test]
    fn programs_are_told_by_their_edition() {
        let start = r#"(func (export "_start"))"#;
        let exit = |namespace| format!(r#"(import "{namespace}" "proc_exit" (func (param i32)))"#);
        assert_eq!(check(&format!("(module {start})")), Ok(Abi::Preview1));
        assert_eq!(check(&format!("(module {} {start})", exit(P1))), Ok(Abi::Preview1));
        assert_eq!(check(&format!("(module {} {start})", exit("wasi_unstable"))), Ok(Abi::Unstable));
        let memory = r#"(import "wasi_unstable" "memory" (memory 1))"#;
        assert_eq!(check(&format!("(module {} {memory} {start})", exit(P1))), Ok(Abi::Preview1));
        let both = check(&format!("(module {} {} {start})", exit(P1), exit("wasi_unstable"))).unwrap_err();
        assert!(both.contains("wasi_unstable") && both.contains(P1), "{both}");
    }

    #[test]
    fn what_is_wrong_is_said_in_the_same_words() {
        let start = r#"(func (export "_start"))"#;
        let write = format!(r#"(import "{P1}" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#);
        for (text, expected) in [
            (String::new(), "is not a command: it exports no function '_start'"),
            (r#"(memory (export "_start") 1)"#.to_owned(), "is not a command: it exports no function '_start'"),
            (
                r#"(func (export "_start") (param i32 f32) (result i64) (i64.const 0))"#.to_owned(),
                "is not a command: its '_start' is of type (i32, f32) -> i64; it must take nothing and return nothing",
            ),
            (
                format!(r#"{start} (global (export "_initialize") i32 (i32.const 0))"#),
                "is not a command: it exports '_initialize' as well as '_start', and a program is one or the other",
            ),
            (
                format!(r#"(import "{P1}" "fd_close" (func (param f64 funcref))) {start}"#),
                "imports wasi_snapshot_preview1.fd_close as a function of type (f64, funcref) -> (); its type is (i32) -> i32",
            ),
            (
                format!(
                    r#"(import "{P1}" "proc_exit" (func (param i32))) (import "{P1}" "proc_exit" (memory 1)) {start}"#
                ),
                "imports wasi_snapshot_preview1.proc_exit as two different things, one of them a function",
            ),
            (
                format!(r#"{write} (memory 1) {start}"#),
                "can't make its system calls (fd_write): it does not export its memory; it must do so as 'memory'",
            ),
            (
                format!(r#"{write} {start}"#),
                "can't make its system calls (fd_write): it has no memory, which it would have to export as 'memory'",
            ),
            (
                format!(r#"{write} (memory (export "m") 1) (func (export "memory")) {start}"#),
                "can't make its system calls (fd_write): its export 'memory' is a function",
            ),
        ] {
            assert_eq!(check(&format!("(module {text})")), Err(expected.to_owned()));
        }
        let unknown = format!(r#"(module (import "{P1}" "fd_close" (global i32)) (import "a" "t" (tag)) {start})"#);
        let bytes = wat::parse_str(unknown).unwrap();
        let error = Face::of_outline(&Outline::read(&bytes).unwrap()).check().unwrap_err();
        assert!(error.to_string().contains("wasi_snapshot_preview1.fd_close (global), a.t (tag)"), "{error}");
    }

    #[test]
    fn many_imports_are_looked_at_one_by_one() {
        let import = format!(r#"(import "{P1}" "sched_yield" (func (result i32)))"#);
        let module =
            |count, other: &str| format!(r#"(module {} {other} (func (export "_start")))"#, import.repeat(count));
        assert_eq!(check(&module(outline::MAX_IMPORTS, "")), Ok(Abi::Preview1));
        let memory = format!(r#"(import "{P1}" "sched_yield" (memory 1))"#);
        let mixed = check(&module(5000, &memory)).unwrap_err();
        assert!(mixed.contains("as two different things, one of them a function"), "{mixed}");
        let bytes = wat::parse_str(module(outline::MAX_IMPORTS + 1, "")).unwrap();
        assert!(Outline::read(&bytes).err().unwrap().to_string().contains("10000 is the most"));
    }

    #[test]
    fn calls_without_addresses_need_no_memory() {
        let text = format!(
            r#"(module (import "{P1}" "proc_exit" (func (param i32))) (import "{P1}" "fd_close" (func (param i32) (result i32)))
            (import "{P1}" "sched_yield" (func (result i32))) (func (export "_start")))"#
        );
        assert_eq!(check(&text), Ok(Abi::Preview1));
    }
}

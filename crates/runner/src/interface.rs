//! The interface of a module of wasmtime: its imports and exports, for the check of both engines
//! ([`Interface::check`]), and for those who ask.

use wasi_rs_modules::interface::{Import, Interface, Kind, Names};
use wasi_rs_modules::rewrite::unshare;
use wasi_rs_modules::signature;
use wasmtime::{ExternType, MemoryType, Module, ValType};

/// The interface of a compiled module.
pub fn of_module(module: &Module) -> Interface<'_> {
    let imports = module.imports().map(|import| Import {
        module: import.module(),
        name: import.name(),
        kind: kind_of(import.ty()),
    });
    let has_memory = module.resources_required().num_memories > 0
        || module.exports().any(|export| matches!(export.ty(), ExternType::Memory(_)));
    Interface::new(imports.collect(), |name| module.get_export(name).map(kind_of), has_memory)
}

/// The description of a module.
#[derive(Debug, Default)]
pub struct Description {
    /// `command`, `reactor`, `component` or `unknown`.
    pub kind: &'static str,
    /// The version of WASI, if its imports do not tell it.
    pub version: Option<String>,
    /// Its imports.
    pub imports: Vec<Described>,
    /// Its exports.
    pub exports: Vec<Described>,
    /// The memories among both.
    pub memories: Vec<DescribedMemory>,
}

/// An import or export.
#[derive(Debug)]
pub struct Described {
    /// The name of the module it is imported from.
    pub module: Option<String>,
    /// Its name.
    pub name: String,
    /// The word for its kind.
    pub kind: &'static str,
    /// A function's type in words.
    pub signature: Option<String>,
}

/// A memory, in bytes.
#[derive(Debug)]
pub struct DescribedMemory {
    /// True if it is imported.
    pub is_imported: bool,
    /// True if threads may share it.
    pub is_shared: bool,
    /// True if its addresses have 64 bits.
    pub is_wide: bool,
    /// Its size at first.
    pub min: u64,
    /// The most that it may have, if the module says.
    pub max: Option<u64>,
}

impl Description {
    /// The description of a module that V8 has compiled.
    pub fn of_names(names: &Names) -> Self {
        let one = |module: Option<&String>, name: &String, kind| Described {
            module: module.cloned(),
            name: name.clone(),
            kind: Kind::from_name(kind).name(),
            signature: None,
        };
        let exports: Vec<_> = names.exports.iter().map(|(name, kind)| one(None, name, kind)).collect();
        Self {
            kind: kind_by(&exports),
            version: None,
            imports: names.imports.iter().map(|(module, name, kind)| one(Some(module), name, kind)).collect(),
            exports,
            memories: Vec::new(),
        }
    }
}

/// The kind of a module with these exports, as `wasi-rs inspect` has it.
fn kind_by(exports: &[Described]) -> &'static str {
    let has = |wanted| exports.iter().any(|export| export.name == wanted && export.kind == "function");
    if has("_start") {
        "command"
    } else if has("_initialize") {
        "reactor"
    } else {
        "unknown"
    }
}

/// The description of a compiled module, as it was before it was changed for wasmtime.
pub fn describe(module: &Module) -> Description {
    let mut description = Description::default();
    let last = module.exports().last().filter(|export| export.ty().memory().is_some());
    let shared = last.and_then(|export| Some((export.name(), unshare::declared(export.name())?)));
    let (added, shared) = shared.unzip();
    for import in module.imports() {
        if (import.module(), import.name()) != (unshare::NAMESPACE, unshare::PAUSE) {
            description.memories.extend(import.ty().memory().map(|ty| described_memory(ty, true)));
            description.imports.push(described(Some(import.module()), import.name(), import.ty()));
        }
    }
    for export in module.exports().filter(|export| Some(export.name()) != added) {
        description.memories.extend(export.ty().memory().map(|ty| described_memory(ty, false)));
        description.exports.push(described(None, export.name(), export.ty()));
    }
    for (memory, is_shared) in description.memories.iter_mut().zip(shared.into_iter().flatten()) {
        memory.is_shared = is_shared;
    }
    description.kind = kind_by(&description.exports);
    description
}

fn described(module: Option<&str>, name: &str, ty: ExternType) -> Described {
    let kind = kind_of(ty);
    Described {
        module: module.map(str::to_owned),
        name: name.to_owned(),
        kind: kind.name(),
        signature: kind.signature(),
    }
}

fn described_memory(ty: &MemoryType, is_imported: bool) -> DescribedMemory {
    let bytes = |pages: u64| pages.saturating_mul(ty.page_size());
    DescribedMemory {
        is_imported,
        is_shared: ty.is_shared(),
        is_wide: ty.is_64(),
        min: bytes(ty.minimum()),
        max: ty.maximum().map(bytes),
    }
}

fn kind_of(ty: ExternType) -> Kind<'static> {
    match ty {
        ExternType::Func(ty) => Kind::Function(Box::new(move || {
            let names = |types: Vec<ValType>| types.iter().map(name).collect::<Vec<_>>();
            let (params, results) = (names(ty.params().collect()), names(ty.results().collect()));
            signature::text(params.into_iter(), results.into_iter())
        })),
        ExternType::Global(_) => Kind::Other("global"),
        ExternType::Table(_) => Kind::Other("table"),
        ExternType::Memory(_) => Kind::Other("memory"),
        _ => Kind::Other("tag"),
    }
}

/// The name of a type in WebAssembly's text.
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
    use crate::mode::Mode;
    use wasi_rs_core::abi::Abi;
    use wasi_rs_modules::interface::Purpose;
    use wasi_rs_modules::outline::{self, Outline};

    const P1: &str = "wasi_snapshot_preview1";

    /// The result for both forms of a module.
    fn check(text: &str) -> Result<Abi, String> {
        let bytes = wat::parse_str(text).unwrap();
        let by_bytes = Interface::of_outline(&Outline::read(&bytes).unwrap())
            .check(Purpose::Command)
            .map_err(|error| error.to_string());
        let module = Module::from_binary(&Mode::default().engine().unwrap(), &bytes).unwrap();
        let by_module = of_module(&module).check(Purpose::Command).map_err(|error| error.to_string());
        assert_eq!(by_bytes, by_module, "{text}");
        by_bytes
    }

    #[test]
    fn a_module_is_described() {
        let text = format!(
            r#"(module (import "{P1}" "proc_exit" (func (param i32))) (import "env" "memory" (memory 1 2 shared))
            (memory (export "m") i64 3) (table (export "t") 1 funcref) (func (export "_start")))"#
        );
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::from_binary(&Mode::default().engine().unwrap(), &bytes).unwrap();
        let Description { kind, imports, exports, memories, .. } = describe(&module);
        assert_eq!(kind, "command");
        let told = |all: &[Described]| {
            let words = all.iter().map(|Described { module, name, kind, signature }| {
                let [module, signature] = [module, signature].map(|text| text.clone().unwrap_or_default());
                format!("{module} {name} {kind} {signature}")
            });
            words.collect::<Vec<_>>()
        };
        assert_eq!(told(&imports), [format!("{P1} proc_exit function (i32) -> ()"), "env memory memory ".to_owned()]);
        assert_eq!(told(&exports), [" m memory ", " t table ", " _start function () -> ()"]);
        let memories = memories.iter().map(|one| (one.is_imported, one.is_shared, one.is_wide, one.min, one.max));
        let memories = memories.collect::<Vec<_>>();
        assert_eq!(memories, [(true, true, false, 65536, Some(131_072)), (false, false, true, 3 * 65536, None)]);
    }

    #[test]
    fn programs_have_the_edition_of_their_imports() {
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
    fn both_forms_of_a_module_have_the_same_errors() {
        let start = r#"(func (export "_start"))"#;
        let write = format!(r#"(import "{P1}" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#);
        for (text, expected) in [
            (String::new(), "is not a command: it exports no function '_start'; load() gives its exports"),
            (
                r#"(memory (export "_start") 1)"#.to_owned(),
                "is not a command: it exports no function '_start'; load() gives its exports",
            ),
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
        let error = Interface::of_outline(&Outline::read(&bytes).unwrap()).check(Purpose::Command).unwrap_err();
        assert!(error.to_string().contains("wasi_snapshot_preview1.fd_close (global), a.t (tag)"), "{error}");
    }

    #[test]
    fn many_imports_are_checked_one_by_one() {
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

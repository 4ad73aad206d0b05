//! The outline of a module, read once for all code that changes a module, checks it, or describes it.

use super::bounds::Bounds;
use super::sections::CUSTOM;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use wasi_rs_core::abi::{Abi, ValType as SyscallType};
use wasi_rs_core::syscalls::{SYSCALLS, Syscall};
use wasmparser::{
    BinaryReader, BinaryReaderError, CompositeInnerType, ConstExpr, ElementItems, Encoding, Export, ExternalKind,
    FieldType, FuncType, FunctionBody, Imports, Operator, Parser, Payload, StorageType, TableInit, TypeRef, ValType,
};

/// Bytes that an object has beside its fields.
const OBJECT: u32 = 16;

/// The most things a module may import: WASI has fewer than 50, and each run looks all of them up.
pub const MAX_IMPORTS: usize = 10_000;

/// The most types, functions and exports, of each: as many as the engines take. With so many of each,
/// an outline has 200 MB.
pub const MAX_ITEMS: usize = 1_000_000;

/// The most tables, and memories: many times what any program has.
const MAX_TABLES: usize = 1000;

/// The most sections: real ones have a dozen, and some for debuggers.
const MAX_SECTIONS: usize = 100_000;

/// The outline of a module.
#[derive(Default)]
pub struct Outline<'a> {
    /// Its sections: their numbers, and where their contents are.
    pub sections: Vec<(u8, Range<usize>)>,
    /// Its types, of which some are no function's.
    pub types: Vec<Option<FuncType>>,
    /// Sizes of each type: bytes of a struct, or of an element of an array; 0 for a function.
    pub objects: Vec<u32>,
    /// True if it has tags, which exceptions are told apart by.
    pub has_tags: bool,
    /// Bytes of the objects that are made before it begins: in the first values of its variables, elements
    /// and tables.
    pub at_first: u128,
    /// Its imports.
    pub imports: Vec<Import<'a>>,
    /// The types of the functions it defines.
    pub functions: Vec<u32>,
    /// The tables it defines.
    pub tables: Vec<Bounds>,
    /// The memories it defines.
    pub memories: Vec<Bounds>,
    /// Its exports.
    pub exports: Vec<Export<'a>>,
    /// The functions it defines.
    pub bodies: Vec<FunctionBody<'a>>,
}

/// An import of a module.
pub struct Import<'a> {
    /// The name of the module it is imported from.
    pub module: &'a str,
    /// Its name there.
    pub name: &'a str,
    /// The imported item.
    pub item: Item,
}

/// An item that can be imported.
pub enum Item {
    /// A function of this type.
    Function(u32),
    /// A table.
    Table(Bounds),
    /// A memory.
    Memory(Bounds),
    /// A variable.
    Global,
    /// A tag, which exceptions are told apart by.
    Tag,
}

impl Item {
    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Table(_) => "table",
            Self::Memory(_) => "memory",
            Self::Global => "global",
            Self::Tag => "tag",
        }
    }
}

impl Import<'_> {
    /// True for a function.
    pub const fn is_function(&self) -> bool {
        matches!(self.item, Item::Function(_))
    }

    /// The syscall that it is in this edition of WASI, whatever type the module declares for it.
    pub fn syscall(&self, abi: Abi) -> Option<&'static Syscall> {
        let is_call = matches!(self.item, Item::Function(_)) && self.module == abi.module();
        SYSCALLS.iter().find(|row| is_call && row.name == self.name)
    }
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} ({})", self.module, self.name, self.item.kind())
    }
}

/// The word for the kind of an export.
pub const fn kind_of(export: &Export<'_>) -> &'static str {
    match export.kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}

/// The reason for which a module can't be read: it is none, is broken, or has something that is unknown here.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BinaryReaderError> for Unreadable {
    fn from(error: BinaryReaderError) -> Self {
        Self(error.to_string())
    }
}

impl<'a> Outline<'a> {
    /// Reads a module, which need not be valid.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        Self::read_while(bytes, || true)
    }

    /// Reads a module, which need not be valid, as long as `is_wanted` is true.
    pub fn read_while(bytes: &'a [u8], is_wanted: impl Fn() -> bool) -> Result<Self, Unreadable> {
        let mut outline = Self::default();
        let mut seen = HashSet::new();
        for payload in Parser::new(0).parse_all(bytes) {
            if !is_wanted() {
                return Err(Unreadable("nobody wants to know".to_owned()));
            }
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                if id != CUSTOM && !seen.insert(id) {
                    return Err(Unreadable(format!("it has two sections of the number {id}")));
                }
                push(&mut outline.sections, (id, range), MAX_SECTIONS, "sections")?;
            }
            outline.record(bytes, payload)?;
        }
        Ok(outline)
    }

    fn record(&mut self, bytes: &'a [u8], payload: Payload<'a>) -> Result<(), Unreadable> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(Unreadable("it is a component".to_owned()));
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.objects.push(object_size(&ty.composite_type.inner));
                        let ty = match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        };
                        push(&mut self.types, ty, MAX_ITEMS, "types")?;
                    }
                }
            }
            Payload::ImportSection(section) => {
                for imports in section {
                    push(&mut self.imports, import(bytes, imports?)?, MAX_IMPORTS, "imports")?;
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    push(&mut self.functions, ty?, MAX_ITEMS, "functions")?;
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (at, table) = table?;
                    push(&mut self.tables, Bounds::of_table(bytes, at)?, MAX_TABLES, "tables")?;
                    if let TableInit::Expr(value) = table.init {
                        self.at_first += made_by(&value, &self.objects)?;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    push(&mut self.memories, Bounds::of_memory(bytes, memory?.0)?, MAX_TABLES, "memories")?;
                }
            }
            Payload::TagSection(section) => self.has_tags = section.count() > 0,
            Payload::GlobalSection(section) => {
                for global in section {
                    self.at_first += made_by(&global?.init_expr, &self.objects)?;
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    if let ElementItems::Expressions(_, items) = element?.items {
                        for item in items {
                            self.at_first += made_by(&item?, &self.objects)?;
                        }
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    push(&mut self.exports, export?, MAX_ITEMS, "exports")?;
                }
            }
            Payload::CodeSectionEntry(body) => push(&mut self.bodies, body, MAX_ITEMS, "functions")?,
            _ => {}
        }
        Ok(())
    }

    /// The types of all functions, the imported ones first.
    pub fn all_functions(&self) -> impl Iterator<Item = u32> {
        let imported = self.imports.iter().filter_map(|import| match import.item {
            Item::Function(ty) => Some(ty),
            _ => None,
        });
        imported.chain(self.functions.iter().copied())
    }

    /// All memories, the imported ones first.
    pub fn all_memories(&mut self) -> impl Iterator<Item = &mut Bounds> {
        let imported = self.imports.iter_mut().filter_map(|import| match &mut import.item {
            Item::Memory(bounds) => Some(bounds),
            _ => None,
        });
        imported.chain(&mut self.memories)
    }

    /// All tables, the imported ones first.
    pub fn all_tables(&mut self) -> impl Iterator<Item = &mut Bounds> {
        let imported = self.imports.iter_mut().filter_map(|import| match &mut import.item {
            Item::Table(bounds) => Some(bounds),
            _ => None,
        });
        imported.chain(&mut self.tables)
    }

    /// The type of a function, if it is one's.
    pub fn function_type(&self, number: u32) -> Option<&FuncType> {
        self.types.get(usize::try_from(number).ok()?)?.as_ref()
    }

    /// True if it imports anything of this edition of WASI.
    pub fn imports_from(&self, abi: Abi) -> bool {
        self.imports.iter().any(|import| import.module == abi.module())
    }

    /// The edition of WASI it is for: the one that it imports from.
    pub fn abi(&self) -> Abi {
        let is_old = self.imports_from(Abi::Unstable) && !self.imports_from(Abi::Preview1);
        if is_old { Abi::Unstable } else { Abi::Preview1 }
    }

    /// The imports that nothing answers to. (A memory of threads is made for the program.)
    pub fn missing(&self) -> impl Iterator<Item = &Import<'a>> {
        let abi = self.abi();
        let is_made = |import: &Import<'_>| matches!(import.item, Item::Memory(_));
        self.imports.iter().filter(move |import| !is_made(import) && import.syscall(abi).is_none())
    }

    /// True if it exports a function of this name.
    pub fn exports_function(&self, name: &str) -> bool {
        self.exports.iter().any(|export| export.name == name && kind_of(export) == "function")
    }
}

/// Adds an item to a list, unless it has the most already.
fn push<T>(list: &mut Vec<T>, one: T, most: usize, what: &str) -> Result<(), Unreadable> {
    if list.len() >= most {
        return Err(Unreadable(format!("it has too many {what}: {most} is the most")));
    }
    list.push(one);
    Ok(())
}

/// Bytes of the objects that are made for a first value, where types have these sizes.
fn made_by(constant: &ConstExpr<'_>, sizes: &[u32]) -> Result<u128, BinaryReaderError> {
    let mut made = 0;
    let mut length = None;
    let mut operators = constant.get_operators_reader();
    while !operators.eof() {
        let operator = operators.read()?;
        made += match operator {
            Operator::StructNew { struct_type_index: ty } | Operator::StructNewDefault { struct_type_index: ty } => {
                u128::from(size_of(sizes, ty))
            }
            // A length that is calculated may be any.
            Operator::ArrayNew { array_type_index: ty } | Operator::ArrayNewDefault { array_type_index: ty } => {
                u128::from(length.unwrap_or(u32::MAX)) * u128::from(size_of(sizes, ty))
            }
            Operator::ArrayNewFixed { array_type_index: ty, array_size } => {
                u128::from(array_size) * u128::from(size_of(sizes, ty))
            }
            _ => 0,
        };
        length = if let Operator::I32Const { value } = operator { Some(value.cast_unsigned()) } else { None };
    }
    Ok(made)
}

/// Bytes of a struct of this type, or of an element of an array; the most there can be where that is not
/// known.
pub fn size_of(sizes: &[u32], ty: u32) -> u32 {
    usize::try_from(ty).ok().and_then(|ty| sizes.get(ty)).copied().unwrap_or(u32::MAX)
}

/// Bytes of a struct of this type, or of an element of an array; 0 of a function.
fn object_size(ty: &CompositeInnerType) -> u32 {
    let bytes = |field: &FieldType| match field.element_type {
        StorageType::I8 => 1,
        StorageType::I16 => 2,
        StorageType::Val(ValType::I32 | ValType::F32) => 4,
        StorageType::Val(ValType::V128) => 16,
        StorageType::Val(_) => 8,
    };
    match ty {
        CompositeInnerType::Struct(ty) => OBJECT + ty.fields.iter().map(bytes).sum::<u32>(),
        CompositeInnerType::Array(ty) => bytes(&ty.0),
        _ => 0,
    }
}

/// True if this is the type of a syscall.
pub fn is_type_of(ty: &FuncType, row: &Syscall) -> bool {
    let params = row.params.iter().map(|param| match param.wasm {
        SyscallType::I32 => ValType::I32,
        SyscallType::I64 => ValType::I64,
    });
    let results: &[ValType] = if row.returns { &[ValType::I32] } else { &[] };
    params.eq(ty.params().iter().copied()) && ty.results() == results
}

fn import<'a>(bytes: &[u8], imports: Imports<'a>) -> Result<Import<'a>, Unreadable> {
    let Imports::Single(at, wasmparser::Import { module, name, ty }) = imports else {
        return Err(Unreadable("it imports several things at once, which is not known here".to_owned()));
    };
    let type_at = || {
        let mut reader = BinaryReader::new(super::sections::slice(bytes, at..bytes.len()), at);
        reader.skip_string()?;
        reader.skip_string()?;
        reader.read_u8()?; // the kind
        Ok::<_, BinaryReaderError>(reader.original_position())
    };
    let item = match ty {
        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => Item::Function(ty),
        TypeRef::Table(_) => Item::Table(Bounds::of_table(bytes, type_at()?)?),
        TypeRef::Memory(_) => Item::Memory(Bounds::of_memory(bytes, type_at()?)?),
        TypeRef::Global(_) => Item::Global,
        TypeRef::Tag(_) => Item::Tag,
    };
    Ok(Import { module, name, item })
}

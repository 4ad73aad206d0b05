//! The functions and types of a component, as JavaScript gets them: a table of types, and the functions that
//! it imports and exports, by their types' indices.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ResourceType, Type, Val};
use wasmtime::{Engine, Result, bail};

/// The most entries of the table of types, and the most functions, resources and names of types. (The largest
/// known components have some hundred.)
const MOST: usize = 10_000;

/// The bytes that the smallest allocation takes of the host.
const LEAST_ALLOCATION: usize = 32;

/// The bytes of a property of an object in JavaScript, and of a typed array with a buffer of its own.
const PROPERTY: usize = 16;
const ARRAY: usize = 224;

/// A function or resource, and the interface that it is in, if it is in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The name of the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The name there.
    pub name: String,
}

/// The description of a component.
#[derive(Debug)]
pub struct Description {
    /// The description for JavaScript: `lib/component.js` reads it.
    pub json: String,
    /// The types of its functions.
    pub types: Arc<[Described]>,
    /// The functions that it imports and that the host does not give.
    pub imports: Vec<Function>,
    /// The functions that it exports.
    pub exports: Vec<Function>,
    /// The resources that it imports and that the host does not give, by their numbers.
    pub resources: Vec<Item>,
}

/// A type. Those that it is made of are indices in the table.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are those of the component model")]
pub enum Described {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List {
        of: usize,
    },
    FixedList {
        of: usize,
        length: u32,
    },
    Record {
        fields: Vec<(String, usize)>,
    },
    Tuple {
        types: Vec<usize>,
    },
    Variant {
        cases: Vec<(String, Option<usize>)>,
    },
    Enum {
        names: Vec<String>,
    },
    Option {
        of: usize,
    },
    Result {
        ok: Option<usize>,
        err: Option<usize>,
    },
    Flags {
        names: Vec<String>,
    },
    Own {
        resource: usize,
        #[serde(skip)]
        host: Option<u32>,
    },
    Borrow {
        resource: usize,
        #[serde(skip)]
        host: Option<u32>,
    },
    /// Of no elements, it tells nothing but their number.
    Stream {
        of: Option<usize>,
    },
    Future {
        of: Option<usize>,
    },
    /// A type that JavaScript can't be given.
    Unsupported {
        name: &'static str,
    },
}

/// True if values of this type have lists or strings in them: a guest allocates memory to be given one.
pub fn has_lists(types: &[Described], index: usize) -> bool {
    let (mut seen, mut next) = (vec![false; types.len()], vec![index]);
    while let Some(index) = next.pop() {
        let (Some(ty), Some(is_seen)) = (types.get(index), seen.get_mut(index)) else { continue };
        if std::mem::replace(is_seen, true) {
            continue;
        }
        match ty {
            Described::String | Described::List { .. } => return true,
            Described::FixedList { of, .. } | Described::Option { of } => next.push(*of),
            Described::Record { fields } => next.extend(fields.iter().map(|(_, field)| field)),
            Described::Tuple { types } => next.extend(types),
            Described::Variant { cases } => next.extend(cases.iter().filter_map(|(_, case)| *case)),
            Described::Result { ok, err } => next.extend([ok, err].into_iter().copied().flatten()),
            _ => {}
        }
    }
    false
}

/// A function.
#[derive(Clone, Debug, Serialize)]
pub struct Function {
    /// Its name.
    #[serde(flatten)]
    pub item: Item,
    /// The names of its parameters, and their types.
    pub params: Vec<(String, usize)>,
    /// The type of its result.
    pub result: Option<usize>,
    /// True for an asynchronous function of WASI 0.3.
    #[serde(rename = "isAsync")]
    pub is_async: bool,
}

/// A resource.
#[derive(Debug, Serialize)]
struct Resource {
    #[serde(flatten)]
    item: Item,
    /// True if the embedder implements it.
    #[serde(rename = "isImported")]
    is_imported: bool,
}

#[derive(Debug, Default, Serialize)]
struct Tables {
    /// True if functions may be called at the same time.
    #[serde(rename = "isConcurrent")]
    is_concurrent: bool,
    types: Vec<Described>,
    imports: Vec<Function>,
    exports: Vec<Function>,
    resources: Vec<Resource>,
    /// The names of types that have any, by their indices. (Types of the same structure are one.)
    names: BTreeMap<usize, Vec<Item>>,
    #[serde(skip)]
    known: Known,
}

/// The places of types and resources that are in the table.
#[derive(Debug, Default)]
struct Known {
    primitives: HashMap<&'static str, usize>,
    /// Types that are made of others, by their keys.
    types: HashMap<String, usize>,
    resources: Vec<(ResourceType, usize)>,
    /// The names of types, by their keys.
    named: HashMap<String, Vec<Item>>,
    /// How many functions, resources and names there are.
    items: usize,
}

/// Describes a component. `is_given` is true for imports that the host has itself.
pub fn describe(component: &Component, engine: &Engine, is_given: impl Fn(&str) -> bool) -> Result<Description> {
    let ty = component.component_type();
    let is_concurrent = engine.get_concurrency_support();
    let mut tables = Tables { is_concurrent, ..Tables::default() };
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for (name, item) in ty.imports(engine) {
        if !is_given(name) {
            tables.collect(engine, name, &item.ty, true, &mut imports)?;
        }
    }
    let imported = tables.resources.iter().map(|resource| resource.item.clone()).collect();
    for (name, item) in ty.exports(engine) {
        tables.collect(engine, name, &item.ty, false, &mut exports)?;
    }
    for (item, function) in &imports {
        let function = tables.function(item.clone(), function)?;
        tables.imports.push(function);
    }
    for (item, function) in &exports {
        let function = tables.function(item.clone(), function)?;
        tables.exports.push(function);
    }
    let json = serde_json::to_string(&tables).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let Tables { types, imports, exports, .. } = tables;
    Ok(Description { json, types: types.into(), imports, exports, resources: imported })
}

impl Description {
    /// The most bytes of the host for each byte that wasmtime counts of a value inside of a list, at least 1.
    ///
    /// Wasmtime counts a flag that is set with the letters of its name; it is a `String` in a vector, and a
    /// property in JavaScript. A list in a list may be empty, and is an array there all the same.
    pub fn bytes_per_counted(&self) -> usize {
        let flag = size_of::<String>().saturating_mul(2).saturating_add(LEAST_ALLOCATION);
        let mut most = Vec::with_capacity(self.types.len());
        // A type comes after those that it is made of.
        for ty in self.types.iter() {
            let of = |index: &usize| most.get(*index).copied().unwrap_or(1);
            most.push(match ty {
                Described::Flags { names } => {
                    let counted = names.iter().map(String::len).sum::<usize>().saturating_add(size_of::<Val>());
                    let each = flag.saturating_add(PROPERTY);
                    names.len().saturating_mul(each).saturating_add(size_of::<Val>()).div_ceil(counted)
                }
                Described::List { of: element } | Described::FixedList { of: element, .. } => {
                    of(element).max(ARRAY.saturating_add(size_of::<Val>()).div_ceil(size_of::<Val>()))
                }
                Described::Option { of: element } => of(element),
                Described::Record { fields } => fields.iter().map(|(_, field)| of(field)).max().unwrap_or(1),
                Described::Tuple { types } => types.iter().map(of).max().unwrap_or(1),
                Described::Variant { cases } => {
                    cases.iter().filter_map(|(_, case)| case.as_ref()).map(of).max().unwrap_or(1)
                }
                Described::Result { ok, err } => [ok, err].into_iter().flatten().map(of).max().unwrap_or(1),
                _ => 1,
            });
        }
        let elements = self.types.iter().filter_map(|ty| match ty {
            Described::List { of } | Described::FixedList { of, .. } => most.get(*of),
            _ => None,
        });
        elements.copied().max().unwrap_or(1)
    }
}

impl Tables {
    /// Adds what is in an import or export: resources to the table, functions to `functions`.
    fn collect(
        &mut self,
        engine: &Engine,
        name: &str,
        item: &ComponentItem,
        is_imported: bool,
        functions: &mut Vec<(Item, ComponentFunc)>,
    ) -> Result<()> {
        let mut add = |item: Item, ty: ComponentItem| {
            self.known.items = self.known.items.saturating_add(1);
            if self.known.items > MOST {
                bail!("has more functions, resources and types than can be described: {MOST} is the most");
            }
            match ty {
                ComponentItem::ComponentFunc(function) => functions.push((item, function)),
                ComponentItem::Resource(resource) => self.add_resource(item, resource, is_imported),
                ComponentItem::Type(ty) => self.known.named.entry(key_of(&ty)).or_default().push(item),
                // Nothing that JavaScript could use, and nothing that it could give.
                _ if is_imported => {
                    bail!("imports '{}', which is neither a function nor an interface of them", item.name)
                }
                _ => {}
            }
            Ok(())
        };
        match item {
            ComponentItem::ComponentInstance(instance) => instance.exports(engine).try_for_each(|(inner, item)| {
                add(Item { interface: Some(name.to_owned()), name: inner.to_owned() }, item.ty)
            }),
            other => add(Item { interface: None, name: name.to_owned() }, other.clone()),
        }
    }

    fn add_resource(&mut self, item: Item, resource: ResourceType, is_imported: bool) {
        if self.known.resources.iter().all(|(known, _)| *known != resource) {
            self.known.resources.push((resource, self.resources.len()));
            self.resources.push(Resource { item, is_imported });
        }
    }

    fn function(&mut self, item: Item, ty: &ComponentFunc) -> Result<Function> {
        let params = ty.params().map(|(name, ty)| Ok((name.to_owned(), self.index_of(&ty)?))).collect::<Result<_>>()?;
        let result = ty.results().next().map(|ty| self.index_of(&ty)).transpose()?;
        Ok(Function { item, params, result, is_async: ty.async_() })
    }

    fn add(&mut self, described: Described) -> Result<usize> {
        if self.types.len() >= MOST {
            bail!("has too many types: {MOST} is the most");
        }
        self.types.push(described);
        Ok(self.types.len() - 1)
    }

    /// The index of a type in the table, where it is put if it is not there.
    fn index_of(&mut self, ty: &Type) -> Result<usize> {
        if let Some((name, described)) = primitive(ty) {
            if let Some(index) = self.known.primitives.get(name) {
                return Ok(*index);
            }
            let index = self.add(described)?;
            self.known.primitives.insert(name, index);
            return Ok(index);
        }
        let key = key_of(ty);
        if let Some(index) = self.known.types.get(&key) {
            return Ok(*index);
        }
        let described = self.describe(ty)?;
        let index = self.add(described)?;
        if let Some(items) = self.known.named.get(&key) {
            self.names.insert(index, items.clone());
        }
        self.known.types.insert(key, index);
        Ok(index)
    }

    fn describe(&mut self, ty: &Type) -> Result<Described> {
        Ok(match ty {
            Type::List(list) => Described::List { of: self.index_of(&list.ty())? },
            Type::FixedLengthList(list) => Described::FixedList { of: self.index_of(&list.ty())?, length: list.len() },
            Type::Record(record) => Described::Record {
                fields: record
                    .fields()
                    .map(|field| Ok((field.name.to_owned(), self.index_of(&field.ty)?)))
                    .collect::<Result<_>>()?,
            },
            Type::Tuple(tuple) => {
                Described::Tuple { types: tuple.types().map(|ty| self.index_of(&ty)).collect::<Result<_>>()? }
            }
            Type::Variant(variant) => Described::Variant {
                cases: variant
                    .cases()
                    .map(|case| Ok((case.name.to_owned(), self.index_of_some(case.ty.as_ref())?)))
                    .collect::<Result<_>>()?,
            },
            Type::Enum(names) => Described::Enum { names: names.names().map(str::to_owned).collect() },
            Type::Option(option) => Described::Option { of: self.index_of(&option.ty())? },
            Type::Result(result) => Described::Result {
                ok: self.index_of_some(result.ok().as_ref())?,
                err: self.index_of_some(result.err().as_ref())?,
            },
            Type::Flags(flags) => Described::Flags { names: flags.names().map(str::to_owned).collect() },
            Type::Own(resource) => {
                let (resource, host) = self.resource_of(resource);
                Described::Own { resource, host }
            }
            Type::Borrow(resource) => {
                let (resource, host) = self.resource_of(resource);
                Described::Borrow { resource, host }
            }
            Type::Map(_) => Described::Unsupported { name: "a map" },
            Type::Stream(stream) => Described::Stream { of: self.index_of_some(stream.ty().as_ref())? },
            Type::Future(future) => Described::Future { of: self.index_of_some(future.ty().as_ref())? },
            _ => Described::Unsupported { name: "an error context" },
        })
    }

    fn index_of_some(&mut self, ty: Option<&Type>) -> Result<Option<usize>> {
        ty.map(|ty| self.index_of(ty)).transpose()
    }

    /// The index of a resource, and its number if the embedder implements it. (Those come first, so the two
    /// are the same.) A resource that nobody has a name for, such as of wasi:io, is added without.
    fn resource_of(&mut self, resource: &ResourceType) -> (usize, Option<u32>) {
        let known = |all: &[(ResourceType, usize)]| all.iter().find(|(known, _)| known == resource).map(|(_, at)| *at);
        let index = known(&self.known.resources).unwrap_or_else(|| {
            self.add_resource(Item { interface: None, name: String::new() }, *resource, false);
            self.resources.len().saturating_sub(1)
        });
        let is_imported = self.resources.get(index).is_some_and(|resource| resource.is_imported);
        (index, u32::try_from(index).ok().filter(|_| is_imported))
    }
}

/// The key of a type: its kind, and its place among all types of the component. (Types of a component that
/// is not instantiated can't be compared where they have resources: wasmtime panics.)
fn key_of(ty: &Type) -> String {
    format!("{ty:?}")
}

/// A type that is not made of others.
fn primitive(ty: &Type) -> Option<(&'static str, Described)> {
    Some(match ty {
        Type::Bool => ("bool", Described::Bool),
        Type::S8 => ("s8", Described::S8),
        Type::U8 => ("u8", Described::U8),
        Type::S16 => ("s16", Described::S16),
        Type::U16 => ("u16", Described::U16),
        Type::S32 => ("s32", Described::S32),
        Type::U32 => ("u32", Described::U32),
        Type::S64 => ("s64", Described::S64),
        Type::U64 => ("u64", Described::U64),
        Type::Float32 => ("f32", Described::F32),
        Type::Float64 => ("f64", Described::F64),
        Type::Char => ("char", Described::Char),
        Type::String => ("string", Described::String),
        _ => return None,
    })
}

//! The depth and the size of a component's types. wasmparser reads types that are written in each other by
//! recursion, and counts in seven bits how deep types are that refer to each other. So both are bounded here
//! before: a type is read one declaration after the other. The size of an instance's type is that of all
//! that is in it: each level may have the one below twice.

use crate::error::ProgramError;
use wasmparser::{
    BinaryReader, BinaryReaderError, ComponentAlias, ComponentDefinedType, ComponentExternalKind, ComponentImport,
    ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration, ComponentTypeRef, ComponentValType,
    InstanceTypeDeclaration, TypeBounds,
};

/// The most types in each other, written or referred to. With as many components in each other, that is less
/// than wasmparser can count.
pub const MAX_DEPTH: u32 = 60;

/// The tags of a component's type and of an instance's, and those of declarations in them.
const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;
const TYPE: u8 = 0x01;
const IMPORT: u8 = 0x03;

/// The depth and the size of a type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measure {
    /// The number of types in each other.
    pub depth: u32,
    /// The number of items in it, as often as they are in it.
    pub size: u64,
    /// True if it has anything but types.
    pub has_items: bool,
}

impl Measure {
    /// The measure of a type of values, or of a function.
    pub const fn of_values(depth: u32) -> Self {
        Self { depth, size: 1, has_items: false }
    }

    /// The measure of a type that has these in it. An error if it is too deep.
    pub fn around(all: impl IntoIterator<Item = Self>) -> Result<Self, ProgramError> {
        let inner = all.into_iter().fold(Self::default(), |sum, one| Self {
            depth: sum.depth.max(one.depth),
            size: sum.size.saturating_add(one.size),
            has_items: sum.has_items || one.has_items,
        });
        let depth = check(inner.depth.saturating_add(1))?;
        Ok(Self { depth, size: inner.size.saturating_add(1), ..inner })
    }
}

/// The types of a component, in the order of their indices.
#[derive(Debug, Default)]
pub struct Types {
    all: Vec<Measure>,
    /// The greatest depth of them, kept: a file may ask for it as often as it has items.
    deepest: u32,
}

impl Types {
    /// Adds a type.
    pub fn push(&mut self, measure: Measure) {
        self.all.push(measure);
        self.deepest = self.deepest.max(measure.depth);
    }

    /// The measure of a type with an index that comes from a file.
    pub fn get(&self, index: u32) -> Option<Measure> {
        self.all.get(usize::try_from(index).ok()?).copied()
    }

    /// The number of types.
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// The types from this number on.
    pub fn since(&self, known: usize) -> &[Measure] {
        self.all.get(known..).unwrap_or_default()
    }

    /// The measure of an item whose type is one of these, and not known.
    pub const fn of_any(&self) -> Measure {
        Measure::of_values(self.deepest)
    }
}

/// A type of a component or an instance that is being read.
#[derive(Default)]
struct Scope {
    /// The declarations that are to come.
    left: u32,
    types: Types,
    /// The size of what it imports and exports.
    size: u64,
    /// True if it exports anything but types.
    has_items: bool,
}

impl Scope {
    fn measure_of(&self, index: u32) -> Measure {
        self.types.get(index).unwrap_or(self.types.of_any())
    }

    fn depth_of(&self, index: u32) -> u32 {
        self.measure_of(index).depth
    }

    fn depth_of_value(&self, ty: ComponentValType) -> u32 {
        match ty {
            ComponentValType::Primitive(_) => 0,
            ComponentValType::Type(index) => self.depth_of(index),
        }
    }

    /// The depth of a type that is not a component's or an instance's.
    fn depth_of_type(&self, ty: &ComponentType<'_>) -> u32 {
        use ComponentDefinedType as Defined;
        let of = |all: &mut dyn Iterator<Item = ComponentValType>| {
            all.map(|ty| self.depth_of_value(ty)).max().unwrap_or_default()
        };
        let inner = match ty {
            ComponentType::Func(ty) => of(&mut ty.params.iter().map(|(_, ty)| *ty).chain(ty.result)),
            ComponentType::Defined(Defined::Record(fields)) => of(&mut fields.iter().map(|(_, ty)| *ty)),
            ComponentType::Defined(Defined::Variant(cases)) => of(&mut cases.iter().filter_map(|case| case.ty)),
            ComponentType::Defined(Defined::Tuple(types)) => of(&mut types.iter().copied()),
            ComponentType::Defined(Defined::List(ty) | Defined::Option(ty) | Defined::FixedLengthList(ty, _)) => {
                self.depth_of_value(*ty)
            }
            ComponentType::Defined(Defined::Map(key, value)) => of(&mut [*key, *value].into_iter()),
            ComponentType::Defined(Defined::Result { ok, err }) => of(&mut ok.iter().chain(err).copied()),
            ComponentType::Defined(Defined::Future(ty) | Defined::Stream(ty)) => of(&mut ty.iter().copied()),
            _ => 0,
        };
        inner.saturating_add(1)
    }

    /// Adds what a declaration imports or exports.
    fn refer(&mut self, ty: &ComponentTypeRef) {
        self.has_items |= match ty {
            ComponentTypeRef::Type(TypeBounds::Eq(_)) => false,
            ComponentTypeRef::Instance(index) => self.measure_of(*index).has_items,
            _ => true,
        };
        match ty {
            ComponentTypeRef::Func(index) | ComponentTypeRef::Instance(index) | ComponentTypeRef::Component(index) => {
                self.size = self.size.saturating_add(self.measure_of(*index).size);
            }
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => self.types.push(self.measure_of(*index)),
            ComponentTypeRef::Type(TypeBounds::SubResource) => self.types.push(Measure::of_values(1)),
            ComponentTypeRef::Module(_) | ComponentTypeRef::Value(_) => {}
        }
    }
}

/// The measures of the types of a section, after those that are there before. `outer` tells that of a type
/// of a component around this one: how many further out, and the type's index.
pub fn measures(
    mut reader: BinaryReader<'_>,
    before: Types,
    outer: impl Fn(u32, u32) -> Measure,
) -> Result<Types, ProgramError> {
    let mut all = vec![Scope { left: reader.read_var_u32()?, types: before, ..Scope::default() }];
    while let Some(mut scope) = all.pop() {
        let Some(left) = scope.left.checked_sub(1) else {
            let Some(around) = all.last_mut() else { return Ok(scope.types) };
            let declared = scope.types.len() as u64;
            let inner = Measure { depth: scope.types.deepest, size: scope.size, has_items: scope.has_items };
            let whole = Measure::around([inner])?;
            around.types.push(Measure { size: whole.size.saturating_add(declared), ..whole });
            continue;
        };
        scope.left = left;
        let is_type = all.is_empty() || next(&reader)? == TYPE;
        if is_type {
            if !all.is_empty() {
                reader.read_u8()?;
            }
            if matches!(next(&reader)?, COMPONENT | INSTANCE) {
                reader.read_u8()?;
                let inner = Scope { left: reader.read_var_u32()?, ..Scope::default() };
                all.extend([scope, inner]);
                check(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
                continue;
            }
            let depth = scope.depth_of_type(&reader.read()?);
            scope.types.push(Measure::of_values(check(depth)?));
        } else if next(&reader)? == IMPORT {
            reader.read_u8()?;
            let import: ComponentImport<'_> = reader.read()?;
            scope.refer(&import.ty);
        } else {
            match reader.read()? {
                InstanceTypeDeclaration::Export { ty, .. } => scope.refer(&ty),
                InstanceTypeDeclaration::Alias(ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::Type,
                    count: 0,
                    index,
                }) => scope.types.push(scope.measure_of(index)),
                InstanceTypeDeclaration::Alias(ComponentAlias::Outer {
                    kind: ComponentOuterAliasKind::Type,
                    count,
                    index,
                }) => {
                    let further = usize::try_from(count).unwrap_or(usize::MAX);
                    let measure = match all.len().checked_sub(further) {
                        Some(place) => all.get(place).map(|scope| scope.measure_of(index)).unwrap_or_default(),
                        None => outer(count.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)), index),
                    };
                    scope.types.push(measure);
                }
                InstanceTypeDeclaration::Alias(ComponentAlias::InstanceExport {
                    kind: ComponentExternalKind::Type,
                    ..
                }) => scope.types.push(scope.types.of_any()),
                _ => {}
            }
        }
        all.push(scope);
    }
    Ok(Types::default())
}

/// True for a type that has asynchronous functions, streams or futures. (How deep it is has been checked.)
pub fn is_asynchronous(ty: &ComponentType<'_>) -> bool {
    match ty {
        ComponentType::Func(ty) => ty.async_,
        ComponentType::Defined(ty) => matches!(ty, ComponentDefinedType::Future(_) | ComponentDefinedType::Stream(_)),
        ComponentType::Component(all) => {
            all.iter().any(|one| matches!(one, ComponentTypeDeclaration::Type(ty) if is_asynchronous(ty)))
        }
        ComponentType::Instance(all) => {
            all.iter().any(|one| matches!(one, InstanceTypeDeclaration::Type(ty) if is_asynchronous(ty)))
        }
        ComponentType::Resource { .. } => false,
    }
}

/// The next byte.
fn next(reader: &BinaryReader<'_>) -> Result<u8, BinaryReaderError> {
    reader.clone().read_u8()
}

/// A depth, if there may be one like that.
pub fn check(depth: u32) -> Result<u32, ProgramError> {
    if depth <= MAX_DEPTH {
        return Ok(depth);
    }
    let why = format!("is too hard to compile: it has types in each other, more than {MAX_DEPTH}");
    Err(ProgramError::Wrong(why))
}

//! Components as bytes: their modules, the names at their top, and the bounds of what they make an engine
//! compile.
//!
//! wasmtime resolves all instantiations of components when it compiles. A component that instantiates another
//! one twice, which does the same, and so on, takes no more bytes than one level each, and twice the work.
//! So the work is counted here before, and bounded. A component that is handed in to another one can't be
//! counted, and is refused.

use crate::cancellation::Cancellation;
use crate::compile_limits;
use crate::component_types::{self, Measure, Types};
use crate::error::ProgramError;
use crate::worlds::{check_command, handler_of, run_of, version};
use std::ops::Range;
use wasmparser::{
    BinaryReader, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentDefinedType, ComponentExternalKind,
    ComponentInstance, ComponentOuterAliasKind, ComponentType, ComponentTypeRef, ComponentValType, Encoding, Parser,
    Payload, TypeBounds, TypeRef,
};

/// The most items that all instances of all components have together: instances, aliases, types and
/// functions, each 1 µs and 1 KiB of the compiler's. (The largest known ones have 20 000.)
const MAX_ITEMS: u64 = 200_000;

/// The most values that functions between components copy, fields of records each. Each makes some
/// instructions.
const MAX_COPIED: u64 = 1_000_000;

/// The most components in each other.
const MAX_DEPTH: usize = component_types::MAX_DEPTH as usize;

/// A component, read once.
#[derive(Debug, Default)]
pub struct Component<'a> {
    /// The names of its imports.
    pub imports: Vec<&'a str>,
    /// The names of those that are more than types, which somebody has to give.
    pub needs: Vec<&'a str>,
    /// The names of its exports.
    pub exports: Vec<&'a str>,
    /// True if it has what is asynchronous: functions, streams, futures, tasks.
    is_asynchronous: bool,
    /// The places of all core modules in it.
    modules: Vec<Range<usize>>,
}

/// The items of one component while it is read.
#[derive(Default)]
struct Frame {
    /// True for a core module.
    is_module: bool,
    items: u64,
    copied: u64,
    /// The weight of each component that can be instantiated here; none if it is not known.
    components: Vec<Option<Weight>>,
    types: Types,
    /// The number of values of each type.
    sizes: Vec<u64>,
    /// True for each function, and each instance, that may be of a component in the file; false for those
    /// that the host gives.
    functions: Vec<bool>,
    instances: Vec<bool>,
    /// The depth and the size of each instance's type.
    instance_measures: Vec<Measure>,
    /// Those of what it exports.
    exported: Vec<Measure>,
}

/// The items that an instance of a component has, with all instances in it, and the values that its
/// functions copy.
#[derive(Clone, Copy, Default)]
struct Weight {
    items: u64,
    copied: u64,
    /// The depth and the size of an instance's type.
    exported: Measure,
}

impl Frame {
    /// Adds items of a section, before they are read: no more are than there may be.
    fn add(&mut self, items: u32) -> Result<(), ProgramError> {
        self.items = self.items.saturating_add(items.into());
        self.check_bounds()
    }

    fn check_bounds(&self) -> Result<(), ProgramError> {
        for (count, most, what) in [
            (self.items, MAX_ITEMS, "instances, types and functions of components"),
            (self.copied, MAX_COPIED, "values that its functions copy between components"),
        ] {
            if count > most {
                return Err(too_hard(format!("it has {count} {what}, and {most} is the most")));
            }
        }
        Ok(())
    }

    /// Adds an instance of the component with this index.
    fn instantiate(&mut self, component: u32) -> Result<(), ProgramError> {
        let Some(weight) = at(&self.components, component).flatten() else {
            let why = "instantiates a component that it was given or got from another one, which is not supported";
            return Err(ProgramError::Wrong(why.to_owned()));
        };
        self.items = self.items.saturating_add(weight.items);
        self.copied = self.copied.saturating_add(weight.copied);
        self.add_instance(true, weight.exported);
        Ok(())
    }

    /// Adds an instance, which may be of a component in the file.
    fn add_instance(&mut self, is_inside: bool, measure: Measure) {
        self.instances.push(is_inside);
        self.instance_measures.push(measure);
        self.items = self.items.saturating_add(measure.size);
    }

    /// Adds a type with this number of values.
    fn add_type(&mut self, size: u64, measure: Measure) {
        self.sizes.push(size);
        self.types.push(measure);
    }

    /// The measure of an item that is exported.
    fn measure_of(&self, kind: ComponentExternalKind, index: u32) -> Measure {
        match kind {
            ComponentExternalKind::Instance => at(&self.instance_measures, index),
            ComponentExternalKind::Type => self.types.get(index),
            ComponentExternalKind::Component => at(&self.components, index).flatten().map(|weight| weight.exported),
            _ => Some(self.types.of_any()),
        }
        .unwrap_or_default()
    }

    /// The number of values of a type.
    fn size(&self, ty: ComponentValType, largest: u64) -> u64 {
        match ty {
            ComponentValType::Primitive(_) => 1,
            ComponentValType::Type(index) => at(&self.sizes, index).unwrap_or(largest),
        }
    }

    fn size_of_all(&self, types: impl Iterator<Item = ComponentValType>, largest: u64) -> u64 {
        types.fold(1, |sum: u64, ty| sum.saturating_add(self.size(ty, largest)))
    }

    fn size_of_type(&self, ty: &ComponentType<'_>, largest: u64) -> u64 {
        use ComponentDefinedType as Defined;
        match ty {
            ComponentType::Func(ty) => self.size_of_all(ty.params.iter().map(|(_, ty)| *ty).chain(ty.result), largest),
            ComponentType::Defined(Defined::Record(fields)) => {
                self.size_of_all(fields.iter().map(|(_, ty)| *ty), largest)
            }
            ComponentType::Defined(Defined::Variant(cases)) => {
                let payloads = self.size_of_all(cases.iter().filter_map(|case| case.ty), largest);
                payloads.saturating_add(cases.len() as u64)
            }
            ComponentType::Defined(Defined::Tuple(types)) => self.size_of_all(types.iter().copied(), largest),
            ComponentType::Defined(Defined::List(ty) | Defined::Option(ty)) => {
                self.size(*ty, largest).saturating_add(1)
            }
            ComponentType::Defined(Defined::FixedLengthList(ty, count)) => {
                self.size(*ty, largest).saturating_mul(u64::from(*count).max(1))
            }
            ComponentType::Defined(Defined::Map(key, value)) => self.size_of_all([*key, *value].into_iter(), largest),
            ComponentType::Defined(Defined::Result { ok, err }) => {
                self.size_of_all(ok.iter().chain(err).copied(), largest)
            }
            ComponentType::Defined(Defined::Future(ty) | Defined::Stream(ty)) => {
                self.size_of_all(ty.iter().copied(), largest)
            }
            ComponentType::Defined(Defined::Enum(names) | Defined::Flags(names)) => names.len() as u64,
            _ => 1,
        }
    }
}

/// The element with an index that comes from a file.
fn at<T: Copy>(all: &[T], index: u32) -> Option<T> {
    all.get(usize::try_from(index).ok()?).copied()
}

impl<'a> Component<'a> {
    /// Reads a component. The error says why it can't be read, or is too hard to compile.
    pub fn read(bytes: &'a [u8], cancellation: &Cancellation) -> Result<Self, ProgramError> {
        let mut reading = Reading { bytes, ..Reading::default() };
        for payload in Parser::new(0).parse_all(bytes) {
            cancellation.check()?;
            reading.add(payload?)?;
        }
        match reading.unknown {
            None => Ok(reading.component),
            // A version that is not supported says more than what it has.
            Some(error) => match reading.component.run().map(|run| check_command(Some(run), false)) {
                Some(Err(version)) => Err(version),
                _ => Err(error),
            },
        }
    }

    /// Refuses a component that would take Cranelift too long or too much memory.
    pub fn check(&self, bytes: &[u8], cancellation: &Cancellation) -> Result<(), ProgramError> {
        let modules = self.modules.iter().filter_map(|range| bytes.get(range.clone()));
        compile_limits::check_all(modules, cancellation)
    }

    /// The version of WASI that it is for.
    pub fn version(&self) -> String {
        version(self.imports.iter().chain(&self.exports).copied(), self.is_asynchronous)
    }

    /// The interface by which a command is run, if it exports one.
    pub fn run(&self) -> Option<&'a str> {
        run_of(self.exports.iter().copied())
    }

    /// Refuses a component that can't be run as a command.
    pub fn check_command(&self) -> Result<(), ProgramError> {
        check_command(self.run(), handler_of(self.exports.iter().copied()).is_some())
    }
}

/// A component that is being read, with all that is in it.
#[derive(Default)]
struct Reading<'a> {
    bytes: &'a [u8],
    component: Component<'a>,
    /// The components and modules that are open, innermost last.
    frames: Vec<Frame>,
    /// The number of values of the largest type.
    largest: u64,
    /// The error of a function that is of no known kind.
    unknown: Option<ProgramError>,
}

impl<'a> Reading<'a> {
    fn add(&mut self, payload: Payload<'a>) -> Result<(), ProgramError> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.frames.push(Frame { is_module: encoding == Encoding::Module, ..Frame::default() });
                if self.frames.len() > MAX_DEPTH {
                    return Err(too_hard(format!("it has components in each other, more than {MAX_DEPTH}")));
                }
                return Ok(());
            }
            Payload::End(_) => return self.end(),
            Payload::ModuleSection { ref unchecked_range, .. } => {
                self.component.modules.push(unchecked_range.clone());
            }
            _ => {}
        }
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        match payload {
            _ if frame.is_module => return check_shared(payload),
            Payload::ModuleSection { .. } => frame.add(1)?,
            Payload::InstanceSection(section) => frame.add(section.count())?,
            Payload::CoreTypeSection(section) => frame.add(section.count())?,
            Payload::ComponentTypeSection(section) => {
                frame.add(section.count())?;
                let before = std::mem::take(&mut frame.types);
                let known = before.len();
                let content = self.bytes.get(section.range()).unwrap_or_default();
                let reader = BinaryReader::new(content, section.original_position());
                let types = component_types::measures(reader, before, |further, index| {
                    let outer = self.frames.iter().rev().nth(further as usize);
                    outer.and_then(|frame| frame.types.get(index)).unwrap_or_default()
                })?;
                let Some(frame) = self.frames.last_mut() else { return Ok(()) };
                let added = types.since(known).iter().map(|measure| measure.size);
                frame.items = added.fold(frame.items, u64::saturating_add);
                frame.types = types;
                frame.check_bounds()?;
                for ty in section {
                    let ty = ty?;
                    self.component.is_asynchronous |= component_types::is_asynchronous(&ty);
                    let size = frame.size_of_type(&ty, self.largest);
                    self.largest = self.largest.max(size);
                    frame.sizes.push(size);
                }
            }
            Payload::ComponentInstanceSection(section) => {
                frame.add(section.count())?;
                for instance in section {
                    match instance? {
                        ComponentInstance::Instantiate { component_index, .. } => frame.instantiate(component_index)?,
                        ComponentInstance::FromExports(exports) => {
                            let inner = exports.iter().map(|export| frame.measure_of(export.kind, export.index));
                            let measure = Measure::around(inner)?;
                            frame.add_instance(true, measure);
                        }
                    }
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                frame.add(section.count())?;
                for function in section {
                    self.component.is_asynchronous |= function.as_ref().is_ok_and(is_asynchronous);
                    match function {
                        Ok(CanonicalFunction::Lift { .. }) => frame.functions.push(true),
                        Ok(CanonicalFunction::Lower { func_index, .. }) => {
                            // A function of another component: its values are copied from one to the other.
                            if at(&frame.functions, func_index).unwrap_or(true) {
                                frame.copied = frame.copied.saturating_add(self.largest);
                            }
                        }
                        Ok(_) => {}
                        Err(error) => {
                            self.unknown.get_or_insert_with(|| error.into());
                            break;
                        }
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                frame.add(section.count())?;
                for alias in section {
                    self.alias(alias?);
                }
            }
            Payload::ComponentImportSection(section) => {
                frame.add(section.count())?;
                for import in section {
                    let import = import?;
                    if depth == 1 {
                        self.component.imports.push(import.name.name);
                        let needs = match import.ty {
                            ComponentTypeRef::Instance(index) => {
                                frame.measure_of(ComponentExternalKind::Type, index).has_items
                            }
                            ComponentTypeRef::Type(TypeBounds::Eq(_)) => false,
                            _ => true,
                        };
                        self.component.needs.extend(needs.then_some(import.name.name));
                    }
                    match import.ty {
                        ComponentTypeRef::Component(_) => frame.components.push(None),
                        ComponentTypeRef::Type(TypeBounds::Eq(index)) => {
                            let measure = frame.measure_of(ComponentExternalKind::Type, index);
                            frame.add_type(at(&frame.sizes, index).unwrap_or(self.largest), measure);
                        }
                        ComponentTypeRef::Type(TypeBounds::SubResource) => frame.add_type(1, Measure::of_values(1)),
                        ComponentTypeRef::Func(_) => frame.functions.push(depth > 1),
                        ComponentTypeRef::Instance(index) => {
                            let measure = frame.measure_of(ComponentExternalKind::Type, index);
                            frame.add_instance(depth > 1, measure);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                frame.add(section.count())?;
                for export in section {
                    let export = export?;
                    if depth == 1 {
                        self.component.exports.push(export.name.name);
                    }
                    let measure = frame.measure_of(export.kind, export.index);
                    frame.exported.push(measure);
                    // Each export is an item of its own, that can be referred to.
                    match export.kind {
                        ComponentExternalKind::Component => {
                            frame.components.push(at(&frame.components, export.index).flatten());
                        }
                        ComponentExternalKind::Type => {
                            frame.add_type(at(&frame.sizes, export.index).unwrap_or(self.largest), measure);
                        }
                        ComponentExternalKind::Func => {
                            frame.functions.push(at(&frame.functions, export.index).unwrap_or(true));
                        }
                        ComponentExternalKind::Instance => {
                            frame.add_instance(at(&frame.instances, export.index).unwrap_or(true), measure);
                        }
                        _ => {}
                    }
                }
            }
            _ => return Ok(()),
        }
        self.frames.last().map_or(Ok(()), Frame::check_bounds)
    }

    /// Adds an item that is known elsewhere.
    fn alias(&mut self, alias: ComponentAlias<'_>) {
        let outer = |count: u32| self.frames.iter().rev().nth(usize::try_from(count).unwrap_or(usize::MAX));
        let (component, ty) = match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                (Some(outer(count).and_then(|frame| at(&frame.components, index).flatten())), None)
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let size = outer(count).and_then(|frame| at(&frame.sizes, index)).unwrap_or(self.largest);
                (None, Some((size, outer(count).and_then(|frame| frame.types.get(index)).unwrap_or_default())))
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => (Some(None), None),
            // Nothing in an instance is deeper than that, or larger.
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, instance_index, .. } => {
                let whole = outer(0).and_then(|frame| at(&frame.instance_measures, instance_index));
                (None, Some((self.largest, whole.unwrap_or_default())))
            }
            _ => (None, None),
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.components.extend(component);
            if let Some((size, measure)) = ty {
                frame.add_type(size, measure);
            }
            if let ComponentAlias::InstanceExport { kind, instance_index, .. } = alias {
                let is_inside = at(&frame.instances, instance_index).unwrap_or(true);
                match kind {
                    ComponentExternalKind::Func => frame.functions.push(is_inside),
                    ComponentExternalKind::Instance => {
                        frame.instances.push(is_inside);
                        frame.instance_measures.push(frame.measure_of(kind, instance_index));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Ends the innermost component or module.
    fn end(&mut self) -> Result<(), ProgramError> {
        let Some(ended) = self.frames.pop().filter(|frame| !frame.is_module) else { return Ok(()) };
        if let Some(outer) = self.frames.last_mut() {
            outer.add(1)?;
            let exported = Measure::around(ended.exported)?;
            outer.components.push(Some(Weight { items: ended.items, copied: ended.copied, exported }));
        }
        Ok(())
    }
}

/// True for a function that only components with tasks have.
fn is_asynchronous(function: &CanonicalFunction) -> bool {
    use CanonicalFunction::{Lift, Lower, ResourceDrop, ResourceNew, ResourceRep};
    match function {
        Lift { options, .. } | Lower { options, .. } => options.contains(&CanonicalOption::Async),
        ResourceDrop { .. } | ResourceNew { .. } | ResourceRep { .. } => false,
        _ => true,
    }
}

fn too_hard(why: String) -> ProgramError {
    ProgramError::Wrong(format!("is too hard to compile: {why}"))
}

/// Refuses the shared memories of a module: nothing would end a guest that waits at one.
fn check_shared(payload: Payload<'_>) -> Result<(), ProgramError> {
    let mut is_shared = false;
    match payload {
        Payload::MemorySection(section) => {
            for memory in section {
                is_shared |= memory?.shared;
            }
        }
        Payload::ImportSection(section) => {
            for import in section.into_imports() {
                is_shared |= matches!(import?.ty, TypeRef::Memory(memory) if memory.shared);
            }
        }
        _ => {}
    }
    if is_shared {
        let why = "has a module with a shared memory, which only core modules may have here, not components";
        return Err(ProgramError::Wrong(why.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let bytes = wat::parse_str(text).unwrap();
        let cancellation = Cancellation::default();
        let read = Component::read(&bytes, &cancellation).and_then(|component| component.check(&bytes, &cancellation));
        read.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn names_and_modules_are_found() {
        let bytes = wat::parse_str(
            r#"(component (import "a" (func)) (core module (func)) (component (core module)
                (import "inner" (func))) (export "wasi:cli/run@0.2.3" (func 0)))"#,
        )
        .unwrap();
        let component = Component::read(&bytes, &Cancellation::default()).unwrap();
        assert_eq!((&component.imports, &component.needs), (&vec!["a"], &vec!["a"]));
        assert_eq!(component.run(), Some("wasi:cli/run@0.2.3"));
        assert!(component.check_command().is_ok());
        let modules = component.modules.iter().map(|range| &bytes[range.clone()][..8]).collect::<Vec<_>>();
        assert_eq!(modules, [b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0"]);
    }

    /// Components that instantiate the one in them this number of times, 25 in each other.
    fn doubled(times: usize) -> String {
        let (mut text, twice) = (String::new(), "(instance (instantiate 0))".repeat(times));
        for _ in 0..25 {
            text = format!("(component {text} {})", if text.is_empty() { "" } else { &twice });
        }
        text
    }

    /// A component of this section of types, which is the whole of it.
    fn of_types(count: u8, content: &[u8]) -> String {
        let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut length = content.len() + 1;
        while length > 0x7f {
            bytes.push(length.to_le_bytes()[0] | 0x80);
            length >>= 7;
        }
        bytes.extend([length.to_le_bytes()[0], count]);
        bytes.extend(content);
        match Component::read(&bytes, &Cancellation::default()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn types_in_each_other_are_bounded() {
        for tag in [b'A', b'B'] {
            let nested = |depth: usize| of_types(1, &[[tag, 1, 1].repeat(depth), vec![tag, 0]].concat());
            assert_eq!(nested(50), "");
            for depth in [70, 1000, 1_000_000] {
                assert!(nested(depth).contains("types in each other, more than 60"), "{depth}: {}", nested(depth));
            }
            // Each has the one before.
            let sort = if tag == b'A' { 4 } else { 5 };
            let referring = |count: u8| {
                let each = (0..count).flat_map(|before| [tag, 2, 2, 3, 2, 1, before, 4, 0, 1, b'a', sort, 0]);
                of_types(count + 1, &[vec![tag, 0], each.collect()].concat())
            };
            assert_eq!(referring(50), "");
            assert!(referring(100).contains("types in each other"), "{}", referring(100));
        }
        let lists =
            |count: u8| of_types(count + 1, &[vec![0x73], (0..count).flat_map(|of| [0x70, of]).collect()].concat());
        assert_eq!(lists(50), "");
        assert!(lists(100).contains("types in each other"), "{}", lists(100));
        let doubled = |count: usize, more: usize| {
            let each: String = (0..count)
                .map(|of| format!("(instance (export \"a\" (instance {of})) (export \"b\" (instance {of})))"))
                .collect();
            let again: String = (0..more).map(|_| format!("(instance (export \"a\" (instance {count})))")).collect();
            refusal(&format!("(component (instance) {each} {again})"))
        };
        assert_eq!(doubled(10, 3), "");
        assert!(doubled(17, 0).contains("instances, types and functions"), "{}", doubled(17, 0));
        assert!(doubled(12, 50).contains("instances, types and functions"), "{}", doubled(12, 50));
        let typed = |count: usize| {
            let each: String = (0..count).map(|of| format!(
                "(type (instance (alias outer 1 {of} (type $t)) (export \"a\" (instance (type $t))) (export \"b\" (instance (type $t)))))"
            )).collect();
            refusal(&format!("(component (type (instance)) {each})"))
        };
        assert_eq!(typed(10), "");
        assert!(typed(17).contains("instances, types and functions"), "{}", typed(17));
        let inline = |count: usize| {
            let each: String = (0..count).map(|of| format!("(instance (export \"a\" (instance {of})))")).collect();
            refusal(&format!("(component (instance) {each})"))
        };
        assert_eq!(inline(50), "");
        assert!(inline(100).contains("types in each other"), "{}", inline(100));
    }

    #[test]
    fn instances_are_counted_through_all_levels() {
        assert_eq!(refusal(&doubled(1)), "");
        assert!(refusal(&doubled(2)).contains("instances, types and functions of components, and 200000 is the most"));
        let given = "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))";
        assert!(refusal(given).starts_with("instantiates a component that it was given"));
        let outer =
            "(component (component $a) (component (alias outer 1 $a (component $b)) (instance (instantiate $b))))";
        assert_eq!(refusal(outer), "");
    }

    #[test]
    fn sections_of_too_many_items_are_refused_before_they_are_read() {
        // Instances, aliases, types, functions, imports and exports: a count of 300 000, and none of them.
        for id in [5, 6, 7, 8, 10, 11] {
            let bytes = [b"\0asm\x0d\0\x01\0".as_slice(), &[id, 3, 0xe0, 0xa7, 0x12]].concat();
            let error = Component::read(&bytes, &Cancellation::default()).unwrap_err().to_string();
            assert!(error.contains("it has 300000 instances, types and functions"), "{id}: {error}");
        }
    }

    /// A component in which one calls functions of the other, with records of a thousand fields.
    fn copying(functions: usize) -> String {
        let fields: String = (0..1000).map(|i| format!("(field \"f{i}\" u8) ")).collect();
        let lowered: String = (0..functions).map(|_| "(core func (canon lower (func $f)))").collect();
        format!(
            "(component (type $r (record {fields})) (component (import \"r\" (type $r (eq 0))) {lowered}))",
            lowered = lowered.replace("$f", "0")
        )
        .replace("(import \"r\" (type $r (eq 0)))", "(import \"f\" (func (param \"a\" u8)))")
    }

    #[test]
    fn values_copied_between_components_are_counted() {
        assert_eq!(refusal(&copying(10)), "");
        let twice = copying(2000);
        let instantiated = twice.strip_suffix(')').unwrap().to_owned()
            + "(import \"f\" (func $f (param \"a\" u8))) (instance (instantiate 0 (with \"f\" (func $f)))))";
        assert!(refusal(&instantiated).contains("values that its functions copy"));
    }

    #[test]
    fn functions_of_the_host_copy_nothing_between_components() {
        let fields: String = (0..1000).map(|i| format!("(field \"f{i}\" u8) ")).collect();
        let lowered =
            |of: &str| (0..2000).map(|_| format!("(core func (canon lower (func {of})))")).collect::<String>();
        let host = "(import \"f\" (func $f (param \"a\" u8))) (import \"i\" (instance $i (export \"g\" (func))))";
        let own = "(component $c (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
            (func (export \"f\") (canon lift (core func $i \"f\")))) (instance $own (instantiate $c))
            (alias export $own \"f\" (func $own-f))";
        let text = |of| format!("(component (type (record {fields})) {host} {own} {})", lowered(of));
        assert_eq!(refusal(&text("$f")), "");
        assert_eq!(refusal(&text("$i \"g\"")), "");
        assert!(refusal(&text("$own-f")).contains("values that its functions copy"));
    }

    #[test]
    fn modules_in_components_have_the_bounds_of_modules() {
        let module = |items: &str| format!("(component (component (core module {items})))");
        assert_eq!(refusal(&module("(memory 1)")), "");
        assert!(refusal(&module("(memory 1 1 shared)")).starts_with("has a module with a shared memory"));
        assert!(refusal(&module("(import \"a\" \"b\" (memory 1 1 shared))")).contains("shared memory"));
        let loops = format!("(func {} {})", "loop ".repeat(101), "end ".repeat(101));
        assert!(refusal(&module(&loops)).contains("101 loops in each other"));
    }
}

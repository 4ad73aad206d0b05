//! The parts that wasmtime makes of a module beside its functions: one more function, which initializes it,
//! and the first contents of its memories and tables.
//!
//! The function has code for each global whose value is more than one constant, for each element of a passive
//! segment, and for all that can't be laid out beforehand: element segments from the first that has
//! expressions, or goes to a place that is not known or out of bounds; and all data segments, if one does, or
//! a memory would be mostly empty. Contents that are laid out take no code, but as many bytes as they span,
//! however few the module has for them.

use crate::outline::MAX_ITEMS;
use wasmparser::{
    BinaryReaderError, ConstExpr, Data, DataKind, Element, ElementItems, ElementKind, Global, HeapType, MemoryType,
    Operator, Table, TableInit, TableType,
};

/// Bytes of a page of memory.
const PAGE: u64 = 64 << 10;

/// The most elements of a table that wasmtime lays out.
const MAX_LAID_OUT: u64 = 1 << 20;

/// Bytes of a table's element in machine code.
const ELEMENT_SIZE: u64 = 5;

/// Bytes up to which the data of a memory is laid out even where that is mostly empty: as much as the memory
/// of an interpreter that has begun.
pub const MAX_SPARSE: u64 = 64 << 20;

/// Units of work of items that are initialized by code. Each takes 500 bytes until that code is compiled.
const FUNCTION_REFERENCE_WORK: u64 = 5;
const GLOBAL_WORK: u64 = 3;
const PASSIVE_ELEMENT_WORK: u64 = 3;
const ACTIVE_ELEMENT_WORK: u64 = 12;
const ELEMENT_SEGMENT_WORK: u64 = 8;
const FILLED_TABLE_WORK: u64 = 20;
const DATA_SEGMENT_WORK: u64 = 45;

/// Branches of the code that puts an element into a table, and of the code that copies a segment into a
/// memory.
const BRANCHES: u64 = 4;

/// The initialization of a module.
#[derive(Default)]
pub struct Startup {
    /// Units of work.
    pub work: u64,
    /// Instructions.
    pub steps: u64,
    /// Branches.
    pub branches: u64,
    /// Globals that are set.
    pub globals: u64,
    /// Functions that are referred to: they can be called from elsewhere.
    pub references: References,
    memories: Vec<Memory>,
    tables: Vec<Laid>,
    /// True if the next element segment can't be laid out.
    is_at_runtime: bool,
    /// True if no data segment can be laid out.
    has_data_at_runtime: bool,
    /// The cost of the data segments if they are copied.
    copies: Value,
}

/// The functions that are referred to.
#[derive(Default)]
pub struct References {
    are: Vec<bool>,
    /// Their number.
    pub count: u64,
}

impl References {
    /// Adds a function.
    pub fn add(&mut self, function: u32) {
        let Ok(index) = usize::try_from(function) else { return };
        // No function has a higher number in a module that is valid.
        if index >= MAX_ITEMS {
            return;
        }
        if index >= self.are.len() {
            self.are.resize(index + 1, false);
        }
        if let Some(is) = self.are.get_mut(index)
            && !*is
        {
            *is = true;
            self.count += 1;
        }
    }
}

/// A memory, and the data for it.
struct Memory {
    ty: MemoryType,
    is_imported: bool,
    data: u64,
    from: u64,
    to: u64,
}

/// A table, and how far it is laid out.
struct Laid {
    ty: TableType,
    is_imported: bool,
    is_filled_at_runtime: bool,
    elements: u64,
}

/// The value of a constant expression.
#[derive(Default)]
struct Value {
    /// True if it is one constant.
    is_constant: bool,
    /// The constant, if it is a whole number.
    number: Option<u64>,
    work: u64,
    steps: u64,
}

impl Startup {
    /// The next memory.
    pub fn memory(&mut self, ty: MemoryType, is_imported: bool) {
        self.memories.push(Memory { ty, is_imported, data: 0, from: u64::MAX, to: 0 });
    }

    /// The next table, where it is imported.
    pub fn imported_table(&mut self, ty: TableType) {
        self.tables.push(Laid { ty, is_imported: true, is_filled_at_runtime: false, elements: 0 });
    }

    /// The next table of its own.
    pub fn table(&mut self, table: &Table<'_>) -> Result<(), BinaryReaderError> {
        let mut laid = Laid { ty: table.ty, is_imported: false, is_filled_at_runtime: false, elements: 0 };
        if let TableInit::Expr(expression) = &table.init {
            let is_function = matches!(expression.get_operators_reader().read()?, Operator::RefFunc { .. });
            let value = self.value(expression)?;
            if is_function && laid.ty.initial <= MAX_LAID_OUT {
                laid.elements = laid.ty.initial;
            } else {
                laid.is_filled_at_runtime = true;
                self.add(&value, FILLED_TABLE_WORK, BRANCHES);
            }
        }
        self.tables.push(laid);
        Ok(())
    }

    /// The next global of its own. Returns true if functions read it from memory, not as a constant.
    pub fn global(&mut self, global: &Global<'_>) -> Result<bool, BinaryReaderError> {
        let value = self.value(&global.init_expr)?;
        if !value.is_constant {
            self.globals += 1;
            self.add(&value, GLOBAL_WORK, 0);
        }
        Ok(global.ty.mutable || !value.is_constant)
    }

    /// The next element segment.
    pub fn elements(&mut self, element: Element<'_>) -> Result<(), BinaryReaderError> {
        let mut items = Value::default();
        let (count, has_expressions) = match element.items {
            ElementItems::Functions(functions) => {
                let count = u64::from(functions.count());
                for function in functions {
                    self.references.add(function?);
                }
                items.work = count * FUNCTION_REFERENCE_WORK;
                items.steps = count;
                (count, false)
            }
            ElementItems::Expressions(_, expressions) => {
                let count = u64::from(expressions.count());
                for expression in expressions {
                    let value = self.value(&expression?)?;
                    items.work += value.work;
                    items.steps += value.steps;
                }
                (count, true)
            }
        };
        items.steps += count;
        match element.kind {
            ElementKind::Declared => {}
            ElementKind::Passive => {
                items.work += count * PASSIVE_ELEMENT_WORK;
                self.add(&items, ELEMENT_SEGMENT_WORK, 0);
            }
            ElementKind::Active { table_index, offset_expr } => {
                let offset = self.value(&offset_expr)?;
                let end = offset.number.and_then(|offset| offset.checked_add(count));
                let table = self.tables.get_mut(usize::try_from(table_index.unwrap_or(0)).unwrap_or(usize::MAX));
                if !self.is_at_runtime
                    && !has_expressions
                    && let Some((table, end)) = table.zip(end)
                    && table.takes(end)
                {
                    table.elements = table.elements.max(end);
                    return Ok(());
                }
                // Segments behind it may only be seen if this one did not trap.
                self.is_at_runtime = true;
                items.work += offset.work + count * ACTIVE_ELEMENT_WORK;
                items.steps += offset.steps;
                self.add(&items, ELEMENT_SEGMENT_WORK, BRANCHES * (count + 1));
            }
        }
        Ok(())
    }

    /// The next data segment.
    pub fn data(&mut self, data: &Data<'_>) -> Result<(), BinaryReaderError> {
        let DataKind::Active { memory_index, offset_expr } = &data.kind else { return Ok(()) };
        let offset = self.value(offset_expr)?;
        self.copies.work += offset.work + DATA_SEGMENT_WORK;
        self.copies.steps += offset.steps + 1;
        let len = data.data.len() as u64;
        let end = offset.number.and_then(|offset| offset.checked_add(len));
        let memory = self.memories.get_mut(usize::try_from(*memory_index).unwrap_or(usize::MAX));
        match memory.zip(offset.number.zip(end)) {
            Some((memory, (from, to))) if memory.takes(to) => {
                if len > 0 {
                    memory.data += len;
                    memory.from = memory.from.min(from);
                    memory.to = memory.to.max(to);
                }
            }
            _ => self.has_data_at_runtime = true,
        }
        Ok(())
    }

    /// The bytes that are laid out, once all sections are read.
    pub fn finish(&mut self) -> u64 {
        let tables: u64 = self.tables.iter().map(|table| table.elements * ELEMENT_SIZE).sum();
        if self.has_data_at_runtime || !self.memories.iter().all(Memory::is_laid_out) {
            self.work += self.copies.work;
            self.steps += self.copies.steps;
            self.branches += self.copies.steps * BRANCHES;
            return tables;
        }
        tables + self.memories.iter().map(Memory::span).sum::<u64>()
    }

    fn add(&mut self, value: &Value, work: u64, branches: u64) {
        self.work += value.work + work;
        self.steps += value.steps + 1;
        self.branches += branches;
    }

    fn value(&mut self, expression: &ConstExpr<'_>) -> Result<Value, BinaryReaderError> {
        let mut value = Value::default();
        for operator in expression.get_operators_reader() {
            let (mut is_constant, mut number) = (true, None);
            let mut work = 1;
            match operator? {
                Operator::End => break,
                Operator::I32Const { value } => number = Some(u64::from(value.cast_unsigned())),
                Operator::I64Const { value } => number = Some(value.cast_unsigned()),
                Operator::F32Const { .. } | Operator::F64Const { .. } | Operator::V128Const { .. } => {}
                Operator::RefFunc { function_index } => {
                    self.references.add(function_index);
                    is_constant = false;
                    work = FUNCTION_REFERENCE_WORK;
                }
                _ => is_constant = false,
            }
            value.is_constant = is_constant && value.steps == 0;
            value.number = number.filter(|_| value.steps == 0);
            value.steps += 1;
            value.work += work;
        }
        Ok(value)
    }
}

impl Memory {
    /// True if data up to there can be laid out.
    fn takes(&self, to: u64) -> bool {
        !self.is_imported && to <= self.ty.initial.saturating_mul(PAGE)
    }

    fn span(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// True if its data is not mostly empty, or not large.
    fn is_laid_out(&self) -> bool {
        let span = self.span();
        span < MAX_SPARSE || span < self.data.saturating_mul(2)
    }
}

impl Laid {
    /// True if elements up to there can be laid out.
    fn takes(&self, to: u64) -> bool {
        let is_one_of_functions = self.ty.element_type.heap_type() == HeapType::FUNC;
        !self.is_imported
            && !self.is_filled_at_runtime
            && is_one_of_functions
            && to <= self.ty.initial.min(MAX_LAID_OUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Parser, Payload};

    /// The initialization of a module, and the bytes that are laid out.
    fn startup(items: &str) -> (Startup, u64) {
        let bytes = wat::parse_str(format!("(module {items} (func $f))")).unwrap();
        let mut startup = Startup::default();
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.unwrap() {
                Payload::TableSection(tables) => {
                    tables.into_iter().for_each(|table| startup.table(&table.unwrap()).unwrap());
                }
                Payload::MemorySection(memories) => {
                    memories.into_iter().for_each(|memory| startup.memory(memory.unwrap(), false));
                }
                Payload::GlobalSection(globals) => {
                    globals.into_iter().for_each(|global| _ = startup.global(&global.unwrap()).unwrap());
                }
                Payload::ElementSection(elements) => {
                    elements.into_iter().for_each(|element| startup.elements(element.unwrap()).unwrap());
                }
                Payload::DataSection(data) => {
                    data.into_iter().for_each(|data| startup.data(&data.unwrap()).unwrap());
                }
                _ => {}
            }
        }
        let laid_out = startup.finish();
        (startup, laid_out)
    }

    #[test]
    fn contents_that_are_laid_out_take_bytes_and_no_code() {
        let cases = [
            ("(global i32 (i32.const 1)) (global v128 (v128.const i64x2 1 2))", 0),
            ("(table 10 funcref) (elem (i32.const 3) func $f $f)", 5 * ELEMENT_SIZE),
            ("(table 10 10 funcref (ref.func $f))", 10 * ELEMENT_SIZE),
            ("(table 1000000 funcref) (elem (i32.const 999999) func $f)", 1_000_000 * ELEMENT_SIZE),
            ("(elem declare func $f)", 0),
            ("(memory 200) (data (i32.const 100) \"a\") (data (i32.const 200) \"b\")", 101),
            ("(memory 200) (data (i32.const 0) \"a\") (data (i32.const 13000000) \"b\")", 13_000_001),
            ("(memory 0) (data \"passive\")", 0),
        ];
        for (items, expected) in cases {
            let (startup, laid_out) = startup(items);
            assert_eq!((startup.work, laid_out), (0, expected), "{items}");
        }
    }

    #[test]
    fn contents_that_are_not_laid_out_take_code() {
        let cases = [
            ("(global i32 (i32.add (i32.const 1) (i32.const 2)))", 3 + GLOBAL_WORK),
            ("(global funcref (ref.func $f))", FUNCTION_REFERENCE_WORK + GLOBAL_WORK),
            ("(elem func $f $f)", 2 * (FUNCTION_REFERENCE_WORK + PASSIVE_ELEMENT_WORK) + ELEMENT_SEGMENT_WORK),
            (
                "(table 1 funcref) (elem (i32.const 0) funcref (ref.null func))",
                2 + ACTIVE_ELEMENT_WORK + ELEMENT_SEGMENT_WORK,
            ),
            ("(table 2000000 funcref (ref.func $f))", FUNCTION_REFERENCE_WORK + FILLED_TABLE_WORK),
            ("(memory 0) (data (i32.const 0) \"a\")", 1 + DATA_SEGMENT_WORK),
            ("(memory 1100) (data (i32.const 0) \"a\") (data (i32.const 70000000) \"b\")", 2 + 2 * DATA_SEGMENT_WORK),
        ];
        for (items, expected) in cases {
            assert_eq!(startup(items).0.work, expected, "{items}");
        }
        // Nothing is laid out behind what is not.
        let (startup, laid_out) =
            startup("(table 1 funcref) (elem (i32.const 1) func $f) (elem (i32.const 0) func $f)");
        assert!(startup.work > 2 * ACTIVE_ELEMENT_WORK && laid_out == 0);
    }

    #[test]
    fn references_are_counted_once() {
        let (startup, _) = startup("(func $g) (global funcref (ref.func $f)) (elem declare func $f $g $f)");
        assert_eq!(startup.references.count, 2);
    }
}

//! A module with one more import and functions behind its own, which some of its instructions call.

use crate::cancellation::Cancellation;
use crate::error::ProgramError;
use crate::outline::Outline;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, ImportSection, Instruction, Module, SectionId, TypeSection,
    ValType,
};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, ImportSectionReader, Operator, Parser, TypeSectionReader,
};

/// The module that every added function is imported from: no program may import from it.
pub const NAMESPACE: &str = "wasi-rs";

/// Parameters and result of a function that is added.
pub type Signature = (Vec<ValType>, ValType);

/// The calls that replace an instruction, or stand before it.
pub enum Change<'a> {
    /// The instruction stays as it is.
    None,
    /// These stand before the instruction.
    Before([Instruction<'a>; 2]),
    /// This stands in the place of the instruction.
    Instead(Instruction<'a>),
}

/// Functions that are added to a module.
pub trait Addition {
    /// The name of the function that is imported.
    fn import(&self) -> &'static str;
    /// The types that are added; the first is that of the imported function.
    fn signatures(&self) -> Vec<Signature>;
    /// The functions that are added, each with its place among the types; `import` is the number of the
    /// imported one.
    fn functions(&self, import: u32) -> Vec<(u32, Function)>;
    /// The change of an instruction; `first` is the number of the first function that is added.
    fn change<'a>(&self, operator: &Operator<'_>, first: u32) -> Change<'a>;
}

/// The module with the functions of this addition.
pub fn with(
    addition: &impl Addition,
    bytes: &[u8],
    outline: &Outline<'_>,
    cancellation: &Cancellation,
) -> Result<Vec<u8>, ProgramError> {
    let imported = number(outline.imports.iter().filter(|import| import.is_function()).count());
    let first = imported.saturating_add(1).saturating_add(number(outline.functions.len()));
    let mut rewriter = Rewriter { addition, cancellation, types: number(outline.types.len()), imported, first };
    let mut module = Module::new();
    match rewriter.parse_core_module(&mut module, Parser::new(0), bytes) {
        Ok(()) => Ok(module.finish()),
        Err(Error::UserError(error)) => Err(error),
        Err(error) => Err(ProgramError::Uncompiled(error.to_string())),
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

type Refused = Error<ProgramError>;

struct Rewriter<'r, A> {
    addition: &'r A,
    cancellation: &'r Cancellation,
    /// The number of the module's own types.
    types: u32,
    /// The number of functions it imports, which is also the index of the one that is added.
    imported: u32,
    /// The number of the first function that is added behind its own.
    first: u32,
}

impl<A: Addition> Rewriter<'_, A> {
    fn add_import(&self, imports: &mut ImportSection) {
        imports.import(NAMESPACE, self.addition.import(), EntityType::Function(self.types));
    }
}

impl<A: Addition> Reencode for Rewriter<'_, A> {
    type Error = ProgramError;

    fn function_index(&mut self, function: u32) -> Result<u32, Refused> {
        Ok(if function < self.imported { function } else { function.saturating_add(1) })
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Result<(), Refused> {
        utils::parse_type_section(self, types, section)?;
        for (params, result) in self.addition.signatures() {
            types.ty().function(params, [result]);
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Refused> {
        utils::parse_import_section(self, imports, section)?;
        self.add_import(imports);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Refused> {
        utils::parse_function_section(self, functions, section)?;
        for (ty, _) in self.addition.functions(self.imported) {
            functions.function(self.types.saturating_add(ty));
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Refused> {
        utils::parse_code_section(self, code, section)?;
        for (_, function) in self.addition.functions(self.imported) {
            code.function(&function);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Refused> {
        self.cancellation.check().map_err(Error::UserError)?;
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let operator = operators.read()?;
            match self.addition.change(&operator, self.first) {
                Change::Instead(instruction) => {
                    function.instruction(&instruction);
                    continue;
                }
                Change::Before(instructions) => {
                    for instruction in &instructions {
                        function.instruction(instruction);
                    }
                }
                Change::None => {}
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }

    /// Adds a section of imports behind the types, in a module that has none.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Refused> {
        if after == Some(SectionId::Type) && before != Some(SectionId::Import) {
            let mut imports = ImportSection::new();
            self.add_import(&mut imports);
            module.section(&imports);
        }
        Ok(())
    }
}

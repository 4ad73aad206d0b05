//! The numbers of values that functions of a module take and give.

use crate::outline::Outline;
use wasmparser::{BlockType, FuncType};

/// The types that the instructions of a module refer to.
#[derive(Default)]
pub struct Signatures {
    /// The numbers of values that functions of each type take and give.
    pub types: Vec<(u64, u64)>,
    /// The types of all functions, the imported ones first.
    pub functions: Vec<u32>,
    /// The number of imported functions.
    pub imported: usize,
    /// The number of functions whose code has been read.
    pub bodies: usize,
    /// Globals that are no constants.
    pub globals: u64,
}

impl Signatures {
    /// The signatures of a module that was read already.
    pub fn of_outline(outline: &Outline<'_>) -> Self {
        let values = |ty: &Option<FuncType>| {
            ty.as_ref().map_or((0, 0), |ty| (ty.params().len() as u64, ty.results().len() as u64))
        };
        let functions: Vec<_> = outline.all_functions().collect();
        let imported = functions.len() - outline.functions.len();
        Self { types: outline.types.iter().map(values).collect(), functions, imported, ..Self::default() }
    }

    /// The number of the next function.
    pub fn next(&self) -> u32 {
        u32::try_from(self.imported + self.bodies).unwrap_or(u32::MAX)
    }

    /// The name of the next function.
    pub fn name(&self) -> String {
        format!("function {}", self.next())
    }

    /// The values of a type: none if it is not there, or no function's.
    pub fn of_type(&self, ty: u32) -> (u64, u64) {
        usize::try_from(ty).ok().and_then(|index| self.types.get(index)).copied().unwrap_or_default()
    }

    /// The values of a function.
    pub fn of_function(&self, function: u32) -> (u64, u64) {
        let ty = usize::try_from(function).ok().and_then(|index| self.functions.get(index));
        ty.map_or((0, 0), |ty| self.of_type(*ty))
    }

    /// The values of a block.
    pub fn of_block(&self, ty: BlockType) -> (u64, u64) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.of_type(ty),
        }
    }
}

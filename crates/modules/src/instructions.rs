//! The instructions of a function, one after the other. wasmparser knows all of them; those that make up
//! nearly all of a program are read here, several times as fast.

use wasmparser::{
    BinaryReader, BinaryReaderError, BlockType, FunctionBody, Operator, OperatorsReader, OperatorsReaderAllocations,
    ValType,
};

/// The instructions of a function that are still to be read.
pub struct Instructions<'a> {
    rest: &'a [u8],
    /// The place in the module where the function ends.
    end: usize,
    allocations: OperatorsReaderAllocations,
}

impl<'a> Instructions<'a> {
    /// The instructions of this function.
    pub fn of(body: &FunctionBody<'a>) -> Result<Self, BinaryReaderError> {
        let mut reader = body.get_binary_reader_for_operators()?;
        let (end, rest) = (body.range().end, reader.read_bytes(reader.bytes_remaining())?);
        Ok(Self { rest, end, allocations: OperatorsReaderAllocations::default() })
    }

    /// The place of the next instruction in the module, or of the function's end.
    pub const fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The bytes from the next instruction to the function's end.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the next instruction, if it is one that only calculates.
    #[inline]
    pub fn straight(&mut self) -> Option<Straight> {
        let (&opcode, immediates) = self.rest.split_first()?;
        let straight = STRAIGHT.get(usize::from(opcode)).copied().flatten()?;
        self.rest = straight.immediates.skip(immediates)?;
        Some(straight)
    }

    /// Reads the next instruction, if there is one. An error if it is unknown.
    pub fn operator(&mut self) -> Result<Option<Operator<'a>>, BinaryReaderError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut reader = BinaryReader::new(self.rest, self.position());
        let operator = match branch(&mut reader)? {
            Some(operator) => operator,
            None => {
                reader = BinaryReader::new(self.rest, self.position());
                let mut operators = OperatorsReader::new_with_allocs(reader, std::mem::take(&mut self.allocations));
                let operator = operators.read()?;
                reader = operators.get_binary_reader();
                self.allocations = operators.into_allocations();
                operator
            }
        };
        self.rest = reader.read_bytes(reader.bytes_remaining())?;
        Ok(Some(operator))
    }
}

/// An instruction that only calculates.
#[derive(Clone, Copy)]
pub struct Straight {
    /// Its opcode.
    pub opcode: u8,
    /// The number of values it takes from the stack.
    pub taken: u8,
    /// The number of values it puts there.
    pub given: u8,
    immediates: Immediates,
}

/// The bytes behind an opcode.
#[derive(Clone, Copy)]
enum Immediates {
    /// So many.
    Bytes(u8),
    /// An integer.
    Integer,
    /// Where the first of several memories is accessed: flags below 64, and an offset.
    Access,
}

impl Immediates {
    /// The bytes behind the immediates; none if these are something that wasmparser is to read.
    #[inline]
    fn skip(self, bytes: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Bytes(count) => bytes.get(usize::from(count)..),
            Self::Integer => behind_integer(bytes),
            Self::Access => match bytes {
                [0..0x40, offset @ ..] => behind_integer(offset),
                _ => None,
            },
        }
    }
}

#[inline]
fn behind_integer(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().position(|byte| *byte < 0x80)?;
    bytes.get(last + 1..)
}

/// The instructions that only calculate, by their opcodes.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "seen to be right when it is compiled")]
const STRAIGHT: [Option<Straight>; 256] = {
    let mut table = [None; 256];
    let mut opcode = 0;
    while opcode < table.len() {
        table[opcode] = straight(opcode as u8);
        opcode += 1;
    }
    table
};

const fn straight(opcode: u8) -> Option<Straight> {
    use Immediates::{Access, Bytes, Integer};
    let (immediates, taken, given) = match opcode {
        0x01 => (Bytes(0), 0, 0),                     // nop
        0x1a => (Bytes(0), 1, 0),                     // drop
        0x1b => (Bytes(0), 3, 1),                     // select
        0x20 | 0x23 | 0x41 | 0x42 => (Integer, 0, 1), // local.get, global.get, i32.const, i64.const
        0x21 | 0x24 => (Integer, 1, 0),               // local.set, global.set
        0x22 => (Integer, 1, 1),                      // local.tee
        0x28..=0x35 => (Access, 1, 1),                // loads
        0x36..=0x3e => (Access, 2, 0),                // stores
        0x43 => (Bytes(4), 0, 1),                     // f32.const
        0x44 => (Bytes(8), 0, 1),                     // f64.const
        // Calculations with one value, then with two.
        0x45 | 0x50 | 0x67..=0x69 | 0x79..=0x7b | 0x8b..=0x91 | 0x99..=0x9f | 0xa7..=0xc4 => (Bytes(0), 1, 1),
        0x46..=0xa6 => (Bytes(0), 2, 1),
        _ => return None,
    };
    Some(Straight { opcode, taken, given, immediates })
}

/// Reads an instruction that begins or ends a block, jumps, or calls, if it is one of the frequent ones.
/// wasmparser would read those that end a block, or its first half, only behind the block's beginning.
fn branch<'a>(reader: &mut BinaryReader<'a>) -> Result<Option<Operator<'a>>, BinaryReaderError> {
    let opcode = reader.read_u8()?;
    Ok(Some(match opcode {
        0x00 => Operator::Unreachable,
        0x02..=0x04 => {
            let blockty = match reader.read_u8()? {
                0x40 => BlockType::Empty,
                0x7f => BlockType::Type(ValType::I32),
                0x7e => BlockType::Type(ValType::I64),
                _ => return Ok(None),
            };
            match opcode {
                0x02 => Operator::Block { blockty },
                0x03 => Operator::Loop { blockty },
                _ => Operator::If { blockty },
            }
        }
        0x05 => Operator::Else,
        0x07 => Operator::Catch { tag_index: reader.read_var_u32()? },
        0x0b => Operator::End,
        0x0c => Operator::Br { relative_depth: reader.read_var_u32()? },
        0x0d => Operator::BrIf { relative_depth: reader.read_var_u32()? },
        0x0f => Operator::Return,
        0x10 => Operator::Call { function_index: reader.read_var_u32()? },
        0x11 => Operator::CallIndirect { type_index: reader.read_var_u32()?, table_index: reader.read_var_u32()? },
        0x18 => Operator::Delegate { relative_depth: reader.read_var_u32()? },
        0x19 => Operator::CatchAll,
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that may stand behind an opcode.
    const IMMEDIATES: [&[u8]; 8] = [
        &[0; 20],
        &[0x40; 20],
        &[0x7f, 0, 0x7f, 0],
        &[0x7e, 1, 2, 3],
        &[0x80, 0x81, 0x82, 0x03, 0x84, 0x05, 0, 0, 0, 0],
        &[2, 0x80, 0x81, 0x82, 0x03, 0, 0, 0, 0, 0],
        &[0x42, 3, 0x80, 1, 0, 0, 0, 0, 0, 0],
        &[1, 0x70, 0, 0, 0, 0],
    ];

    #[test]
    fn all_instructions_are_read_as_wasmparser_reads_them() {
        let (mut straight, mut others) = (0, 0);
        for (opcode, immediates) in (0..=u8::MAX).flat_map(|opcode| IMMEDIATES.map(|immediates| (opcode, immediates))) {
            // The block that it ends, or begins the other half of.
            let block: &[u8] = match opcode {
                0x05 => &[0x04, 0x40],
                0x07 | 0x18 | 0x19 => &[0x06, 0x40],
                _ => &[],
            };
            let code = [&[0], block, &[opcode], immediates].concat();
            let body = FunctionBody::new(BinaryReader::new(&code, 1000));
            let (mut ours, mut theirs) = (Instructions::of(&body).unwrap(), body.get_operators_reader().unwrap());
            if !block.is_empty() {
                assert_eq!(ours.operator().unwrap(), theirs.read().ok());
            }
            let at = ours.position();
            if ours.straight().is_some() {
                theirs.read().unwrap();
                straight += 1;
            } else if let Ok(expected) = theirs.read() {
                assert_eq!((ours.position(), ours.operator().unwrap()), (at, Some(expected)));
                others += 1;
            } else {
                assert!(ours.operator().is_err(), "{opcode:x} {immediates:x?}");
                continue;
            }
            assert_eq!(ours.position(), theirs.original_position(), "{opcode:x} {immediates:x?}");
            assert_eq!(ours.rest(), &code[ours.position() - 1000..]);
        }
        assert!(straight > 1000 && others > 200, "{straight} and {others} are read");
    }

    #[test]
    fn a_function_that_is_cut_off_ends_with_an_error() {
        for code in [&[0x41][..], &[0x41, 0x80], &[0x44, 0, 0, 0, 0, 0, 0, 0], &[0x28, 0], &[0x10, 0x80], &[0x02]] {
            let bytes = [&[0], code].concat();
            let mut instructions = Instructions::of(&FunctionBody::new(BinaryReader::new(&bytes, 0))).unwrap();
            assert!(instructions.straight().is_none());
            assert!(instructions.operator().is_err(), "{code:x?}");
        }
        let mut none = Instructions::of(&FunctionBody::new(BinaryReader::new(&[0], 0))).unwrap();
        assert!(none.straight().is_none() && none.operator().unwrap().is_none());
    }
}

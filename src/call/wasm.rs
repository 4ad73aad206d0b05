//! Writing WebAssembly modules, byte by byte (WebAssembly core specification, chapter 5): as much of it as our
//! modules need.

/// `i32`.
pub const I32: u8 = 0x7f;
/// `i64`.
pub const I64: u8 = 0x7e;
/// A reference to a function.
pub const FUNCREF: u8 = 0x70;
/// A reference to anything of the host's.
pub const EXTERNREF: u8 = 0x6f;

/// What an import is.
pub const FUNCTION: u8 = 0;
/// What an import is.
pub const TABLE: u8 = 1;
/// What an import is.
pub const MEMORY: u8 = 2;
/// What an import is.
pub const GLOBAL: u8 = 3;

/// The import module of everything that our modules need.
pub const NAMESPACE: &str = "wasi-rs";

/// A module or a part of one, written byte by byte (WebAssembly core specification, chapter 5).
#[derive(Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An unsigned LEB128 number.
    pub fn leb(mut self, mut value: u32) -> Self {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return self;
            }
            self.0.push(low | 0x80);
        }
    }

    /// A signed LEB128 number.
    fn signed_leb(mut self, mut value: i64) -> Self {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            // The topmost bit of the last byte is the sign.
            if matches!((value, low & 0x40), (0, 0) | (-1, 0x40)) {
                self.0.push(low);
                return self;
            }
            self.0.push(low | 0x80);
        }
    }

    /// `i32.const`.
    pub fn i32_const(self, value: u32) -> Self {
        self.raw(&[0x41]).signed_leb(value.cast_signed().into())
    }

    /// `i64.const`.
    pub fn i64_const(self, value: u64) -> Self {
        self.raw(&[0x42]).signed_leb(value.cast_signed())
    }

    pub fn name(self, name: &str) -> Self {
        self.leb(len(name.len())).raw(name.as_bytes())
    }

    /// A vector: how many, then each.
    pub fn vec(self, items: impl IntoIterator<Item = Bytes>) -> Self {
        let (mut count, mut body) = (0, Vec::new());
        for item in items {
            count += 1;
            body.extend(item.0);
        }
        self.leb(count).raw(&body)
    }

    pub fn section(self, id: u8, content: Bytes) -> Self {
        self.raw(&[id]).leb(len(content.0.len())).raw(&content.0)
    }

    /// A memory instruction whose offset is fixed.
    pub fn memory_op(self, opcode: u8, align: u8, offset: usize) -> Self {
        self.raw(&[opcode, align]).leb(len(offset))
    }

    /// `local.get`.
    pub fn local_get(self, local: u32) -> Self {
        self.raw(&[0x20]).leb(local)
    }

    /// `global.get`.
    pub fn global_get(self, global: u32) -> Self {
        self.raw(&[0x23]).leb(global)
    }

    /// `call_indirect` of a function of this type in the only table.
    pub fn call_indirect(self, ty: u32) -> Self {
        self.raw(&[0x11]).leb(ty).raw(&[0])
    }

    pub fn i32_store(self, offset: usize) -> Self {
        self.memory_op(0x36, 2, offset)
    }

    pub fn i64_load(self, offset: usize) -> Self {
        self.memory_op(0x29, 3, offset)
    }

    pub fn i64_store(self, offset: usize) -> Self {
        self.memory_op(0x37, 3, offset)
    }

    /// Makes an `i64` of an `i32` without a sign.
    pub fn extend(self) -> Self {
        self.raw(&[0xad])
    }

    /// `if`: runs `code`, which leaves nothing behind, unless the `i32` on the stack is 0.
    pub fn when(self, code: Bytes) -> Self {
        self.raw(&[0x04, 0x40]).raw(&code.0).raw(&[0x0b])
    }

    /// `return`.
    pub fn leave(self) -> Self {
        self.raw(&[0x0f])
    }
}

pub fn len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

pub fn module() -> Bytes {
    Bytes::default().raw(b"\0asm\x01\0\0\0")
}

pub fn function_type(params: &[u8], results: &[u8]) -> Bytes {
    let list = |types: &[u8]| types.iter().map(|byte| Bytes(vec![*byte])).collect::<Vec<_>>();
    Bytes::default().raw(&[0x60]).vec(list(params)).vec(list(results))
}

pub fn import(name: &str, kind: u8) -> Bytes {
    Bytes::default().name(NAMESPACE).name(name).raw(&[kind])
}

pub fn export(name: &str, function: u32) -> Bytes {
    Bytes::default().name(name).raw(&[FUNCTION]).leb(function)
}

/// A function's body, without locals of its own.
pub fn body(code: Bytes) -> Bytes {
    let code = Bytes::default().raw(&[0]).raw(&code.0).raw(&[0x0b]);
    Bytes::default().leb(len(code.0.len())).raw(&code.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_leb128() {
        assert_eq!(Bytes::default().leb(0).0, [0]);
        assert_eq!(Bytes::default().leb(65536).0, [0x80, 0x80, 0x04]);
        assert_eq!(Bytes::default().i32_const(45).0, [0x41, 45]);
        assert_eq!(Bytes::default().i32_const(64).0, [0x41, 0xc0, 0x00]);
        assert_eq!(Bytes::default().i32_const(128).0, [0x41, 0x80, 0x01]);
        assert_eq!(Bytes::default().i32_const(u32::MAX).0, [0x41, 0x7f]);
        assert_eq!(Bytes::default().i64_const(1 << 63).0[1..], [[0x80; 9].as_slice(), &[0x7f]].concat());
    }
}

//! The WebAssembly modules between a guest and Rust, made from the list of syscalls.
//!
//! The shim's exports are the functions of `wasiImport`. The gauge imports a guest's memory and tells its size; its
//! function is put in the shim's table when the guest is bound, so that the shim can note the size with each call.

use super::ffi::UNBOUND;
use super::page;
use crate::abi::ValType;
use crate::syscalls::{SYSCALLS, Syscall};

/// The import module of everything the shim needs: `guest`, `owner`, `page`, `size` and `syscall`.
pub const NAMESPACE: &str = "wasi-rs";

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const FUNCREF: u8 = 0x70;
const EXTERNREF: u8 = 0x6f;

/// Indices of the shim's first types: those that are no syscall's.
const TYPE_SYSCALL: u32 = 0;
const TYPE_SIZE: u32 = 1;
const TYPES: u32 = 2;

const EXTERNAL_FUNCTION: u8 = 0;
const EXTERNAL_TABLE: u8 = 1;
const EXTERNAL_MEMORY: u8 = 2;
const EXTERNAL_GLOBAL: u8 = 3;

/// A module or a part of one, written byte by byte (WebAssembly core specification, chapter 5).
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An unsigned LEB128 number.
    fn leb(mut self, mut value: u32) -> Self {
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

    /// `i32.const` of a number below 2^31.
    fn i32_const(self, value: u32) -> Self {
        let this = self.raw(&[0x41]);
        // A signed LEB128: the topmost bit of the last byte is the sign, so 64 and up need one byte more.
        if value < 64 {
            return this.leb(value);
        }
        let mut bytes = Bytes::default().leb(value).0;
        if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
            *last |= 0x80;
            bytes.push(0);
        }
        this.raw(&bytes)
    }

    fn name(self, name: &str) -> Self {
        self.leb(len(name.len())).raw(name.as_bytes())
    }

    /// A vector: how many, then each.
    fn vec(self, items: impl IntoIterator<Item = Bytes>) -> Self {
        let (mut count, mut body) = (0, Vec::new());
        for item in items {
            count += 1;
            body.extend(item.0);
        }
        self.leb(count).raw(&body)
    }

    fn section(self, id: u8, content: Bytes) -> Self {
        self.raw(&[id]).leb(len(content.0.len())).raw(&content.0)
    }

    /// A memory instruction whose offset is fixed.
    fn memory_op(self, opcode: u8, align: u8, offset: usize) -> Self {
        self.raw(&[opcode, align]).leb(len(offset))
    }

    fn i32_store(self, offset: usize) -> Self {
        self.memory_op(0x36, 2, offset)
    }
}

fn len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn module() -> Bytes {
    Bytes::default().raw(b"\0asm\x01\0\0\0")
}

fn function_type(params: &[u8], results: &[u8]) -> Bytes {
    let list = |types: &[u8]| types.iter().map(|byte| Bytes(vec![*byte])).collect::<Vec<_>>();
    Bytes::default().raw(&[0x60]).vec(list(params)).vec(list(results))
}

fn import(name: &str, kind: u8) -> Bytes {
    Bytes::default().name(NAMESPACE).name(name).raw(&[kind])
}

fn export(name: &str, function: u32) -> Bytes {
    Bytes::default().name(name).raw(&[EXTERNAL_FUNCTION]).leb(function)
}

/// A function's body, without locals of its own.
fn body(code: Bytes) -> Bytes {
    let code = Bytes::default().raw(&[0]).raw(&code.0).raw(&[0x0b]);
    Bytes::default().leb(len(code.0.len())).raw(&code.0)
}

fn syscall_type(row: &Syscall) -> Bytes {
    let params: Vec<_> = row
        .params
        .iter()
        .map(|param| match param.wasm {
            ValType::I32 => I32,
            ValType::I64 => I64,
        })
        .collect();
    function_type(&params, if row.returns { &[I32] } else { &[] })
}

/// Notes guest, syscall, the memory's size and all parameters in the page; calls; answers what stands there then.
fn syscall_body(index: u32, row: &Syscall) -> Bytes {
    let mut code = Bytes::default()
        .i32_const(0)
        .raw(&[0x23, 0]) // global.get $guest
        .i32_store(page::GUEST)
        .i32_const(0)
        .i32_const(index)
        .i32_store(page::SYSCALL)
        .i32_const(0)
        .i32_const(0)
        .raw(&[0x11]) // call_indirect
        .leb(TYPE_SIZE)
        .raw(&[0])
        .i32_store(page::PAGES);
    for (local, param) in (0..).zip(row.params) {
        code = code.i32_const(0).raw(&[0x20]).leb(local);
        if param.wasm == ValType::I32 {
            code = code.raw(&[0xad]); // i64.extend_i32_u
        }
        code = code.memory_op(0x37, 3, page::ARGS + 8 * local as usize); // i64.store
    }
    code = code.raw(&[0x10, 0]); // call $syscall
    body(if row.returns {
        code.i32_const(0).memory_op(0x28, 2, page::ERRNO)
    } else {
        code.raw(&[0x00]) // unreachable: the call has thrown
    })
}

/// The shim. Its one function that is no syscall answers [`UNBOUND`] while the guest has no memory.
pub fn shim() -> Vec<u8> {
    let count = len(SYSCALLS.len());
    let rows = || (0..).zip(&SYSCALLS);
    let types = [function_type(&[], &[]), function_type(&[], &[I32])];
    let imports = [
        import("syscall", EXTERNAL_FUNCTION).leb(TYPE_SYSCALL),
        import("guest", EXTERNAL_GLOBAL).raw(&[I32, 0]),
        // Nothing reads the owner: it is what keeps the guest alive while any function of the shim is.
        import("owner", EXTERNAL_GLOBAL).raw(&[EXTERNREF, 0]),
        import("page", EXTERNAL_MEMORY).raw(&[1, 1, 1]),
        import("size", EXTERNAL_TABLE).raw(&[FUNCREF, 1, 1, 1]),
    ];
    let unbound = count + 1;
    let no_size = body(Bytes::default().raw(&[0x41, 0x7f])); // i32.const -1
    const { assert!(UNBOUND == u32::MAX) };
    let to_table = Bytes::default().raw(&[0]).i32_const(0).raw(&[0x0b]).vec([Bytes::default().leb(unbound)]);
    module()
        .section(1, Bytes::default().vec(types.into_iter().chain(SYSCALLS.iter().map(syscall_type))))
        .section(2, Bytes::default().vec(imports))
        .section(
            3,
            Bytes::default()
                .vec((0..count).map(|row| row + TYPES).chain([TYPE_SIZE]).map(|ty| Bytes::default().leb(ty))),
        )
        .section(7, Bytes::default().vec(rows().map(|(index, row)| export(row.name, index + 1))))
        .section(9, Bytes::default().vec([to_table]))
        .section(10, Bytes::default().vec(rows().map(|(index, row)| syscall_body(index, row)).chain([no_size])))
        .0
}

/// A kind of WebAssembly memory: its import type says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Of one thread, with 32-bit addresses.
    Plain,
    /// Shared between threads.
    Shared,
    /// Of one thread, with 64-bit addresses. The system calls take those below 4 GiB.
    Wide,
}

/// The gauge for a kind of memory.
pub fn gauge(kind: MemoryKind) -> Vec<u8> {
    // At least no page; a shared memory must name a most, and any is at most 65536.
    let limits = match kind {
        MemoryKind::Plain => Bytes::default().raw(&[0, 0]),
        MemoryKind::Shared => Bytes::default().raw(&[3, 0]).leb(65536),
        MemoryKind::Wide => Bytes::default().raw(&[4, 0]),
    };
    let memory_size = Bytes::default().raw(&[0x3f, 0]);
    let size = if kind == MemoryKind::Wide { memory_size.raw(&[0xa7]) } else { memory_size }; // i32.wrap_i64
    module()
        .section(1, Bytes::default().vec([function_type(&[], &[I32])]))
        .section(2, Bytes::default().vec([import("memory", EXTERNAL_MEMORY).raw(&limits.0)]))
        .section(3, Bytes::default().vec([Bytes::default().leb(0)]))
        .section(7, Bytes::default().vec([export("size", 0)]))
        .section(10, Bytes::default().vec([body(size)]))
        .0
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
    }

    #[test]
    fn the_shim_exports_every_syscall_and_nothing_else() {
        let shim = shim();
        assert!(shim.len() < 5000, "{} bytes", shim.len());
        for row in &SYSCALLS {
            let name = [&[u8::try_from(row.name.len()).unwrap()], row.name.as_bytes()].concat();
            assert!(shim.windows(name.len()).any(|window| window == name), "{}", row.name);
        }
    }
}

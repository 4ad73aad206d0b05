//! The guest's own answers: a WebAssembly module that hands over its command line and environment.
//!
//! They never change, so a guest that asks for them again and again (CPython does, for each path) gets a module made for it
//! that has them in its code, and is answered without leaving WebAssembly. A guest that asks once or twice does not pay.

use crate::call::gauge::{MemoryKind, check, success};
use crate::call::wasm::{Bytes, I32, body, export, function_type, module};
use wasi_rs_core::ctx::{Ctx, Strings};

/// The syscalls it answers.
pub const LEARNED: &[&str] = &["args_get", "environ_get"];

/// How many calls it takes until the module is made: making it costs about as much as these.
pub const LEARN_AFTER: u32 = 4096;

/// Longer strings stay with Rust, which copies them as fast as code that has them in it.
const LONGEST: usize = 1024;

/// The module for a guest whose memory is of this kind; none if there is too much to answer with.
pub fn answers(kind: MemoryKind, ctx: &Ctx) -> Option<Vec<u8>> {
    let strings = [&ctx.args, &ctx.env];
    const { assert!(LEARNED.len() == 2, "one for each") };
    if strings.iter().any(|strings| strings.bytes().len() > LONGEST) {
        return None;
    }
    let names = (0_u32..).zip(LEARNED);
    let module = module()
        .section(1, Bytes::default().vec([function_type(&[I32, I32], &[I32])]))
        .section(2, Bytes::default().vec([kind.import()]))
        .section(3, Bytes::default().vec(LEARNED.iter().map(|_| Bytes::default().leb(0))))
        .section(7, Bytes::default().vec(names.map(|(index, name)| export(name, index))))
        .section(10, Bytes::default().vec(strings.map(|strings| body(hand_over(kind, strings)))));
    Some(module.0)
}

/// Stores the strings at the address in the second parameter, and where each starts at that in the first.
fn hand_over(kind: MemoryKind, strings: &Strings) -> Bytes {
    let (array, buffer) = (kind.address(0), kind.address(1));
    let (bytes, starts) = (strings.bytes(), strings.starts());
    let mut code = check(kind, 1, bytes.len());
    if !starts.is_empty() {
        code = code.raw(&check(kind, 0, 4 * starts.len()).0);
    }
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        code = code.raw(&buffer.0).i64_const(u64::from_le_bytes(*word)).memory_op(0x37, 0, 8 * index); // i64.store
    }
    for (byte, at) in rest.iter().zip(8 * words.len()..) {
        code = code.raw(&buffer.0).i32_const((*byte).into()).memory_op(0x3a, 0, at); // i32.store8
    }
    for (index, start) in starts.iter().enumerate() {
        code = code.raw(&array.0).local_get(1).i32_const(*start).raw(&[0x6a]).memory_op(0x36, 0, 4 * index); // i32.add, i32.store
    }
    code.raw(&success().0)
}

//! Modules that are changed before an engine gets them: what is valid stays valid, what can't be read is refused or left as it
//! is, and the same bytes are changed in the same way each time.

#![no_main]

use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use wasi_rs::engine::cancellation::Cancellation;
use wasi_rs::engine::for_v8::{for_main_thread, for_thread};
use wasi_rs::engine::plan::Limits;
use wasm_smith::{Config, Module};
use wasmparser::{Validator, WasmFeatures};

/// Bytes of a module: such as a compiler may write, with some of them changed, or any.
fn module(input: &mut Unstructured<'_>) -> libfuzzer_sys::arbitrary::Result<Vec<u8>> {
    if input.ratio(1, 4)? {
        return Ok(input.bytes(input.len())?.to_vec());
    }
    let changes = if input.ratio(1, 2)? { <Vec<(u16, u8)>>::arbitrary(input)? } else { Vec::new() };
    let mut config = Config::arbitrary(input)?;
    config.bulk_memory_enabled = true;
    config.threads_enabled = true;
    config.multi_value_enabled = true;
    config.max_memories = 3;
    config.max_tables = 3;
    let mut bytes = Module::new(config, input)?.to_bytes();
    for (at, byte) in changes.into_iter().take(8) {
        let at = usize::from(at) % bytes.len();
        bytes[at] = byte;
    }
    Ok(bytes)
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(limits) = <(Option<u32>, Option<u16>)>::arbitrary(&mut input) else { return };
    let Ok(bytes) = module(&mut input) else { return };
    let limits =
        Limits { memory: limits.0.map(u64::from), table_elements: limits.1.map(u64::from), ..Limits::default() };
    let is_valid = |bytes: &[u8]| Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).is_ok();
    let was_valid = is_valid(&bytes);
    for rewrite in [
        |bytes, limits: &Limits| for_thread(bytes, limits, &Cancellation::default()),
        |bytes, _: &Limits| for_main_thread(bytes),
    ] {
        let (once, again) = (rewrite(bytes.clone(), &limits), rewrite(bytes.clone(), &limits));
        match (once, again) {
            (Ok(once), Ok(again)) => {
                assert!(once.bytes == again.bytes && once.meter == again.meter, "the same is changed otherwise");
                assert!(!was_valid || is_valid(&once.bytes), "a valid module is not valid any more");
                assert!(is_valid(&once.meter), "the meter is not valid");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("refused once, but not the other time"),
        }
    }
});

//! Arguments and environment.

use crate::abi::Ptr;
use crate::abi::errno::{Errno, Result};
use crate::ctx::{Ctx, Strings};
use crate::memory::Memory;

pub(super) fn args_get(ctx: &Ctx, memory: &Memory<'_>, argv: Ptr<u32>, argv_buf: Ptr<u8>) -> Result {
    hand_over(&ctx.args, memory, argv, argv_buf)
}

pub(super) fn args_sizes_get(ctx: &Ctx, memory: &Memory<'_>, argc: Ptr<u32>, argv_buf_size: Ptr<u32>) -> Result {
    sizes(&ctx.args, memory, argc, argv_buf_size)
}

pub(super) fn environ_get(ctx: &Ctx, memory: &Memory<'_>, environ: Ptr<u32>, environ_buf: Ptr<u8>) -> Result {
    hand_over(&ctx.env, memory, environ, environ_buf)
}

pub(super) fn environ_sizes_get(
    ctx: &Ctx,
    memory: &Memory<'_>,
    environc: Ptr<u32>,
    environ_buf_size: Ptr<u32>,
) -> Result {
    sizes(&ctx.env, memory, environc, environ_buf_size)
}

fn sizes(strings: &Strings, memory: &Memory<'_>, count: Ptr<u32>, bytes: Ptr<u32>) -> Result {
    let number = |len: usize| u32::try_from(len).map_err(|_| Errno::Overflow);
    memory.write(count, &number(strings.starts().len())?)?;
    memory.write(bytes, &number(strings.bytes().len())?)
}

fn hand_over(strings: &Strings, memory: &Memory<'_>, array: Ptr<u32>, buffer: Ptr<u8>) -> Result {
    memory.copy_in(buffer, strings.bytes())?;
    for (index, start) in (0..).zip(strings.starts()) {
        // The buffer lies inside the memory, so no address in it is beyond 32 bits.
        memory.write(memory.element(array, index)?, &buffer.offset.wrapping_add(*start))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Guest;
    use crate::abi::errno::Errno;

    #[test]
    fn args_get_writes_addresses_and_strings() {
        let guest = Guest::new();
        assert_eq!(guest.call("args_sizes_get", &[0, 4]), Errno::Success);
        assert_eq!((guest.u32(0), guest.u32(4)), (3, 16));
        assert_eq!(guest.call("args_get", &[16, 64]), Errno::Success);
        assert_eq!([guest.u32(16), guest.u32(20), guest.u32(24)], [64, 69, 70]);
        assert_eq!(guest.bytes(64, 16), "prog\0\0emoji🐎\0".as_bytes());
        guest.memory.assert_masked_but(&[(0, 8), (16, 12), (64, 16)]);
    }

    #[test]
    fn environ_get_writes_addresses_and_strings() {
        let guest = Guest::new();
        assert_eq!(guest.call("environ_sizes_get", &[0, 4]), Errno::Success);
        assert_eq!((guest.u32(0), guest.u32(4)), (1, 6));
        assert_eq!(guest.call("environ_get", &[16, 64]), Errno::Success);
        assert_eq!((guest.u32(16), guest.bytes(64, 6)), (64, b"K=val\0".to_vec()));
    }

    #[test]
    fn a_bad_address_is_efault() {
        let guest = Guest::new();
        let end = guest.end();
        for name in ["args_get", "environ_get", "args_sizes_get", "environ_sizes_get"] {
            assert_eq!(guest.call(name, &[0, end - 3]), Errno::Fault, "{name}");
            assert_eq!(guest.call(name, &[end - 3, 64]), Errno::Fault, "{name}");
            assert_eq!(guest.call(name, &[0, u64::from(u32::MAX)]), Errno::Fault, "{name}");
        }
    }
}

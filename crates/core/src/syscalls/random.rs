//! Random bytes.

use crate::abi::Ptr;
use crate::abi::errno::Result;
use crate::ctx::Ctx;
use crate::host::wait::Checkpoint;
use crate::memory::Memory;

pub(super) fn random_get(ctx: &Ctx, memory: &Memory<'_>, buf: Ptr<u8>, buf_len: u32) -> Result {
    let mut random = ctx.random();
    let mut checkpoint = Checkpoint::new(ctx.interrupt());
    memory.fill(buf, buf_len, |piece| {
        checkpoint.pass(piece.len() as u64)?;
        random.fill(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Guest;
    use crate::abi::errno::Errno;

    #[test]
    fn random_get_fills_the_buffer_and_no_more() {
        let guest = Guest::new();
        assert_eq!(guest.call("random_get", &[64, 1024]), Errno::Success);
        let bytes = guest.bytes(64, 1024);
        assert!(bytes.chunks(32).all(|chunk| chunk.iter().any(|byte| *byte != crate::memory::guest::MASK)));
        guest.memory.assert_masked_but(&[(64, 1024)]);
        assert_eq!(guest.call("random_get", &[64, 0]), Errno::Success);
        assert_eq!(guest.call("random_get", &[64, u64::from(u32::MAX)]), Errno::Fault);
    }
}

//! Kernel calls over a range of a file that may be large: in pieces, for a guest that may be ended between
//! two of them.

use super::interrupt::{Interrupt, STRETCH};
use crate::abi::errno::{Errno, Result};
use std::time::{Duration, Instant};

/// Bytes of the first piece. In a file system in memory each page of it is made or given back: that takes
/// some 5 ms.
pub const FIRST: u64 = 16 * STRETCH;

/// A piece that took less is followed by one twice as large: most file systems on disks note ranges, however
/// long they are.
const SHORT: Duration = Duration::from_millis(2);

/// Makes a call for `len` bytes in pieces, the first `FIRST` bytes long: `call` gets how many bytes are done,
/// and the length of the next piece. One piece is all if nothing interrupts it. ECANCELED when interrupted
/// between two.
pub fn in_pieces(interrupt: &dyn Interrupt, len: u64, mut call: impl FnMut(u64, u64) -> Result) -> Result {
    let mut piece = if interrupt.poll_interval().is_none() { len } else { FIRST };
    let mut done = 0;
    loop {
        let next = piece.min(len - done);
        let before = Instant::now();
        call(done, next)?;
        done += next;
        if done == len {
            return Ok(());
        }
        if interrupt.is_interrupted() {
            return Err(Errno::Canceled);
        }
        if before.elapsed() < SHORT {
            piece = piece.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::interrupt::Endless;
    use super::super::interrupt::testing::Looks;
    use super::*;

    /// The pieces of a call for `len` bytes, and its result.
    fn pieces(interrupt: &dyn Interrupt, len: u64) -> (Vec<(u64, u64)>, Result) {
        let mut pieces = Vec::new();
        let result = in_pieces(interrupt, len, |done, next| {
            pieces.push((done, next));
            Ok(())
        });
        (pieces, result)
    }

    #[test]
    fn pieces_follow_each_other_to_the_end() {
        let len = 10 * FIRST + 7;
        let (pieces, result) = pieces(&Looks::new(u32::MAX), len);
        assert_eq!(result, Ok(()));
        assert_eq!(pieces.first(), Some(&(0, FIRST)));
        assert_eq!(pieces.iter().fold(0, |end, (done, next)| if *done == end { end + next } else { 0 }), len);
    }

    #[test]
    fn a_call_that_is_short_or_never_interrupted_is_one_piece() {
        assert_eq!(pieces(&Endless, 1 << 50), (vec![(0, 1 << 50)], Ok(())));
        for len in [0, 1, FIRST] {
            assert_eq!(pieces(&Looks::new(0), len), (vec![(0, len)], Ok(())));
        }
    }

    #[test]
    fn a_call_ends_between_two_pieces_or_with_an_error() {
        let (pieces, result) = pieces(&Looks::new(1), 1 << 40);
        assert_eq!((pieces.len(), result), (2, Err(Errno::Canceled)));
        let failing = in_pieces(&Looks::new(9), 1 << 40, |done, _| if done > 0 { Err(Errno::Nospc) } else { Ok(()) });
        assert_eq!(failing, Err(Errno::Nospc));
    }
}

//! The kinds of transfers between buffers and a file.

use crate::abi::errno::{Errno, Result};

/// The place in a file that bytes are moved to or from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The descriptor's own offset, which moves.
    Current,
    /// This offset; the descriptor's own stays.
    At(u64),
    /// The end of the file, wherever that is when the bytes are written.
    End,
}

impl Position {
    /// The position after so many bytes. EINVAL for an offset beyond 63 bits: it is signed in the operating
    /// system.
    pub(super) fn moved_by(self, bytes: u32) -> Result<Self> {
        let Self::At(start) = self else {
            return Ok(self);
        };
        let offset = start.checked_add(u64::from(bytes)).filter(|offset| i64::try_from(*offset).is_ok());
        offset.map(Self::At).ok_or(Errno::Inval)
    }
}

/// A kernel call that moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// From a file to the buffers.
    Read(Position),
    /// From the buffers to a file.
    Write(Position),
    /// From a socket; with `peek` the data stays in its queue, with `whole` the kernel waits until the
    /// buffers are full.
    Receive {
        /// MSG_PEEK.
        peek: bool,
        /// MSG_WAITALL.
        whole: bool,
    },
    /// To a socket. A closed peer is EPIPE and no signal.
    Send,
}

/// The blocking of a kernel call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It may, if the descriptor does.
    Blocking,
    /// It fails with EAGAIN instead; with EOPNOTSUPP where the kernel can't promise that for the file.
    Nonblocking,
}

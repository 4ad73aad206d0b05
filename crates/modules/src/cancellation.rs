//! The cancellation of work that nobody waits for any more.

use crate::error::ProgramError;
use crate::outline::Outline;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A flag that tells a piece of work to stop.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Has the work stop at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// True if both are the same cancellation.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// True if the work shall stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// An error if the work shall stop.
    pub fn check(&self) -> Result<(), ProgramError> {
        if self.is_cancelled() { Err(ProgramError::Cancelled) } else { Ok(()) }
    }

    /// The outline of a module, unless reading it is cancelled.
    pub fn outline<'b>(&self, bytes: &'b [u8]) -> Result<Outline<'b>, ProgramError> {
        let read = Outline::read_while(bytes, || !self.is_cancelled());
        self.check()?;
        Ok(read?)
    }

    /// A reader that fails once the work shall stop.
    pub const fn reader<R: Read>(&self, reader: R) -> impl Read {
        Reader { cancellation: self, reader }
    }
}

struct Reader<'c, R> {
    cancellation: &'c Cancellation,
    reader: R,
}

impl<R: Read> Read for Reader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancellation.is_cancelled() {
            return Err(io::Error::other("nobody waits for it"));
        }
        self.reader.read(buffer)
    }
}

//! Descriptors on their way to a guest. A descriptor is reserved when a run is requested, and closed if no
//! run takes it.
//!
//! The thread that requests a run and the thread that runs it may belong to different environments, and each
//! environment can end at any moment. So they exchange the number of a [`Ticket`]. A ticket owns one
//! descriptor, which can be taken once. (The descriptor's own number could mean another file by the time it
//! is used.)

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasi_rs_core::host::file::File;

/// A descriptor that a guest is to have.
#[derive(Debug)]
pub struct Given {
    /// The open file.
    pub file: File,
    /// True if it is one of the host's own standard streams.
    pub is_host_stream: bool,
}

/// The right to take a descriptor. Dropped, it closes the descriptor unless that has been taken.
#[derive(Debug)]
pub struct Ticket(u64);

static DESCRIPTORS: Mutex<BTreeMap<u64, Given>> = Mutex::new(BTreeMap::new());

fn descriptors() -> MutexGuard<'static, BTreeMap<u64, Given>> {
    DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the descriptor of the ticket with this number, unless it has been taken or closed.
pub fn take(number: u64) -> Option<Given> {
    descriptors().remove(&number)
}

impl Ticket {
    /// A ticket for a descriptor.
    pub fn new(given: Given) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Relaxed) + 1;
        descriptors().insert(number, given);
        Self(number)
    }

    /// The number of the ticket, which no other ticket ever has.
    pub const fn number(&self) -> u64 {
        self.0
    }

    /// Closes the descriptor, unless it has been taken.
    pub fn close(&self) {
        drop(take(self.0));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read};

    /// A ticket for the writing end of a pipe, and the other end.
    fn ticket() -> (Ticket, PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let file = std::os::fd::OwnedFd::from(writer).into();
        (Ticket::new(Given { file, is_host_stream: false }), reader)
    }

    /// Waits for the end of the pipe.
    fn ends(mut reader: PipeReader) -> bool {
        reader.read(&mut [0]).unwrap() == 0
    }

    #[test]
    fn a_descriptor_is_taken_once() {
        let (ticket, reader) = ticket();
        let taken = take(ticket.number());
        assert!(taken.is_some() && take(ticket.number()).is_none());
        ticket.close();
        rustix::io::write(taken.as_ref().unwrap().file.handle(), b"x").unwrap();
        drop((taken, ticket));
        let mut bytes = Vec::new();
        (&reader).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"x");
    }

    #[test]
    fn a_descriptor_that_is_not_taken_is_closed_with_its_ticket() {
        let (ticket, reader) = self::ticket();
        drop(ticket);
        assert!(ends(reader));
        let (ticket, reader) = self::ticket();
        ticket.close();
        assert!(ends(reader) && take(ticket.number()).is_none());
    }

    #[test]
    fn numbers_are_not_used_again() {
        let (first, _reader) = ticket();
        let number = first.number();
        drop(first);
        let (second, _reader) = ticket();
        assert_ne!(second.number(), number);
    }
}

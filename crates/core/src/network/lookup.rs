//! Lookups of names. The system's own function is asked, which waits, and can't be told to stop: each lookup
//! has a thread of its own, for which nobody waits. It ends with its answer, or when the system gives up.

use super::name::Name;
use crate::abi::errno::{Errno, Result};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The end of a lookup, as the operating system has it open.
#[cfg(unix)]
pub use std::os::fd::OwnedFd as End;
#[cfg(windows)]
pub use std::os::windows::io::OwnedHandle as End;

/// The most lookups that go on in the process, and of one guest.
const MOST: (usize, usize) = (64, 16);

/// The most addresses of a name.
const MOST_ADDRESSES: usize = 64;

/// The stack of a lookup's thread. Modules of the system's own run there.
const STACK: usize = 1 << 20;

/// The lookups that go on in the process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

type Answer = Result<Vec<IpAddr>>;

/// The lookup of a name.
#[derive(Debug)]
pub struct Lookup {
    /// None while it goes on.
    answer: Arc<Mutex<Option<Answer>>>,
    /// The numbers of the rules that permit the name.
    rules: Box<[usize]>,
    /// The addresses that were taken.
    taken: Cell<usize>,
}

/// One of the lookups that go on, counted.
struct Counted;

impl Counted {
    fn new() -> Option<Self> {
        let add = |running: usize| (running < MOST.0).then_some(running + 1);
        RUNNING.fetch_update(Relaxed, Relaxed, add).is_ok().then(|| Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Relaxed);
    }
}

impl Lookup {
    /// Begins to look a name up, which these rules permit. The file is readable when there is an answer.
    /// `guest` has an owner more for each lookup of the guest that goes on. ENOBUFS: too many do.
    pub(super) fn begin(name: &Name, rules: Box<[usize]>, guest: &Arc<()>) -> Result<(Self, End)> {
        if Arc::strong_count(guest) > MOST.1 {
            return Err(Errno::Nobufs);
        }
        let counted = Counted::new().ok_or(Errno::Nobufs)?;
        let answer = Arc::new(Mutex::new(None));
        let (reader, writer) = io::pipe()?;
        let (name, place, owner) = (name.given().to_owned(), Arc::clone(&answer), Arc::clone(guest));
        let work = move || {
            let found = ask(&name);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            // The end of the pipe tells that there is an answer; by then it counts no more.
            drop((counted, owner));
            drop(writer);
        };
        let thread = thread::Builder::new().name("wasi-rs lookup".to_owned()).stack_size(STACK);
        thread.spawn(work).map_err(|_| Errno::Nobufs)?;
        Ok((Self { answer, rules, taken: Cell::new(0) }, reader.into()))
    }

    /// A lookup that has found these addresses.
    #[cfg(test)]
    pub(super) fn found<const N: usize>(addresses: Vec<IpAddr>, rules: [usize; N]) -> Self {
        Self { answer: Arc::new(Mutex::new(Some(Ok(addresses)))), rules: Box::new(rules), taken: Cell::new(0) }
    }

    /// The next address; none after the last.
    pub(super) fn next(&self) -> Result<Option<IpAddr>> {
        match &*self.answer.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Err(Errno::Again),
            Some(Err(errno)) => Err(*errno),
            Some(Ok(addresses)) => {
                let next = addresses.get(self.taken.get()).copied();
                self.taken.set(self.taken.get() + usize::from(next.is_some()));
                Ok(next)
            }
        }
    }

    /// The numbers of the rules that permit the name.
    pub(super) const fn rules(&self) -> &[usize] {
        &self.rules
    }
}

/// Asks the system. Addresses that nobody can have are left out, and so are those of IPv4 in the form of
/// IPv6.
fn ask(name: &str) -> Answer {
    let found = (name, 0).to_socket_addrs().map_err(|error| errno_of(&error))?;
    let mut addresses = Vec::new();
    for address in found.map(|found| found.ip()) {
        let is_of_a_host = !address.is_unspecified() && address.to_canonical() == address;
        if is_of_a_host && !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(Errno::Noent) } else { Ok(addresses) }
}

/// The reason why a name was not found. The standard library keeps no code of the resolver's, only its text.
fn errno_of(error: &io::Error) -> Errno {
    if error.raw_os_error().is_some() {
        return Errno::Io;
    }
    let text = error.to_string().to_ascii_lowercase();
    let is_temporary = ["temporary failure", "try again"].iter().any(|phrase| text.contains(phrase));
    if is_temporary { Errno::Timedout } else { Errno::Noent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn end_of(end: End) {
        assert_eq!(std::fs::File::from(end).read_to_end(&mut Vec::new()).unwrap(), 0);
    }

    #[test]
    fn the_file_is_readable_when_there_is_an_answer() {
        let guest = Arc::new(());
        let (lookup, end) = Lookup::begin(&Name::parse("localhost").unwrap(), Box::new([]), &guest).unwrap();
        end_of(end);
        assert!(lookup.next().unwrap().unwrap().is_loopback());
        while lookup.next().unwrap().is_some() {}
        assert_eq!(Arc::strong_count(&guest), 1);
    }

    #[test]
    fn a_name_that_nobody_has_is_an_error() {
        let guest = Arc::new(());
        let (lookup, end) = Lookup::begin(&Name::parse("nobody.invalid").unwrap(), Box::new([]), &guest).unwrap();
        end_of(end);
        // Without a server of names, that can't be known.
        assert!(matches!(lookup.next(), Err(Errno::Noent | Errno::Timedout | Errno::Io)));
    }

    #[test]
    fn a_guest_has_a_bounded_number_of_them() {
        let guest = Arc::new(());
        let owners: Vec<_> = (0..MOST.1).map(|_| Arc::clone(&guest)).collect();
        let begin = || Lookup::begin(&Name::parse("localhost").unwrap(), Box::new([]), &guest).map(|(_, end)| end);
        assert_eq!(begin().unwrap_err(), Errno::Nobufs);
        drop(owners);
        end_of(begin().unwrap());
    }
}

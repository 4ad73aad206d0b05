//! Floor 2: the descriptors of one guest.

use crate::abi::Fd;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Rights};
use crate::host::file::File;
use crate::host::object::Object;
use crate::host::readdir::Listing;
use crate::host::stream::{Input, Stream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// What a descriptor number stands for.
#[derive(Debug)]
pub struct Descriptor {
    /// What it is open on.
    pub object: Object,
    /// The guest's name of a directory it was started with.
    preopen: Option<Box<str>>,
    /// Whether the socket calls are served, if it is a socket.
    socket: bool,
    /// Whether what is reached through it may only be read.
    read_only: bool,
    rights: AtomicU64,
    inheriting: AtomicU64,
    flags: AtomicU16,
    listing: Mutex<Option<Box<Listing>>>,
}

impl Descriptor {
    /// A descriptor with these rights, whose children get at most `inheriting`.
    pub fn new(object: impl Into<Object>, rights: Rights, inheriting: Rights, flags: Fdflags) -> Self {
        Self {
            object: object.into(),
            preopen: None,
            socket: true,
            read_only: false,
            rights: AtomicU64::new(rights.bits()),
            inheriting: AtomicU64::new(inheriting.bits()),
            flags: AtomicU16::new(flags.bits()),
            listing: Mutex::default(),
        }
    }

    /// A directory the guest is started with, under the guest's name for it. If it is `read_only`, so is all that is opened
    /// through it.
    pub fn preopen(file: File, name: &str, read_only: bool) -> Self {
        let (mut rights, mut inheriting) = (Rights::DIRECTORY, Rights::all());
        if read_only {
            rights -= Rights::CHANGING;
            // That files can be opened for writing is told: wasi-libc asks for no more than that, so a program would
            // learn that it can't when it writes, and not, as with EROFS, when it opens.
            inheriting -= Rights::CHANGING - Rights::FD_WRITE;
        }
        Self { preopen: Some(name.into()), read_only, ..Self::new(file, rights, inheriting, Fdflags::empty()) }
    }

    /// What was opened through this directory: for reading only, if that is.
    pub fn opened(&self, file: File, mut rights: Rights, inheriting: Rights, flags: Fdflags) -> Self {
        if self.read_only {
            rights -= Rights::CHANGING;
        }
        Self { read_only: self.read_only, ..Self::new(file, rights, inheriting, flags) }
    }

    /// One of the guest's standard streams. If it is the host's own too, it is never a socket to the guest: shutting it
    /// down would end the host's stream, whatever it is made of.
    pub fn stdio(file: File, host_s_own: bool) -> Result<Self> {
        // That a stream which the host shares does not wait is the host's business; the guest asks for itself.
        let flags = file.flags()?.difference(Fdflags::NONBLOCK);
        Ok(Self { socket: !host_s_own, ..Self::new(file, Rights::FILE, Rights::empty(), flags) })
    }

    /// A standard stream in memory.
    pub fn stream(stream: Stream) -> Self {
        Self { socket: false, ..Self::new(stream, Rights::FILE, Rights::empty(), Fdflags::empty()) }
    }

    /// ENOTSOCK if it must not be used as a socket; whether it is one, the operating system says.
    pub fn require_socket(&self) -> Result {
        if self.socket { Ok(()) } else { Err(Errno::Notsock) }
    }

    /// The guest's name of the directory, if it was started with it.
    pub fn preopen_name(&self) -> Option<&str> {
        self.preopen.as_deref()
    }

    /// Whether what is reached through it may only be read.
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What may be done with it.
    pub fn rights(&self) -> Rights {
        Rights::from_bits_truncate(self.rights.load(Relaxed))
    }

    /// What may at most be done with descriptors opened through it.
    pub fn inheriting(&self) -> Rights {
        Rights::from_bits_truncate(self.inheriting.load(Relaxed))
    }

    /// ENOTCAPABLE unless it has all of `needed`; EROFS if it has not because it is for reading only.
    pub fn require(&self, needed: Rights) -> Result {
        if self.rights().contains(needed) { Ok(()) } else { Err(self.refusal(needed)) }
    }

    #[cold]
    fn refusal(&self, needed: Rights) -> Errno {
        if self.read_only && needed.intersects(Rights::CHANGING) { Errno::Rofs } else { Errno::Notcapable }
    }

    /// Drops rights; ENOTCAPABLE if any would be added.
    pub fn narrow(&self, rights: Rights, inheriting: Rights) -> Result {
        if !self.rights().contains(rights) || !self.inheriting().contains(inheriting) {
            return Err(Errno::Notcapable);
        }
        self.rights.fetch_and(rights.bits(), Relaxed);
        self.inheriting.fetch_and(inheriting.bits(), Relaxed);
        Ok(())
    }

    /// Its flags, as the guest set them.
    pub fn flags(&self) -> Fdflags {
        Fdflags::from_bits_truncate(self.flags.load(Relaxed))
    }

    /// Notes new flags.
    pub fn set_flags(&self, flags: Fdflags) {
        self.flags.store(flags.bits(), Relaxed);
    }

    /// Uses what is known of how far the directory has been listed.
    pub fn with_listing<T>(&self, use_listing: impl FnOnce(&mut Listing) -> T) -> T {
        let mut listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        use_listing(listing.get_or_insert_default())
    }
}

/// The table of a guest's descriptors. Numbers are given out lowest first, as POSIX does.
#[derive(Debug)]
pub struct Descriptors {
    table: RwLock<Table>,
    limit: usize,
    /// What a closed descriptor stands for while it waits to be used again.
    nothing: OnceLock<Stream>,
}

/// How many closed descriptors are kept, so that opening a file allocates nothing.
const SPARE: usize = 16;

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Option<Arc<Descriptor>>>,
    /// No slot below this one is free.
    lowest: usize,
    open: usize,
    /// Closed descriptors that nobody uses.
    spare: Vec<Arc<Descriptor>>,
}

impl Table {
    fn slot(&mut self, fd: Fd) -> Result<&mut Option<Arc<Descriptor>>> {
        let slot = usize::try_from(fd.0).ok().and_then(|index| self.slots.get_mut(index));
        slot.filter(|slot| slot.is_some()).ok_or(Errno::Badf)
    }

    /// The descriptor, in the place of a spare one if there is any.
    fn share(&mut self, descriptor: Descriptor) -> Arc<Descriptor> {
        let Some(mut spare) = self.spare.pop() else {
            return Arc::new(descriptor);
        };
        match Arc::get_mut(&mut spare) {
            Some(place) => *place = descriptor,
            None => return Arc::new(descriptor), // never: nobody else has it
        }
        spare
    }
}

impl Descriptors {
    /// An empty table that takes at most `limit` descriptors.
    pub fn new(limit: usize) -> Self {
        Self { table: RwLock::default(), limit, nothing: OnceLock::new() }
    }

    /// How many descriptors it takes at most.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The descriptor of this number, or EBADF.
    pub fn get(&self, fd: Fd) -> Result<Arc<Descriptor>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let slot = usize::try_from(fd.0).ok().and_then(|index| table.slots.get(index));
        slot.and_then(Clone::clone).ok_or(Errno::Badf)
    }

    fn write<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the descriptor the lowest free number; EMFILE when the table is full.
    pub fn insert(&self, descriptor: Descriptor) -> Result<Fd> {
        self.write(|table| {
            if table.open >= self.limit {
                return Err(Errno::Mfile);
            }
            let free = table.slots.iter().skip(table.lowest).position(Option::is_none);
            let index = free.map_or(table.slots.len(), |position| table.lowest + position);
            let fd = u32::try_from(index).map_err(|_| Errno::Mfile)?;
            let shared = Some(table.share(descriptor));
            match table.slots.get_mut(index) {
                Some(slot) => *slot = shared,
                None => table.slots.push(shared),
            }
            table.lowest = index + 1;
            table.open += 1;
            Ok(Fd(fd))
        })
    }

    /// Takes the descriptor out; it is closed when the last call that uses it ends.
    pub fn remove(&self, fd: Fd) -> Result {
        let removed = self.write(|table| -> Result<Option<Arc<Descriptor>>> {
            let removed = table.slot(fd)?.take();
            table.lowest = table.lowest.min(fd.0 as usize);
            table.open -= 1;
            Ok(removed)
        })?;
        self.close(removed);
        Ok(())
    }

    /// Moves `from` to the number `to`, closing what `to` was; EBADF unless both are open.
    pub fn renumber(&self, from: Fd, to: Fd) -> Result {
        let replaced = self.write(|table| -> Result<Option<Arc<Descriptor>>> {
            table.slot(to)?;
            let moved = table.slot(from)?.clone();
            if from == to {
                return Ok(None);
            }
            *table.slot(from)? = None;
            table.lowest = table.lowest.min(from.0 as usize);
            table.open -= 1;
            Ok(std::mem::replace(table.slot(to)?, moved))
        })?;
        self.close(replaced);
        Ok(())
    }

    /// Closes a descriptor that has been taken out, unless a call still uses it: then it is closed when that ends. Not
    /// under the lock: closing may take long.
    fn close(&self, descriptor: Option<Arc<Descriptor>>) {
        let Some(mut descriptor) = descriptor else {
            return;
        };
        if let Some(unused) = Arc::get_mut(&mut descriptor) {
            let nothing = self.nothing.get_or_init(|| Stream::Input(Arc::new(Input::new(Vec::new()))));
            *unused = Descriptor::stream(nothing.clone());
            self.write(|table| {
                if table.spare.len() < SPARE {
                    table.spare.push(descriptor);
                }
            });
        }
    }

    /// Closes everything.
    pub fn clear(&self) {
        drop(self.write(std::mem::take));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::file::OwnedHandle;

    fn descriptor() -> Descriptor {
        let file = File::from(OwnedHandle::from(tempfile::tempfile().unwrap()));
        Descriptor::new(file, Rights::FILE, Rights::empty(), Fdflags::empty())
    }

    #[test]
    fn the_lowest_free_number_is_given_out() {
        let table = Descriptors::new(10);
        for number in 0..4 {
            assert_eq!(table.insert(descriptor()), Ok(Fd(number)));
        }
        table.remove(Fd(2)).unwrap();
        table.remove(Fd(1)).unwrap();
        assert_eq!(table.insert(descriptor()), Ok(Fd(1)));
        assert_eq!(table.insert(descriptor()), Ok(Fd(2)));
        assert_eq!(table.insert(descriptor()), Ok(Fd(4)));
    }

    #[test]
    fn a_full_table_is_emfile_until_something_is_closed() {
        let table = Descriptors::new(2);
        table.insert(descriptor()).unwrap();
        table.insert(descriptor()).unwrap();
        assert_eq!(table.insert(descriptor()), Err(Errno::Mfile));
        table.remove(Fd(0)).unwrap();
        assert_eq!(table.insert(descriptor()), Ok(Fd(0)));
        table.clear();
        assert_eq!(table.get(Fd(0)).unwrap_err(), Errno::Badf);
        assert_eq!(table.insert(descriptor()), Ok(Fd(0)));
    }

    #[test]
    fn renumber_closes_the_target_and_frees_the_source() {
        let table = Descriptors::new(10);
        for _ in 0..3 {
            table.insert(descriptor()).unwrap();
        }
        let (moved, replaced) = (table.get(Fd(0)).unwrap(), Arc::downgrade(&table.get(Fd(2)).unwrap()));
        table.renumber(Fd(0), Fd(2)).unwrap();
        assert!(Arc::ptr_eq(&moved, &table.get(Fd(2)).unwrap()));
        assert!(replaced.upgrade().is_none());
        assert_eq!(table.get(Fd(0)).unwrap_err(), Errno::Badf);
        assert_eq!(table.renumber(Fd(0), Fd(2)), Err(Errno::Badf));
        assert_eq!(table.renumber(Fd(2), Fd(9)), Err(Errno::Badf));
        assert_eq!(table.renumber(Fd(2), Fd(2)), Ok(()));
        assert_eq!(table.insert(descriptor()), Ok(Fd(0)));
    }

    #[test]
    fn rights_are_dropped_and_never_come_back() {
        let descriptor = descriptor();
        assert_eq!(descriptor.narrow(Rights::all(), Rights::empty()), Err(Errno::Notcapable));
        descriptor.narrow(Rights::FD_READ, Rights::empty()).unwrap();
        assert_eq!(descriptor.require(Rights::FD_WRITE), Err(Errno::Notcapable));
        assert_eq!(descriptor.narrow(Rights::FD_WRITE, Rights::empty()), Err(Errno::Notcapable));
        assert_eq!(descriptor.require(Rights::FD_READ), Ok(()));
    }
}

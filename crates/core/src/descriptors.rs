//! The descriptors of one guest.

use crate::abi::Fd;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Rights};
use crate::abi::socket::{Family, Protocol};
use crate::files::object::Object;
use crate::host::file::File;
use crate::host::offset::Offset;
use crate::host::readdir::Place;
use crate::host::stream::Stream;
use crate::host::wait::Interest;
use crate::network::lookup::Lookup;
use std::cell::{Cell, Ref, RefCell};

/// The calls of sockets that a descriptor serves.
#[derive(Debug)]
enum Role {
    /// None.
    Other,
    /// Those of preview 1, should it be a socket.
    Given,
    /// All: the guest has made it.
    Socket(Socket),
    /// Those of a lookup.
    Lookup(Lookup),
}

/// A socket of the internet that a guest has made.
#[derive(Debug)]
pub struct Socket {
    /// Its protocol.
    pub protocol: Protocol,
    /// The family of its addresses.
    pub family: Family,
    /// True if it is bound to an address at which anybody may reach the guest.
    pub serves: Cell<bool>,
}

/// An open descriptor.
#[derive(Debug)]
pub struct Descriptor {
    /// The object it is open on.
    pub object: Object,
    /// The offset of its next transfer, if it is a file.
    pub offset: Offset,
    /// The guest's name of a directory it was started with.
    preopen: Option<Box<str>>,
    /// The calls of sockets that it serves.
    role: Role,
    /// The direction of its bytes, if it is one of the host's own standard streams.
    host_stream: Option<Interest>,
    /// True if everything reached through it may only be read.
    read_only: bool,
    rights: Cell<Rights>,
    inheriting: Cell<Rights>,
    flags: Cell<Fdflags>,
    /// The position of its listing, if it is a directory.
    pub place: Cell<Place>,
}

impl Descriptor {
    /// A descriptor with these rights, whose children get at most `inheriting`.
    pub fn new(object: impl Into<Object>, rights: Rights, inheriting: Rights, flags: Fdflags) -> Self {
        Self {
            object: object.into(),
            offset: Offset::default(),
            preopen: None,
            role: Role::Given,
            host_stream: None,
            read_only: false,
            rights: Cell::new(rights),
            inheriting: Cell::new(inheriting),
            flags: Cell::new(flags),
            place: Cell::default(),
        }
    }

    /// A directory the guest is started with, under the guest's name for it. If it is `read_only`, so is all
    /// that is opened through it.
    pub fn preopen(dir: impl Into<Object>, name: &str, read_only: bool) -> Self {
        let (mut rights, mut inheriting) = (Rights::DIRECTORY, Rights::all());
        if read_only {
            rights -= Rights::CHANGING;
            // The right to open files for writing is reported: wasi-libc asks for no other, so without it a
            // program would fail when it writes, and not, as with EROFS, when it opens.
            inheriting -= Rights::CHANGING - Rights::FD_WRITE;
        }
        Self { preopen: Some(name.into()), read_only, ..Self::new(dir, rights, inheriting, Fdflags::empty()) }
    }

    /// A descriptor of a file opened through this directory: for reading only, if the directory is.
    pub fn opened(&self, object: Object, mut rights: Rights, inheriting: Rights, flags: Fdflags) -> Self {
        if self.read_only {
            rights -= Rights::CHANGING;
        }
        let offset = if matches!(object, Object::Memory(_)) { Offset::kept_here() } else { Offset::own() };
        Self { offset, read_only: self.read_only, ..Self::new(object, rights, inheriting, flags) }
    }

    /// A descriptor that the embedder hands in. The guest may do with it what the embedder can: also what
    /// others see who share the open file, such as moving its offset or setting APPEND.
    pub fn stdio(file: File) -> Result<Self> {
        // A shared stream may be non-blocking for the host's sake; the guest asks for itself.
        let flags = file.flags()?.difference(Fdflags::NONBLOCK);
        Ok(Self::new(file, Rights::FILE, Rights::empty(), flags))
    }

    /// One of the host's own standard streams, of which the guest moves bytes this way and has nothing else:
    /// whatever it is made of, a log that a shell has opened, a terminal, a socket, it does what one end of a
    /// pipe does.
    pub fn host_stream(file: File, way: Interest) -> Result<Self> {
        let rights = rights_of_stream(way);
        Ok(Self { role: Role::Other, host_stream: Some(way), rights: Cell::new(rights), ..Self::stdio(file)? })
    }

    /// A standard stream in memory.
    pub fn stream(stream: Stream) -> Self {
        Self { role: Role::Other, ..Self::new(stream, Rights::FILE, Rights::empty(), Fdflags::empty()) }
    }

    /// A socket that the guest has made. Its datagrams have their own calls, so bytes of one for UDP are
    /// neither read nor written.
    pub fn socket(file: File, socket: Socket) -> Self {
        let common = Rights::FD_FDSTAT_SET_FLAGS | Rights::FD_FILESTAT_GET | Rights::POLL_FD_READWRITE;
        let rights = match socket.protocol {
            Protocol::Tcp => common | Rights::FD_READ | Rights::FD_WRITE | Rights::SOCK_ACCEPT | Rights::SOCK_SHUTDOWN,
            Protocol::Udp => common,
        };
        Self { role: Role::Socket(socket), ..Self::new(file, rights, Rights::empty(), Fdflags::NONBLOCK) }
    }

    /// A socket that the guest is started with, from which it takes connections. All else would be felt by
    /// those who share it: after a shutdown nobody can take any.
    pub fn serving(file: File) -> Self {
        let rights = Rights::SOCK_ACCEPT | rights_of_stream(Interest::Read);
        Self::new(file, rights, Rights::empty(), Fdflags::empty())
    }

    /// A lookup, and the file that is readable when it is over.
    pub fn lookup(file: File, lookup: Lookup) -> Self {
        let rights = Rights::POLL_FD_READWRITE;
        Self { role: Role::Lookup(lookup), ..Self::new(file, rights, Rights::empty(), Fdflags::NONBLOCK) }
    }

    /// ENOTSOCK if it must not be used as a socket; whether it is one, the operating system says.
    pub const fn require_socket(&self) -> Result {
        match self.role {
            Role::Given | Role::Socket(_) => Ok(()),
            Role::Other | Role::Lookup(_) => Err(Errno::Notsock),
        }
    }

    /// The socket that the guest has made; ENOTSOCK if it is another thing.
    pub const fn as_socket(&self) -> Result<&Socket> {
        if let Role::Socket(socket) = &self.role { Ok(socket) } else { Err(Errno::Notsock) }
    }

    /// The lookup; EINVAL if it is another thing.
    pub const fn as_lookup(&self) -> Result<&Lookup> {
        if let Role::Lookup(lookup) = &self.role { Ok(lookup) } else { Err(Errno::Inval) }
    }

    /// The rights without which it can't be waited for: that to move bytes among them, where bytes are moved.
    pub const fn rights_to_await(&self, interest: Interest) -> Rights {
        let moving = match (&self.role, interest) {
            (Role::Lookup(_) | Role::Socket(Socket { protocol: Protocol::Udp, .. }), _) => Rights::empty(),
            (_, Interest::Read) => Rights::FD_READ,
            (_, Interest::Write) => Rights::FD_WRITE,
        };
        Rights::POLL_FD_READWRITE.union(moving)
    }

    /// The guest's name of the directory, if it was started with it.
    pub fn preopen_name(&self) -> Option<&str> {
        self.preopen.as_deref()
    }

    /// True for one of the host's own standard streams, which other processes may share.
    pub const fn is_host_stream(&self) -> bool {
        self.host_stream.is_some()
    }

    /// True if everything reached through it may only be read.
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The rights it has.
    pub const fn rights(&self) -> Rights {
        self.rights.get()
    }

    /// The most rights that descriptors opened through it get.
    pub const fn inheriting(&self) -> Rights {
        self.inheriting.get()
    }

    /// ENOTCAPABLE unless it has all of `needed`; EROFS if it has not because it is for reading only, and
    /// what a pipe answers if it is a stream of the host's.
    pub fn require(&self, needed: Rights) -> Result {
        if self.rights().contains(needed) { Ok(()) } else { Err(self.refusal(needed)) }
    }

    #[cold]
    fn refusal(&self, needed: Rights) -> Errno {
        if self.read_only && needed.intersects(Rights::CHANGING) {
            // From what is no directory a path leads nowhere, whoever may change it.
            let is_path = needed.intersects(Rights::CHANGING_BY_PATH);
            return if is_path && self.object.filetype() != Ok(Filetype::Directory) {
                Errno::Notdir
            } else {
                Errno::Rofs
            };
        }
        // A right that the guest has dropped itself is ENOTCAPABLE on a stream too.
        let missing = self.host_stream.map_or(Rights::empty(), |way| needed - rights_of_stream(way));
        if missing.intersects(Rights::FD_READ | Rights::FD_WRITE) {
            Errno::Badf
        } else if missing.intersects(Rights::FD_SEEK | Rights::FD_TELL | Rights::FD_ADVISE | Rights::FD_ALLOCATE) {
            Errno::Spipe
        } else if missing.intersects(Rights::FD_SYNC | Rights::FD_DATASYNC | Rights::FD_FILESTAT_SET_SIZE) {
            Errno::Inval
        } else if missing.intersects(Rights::FD_FILESTAT_SET_TIMES) {
            Errno::Notsup
        } else {
            Errno::Notcapable
        }
    }

    /// Drops rights; ENOTCAPABLE if any would be added.
    pub fn narrow(&self, rights: Rights, inheriting: Rights) -> Result {
        if !self.rights().contains(rights) || !self.inheriting().contains(inheriting) {
            return Err(Errno::Notcapable);
        }
        self.rights.set(rights);
        self.inheriting.set(inheriting);
        Ok(())
    }

    /// Its flags, as the guest set them.
    pub const fn flags(&self) -> Fdflags {
        self.flags.get()
    }

    /// Notes new flags.
    pub fn set_flags(&self, flags: Fdflags) {
        self.flags.set(flags);
    }
}

/// The rights of a guest on a stream of the host's.
fn rights_of_stream(way: Interest) -> Rights {
    let moving = match way {
        Interest::Read => Rights::FD_READ,
        Interest::Write => Rights::FD_WRITE,
    };
    moving | Rights::FD_FDSTAT_SET_FLAGS | Rights::FD_FILESTAT_GET | Rights::POLL_FD_READWRITE
}

/// The table of a guest's descriptors. Numbers are given out lowest first, as POSIX does.
///
/// A call borrows the descriptors it uses, and the table does not change meanwhile: system calls never call
/// back, so a guest makes one at a time. An embedder that has threads of one guest call keeps a lock around
/// them.
#[derive(Debug)]
pub struct Descriptors {
    table: RefCell<Table>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// In place: opening a file allocates nothing.
    slots: Vec<Option<Descriptor>>,
    /// No slot below this one is free.
    lowest: usize,
    open: usize,
}

impl Table {
    fn slot(&mut self, fd: Fd) -> Result<&mut Option<Descriptor>> {
        let slot = usize::try_from(fd.0).ok().and_then(|index| self.slots.get_mut(index));
        slot.filter(|slot| slot.is_some()).ok_or(Errno::Badf)
    }

    /// Takes the descriptor of this number out.
    fn take(&mut self, fd: Fd) -> Result<Option<Descriptor>> {
        let taken = self.slot(fd)?.take();
        self.lowest = self.lowest.min(fd.0 as usize);
        self.open -= 1;
        Ok(taken)
    }
}

impl Descriptors {
    /// An empty table that takes at most `limit` descriptors.
    pub const fn new(limit: usize) -> Self {
        let table = Table { slots: Vec::new(), lowest: 0, open: 0 };
        Self { table: RefCell::new(table), limit }
    }

    /// The most descriptors it takes.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// True if none is open.
    pub fn is_empty(&self) -> bool {
        self.table.borrow().open == 0
    }

    /// The descriptor of this number, or EBADF.
    #[inline]
    pub fn get(&self, fd: Fd) -> Result<Ref<'_, Descriptor>> {
        Ref::filter_map(self.table.borrow(), |table| table.slots.get(usize::try_from(fd.0).ok()?)?.as_ref())
            .map_err(|_| Errno::Badf)
    }

    /// Changes the table. EBUSY while a call uses a descriptor, which is never: it would have had to call
    /// back.
    fn write<T>(&self, change: impl FnOnce(&mut Table) -> Result<T>) -> Result<T> {
        change(&mut *self.table.try_borrow_mut().map_err(|_| Errno::Busy)?)
    }

    /// EMFILE when the table is full: before a file is opened, since that may make or cut it.
    #[inline]
    pub fn require_room(&self) -> Result {
        if self.table.borrow().open < self.limit { Ok(()) } else { Err(Errno::Mfile) }
    }

    /// Gives the descriptor the lowest free number. EMFILE, and it is closed, when the table is full or what
    /// all guests together may have open is.
    pub fn insert(&self, descriptor: Descriptor) -> Result<Fd> {
        if matches!(&descriptor.object, Object::File(file) if file.is_one_too_many()) {
            return Err(Errno::Mfile);
        }
        self.require_room()?;
        self.write(|table| {
            let free = table.slots.iter().skip(table.lowest).position(Option::is_none);
            let index = free.map_or(table.slots.len(), |position| table.lowest + position);
            let fd = u32::try_from(index).map_err(|_| Errno::Mfile)?;
            match table.slots.get_mut(index) {
                Some(slot) => *slot = Some(descriptor),
                None => table.slots.push(Some(descriptor)),
            }
            table.lowest = index + 1;
            table.open += 1;
            Ok(Fd(fd))
        })
    }

    /// Closes the descriptor.
    pub fn remove(&self, fd: Fd) -> Result {
        // The old descriptor is closed after the borrow: closing may take long.
        self.write(|table| table.take(fd)).map(drop)
    }

    /// Moves `from` to the number `to`, closing what `to` was; EBADF unless both are open.
    pub fn renumber(&self, from: Fd, to: Fd) -> Result {
        let replaced = self.write(|table| {
            table.slot(to)?;
            table.slot(from)?;
            if from == to {
                return Ok(None);
            }
            let moved = table.take(from)?;
            Ok(std::mem::replace(table.slot(to)?, moved))
        });
        replaced.map(drop)
    }

    /// Closes everything.
    pub fn clear(&self) {
        drop(self.write(|table| Ok(std::mem::take(table))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::file::OwnedHandle;
    use crate::host::stream::Output;
    use std::sync::Arc;

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

    /// With 16384 of them, in a table that has doubled its room, that is 6 MiB.
    #[test]
    fn a_descriptor_takes_little() {
        let size = size_of::<Option<Descriptor>>();
        assert!(size <= 192, "{size} bytes");
    }

    #[test]
    fn a_host_s_stream_goes_one_way_under_any_number() {
        let table = Descriptors::new(10);
        for way in [Interest::Read, Interest::Write] {
            let file = File::from(OwnedHandle::from(tempfile::tempfile().unwrap()));
            table.insert(Descriptor::host_stream(file, way).unwrap()).unwrap();
        }
        table.renumber(Fd(0), Fd(1)).unwrap();
        let input = table.get(Fd(1)).unwrap();
        assert_eq!(input.require(Rights::FD_READ), Ok(()));
        assert_eq!(input.require(Rights::FD_WRITE), Err(Errno::Badf));
        assert_eq!(input.require(Rights::FD_READ | Rights::FD_SEEK), Err(Errno::Spipe));
        assert_eq!(input.narrow(Rights::FD_READ | Rights::FD_WRITE, Rights::empty()), Err(Errno::Notcapable));
        input.narrow(Rights::empty(), Rights::empty()).unwrap();
        assert_eq!(input.require(Rights::FD_READ), Err(Errno::Notcapable));
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
        let [moved, other, replaced] = [9, 9, 9].map(|limit| Arc::new(Output::new(limit)));
        for output in [&moved, &other, &replaced] {
            table.insert(Descriptor::stream(Stream::Output(Arc::clone(output)))).unwrap();
        }
        table.renumber(Fd(0), Fd(2)).unwrap();
        let found = table.get(Fd(2)).unwrap();
        assert!(matches!(&found.object, Object::Stream(Stream::Output(output)) if Arc::ptr_eq(output, &moved)));
        drop(found);
        assert_eq!([moved, other, replaced].map(|output| Arc::strong_count(&output)), [2, 2, 1]);
        assert_eq!(table.get(Fd(0)).unwrap_err(), Errno::Badf);
        assert_eq!(table.renumber(Fd(0), Fd(2)), Err(Errno::Badf));
        assert_eq!(table.renumber(Fd(2), Fd(9)), Err(Errno::Badf));
        assert_eq!(table.renumber(Fd(2), Fd(2)), Ok(()));
        assert_eq!(table.insert(descriptor()), Ok(Fd(0)));
    }

    #[test]
    fn the_table_does_not_change_while_a_call_uses_a_descriptor() {
        let table = Descriptors::new(10);
        table.insert(descriptor()).unwrap();
        let used = table.get(Fd(0)).unwrap();
        assert_eq!(table.remove(Fd(0)), Err(Errno::Busy));
        assert_eq!(table.insert(descriptor()), Err(Errno::Busy));
        table.clear();
        drop(used);
        assert_eq!(table.remove(Fd(0)), Ok(()));
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

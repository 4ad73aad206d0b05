//! wasi:filesystem: the entries of directories.

use super::calls::{Entry, Made};
use super::generated::filesystem::types::{self, DescriptorType, DirectoryEntry};
use super::{OpenFile, View};
use std::sync::Arc;
use wasi_rs_core::abi::Errno;
use wasi_rs_core::abi::flags::Filetype;
use wasmtime::Result;
use wasmtime::component::Resource;

/// The most directories that may be listed at a time: each listing keeps some kilobytes of names.
const MOST_LISTINGS: usize = 1024;

/// The resource `directory-entry-stream`: the entries of a directory, as far as they were read.
#[derive(Clone, Debug)]
pub struct Listing {
    file: Arc<OpenFile>,
    /// The place of the first entry that has not been read.
    next: u64,
    /// Entries that were read, and how much of them has been given to the guest.
    bytes: Vec<u8>,
    given: usize,
    /// Counts it.
    _counted: Arc<()>,
}

/// The type of a file, as the interface has it.
pub fn type_of(filetype: Option<Filetype>) -> DescriptorType {
    match filetype {
        Some(Filetype::BlockDevice) => DescriptorType::BlockDevice,
        Some(Filetype::CharacterDevice) => DescriptorType::CharacterDevice,
        Some(Filetype::Directory) => DescriptorType::Directory,
        Some(Filetype::RegularFile) => DescriptorType::RegularFile,
        Some(Filetype::SymbolicLink) => DescriptorType::SymbolicLink,
        Some(Filetype::SocketDgram | Filetype::SocketStream) => DescriptorType::Socket,
        Some(Filetype::Unknown) | None => DescriptorType::Unknown,
    }
}

impl View<'_> {
    /// The entries of a directory, of which the first have been read: an error comes now, not with them.
    pub(super) fn listing_of(&mut self, file: Arc<OpenFile>) -> Made<Listing> {
        if Arc::strong_count(&self.wasi.listings) > MOST_LISTINGS {
            return Err(Errno::Nomem.into());
        }
        let counted = Arc::clone(&self.wasi.listings);
        let mut listing = Listing { file, next: 0, bytes: Vec::new(), given: 0, _counted: counted };
        self.list(&mut listing)?;
        Ok(listing)
    }

    /// Reads entries of a directory, if all that were read have been given to the guest.
    fn list(&mut self, listing: &mut Listing) -> Made {
        listing.given = 0;
        let made = self.calls().list(listing.file.fd, listing.next, &mut listing.bytes);
        if made.is_err() {
            // Those that were given are not given again.
            listing.bytes.clear();
        }
        made
    }

    /// The next entry of a directory: its type and its name; none at the end.
    pub(super) fn next_entry(&mut self, listing: &mut Listing) -> Made<Option<DirectoryEntry>> {
        loop {
            if let Some(entry) = listing.pop() {
                return entry.map(Some);
            }
            self.list(listing)?;
            if listing.bytes.is_empty() {
                return Ok(None);
            }
        }
    }
}

impl Listing {
    /// The directory.
    pub(super) fn into_file(self) -> Arc<OpenFile> {
        self.file
    }

    /// The next of the entries that were read, without the directory itself and its parent.
    fn pop(&mut self) -> Option<Made<DirectoryEntry>> {
        loop {
            let entry = Entry::first_of(self.bytes.get(self.given..)?)?;
            self.given = self.given.saturating_add(entry.size);
            self.next = entry.next;
            if !matches!(entry.name, b"." | b"..") {
                let type_ = type_of(Filetype::from_number(entry.filetype).ok());
                // The next call goes on behind a name that is no text.
                let name = std::str::from_utf8(entry.name).map_err(|_| Errno::Ilseq.into());
                return Some(name.map(|name| DirectoryEntry { type_, name: name.to_owned() }));
            }
        }
    }
}

impl types::HostDirectoryEntryStream for View<'_> {
    fn read_directory_entry(&mut self, this: Resource<Listing>) -> Made<Option<DirectoryEntry>> {
        let listing = self.wasi.table.get_mut(&this)?;
        if let Some(entry) = listing.pop() {
            return entry.map(Some);
        }
        // The table can't be borrowed while the calls are made.
        let mut taken = Listing { bytes: std::mem::take(&mut listing.bytes), ..listing.clone() };
        let next = self.next_entry(&mut taken);
        *self.wasi.table.get_mut(&this)? = taken;
        next
    }

    fn drop(&mut self, this: Resource<Listing>) -> Result<()> {
        let stream = self.wasi.table.delete(this)?;
        self.release(stream.into_file())
    }
}

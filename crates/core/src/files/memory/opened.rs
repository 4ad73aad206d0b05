//! Opened files and directories of a tree in memory, in the library that has made the tree.

use super::file::Data;
use super::merged::Found;
use super::message::Rows;
use super::node::{ABOVE, Id, Kind, Node, Nodes};
use super::tree::{Locked, Tree};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::abi::records::{Dirent, Filestat, Record};
use crate::host::file::{File, SetTime};
use crate::host::wait::Interrupt;
use crate::memory::Buffers;
use std::sync::Arc;

/// An open file or directory. It stays what it is when its names are removed.
#[derive(Debug)]
pub struct Opened {
    tree: Arc<Tree>,
    id: Id,
    ino: u64,
    /// The file; a directory has none.
    file: Option<Arc<Data>>,
    /// True for a file that was opened for writing.
    is_writable: bool,
    /// True for a directory with one of the host's beneath it.
    is_merged: bool,
}

/// The outcome of opening a path.
#[derive(Debug)]
pub enum Got {
    /// A file in memory, or a directory.
    Opened(Opened),
    /// A file of the host, which nobody changes through it.
    Host(File),
}

/// Attempts at a call that needs a copy of a file which others change meanwhile.
const ATTEMPTS: usize = 16;

/// The cookie behind `.` and `..`.
const DOTS: u64 = 2;

impl Tree {
    /// Its files; EBUSY if another tree has them.
    fn lock_of_files(self: &Arc<Self>) -> Result<Locked<'_>> {
        let locked = self.lock(0);
        if self.is_taken() { Err(Errno::Busy) } else { Ok(locked) }
    }

    /// Its root directory, opened.
    pub(super) fn open_root(self: &Arc<Self>) -> Result<Opened> {
        self.lock_of_files()?.open_node(Nodes::ROOT, false)
    }
}

impl Locked<'_> {
    /// A node, opened; a file also for writing, if that is asked for.
    pub fn open_node(&mut self, id: Id, is_writable: bool) -> Result<Opened> {
        let node = self.nodes.get_mut(id)?;
        node.opens += 1;
        Ok(Opened::new(self.tree, id, node, is_writable))
    }
}

impl Opened {
    fn new(tree: &Arc<Tree>, id: Id, node: &Node, is_writable: bool) -> Self {
        let file = if let Kind::File(file) = &node.kind { Some(Arc::clone(file)) } else { None };
        let is_merged = matches!(&node.kind, Kind::Dir(dir) if dir.below().is_some());
        Self { tree: Arc::clone(tree), id, ino: node.ino, file, is_writable, is_merged }
    }

    /// Its type.
    pub const fn filetype(&self) -> Filetype {
        if self.file.is_some() { Filetype::RegularFile } else { Filetype::Directory }
    }

    /// The number of its tree.
    pub fn dev(&self) -> u64 {
        self.tree.dev
    }

    /// True for a directory with one of the host's beneath it.
    pub const fn is_merged(&self) -> bool {
        self.is_merged
    }

    /// The same, opened once more. EBUSY if another tree has the files.
    pub fn reopen(&self) -> Result<Self> {
        self.tree.lock_of_files()?.open_node(self.id, self.is_writable)
    }

    /// Its attributes.
    pub fn stat(&self) -> Result<Filestat> {
        self.tree.lock(0).stat_node(self.id)
    }

    /// Sets its times.
    pub fn set_times(&self, atim: SetTime, mtim: SetTime, now: u64) -> Result {
        self.tree.lock(now).set_times_of(&Found::Node(self.id), atim, mtim)
    }

    fn file(&self) -> Result<&Data> {
        self.file.as_deref().ok_or(Errno::Isdir)
    }

    /// The length of the file; 0 of a directory.
    pub fn size(&self) -> u64 {
        self.file().map_or(0, |file| file.read().content.len())
    }

    /// Reads from `offset` on into the buffers, at most `most` bytes; how many. EISDIR for a directory.
    pub fn read(&self, offset: u64, buffers: &mut Buffers<'_>, most: u64) -> Result<u32> {
        Ok(self.file()?.read().content.read(offset, buffers, most))
    }

    /// Writes from `offset` on, or to the end, out of the buffers, at most `most` bytes; how many, and
    /// where they end. ENOSPC if there is room for none.
    pub fn write(&self, offset: Option<u64>, buffers: &mut Buffers<'_>, most: u64, now: u64) -> Result<(u32, u64)> {
        let file = self.file()?;
        let mut state = file.write();
        let offset = offset.unwrap_or_else(|| state.content.len());
        let moved = state.content.write(offset, buffers, most, &file.budget)?;
        if moved > 0 {
            state.times.change(now);
        }
        Ok((moved, offset + u64::from(moved)))
    }

    /// Cuts or extends the file.
    pub fn set_size(&self, size: u64, now: u64) -> Result {
        let file = self.file().ok().filter(|_| self.is_writable).ok_or(Errno::Inval)?;
        let mut state = file.write();
        state.content.set_len(size, &file.budget)?;
        state.times.change(now);
        Ok(())
    }

    /// Makes room for `len` bytes from `offset` on; the file becomes as long as that at least.
    pub fn allocate(&self, offset: u64, len: u64, now: u64) -> Result {
        if len == 0 {
            return Err(Errno::Inval);
        }
        let file = self.file.as_deref().filter(|_| self.is_writable).ok_or(Errno::Badf)?;
        let mut state = file.write();
        state.content.allocate(offset, len, &file.budget)?;
        state.times.change(now);
        Ok(())
    }

    /// Makes a call on paths that start at this directory, whose place it gets. Where it needs a copy of a
    /// file of the host, that is made meanwhile without holding up others, and then the call again.
    pub fn with_names<T>(
        &self,
        (now, interrupt): (u64, &dyn Interrupt),
        mut call: impl FnMut(Id, &mut Locked<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut copied = None;
        for _ in 0..ATTEMPTS {
            let mut locked = self.tree.lock_for(now, interrupt);
            locked.copied = copied.take();
            let result = call(self.id, &mut locked);
            let Some(wanted) = locked.wanted.take() else { return result };
            drop(locked);
            copied = Some(wanted.copy(&self.tree, interrupt)?);
        }
        Err(Errno::Busy)
    }

    /// The directory of the host beneath this one, to be listed; none if there is none.
    pub fn lower_dir(&self) -> Result<Option<File>> {
        self.tree.lock(0).open_lower_dir(self.id)
    }

    /// Takes those out of listed entries of the host's directory, of this device, that are hidden or
    /// covered here, and gives the others their serial numbers. How many bytes are left.
    pub fn sift(&self, dev: u64, rows: &mut [u8]) -> Result<usize> {
        let locked = self.tree.lock(0);
        let (mut from, mut to) = (0, 0);
        while let Some((mut head, name)) = Rows(rows.get(from..).unwrap_or_default()).next() {
            let ino = locked.listed(self.id, name, dev, head.d_ino)?;
            let len = Dirent::SIZE + name.len();
            if let Some(ino) = ino {
                head.d_ino = ino;
                rows.copy_within(from..from + len, to);
                let encoded = head.encode();
                rows.get_mut(to..to + encoded.len()).ok_or(Errno::Io)?.copy_from_slice(&encoded);
                to += len;
            }
            from += len;
        }
        Ok(to)
    }

    /// Its place in its tree.
    pub const fn place(&self) -> Id {
        self.id
    }

    /// Puts the entries from `cookie` on into the buffer, as far as whole ones fit: `.`, `..`, and the
    /// names in the order of their making, each as `fd_readdir` has them. How many bytes. Cookies of a
    /// directory with one of the host's beneath it are behind those of that.
    pub fn list(&self, cookie: u64, buffer: &mut [u8]) -> Result<usize> {
        if cookie > i32::MAX as u64 {
            return Err(Errno::Inval);
        }
        let behind = if self.is_merged { ABOVE } else { 0 };
        let cookie = cookie.saturating_sub(behind);
        let locked = self.tree.lock(0);
        let dir = locked.nodes.dir_that_is_there(self.id)?;
        let dots = [(1, self.ino, Filetype::Directory, &b"."[..]), (DOTS, self.ino, Filetype::Directory, b"..")];
        let dots = dots.into_iter().filter(|(next, ..)| *next > cookie);
        let after = u32::try_from(cookie.saturating_sub(DOTS)).unwrap_or(u32::MAX);
        let names = dir.entries_after(after).filter_map(|(number, name, id)| {
            let node = locked.nodes.get(id).ok()?;
            Some((u64::from(number) + DOTS, node.ino, node.filetype(), &name[..]))
        });
        let mut used = 0;
        for (d_next, d_ino, filetype, name) in dots.chain(names) {
            let d_namlen = u32::try_from(name.len()).unwrap_or(u32::MAX);
            let d_next = d_next + behind;
            let head = Dirent { d_next, d_ino, d_namlen, d_type: filetype.number() }.encode();
            let end = used + head.len() + name.len();
            let Some((to_head, to_name)) = buffer.get_mut(used..end).and_then(|to| to.split_at_mut_checked(head.len()))
            else {
                break;
            };
            to_head.copy_from_slice(&head);
            to_name.copy_from_slice(name);
            used = end;
        }
        Ok(used)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.tree.lock(0).close_node(self.id);
    }
}

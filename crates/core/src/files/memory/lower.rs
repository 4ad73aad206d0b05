//! A directory of the host beneath a tree: it is read, and never changed.
//!
//! A path in it is names without dots. Each is opened in the directory before it, and none is followed if
//! it is a link: the tree itself follows links, and so none leads out of it.

use super::budget::Budget;
use super::content::Content;
use super::node::MAX_DEPTH;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Fdflags, Filetype, Oflags};
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::{File, Shown};
use crate::host::readdir::{Listings, Place};
use crate::host::wait::{Checkpoint, Interrupt};
use crate::memory::{Buffers, Call, Mode, Position};
use std::ffi::CString;

/// The bit of serial numbers of files that are the host's: those of files in memory don't get there.
const OF_HOST: u64 = 1 << 62;

/// The bytes that are copied at once.
const PIECE: usize = 64 * 1024;

/// A directory of the host.
#[derive(Debug)]
pub struct Lower {
    root: File,
    dev: u64,
}

/// A directory in it, opened: the one that was looked at last.
pub type Near = Option<(Box<[u8]>, File)>;

/// The path of a name in a directory.
pub fn join(path: &[u8], name: &[u8]) -> Box<[u8]> {
    if path.is_empty() { name.into() } else { [path, name].join(&b'/').into() }
}

/// The directory that a path's last name is in, and the name; none for the root.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    match slash {
        Some(slash) => Some((path.get(..slash)?, path.get(slash + 1..)?)),
        None if path.is_empty() => None,
        None => Some((&[], path)),
    }
}

/// The result, or none for what is not there, or not there any more, or a link in the place of a directory.
pub fn if_there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(Errno::Noent | Errno::Notdir | Errno::Loop) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn c_name(name: &[u8]) -> Result<CString> {
    CString::new(name).map_err(|_| Errno::Ilseq)
}

const fn reading(oflags: Oflags) -> OpenHow {
    OpenHow { follow: false, oflags, fdflags: Fdflags::empty(), read: true, write: false }
}

impl Lower {
    /// The open directory.
    pub fn new(root: File) -> Result<Self> {
        let dev = root.stat()?.dev;
        Ok(Self { root, dev })
    }

    /// The serial number that a file is shown with.
    pub fn ino(&self, dev: u64, ino: u64) -> u64 {
        // Of another device's the number is mixed with that of the device.
        let other = if dev == self.dev { 0 } else { dev.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        ((ino ^ other) & (OF_HOST - 1)) | OF_HOST
    }

    /// Attributes as a tree of this number shows them, without a count of the directories in a directory.
    fn shown(&self, stat: Filestat, dev: u64) -> Filestat {
        let ino = self.ino(stat.dev, stat.ino);
        let is_dir = stat.filetype == Filetype::Directory.number();
        let (nlink, size) = if is_dir { (1, 0) } else { (stat.nlink, stat.size) };
        Filestat { dev, ino, nlink, size, ..stat }
    }

    /// Opens the directory at a path, name by name; none if there is no such directory.
    fn walk(&self, path: &[u8]) -> Result<Option<File>> {
        let mut dir = None;
        for (depth, name) in path.split(|byte| *byte == b'/').enumerate() {
            // Others wait meanwhile.
            if depth >= MAX_DEPTH {
                return Err(Errno::Nametoolong);
            }
            dir = if_there(dir.as_ref().unwrap_or(&self.root).open_dir_of_name(&c_name(name)?))?;
            if dir.is_none() {
                break;
            }
        }
        Ok(dir)
    }

    /// The directory at a path, for names in it; none if there is no such directory.
    pub fn dir<'n>(&'n self, near: &'n mut Near, path: &[u8]) -> Result<Option<&'n File>> {
        if path.is_empty() {
            return Ok(Some(&self.root));
        }
        let is_near = |near: &Near, path: &[u8]| near.as_ref().is_some_and(|(there, _)| **there == *path);
        if !is_near(near, path) {
            let beside = near.as_ref().zip(split(path)).filter(|((there, _), (parent, _))| **there == **parent);
            let opened = match beside {
                Some(((_, dir), (_, name))) => if_there(dir.open_dir_of_name(&c_name(name)?))?,
                None => self.walk(path)?,
            };
            // One that is not there leaves the other one near.
            let Some(opened) = opened else { return Ok(None) };
            *near = Some((path.into(), opened));
        }
        Ok(near.as_ref().map(|(_, dir)| dir))
    }

    /// The attributes of a name in a directory, as a tree of this number shows them; none if it is not
    /// there.
    pub fn stat(&self, near: &mut Near, path: &[u8], name: &[u8], dev: u64) -> Result<Option<Filestat>> {
        let Some(dir) = self.dir(near, path)? else { return Ok(None) };
        Ok(if_there(dir.stat_at(&c_name(name)?, false))?.map(|stat| self.shown(stat, dev)))
    }

    /// The same of the directory at this path.
    pub fn stat_dir(&self, near: &mut Near, path: &[u8], dev: u64) -> Result<Filestat> {
        let stat = match split(path) {
            Some((parent, name)) => self.stat(near, parent, name, dev)?,
            None => Some(self.shown(self.root.stat()?, dev)),
        };
        stat.filter(|stat| stat.filetype == Filetype::Directory.number()).ok_or(Errno::Noent)
    }

    /// The target of a link.
    pub fn readlink(&self, near: &mut Near, path: &[u8]) -> Result<Box<[u8]>> {
        let (parent, name) = split(path).ok_or(Errno::Inval)?;
        let dir = self.dir(near, parent)?.ok_or(Errno::Noent)?;
        dir.readlink_at(&c_name(name)?, |target| Ok(target.into()))
    }

    /// A regular file, open for reading, with the numbers that a tree of this number shows.
    pub fn open(&self, near: &mut Near, path: &[u8], dev: u64) -> Result<File> {
        let (parent, name) = split(path).ok_or(Errno::Isdir)?;
        let file = self.dir(near, parent)?.ok_or(Errno::Noent)?.open_at(&c_name(name)?, &reading(Oflags::empty()))?;
        let stat = file.stat()?;
        if stat.filetype != Filetype::RegularFile.number() {
            return Err(Errno::Acces);
        }
        Ok(file.shown_as(Shown { dev, ino: self.ino(stat.dev, stat.ino) }))
    }

    /// The directory at a path, to be listed; none if there is no such directory.
    pub fn open_dir(&self, near: &mut Near, path: &[u8]) -> Result<Option<File>> {
        match split(path) {
            None => if_there(self.root.open_at(c".", &reading(Oflags::DIRECTORY))),
            Some((parent, name)) => match self.dir(near, parent)? {
                Some(dir) => if_there(dir.open_at(&c_name(name)?, &reading(Oflags::DIRECTORY))),
                None => Ok(None),
            },
        }
    }

    /// Gives each name in a directory, but dots, to `each`, until that answers false.
    pub fn list(
        &self,
        near: &mut Near,
        path: &[u8],
        interrupt: &dyn Interrupt,
        mut each: impl FnMut(&[u8], Filetype) -> bool,
    ) -> Result {
        let Some(dir) = self.open_dir(near, path)? else { return Ok(()) };
        let (mut listings, mut place) = (Listings::default(), Place::default());
        let mut entries = listings.entries(&dir, &mut place, 0, interrupt)?;
        // A directory that has been removed meanwhile is at its end.
        while let Some(entry) = if_there(entries.peek())?.flatten() {
            if !matches!(entry.name, b"." | b"..") && !each(entry.name, entry.filetype) {
                break;
            }
            entries.advance();
        }
        Ok(())
    }
}

/// The next bytes of a file of the host, from `offset` on.
fn read(file: &File, offset: u64, bytes: &mut [u8]) -> Result<usize> {
    let most = bytes.len() as u64;
    let mut buffers = Buffers::from(bytes);
    buffers.take_up()?;
    let call = Call::Read(Position::At(offset));
    Ok(buffers.call(file.handle(), call, Mode::Blocking, most)?? as usize)
}

/// A copy of a file's bytes, which are taken from the budget; ENOSPC if there is not enough.
pub fn copy(file: &File, budget: &Budget, interrupt: &dyn Interrupt) -> Result<Content> {
    if file.stat()?.size > budget.limit().saturating_sub(budget.used()) {
        return Err(Errno::Nospc);
    }
    let mut content = Content::default();
    let copied = copy_to(&mut content, file, budget, interrupt);
    if copied.is_err() {
        budget.give_back(content.cost());
    }
    copied.map(|()| content)
}

fn copy_to(content: &mut Content, file: &File, budget: &Budget, interrupt: &dyn Interrupt) -> Result {
    let mut checkpoint = Checkpoint::new(interrupt);
    let mut piece = vec![0; PIECE.min(usize::try_from(file.stat()?.size).unwrap_or(PIECE).max(1))];
    loop {
        checkpoint.pass(piece.len() as u64)?;
        let count = read(file, content.len(), &mut piece)?;
        let bytes = piece.get_mut(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = content.write(content.len(), &mut Buffers::from(bytes), count as u64, budget)?;
        if (written as usize) < count {
            return Err(Errno::Nospc);
        }
    }
}

/// All bytes of a file; ENOMEM if there are more than `most`.
pub fn to_vec(file: &File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let from = bytes.len();
        let room = PIECE.max(usize::try_from(file.stat()?.size.min(most)).unwrap_or(PIECE).saturating_sub(from)) + 1;
        bytes.try_reserve(room).map_err(|_| Errno::Nomem)?;
        bytes.resize(from + room, 0);
        let count = read(file, from as u64, bytes.get_mut(from..).unwrap_or_default())?;
        bytes.truncate(from + count);
        if bytes.len() as u64 > most {
            return Err(Errno::Nomem);
        }
        if count == 0 {
            return Ok(bytes);
        }
    }
}

//! The nodes of a tree: directories, files, links.

use super::file::{Data, Times};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use slab::Slab;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Bytes that a node takes besides those of a file.
pub const NODE_COST: u64 = 256;

/// Bytes that an entry of a directory takes besides its name.
const ENTRY_COST: u64 = 128;

/// The cookie behind the entries of the host's directory beneath another.
pub const ABOVE: u64 = 1 << 30;

/// The deepest directory that another one is moved into.
pub const MAX_DEPTH: usize = 4096;

/// The longest name, as file systems have it.
pub const NAME_MAX: usize = 255;

/// The place of a node among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

/// A directory, file or link.
#[derive(Debug)]
pub struct Node {
    /// Its serial number, which no other node of the tree ever has.
    pub ino: u64,
    /// The names it has; of a directory that is there 2, and one for each directory in it.
    pub nlink: u64,
    /// Descriptors that are open on it.
    pub opens: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its times, but a file's.
    pub times: Times,
}

/// A kind of node.
#[derive(Debug)]
pub enum Kind {
    /// A directory.
    Dir(Dir),
    /// A regular file.
    File(Arc<Data>),
    /// A symbolic link, and its target.
    Link(Box<[u8]>),
}

/// The names in a directory.
#[derive(Debug)]
pub struct Dir {
    /// The directory it is in; the root is in itself.
    pub parent: Id,
    entries: HashMap<Arc<[u8]>, Entry>,
    /// Names by their numbers, in which order they are listed.
    order: BTreeMap<u32, Arc<[u8]>>,
    /// The number of the entry made last.
    last: u32,
    below: Option<Box<Below>>,
}

/// A directory of the host whose names are in the one above it too, but those that are hidden.
#[derive(Debug)]
struct Below {
    path: Arc<[u8]>,
    /// True once an entry of a directory leads to the node. Until then the node is there because the
    /// directory is open.
    is_attached: bool,
    hidden: HashSet<Arc<[u8]>>,
    /// The bytes that hidden names take.
    cost: u64,
}

/// One name.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The node.
    pub id: Id,
    /// The number of the entry in its directory, which no other one ever has.
    number: u32,
}

/// The bytes that an entry of this name takes.
pub const fn entry_cost(name: &[u8]) -> u64 {
    ENTRY_COST + name.len() as u64
}

impl Dir {
    /// An empty directory in this one.
    pub fn new(parent: Id) -> Self {
        Self { parent, entries: HashMap::new(), order: BTreeMap::new(), last: 0, below: None }
    }

    /// A directory above that of the host with this path, to which no entry leads yet.
    pub fn above(path: Arc<[u8]>) -> Self {
        let below = Below { path, is_attached: false, hidden: HashSet::new(), cost: 0 };
        Self { below: Some(Box::new(below)), ..Self::new(Nodes::ROOT) }
    }

    /// The path of the host's directory beneath it, if there is one.
    pub fn below(&self) -> Option<&Arc<[u8]>> {
        self.below.as_ref().map(|below| &below.path)
    }

    /// The same, if the host's name of this text is not hidden. (An entry of that name covers it.)
    pub fn shows(&self, name: &[u8]) -> Option<&Arc<[u8]>> {
        self.below.as_ref().filter(|below| !below.hidden.contains(name)).map(|below| &below.path)
    }

    /// The hidden names of the host.
    pub fn hidden(&self) -> impl Iterator<Item = &[u8]> {
        self.below.iter().flat_map(|below| below.hidden.iter().map(|name| &name[..]))
    }

    /// Hides a name of the host.
    pub fn hide(&mut self, name: &[u8]) {
        if let Some(below) = &mut self.below
            && below.hidden.insert(name.into())
        {
            below.cost += entry_cost(name);
        }
    }

    /// True if no entry leads to it: it is one of the host's, which is open.
    pub fn is_detached(&self) -> bool {
        self.below.as_ref().is_some_and(|below| !below.is_attached)
    }

    /// Notes that an entry of this directory leads to it.
    pub fn attach(&mut self, parent: Id) {
        self.parent = parent;
        if let Some(below) = &mut self.below {
            below.is_attached = true;
        }
    }

    const fn cost(&self) -> u64 {
        match &self.below {
            Some(below) if below.is_attached => NODE_COST + below.cost,
            Some(_) => 0,
            None => NODE_COST,
        }
    }

    /// The node of this name.
    pub fn get(&self, name: &[u8]) -> Option<Id> {
        self.entries.get(name).map(|entry| entry.id)
    }

    /// True if there is no name in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// ENOSPC once there have been as many names as a listing can count.
    pub fn require_number(&self) -> Result {
        // Cookies go up to the greatest C `long` of 32 bits, and some are for `.` and `..`.
        // Where a directory of the host is beneath, half of them are for its entries.
        let most = i32::MAX as u64 - 8 - if self.below.is_some() { ABOVE } else { 0 };
        if u64::from(self.last) < most { Ok(()) } else { Err(Errno::Nospc) }
    }

    /// Adds a name, at the end of the listing, in place of one that is the same; ENOSPC once there have
    /// been as many names as a listing can count.
    pub fn insert(&mut self, name: &[u8], id: Id) -> Result {
        self.require_number()?;
        self.last += 1;
        self.remove(name);
        let name: Arc<[u8]> = name.into();
        self.order.insert(self.last, Arc::clone(&name));
        self.entries.insert(name, Entry { id, number: self.last });
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &[u8]) {
        if let Some(entry) = self.entries.remove(name) {
            self.order.remove(&entry.number);
            // Room for names that are gone is not counted, so it is given back.
            if self.entries.capacity() > 4 * self.entries.len() + 64 {
                self.entries.shrink_to(2 * self.entries.len());
            }
        }
    }

    /// The entries behind that of the number `after`, in the order of their making.
    pub fn entries_after(&self, after: u32) -> impl Iterator<Item = (u32, &Arc<[u8]>, Id)> {
        let behind = self.order.range(after.saturating_add(1)..);
        behind.filter_map(|(number, name)| Some((*number, name, self.get(name)?)))
    }
}

impl Node {
    /// Its type.
    pub const fn filetype(&self) -> Filetype {
        match self.kind {
            Kind::Dir(_) => Filetype::Directory,
            Kind::File(_) => Filetype::RegularFile,
            Kind::Link(_) => Filetype::SymbolicLink,
        }
    }

    /// The bytes it takes besides those of a file.
    pub const fn cost(&self) -> u64 {
        match &self.kind {
            Kind::Link(target) => NODE_COST + target.len() as u64,
            Kind::Dir(dir) => dir.cost(),
            Kind::File(_) => NODE_COST,
        }
    }

    /// Has its times changed.
    pub fn with_times(&mut self, change: impl FnOnce(&mut Times)) {
        match &self.kind {
            Kind::File(file) => change(&mut file.write().times),
            _ => change(&mut self.times),
        }
    }
}

/// All nodes of a tree.
#[derive(Debug)]
pub struct Nodes {
    slab: Slab<Node>,
    last_ino: u64,
    /// The directories above those of the host, by the paths of these.
    above: HashMap<Arc<[u8]>, Id>,
}

impl Nodes {
    /// The root of all paths.
    pub const ROOT: Id = Id(0);

    /// A root directory, and nothing in it.
    pub fn new(now: u64) -> Self {
        let mut nodes = Self { slab: Slab::new(), last_ino: 0, above: HashMap::new() };
        nodes.add(Kind::Dir(Dir::new(Self::ROOT)), now);
        nodes
    }

    /// Adds a node, which has no name yet.
    pub fn add(&mut self, kind: Kind, now: u64) -> Id {
        self.last_ino += 1;
        let nlink = if matches!(kind, Kind::Dir(_)) { 2 } else { 0 };
        let below = if let Kind::Dir(dir) = &kind { dir.below().cloned() } else { None };
        let id = Id(self.slab.insert(Node { ino: self.last_ino, nlink, opens: 0, kind, times: Times::at(now) }));
        if let Some(path) = below {
            self.above.insert(path, id);
        }
        id
    }

    /// The directory above that of the host with this path, if it has become a node.
    pub fn above(&self, path: &[u8]) -> Option<Id> {
        self.above.get(path).copied()
    }

    /// The directories of the host that are open, and that no entry leads to.
    pub fn detached(&self) -> Vec<(Arc<[u8]>, Id)> {
        let detached = self.above.iter().filter(|(_, id)| self.dir(**id).is_ok_and(Dir::is_detached));
        detached.map(|(path, id)| (Arc::clone(path), *id)).collect()
    }

    /// Puts a directory above that of the host with this path.
    pub fn put_above(&mut self, id: Id, path: &[u8]) -> Result {
        let path: Arc<[u8]> = path.into();
        let dir = self.dir_mut(id)?;
        let parent = dir.parent;
        dir.below = Dir::above(Arc::clone(&path)).below;
        dir.attach(parent);
        self.above.insert(path, id);
        Ok(())
    }

    /// Notes that a directory is above none of the host's any more.
    pub fn forget(&mut self, id: Id) {
        let below = self.dir(id).ok().and_then(|dir| dir.below().cloned());
        if let Some(path) = below
            && self.above(&path) == Some(id)
        {
            self.above.remove(&path);
        }
    }

    /// The descriptors that are open on any node.
    pub fn opens(&self) -> u64 {
        self.slab.iter().map(|(_, node)| node.opens).sum()
    }

    /// A node. ESTALE for one that is gone, which no descriptor and no name leads to.
    pub fn get(&self, id: Id) -> Result<&Node> {
        self.slab.get(id.0).ok_or(Errno::Stale)
    }

    /// A node, to change it.
    pub fn get_mut(&mut self, id: Id) -> Result<&mut Node> {
        self.slab.get_mut(id.0).ok_or(Errno::Stale)
    }

    /// The directory; ENOTDIR for another node.
    pub fn dir(&self, id: Id) -> Result<&Dir> {
        if let Kind::Dir(dir) = &self.get(id)?.kind { Ok(dir) } else { Err(Errno::Notdir) }
    }

    /// The directory; ENOENT for one that has been removed and is still open.
    pub fn dir_that_is_there(&self, id: Id) -> Result<&Dir> {
        let dir = self.dir(id)?;
        if self.get(id)?.nlink == 0 { Err(Errno::Noent) } else { Ok(dir) }
    }

    /// The directory, to change it; ENOENT for one that has been removed and is still open.
    pub fn dir_mut(&mut self, id: Id) -> Result<&mut Dir> {
        match self.get_mut(id)? {
            Node { nlink: 0, .. } => Err(Errno::Noent),
            Node { kind: Kind::Dir(dir), .. } => Ok(dir),
            _ => Err(Errno::Notdir),
        }
    }

    /// True for a directory.
    pub fn is_dir(&self, id: Id) -> bool {
        self.dir(id).is_ok()
    }

    /// True if the directory is `other`, or somewhere beneath it. ENAMETOOLONG if it is so deep that to
    /// look would keep others waiting.
    pub fn is_beneath(&self, mut dir: Id, other: Id) -> Result<bool> {
        for _ in 0..MAX_DEPTH {
            if dir == other {
                return Ok(true);
            }
            let parent = self.dir(dir)?.parent;
            if parent == dir {
                return Ok(false);
            }
            dir = parent;
        }
        Err(Errno::Nametoolong)
    }

    /// Takes the node out if neither a name nor a descriptor leads to it.
    pub fn take_unused(&mut self, id: Id) -> Option<Node> {
        let node = self.slab.get(id.0)?;
        if node.nlink > 0 || node.opens > 0 {
            return None;
        }
        self.forget(id);
        self.slab.try_remove(id.0)
    }
}

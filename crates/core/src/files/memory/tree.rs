//! A tree of files in memory, which several guests may share.

use super::budget::Budget;
use super::file::Times;
use super::node::{Id, Kind, NODE_COST, Node, Nodes, entry_cost};
use crate::abi::errno::{Errno, Result};
use crate::abi::records::Filestat;
use crate::host::file::SetTime;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The number of the first tree's device: of the kernel's none is as large.
pub const FIRST_DEVICE: u64 = 1 << 62;

/// The paths that a tree began with.
#[derive(Debug)]
pub struct Start(pub BTreeMap<Vec<u8>, StartItem>);

/// The end of a path that a tree began with.
#[derive(Debug, PartialEq, Eq)]
pub enum StartItem {
    /// A directory.
    Dir,
    /// A file of these bytes.
    File(Arc<[u8]>),
    /// A link with this target.
    Link(Box<[u8]>),
}

/// A tree of files in memory.
///
/// One lock is around names and attributes, for as long as a call takes, so each call is made at once for
/// all others. The bytes of each file have a lock of their own, which is taken within the other or alone.
#[derive(Debug)]
pub struct Tree {
    pub(super) dev: u64,
    pub(super) budget: Arc<Budget>,
    nodes: Mutex<Nodes>,
    pub(super) start: OnceLock<Start>,
}

impl Tree {
    /// An empty tree, whose files, names and directories take at most `limit` bytes; the root takes none. It
    /// was made at the time `now`, in nanoseconds since 1970.
    pub fn new(limit: u64, now: u64) -> Arc<Self> {
        static DEVICES: AtomicU64 = AtomicU64::new(FIRST_DEVICE);
        Arc::new(Self {
            dev: DEVICES.fetch_add(1, Ordering::Relaxed),
            budget: Arc::new(Budget::new(limit)),
            nodes: Mutex::new(Nodes::new(now)),
            start: OnceLock::new(),
        })
    }

    /// Bytes that its files, names and directories take.
    pub fn used(&self) -> u64 {
        self.budget.used()
    }

    /// Bytes that they may take.
    pub fn limit(&self) -> u64 {
        self.budget.limit()
    }

    /// Names and attributes, for one call at the time `now`.
    pub(super) fn lock(self: &Arc<Self>, now: u64) -> Locked<'_> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { tree: self, nodes, unused: SmallVec::new(), now }
    }
}

/// A tree in the hands of one call.
#[derive(Debug)]
pub struct Locked<'t> {
    pub(super) tree: &'t Arc<Tree>,
    pub(super) nodes: MutexGuard<'t, Nodes>,
    /// Nodes that nothing leads to any more. They are dropped after the guard: to give back large files
    /// takes long.
    unused: SmallVec<[Node; 1]>,
    pub(super) now: u64,
}

impl Locked<'_> {
    /// The attributes of a node.
    pub fn stat_node(&self, id: Id) -> Result<Filestat> {
        let node = self.nodes.get(id)?;
        let (size, times) = match &node.kind {
            Kind::Dir(_) => (0, node.times),
            Kind::Link(target) => (target.len() as u64, node.times),
            Kind::File(file) => {
                let file = file.read();
                (file.content.len(), file.times)
            }
        };
        let Times { atim, mtim, ctim } = times;
        let (filetype, nlink) = (node.filetype().number(), node.nlink);
        Ok(Filestat { dev: self.tree.dev, ino: node.ino, filetype, nlink, size, atim, mtim, ctim })
    }

    /// Sets the times of a node.
    pub fn set_times_of_node(&mut self, id: Id, atim: SetTime, mtim: SetTime) -> Result {
        let now = self.now;
        self.nodes.get_mut(id)?.with_times(|times| times.set(atim, mtim, now));
        Ok(())
    }

    /// Notes that a descriptor of a node has been closed.
    pub fn close_node(&mut self, id: Id) {
        if let Ok(node) = self.nodes.get_mut(id) {
            node.opens -= 1;
        }
        self.drop_unused(id);
    }

    /// Adds a node under a name that is free.
    pub fn add(&mut self, parent: Id, name: &[u8], kind: Kind) -> Result<Id> {
        let target = if let Kind::Link(target) = &kind { target.len() as u64 } else { 0 };
        let cost = NODE_COST + target + entry_cost(name);
        self.tree.budget.take(cost)?;
        let is_dir = matches!(kind, Kind::Dir(_));
        let id = self.nodes.add(kind, self.now);
        if let Err(errno) = self.insert(parent, name, id) {
            let _ = self.nodes.get_mut(id).map(|node| node.nlink = 0);
            self.nodes.take_unused(id);
            self.tree.budget.give_back(cost);
            return Err(errno);
        }
        if !is_dir {
            self.nodes.get_mut(id)?.nlink = 1;
        }
        Ok(id)
    }

    /// Puts a node under a name of a directory, of which that is a change.
    pub fn insert(&mut self, parent: Id, name: &[u8], id: Id) -> Result {
        self.nodes.dir_mut(parent)?.insert(name, id)?;
        let is_dir = self.nodes.is_dir(id);
        if is_dir {
            self.nodes.dir_mut(id)?.parent = parent;
        }
        let directory = self.nodes.get_mut(parent)?;
        directory.nlink += u64::from(is_dir);
        directory.times.change(self.now);
        Ok(())
    }

    /// Takes a name out of a directory, of which that is a change. The node is left.
    pub fn take_out(&mut self, parent: Id, name: &[u8], id: Id) -> Result {
        self.nodes.dir_mut(parent)?.remove(name);
        let is_dir = self.nodes.is_dir(id);
        let directory = self.nodes.get_mut(parent)?;
        directory.nlink -= u64::from(is_dir);
        directory.times.change(self.now);
        Ok(())
    }

    /// Notes that a node has one name less, a directory none, and gives back what nothing leads to.
    pub fn lose_name(&mut self, id: Id) -> Result {
        let now = self.now;
        let is_dir = self.nodes.is_dir(id);
        let node = self.nodes.get_mut(id)?;
        node.nlink = if is_dir { 0 } else { node.nlink.saturating_sub(1) };
        node.with_times(|times| times.ctim = now);
        self.drop_unused(id);
        Ok(())
    }

    /// Takes a node out that nothing leads to any more.
    fn drop_unused(&mut self, id: Id) {
        if let Some(node) = self.nodes.take_unused(id) {
            self.tree.budget.give_back(node.cost());
            self.unused.push(node);
        }
    }

    /// The node of a name; ENOENT if there is none.
    pub fn child(&self, parent: Id, name: &CStr) -> Result<Id> {
        self.nodes.child(parent, name.to_bytes())?.ok_or(Errno::Noent)
    }

    /// EEXIST for a name that is there; ENOENT in a directory that has been removed.
    pub fn require_free(&mut self, parent: Id, name: &CStr) -> Result {
        match self.nodes.child(parent, name.to_bytes())? {
            Some(_) => Err(Errno::Exist),
            None if name.to_str().is_err() => Err(Errno::Ilseq),
            None => self.nodes.dir_mut(parent).map(drop),
        }
    }
}

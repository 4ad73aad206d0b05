//! A tree of files in memory, which several guests may share.

use super::budget::Budget;
use super::file::{Data, Times};
use super::lower::{Lower, Near, copy, join};
use super::node::{Id, Kind, NODE_COST, Node, Nodes, entry_cost};
use crate::abi::errno::{Errno, Result};
use crate::abi::records::Filestat;
use crate::host::file::File;
use crate::host::wait::{Endless, Interrupt};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// A tree of files in memory, perhaps above a directory of the host.
///
/// One lock is around names and attributes, for as long as a call takes, so each call is made at once for
/// all others. The bytes of each file have a lock of their own, which is taken within the other or alone.
#[derive(Debug)]
pub struct Tree {
    pub(super) dev: u64,
    pub(super) budget: Arc<Budget>,
    nodes: Mutex<Nodes>,
    pub(super) start: OnceLock<Start>,
    pub(super) lower: Option<Lower>,
    /// True once its files have become those of another tree.
    is_taken: AtomicBool,
}

impl Tree {
    /// An empty tree, whose files, names and directories take at most `limit` bytes; the root takes none.
    /// It was made at the time `now`, in nanoseconds since 1970.
    pub fn new(limit: u64, now: u64) -> Arc<Self> {
        Arc::new(Self::of(Arc::new(Budget::new(limit)), Nodes::new(now), None))
    }

    fn of(budget: Arc<Budget>, nodes: Nodes, lower: Option<Lower>) -> Self {
        static DEVICES: AtomicU64 = AtomicU64::new(FIRST_DEVICE);
        let dev = DEVICES.fetch_add(1, Ordering::Relaxed);
        let (nodes, start) = (Mutex::new(nodes), OnceLock::new());
        Self { dev, budget, nodes, start, lower, is_taken: AtomicBool::new(false) }
    }

    /// The files of `upper` above those of a directory of the host, which is never changed: what is written
    /// goes into memory, up to the limit of `upper`. `upper` has no files any more; EBUSY if something in
    /// it is open by more than one descriptor, or it is an overlay itself.
    pub fn over(lower: File, upper: &Arc<Self>, now: u64) -> Result<Arc<Self>> {
        let lower = Lower::new(lower)?;
        let mut taken = upper.lock(now);
        if upper.lower.is_some() || upper.is_taken() || taken.nodes.opens() > 1 {
            return Err(Errno::Busy);
        }
        upper.is_taken.store(true, Ordering::Relaxed);
        let mut nodes = std::mem::replace(&mut *taken.nodes, Nodes::new(now));
        std::mem::swap(&mut nodes.get_mut(Nodes::ROOT)?.opens, &mut taken.nodes.get_mut(Nodes::ROOT)?.opens);
        drop(taken);
        // Directories that both have are one.
        let mut left = vec![(Nodes::ROOT, Box::default())];
        let mut near = None;
        while let Some((id, path)) = left.pop() {
            let Ok(dir) = nodes.dir(id) else { continue };
            if lower.stat_dir(&mut near, &path, 0).is_ok() {
                left.extend(dir.entries_after(0).map(|(_, name, id)| (id, join(&path, name))));
                nodes.put_above(id, &path)?;
            }
        }
        Ok(Arc::new(Self::of(Arc::clone(&upper.budget), nodes, Some(lower))))
    }

    /// True once its files have become those of another tree.
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
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
        self.lock_for(now, &Endless)
    }

    /// The same, for a call that may be interrupted.
    pub(super) fn lock_for<'t>(self: &'t Arc<Self>, now: u64, interrupt: &'t dyn Interrupt) -> Locked<'t> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { tree: self, nodes, unused: SmallVec::new(), now, interrupt, near: None, wanted: None, copied: None }
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
    pub(super) interrupt: &'t dyn Interrupt,
    pub(super) near: Near,
    /// A file of the host that the call can't be made without a copy of.
    pub(super) wanted: Option<Wanted>,
    /// One that has been copied for it.
    pub(super) copied: Option<Copied>,
}

/// A file of the host whose bytes are to be copied.
#[derive(Debug)]
pub struct Wanted {
    pub(super) path: Arc<[u8]>,
    pub(super) stat: Filestat,
    pub(super) file: File,
}

/// A file of the host, and its bytes.
#[derive(Debug)]
pub struct Copied {
    pub(super) path: Arc<[u8]>,
    pub(super) stat: Filestat,
    pub(super) data: Data,
}

impl Wanted {
    /// Copies it; ENOSPC if there is not enough room.
    pub fn copy(self, tree: &Tree, interrupt: &dyn Interrupt) -> Result<Copied> {
        let Self { path, stat, file } = self;
        let content = copy(&file, &tree.budget, interrupt)?;
        let times = Times { atim: stat.atim, mtim: stat.mtim, ctim: stat.ctim };
        Ok(Copied { path, stat, data: Data::new(Arc::clone(&tree.budget), content, times) })
    }
}

impl Locked<'_> {
    /// Notes that a descriptor of a node has been closed.
    pub fn close_node(&mut self, id: Id) {
        if let Ok(node) = self.nodes.get_mut(id) {
            node.opens -= 1;
            if matches!(node, Node { opens: 0, kind: Kind::Dir(dir), .. } if dir.is_detached()) {
                node.nlink = 0;
            }
        }
        self.drop_unused(id);
    }

    /// Adds a node under a name that is free, of whose directory that is a change.
    pub fn add(&mut self, parent: Id, name: &[u8], kind: Kind) -> Result<Id> {
        let id = self.add_unnoticed(parent, name, kind)?;
        self.nodes.get_mut(parent)?.times.change(self.now);
        Ok(id)
    }

    /// Adds a node under a name of which there is none yet.
    pub fn add_unnoticed(&mut self, parent: Id, name: &[u8], kind: Kind) -> Result<Id> {
        let target = if let Kind::Link(target) = &kind { target.len() as u64 } else { 0 };
        let cost = NODE_COST + target + entry_cost(name);
        self.tree.budget.take(cost)?;
        let is_dir = matches!(kind, Kind::Dir(_));
        let id = self.nodes.add(kind, self.now);
        if let Err(errno) = self.lead_to(parent, name, id) {
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
        self.lead_to(parent, name, id)?;
        self.nodes.get_mut(parent)?.times.change(self.now);
        Ok(())
    }

    /// Puts a node under a name of a directory.
    pub fn lead_to(&mut self, parent: Id, name: &[u8], id: Id) -> Result {
        self.nodes.dir_mut(parent)?.insert(name, id)?;
        let is_dir = self.nodes.is_dir(id);
        if is_dir {
            self.nodes.dir_mut(id)?.attach(parent);
        }
        self.nodes.get_mut(parent)?.nlink += u64::from(is_dir);
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

    /// Removes an entry, and what nothing leads to then.
    pub fn drop_entry(&mut self, parent: Id, name: &[u8], id: Id) -> Result {
        self.take_out(parent, name, id)?;
        self.tree.budget.give_back(entry_cost(name));
        self.lose_name(id)
    }

    /// Notes that a node has one name less, a directory none, and gives back what nothing leads to.
    pub fn lose_name(&mut self, id: Id) -> Result {
        let now = self.now;
        let is_dir = self.nodes.is_dir(id);
        let node = self.nodes.get_mut(id)?;
        node.nlink = if is_dir { 0 } else { node.nlink.saturating_sub(1) };
        node.with_times(|times| times.ctim = now);
        if is_dir {
            self.nodes.forget(id);
        }
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
}

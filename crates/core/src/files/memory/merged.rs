//! Names of a tree with those of the host's directory beneath it, and the copying of what is to be changed.
//!
//! A file that only the host has does not become a node by being looked at. A node is made of what changes,
//! and of the directories on the way to it: these have the host's names beneath their own. A directory of
//! the host that is open is a node without a name, which is attached to the others when something in it
//! changes.

use super::content::Content;
use super::file::{Data, Times};
use super::lower::{Lower, join, split};
use super::node::{Dir, Id, Kind, NAME_MAX, NODE_COST, Nodes, entry_cost};
use super::tree::{Copied, Locked, Wanted};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::abi::records::Filestat;
use crate::host::file::{File, SetTime};
use std::ffi::CStr;
use std::sync::Arc;

/// A directory that paths lead through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A node.
    Node(Id),
    /// One that only the host has, by its path there.
    Below(Arc<[u8]>),
}

/// A thing that a name stands for.
#[derive(Clone, Debug)]
pub enum Found {
    /// A node.
    Node(Id),
    /// One that only the host has: its path there, and its attributes.
    Below(Arc<[u8]>, Filestat),
}

/// EILSEQ for a name that is no text: its embedder could not read it back.
pub fn require_text(name: &[u8]) -> Result {
    std::str::from_utf8(name).map(drop).map_err(|_| Errno::Ilseq)
}

const fn times_of(stat: &Filestat) -> Times {
    Times { atim: stat.atim, mtim: stat.mtim, ctim: stat.ctim }
}

impl Locked<'_> {
    fn lower(&self) -> Result<&Lower> {
        self.tree.lower.as_ref().ok_or(Errno::Noent)
    }

    /// Finds a name in a directory; none if it is not there.
    pub fn find(&mut self, parent: &Place, name: &[u8]) -> Result<Option<Found>> {
        let (node, path) = match parent {
            Place::Below(path) => (None, Some(Arc::clone(path))),
            Place::Node(id) => {
                let dir = self.nodes.dir(*id)?;
                let is_there = self.nodes.get(*id)?.nlink > 0;
                (dir.get(name), dir.shows(name).filter(|_| is_there).cloned())
            }
        };
        match (node, path) {
            _ if name.len() > NAME_MAX => Err(Errno::Nametoolong),
            (Some(id), _) => Ok(Some(Found::Node(id))),
            (None, Some(path)) => self.find_below(&path, name),
            (None, None) => Ok(None),
        }
    }

    /// The directory of a name in another one, to go on from, as in the middle of a path: one that only the
    /// host has is looked up by being opened. None for all else.
    pub fn enter(&mut self, parent: &Place, name: &[u8]) -> Result<Option<Place>> {
        let tree = self.tree;
        let above = match parent {
            Place::Below(path) => path,
            Place::Node(id) => {
                let dir = self.nodes.dir(*id)?;
                if let Some(child) = dir.get(name) {
                    return Ok(self.nodes.is_dir(child).then_some(Place::Node(child)));
                }
                match dir.shows(name) {
                    Some(path) if self.nodes.get(*id)?.nlink > 0 => path,
                    _ => return Ok(None),
                }
            }
        };
        let Some(lower) = &tree.lower else { return Ok(None) };
        let path = join(above, name);
        let is_there = lower.dir(&mut self.near, &path)?.is_some();
        Ok(is_there.then(|| self.place_above(path.into())))
    }

    /// Finds a name in a directory of the host; none if it is not there.
    pub fn find_below(&mut self, path: &[u8], name: &[u8]) -> Result<Option<Found>> {
        let tree = self.tree;
        let lower = tree.lower.as_ref().ok_or(Errno::Noent)?;
        let stat = lower.stat(&mut self.near, path, name, tree.dev)?;
        Ok(stat.map(|stat| Found::Below(join(path, name).into(), stat)))
    }

    /// Finds a name in a directory; ENOENT if it is not there.
    pub fn child(&mut self, parent: &Place, name: &CStr) -> Result<Found> {
        self.find(parent, name.to_bytes())?.ok_or(Errno::Noent)
    }

    /// EEXIST for a name that is there; ENOENT in a directory that has been removed.
    pub fn require_free(&mut self, parent: &Place, name: &CStr) -> Result {
        match (self.find(parent, name.to_bytes())?, parent) {
            (Some(_), _) => Err(Errno::Exist),
            (None, Place::Node(id)) => require_text(name.to_bytes()).and_then(|()| self.nodes.dir_mut(*id).map(drop)),
            (None, Place::Below(_)) => require_text(name.to_bytes()),
        }
    }

    /// The type of what was found.
    pub fn filetype(&self, found: &Found) -> Result<Filetype> {
        Ok(match found {
            Found::Node(id) => self.nodes.get(*id)?.filetype(),
            Found::Below(_, stat) => Filetype::from_number(stat.filetype)?,
        })
    }

    /// True for a directory.
    pub fn finds_dir(&self, found: &Found) -> Result<bool> {
        Ok(self.filetype(found)? == Filetype::Directory)
    }

    /// The target of a link; EINVAL for what is none.
    pub fn target(&mut self, found: &Found) -> Result<Box<[u8]>> {
        match found {
            Found::Node(id) => match &self.nodes.get(*id)?.kind {
                Kind::Link(target) => Ok(target.clone()),
                _ => Err(Errno::Inval),
            },
            Found::Below(path, _) if self.filetype(found)? == Filetype::SymbolicLink => {
                let tree = self.tree;
                tree.lower.as_ref().ok_or(Errno::Noent)?.readlink(&mut self.near, path)
            }
            Found::Below(..) => Err(Errno::Inval),
        }
    }

    /// The directory that was found, to go on from.
    pub fn place(&self, found: Found) -> Place {
        match found {
            Found::Node(id) => Place::Node(id),
            Found::Below(path, _) => self.place_above(path),
        }
    }

    fn place_above(&self, path: Arc<[u8]>) -> Place {
        self.nodes.above(&path).map_or(Place::Below(path), Place::Node)
    }

    /// The directory at a place.
    pub fn found_at(&mut self, place: Place) -> Result<Found> {
        match place {
            Place::Node(id) => Ok(Found::Node(id)),
            Place::Below(path) => {
                let tree = self.tree;
                let stat = tree.lower.as_ref().ok_or(Errno::Noent)?.stat_dir(&mut self.near, &path, tree.dev)?;
                Ok(Found::Below(path, stat))
            }
        }
    }

    /// The attributes of what was found.
    pub fn stat_found(&mut self, found: &Found) -> Result<Filestat> {
        match found {
            Found::Node(id) => self.stat_node(*id),
            Found::Below(_, stat) => Ok(*stat),
        }
    }

    /// The attributes of a node.
    pub fn stat_node(&mut self, id: Id) -> Result<Filestat> {
        let tree = self.tree;
        let node = self.nodes.get(id)?;
        let (ino, filetype, mut nlink) = (node.ino, node.filetype().number(), node.nlink);
        let (size, mut times) = match &node.kind {
            Kind::Dir(_) => (0, node.times),
            Kind::Link(target) => (target.len() as u64, node.times),
            Kind::File(file) => {
                let file = file.read();
                (file.content.len(), file.times)
            }
        };
        if let Kind::Dir(dir) = &node.kind
            && let (Some(path), Some(lower)) = (dir.below(), &tree.lower)
        {
            // As where a file system does not count: how many directories the host's has, nobody has
            // looked.
            nlink = nlink.min(1);
            if dir.is_detached()
                && let Ok(stat) = lower.stat_dir(&mut self.near, path, tree.dev)
            {
                times = times_of(&stat);
            }
        }
        let Times { atim, mtim, ctim } = times;
        Ok(Filestat { dev: tree.dev, ino, filetype, nlink, size, atim, mtim, ctim })
    }

    /// Sets the times of what was found.
    pub fn set_times_of(&mut self, found: &Found, atim: SetTime, mtim: SetTime) -> Result {
        let (id, now) = (self.own_found(found)?, self.now);
        self.nodes.get_mut(id)?.with_times(|times| times.set(atim, mtim, now));
        Ok(())
    }

    /// The node of a directory that is about to be changed. ENOENT if it is not there any more.
    pub fn own(&mut self, place: &Place) -> Result<Id> {
        let mut path = match place {
            Place::Below(path) => Arc::clone(path),
            Place::Node(id) => match self.nodes.dir(*id)? {
                dir if dir.is_detached() => dir.below().cloned().ok_or(Errno::Noent)?,
                _ => return Ok(*id),
            },
        };
        // The directories on the way, up to one that is a node with a name.
        let mut missing = Vec::new();
        let mut id = loop {
            match self.nodes.above(&path) {
                Some(id) if !self.nodes.dir(id)?.is_detached() => break id,
                _ => {
                    let parent = split(&path).ok_or(Errno::Noent)?.0.into();
                    missing.push(std::mem::replace(&mut path, parent));
                }
            }
        };
        while let Some(path) = missing.pop() {
            id = self.attach(id, path)?;
        }
        Ok(id)
    }

    /// Makes a node of a directory of the host, in one that is a node.
    fn attach(&mut self, parent: Id, path: Arc<[u8]>) -> Result<Id> {
        let (above, name) = split(&path).ok_or(Errno::Noent)?;
        let dir = self.nodes.dir_mut(parent)?;
        if dir.get(name).is_some() || dir.shows(name).is_none_or(|shown| **shown != *above) {
            return Err(Errno::Noent);
        }
        require_text(name)?;
        let Some(Found::Below(_, stat)) = self.find_below(above, name)? else { return Err(Errno::Noent) };
        if stat.filetype != Filetype::Directory.number() {
            return Err(Errno::Noent);
        }
        let cost = NODE_COST + entry_cost(name);
        self.tree.budget.take(cost)?;
        let now = self.now;
        let known = self.nodes.above(&path);
        let id = known.unwrap_or_else(|| self.nodes.add(Kind::Dir(Dir::above(Arc::clone(&path))), now));
        let node = self.nodes.get_mut(id)?;
        (node.ino, node.times) = (stat.ino, times_of(&stat));
        if let Err(errno) = self.lead_to(parent, name, id) {
            self.tree.budget.give_back(cost);
            if known.is_none() {
                self.nodes.get_mut(id)?.nlink = 0;
                self.nodes.take_unused(id);
            }
            return Err(errno);
        }
        Ok(id)
    }

    /// The node of what is about to be changed. Of a file of the host a copy is made: where that is not
    /// there yet, it is noted as wanted, and the call is to be made again when it is.
    pub fn own_found(&mut self, found: &Found) -> Result<Id> {
        let (path, stat) = match found {
            Found::Node(id) if self.nodes.is_dir(*id) => return self.own(&Place::Node(*id)),
            Found::Node(id) => return Ok(*id),
            Found::Below(path, stat) => (path, stat),
        };
        match self.filetype(found)? {
            Filetype::Directory => self.own(&Place::Below(Arc::clone(path))),
            Filetype::SymbolicLink => {
                let target = self.target(found)?;
                self.keep(path, stat, Kind::Link(target))
            }
            Filetype::RegularFile => {
                let is_same = |copied: &mut Copied| {
                    let what = |stat: &Filestat| (stat.ino, stat.size, stat.mtim);
                    copied.path == *path && what(&copied.stat) == what(stat)
                };
                if let Some(copied) = self.copied.take_if(is_same) {
                    return self.keep(path, stat, Kind::File(Arc::new(copied.data)));
                }
                let file = self.open_below(path)?;
                self.wanted = Some(Wanted { path: Arc::clone(path), stat: *stat, file });
                Err(Errno::Again)
            }
            _ => Err(Errno::Acces),
        }
    }

    /// The same for a file that is about to have other bytes, which have been taken from the budget: no
    /// byte of the host's is needed.
    pub fn own_replaced(&mut self, path: &Arc<[u8]>, stat: &Filestat, content: Content) -> Result<Id> {
        let mut times = times_of(stat);
        times.change(self.now);
        let data = Data::new(Arc::clone(&self.tree.budget), content, times);
        self.keep(path, stat, Kind::File(Arc::new(data)))
    }

    /// A file of the host, open for reading.
    pub fn open_below(&mut self, path: &[u8]) -> Result<File> {
        let tree = self.tree;
        tree.lower.as_ref().ok_or(Errno::Noent)?.open(&mut self.near, path, tree.dev)
    }

    /// Puts a node in the place of what the host has there.
    fn keep(&mut self, path: &[u8], stat: &Filestat, kind: Kind) -> Result<Id> {
        let (above, name) = split(path).ok_or(Errno::Noent)?;
        require_text(name)?;
        let parent = self.own(&self.place_above(above.into()))?;
        let id = self.add_unnoticed(parent, name, kind)?;
        let node = self.nodes.get_mut(id)?;
        // Other names of the file lead to that of the host still.
        if stat.nlink <= 1 {
            node.ino = stat.ino;
        }
        if !matches!(node.kind, Kind::File(_)) {
            node.times = times_of(stat);
        }
        Ok(id)
    }

    /// True if the host has something under a name that is not hidden yet.
    pub fn has_to_hide(&mut self, parent: Id, name: &[u8]) -> Result<bool> {
        let Some(path) = self.nodes.dir(parent)?.shows(name).cloned() else { return Ok(false) };
        Ok(!matches!(self.find_below(&path, name), Ok(None)))
    }

    /// True if what the host has under a name, or may have later, is to be hidden when `id` has gone from
    /// there: of a directory that is above the host's of this name, that must not be reached twice.
    pub fn has_to_hide_behind(&mut self, parent: Id, name: &[u8], id: Id) -> Result<bool> {
        let below = self.nodes.dir(id).ok().and_then(Dir::below);
        let is_in_place = match (self.nodes.dir(parent)?.shows(name), below) {
            (Some(path), Some(below)) => *join(path, name) == **below,
            _ => false,
        };
        Ok(is_in_place || self.has_to_hide(parent, name)?)
    }

    /// Hides what the host has under a name.
    pub fn hide(&mut self, parent: Id, name: &[u8]) -> Result {
        self.tree.budget.take(entry_cost(name))?;
        self.hide_at_cost(parent, name)
    }

    /// The same where the cost has been taken, as that of an entry.
    fn hide_at_cost(&mut self, parent: Id, name: &[u8]) -> Result {
        let path = self.nodes.dir(parent)?.below().cloned().ok_or(Errno::Inval)?;
        self.nodes.dir_mut(parent)?.hide(name);
        // One that is open, and has no other name.
        if let Some(id) = self.nodes.above(&join(&path, name))
            && self.nodes.dir(id)?.is_detached()
        {
            self.lose_name(id)?;
        }
        Ok(())
    }

    /// Takes a name away: of a node, and of what the host has there.
    pub fn remove(&mut self, parent: &Place, name: &[u8], found: &Found) -> Result {
        let parent = self.own(parent)?;
        match found {
            // A name that is hidden costs what its entry did.
            Found::Node(id) if self.has_to_hide_behind(parent, name, *id)? => {
                self.hide_at_cost(parent, name)?;
                self.take_out(parent, name, *id)?;
                self.lose_name(*id)
            }
            Found::Node(id) => self.drop_entry(parent, name, *id),
            Found::Below(..) => {
                require_text(name)?;
                self.hide(parent, name)?;
                self.nodes.get_mut(parent)?.times.change(self.now);
                Ok(())
            }
        }
    }

    /// True for a directory without names.
    pub fn is_empty(&mut self, found: &Found) -> Result<bool> {
        let tree = self.tree;
        let (dir, path) = match found {
            Found::Below(path, _) => (None, Some(path)),
            Found::Node(id) => {
                let dir = self.nodes.dir(*id)?;
                if !dir.is_empty() {
                    return Ok(false);
                }
                (Some(dir), dir.below())
            }
        };
        let (Some(path), Some(lower)) = (path, &tree.lower) else { return Ok(true) };
        let mut is_empty = true;
        lower.list(&mut self.near, path, self.interrupt, |name, _| {
            is_empty = dir.is_some_and(|dir| dir.shows(name).is_none());
            is_empty
        })?;
        Ok(is_empty)
    }

    /// True if a directory is another one, or somewhere beneath it.
    pub fn is_beneath(&self, place: &Place, other: &Found) -> Result<bool> {
        // The nearest node with a name, and the path that leads on from there.
        let below = match place {
            Place::Below(path) => Some(path),
            Place::Node(id) => self.nodes.dir(*id).ok().filter(|dir| dir.is_detached()).and_then(Dir::below),
        };
        match (below, place, other) {
            (Some(path), _, Found::Below(other, _)) => {
                let rest = path.strip_prefix(&**other);
                Ok(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")))
            }
            (Some(path), _, Found::Node(other)) => {
                let mut path = &path[..];
                while let Some((parent, _)) = split(path) {
                    path = parent;
                    if let Some(id) = self.nodes.above(path)
                        && !self.nodes.dir(id)?.is_detached()
                    {
                        return self.nodes.is_beneath(id, *other);
                    }
                }
                Ok(false)
            }
            (None, Place::Node(id), Found::Node(other)) => self.nodes.is_beneath(*id, *other),
            _ => Ok(false),
        }
    }

    /// The node of a directory that is opened.
    pub fn node_of_dir(&mut self, found: Found) -> Result<Id> {
        match found {
            Found::Node(id) => Ok(id),
            Found::Below(path, stat) => Ok(self.nodes.above(&path).unwrap_or_else(|| {
                let id = self.nodes.add(Kind::Dir(Dir::above(path)), 0);
                if let Ok(node) = self.nodes.get_mut(id) {
                    node.ino = stat.ino;
                }
                id
            })),
        }
    }

    /// The directory of the host beneath a node, to be listed; none if there is none.
    pub fn open_lower_dir(&mut self, id: Id) -> Result<Option<File>> {
        let tree = self.tree;
        let (Some(path), Some(lower)) = (self.nodes.dir(id)?.below(), &tree.lower) else { return Ok(None) };
        lower.open_dir(&mut self.near, path)
    }

    /// The serial number that an entry of the host's directory is listed with; none if it is hidden.
    pub fn listed(&self, id: Id, name: &[u8], dev: u64, ino: u64) -> Result<Option<u64>> {
        let dir = self.nodes.dir_that_is_there(id)?;
        let is_listed = dir.get(name).is_none() && dir.shows(name).is_some();
        Ok(if is_listed { Some(self.lower()?.ino(dev, ino)) } else { None })
    }
}

/// The root of all paths.
pub const ROOT: Place = Place::Node(Nodes::ROOT);

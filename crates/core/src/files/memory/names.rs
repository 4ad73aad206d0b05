//! The calls on names of a tree in memory, each as the kernel makes it.

use super::content::Content;
use super::file::{Data, Times};
use super::merged::{Found, Place, require_text};
use super::node::{Dir, Id, Kind, entry_cost};
use super::opened::Got;
use super::tree::Locked;
use super::walk::Last;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Filetype, Oflags};
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::SetTime;
use crate::host::names::Names;
use std::ffi::CStr;
use std::sync::Arc;

impl Names for Locked<'_> {
    type Start = Id;
    type Parent = Place;
    type Opened = Got;

    fn starting(&mut self, start: Id) -> Place {
        Place::Node(start)
    }

    fn parent(&mut self, start: Id, path: &[u8]) -> Result<Place> {
        let found = self.lookup(start, path, true)?;
        if self.finds_dir(&found)? { Ok(self.place(found)) } else { Err(Errno::Notdir) }
    }

    fn is_root(&self, _: Id) -> bool {
        false
    }

    /// As the kernel does.
    fn open(&mut self, start: Id, path: &CStr, how: &OpenHow) -> Result<Got> {
        let (create, only_new) =
            (how.oflags.contains(Oflags::CREAT), how.oflags.contains(Oflags::CREAT | Oflags::EXCL));
        if create && how.oflags.contains(Oflags::DIRECTORY) {
            return Err(Errno::Inval);
        }
        let found = match self.walk(start, path.to_bytes(), how.follow && !only_new, create)? {
            Last::Dots(_) if create => return Err(if only_new { Errno::Exist } else { Errno::Isdir }),
            Last::Name { slash: true, .. } if create => return Err(Errno::Isdir),
            Last::Name { found: Some(_), .. } if only_new => return Err(Errno::Exist),
            Last::Name { found: None, parent, name, .. } if create => {
                let parent = self.own(&parent)?;
                let id = self.create_file(parent, &name)?;
                return self.open_node(id, how.write).map(Got::Opened);
            }
            Last::Name { found: None, .. } => return Err(Errno::Noent),
            Last::Dots(place) => self.found_at(place)?,
            Last::Name { found: Some(found), slash: true, .. } if !self.finds_dir(&found)? => {
                return Err(Errno::Notdir);
            }
            Last::Name { found: Some(found), .. } => found,
        };
        let truncate = how.oflags.contains(Oflags::TRUNC);
        let id = match (self.filetype(&found)?, found) {
            (Filetype::Directory, _) if create || how.write || truncate => return Err(Errno::Isdir),
            (Filetype::Directory, found) => self.node_of_dir(found)?,
            _ if how.oflags.contains(Oflags::DIRECTORY) => return Err(Errno::Notdir),
            (Filetype::SymbolicLink, _) => return Err(Errno::Loop),
            (Filetype::RegularFile, Found::Node(id)) => {
                if truncate {
                    self.cut_off(id)?;
                }
                id
            }
            (Filetype::RegularFile, Found::Below(path, stat)) if truncate => {
                self.own_replaced(&path, &stat, Content::default())?
            }
            (Filetype::RegularFile, found @ Found::Below(..)) if how.write => self.own_found(&found)?,
            (Filetype::RegularFile, Found::Below(path, _)) => return self.open_below(&path).map(Got::Host),
            // A pipe, socket or device of the host.
            _ => return Err(Errno::Acces),
        };
        self.open_node(id, how.write).map(Got::Opened)
    }

    fn stat(&mut self, start: Id, path: &CStr, follow: bool) -> Result<Filestat> {
        let found = self.lookup(start, path.to_bytes(), follow)?;
        self.stat_found(&found)
    }

    fn set_times(&mut self, start: Id, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        let found = self.lookup(start, path.to_bytes(), true)?;
        self.set_times_of(&found, atim, mtim)
    }

    fn is_dir(&mut self, parent: &Place, name: &CStr) -> Result<bool> {
        let found = self.child(parent, name)?;
        self.finds_dir(&found)
    }

    fn create_dir(&mut self, parent: &Place, name: &CStr) -> Result {
        self.require_free(parent, name)?;
        let parent = self.own(parent)?;
        self.add(parent, name.to_bytes(), Kind::Dir(Dir::new(parent))).map(drop)
    }

    fn remove_dir(&mut self, parent: &Place, name: &CStr) -> Result {
        let found = self.child(parent, name)?;
        if !self.finds_dir(&found)? {
            return Err(Errno::Notdir);
        }
        if !self.is_empty(&found)? {
            return Err(Errno::Notempty);
        }
        self.remove(parent, name.to_bytes(), &found)
    }

    fn unlink(&mut self, parent: &Place, name: &CStr) -> Result {
        let found = self.child(parent, name)?;
        if self.finds_dir(&found)? {
            return Err(Errno::Isdir);
        }
        self.remove(parent, name.to_bytes(), &found)
    }

    fn rename(&mut self, parent: &Place, name: &CStr, to: &Place, new_name: &CStr) -> Result {
        if let Place::Node(to) = to {
            self.nodes.dir(*to)?.require_number()?;
        }
        let found = self.child(parent, name)?;
        let replaced = self.find(to, new_name.to_bytes())?;
        let is_dir = self.finds_dir(&found)?;
        require_text(new_name.to_bytes())?;
        if is_dir && parent != to && self.is_beneath(to, &found)? {
            return Err(Errno::Inval);
        }
        let replaces_dir = match &replaced {
            Some(other) => self.finds_dir(other)?,
            None => false,
        };
        match &replaced {
            Some(other) if is_same(other, &found) => return Ok(()),
            // A directory that the other one is in.
            Some(other) if parent != to && replaces_dir && self.is_beneath(parent, other)? => {
                return Err(Errno::Notempty);
            }
            Some(_) if replaces_dir && !is_dir => return Err(Errno::Isdir),
            Some(other) if replaces_dir && !self.is_empty(other)? => return Err(Errno::Notempty),
            Some(_) if is_dir && !replaces_dir => return Err(Errno::Notdir),
            _ => {}
        }
        let id = self.own_found(&found)?;
        let (from, to) = (self.own(parent)?, self.own(to)?);
        let replaced = if let Some(Found::Node(other)) = replaced { Some(other) } else { None };
        if replaced.is_none() {
            self.nodes.dir_mut(to)?;
            self.tree.budget.take(entry_cost(new_name.to_bytes()))?;
        }
        // The host's names stay hidden when the names that cover it go away again.
        let hides = [
            (from, name, self.has_to_hide_behind(from, name.to_bytes(), id)?),
            (to, new_name, replaces_dir && self.has_to_hide(to, new_name.to_bytes())?),
        ];
        for (parent, name, _) in hides.into_iter().filter(|(.., has_to)| *has_to) {
            if let Err(errno) = self.hide(parent, name.to_bytes()) {
                if replaced.is_none() {
                    self.tree.budget.give_back(entry_cost(new_name.to_bytes()));
                }
                return Err(errno);
            }
        }
        self.take_out(from, name.to_bytes(), id)?;
        self.tree.budget.give_back(entry_cost(name.to_bytes()));
        if let Some(other) = replaced {
            self.take_out(to, new_name.to_bytes(), other)?;
            self.lose_name(other)?;
        }
        self.insert(to, new_name.to_bytes(), id)?;
        let now = self.now;
        self.nodes.get_mut(id)?.with_times(|times| times.ctim = now);
        Ok(())
    }

    fn link(&mut self, parent: &Place, name: &CStr, to: &Place, new_name: &CStr) -> Result {
        let found = self.child(parent, name)?;
        self.require_free(to, new_name)?;
        if self.finds_dir(&found)? {
            return Err(Errno::Perm);
        }
        let id = self.own_found(&found)?;
        let to = self.own(to)?;
        self.tree.budget.take(entry_cost(new_name.to_bytes()))?;
        if let Err(errno) = self.insert(to, new_name.to_bytes(), id) {
            self.tree.budget.give_back(entry_cost(new_name.to_bytes()));
            return Err(errno);
        }
        let now = self.now;
        let node = self.nodes.get_mut(id)?;
        node.nlink += 1;
        node.with_times(|times| times.ctim = now);
        Ok(())
    }

    fn symlink(&mut self, target: &CStr, parent: &Place, name: &CStr) -> Result {
        if target.is_empty() {
            return Err(Errno::Noent);
        }
        require_text(target.to_bytes())?;
        self.require_free(parent, name)?;
        let parent = self.own(parent)?;
        self.add(parent, name.to_bytes(), Kind::Link(target.to_bytes().into())).map(drop)
    }

    fn readlink<T>(&mut self, parent: &Place, name: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let found = self.child(parent, name)?;
        use_target(&self.target(&found)?)
    }

    fn set_times_of_name(&mut self, parent: &Place, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        let found = self.child(parent, name)?;
        self.set_times_of(&found, atim, mtim)
    }
}

/// True if both names stand for one thing.
fn is_same(one: &Found, other: &Found) -> bool {
    match (one, other) {
        (Found::Node(one), Found::Node(other)) => one == other,
        (Found::Below(one, _), Found::Below(other, _)) => one == other,
        _ => false,
    }
}

impl Locked<'_> {
    /// Creates an empty file.
    fn create_file(&mut self, parent: Id, name: &[u8]) -> Result<Id> {
        self.nodes.dir_mut(parent)?;
        require_text(name)?;
        let data = Data::new(Arc::clone(&self.tree.budget), Content::default(), Times::at(self.now));
        self.add(parent, name, Kind::File(Arc::new(data)))
    }

    fn cut_off(&mut self, id: Id) -> Result {
        if let Kind::File(file) = &self.nodes.get(id)?.kind {
            let mut file = file.write();
            file.content.set_len(0, &self.tree.budget)?;
            file.times.change(self.now);
        }
        Ok(())
    }
}

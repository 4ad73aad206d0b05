//! The calls on names of a tree in memory, each as the kernel makes it.

use super::content::Content;
use super::file::{Data, Times};
use super::node::{Dir, Id, Kind, entry_cost};
use super::opened::Opened;
use super::tree::Locked;
use super::walk::Last;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Oflags;
use crate::abi::records::Filestat;
use crate::host::dir::OpenHow;
use crate::host::file::SetTime;
use crate::host::names::Names;
use std::ffi::CStr;
use std::sync::Arc;

/// EILSEQ for a name that is no text: its embedder could not read it back.
fn require_text(name: &CStr) -> Result {
    name.to_str().map(drop).map_err(|_| Errno::Ilseq)
}

impl Names for Locked<'_> {
    type Start = Id;
    type Parent = Id;
    type Opened = Opened;

    fn starting(&mut self, start: Id) -> Id {
        start
    }

    fn parent(&mut self, start: Id, path: &[u8]) -> Result<Id> {
        let id = self.nodes.lookup(start, path, true)?;
        self.nodes.dir(id)?;
        Ok(id)
    }

    fn is_root(&self, _: Id) -> bool {
        false
    }

    /// As the kernel does.
    fn open(&mut self, start: Id, path: &CStr, how: &OpenHow) -> Result<Opened> {
        let (create, only_new) =
            (how.oflags.contains(Oflags::CREAT), how.oflags.contains(Oflags::CREAT | Oflags::EXCL));
        if create && how.oflags.contains(Oflags::DIRECTORY) {
            return Err(Errno::Inval);
        }
        let id = match self.nodes.walk(start, path.to_bytes(), how.follow && !only_new, create)? {
            Last::Dots(_) if create => return Err(if only_new { Errno::Exist } else { Errno::Isdir }),
            Last::Name { slash: true, .. } if create => return Err(Errno::Isdir),
            Last::Name { found: Some(_), .. } if only_new => return Err(Errno::Exist),
            Last::Name { found: None, parent, name, .. } if create => {
                return self.create_file(parent, &name).and_then(|id| self.open_node(id, how.write));
            }
            Last::Name { found: None, .. } => return Err(Errno::Noent),
            Last::Dots(id) => id,
            Last::Name { found: Some(id), slash: true, .. } if !self.nodes.is_dir(id) => return Err(Errno::Notdir),
            Last::Name { found: Some(id), .. } => id,
        };
        let truncate = how.oflags.contains(Oflags::TRUNC);
        match &self.nodes.get(id)?.kind {
            Kind::Dir(_) if create || how.write || truncate => return Err(Errno::Isdir),
            Kind::Dir(_) => {}
            _ if how.oflags.contains(Oflags::DIRECTORY) => return Err(Errno::Notdir),
            Kind::Link(_) => return Err(Errno::Loop),
            Kind::File(file) if truncate => {
                let mut file = file.write();
                file.content.set_len(0, &self.tree.budget)?;
                file.times.change(self.now);
            }
            Kind::File(_) => {}
        }
        self.open_node(id, how.write)
    }

    fn stat(&mut self, start: Id, path: &CStr, follow: bool) -> Result<Filestat> {
        let id = self.nodes.lookup(start, path.to_bytes(), follow)?;
        self.stat_node(id)
    }

    fn set_times(&mut self, start: Id, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        let id = self.nodes.lookup(start, path.to_bytes(), true)?;
        self.set_times_of_node(id, atim, mtim)
    }

    fn is_dir(&mut self, parent: &Id, name: &CStr) -> Result<bool> {
        let id = self.child(*parent, name)?;
        Ok(self.nodes.is_dir(id))
    }

    fn create_dir(&mut self, parent: &Id, name: &CStr) -> Result {
        self.require_free(*parent, name)?;
        self.add(*parent, name.to_bytes(), Kind::Dir(Dir::new(*parent))).map(drop)
    }

    fn remove_dir(&mut self, parent: &Id, name: &CStr) -> Result {
        let id = self.child(*parent, name)?;
        if !self.nodes.dir(id)?.is_empty() {
            return Err(Errno::Notempty);
        }
        self.take_out(*parent, name.to_bytes(), id)?;
        self.tree.budget.give_back(entry_cost(name.to_bytes()));
        self.lose_name(id)
    }

    fn unlink(&mut self, parent: &Id, name: &CStr) -> Result {
        let id = self.child(*parent, name)?;
        if self.nodes.is_dir(id) {
            return Err(Errno::Isdir);
        }
        self.take_out(*parent, name.to_bytes(), id)?;
        self.tree.budget.give_back(entry_cost(name.to_bytes()));
        self.lose_name(id)
    }

    fn rename(&mut self, parent: &Id, name: &CStr, to: &Id, new_name: &CStr) -> Result {
        self.nodes.dir(*to)?;
        let id = self.child(*parent, name)?;
        let replaced = self.nodes.child(*to, new_name.to_bytes())?;
        let is_dir = self.nodes.is_dir(id);
        require_text(new_name)?;
        self.nodes.dir(*to)?.require_number()?;
        if is_dir && parent != to && self.nodes.is_beneath(*to, id)? {
            return Err(Errno::Inval);
        }
        match replaced {
            Some(other) if other == id => return Ok(()),
            // A directory that the other one is in.
            Some(other) if parent != to && self.nodes.is_dir(other) && self.nodes.is_beneath(*parent, other)? => {
                return Err(Errno::Notempty);
            }
            Some(other) => match self.nodes.dir(other) {
                Ok(_) if !is_dir => return Err(Errno::Isdir),
                Ok(dir) if !dir.is_empty() => return Err(Errno::Notempty),
                Err(_) if is_dir => return Err(Errno::Notdir),
                _ => {}
            },
            None => {
                self.nodes.dir_mut(*to)?;
                self.tree.budget.take(entry_cost(new_name.to_bytes()))?;
            }
        }
        self.take_out(*parent, name.to_bytes(), id)?;
        self.tree.budget.give_back(entry_cost(name.to_bytes()));
        if let Some(other) = replaced {
            self.take_out(*to, new_name.to_bytes(), other)?;
            self.lose_name(other)?;
        }
        self.insert(*to, new_name.to_bytes(), id)?;
        let now = self.now;
        self.nodes.get_mut(id)?.with_times(|times| times.ctim = now);
        Ok(())
    }

    fn link(&mut self, parent: &Id, name: &CStr, to: &Id, new_name: &CStr) -> Result {
        let id = self.child(*parent, name)?;
        self.require_free(*to, new_name)?;
        if self.nodes.is_dir(id) {
            return Err(Errno::Perm);
        }
        self.tree.budget.take(entry_cost(new_name.to_bytes()))?;
        if let Err(errno) = self.insert(*to, new_name.to_bytes(), id) {
            self.tree.budget.give_back(entry_cost(new_name.to_bytes()));
            return Err(errno);
        }
        let now = self.now;
        let node = self.nodes.get_mut(id)?;
        node.nlink += 1;
        node.with_times(|times| times.ctim = now);
        Ok(())
    }

    fn symlink(&mut self, target: &CStr, parent: &Id, name: &CStr) -> Result {
        if target.is_empty() {
            return Err(Errno::Noent);
        }
        require_text(target)?;
        self.require_free(*parent, name)?;
        self.add(*parent, name.to_bytes(), Kind::Link(target.to_bytes().into())).map(drop)
    }

    fn readlink<T>(&mut self, parent: &Id, name: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let id = self.child(*parent, name)?;
        match &self.nodes.get(id)?.kind {
            Kind::Link(target) => use_target(target),
            _ => Err(Errno::Inval),
        }
    }

    fn set_times_of_name(&mut self, parent: &Id, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        let id = self.child(*parent, name)?;
        self.set_times_of_node(id, atim, mtim)
    }
}

impl Locked<'_> {
    /// Creates an empty file.
    fn create_file(&mut self, parent: Id, name: &[u8]) -> Result<Id> {
        self.nodes.dir_mut(parent)?;
        std::str::from_utf8(name).map_err(|_| Errno::Ilseq)?;
        let data = Data::new(Arc::clone(&self.tree.budget), Content::default(), Times::at(self.now));
        self.add(parent, name, Kind::File(Arc::new(data)))
    }
}

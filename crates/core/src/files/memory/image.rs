//! A tree as its embedder sees it: paths with what they stand for, and what has become of the start.

use super::content::Content;
use super::file::{Data, Times};
use super::lower::{if_there, join, split, to_vec};
use super::merged::{Found, Place, ROOT};
use super::node::{Dir, Id, Kind, Nodes};
use super::tree::{Locked, Start, StartItem, Tree};
use super::walk::Last;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::memory::PATH_MAX;
use std::collections::HashSet;
use std::sync::Arc;

/// The end of a path that the embedder puts into a tree.
#[derive(Debug)]
pub enum New {
    /// A directory.
    Dir,
    /// A file of these bytes.
    File(Arc<[u8]>),
    /// A link with this target.
    Link(Vec<u8>),
}

/// The end of a path in a tree.
#[derive(Debug)]
pub enum Item {
    /// A directory.
    Dir,
    /// A file.
    File(FileBytes),
    /// A link with this target.
    Link(Box<[u8]>),
}

/// A file of a tree, which may change until its bytes are asked for.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    /// Of a file in memory.
    Kept(Arc<Data>),
    /// Of one that only the host has, by its path there.
    Below(Arc<Tree>, Arc<[u8]>),
}

impl FileBytes {
    /// True if they are the host's.
    pub const fn is_of_host(&self) -> bool {
        matches!(self.0, Bytes::Below(..))
    }

    /// Its bytes; ENOMEM if there are more than `most`, which a file with holes may have.
    pub fn to_vec(&self, most: u64) -> Result<Vec<u8>> {
        match &self.0 {
            Bytes::Kept(file) => file.read().content.to_vec(most),
            Bytes::Below(tree, path) => {
                let lower = tree.lower.as_ref().ok_or(Errno::Noent)?;
                to_vec(&lower.open(&mut None, path, tree.dev)?, most)
            }
        }
    }
}

/// Bytes that the paths of any tree may take, however small its limit.
const LEAST_PATHS: u64 = 16 << 20;

impl Tree {
    /// Puts a file, directory or link at a path, with the directories it is in. EEXIST if it is there,
    /// but for directories.
    pub fn put(self: &Arc<Self>, path: &[u8], new: New, now: u64) -> Result {
        if matches!(&new, New::Link(target) if target.len() >= PATH_MAX as usize) {
            return Err(Errno::Nametoolong);
        }
        let mut locked = self.lock(now);
        let (parent, name) = locked.make_parent(path)?;
        let found = locked.find(&parent, name)?;
        let is_dir = found.as_ref().map(|found| locked.finds_dir(found)).transpose()?;
        if is_dir.is_some() {
            return if is_dir == Some(true) && matches!(new, New::Dir) { Ok(()) } else { Err(Errno::Exist) };
        }
        let parent = locked.own(&parent)?;
        match new {
            New::Dir => locked.add(parent, name, Kind::Dir(Dir::new(parent))).map(drop),
            New::Link(target) => locked.add(parent, name, Kind::Link(target.into())).map(drop),
            New::File(bytes) => locked.add_file(parent, name, bytes).map(drop),
        }
    }

    /// Gives a file these bytes. It is made if it is not there, with the directories it is in.
    pub fn write_file(self: &Arc<Self>, path: &[u8], bytes: Arc<[u8]>, now: u64) -> Result {
        let mut locked = self.lock(now);
        let file = match locked.file_at(path) {
            Err(Errno::Noent) if path.ends_with(b"/") => return Err(Errno::Isdir),
            Err(Errno::Noent) => {
                // In a directory that is there, through links.
                if let Ok(Last::Name { parent, name, found: None, .. }) = locked.walk(Nodes::ROOT, path, true, true) {
                    let parent = locked.own(&parent)?;
                    return locked.add_file(parent, &name, bytes).map(drop);
                }
                drop(locked);
                return self.put(path, New::File(bytes), now);
            }
            Err(errno) => return Err(errno),
            Ok(Found::Below(path, stat)) => {
                self.budget.take(bytes.len() as u64)?;
                // From here on the content's file gives them back.
                return locked.own_replaced(&path, &stat, Content::starting(bytes)).map(drop);
            }
            Ok(Found::Node(id)) => locked.data(id)?,
        };
        drop(locked);
        let mut state = file.write();
        let (cost, before) = (bytes.len() as u64, state.content.cost());
        match cost.checked_sub(before) {
            Some(more) => self.budget.take(more)?,
            None => self.budget.give_back(before - cost),
        }
        state.content = Content::starting(bytes);
        state.times.change(now);
        Ok(())
    }

    /// The file that a path leads to.
    pub fn file(self: &Arc<Self>, path: &[u8]) -> Result<FileBytes> {
        let mut locked = self.lock(0);
        match locked.file_at(path)? {
            Found::Node(id) => Ok(FileBytes(Bytes::Kept(locked.data(id)?))),
            Found::Below(path, _) => Ok(FileBytes(Bytes::Below(Arc::clone(self), path))),
        }
    }

    /// Removes what a path leads to, a directory with all that is in it.
    pub fn remove(self: &Arc<Self>, path: &[u8], now: u64) -> Result {
        let mut locked = self.lock(now);
        let Last::Name { parent, name, found: Some(found), .. } = locked.walk(Nodes::ROOT, path, false, false)? else {
            return Err(Errno::Noent);
        };
        let parent = Place::Node(locked.own(&parent)?);
        let gone = locked.empty(&found)?;
        locked.remove(&parent, &name, &found)?;
        locked.leave_open(&gone)
    }

    /// Takes what is there as the start, once.
    pub fn mark_start(self: &Arc<Self>) -> Result {
        let start = self.items()?.into_iter().map(|(path, item)| {
            let item = match item {
                Item::Dir => StartItem::Dir,
                Item::Link(target) => StartItem::Link(target),
                Item::File(FileBytes(Bytes::Kept(file))) => StartItem::File(file.write().content.share(&self.budget)?),
                Item::File(FileBytes(Bytes::Below(..))) => return Err(Errno::Inval),
            };
            Ok((path, item))
        });
        let start = start.collect::<Result<_>>()?;
        self.start.set(Start(start)).map_err(|_| Errno::Already)
    }

    /// All paths in order, each directory before what is in it. ENAMETOOLONG if they take more bytes
    /// together than all files may: directories may be deep. EILSEQ for a name of the host's that is no
    /// text.
    pub fn items(self: &Arc<Self>) -> Result<Vec<(Vec<u8>, Item)>> {
        self.lock(0).items(true)
    }

    /// The paths that were not there at the start, or stood for something else. Of a tree above a
    /// directory of the host, all that is above.
    pub fn changed(self: &Arc<Self>) -> Result<Vec<(Vec<u8>, Item)>> {
        if self.lower.is_some() {
            return self.lock(0).items(false);
        }
        let mut items = self.items()?;
        items.retain(|(path, item)| {
            let before = self.start.get().and_then(|Start(start)| start.get(path));
            !match (before, item) {
                (Some(StartItem::Dir), Item::Dir) => true,
                (Some(StartItem::Link(before)), Item::Link(target)) => before == target,
                (Some(StartItem::File(before)), Item::File(FileBytes(Bytes::Kept(file)))) => {
                    file.read().content.is(before)
                }
                _ => false,
            }
        });
        Ok(items)
    }

    /// The paths of the start that are not there any more, and whether each was a directory. Of a tree
    /// above a directory of the host, the names of this that are not, nor what is in them; also of a
    /// directory in whose place something else is.
    pub fn removed(self: &Arc<Self>) -> Vec<(Vec<u8>, bool)> {
        if self.lower.is_some() {
            return self.lock(0).hidden();
        }
        let Some(Start(start)) = self.start.get() else { return Vec::new() };
        let locked = self.lock(0);
        let gone = start.iter().filter(|(path, _)| !locked.has(path));
        gone.map(|(path, item)| (path.clone(), *item == StartItem::Dir)).collect()
    }
}

impl Locked<'_> {
    /// Adds a file of these bytes under a name that is free.
    fn add_file(&mut self, parent: Id, name: &[u8], bytes: Arc<[u8]>) -> Result<Id> {
        self.tree.budget.take(bytes.len() as u64)?;
        // From here on the file gives them back.
        let data = Data::new(Arc::clone(&self.tree.budget), Content::starting(bytes), Times::at(self.now));
        self.add(parent, name, Kind::File(Arc::new(data)))
    }

    /// The directory of the last name in a path, made with those it is in, and the name.
    fn make_parent<'p>(&mut self, path: &'p [u8]) -> Result<(Place, &'p [u8])> {
        if path.len() >= PATH_MAX as usize {
            return Err(Errno::Nametoolong);
        }
        let mut names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        if names.clone().any(|name| matches!(name, b"." | b"..")) {
            return Err(Errno::Inval);
        }
        let mut name = names.next().ok_or(Errno::Noent)?;
        let mut parent = ROOT;
        for next in names {
            parent = match self.find(&parent, name)? {
                Some(found) if self.finds_dir(&found)? => self.place(found),
                Some(_) => return Err(Errno::Notdir),
                None => {
                    let parent = self.own(&parent)?;
                    Place::Node(self.add(parent, name, Kind::Dir(Dir::new(parent)))?)
                }
            };
            name = next;
        }
        Ok((parent, name))
    }

    fn file_at(&mut self, path: &[u8]) -> Result<Found> {
        let found = self.lookup(Nodes::ROOT, path, true)?;
        match self.filetype(&found)? {
            Filetype::RegularFile => Ok(found),
            Filetype::Directory => Err(Errno::Isdir),
            Filetype::SymbolicLink => Err(Errno::Loop),
            _ => Err(Errno::Acces),
        }
    }

    /// True if a path is there, without following links.
    fn has(&self, path: &[u8]) -> bool {
        let mut id = Nodes::ROOT;
        path.split(|byte| *byte == b'/').all(|name| match self.nodes.dir(id).ok().and_then(|dir| dir.get(name)) {
            Some(child) => {
                id = child;
                true
            }
            None => false,
        })
    }

    fn data(&self, id: Id) -> Result<Arc<Data>> {
        match &self.nodes.get(id)?.kind {
            Kind::File(file) => Ok(Arc::clone(file)),
            _ => Err(Errno::Inval),
        }
    }

    /// The names in a directory that was found: of nodes, and if `all` are asked for, of the host.
    fn names_in(&mut self, found: &Found, all: bool) -> Result<Vec<Arc<[u8]>>> {
        let tree = self.tree;
        let dir = if let Found::Node(id) = found { self.nodes.dir(*id).ok() } else { None };
        let mut names: Vec<_> =
            dir.iter().flat_map(|dir| dir.entries_after(0)).map(|(_, name, _)| name.clone()).collect();
        let below = if let Found::Below(path, _) = found { Some(path) } else { dir.and_then(Dir::below) };
        if let (true, Some(path), Some(lower)) = (all, below, &tree.lower) {
            lower.list(&mut self.near, path, self.interrupt, |name, _| {
                if dir.is_none_or(|dir| dir.get(name).is_none() && dir.shows(name).is_some()) {
                    names.push(name.into());
                }
                true
            })?;
        }
        // The last one is the next.
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(names)
    }

    /// The item of what was found; none for a pipe, socket or device of the host.
    fn item(&mut self, found: &Found) -> Result<Option<Item>> {
        Ok(Some(match (self.filetype(found)?, found) {
            (Filetype::Directory, _) => Item::Dir,
            (Filetype::SymbolicLink, _) => match self.target(found) {
                // Of the host's, which is something else by now.
                Err(Errno::Inval) => return Ok(None),
                target => Item::Link(target?),
            },
            (Filetype::RegularFile, Found::Node(id)) => Item::File(FileBytes(Bytes::Kept(self.data(*id)?))),
            (Filetype::RegularFile, Found::Below(path, _)) => {
                Item::File(FileBytes(Bytes::Below(Arc::clone(self.tree), Arc::clone(path))))
            }
            _ => return Ok(None),
        }))
    }

    /// True for a directory with one of the host's beneath it, and that at the same path.
    fn is_in_place(&self, path: &[u8], found: &Found) -> bool {
        let dir = if let Found::Node(id) = found { self.nodes.dir(*id).ok() } else { None };
        dir.and_then(Dir::below).is_some_and(|below| **below == *path)
    }

    /// All paths in order, or those that the host's directory has not.
    fn items(&mut self, all: bool) -> Result<Vec<(Vec<u8>, Item)>> {
        let mut room = self.tree.budget.limit().max(LEAST_PATHS);
        let mut items = Vec::new();
        let mut left = vec![(Box::<[u8]>::default(), Found::Node(Nodes::ROOT), all)];
        while let Some((path, found, all)) = left.pop() {
            room = room.checked_sub(path.len() as u64).ok_or(Errno::Nametoolong)?;
            let Some(item) = if_there(self.item(&found))?.flatten() else { continue };
            let is_in_place = self.is_in_place(&path, &found);
            if matches!(item, Item::Dir) {
                // Of one that was moved, all is new at this path.
                let all = all || !is_in_place;
                let place = self.place(found.clone());
                for name in self.names_in(&found, all)? {
                    if let Some(found) = self.find(&place, &name)? {
                        left.push((join(&path, &name), found, all));
                    }
                }
            }
            if !path.is_empty() && (all || !is_in_place) {
                // The embedder could not tell it from another one.
                std::str::from_utf8(&path).map_err(|_| Errno::Ilseq)?;
                items.push((path.into(), item));
            }
        }
        Ok(items)
    }

    /// Takes away all that is in a directory, if it is one. The paths of the host's directories that go
    /// with it.
    fn empty(&mut self, found: &Found) -> Result<HashSet<Arc<[u8]>>> {
        let mut gone = HashSet::new();
        let mut left = Vec::new();
        match found {
            Found::Node(id) => left.push(*id),
            Found::Below(path, _) => drop(gone.insert(Arc::clone(path))),
        }
        let mut all = Vec::new();
        while let Some(id) = left.pop() {
            if let Ok(dir) = self.nodes.dir(id) {
                gone.extend(dir.below().cloned());
                all.extend(dir.entries_after(0).map(|(_, name, child)| (id, Arc::clone(name), child)));
                left.extend(dir.entries_after(0).map(|(_, _, child)| child));
            }
        }
        for (parent, name, id) in all.into_iter().rev() {
            self.drop_entry(parent, &name, id)?;
        }
        Ok(gone)
    }

    /// Directories that are open stay so without their names, where those of the host have gone that they
    /// are in.
    fn leave_open(&mut self, gone: &HashSet<Arc<[u8]>>) -> Result {
        for (path, id) in self.nodes.detached() {
            let mut above = &path[..];
            while let Some((parent, _)) = split(above) {
                above = parent;
                if gone.contains(above) {
                    self.lose_name(id)?;
                    break;
                }
                if self.nodes.above(above).is_some_and(|id| self.nodes.dir(id).is_ok_and(|dir| !dir.is_detached())) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The names of the host that are hidden, and whether each is a directory. They are left out where
    /// something of the same kind is in their place.
    fn hidden(&mut self) -> Vec<(Vec<u8>, bool)> {
        let mut hidden = Vec::new();
        let mut left = vec![(Nodes::ROOT, Box::<[u8]>::default())];
        while let Some((id, path)) = left.pop() {
            let Ok(dir) = self.nodes.dir(id) else { continue };
            if dir.below().is_none_or(|below| *below != path.as_ref().into()) {
                continue;
            }
            left.extend(dir.entries_after(0).map(|(_, name, id)| (id, join(&path, name))));
            let names: Vec<_> = dir.hidden().map(|name| (Box::<[u8]>::from(name), dir.get(name))).collect();
            for (name, covered) in names {
                let Ok(Some(found)) = self.find_below(&path, &name) else { continue };
                let was_dir = self.finds_dir(&found).unwrap_or(false);
                if covered.is_none_or(|id| was_dir || self.nodes.is_dir(id)) {
                    hidden.push((join(&path, &name).into(), was_dir));
                }
            }
        }
        hidden.sort_unstable();
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::flags::{Fdflags, Oflags};
    use crate::files::dir::Dir;
    use crate::files::memory::Open;
    use crate::files::object::Object;
    use crate::host::dir::OpenHow;
    use crate::memory::Buffers;
    use std::ffi::{CStr, CString};

    fn tree() -> Arc<Tree> {
        let tree = Tree::new(1 << 20, 1);
        tree.put(b"main.py", New::File(Arc::from(&b"print()"[..])), 1).unwrap();
        tree.put(b"data/deep/x", New::File(Arc::from(&b"x"[..])), 1).unwrap();
        tree.put(b"link", New::Link(b"main.py".to_vec()), 1).unwrap();
        tree.mark_start().unwrap();
        tree
    }

    fn paths(items: Vec<(Vec<u8>, Item)>) -> Vec<String> {
        items.into_iter().map(|(path, _)| String::from_utf8(path).unwrap()).collect()
    }

    /// Opens a file as a guest does, for writing; it is made if it is not there.
    fn open(dir: &Open, path: &CStr) -> Result<Open> {
        let how = OpenHow { follow: true, oflags: Oflags::CREAT, fdflags: Fdflags::empty(), read: true, write: true };
        match Dir::Memory(dir, 5.into()).open_at(path, &how, false)? {
            Object::Memory(open) => Ok(open),
            other => panic!("{other:?}"),
        }
    }

    fn write(dir: &Open, path: &CStr, bytes: &[u8]) -> Result<u32> {
        let mut source = bytes.to_vec();
        let mut buffers = Buffers::from(source.as_mut_slice());
        Ok(open(dir, path)?.write(Some(0), &mut buffers, bytes.len() as u64, 7)?.0)
    }

    #[test]
    fn paths_come_in_order_with_their_directories() {
        assert_eq!(paths(tree().items().unwrap()), ["data", "data/deep", "data/deep/x", "link", "main.py"]);
    }

    #[test]
    fn the_difference_to_the_start_is_in_bytes_targets_and_names() {
        let tree = tree();
        let root = tree.root().unwrap();
        assert!(paths(tree.changed().unwrap()).is_empty() && tree.removed().is_empty());
        write(&root, c"main.py", b"print()").unwrap();
        assert!(paths(tree.changed().unwrap()).is_empty(), "the same bytes once more are no difference");
        write(&root, c"main.py", b"PRINT()").unwrap();
        write(&root, c"data/new", b"").unwrap();
        let dir = Dir::Memory(&root, 9.into());
        dir.rename_at(c"data/deep", &dir, c"moved").unwrap();
        dir.unlink_at(c"link").unwrap();
        dir.symlink_at(c"data", c"link").unwrap();
        assert_eq!(paths(tree.changed().unwrap()), ["data/new", "link", "main.py", "moved", "moved/x"]);
        assert_eq!(tree.removed(), [(b"data/deep".to_vec(), true), (b"data/deep/x".to_vec(), false)]);
        assert_eq!(tree.file(b"link/new").unwrap().to_vec(9), Ok(Vec::new()));
        assert_eq!(tree.mark_start(), Err(Errno::Already));
    }

    #[test]
    fn the_embedder_writes_and_removes() {
        let tree = tree();
        let bytes = |text: &str| Arc::from(text.as_bytes());
        tree.write_file(b"link", bytes("through the link"), 2).unwrap();
        assert_eq!(tree.file(b"main.py").unwrap().to_vec(99), Ok(b"through the link".to_vec()));
        assert_eq!(tree.file(b"main.py").unwrap().to_vec(3), Err(Errno::Nomem));
        tree.write_file(b"a/b/c", bytes("new"), 2).unwrap();
        for (path, errno) in [(&b"data"[..], Errno::Isdir), (b"../x", Errno::Notcapable), (b"main.py/x", Errno::Notdir)]
        {
            assert_eq!(tree.write_file(path, bytes(""), 2), Err(errno));
        }
        assert_eq!(tree.put(b"link", New::Dir, 2), Err(Errno::Exist));
        assert_eq!(tree.put(b"a/..", New::Dir, 2), Err(Errno::Inval));
        for path in [&b"a"[..], b"data", b"main.py", b"link"] {
            tree.remove(path, 3).unwrap();
        }
        assert_eq!((tree.remove(b"a", 3), tree.items().unwrap().len()), (Err(Errno::Noent), 0));
        assert_eq!(tree.used(), 0);
    }

    #[test]
    fn names_and_directories_count_and_all_is_given_back() {
        let tree = Tree::new(10_000, 1);
        let root = tree.root().unwrap();
        let dir = Dir::Memory(&root, 1.into());
        let name = |index: u32| CString::new(format!("{index}")).unwrap();
        let made = (0..).take_while(|index| dir.create_dir_at(&name(*index)).is_ok()).last().unwrap() + 1;
        assert!((10..40).contains(&made), "{made} directories in 10 000 bytes");
        assert_eq!(dir.create_dir_at(c"more"), Err(Errno::Nospc));
        assert_eq!(dir.symlink_at(c"target", c"more"), Err(Errno::Nospc));
        assert_eq!(open(&root, c"more").unwrap_err(), Errno::Nospc);
        assert_eq!(tree.put(b"more", New::File(Arc::from(&b"x"[..])), 1), Err(Errno::Nospc));
        (0..made).for_each(|index| dir.remove_dir_at(&name(index)).unwrap());
        assert_eq!(tree.used(), 0);
        assert_eq!(tree.put(b"more", New::File(vec![1; 20_000].into()), 1), Err(Errno::Nospc));
    }

    #[test]
    fn a_file_without_a_name_counts_until_it_is_closed() {
        let tree = Tree::new(1 << 20, 1);
        let root = tree.root().unwrap();
        let empty = tree.used();
        write(&root, c"file", &[1; 1000]).unwrap();
        let file = open(&root, c"file").unwrap();
        Dir::Memory(&root, 1.into()).unlink_at(c"file").unwrap();
        assert!(tree.used() > empty + 1000);
        assert_eq!((file.stat().unwrap().nlink, file.stat().unwrap().size), (0, 1000));
        drop(file);
        assert_eq!(tree.used(), empty);
    }

    /// As many threads as make names come and go at once: nothing is lost, and the budget adds up.
    #[test]
    fn several_guests_change_one_tree() {
        let tree = Tree::new(1 << 20, 1);
        std::thread::scope(|scope| {
            for number in 0..4_u32 {
                let root = tree.root().unwrap();
                scope.spawn(move || {
                    let dir = Dir::Memory(&root, 1.into());
                    for round in 0..2000_u32 {
                        let own = CString::new(format!("{number}-{round}")).unwrap();
                        write(&root, &own, b"bytes").unwrap();
                        let _ = dir.rename_at(&own, &dir, c"shared");
                        let _ = dir.create_dir_at(c"dir");
                        let _ = dir.rename_at(c"shared", &dir, c"dir/moved");
                        let _ = dir.unlink_at(c"dir/moved");
                        let _ = dir.remove_dir_at(c"dir");
                        root.list(0, &mut [0; 4096]).unwrap();
                    }
                });
            }
        });
        for path in tree.items().unwrap().into_iter().rev().map(|(path, _)| path) {
            tree.remove(&path, 1).unwrap();
        }
        assert_eq!(tree.used(), 0);
    }

    #[test]
    fn a_listing_goes_on_where_it_was_while_names_go() {
        let tree = Tree::new(1 << 20, 1);
        let root = tree.root().unwrap();
        for index in 0..10 {
            tree.put(format!("{index}").as_bytes(), New::Dir, 1).unwrap();
        }
        let mut seen = Vec::new();
        let mut cookie = 2;
        loop {
            let mut buffer = [0; 3 * 25];
            let mut rows = root.list(cookie, &mut buffer).unwrap().peekable();
            if rows.peek().is_none() {
                break;
            }
            for (head, name) in rows {
                cookie = head.d_next;
                tree.remove(name, 1).unwrap();
                seen.push(String::from_utf8(name.to_vec()).unwrap());
            }
        }
        assert_eq!(seen.join(""), "0123456789");
        assert_eq!(root.list(1 << 40, &mut []).unwrap_err(), Errno::Inval);
    }
}

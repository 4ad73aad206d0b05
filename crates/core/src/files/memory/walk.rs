//! The way along a path.

use super::merged::{Found, Place};
use super::node::{Id, NAME_MAX};
use super::tree::Locked;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::host::names::MAX_LINKS;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// The end of a path.
#[derive(Debug)]
pub enum Last<'p> {
    /// A directory that the path reaches by dots.
    Dots(Place),
    /// A name in a directory, and what is there.
    Name {
        /// The directory.
        parent: Place,
        /// The name.
        name: Cow<'p, [u8]>,
        /// The thing it stands for, if it is there.
        found: Option<Found>,
        /// True if slashes follow the name.
        slash: bool,
    },
}

impl Locked<'_> {
    /// Follows `path` to its last name, which need not be there. A link there is followed if that is asked
    /// for, or a slash comes behind it, unless a file is to be made there. ENOTCAPABLE for a path that
    /// leads out of `start`.
    pub fn walk<'p>(&mut self, start: Id, path: &'p [u8], follow: bool, makes: bool) -> Result<Last<'p>> {
        let mut way: SmallVec<[Place; 16]> = smallvec![Place::Node(start)];
        let mut rest = Cow::Borrowed(path);
        let mut links = 0;
        let mut at = 0;
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        if path.starts_with(b"/") {
            return Err(Errno::Notcapable);
        }
        self.nodes.dir(start)?;
        loop {
            let top = way.last().ok_or(Errno::Notcapable)?;
            let (from, to) = component(&rest, at);
            let name = rest.get(from..to).unwrap_or_default();
            let behind = rest.get(to..).unwrap_or_default();
            let is_last = behind.iter().all(|byte| *byte == b'/');
            at = to;
            match name {
                b"" => return Ok(Last::Dots(top.clone())),
                b"." => continue,
                b".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            if !is_last && let Some(place) = self.enter(top, name)? {
                way.push(place);
                continue;
            }
            let found = self.find(top, name)?;
            let filetype = found.as_ref().map(|found| self.filetype(found)).transpose()?;
            let follows = !is_last || if behind.is_empty() { follow } else { !makes };
            match (found, filetype) {
                (None, _) if !is_last => return Err(Errno::Noent),
                (Some(found), Some(Filetype::SymbolicLink)) if follows => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::Loop);
                    }
                    let target = self.target(&found)?;
                    if target.starts_with(b"/") {
                        return Err(Errno::Notcapable);
                    }
                    rest = Cow::Owned([&target, behind].concat());
                    at = 0;
                }
                (Some(found), Some(Filetype::Directory)) if !is_last => way.push(self.place(found)),
                _ if !is_last => return Err(Errno::Notdir),
                (found, _) => {
                    let slash = !behind.is_empty();
                    let parent = top.clone();
                    let name = match rest {
                        Cow::Borrowed(rest) => Cow::Borrowed(rest.get(from..to).unwrap_or_default()),
                        Cow::Owned(_) => Cow::Owned(name.to_vec()),
                    };
                    return Ok(Last::Name { parent, name, found, slash });
                }
            }
        }
    }

    /// The thing that `path` leads to.
    pub fn lookup(&mut self, start: Id, path: &[u8], follow: bool) -> Result<Found> {
        match self.walk(start, path, follow, false)? {
            Last::Dots(place) => self.found_at(place),
            Last::Name { found, slash, .. } => {
                let found = found.ok_or(Errno::Noent)?;
                if slash && !self.finds_dir(&found)? { Err(Errno::Notdir) } else { Ok(found) }
            }
        }
    }
}

/// The next component of a path from `at` on: where it begins and ends.
fn component(path: &[u8], at: usize) -> (usize, usize) {
    let rest = path.get(at..).unwrap_or_default();
    let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
    let len = rest.iter().skip(slashes).take_while(|byte| **byte != b'/').take(NAME_MAX + 1).count();
    (at + slashes, at + slashes + len)
}

//! The way along a path.

use super::node::{Id, Kind, NAME_MAX, Nodes};
use crate::abi::errno::{Errno, Result};
use crate::host::names::MAX_LINKS;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// The end of a path.
#[derive(Debug)]
pub enum Last<'p> {
    /// A directory that the path reaches by dots.
    Dots(Id),
    /// A name in a directory, and what is there.
    Name {
        /// The directory.
        parent: Id,
        /// The name.
        name: Cow<'p, [u8]>,
        /// The node it stands for, if it is there.
        found: Option<Id>,
        /// True if slashes follow the name.
        slash: bool,
    },
}

impl Nodes {
    /// Follows `path` to its last name, which need not be there. A link there is followed if that is asked
    /// for, or a slash comes behind it, unless a file is to be made there. ENOTCAPABLE for a path that
    /// leads out of `start`.
    pub fn walk<'p>(&self, start: Id, path: &'p [u8], follow: bool, makes: bool) -> Result<Last<'p>> {
        let mut way: SmallVec<[Id; 16]> = smallvec![start];
        let mut rest = Cow::Borrowed(path);
        let mut links = 0;
        let mut at = 0;
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        if path.starts_with(b"/") {
            return Err(Errno::Notcapable);
        }
        self.dir(start)?;
        loop {
            let top = *way.last().ok_or(Errno::Notcapable)?;
            let (from, to) = component(&rest, at);
            let name = rest.get(from..to).unwrap_or_default();
            let behind = rest.get(to..).unwrap_or_default();
            let is_last = behind.iter().all(|byte| *byte == b'/');
            at = to;
            match name {
                b"" => return Ok(Last::Dots(top)),
                b"." => continue,
                b".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            let found = self.child(top, name)?;
            let kind = found.map(|id| self.get(id).map(|node| &node.kind)).transpose()?;
            match (found, kind) {
                (None, _) if !is_last => return Err(Errno::Noent),
                (_, Some(Kind::Link(target))) if !is_last || if behind.is_empty() { follow } else { !makes } => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::Loop);
                    }
                    if target.starts_with(b"/") {
                        return Err(Errno::Notcapable);
                    }
                    rest = Cow::Owned([target, behind].concat());
                    at = 0;
                }
                (Some(id), Some(Kind::Dir(_))) if !is_last => way.push(id),
                _ if !is_last => return Err(Errno::Notdir),
                (found, _) => {
                    let slash = !behind.is_empty();
                    let name = match rest {
                        Cow::Borrowed(rest) => Cow::Borrowed(rest.get(from..to).unwrap_or_default()),
                        Cow::Owned(_) => Cow::Owned(name.to_vec()),
                    };
                    return Ok(Last::Name { parent: top, name, found, slash });
                }
            }
        }
    }

    /// The node that `path` leads to.
    pub fn lookup(&self, start: Id, path: &[u8], follow: bool) -> Result<Id> {
        match self.walk(start, path, follow, false)? {
            Last::Dots(id) => Ok(id),
            Last::Name { found, slash, .. } => {
                let id = found.ok_or(Errno::Noent)?;
                if slash && !self.is_dir(id) { Err(Errno::Notdir) } else { Ok(id) }
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

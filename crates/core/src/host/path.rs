//! Paths as text: no function here asks the operating system.

use crate::abi::errno::{Errno, Result};
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// Links that a path may lead through, as on Linux.
pub const MAX_LINKS: u32 = 40;

/// A path, split before its last component.
pub enum Split<'p> {
    /// A name in the directory that `directory` leads to, the starting directory if that is empty. The name
    /// is never `.` or `..` and has no slash; `slash` is true if the path ended in one.
    Name { directory: &'p [u8], name: Cow<'p, CStr>, slash: bool },
    /// A path that ends in `.` or `..`, without slashes behind that.
    Dots(&'p [u8]),
}

/// Splits a path before its last component; ENOENT for an empty one, ENOTCAPABLE for the root.
pub fn split(whole: &CStr) -> Result<Split<'_>> {
    let path = whole.to_bytes();
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let (path, slashes) = path.split_at(end);
    if path.is_empty() {
        return Err(if slashes.is_empty() { Errno::Noent } else { Errno::Notcapable });
    }
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(start);
    if name == b"." || name == b".." {
        return Ok(Split::Dots(path));
    }
    if !slashes.is_empty() {
        let name = CString::new(name).map_err(|_| Errno::Ilseq)?;
        return Ok(Split::Name { directory, name: Cow::Owned(name), slash: true });
    }
    let (_, name) = whole.to_bytes_with_nul().split_at(start);
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::Ilseq)?;
    Ok(Split::Name { directory, name: Cow::Borrowed(name), slash: false })
}

/// True for a path of one name, whose lookup can't leave the directory it starts in unless a link is
/// followed.
#[inline]
pub fn is_single(path: &CStr) -> bool {
    let path = path.to_bytes();
    !path.is_empty() && !path.contains(&b'/') && path != b"." && path != b".."
}

/// Replaces the link at the end of `path` by its target, again and again. `target` reads the link that a path
/// leads to; none if it is no link. An absolute target is taken from the starting directory. ELOOP after 40
/// links.
pub fn resolve_last(path: &CStr, mut target: impl FnMut(&CStr) -> Result<Option<Vec<u8>>>) -> Result<CString> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(target) = target(&path)? else { return Ok(path) };
        let mut bytes = path.as_bytes().to_vec();
        if target.starts_with(b"/") {
            // From the root directory, `./a` is `/a`.
            bytes.clear();
            bytes.push(b'.');
        } else {
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1));
        }
        bytes.extend_from_slice(&target);
        path = CString::new(bytes).map_err(|_| Errno::Ilseq)?;
    }
    Err(Errno::Loop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_before_its_last_component() {
        let shown = |path: &CStr| match split(path) {
            Ok(Split::Name { directory, name, slash }) => {
                format!("{} + {}, {slash}", str::from_utf8(directory).unwrap(), name.to_str().unwrap())
            }
            Ok(Split::Dots(path)) => format!("dots {}", str::from_utf8(path).unwrap()),
            Err(errno) => format!("{errno:?}"),
        };
        assert_eq!(shown(c"a"), " + a, false");
        assert_eq!(shown(c"a//"), " + a, true");
        assert_eq!(shown(c"a/b/c"), "a/b/ + c, false");
        assert_eq!(shown(c"/a/"), "/ + a, true");
        assert_eq!(shown(c"a/.."), "dots a/..");
        assert_eq!(shown(c"."), "dots .");
        assert_eq!(shown(c"../."), "dots ../.");
        assert_eq!((shown(c""), shown(c"//")), ("Noent".to_owned(), "Notcapable".to_owned()));
    }

    #[test]
    fn links_at_the_end_are_replaced_until_there_is_none() {
        let links = [(c"a/link", "b/other"), (c"a/b/other", "/c"), (c"loop", "loop")];
        let target = |path: &CStr| {
            let found = links.iter().find(|(link, _)| *link == path);
            Ok(found.map(|(_, target)| target.as_bytes().to_vec()))
        };
        assert_eq!(resolve_last(c"a/link", target).unwrap().as_c_str(), c"./c");
        assert_eq!(resolve_last(c"plain/", target).unwrap().as_c_str(), c"plain/");
        assert_eq!(resolve_last(c"loop", target), Err(Errno::Loop));
        assert_eq!(resolve_last(c"x", |_| Err(Errno::Notcapable)), Err(Errno::Notcapable));
    }
}

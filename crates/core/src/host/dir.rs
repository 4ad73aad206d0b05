//! Paths, and the only way from one to the operating system.
//!
//! Two rules hold the sandbox:
//!
//! 1. A path of several components is resolved by cap-std, beneath the directory it starts at (one `openat2`
//!    with `RESOLVE_BENEATH` on Linux, component by component elsewhere). A path that leads outside is
//!    ENOTCAPABLE. A preopen that is the root directory has nothing outside: there Linux resolves within it
//!    (`RESOLVE_IN_ROOT`), so that absolute links lead where they lead for the host, and `..` of the root is
//!    the root. Magic links, such as `/proc/self/fd/1`, are followed nowhere.
//! 2. A call that works on a name gets exactly one component, never `.` or `..`, relative to an open
//!    directory, and does not follow a link there ([`Names`]). So there is no moment between a check and a
//!    use.

use super::handle::{File, SetTime};
use super::names::Names;
use super::os;
use super::path::is_single;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::abi::records::Filestat;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ops::Deref;

pub use super::handle::OpenHow;

/// Opens a directory of the host by its host path. The one place where a path string means what the host's
/// user means by it: it comes from the embedder, never from a guest.
pub fn open_preopen_unsandboxed(path: &str) -> std::io::Result<File> {
    let dir = os::dir::open_preopen_unsandboxed(path)?;
    let is_root = os::dir::is_root(&dir);
    let mut dir = File::directory(dir);
    dir.is_root = is_root;
    Ok(dir)
}

impl File {
    /// Opens `path` beneath this directory.
    pub fn open_at(&self, path: &CStr, how: &OpenHow) -> Result<File> {
        os::dir::open(self, path, how)
    }

    /// Opens `path` beneath this directory as a read-only file system does: EROFS for what would change
    /// anything.
    pub fn open_at_read_only(&self, path: &CStr, how: OpenHow) -> Result<File> {
        Host::new().open_at_read_only(self, path, how)
    }

    /// Opens the directory of this one name, for names in it and attributes; ENOTDIR or ELOOP for a link.
    pub fn open_dir_of_name(&self, name: &CStr) -> Result<File> {
        if is_single(name) { os::dir::open_dir_of_name(self, name) } else { Err(Errno::Inval) }
    }

    /// The attributes of the file that `path` leads to.
    #[inline]
    pub fn stat_at(&self, path: &CStr, follow: bool) -> Result<Filestat> {
        if is_single(path) {
            let stat = os::dir::stat_name(self, path)?;
            if !follow || stat.filetype != Filetype::SymbolicLink.number() {
                return Ok(stat);
            }
        }
        os::dir::stat(self, path, follow)
    }

    /// Sets the times of the file that `path` leads to.
    pub fn set_times_at(&self, path: &CStr, follow: bool, atim: SetTime, mtim: SetTime) -> Result {
        Host::new().set_times_at(self, path, follow, (atim, mtim))
    }

    /// Creates a directory.
    pub fn create_dir_at(&self, path: &CStr) -> Result {
        Host::new().create_dir_at(self, path)
    }

    /// Removes an empty directory.
    pub fn remove_dir_at(&self, path: &CStr) -> Result {
        Host::new().remove_dir_at(self, path)
    }

    /// Removes a name that is not a directory's.
    pub fn unlink_at(&self, path: &CStr) -> Result {
        Host::new().unlink_at(self, path)
    }

    /// Renames `path` to `new_path` beneath `new_dir`.
    pub fn rename_at(&self, path: &CStr, new_dir: &File, new_path: &CStr) -> Result {
        Host::new().rename_at(self, path, new_dir, new_path)
    }

    /// Makes `new_path` beneath `new_dir` another name of the file `path`.
    pub fn link_at(&self, path: &CStr, follow: bool, new_dir: &File, new_path: &CStr) -> Result {
        Host::new().link_at(self, path, follow, (new_dir, new_path))
    }

    /// Makes `new_path` a link to `target`, which is stored as it is. An absolute target is ENOTCAPABLE,
    /// unless this is the root directory, where it means the same file to the guest as to the host.
    pub fn symlink_at(&self, target: &CStr, new_path: &CStr) -> Result {
        Host::new().symlink_at(target, self, new_path)
    }

    /// Gives the target of the link `path` to `use_target`.
    pub fn readlink_at<T>(&self, path: &CStr, use_target: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        Host::new().readlink_at(self, path, use_target)
    }
}

/// The directories of the operating system.
struct Host<'dir>(PhantomData<&'dir File>);

impl Host<'_> {
    const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'dir> Names for Host<'dir> {
    type Start = &'dir File;
    type Parent = Parent<'dir>;
    type Opened = File;

    fn starting(&mut self, start: &'dir File) -> Parent<'dir> {
        Parent::This(start)
    }

    fn parent(&mut self, start: &'dir File, path: &[u8]) -> Result<Parent<'dir>> {
        os::dir::open_parent(start, path).map(Parent::Opened)
    }

    fn is_root(&self, start: &'dir File) -> bool {
        start.is_root
    }

    fn open(&mut self, start: &'dir File, path: &CStr, how: &OpenHow) -> Result<File> {
        start.open_at(path, how)
    }

    fn stat(&mut self, start: &'dir File, path: &CStr, follow: bool) -> Result<Filestat> {
        start.stat_at(path, follow)
    }

    fn set_times(&mut self, start: &'dir File, path: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        os::dir::set_times(start, path, atim, mtim)
    }

    fn is_dir(&mut self, parent: &Parent<'dir>, name: &CStr) -> Result<bool> {
        Ok(os::dir::stat_name(parent, name)?.filetype == Filetype::Directory.number())
    }

    fn create_dir(&mut self, parent: &Parent<'dir>, name: &CStr) -> Result {
        os::dir::create_dir(parent, name)
    }

    fn remove_dir(&mut self, parent: &Parent<'dir>, name: &CStr) -> Result {
        os::dir::remove_dir(parent, name)
    }

    fn unlink(&mut self, parent: &Parent<'dir>, name: &CStr) -> Result {
        match os::dir::unlink(parent, name) {
            // Some systems answer EPERM for a directory.
            Err(Errno::Perm) if self.is_dir(parent, name).unwrap_or(false) => Err(Errno::Isdir),
            result => result,
        }
    }

    fn rename(&mut self, parent: &Parent<'dir>, name: &CStr, to: &Parent<'dir>, new_name: &CStr) -> Result {
        os::dir::rename(parent, name, to, new_name)
    }

    fn link(&mut self, parent: &Parent<'dir>, name: &CStr, to: &Parent<'dir>, new_name: &CStr) -> Result {
        os::dir::link(parent, name, to, new_name)
    }

    fn symlink(&mut self, target: &CStr, parent: &Parent<'dir>, name: &CStr) -> Result {
        os::dir::symlink(target, parent, name)
    }

    fn readlink<T>(
        &mut self,
        parent: &Parent<'dir>,
        name: &CStr,
        use_target: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        os::dir::readlink(parent, name, use_target)
    }

    fn set_times_of_name(&mut self, parent: &Parent<'dir>, name: &CStr, atim: SetTime, mtim: SetTime) -> Result {
        os::dir::set_times_of_name(parent, name, atim, mtim)
    }
}

/// The directory a name stands in.
enum Parent<'dir> {
    This(&'dir File),
    Opened(File),
}

impl Deref for Parent<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::This(file) => file,
            Self::Opened(file) => file,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::flags::{Fdflags, Oflags};
    use std::ffi::CString;
    use std::fs;
    #[cfg(unix)]
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Windows has two kinds of links, and wants a privilege for either.
    #[cfg(windows)]
    fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> std::io::Result<()> {
        use std::os::windows::fs::{symlink_dir, symlink_file};
        let is_dir = link.as_ref().parent().unwrap().join(&target).is_dir();
        if is_dir { symlink_dir(target, link) } else { symlink_file(target, link) }
    }

    const READ: OpenHow =
        OpenHow { follow: true, oflags: Oflags::empty(), fdflags: Fdflags::empty(), read: true, write: false };

    /// A host tree: `outside/secret`, and `box/` with a file and a directory.
    fn tree() -> (tempfile::TempDir, File) {
        let root = tempfile::tempdir().unwrap();
        let base = root.path();
        fs::create_dir_all(base.join("box/dir/suc")).unwrap();
        fs::create_dir(base.join("outside")).unwrap();
        fs::write(base.join("outside/secret"), "secret").unwrap();
        fs::write(base.join("box/file"), "file").unwrap();
        fs::write(base.join("box/dir/inner"), "inner").unwrap();
        let file = open_preopen_unsandboxed(base.join("box").to_str().unwrap()).unwrap();
        (root, file)
    }

    /// The same with links of every kind in `box/`.
    fn tree_with_links() -> (tempfile::TempDir, File) {
        let (root, file) = tree();
        let link = |target: &Path, name: &str| symlink(target, root.path().join("box").join(name)).unwrap();
        link("../outside".as_ref(), "out");
        link(&root.path().join("outside"), "absolute");
        link("file".as_ref(), "link");
        link("dir".as_ref(), "dirlink");
        link("loop".as_ref(), "loop");
        link("missing".as_ref(), "dangling");
        (root, file)
    }

    /// Tries to leave `dir` by paths that lead outside, and by paths to the secret there.
    fn assert_contained(root: &Path, dir: &File, outside: &[&CStr], secrets: &[&CStr]) {
        for path in outside {
            let name = path.to_string_lossy();
            assert_eq!(dir.open_at(path, &READ).unwrap_err(), Errno::Notcapable, "open {name}");
            assert_eq!(dir.stat_at(path, true).unwrap_err(), Errno::Notcapable, "stat {name}");
            assert!(dir.set_times_at(path, true, SetTime::Now, SetTime::Now).is_err(), "times {name}");
            let below = CString::new([path.to_bytes(), b"/made"].concat()).unwrap();
            let name = below.to_string_lossy();
            assert_eq!(dir.create_dir_at(&below), Err(Errno::Notcapable), "mkdir {name}");
            assert_eq!(dir.symlink_at(c"x", &below), Err(Errno::Notcapable), "symlink {name}");
            assert_eq!(dir.rename_at(c"file", dir, &below), Err(Errno::Notcapable), "rename to {name}");
            assert_eq!(dir.link_at(c"file", false, dir, &below), Err(Errno::Notcapable), "link to {name}");
        }
        for path in secrets {
            assert_eq!(dir.unlink_at(path), Err(Errno::Notcapable));
            assert_eq!(dir.rename_at(path, dir, c"stolen"), Err(Errno::Notcapable));
            assert_eq!(dir.link_at(path, true, dir, c"stolen"), Err(Errno::Notcapable));
        }
        assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(root.join("outside/secret")).unwrap(), "secret");
    }

    #[test]
    fn no_path_leads_outside() {
        let (root, dir) = tree();
        let outside = [c"..", c"../outside/secret", c"dir/../../outside/secret", c"/", c"/etc"];
        assert_contained(root.path(), &dir, &outside, &[c"../outside/secret"]);
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn no_link_leads_outside() {
        let (root, dir) = tree_with_links();
        let outside = [c"out/secret", c"absolute/secret", c"dirlink/../../outside/secret", c"out", c"absolute"];
        assert_contained(root.path(), &dir, &outside, &[c"out/secret", c"absolute/secret"]);
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn a_guest_s_own_links_do_not_add_up_to_a_way_out() {
        let (_root, dir) = tree();
        dir.symlink_at(c".", c"s").unwrap();
        dir.symlink_at(c"s/..", c"up").unwrap();
        assert_eq!(dir.open_at(c"up/outside/secret", &READ).unwrap_err(), Errno::Notcapable);
        let create = OpenHow { oflags: Oflags::CREAT, write: true, ..READ };
        assert_eq!(dir.open_at(c"up/made", &create).unwrap_err(), Errno::Notcapable);
        assert_eq!(dir.symlink_at(c"/etc", c"abs"), Err(Errno::Notcapable));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_cut_off_and_opened_as_asked_for() {
        let (root, dir) = tree();
        let path = root.path().join("box/file");
        let open = |read, write, oflags| {
            dir.open_at(c"file", &OpenHow { follow: true, oflags, fdflags: Fdflags::empty(), read, write })
        };
        let ways = [
            (true, false, Oflags::TRUNC),
            (false, false, Oflags::TRUNC | Oflags::CREAT),
            (false, true, Oflags::TRUNC),
            (true, true, Oflags::TRUNC),
            (true, true, Oflags::empty()),
            (false, true, Oflags::CREAT),
        ];
        for (read, write, oflags) in ways {
            fs::write(&path, "file").unwrap();
            let file = open(read, write, oflags).unwrap();
            let left = if oflags.contains(Oflags::TRUNC) { "" } else { "file" };
            assert_eq!(fs::read_to_string(&path).unwrap(), left, "{read} {write} {oflags:?}");
            let access = rustix::fs::fcntl_getfl(&file).unwrap() & rustix::fs::OFlags::ACCMODE;
            let expected = match (read, write) {
                (true, true) => rustix::fs::OFlags::RDWR,
                (false, true) => rustix::fs::OFlags::WRONLY,
                (_, false) => rustix::fs::OFlags::RDONLY,
            };
            assert_eq!(access, expected);
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn a_link_at_the_end_is_followed_only_on_request() {
        let (_root, dir) = tree_with_links();
        let nofollow = OpenHow { follow: false, ..READ };
        assert_eq!(dir.open_at(c"link", &nofollow).unwrap_err(), Errno::Loop);
        assert_eq!(dir.open_at(c"dangling", &nofollow).unwrap_err(), Errno::Loop);
        let nofollow_dir = OpenHow { oflags: Oflags::DIRECTORY, ..nofollow };
        assert_eq!(dir.open_at(c"dirlink", &nofollow_dir).unwrap_err(), Errno::Notdir);
        assert!(dir.open_at(c"link", &READ).is_ok());
        assert_eq!(dir.open_at(c"loop", &READ).unwrap_err(), Errno::Loop);
        assert_eq!(dir.stat_at(c"link", false).unwrap().filetype, Filetype::SymbolicLink.number());
        assert_eq!(dir.stat_at(c"link", true).unwrap().size, 4);
        assert_eq!(dir.stat_at(c"dir/../link", false).unwrap().filetype, Filetype::SymbolicLink.number());
    }

    #[test]
    fn a_slash_at_the_end_means_a_directory() {
        let (_root, dir) = tree();
        assert_eq!(dir.open_at(c"file/", &READ).unwrap_err(), Errno::Notdir);
        assert_eq!(dir.unlink_at(c"file/"), Err(Errno::Notdir));
        assert_eq!(dir.unlink_at(c"dir/"), Err(Errno::Isdir));
        assert_eq!(dir.rename_at(c"file/", &dir, c"x"), Err(Errno::Notdir));
        assert_eq!(dir.rename_at(c"file", &dir, c"x/"), Err(Errno::Notdir));
        assert_eq!(dir.symlink_at(c"t", c"new/"), Err(Errno::Noent));
        assert_eq!(dir.symlink_at(c"t", c"dir/"), Err(Errno::Exist));
        assert_eq!(dir.symlink_at(c"t", c"file/"), Err(Errno::Notdir));
        assert_eq!(dir.create_dir_at(c"new//"), Ok(()));
        assert_eq!(dir.rename_at(c"new/", &dir, c"newer/"), Ok(()));
        assert_eq!(dir.remove_dir_at(c"newer/"), Ok(()));
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn a_link_with_a_slash_at_its_end_is_no_directory() {
        let (_root, dir) = tree_with_links();
        assert_eq!(dir.unlink_at(c"dirlink/"), Err(Errno::Notdir));
        assert_eq!(dir.rename_at(c"dirlink/", &dir, c"x"), Err(Errno::Notdir));
        assert_eq!(dir.remove_dir_at(c"dirlink/"), Err(Errno::Notdir));
        assert_eq!(dir.stat_at(c"dirlink/", false).unwrap().filetype, Filetype::Directory.number());
    }

    #[test]
    fn dots_at_the_end_name_no_entry() {
        let (_root, dir) = tree();
        assert_eq!(dir.create_dir_at(c"."), Err(Errno::Exist));
        assert_eq!(dir.create_dir_at(c"dir/.."), Err(Errno::Exist));
        assert_eq!(dir.remove_dir_at(c"dir/."), Err(Errno::Inval));
        assert_eq!(dir.unlink_at(c"."), Err(Errno::Isdir));
        assert_eq!(dir.rename_at(c".", &dir, c"x"), Err(Errno::Busy));
        assert_eq!(dir.create_dir_at(c".."), Err(Errno::Notcapable));
        assert_eq!(dir.create_dir_at(c""), Err(Errno::Noent));
        assert_eq!(dir.open_at(c"", &READ).unwrap_err(), Errno::Noent);
        assert_eq!(dir.stat_at(c"", true).unwrap_err(), Errno::Noent);
    }

    #[test]
    fn link_gives_a_file_another_name() {
        let (root, dir) = tree();
        dir.link_at(c"file", false, &dir, c"dir/hard").unwrap();
        assert_eq!(dir.stat_at(c"dir/hard", false).unwrap().nlink, 2);
        assert_eq!(dir.link_at(c"file", true, &dir, c"dir/hard"), Err(Errno::Exist));
        assert_eq!(dir.link_at(c"missing", false, &dir, c"x"), Err(Errno::Noent));
        assert_eq!(dir.link_at(c"dir", false, &dir, c"x"), Err(Errno::Perm));
        assert_eq!(fs::read(root.path().join("box/dir/hard")).unwrap(), b"file");
    }

    #[test]
    fn rename_replaces_a_file_by_a_file_and_a_directory_by_a_directory() {
        let (root, dir) = tree();
        fs::write(root.path().join("box/other"), "other").unwrap();
        assert_eq!(dir.rename_at(c"other", &dir, c"file"), Ok(()));
        assert_eq!(fs::read(root.path().join("box/file")).unwrap(), b"other");
        assert_eq!(dir.rename_at(c"file", &dir, c"dir"), Err(Errno::Isdir));
        assert_eq!(dir.rename_at(c"dir", &dir, c"file"), Err(Errno::Notdir));
        dir.create_dir_at(c"empty").unwrap();
        assert_eq!(dir.rename_at(c"empty", &dir, c"dir"), Err(Errno::Notempty));
        assert_eq!(dir.rename_at(c"dir", &dir, c"empty"), Ok(()));
        assert_eq!(dir.stat_at(c"empty/inner", false).unwrap().size, 5);
        assert_eq!(dir.rename_at(c"dir", &dir, c"x"), Err(Errno::Noent));
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn link_follows_to_the_file_when_asked() {
        let (root, dir) = tree_with_links();
        dir.link_at(c"link", true, &dir, c"hard").unwrap();
        assert_eq!(dir.stat_at(c"hard", false).unwrap().nlink, 2);
        dir.link_at(c"link", false, &dir, c"other").unwrap();
        assert_eq!(dir.stat_at(c"other", false).unwrap().filetype, Filetype::SymbolicLink.number());
        assert_eq!(dir.link_at(c"loop", true, &dir, c"x"), Err(Errno::Loop));
        assert_eq!(dir.link_at(c"file", false, &dir, c"link"), Err(Errno::Exist));
        assert!(root.path().join("box/hard").exists());
    }

    #[test]
    #[cfg_attr(windows, ignore = "making links takes a privilege there")]
    fn times_of_a_link_are_its_own() {
        let (_root, dir) = tree_with_links();
        let file_before = dir.stat_at(c"file", false).unwrap();
        dir.set_times_at(c"link", false, SetTime::To(500), SetTime::To(600)).unwrap();
        assert_eq!(dir.stat_at(c"link", false).unwrap().mtim, 600);
        assert_eq!(dir.stat_at(c"file", false).unwrap().mtim, file_before.mtim);
        dir.set_times_at(c"link", true, SetTime::Keep, SetTime::To(700)).unwrap();
        let file = dir.stat_at(c"file", false).unwrap();
        assert_eq!((file.atim, file.mtim), (file_before.atim, 700));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_tree_opens_at_once() {
        let (root, dir) = tree();
        let path = root.path().join("box/fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(dir.open_at(c"fifo", &READ).unwrap().filetype(), Ok(Filetype::Unknown));
        let write = OpenHow { read: false, write: true, ..READ };
        assert_eq!(dir.open_at(c"fifo", &write).unwrap_err(), Errno::Nxio);
    }

    /// The root directory, and a folder in it with `store/file`, `absolute` (a link to the store), `to-file`,
    /// `magic` (a link to a magic link), and paths in it from the root.
    #[cfg(target_os = "linux")]
    fn root_directory(path: &str) -> (tempfile::TempDir, File, impl Fn(&str) -> CString) {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        fs::create_dir(base.join("store")).unwrap();
        fs::write(base.join("store/file"), "file").unwrap();
        symlink(base.join("store"), base.join("absolute")).unwrap();
        symlink(base.join("store/file"), base.join("to-file")).unwrap();
        symlink("/proc/self/cwd", base.join("magic")).unwrap();
        let prefix = base.to_str().unwrap().trim_start_matches('/').to_owned();
        let at = move |name: &str| CString::new(format!("{prefix}/{name}")).unwrap();
        (folder, open_preopen_unsandboxed(path).unwrap(), at)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn within_the_root_directory_absolute_links_lead_on() {
        for path in ["/", "/tmp/..", "/proc/self/root"] {
            let (folder, root, at) = root_directory(path);
            let base = folder.path();
            assert!(root.open_at(&at("absolute/file"), &READ).is_ok(), "{path}");
            assert!(root.open_at(&at("to-file"), &READ).is_ok());
            let nofollow = OpenHow { follow: false, ..READ };
            assert_eq!(root.open_at(&at("to-file"), &nofollow).unwrap_err(), Errno::Loop);
            assert_eq!(root.stat_at(&at("absolute/file"), false).unwrap().size, 4);
            assert_eq!(root.stat_at(&at("to-file"), true).unwrap().size, 4);
            root.set_times_at(&at("to-file"), true, SetTime::Keep, SetTime::To(7_000_000_000)).unwrap();
            assert_eq!(root.stat_at(&at("store/file"), false).unwrap().mtim, 7_000_000_000);
            root.link_at(&at("to-file"), true, &root, &at("absolute/hard")).unwrap();
            assert_eq!(root.stat_at(&at("store/file"), false).unwrap().nlink, 2);
            root.create_dir_at(&at("absolute/dir")).unwrap();
            root.rename_at(&at("absolute/dir"), &root, &at("absolute/moved")).unwrap();
            assert!(base.join("store/moved").is_dir());
            root.remove_dir_at(&at("absolute/moved")).unwrap();
            root.unlink_at(&at("absolute/hard")).unwrap();
            let target = CString::new(base.join("store").to_str().unwrap()).unwrap();
            root.symlink_at(&target, &at("absolute/link")).unwrap();
            assert_eq!(root.readlink_at(&at("absolute/link"), |text| Ok(text.to_vec())), Ok(target.into_bytes()));
            let create = OpenHow { oflags: Oflags::CREAT, write: true, ..READ };
            assert!(root.open_at(&at("absolute/link/made"), &create).is_ok());
            assert!(base.join("store/made").exists());
            assert_eq!(root.open_at_read_only(&at("absolute/made"), create).unwrap_err(), Errno::Rofs);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn above_the_root_directory_is_itself() {
        let (_folder, root, _) = root_directory("/");
        assert_eq!(root.stat_at(c"../..", true).unwrap().ino, root.stat().unwrap().ino);
        assert!(root.open_at(c"../../proc", &READ).is_ok());
        assert_eq!(root.create_dir_at(c".."), Err(Errno::Exist));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn within_the_root_directory_magic_links_are_refused() {
        let (folder, root, at) = root_directory("/");
        let secret = fs::File::open(folder.path().join("store/file")).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&secret);
        for path in ["fd/0", "exe", "cwd", "root", "task/../fd/0", "ns/pid"].map(|name| format!("proc/self/{name}")) {
            let path = CString::new(path).unwrap();
            assert_eq!(root.open_at(&path, &READ).unwrap_err(), Errno::Loop, "{path:?}");
            assert_eq!(root.stat_at(&path, true).unwrap_err(), Errno::Loop, "{path:?}");
            assert_eq!(root.set_times_at(&path, true, SetTime::Keep, SetTime::Now), Err(Errno::Loop), "{path:?}");
        }
        for path in [c"proc/self/cwd/x", c"proc/self/root/tmp", c"proc/thread-self/root/tmp"] {
            assert_eq!(root.open_at(path, &READ).unwrap_err(), Errno::Loop, "{path:?}");
            assert_eq!(root.create_dir_at(path), Err(Errno::Loop), "{path:?}");
            assert_eq!(root.rename_at(path, &root, c"tmp/x"), Err(Errno::Loop), "{path:?}");
        }
        let named = CString::new(format!("proc/self/fd/{number}")).unwrap();
        assert_eq!(root.link_at(&named, true, &root, &at("hard")), Err(Errno::Loop));
        assert_eq!(root.open_at(&at("magic/x"), &READ).unwrap_err(), Errno::Loop);
        assert_eq!(root.link_at(&at("magic"), true, &root, &at("hard")), Err(Errno::Loop));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_opened_in_the_root_directory_confines_paths_itself() {
        let (folder, root, at) = root_directory("/");
        let dir = root.open_at(&at("."), &READ).unwrap();
        assert_eq!(dir.open_at(c"absolute/file", &READ).unwrap_err(), Errno::Notcapable);
        assert_eq!(dir.open_at(c"../x", &READ).unwrap_err(), Errno::Notcapable);
        assert_eq!(dir.symlink_at(c"/etc", c"x"), Err(Errno::Notcapable));
        let again = root.open_at(c".", &READ).unwrap();
        assert_eq!(again.open_at(&at("absolute/file"), &READ).unwrap_err(), Errno::Notcapable);
        let other = open_preopen_unsandboxed(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(other.open_at(c"absolute/file", &READ).unwrap_err(), Errno::Notcapable);
        assert_eq!(other.link_at(c"to-file", true, &other, c"hard"), Err(Errno::Notcapable));
    }
}

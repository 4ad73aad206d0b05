//! The folder that the cache is in, as it was opened, and what makes its files known again.
//!
//! A guest that may write to the folder, or to one above it, can do to its files whatever WASI has a call
//! for. So the folder carries a secret in an extended attribute, for which WASI has none, and every file is
//! sealed with it ([`super::sealed`]). A folder that a guest put in its place has no secret and gets a new
//! one: nothing that lies in it is known.

use super::sealed::{Seal, Secret, Short};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use rustix::process::{Resource, geteuid, getrlimit};
use std::fmt;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::Path;
use wasi_rs_core::host::random::Random;

/// The extended attribute that holds the secret.
const ATTRIBUTE: &str = "user.wasi-rs.secret";

/// How many names are looked at before it is taken for granted that one of them is the right one.
const LOOKED_AT: usize = 1 << 14;

/// The end of the name of a file that is being written.
pub const UNFINISHED: &str = "tmp";

/// A folder of this user's, opened, and its secret.
#[derive(Debug)]
pub struct Folder {
    dir: OwnedFd,
    secret: Secret,
}

/// Why a folder is not used.
#[derive(Debug)]
pub enum Unfit {
    /// It is another user's, or open to others.
    Shared,
    /// It is a symbolic link, which whoever may write beside it could turn elsewhere.
    Link,
    /// Its file system has no extended attributes, so that nothing in it can be told from what a guest wrote.
    NoAttributes,
    /// It has no secret yet.
    Unmarked,
    /// It can't be made, opened or marked.
    Unusable(io::Error),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("it is not only yours. chmod 700 it, or name another"),
            Self::Link => f.write_str("it is a symbolic link. Name the folder it leads to"),
            Self::NoAttributes => f.write_str("its file system keeps no extended attributes. Name one on another"),
            Self::Unmarked => f.write_str("nothing was kept in it yet"),
            Self::Unusable(error) => write!(f, "it can't be used: {error}"),
        }
    }
}

impl From<Errno> for Unfit {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOTSUP => Self::NoAttributes,
            errno => Self::Unusable(errno.into()),
        }
    }
}

impl Folder {
    /// The folder at this path, if something may have been kept in it.
    pub fn open(path: &Path) -> Result<Self, Unfit> {
        let dir = open_private(path)?;
        let secret = secret_of(&dir)?.ok_or(Unfit::Unmarked)?;
        Ok(Self { dir, secret })
    }

    /// The folder at this path, which is made, and marked, where it is not yet.
    pub fn make(path: &Path) -> Result<Self, Unfit> {
        // If it can't be made, opening it tells.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(path);
        let dir = open_private(path)?;
        let secret = match secret_of(&dir)? {
            Some(secret) => secret,
            None => mark(&dir)?,
        };
        Ok(Self { dir, secret })
    }

    /// Opens a regular file of the user's own that nobody else can change or read.
    pub fn file(&self, name: &str) -> io::Result<File> {
        // A named pipe would wait for somebody to write to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.dir, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if metadata.is_file() && is_private(&metadata) { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// The seal of an open file of this name, if it is one of ours; nothing is said of its content yet.
    pub fn seal(&self, name: &str, file: &File) -> Option<Seal> {
        let len = file.metadata().ok()?.len();
        let mut end = [0; Seal::SIZE];
        file.read_exact_at(&mut end, len.checked_sub(Seal::SIZE as u64)?).ok()?;
        Seal::decode(name, &self.secret, &end, len)
    }

    /// The digest that the small file of this name holds.
    pub fn note(&self, name: &str) -> Option<Short> {
        let mut file = self.file(name).ok()?;
        let mut bytes = [0; size_of::<Short>() + Seal::SIZE];
        if file.metadata().ok()?.len() != bytes.len() as u64 {
            return None;
        }
        file.read_exact(&mut bytes).ok()?;
        super::sealed::open(name, &self.secret, &bytes)?.try_into().ok()
    }

    /// Writes a file, sealed; if `synced`, to outlast a loss of power. Others see it whole or not at all.
    pub fn write(&self, name: &str, content: &[u8], synced: bool) -> io::Result<()> {
        let seal = Seal::of(content).encode(name, &self.secret);
        if !may_write(content.len() + seal.len()) {
            return Err(Errno::FBIG.into());
        }
        let mut unique = [0; 8];
        random(&mut unique)?;
        let unfinished = format!("{name}.{:x}.{UNFINISHED}", u64::from_le_bytes(unique));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&self.dir, &unfinished, flags, Mode::RUSR).map_err(io::Error::from);
        let written = written.map(File::from).and_then(|mut file| {
            file.write_all(content)?;
            file.write_all(&seal)?;
            if synced { file.sync_data() } else { Ok(()) }
        });
        let kept = written.and_then(|()| Ok(rustix::fs::renameat(&self.dir, &unfinished, &self.dir, name)?));
        if kept.is_err() {
            let _ = self.remove(&unfinished);
        }
        kept
    }

    /// Removes the file of this name; a link of this name itself, a folder not at all.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    /// The names of what is in it.
    pub fn names(&self) -> io::Result<impl Iterator<Item = String>> {
        let entries = Dir::read_from(&self.dir)?.map_while(Result::ok);
        let files = entries.filter(|entry| matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown));
        Ok(files.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned)))
    }

    /// True if a name in it may end like this.
    pub fn has_name(&self, end: &str) -> bool {
        self.names().is_ok_and(|names| names.enumerate().any(|(index, name)| name.ends_with(end) || index == LOOKED_AT))
    }
}

/// True if a file may have so many bytes: the system ends a process that writes more.
pub fn may_write(len: usize) -> bool {
    getrlimit(Resource::Fsize).current.is_none_or(|most| len as u64 <= most)
}

/// Opens a folder of the user's own that nobody else can look into.
fn open_private(path: &Path) -> Result<OwnedFd, Unfit> {
    // Written without a slash at its end, which would follow a link.
    let path: std::path::PathBuf = path.components().collect();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| match rustix::fs::lstat(&path) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Unfit::Link,
        _ => Unfit::Unusable(errno.into()),
    })?;
    let dir = File::from(dir);
    let metadata = dir.metadata().map_err(Unfit::Unusable)?;
    if is_private(&metadata) { Ok(dir.into()) } else { Err(Unfit::Shared) }
}

fn is_private(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o077 == 0
}

fn secret_of(dir: &OwnedFd) -> Result<Option<Secret>, Unfit> {
    // One byte more than it has, to see that it has no more.
    let mut bytes = [0; 33];
    match rustix::fs::fgetxattr(dir, ATTRIBUTE, &mut bytes) {
        Ok(32) => Ok(bytes.first_chunk().map(|secret| Secret(*secret))),
        Ok(_) | Err(Errno::RANGE) => Err(Unfit::Unusable(io::ErrorKind::InvalidData.into())),
        Err(NO_ATTRIBUTE) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(target_os = "linux")]
const NO_ATTRIBUTE: Errno = Errno::NODATA;
#[cfg(not(target_os = "linux"))]
const NO_ATTRIBUTE: Errno = Errno::NOATTR;

/// Gives a folder a secret, or finds the one that somebody else has just given it.
fn mark(dir: &OwnedFd) -> Result<Secret, Unfit> {
    let mut secret = [0; 32];
    random(&mut secret).map_err(Unfit::Unusable)?;
    match rustix::fs::fsetxattr(dir, ATTRIBUTE, &secret, XattrFlags::CREATE) {
        Ok(()) | Err(Errno::EXIST) => secret_of(dir)?.ok_or(Unfit::Unmarked),
        Err(errno) => Err(errno.into()),
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    Random::default().fill(bytes).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// Looks at each piece of what there is to read.
pub fn each_piece(from: &mut impl Read, mut look: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => look(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Goes back to the beginning.
pub fn rewind(mut file: &File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0)).map(drop)
}

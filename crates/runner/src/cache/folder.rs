//! The open folder of the cache, and the secret by which the cache recognizes its own files.
//!
//! A guest with write access to the folder, or to one above it, can change the files by any call of WASI.
//! WASI has no call for extended attributes, so the folder has a secret in one, and every file is sealed with
//! this secret ([`super::sealed`]). A folder that a guest put in the place of this one has no secret and gets
//! a new one: no file in it is accepted.

use super::sealed::{Seal, Secret, ShaDigest};
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

/// The number of names that `has_name` reads. For a folder with more names it returns true.
const MAX_NAMES: usize = 1 << 14;

/// The end of the name of a file that is being written.
pub const UNFINISHED: &str = "tmp";

/// A folder of this user's, opened, and its secret.
#[derive(Debug)]
pub struct Folder {
    dir: OwnedFd,
    secret: Secret,
}

/// The reason why a folder is not used.
#[derive(Debug)]
pub enum Unfit {
    /// It is another user's, or open to others.
    Shared,
    /// It is a symbolic link. A guest with write access to the folder around the link could make it lead
    /// elsewhere.
    Link,
    /// Its file system has no extended attributes, so the cache can't tell its own files from those of a
    /// guest.
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
    /// Opens the folder at this path, if the cache has used it before.
    pub fn open(path: &Path) -> Result<Self, Unfit> {
        let dir = open_private(path)?;
        let secret = secret_of(&dir)?.ok_or(Unfit::Unmarked)?;
        Ok(Self { dir, secret })
    }

    /// Opens the folder at this path. Makes it, and gives it a secret, if need be.
    pub fn make(path: &Path) -> Result<Self, Unfit> {
        // If it can't be made, opening it fails and gives the reason.
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

    /// The seal of an open file of this name, if its MAC is right. The content is not checked.
    pub fn seal(&self, name: &str, file: &File) -> Option<Seal> {
        let len = file.metadata().ok()?.len();
        let mut end = [0; Seal::SIZE];
        file.read_exact_at(&mut end, len.checked_sub(Seal::SIZE as u64)?).ok()?;
        Seal::decode(name, &self.secret, &end, len)
    }

    /// The digest in the record of this name.
    pub fn record(&self, name: &str) -> Option<ShaDigest> {
        let mut file = self.file(name).ok()?;
        let mut bytes = [0; size_of::<ShaDigest>() + Seal::SIZE];
        if file.metadata().ok()?.len() != bytes.len() as u64 {
            return None;
        }
        file.read_exact(&mut bytes).ok()?;
        super::sealed::open(name, &self.secret, &bytes)?.try_into().ok()
    }

    /// Writes a file with its seal, and renames it: others see the whole file or none. If `synced`, the file
    /// survives a loss of power.
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

    /// Removes the file of this name: of a link, the link itself. For a folder, this is an error.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    /// The names of the files in it.
    pub fn names(&self) -> io::Result<impl Iterator<Item = String>> {
        let entries = Dir::read_from(&self.dir)?.map_while(Result::ok);
        let files = entries.filter(|entry| matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown));
        Ok(files.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned)))
    }

    /// True if the folder has a name with this end, or more names than are read.
    pub fn has_name(&self, end: &str) -> bool {
        self.names().is_ok_and(|names| names.enumerate().any(|(index, name)| name.ends_with(end) || index == MAX_NAMES))
    }
}

/// True if this process may write a file of `len` bytes: the system ends a process that writes more.
pub fn may_write(len: usize) -> bool {
    getrlimit(Resource::Fsize).current.is_none_or(|most| len as u64 <= most)
}

/// Opens a folder of the user's own that nobody else can read.
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
    // One byte more than a secret, to notice a longer value.
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

/// Gives a folder a secret; if another process has just done so, returns that one.
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

/// Calls `act` with each piece that is read, up to the end.
pub fn each_piece(from: &mut impl Read, mut act: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => act(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Moves to the beginning of the file.
pub fn rewind(mut file: &File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0)).map(drop)
}

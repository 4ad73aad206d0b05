//! A copy of a file's content that nobody can change any more.

use super::folder::may_write;
#[cfg(target_os = "linux")]
use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};

/// Machine code to be taken over by wasmtime.
pub enum Code {
    /// To be mapped.
    File(File),
    /// To be copied.
    Bytes(Vec<u8>),
}

impl Code {
    /// The first `len` bytes of a file, which stands at its beginning; an error if there are fewer.
    pub fn copy(file: &File, len: u64) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(copy) = sealed_copy(file, len)? {
            return Ok(Self::File(copy));
        }
        let mut bytes = Vec::new();
        let mut rest = file.take(len);
        let size = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.try_reserve_exact(size)?;
        rest.read_to_end(&mut bytes)?;
        if bytes.len() == size { Ok(Self::Bytes(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The digest of its first `len` bytes.
    pub fn digest(&self, len: u64) -> io::Result<super::sealed::Short> {
        let mut sha = Sha256::new();
        match self {
            Self::Bytes(bytes) => sha.update(bytes),
            Self::File(file) => {
                super::folder::rewind(file)?;
                super::folder::each_piece(&mut file.take(len), |piece| sha.update(piece))?;
            }
        }
        Ok(sha.finalize().into())
    }
}

/// A copy in memory that has no name and is sealed: neither written to nor cut off by anybody, this process included.
/// Nothing where the system has no such files or none to spare.
#[cfg(target_os = "linux")]
fn sealed_copy(file: &File, len: u64) -> io::Result<Option<File>> {
    let Some(size) = usize::try_from(len).ok().filter(|size| may_write(*size)) else {
        return Ok(None);
    };
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Not a program to be started, where the kernel knows that (6.3).
    let made = rustix::fs::memfd_create("wasi-rs", flags | MemfdFlags::NOEXEC_SEAL);
    let Ok(copy) = made.or_else(|_| rustix::fs::memfd_create("wasi-rs", flags)) else {
        return Ok(None);
    };
    super::folder::rewind(file)?;
    let mut rest = size;
    while rest > 0 {
        match rustix::fs::sendfile(&copy, file, None, rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => rest = rest.saturating_sub(count),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    Ok(rustix::fs::fcntl_add_seals(&copy, seals).is_ok().then(|| copy.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};
    use std::os::unix::fs::FileExt;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_copy_stays_as_it_is() {
        let content: Vec<u8> = (0..300_000u32).map(|number| number.to_le_bytes()[0]).collect();
        let original = file(&content);
        let copy = Code::copy(&original, 299_999).unwrap();
        original.set_len(0).unwrap();
        assert_eq!(copy.digest(299_999).unwrap(), <[u8; 32]>::from(Sha256::digest(&content[..299_999])));
        #[cfg(target_os = "linux")]
        {
            let Code::File(copy) = copy else { panic!("there are sealed files on Linux") };
            assert_eq!(copy.metadata().unwrap().len(), 299_999);
            assert!(copy.write_at(b"x", 0).is_err());
            assert!(copy.set_len(0).is_err());
            assert!(copy.set_len(300_000).is_err());
            assert!(rustix::fs::fcntl_add_seals(&copy, SealFlags::SHRINK).is_err(), "no seal comes or goes");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error() {
        assert!(Code::copy(&file(b"content"), 8).is_err());
        assert!(Code::copy(&file(b""), 1).is_err());
        assert!(Code::copy(&file(b"content"), u64::MAX).is_err(), "more than there is memory");
        Code::copy(&file(b"content"), 7).unwrap();
    }
}

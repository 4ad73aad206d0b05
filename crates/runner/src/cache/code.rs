//! The content of a file of machine code, in a form that nobody can change.

use super::super::lease::Lease;
use super::folder::{each_piece, rewind};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};

/// Machine code for wasmtime.
pub enum Code {
    /// A file that is mapped under this lease.
    File(File, Lease),
    /// A copy in memory, as a file without a name that nobody can change.
    Copy(File),
    /// A copy in memory.
    Bytes(Vec<u8>),
}

impl Code {
    /// The first `len` bytes of a file; an error if there are fewer.
    pub fn read(file: &File, len: u64) -> io::Result<Self> {
        let size = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size)?;
        rewind(file)?;
        file.take(len).read_to_end(&mut bytes)?;
        if bytes.len() == size { Ok(Self::Bytes(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The same as a file in memory, which the kernel fills: without page faults, in a third of the time.
    #[cfg(target_os = "linux")]
    pub fn copy(file: &File, len: u64) -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        let mut copy = File::from(memfd_create("wasi-rs-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        if io::copy(&mut file.take(len), &mut copy)? != len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        fcntl_add_seals(&copy, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        Ok(Self::Copy(copy))
    }

    /// There are no such files here.
    #[cfg(not(target_os = "linux"))]
    pub fn copy(_: &File, _: u64) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The digest of its first `len` bytes.
    pub fn digest(&self, len: u64) -> io::Result<super::sealed::ShaDigest> {
        let mut sha = Sha256::new();
        match self {
            Self::Bytes(bytes) => sha.update(bytes),
            Self::File(file, _) | Self::Copy(file) => {
                rewind(file)?;
                each_piece(&mut file.take(len), |piece| sha.update(piece))?;
            }
        }
        Ok(sha.finalize().into())
    }
}

/// The bytes of a file that stands anywhere.
pub fn all_of(mut file: &File) -> io::Result<Vec<u8>> {
    rewind(file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn bytes_that_were_read_do_not_change_with_the_file() {
        let content: Vec<u8> = (0..300_000u32).map(|number| number.to_le_bytes()[0]).collect();
        let original = file(&content);
        let digest = <[u8; 32]>::from(Sha256::digest(&content[..299_999]));
        let copy = Code::read(&original, 299_999).unwrap();
        original.set_len(0).unwrap();
        assert_eq!(copy.digest(299_999).unwrap(), digest);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_copy_that_is_a_file_can_be_changed_by_nobody() {
        let original = file(b"content");
        let Code::Copy(copy) = Code::copy(&original, 6).unwrap() else { unreachable!() };
        original.set_len(0).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&copy));
        let mut again = File::options().read(true).write(true).open(path).unwrap();
        again.write_all(b"x").unwrap_err();
        again.set_len(0).unwrap_err();
        let digest = <[u8; 32]>::from(Sha256::digest(b"conten"));
        assert_eq!(all_of(&copy).unwrap(), b"conten");
        assert_eq!(Code::Copy(copy).digest(6).unwrap(), digest);
        assert!(Code::copy(&file(b"content"), 8).is_err(), "cut off");
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error() {
        assert!(Code::read(&file(b"content"), 8).is_err());
        assert!(Code::read(&file(b""), 1).is_err());
        assert!(Code::read(&file(b"content"), u64::MAX).is_err(), "more than there is memory");
        Code::read(&file(b"content"), 7).unwrap();
    }
}

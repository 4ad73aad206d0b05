//! The offset of an open file.

use super::file::SeekFrom;
use super::handle::File;
use super::os;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use std::cell::Cell;

/// The offset of an open file. The operating system has it, until somebody moves that of a regular file which
/// was opened for the guest: from then on it is kept here, for nobody else has a use for it, and to ask the
/// operating system would cost more than all the rest of the call.
#[derive(Debug, Default)]
pub struct Offset {
    is_own: bool,
    kept: Cell<Option<u64>>,
    has_moved: Cell<bool>,
}

/// The largest offset that every file system takes. For a larger one the operating system is asked.
const NEAR: u64 = i32::MAX as u64;

impl Offset {
    /// The offset of a file that was opened for the guest, so that nobody shares it.
    pub const fn own() -> Self {
        Self { is_own: true, kept: Cell::new(None), has_moved: Cell::new(false) }
    }

    /// The offset of a file that the operating system does not have open.
    pub const fn kept_here() -> Self {
        Self { is_own: true, kept: Cell::new(Some(0)), has_moved: Cell::new(false) }
    }

    /// Moves that of a file in memory of this size, and returns the new one.
    pub fn seek_in_memory(&self, size: u64, to: SeekFrom) -> Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.kept.get().unwrap_or(0).checked_add_signed(by),
            SeekFrom::End(by) => size.checked_add_signed(by),
            _ => None,
        };
        let offset = offset.filter(|offset| i64::try_from(*offset).is_ok()).ok_or(Errno::Inval)?;
        self.kept.set(Some(offset));
        Ok(offset)
    }

    /// Sets that of a file in memory.
    pub fn set(&self, offset: u64) {
        self.kept.set(Some(offset));
    }

    /// Moves it, and returns the new one.
    pub fn seek(&self, file: &File, to: SeekFrom) -> Result<u64> {
        let Some(before) = self.kept.get() else {
            return self.seek_in_system(file, to);
        };
        let to = match to {
            SeekFrom::Current(by) => SeekFrom::Start(before.checked_add_signed(by).ok_or(Errno::Inval)?),
            other => other,
        };
        match to {
            SeekFrom::Start(offset) if offset <= NEAR.max(before) => {
                self.kept.set(Some(offset));
                Ok(offset)
            }
            _ => self.seek_in_system(file, to),
        }
    }

    fn seek_in_system(&self, file: &File, to: SeekFrom) -> Result<u64> {
        let offset = file.seek(to)?;
        if os::file::TRANSFERS_ANYWHERE && self.is_own && file.filetype()? == Filetype::RegularFile {
            self.kept.set(Some(offset));
        }
        Ok(offset)
    }

    /// The offset of the next transfer, if it is kept here; the operating system has it otherwise.
    #[inline]
    pub const fn kept(&self) -> Option<u64> {
        self.kept.get()
    }

    /// True for a file that was opened for the guest, of which nothing has been transferred yet.
    pub const fn is_fresh(&self) -> bool {
        self.is_own && !self.has_moved.get()
    }

    /// Moves it past transferred bytes.
    #[inline]
    pub fn pass(&self, bytes: u32) {
        self.has_moved.set(self.has_moved.get() | (bytes > 0));
        if let Some(offset) = self.kept.get() {
            self.kept.set(Some(offset + u64::from(bytes)));
        }
    }

    /// Bytes that can be read from here without waiting, as far as the operating system tells.
    pub fn available(&self, file: &File) -> u64 {
        if !matches!(file.filetype(), Ok(Filetype::RegularFile)) {
            return file.available();
        }
        match (file.stat(), self.seek(file, SeekFrom::Current(0))) {
            (Ok(stat), Ok(offset)) => stat.size.saturating_sub(offset),
            _ => 0,
        }
    }

    /// Leaves it to the operating system, for a call that goes by it.
    pub fn release(&self, file: &File) -> Result {
        if let Some(offset) = self.kept.get() {
            file.seek(SeekFrom::Start(offset))?;
            self.kept.set(None);
        }
        Ok(())
    }
}

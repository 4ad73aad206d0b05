use super::file::{filetype_of, kept_filetype};
use super::system;
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Filetype;
use crate::host::handle::File;
use std::mem::offset_of;
use windows_sys::Win32::Storage::FileSystem::FILE_ID_BOTH_DIR_INFO as Record;

/// Bytes of entries that one call gives.
const BATCH_BYTES: usize = 32 * 1024;

pub fn for_each_entry(dir: &File, mut each: impl FnMut(&[u8], u64, Filetype)) -> Result {
    if kept_filetype(dir)? != Filetype::Directory {
        return Err(Errno::Notdir);
    }
    let mut buffer = vec![0_u64; BATCH_BYTES / 8];
    let mut restart = true;
    while let Some(records) = system::list(dir.handle(), restart, &mut buffer)? {
        restart = false;
        for_each_record(records, &mut each).ok_or(Errno::Io)?;
    }
    Ok(())
}

/// Reads records, each of which tells where the next one begins; `None` if one is cut short.
fn for_each_record(mut records: &[u8], each: &mut impl FnMut(&[u8], u64, Filetype)) -> Option<()> {
    loop {
        let next = number(records, offset_of!(Record, NextEntryOffset))? as usize;
        let attributes = number(records, offset_of!(Record, FileAttributes))?;
        // Of a link this field tells the kind.
        let reparse_tag = number(records, offset_of!(Record, EaSize))?;
        let id = offset_of!(Record, FileId);
        let ino = u64::from(number(records, id + 4)?) << 32 | u64::from(number(records, id)?);
        let name = offset_of!(Record, FileName);
        let name = records.get(name..)?.get(..number(records, offset_of!(Record, FileNameLength))? as usize)?;
        let wide: Vec<u16> =
            name.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(u16::from_ne_bytes).collect();
        // A file whose name is not Unicode can't be opened by it; at least it is seen.
        each(String::from_utf16_lossy(&wide).as_bytes(), ino, filetype_of(attributes, reparse_tag));
        if next == 0 {
            return Some(());
        }
        records = records.get(next..)?;
    }
}

fn number(record: &[u8], at: usize) -> Option<u32> {
    record.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

//! Listings of systems whose directories have no lasting places to go on from: see
//! [`readdir`](super::readdir).

use super::handle::File;
use super::os::readdir::for_each_entry;
use super::rows::Rows;
use crate::abi::errno::Result;

/// Reads the whole directory and leaves out the first `start` entries; nothing more if it has been read.
pub fn read(dir: &File, start: Option<u64>, _scratch: &mut Vec<u8>, rows: &mut Rows) -> Result {
    let Some(start) = start else { return Ok(()) };
    let mut result = Ok(());
    for_each_entry(dir, |name, ino, filetype| {
        if result.is_ok() {
            result = rows.push(rows.len() as u64 + 1, ino, filetype, name);
        }
    })?;
    rows.skip(usize::try_from(start).unwrap_or(usize::MAX));
    result
}

//! Eviction of the files that were not used for the longest time.

use super::folder::{Folder, UNFINISHED};
use super::names::{CHECKED_EXTENSION, DIGEST_EXTENSION, EXTENSION, record_of};
use std::io;
use std::time::Duration;

/// The age at which a record about a file is removed.
const MAX_RECORD_AGE: Duration = Duration::from_secs(90 * 24 * 3600);

/// The age at which a file that is still being written counts as abandoned.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The number of hexadecimal digits before the first dot in the name of each file of the cache.
const DIGITS: usize = 64;

/// Removes machine code until the rest fits into `size` bytes, but never `keep`, the file that was just
/// written. Removes old records and abandoned files as well.
pub fn make_room(folder: &Folder, size: u64, keep: &str) -> io::Result<()> {
    let mut files = Vec::new();
    for name in folder.names()?.filter(|name| is_ours(name)) {
        // Another process has just removed it, or it is no file of the cache.
        let Ok(file) = folder.file(&name) else { continue };
        let metadata = file.metadata()?;
        let used = metadata.modified()?;
        let is_older = |than| used.elapsed().is_ok_and(|age| age > than);
        match name.rsplit('.').next() {
            // A file without a valid seal (written by a guest, or by a version with another format) has no
            // time, and is removed first.
            Some(EXTENSION) => files.push((folder.seal(&name, &file).map(|_| used), metadata.len(), name)),
            Some(UNFINISHED | "lock") if is_older(ABANDONED) => drop(folder.remove(&name)),
            Some(DIGEST_EXTENSION | CHECKED_EXTENSION) if is_older(MAX_RECORD_AGE) => drop(folder.remove(&name)),
            _ => {}
        }
    }
    let mut total = files.iter().fold(0, |total: u64, (_, len, _)| total.saturating_add(*len));
    files.sort();
    for (_, len, name) in files {
        if total <= size {
            break;
        }
        if name != keep && folder.remove(&name).is_ok() {
            let _ = folder.remove(&record_of(&name));
            total = total.saturating_sub(len);
        }
    }
    Ok(())
}

/// True for the name of a file of the cache. A folder that the embedder chose may hold other files.
fn is_ours(name: &str) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.as_bytes()
        .split_at_checked(DIGITS)
        .is_some_and(|(digits, rest)| digits.iter().all(is_digit) && rest.first() == Some(&b'.'))
}

//! Eviction: the files that were not used for longest make room for new ones.

use super::folder::{Folder, UNFINISHED};
use super::names::{CHECKED_EXTENSION, DIGEST_EXTENSION, EXTENSION, note_of};
use std::io;
use std::time::Duration;

/// How long notes of what was found of a file are kept.
const NOTED: Duration = Duration::from_secs(90 * 24 * 3600);

/// How old a file that is being written may become before it is thought to be given up.
const ABANDONED: Duration = Duration::from_secs(3600);

/// How many hexadecimal digits, and then a dot, the name of each of our files begins with.
const DIGITS: usize = 64;

/// Removes machine code until the rest fits into so many bytes; never `keep`, which was just written; and
/// what is left over.
pub fn make_room(folder: &Folder, size: u64, keep: &str) -> io::Result<()> {
    let mut files = Vec::new();
    for name in folder.names()?.filter(|name| is_ours(name)) {
        // Somebody has just removed it, or it is none of ours.
        let Ok(file) = folder.file(&name) else { continue };
        let metadata = file.metadata()?;
        let used = metadata.modified()?;
        let is_older = |than| used.elapsed().is_ok_and(|age| age > than);
        match name.rsplit('.').next() {
            // A file that a guest wrote, or a version with another format, goes before all others, whatever
            // its times say.
            Some(EXTENSION) => files.push((folder.seal(&name, &file).map(|_| used), metadata.len(), name)),
            Some(UNFINISHED | "lock") if is_older(ABANDONED) => drop(folder.remove(&name)),
            Some(DIGEST_EXTENSION | CHECKED_EXTENSION) if is_older(NOTED) => drop(folder.remove(&name)),
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
            let _ = folder.remove(&note_of(&name));
            total = total.saturating_sub(len);
        }
    }
    Ok(())
}

/// True if a file in the folder is named as only ours are: a folder of somebody's choice may hold others.
fn is_ours(name: &str) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.as_bytes()
        .split_at_checked(DIGITS)
        .is_some_and(|(digits, rest)| digits.iter().all(is_digit) && rest.first() == Some(&b'.'))
}

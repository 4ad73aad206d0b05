//! The names of a guest that may reach Windows.
//!
//! The path functions of Windows give names a meaning beyond what is in a directory: devices that exist in
//! every one of them (`NUL`, `COM1.txt`), streams of a file (`file:stream`), another separator, characters at
//! the end that are dropped so that two names mean one file. None of it is for guests: such a name is EINVAL,
//! wherever it stands in a path.

use crate::abi::errno::{Errno, Result};
use std::path::Path;

/// Characters that no name may hold: separators, and those that the file systems of Windows don't take.
const REFUSED: &[char] = &['\\', ':', '*', '?', '"', '<', '>', '|'];

/// Devices that are there in every directory, whatever the case and the extension.
const DEVICES: &[&str] = &["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];

/// A guest's path as Windows gets it. EILSEQ if it is not Unicode.
pub fn os_path(path: &[u8]) -> Result<&Path> {
    let path = str::from_utf8(path).map_err(|_| Errno::Ilseq)?;
    if path.split('/').all(is_allowed) { Ok(Path::new(path)) } else { Err(Errno::Inval) }
}

fn is_allowed(name: &str) -> bool {
    if matches!(name, "" | "." | "..") {
        return true;
    }
    let is_plain = !name.contains(|c: char| c.is_control() || REFUSED.contains(&c)) && !name.ends_with(['.', ' ']);
    is_plain && !is_device(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    // A digit, also a raised one, makes a port.
    let is_port = |kind| {
        let number = stem
            .strip_prefix(kind)
            .and_then(|number: &str| number.chars().next().filter(|_| number.chars().count() == 1));
        number.is_some_and(|number| number.is_ascii_digit() || matches!(number, '¹' | '²' | '³'))
    };
    DEVICES.contains(&stem.as_str()) || is_port("COM") || is_port("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken() {
        for path in
            ["a", "a/b.c", ".", "..", "../x", "/", "a//b/", ".hidden", "NULL", "COM", "COM10", "com.txt", "žluť", "a b"]
        {
            assert_eq!(os_path(path.as_bytes()), Ok(Path::new(path)));
        }
    }

    #[test]
    fn names_that_mean_more_to_windows_are_refused() {
        for name in [
            "a\\b",
            "..\\x",
            "C:",
            "file:stream",
            "file::$DATA",
            "a*",
            "a?",
            "\"",
            "<",
            ">",
            "|",
            "a\n",
            "a.",
            "a ",
            "...",
            ". ",
            "nul",
            "NUL.txt",
            "Con",
            "aux .c",
            "COM1",
            "com9.tar.gz",
            "LPT0",
            "COM¹",
            "lpt³.x",
            "CONIN$",
            "conout$",
        ] {
            for path in [name.to_owned(), format!("dir/{name}"), format!("{name}/file")] {
                assert_eq!(os_path(path.as_bytes()), Err(Errno::Inval), "{path:?}");
            }
        }
        assert_eq!(os_path(b"a\xff"), Err(Errno::Ilseq));
    }
}

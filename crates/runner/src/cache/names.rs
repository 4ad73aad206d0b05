//! Names of the files in the folder.

/// The end of the name of machine code.
pub const EXTENSION: &str = "cwasm";

/// The end of the name of a file that holds the digest of another file's bytes.
pub const DIGEST_EXTENSION: &str = "digest";

/// The end of the name of a file that tells which file of machine code was found to be whole.
pub const CHECKED_EXTENSION: &str = "checked";

/// The name of the note that the machine code of this name is whole.
pub fn note_of(name: &str) -> String {
    format!("{name}.{CHECKED_EXTENSION}")
}

//! Names of the files in the folder.

/// The end of the name of machine code.
pub const EXTENSION: &str = "cwasm";

/// The end of the name of the record with the digest of a program's bytes.
pub const DIGEST_EXTENSION: &str = "digest";

/// The end of the name of the record that a file of machine code has been checked.
pub const CHECKED_EXTENSION: &str = "checked";

/// The name of the record that the machine code of this name has been checked.
pub fn record_of(name: &str) -> String {
    format!("{name}.{CHECKED_EXTENSION}")
}

//! The resource `fields`: names and values of HTTP.

use super::budget::Charge;
use crate::wasi::View;
use crate::wasi::generated::http::types::{self, HeaderError};
use wasmtime::Result;
use wasmtime::component::Resource;

/// Names, in small letters, and values, in their order.
pub type Entries = Vec<(String, Vec<u8>)>;

/// Fields that the embedder sets.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The bytes that an entry takes beside its name and value.
const ENTRY: usize = 64;

/// The resource `fields`.
#[derive(Debug)]
pub struct Fields {
    entries: Entries,
    /// True for those of a message.
    is_immutable: bool,
    charge: Charge,
}

/// The bytes that entries take.
pub fn size_of_entries(entries: &Entries) -> usize {
    entries.iter().map(size_of_entry).fold(0, usize::saturating_add)
}

fn size_of_entry((name, value): &(String, Vec<u8>)) -> usize {
    name.len().saturating_add(value.len()).saturating_add(ENTRY)
}

/// The entries of a list of names and values in turn; none if one is no text.
pub fn entries_of(parts: &[impl AsRef<[u8]>]) -> Option<Entries> {
    let (pairs, rest) = parts.as_chunks::<2>();
    let entries = pairs.iter().map(|[name, value]| {
        let name = std::str::from_utf8(name.as_ref()).ok()?.to_ascii_lowercase();
        Some((name, value.as_ref().to_vec()))
    });
    rest.is_empty().then(|| entries.collect()).flatten()
}

/// Entries as a list of names and values in turn.
pub fn parts_of(entries: &Entries) -> impl Iterator<Item = &[u8]> {
    entries.iter().flat_map(|(name, value)| [name.as_bytes(), value])
}

/// The field that declares the length of a body.
const CONTENT_LENGTH: &str = "content-length";

/// The length of the body that entries declare. An error if they declare two, which others would take for
/// different ones.
pub fn content_length(entries: &Entries) -> std::result::Result<Option<u64>, ()> {
    let mut declared = entries.iter().filter(|(name, _)| name == CONTENT_LENGTH);
    let Some((_, value)) = declared.next() else { return Ok(None) };
    match (length_of(value), declared.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(()),
    }
}

/// A length, of digits and nothing else.
fn length_of(value: &[u8]) -> Option<u64> {
    let is_number = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// A name in small letters, if it is one and may be set.
fn name_to_set(name: &str) -> std::result::Result<String, HeaderError> {
    if !is_token(name) {
        return Err(HeaderError::InvalidSyntax);
    }
    let name = name.to_ascii_lowercase();
    if FORBIDDEN.contains(&name.as_str()) { Err(HeaderError::Forbidden) } else { Ok(name) }
}

/// True for a token of RFC 9110.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Refuses a value of this name, which may be set.
fn check_value(name: &str, value: &[u8]) -> std::result::Result<(), HeaderError> {
    let may = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let is_length = name != CONTENT_LENGTH || length_of(value).is_some();
    if value.iter().all(may) && is_length { Ok(()) } else { Err(HeaderError::InvalidSyntax) }
}

/// A result of which the outer error ends the guest.
type Changed = Result<std::result::Result<(), HeaderError>>;

impl View<'_> {
    /// Puts fields in the table.
    pub fn push_fields(&mut self, entries: Entries, is_immutable: bool) -> Result<Resource<Fields>> {
        let charge = self.wasi.budget.charge(size_of_entries(&entries))?;
        Ok(self.wasi.table.push(Fields { entries, is_immutable, charge })?)
    }

    /// Takes the entries of fields.
    pub fn take_fields(&mut self, fields: Resource<Fields>) -> Result<Entries> {
        Ok(self.wasi.table.delete(fields)?.entries)
    }

    fn fields(&mut self, fields: &Resource<Fields>) -> Result<&mut Fields> {
        Ok(self.wasi.table.get_mut(fields)?)
    }

    /// Replaces the entries of a name by these, or adds to them.
    fn change(&mut self, fields: &Resource<Fields>, name: &str, values: Vec<Vec<u8>>, adds: bool) -> Changed {
        let fields = self.fields(fields)?;
        if fields.is_immutable {
            return Ok(Err(HeaderError::Immutable));
        }
        let name = match name_to_set(name) {
            Ok(name) => name,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(error) = values.iter().find_map(|value| check_value(&name, value).err()) {
            return Ok(Err(error));
        }
        if !adds {
            fields.entries.retain(|(known, _)| *known != name);
        }
        fields.entries.extend(values.into_iter().map(|value| (name.clone(), value)));
        fields.charge.resize(size_of_entries(&fields.entries))?;
        Ok(Ok(()))
    }
}

impl types::HostFields for View<'_> {
    fn new(&mut self) -> Result<Resource<Fields>> {
        self.push_fields(Vec::new(), false)
    }

    fn from_list(&mut self, list: Entries) -> Result<std::result::Result<Resource<Fields>, HeaderError>> {
        let mut entries = Vec::with_capacity(list.len());
        for (name, value) in list {
            match name_to_set(&name).and_then(|name| check_value(&name, &value).map(|()| name)) {
                Ok(name) => entries.push((name, value)),
                Err(error) => return Ok(Err(error)),
            }
        }
        self.push_fields(entries, false).map(Ok)
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> Result<Vec<Vec<u8>>> {
        let name = name.to_ascii_lowercase();
        let entries = &self.fields(&fields)?.entries;
        Ok(entries.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> Result<bool> {
        let name = name.to_ascii_lowercase();
        Ok(self.fields(&fields)?.entries.iter().any(|(known, _)| *known == name))
    }

    fn set(&mut self, fields: Resource<Fields>, name: String, values: Vec<Vec<u8>>) -> Changed {
        self.change(&fields, &name, values, false)
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> Changed {
        self.change(&fields, &name, Vec::new(), false)
    }

    fn append(&mut self, fields: Resource<Fields>, name: String, value: Vec<u8>) -> Changed {
        self.change(&fields, &name, vec![value], true)
    }

    fn entries(&mut self, fields: Resource<Fields>) -> Result<Entries> {
        Ok(self.fields(&fields)?.entries.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> Result<Resource<Fields>> {
        let entries = self.fields(&fields)?.entries.clone();
        self.push_fields(entries, false)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> Result<()> {
        self.wasi.table.delete(fields)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_that_the_embedder_does_not_set() {
        assert_eq!(name_to_set("X-Name").unwrap(), "x-name");
        assert!(matches!(name_to_set("Host"), Err(HeaderError::Forbidden)));
        for name in ["", "a b", "a:", "ä", "a\n"] {
            assert!(matches!(name_to_set(name), Err(HeaderError::InvalidSyntax)), "{name:?}");
        }
    }

    #[test]
    fn values_have_no_control_characters() {
        check_value("name", b"a\tb \xff").unwrap();
        for value in [b"\r\n".as_slice(), b"\0", b"\x7f"] {
            assert!(check_value("name", value).is_err());
        }
        check_value("content-length", b"10").unwrap();
        for value in [b"4_096".as_slice(), b"5, 5", b"5a", b"-0", b"", b" 5", b"99999999999999999999"] {
            assert!(check_value("content-length", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn entries_come_in_pairs() {
        assert_eq!(entries_of(&[b"A", b"1"]).unwrap(), [("a".to_owned(), b"1".to_vec())]);
        assert!(entries_of(&[b"a"]).is_none() && entries_of(&[b"\xff", b"1"]).is_none());
        let length = |parts: &[&[u8]]| content_length(&entries_of(parts).unwrap());
        assert_eq!(length(&[b"content-length", b"12"]), Ok(Some(12)));
        assert_eq!(length(&[b"content-length", b"12", b"Content-Length", b"12"]), Err(()));
        assert_eq!(length(&[b"length", b"12"]), Ok(None));
    }
}

//! Messages as frames: a byte for the kind, four for the length (little-endian), the content. `lib/http.js`
//! has the other end.
//!
//! A message is `Head`, any number of `Data`, and `End` or `Trailers`; or `Failed`, after any of these.

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The parts of a message before its body: see [`parts`].
    Head = 1,
    /// Bytes of a body.
    Data = 2,
    /// The end of a message with fields: names and values in turn.
    Trailers = 3,
    /// The end of a message.
    End = 4,
    /// The name of an error code, and its text if it has one: the message is not complete.
    Failed = 5,
}

/// The bytes of a frame before its content.
pub const HEADER: usize = 5;

impl Kind {
    /// The kind with this number.
    pub fn of(number: u8) -> Option<Self> {
        [Self::Head, Self::Data, Self::Trailers, Self::End, Self::Failed].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The header of a frame with a content of so many bytes.
pub fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Adds a frame to bytes.
pub fn push(bytes: &mut Vec<u8>, kind: Kind, content: &[u8]) {
    bytes.extend(header(kind, content.len()));
    bytes.extend(content);
}

/// A list of byte strings as one content, each after its length.
pub fn joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut content = Vec::new();
    for part in parts {
        content.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        content.extend(part);
    }
    content
}

/// The byte strings of a content; none if it is cut off.
pub fn parts(mut content: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !content.is_empty() {
        let (length, rest) = content.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        all.push(part);
        content = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_that_were_joined() {
        let all: [&[u8]; 4] = [b"GET", b"", b"/\xff", b"name"];
        assert_eq!(parts(&joined(all)).unwrap(), all);
        assert_eq!(parts(b"").unwrap(), Vec::<&[u8]>::new());
        assert!(parts(b"\x02\0\0\0x").is_none() && parts(b"\0\0").is_none());
    }

    #[test]
    fn a_frame_has_its_kind_and_length() {
        let mut bytes = Vec::new();
        push(&mut bytes, Kind::Failed, b"abc");
        assert_eq!(bytes, b"\x05\x03\0\0\0abc");
        assert_eq!((Kind::of(1), Kind::of(5), Kind::of(0)), (Some(Kind::Head), Some(Kind::Failed), None));
    }
}

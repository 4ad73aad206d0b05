//! The format of a file in the folder: its content, then its seal, which only the holder of the secret can
//! make.
//!
//! The seal is the content's digest and a MAC of the file's name, the content's length and that digest. The
//! MAC covers few bytes, so a file of another length, name or secret is refused before its content is read.

use sha2::{Digest as _, Sha256};

/// A digest of SHA-256, or a MAC made with it.
pub type ShaDigest = [u8; 32];

/// The key of the MAC.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The end of a file: digest of its content, MAC, magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The number of bytes of content before it.
    pub len: u64,
    /// Their digest.
    pub digest: ShaDigest,
}

/// The name and version of the format.
const MAGIC: [u8; 8] = *b"wasi-rs\x02";

impl Seal {
    /// The number of its bytes.
    pub const SIZE: usize = size_of::<ShaDigest>() * 2 + MAGIC.len();

    /// The seal of this content.
    pub fn of(content: &[u8]) -> Self {
        Self { len: content.len() as u64, digest: Sha256::digest(content).into() }
    }

    /// Its bytes, in the file of this name.
    pub fn encode(&self, name: &str, secret: &Secret) -> Vec<u8> {
        [&self.digest[..], &self.mac(name, secret), &MAGIC].concat()
    }

    /// The seal at the end of a file of `file_len` bytes; none if it was made for another name, length or
    /// secret.
    pub fn decode(name: &str, secret: &Secret, end: &[u8], file_len: u64) -> Option<Self> {
        let (digest, end) = end.split_first_chunk::<32>()?;
        let (mac, magic) = end.split_first_chunk::<32>()?;
        let seal = Self { len: file_len.checked_sub(Self::SIZE as u64)?, digest: *digest };
        (magic == MAGIC && is_equal(mac, &seal.mac(name, secret))).then_some(seal)
    }

    fn mac(&self, name: &str, secret: &Secret) -> ShaDigest {
        // The parts of a fixed length come before the name, so that no two inputs have the same bytes.
        hmac(&secret.0, &[&MAGIC, &self.len.to_le_bytes(), &self.digest, name.as_bytes()])
    }
}

/// HMAC-SHA256 (RFC 2104) of these parts, one behind the other, with a key of at most a block.
///
/// (The crate `hmac` would turn on another feature of `digest`, for all of wasmtime.)
fn hmac(key: &[u8], message: &[&[u8]]) -> ShaDigest {
    let hash = |pad: u8, parts: &[&[u8]]| -> ShaDigest {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        parts.iter().fold(Sha256::new_with_prefix(block), |sha, part| sha.chain_update(part)).finalize().into()
    };
    hash(0x5c, &[&hash(0x36, message)])
}

/// True for equal digests. The time of the comparison does not depend on where they differ.
fn is_equal(left: &ShaDigest, right: &ShaDigest) -> bool {
    std::hint::black_box(left.iter().zip(right).fold(0, |differences, (left, right)| differences | (left ^ right))) == 0
}

/// The content of a file of this name, if its seal is valid.
pub fn open<'a>(name: &str, secret: &Secret, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (content, end) = bytes.split_at_checked(bytes.len().checked_sub(Seal::SIZE)?)?;
    let seal = Seal::decode(name, secret, end, bytes.len() as u64)?;
    (seal == Seal::of(content)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = Secret([7; 32]);

    fn sealed(name: &str, content: &[u8]) -> Vec<u8> {
        [content, &Seal::of(content).encode(name, &SECRET)].concat()
    }

    #[test]
    fn sealed_content_is_opened_by_its_own_name_and_secret_only() {
        for content in [&b""[..], b"content", &[0; 5000]] {
            let bytes = sealed("name", content);
            assert_eq!(open("name", &SECRET, &bytes), Some(content));
            assert_eq!(open("nam", &SECRET, &bytes), None);
            assert_eq!(open("names", &SECRET, &bytes), None);
            assert_eq!(open("name", &Secret([8; 32]), &bytes), None);
        }
    }

    #[test]
    fn sealed_content_with_any_change_is_not_opened() {
        let bytes = sealed("name", b"content");
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                assert_eq!(open("name", &SECRET, &changed), None, "bit {bit} of byte {index}");
            }
            assert_eq!(open("name", &SECRET, &bytes[..index]), None, "{index} bytes");
            assert_eq!(open("name", &SECRET, &bytes[index + 1..]), None, "without {index} bytes");
            let longer = [&bytes[..index], &[0], &bytes[index..]].concat();
            assert_eq!(open("name", &SECRET, &longer), None, "one more at {index}");
        }
        assert_eq!(open("name", &SECRET, &[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn the_mac_is_hmac_sha256() {
        let hex = |bytes: ShaDigest| bytes.map(|byte| format!("{byte:02x}")).concat();
        // Test cases 1 and 2 of RFC 4231.
        let found = hmac(&[0x0b; 20], &[b"Hi ", b"There"]);
        assert_eq!(hex(found), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let found = hmac(b"Jefe", &[b"what do ya want for nothing?"]);
        assert_eq!(hex(found), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}

//! Names of hosts.

/// The most bytes of a name, and of a label of it.
const MOST: (usize, usize) = (253, 63);

/// The name of a host: letters of ASCII, digits, hyphens and underscores, between dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it was given.
    given: Box<str>,
    /// In small letters, and without a dot at its end: names that are the same in this are the same.
    folded: Box<str>,
}

impl Name {
    /// A name; none if it is not one. A name that ends in a number is an address in one of the ways that
    /// resolvers read (`127.1`, `0x7f000001`), and is none either.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !label.is_empty() && label.len() <= MOST.1 && label.bytes().all(is_letter)
        };
        let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let digits = last.strip_prefix("0x").unwrap_or(&last);
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit())
            || (digits != last && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_name = name.len() <= MOST.0 && name.split('.').all(is_label) && !is_number;
        is_name.then(|| Self { given: text.into(), folded: name.to_ascii_lowercase().into() })
    }

    /// The name as it was given: with a dot at its end, nothing is added to it.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// True for the same name.
    pub fn is(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    /// True if it is below the other: of more labels, with the other at its end.
    pub fn is_below(&self, other: &Self) -> bool {
        self.folded.strip_suffix(&*other.folded).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_small_letters_and_without_the_last_dot() {
        let name = |text| Name::parse(text).unwrap();
        assert!(name("DB.Example.").is(&name("db.example")));
        assert!(!name("db.example").is(&name("db.example.com")));
        assert!(name("a.b.EXAMPLE.com.").is_below(&name("example.com")));
        for other in ["example.com", "badexample.com", "com", "example.com.evil"] {
            assert!(!name(other).is_below(&name("example.com")), "{other}");
        }
        assert_eq!(name("DB.").given(), "DB.");
    }

    #[test]
    fn texts_that_are_no_names_are_refused() {
        let long = "a".repeat(64);
        let all = ["a"; 128].join(".");
        for text in [
            "", ".", "..", "a..b", ".a", "a b", "a/b", "a:1", "a%eth0", "a\n", "ä", "[::1]", "127.1", "1", "0x7f",
            "0x", "a.1", "*", "*.a", &long, &all,
        ] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
        for text in ["a", "a.", "1a", "xn--bcher-kva.example", "_srv._tcp.a", "0xyz", &all[..253]] {
            assert!(Name::parse(text).is_some(), "{text:?}");
        }
    }
}

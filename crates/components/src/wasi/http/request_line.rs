//! The first line of a request: its method, and the parts of its URL.

use super::fields::is_token;
use crate::wasi::generated::http::types::{Method, Scheme};

/// The methods that have names of their own.
const METHODS: [(&str, Method); 9] = [
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("DELETE", Method::Delete),
    ("CONNECT", Method::Connect),
    ("OPTIONS", Method::Options),
    ("TRACE", Method::Trace),
    ("PATCH", Method::Patch),
];

/// The schemes that have names of their own.
const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

/// A result without a reason.
type Set = Result<(), ()>;

/// The method of a request, and the parts of its URL.
#[derive(Debug)]
pub struct RequestLine {
    /// The method.
    pub method: Method,
    /// The scheme of the URL.
    pub scheme: Option<Scheme>,
    /// The host of the URL, and its port.
    pub authority: Option<String>,
    /// The path of the URL, with its query.
    pub path: Option<String>,
}

impl RequestLine {
    /// The beginning of a request that a guest makes.
    pub const fn new() -> Self {
        Self { method: Method::Get, scheme: None, authority: None, path: None }
    }

    /// The one of a request that the embedder sends. An empty part is none.
    pub fn of([method, scheme, authority, path]: [&[u8]; 4]) -> Self {
        let text = |part: &[u8]| Some(String::from_utf8_lossy(part).into_owned()).filter(|text| !text.is_empty());
        Self {
            method: known(&METHODS, text(method).unwrap_or_default(), Method::Other),
            scheme: text(scheme).map(|name| known(&SCHEMES, name, Scheme::Other)),
            authority: text(authority),
            path: text(path),
        }
    }

    /// The parts as the embedder gets them.
    pub fn parts(&self) -> [&str; 4] {
        let scheme = self.scheme.as_ref().unwrap_or(&Scheme::Https);
        let authority = self.authority.as_deref().unwrap_or_default();
        [name_of_method(&self.method), name_of_scheme(scheme), authority, self.path.as_deref().unwrap_or("/")]
    }

    /// The bytes of the parts.
    pub fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).fold(0, usize::saturating_add)
    }

    /// Sets the method. An error for what is none.
    pub fn set_method(&mut self, method: Method) -> Set {
        let method = match method {
            Method::Other(name) => known(&METHODS, name, Method::Other),
            method => method,
        };
        is_token(name_of_method(&method)).then(|| self.method = method).ok_or(())
    }

    /// Sets the scheme. An error for what is none.
    pub fn set_scheme(&mut self, scheme: Option<Scheme>) -> Set {
        let scheme = scheme.map(|scheme| match scheme {
            Scheme::Other(name) => known(&SCHEMES, name, Scheme::Other),
            scheme => scheme,
        });
        let is_right = scheme.as_ref().is_none_or(|scheme| is_scheme(name_of_scheme(scheme)));
        is_right.then(|| self.scheme = scheme).ok_or(())
    }

    /// Sets the authority. An error for what is none.
    pub fn set_authority(&mut self, authority: Option<String>) -> Set {
        let is_right = authority.as_deref().is_none_or(is_authority);
        is_right.then(|| self.authority = authority).ok_or(())
    }

    /// Sets the path. An error for what is none.
    pub fn set_path(&mut self, path: Option<String>) -> Set {
        let is_right = path.as_deref().is_none_or(is_path);
        is_right.then(|| self.path = path).ok_or(())
    }
}

/// The element of a table with this name; `other` makes it of a name that is not there.
fn known<T: Clone>(table: &[(&str, T)], name: String, other: impl FnOnce(String) -> T) -> T {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map_or_else(|| other(name), |(_, one)| one.clone())
}

/// The name that a table has for this.
fn name_in<T>(table: &'static [(&str, T)], one: &T) -> &'static str {
    let is_this = |known: &T| std::mem::discriminant(known) == std::mem::discriminant(one);
    table.iter().find(|(_, known)| is_this(known)).map_or("", |(name, _)| name)
}

fn name_of_method(method: &Method) -> &str {
    match method {
        Method::Other(name) => name,
        known => name_in(&METHODS, known),
    }
}

fn name_of_scheme(scheme: &Scheme) -> &str {
    match scheme {
        Scheme::Other(name) => name,
        known => name_in(&SCHEMES, known),
    }
}

/// True for the part of a URL between its scheme and its path: a host, which may have a name before it and a
/// port behind it.
fn is_authority(text: &str) -> bool {
    let (user, place) = text.split_once('@').unwrap_or(("", text));
    let (host, port) = match place.split_once(']') {
        Some((literal, rest)) => {
            let Some(literal) = literal.strip_prefix('[') else { return false };
            (literal, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("")))
        }
        None => place.split_once(':').map_or((place, Some("")), |(host, port)| (host, Some(port))),
    };
    let is_port = port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_of = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\\"<>^`{|}[]".contains(&byte));
    !host.is_empty() && is_port && is_of(host) && is_of(user)
}

fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#<>`".contains(&byte) || byte >= 0x80)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_request_are_those_that_it_was_made_of() {
        for method in METHODS.iter().map(|(name, _)| *name).chain(["PROPFIND"]) {
            for scheme in ["http", "https", "ws"] {
                let parts = [method, scheme, "example.org:80", "/a?b"];
                assert_eq!(RequestLine::of(parts.map(str::as_bytes)).parts(), parts);
            }
        }
        let known = RequestLine::of([b"GET", b"http", b"", b""]);
        assert!(matches!((known.method, known.scheme), (Method::Get, Some(Scheme::Http))));
        let other = RequestLine::of([b"get", b"HTTP", b"", b""]);
        assert!(matches!((other.method, other.scheme), (Method::Other(_), Some(Scheme::Other(_)))));
    }

    #[test]
    fn parts_that_are_not_there_have_defaults_for_the_embedder_only() {
        for line in [RequestLine::new(), RequestLine::of([b"GET", b"", b"", b""])] {
            assert!(line.scheme.is_none() && line.authority.is_none() && line.path.is_none());
            assert_eq!(line.parts(), ["GET", "https", "", "/"]);
            assert_eq!(line.size(), "GEThttps/".len());
        }
    }

    #[test]
    fn parts_that_would_change_the_meaning_of_others_are_refused() {
        let mut line = RequestLine::new();
        let text = |text: &str| Some(text.to_owned());
        for method in ["", "A B", "A\r\n", "A\0", "GÉT"] {
            assert_eq!(line.set_method(Method::Other(method.to_owned())), Err(()), "{method:?}");
        }
        for scheme in ["", "1a", "a:", "a/b", "ä"] {
            assert_eq!(line.set_scheme(Some(Scheme::Other(scheme.to_owned()))), Err(()), "{scheme:?}");
        }
        for authority in [
            "", "a/b", "a?b", "a#b", "a\\b", "a b", "a\n", "ä", "::", ":@", "@@", "@:", "a:b", "[::1", "::1]", "[::1]a",
        ] {
            assert_eq!(line.set_authority(text(authority)), Err(()), "{authority:?}");
        }
        for path in ["/a b", "/a#b", "/<a>", "/\r\n", "/\0", "/\x7f"] {
            assert_eq!(line.set_path(text(path)), Err(()), "{path:?}");
        }
        assert_eq!(line.parts(), RequestLine::new().parts(), "nothing was set");

        assert_eq!(line.set_method(Method::Other("M-SEARCH".to_owned())), Ok(()));
        assert_eq!(line.set_scheme(Some(Scheme::Other("git+ssh".to_owned()))), Ok(()));
        assert_eq!(line.set_authority(text("me@[::1]:80")), Ok(()));
        assert_eq!(line.set_path(text("/ä?b=%20")), Ok(()));
        assert_eq!(line.parts(), ["M-SEARCH", "git+ssh", "me@[::1]:80", "/ä?b=%20"]);
        let unset = [line.set_scheme(None), line.set_authority(None), line.set_path(None)];
        assert_eq!(unset, [Ok(()); 3]);
        assert_eq!(line.parts(), ["M-SEARCH", "https", "", "/"]);
    }
}

//! Paths that are given as URLs of files.

use crate::errors;
use crate::node_api::{Call, Js, JsResult, Method, Type, Value};

/// Exports the function, for `lib/program.js`.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, PathOf::NAME, js.function::<PathOf>(0)?)
}

/// `filePath(url, option)`: the path of a file's URL; undefined for another value.
struct PathOf;

impl Method for PathOf {
    const NAME: &'static str = "filePath";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [url, option, ..]) = (call.js, call.args);
        match path_of(js, url, &js.string_of(option)?)? {
            Some(path) => js.string(&path),
            None => js.undefined(),
        }
    }
}

/// The path of a file's URL; nothing for another value. A URL may be of any realm, and is recognized as Node
/// recognizes it. Follows `url.fileURLToPath()`.
pub fn path_of<'s>(js: Js<'s>, value: Value<'s>, option: &str) -> JsResult<Option<String>> {
    if js.type_of(value)? != Type::Object {
        return Ok(None);
    }
    let [href, protocol, host, path] = ["href", "protocol", "hostname", "pathname"].map(|name| text(js, value, name));
    let (Some(_), Some(protocol)) = (href?, protocol?) else { return Ok(None) };
    let (host, path) = (host?.unwrap_or_default(), path?.unwrap_or_default());
    match decode(&protocol, &host, &path) {
        Ok(path) => Ok(Some(path)),
        Err(why) => Err(errors::invalid_arg_value(js, option, value, &format!("is no URL of a file: {why}"))),
    }
}

fn text<'s>(js: Js<'s>, object: Value<'s>, name: &str) -> JsResult<Option<String>> {
    let value = js.get_named(object, name)?;
    if js.type_of(value)? == Type::String { js.string_of(value).map(Some) } else { Ok(None) }
}

fn decode(protocol: &str, host: &str, path: &str) -> Result<String, &'static str> {
    if protocol != "file:" {
        return Err("the protocol must be file:");
    }
    if !host.is_empty() {
        return Err("it must have no host");
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        let escaped = others.first_chunk::<2>().filter(|_| *first == b'%');
        let digits = escaped.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if byte.is_some() {
            rest = others.get(2..).unwrap_or_default();
        }
        if byte.is_some_and(|byte| byte == b'/' || (cfg!(windows) && byte == b'\\')) {
            return Err("it must not have encoded slashes");
        }
        if byte == Some(0) {
            return Err("it must not have encoded null bytes");
        }
        decoded.push(byte.unwrap_or(*first));
    }
    let path = String::from_utf8(decoded).map_err(|_| "its path must be encoded in UTF-8")?;
    if cfg!(windows) { Ok(path.trim_start_matches('/').replace('/', "\\")) } else { Ok(path) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn urls_of_files_have_paths() {
        assert_eq!(decode("file:", "", "/a%20b/%C3%A4%2").as_deref(), Ok("/a b/ä%2"));
        assert_eq!(decode("file:", "", "/%zz%+1").as_deref(), Ok("/%zz%+1"));
        for (protocol, host, path) in [
            ("http:", "", "/"),
            ("file:", "host", "/"),
            ("file:", "", "/a%2fb"),
            ("file:", "", "/%ff"),
            ("file:", "", "/a%00"),
        ] {
            assert!(decode(protocol, host, path).is_err(), "{protocol}//{host}{path}");
        }
    }
}

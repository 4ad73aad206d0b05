//! Archives of `tar` as paths with what they stand for, and back: for `lib/memory.js`.

use crate::node_api::{Call, ErrorKind, Js, JsResult, Method, Thrown, Type, Value};
use std::collections::HashMap;
use std::io::{self, Read};
use tar::{Archive, Builder, EntryType, Header};

/// Defines the functions, as properties of an object.
pub fn export<'s>(js: Js<'s>, exports: Value<'s>) -> JsResult<()> {
    js.set_named(exports, ReadTar::NAME, js.function::<ReadTar>(0)?)?;
    js.set_named(exports, WriteTar::NAME, js.function::<WriteTar>(0)?)
}

/// The end of a path in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Dir,
    File(Vec<u8>),
    Link(String),
}

/// `readTar(bytes, limit)`: the paths of an archive in order, each as `[path, what]`, as `items` of trees
/// has them. It throws where it is none, or has more than `limit` bytes of files.
struct ReadTar;

impl Method for ReadTar {
    const NAME: &'static str = "readTar";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, [bytes, limit, ..]) = (call.js, call.args);
        let bytes = js.view_or_buffer(bytes)?.ok_or(Thrown)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let limit = js.number_of(limit)? as u64;
        match read(&bytes, limit) {
            Err(error) => Err(fails(js, &error)),
            Ok(items) => js.array(items.into_iter().map(|(path, item)| {
                let what = match item {
                    Item::Dir => js.undefined(),
                    Item::File(bytes) => js.owned_buffer(bytes),
                    Item::Link(target) => js.string(&target),
                };
                js.array([js.string(&path), what].into_iter())
            })),
        }
    }
}

/// `writeTar(items)`: an archive of paths with what they stand for, as `items` of trees has them. It is the
/// same for the same files: it has no times and no owners.
struct WriteTar;

impl Method for WriteTar {
    const NAME: &'static str = "writeTar";

    fn call<'s>(call: &Call<'s>) -> JsResult<Value<'s>> {
        let (js, list) = (call.js, call.args[0]);
        let items = (0..js.array_length(list)?).map(|index| {
            let pair = js.get_index(list, index)?;
            let (path, what) = (js.string_of(js.get_index(pair, 0)?)?, js.get_index(pair, 1)?);
            let item = match js.type_of(what)? {
                Type::String => Item::Link(js.string_of(what)?),
                Type::Undefined => Item::Dir,
                _ => Item::File(js.view_or_buffer(what)?.ok_or(Thrown)?),
            };
            Ok((path, item))
        });
        let items = items.collect::<JsResult<Vec<_>>>()?;
        match write(&items) {
            Ok(bytes) => js.owned_buffer(bytes),
            Err(error) => Err(fails(js, &error)),
        }
    }
}

fn fails(js: Js<'_>, error: &io::Error) -> Thrown {
    let message = js.string(&error.to_string());
    match message.and_then(|message| js.error(ErrorKind::Error, None, message)) {
        Ok(error) => js.throw(error),
        Err(thrown) => thrown,
    }
}

fn wrong(path: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("'{path}' in the archive {why}"))
}

fn read(bytes: &[u8], limit: u64) -> io::Result<Vec<(String, Item)>> {
    let mut items: Vec<(String, Item)> = Vec::new();
    let mut numbers = HashMap::new();
    let mut left = limit;
    for entry in Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        if path.is_empty() || path == "." {
            continue; // the directory itself
        }
        let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
        let item = match (entry.header().entry_type(), target) {
            (EntryType::Directory, _) => Item::Dir,
            (EntryType::Symlink, Some(target)) => Item::Link(target),
            // Another name of a file before it.
            (EntryType::Link, Some(target)) => {
                let target = target.trim_start_matches("./");
                let found = numbers.get(target).and_then(|number: &usize| items.get(*number));
                match found {
                    Some((_, Item::File(bytes))) => Item::File(bytes.clone()),
                    _ => return Err(wrong(&path, "is another name of a file that is not before it")),
                }
            }
            (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse, _) => {
                let mut bytes = Vec::new();
                entry.by_ref().take(left.saturating_add(1)).read_to_end(&mut bytes)?;
                Item::File(bytes)
            }
            (EntryType::XGlobalHeader, _) => continue,
            _ => return Err(wrong(&path, "is no file, directory or symbolic link")),
        };
        if let Item::File(bytes) = &item {
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| wrong(&path, "is more than the limit takes"))?;
        }
        numbers.insert(path.clone(), items.len());
        items.push((path, item));
    }
    Ok(items)
}

fn write(items: &[(String, Item)]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, item) in items {
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        match item {
            Item::Dir => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                builder.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Item::File(bytes) => {
                header.set_entry_type(EntryType::Regular);
                header.set_mode(0o644);
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, bytes.as_slice())?;
            }
            Item::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<(String, Item)> {
        let long = ["long name"; 40].join("/");
        [
            ("dir", Item::Dir),
            ("dir/file", Item::File(b"text".to_vec())),
            ("dir/empty", Item::File(Vec::new())),
            ("link", Item::Link("dir/file".to_owned())),
            ("é🐎", Item::File(vec![7; 10_000])),
            (&long, Item::File(b"deep".to_vec())),
        ]
        .map(|(path, item)| (path.to_owned(), item))
        .to_vec()
    }

    #[test]
    fn an_archive_has_what_was_put_in() {
        let archive = write(&items()).unwrap();
        assert_eq!(read(&archive, 1 << 20).unwrap(), items());
        assert_eq!(archive, write(&items()).unwrap());
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let archive = write(&items()).unwrap();
        assert!(read(&archive, 10_007).unwrap_err().to_string().contains("limit"));
        assert!(read(&archive, 10_008).is_ok());
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(read(&[1; 2000], 1 << 20).is_err());
        assert_eq!(read(&[], 1 << 20).unwrap(), []);
        let archive = write(&items()).unwrap();
        assert!(read(&archive[..1500], 1 << 20).is_err(), "it is cut");
    }

    #[test]
    fn other_kinds_are_refused_and_other_names_are_copies() {
        let of = |entry_type, target: &str| {
            let mut builder = Builder::new(Vec::new());
            let mut header = Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            builder.append_data(&mut header, "./file", &b"x"[..]).unwrap();
            let mut header = Header::new_gnu();
            header.set_entry_type(entry_type);
            header.set_size(0);
            builder.append_link(&mut header, "./other", target).unwrap();
            read(&builder.into_inner().unwrap(), 100)
        };
        let copies = of(EntryType::Link, "./file").unwrap();
        assert_eq!(copies.last().unwrap(), &("other".to_owned(), Item::File(b"x".to_vec())));
        assert!(of(EntryType::Link, "missing").unwrap_err().to_string().contains("'other'"));
        for kind in [EntryType::Fifo, EntryType::Char, EntryType::Block] {
            assert!(of(kind, "x").unwrap_err().to_string().contains("is no file"));
        }
    }
}

//! The files of JavaScript, and the files each requires or takes types from.

use crate::graph::Edge;
use std::collections::BTreeMap;

/// The places of the package's JavaScript.
const PLACES: [&str; 7] = ["index.js", "compat.js", "legacy.js", "register.js", "platform.js", "lib", "cli"];

/// All files of JavaScript, by their paths.
pub fn sources() -> BTreeMap<String, String> {
    crate::files(&PLACES, "js")
}

/// All edges between these files.
pub fn edges(sources: &BTreeMap<String, String>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (path, text) in sources {
        let calls = text.split("require('").skip(1).chain(text.split("import('").skip(1));
        let requests = calls.filter_map(|rest| rest.split('\'').next()).filter(|request| request.starts_with('.'));
        edges.extend(requests.filter_map(|request| Some((path.clone(), resolve(path, request, sources)?))));
    }
    edges
}

/// The file that a request in another file leads to; none for types, JSON and the addons.
fn resolve(from: &str, request: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let mut path: Vec<_> = from.split('/').collect();
    path.pop();
    for part in request.split('/') {
        match part {
            "." => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    let path = path.join("/");
    sources.contains_key(&path).then_some(path)
}

#[test]
fn requests_and_types_are_edges() {
    let files = [
        ("index.js", "const { run } = require('./lib/run.js');\nconst fs = require('node:fs');"),
        ("lib/run.js", "/** @typedef {import('./v8/engine.js').Engine} Engine */\nrequire('../package.json');"),
        ("lib/v8/engine.js", "require('../run.js');"),
    ];
    let sources = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let edges = edges(&sources);
    let edges: Vec<_> = edges.iter().map(|(from, to)| (&from[..], &to[..])).collect();
    assert_eq!(
        edges,
        [("index.js", "lib/run.js"), ("lib/run.js", "lib/v8/engine.js"), ("lib/v8/engine.js", "lib/run.js")]
    );
}

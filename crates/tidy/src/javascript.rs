//! Files of JavaScript: what each requires, and whose types it names.

use crate::graph::Edge;
use std::collections::BTreeMap;

/// Where the package's JavaScript is.
const PLACES: [&str; 7] = ["index.js", "compat.js", "legacy.js", "register.js", "platform.js", "lib", "cli"];

/// Every edge between files of the package.
pub fn edges() -> Vec<Edge> {
    let sources = crate::files(&PLACES, "js");
    let mut edges = Vec::new();
    for (path, text) in &sources {
        let places = text.split("require('").skip(1).chain(text.split("import('").skip(1));
        let requests = places.filter_map(|rest| rest.split('\'').next()).filter(|name| name.starts_with('.'));
        edges.extend(requests.filter_map(|request| Some((path.clone(), resolve(path, request, &sources)?))));
    }
    assert!(edges.len() > 20, "the edges were not found");
    edges
}

/// The file that a request of another leads to; none outside of the package's JavaScript, such as types and JSON.
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

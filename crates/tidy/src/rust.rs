//! Files of Rust: what each names of the others.

use crate::graph::Edge;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// The crates, by the names that others know them by, and where their sources are.
const CRATES: [(&str, &str); 4] = [
    ("wasi_rs", "src"),
    ("wasi_rs_core", "crates/core/src"),
    ("wasi_rs_modules", "crates/modules/src"),
    ("wasi_rs_runner", "crates/runner/src"),
];

/// The sources of all crates.
pub fn sources() -> BTreeMap<String, String> {
    crate::files(&CRATES.map(|(_, place)| place), "rs")
}

/// The text before the tests, without comments.
pub fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The files by the modules they are: `["wasi_rs_core", "host", "dir"]`.
struct Modules(BTreeMap<Vec<String>, String>);

impl Modules {
    fn of(sources: &BTreeMap<String, String>) -> Self {
        let mut modules = BTreeMap::new();
        for path in sources.keys() {
            let (name, place) = CRATES.iter().find(|(_, place)| path.starts_with(&format!("{place}/"))).unwrap();
            let inner = path[place.len() + 1..].trim_end_matches(".rs");
            let mut module = vec![(*name).to_owned()];
            module.extend(inner.split('/').filter(|part| !["lib", "mod"].contains(part)).map(str::to_owned));
            modules.insert(module, path.clone());
        }
        Self(modules)
    }

    /// The file that has what a path names: that of its longest beginning which is a module.
    fn file(&self, path: &[String]) -> Option<&String> {
        (1..=path.len()).rev().find_map(|len| self.0.get(&path[..len]))
    }
}

/// Every edge between files, without those of tests.
pub fn edges() -> Vec<Edge> {
    let sources = sources();
    let modules = Modules::of(&sources);
    let mut edges = Vec::new();
    for (module, path) in &modules.0 {
        let file = syn::parse_file(&sources[path]).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut names = Names { module: module.clone(), paths: BTreeSet::new() };
        names.visit_file(&file);
        edges.extend(names.paths.iter().filter_map(|named| Some((path.clone(), modules.file(named)?.clone()))));
    }
    assert!(edges.len() > 200, "the edges were not found");
    edges
}

/// The paths that a file names, from their crate on.
struct Names {
    module: Vec<String>,
    paths: BTreeSet<Vec<String>>,
}

impl Names {
    fn add(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let from_crate = |module: &[String], rest: &[String]| [module, rest].concat();
        let whole = match &first[..] {
            "crate" => from_crate(&self.module[..1], &path[1..]),
            "self" => from_crate(&self.module, &path[1..]),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let Some(len) = self.module.len().checked_sub(up) else { return };
                from_crate(&self.module[..len], &path[up..])
            }
            name if CRATES.iter().any(|(known, _)| *known == name) => path.to_vec(),
            // A child, or nothing of ours.
            _ => from_crate(&self.module, path),
        };
        self.paths.insert(whole);
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.add(before),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
        }
    }

    /// The paths in the text of a macro's call, which is no syntax tree.
    fn add_tokens(&mut self, text: &str) {
        let text = text.replace(' ', "");
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for word in text.split(|c| !is_name(c)).filter(|word| word.contains("::")) {
            let path: Vec<_> = word.split("::").map(str::to_owned).collect();
            self.add(&path);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
            || attribute.path().is_ident("test")
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) || module.content.is_none() {
            return;
        }
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.add_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let path: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add(&path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(&call.tokens.to_string());
        visit::visit_macro(self, call);
    }
}

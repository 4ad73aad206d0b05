//! The files of Rust, and the files each names.

use crate::graph::Edge;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// The crates: their names in paths, and the folders of their sources.
const CRATES: [(&str, &str); 4] = [
    ("wasi_rs", "src"),
    ("wasi_rs_core", "crates/core/src"),
    ("wasi_rs_modules", "crates/modules/src"),
    ("wasi_rs_runner", "crates/runner/src"),
];

/// The sources of all crates, by their paths.
pub fn sources() -> BTreeMap<String, String> {
    crate::files(&CRATES.map(|(_, place)| place), "rs")
}

/// The text before the tests, without comments.
pub fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// A path, from its crate on: `["wasi_rs_core", "host", "dir"]`.
type Path = Vec<String>;

/// All edges between these files, without those of tests. A private name for a module (`use unix as os`) is
/// no edge; a path through that name is an edge to the module.
pub fn edges(sources: &BTreeMap<String, String>) -> Vec<Edge> {
    let mut modules = Modules::of(sources);
    let mut all_names = Vec::new();
    for (module, path) in &modules.files {
        let file = syn::parse_file(&sources[path]).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut names = Names { module: module.clone(), ..Names::default() };
        names.visit_file(&file);
        all_names.push((path.clone(), names));
    }
    for (name, to) in all_names.iter().flat_map(|(_, names)| names.imports.clone()) {
        modules.imports.entry(name).or_default().push(to);
    }
    let mut edges = Vec::new();
    for (path, names) in &all_names {
        let renamed = names.renamed.iter().filter(|to| !modules.files.contains_key(*to));
        for named in names.paths.iter().chain(renamed) {
            edges.extend(modules.files_of(named).into_iter().map(|to| (path.clone(), to)));
        }
    }
    edges
}

/// The modules of all crates.
struct Modules {
    files: BTreeMap<Path, String>,
    /// Imported names, and the paths they stand for: several where each operating system has its own.
    imports: BTreeMap<Path, Vec<Path>>,
}

impl Modules {
    fn of(sources: &BTreeMap<String, String>) -> Self {
        let mut files = BTreeMap::new();
        for path in sources.keys() {
            let (name, place) = CRATES.iter().find(|(_, place)| path.starts_with(&format!("{place}/"))).unwrap();
            let inner = path[place.len() + 1..].trim_end_matches(".rs");
            let mut module = vec![(*name).to_owned()];
            module.extend(inner.split('/').filter(|part| !["lib", "mod"].contains(part)).map(str::to_owned));
            files.insert(module, path.clone());
        }
        Self { files, imports: BTreeMap::new() }
    }

    /// The files of the item that a path names: of its longest part from the start that is a module.
    fn files_of(&self, path: &[String]) -> Vec<String> {
        for len in (1..=path.len()).rev() {
            if let Some(imported) = self.imports.get(&path[..len]) {
                let whole = |imported: &Path| [imported, &path[len..]].concat();
                return imported.iter().flat_map(|imported| self.files_of(&whole(imported))).collect();
            }
            if let Some(file) = self.files.get(&path[..len]) {
                return vec![file.clone()];
            }
        }
        Vec::new()
    }
}

/// The paths that a file names.
#[derive(Default)]
struct Names {
    module: Path,
    paths: BTreeSet<Path>,
    /// The paths that it imports under another name.
    renamed: BTreeSet<Path>,
    /// The names that it imports for itself, and the paths they stand for.
    imports: BTreeSet<(Path, Path)>,
}

impl Names {
    /// A path as it is written, from its crate on.
    fn whole(&self, path: &[String]) -> Option<Path> {
        let from = |module: &[String], rest: &[String]| Some([module, rest].concat());
        match &path.first()?[..] {
            "crate" => from(&self.module[..1], &path[1..]),
            "self" => from(&self.module, &path[1..]),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                from(&self.module[..self.module.len().checked_sub(up)?], &path[up..])
            }
            name if CRATES.iter().any(|(known, _)| *known == name) => Some(path.to_vec()),
            // A child of the module, or a name from outside of these crates.
            _ => from(&self.module, path),
        }
    }

    fn add(&mut self, path: &[String]) {
        self.paths.extend(self.whole(path));
    }

    /// Adds a path that is imported as `name`.
    fn add_import(&mut self, path: &[String], name: &str, is_public: bool) {
        let Some(whole) = self.whole(path) else { return };
        let own = [&self.module[..], &[name.to_owned()]].concat();
        if !is_public && !whole.starts_with(&own) {
            self.imports.insert((own, whole.clone()));
        }
        let is_renamed = !is_public && path.last().is_some_and(|last| last != name);
        if is_renamed { &mut self.renamed } else { &mut self.paths }.insert(whole);
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree, is_public: bool) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree, is_public),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.add_import(before, &name, is_public);
            }
            syn::UseTree::Name(name) => self.add_import(&with(&name.ident), &name.ident.to_string(), is_public),
            syn::UseTree::Rename(rename) => {
                self.add_import(&with(&rename.ident), &rename.rename.to_string(), is_public);
            }
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree, is_public)),
        }
    }

    /// Adds the paths among the tokens of a macro's call, which is no syntax tree.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Path = Vec::new();
        let mut colons = 0;
        let end = |path: &mut Path, names: &mut Self| {
            if path.len() > 1 {
                names.add(path);
            }
            path.clear();
        };
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        end(&mut path, self);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    end(&mut path, self);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        end(&mut path, self);
    }
}

/// True if these attributes are of a test, or of code for tests only.
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
            self.add_tree(&[], &item.tree, !matches!(item.vis, syn::Visibility::Inherited));
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
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

/// The edges of files given as texts.
#[cfg(test)]
fn edges_of<const N: usize>(files: [(&str, &str); N]) -> BTreeSet<String> {
    let sources = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    edges(&sources).into_iter().filter(|(from, to)| from != to).map(|(from, to)| format!("{from} -> {to}")).collect()
}

#[test]
fn uses_and_paths_are_edges() {
    let edges = edges_of([
        ("crates/core/src/lib.rs", "pub mod a; pub mod b; mod c;"),
        ("crates/core/src/a.rs", "use crate::b::{self, X}; fn f() { super::c::g() }"),
        ("crates/core/src/b/mod.rs", "#[cfg(test)] mod tests { use crate::c; } #[test] fn t() { crate::c::g() }"),
        ("crates/core/src/c.rs", ""),
        ("src/lib.rs", "pub use wasi_rs_core::a::Y as Z; fn f() { say!(\"b::x\", wasi_rs_core::b::call(1)); }"),
    ]);
    let expected = [
        "crates/core/src/a.rs -> crates/core/src/b/mod.rs",
        "crates/core/src/a.rs -> crates/core/src/c.rs",
        "src/lib.rs -> crates/core/src/a.rs",
        "src/lib.rs -> crates/core/src/b/mod.rs",
    ];
    assert_eq!(edges, expected.map(str::to_owned).into());
}

#[test]
fn a_path_through_an_imported_name_is_an_edge_to_each_module_it_stands_for() {
    let edges = edges_of([
        ("src/host/mod.rs", "#[cfg(unix)] use unix as os; #[cfg(windows)] use windows as os; use std::fmt as f;"),
        ("src/host/face.rs", "use super::os; fn f() { os::file::open(); } use super::types::T as Other;"),
        ("src/host/unix/mod.rs", ""),
        ("src/host/unix/file.rs", "use crate::host::types::T;"),
        ("src/host/windows/file.rs", ""),
        ("src/host/windows/mod.rs", ""),
        ("src/host/types.rs", ""),
    ]);
    let expected = [
        "src/host/face.rs -> src/host/types.rs",
        "src/host/face.rs -> src/host/unix/file.rs",
        "src/host/face.rs -> src/host/unix/mod.rs",
        "src/host/face.rs -> src/host/windows/file.rs",
        "src/host/face.rs -> src/host/windows/mod.rs",
        "src/host/unix/file.rs -> src/host/types.rs",
    ];
    assert_eq!(edges, expected.map(str::to_owned).into());
}

//! The graph of files: who names whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A file, and another that it names.
pub type Edge = (String, String);

/// The sets of files that name each other in a circle.
pub fn circles(edges: &[Edge]) -> Vec<BTreeSet<String>> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges.iter().filter(|(from, to)| from != to) {
        named.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = named.keys().map(|file| (*file, reached(file, &named))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        let leads_back = |other: &&&str| reached.get(**other).is_some_and(|others| others.contains(file));
        let circle: BTreeSet<_> = others.iter().filter(leads_back).map(|other| (*other).to_owned()).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// All files that can be reached from one.
fn reached<'e>(from: &str, named: &BTreeMap<&'e str, BTreeSet<&'e str>>) -> BTreeSet<&'e str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = named.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(named.get(file).into_iter().flatten());
        }
    }
    reached
}

/// The circles as text, each with its edges.
pub fn show(circles: &[BTreeSet<String>], edges: &[Edge]) -> String {
    let mut text = String::new();
    for circle in circles {
        writeln!(text, "{} files:", circle.len()).unwrap();
        let is_inside = |(from, to): &&Edge| from != to && circle.contains(from) && circle.contains(to);
        for (from, to) in edges.iter().filter(is_inside).collect::<BTreeSet<_>>() {
            writeln!(text, "  {from} -> {to}").unwrap();
        }
    }
    text
}

#[test]
fn files_in_a_circle_are_found_and_shown() {
    let edges: Vec<Edge> = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "d")]
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .to_vec();
    assert_eq!(circles(&edges), [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
    assert_eq!(show(&circles(&edges), &edges), "2 files:\n  b -> c\n  c -> b\n");
}

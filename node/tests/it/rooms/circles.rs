//! Circles of files: a file that uses an item of another, which in the end uses an item of the first.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use super::uses::Use;

/// Files that use each other, directly or through others of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle {
    /// Sorted by name.
    pub(crate) files: Vec<String>,
    /// One way around: `a.rs (path) -> b.rs (path) -> a.rs`.
    pub(crate) way: String,
}

type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

/// Finds the circles among the uses of one crate. Re-exports and tests do not count.
pub(crate) fn circles(uses: &[Use]) -> Vec<Circle> {
    let mut graph = Graph::new();
    for used in uses.iter().filter(|used| !used.is_test && !used.is_reexport) {
        if let Some(to) = &used.to {
            graph.entry(&used.from).or_default().entry(to).or_insert(&used.path);
        }
    }
    let reachable: BTreeMap<&str, HashSet<&str>> =
        graph.keys().map(|file| (*file, reachable(&graph, file))).collect();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (file, from_here) in &reachable {
        if !from_here.contains(file) || !seen.insert(*file) {
            continue;
        }
        let leads_back = |other: &&&str| reachable.get(**other).is_some_and(|there| there.contains(file));
        let files: BTreeSet<&str> = from_here.iter().filter(leads_back).copied().collect();
        seen.extend(&files);
        found.push(Circle {
            way: shortest(&graph, file),
            files: files.into_iter().map(String::from).collect(),
        });
    }
    found
}

fn reachable<'a>(graph: &Graph<'a>, from: &str) -> HashSet<&'a str> {
    let (mut found, mut waiting) = (HashSet::new(), vec![from]);
    while let Some(file) = waiting.pop() {
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(*next) {
                waiting.push(next);
            }
        }
    }
    found
}

/// The shortest way from a file back to itself, in words.
fn shortest(graph: &Graph<'_>, from: &str) -> String {
    let mut ways = VecDeque::from([(from, String::new())]);
    let mut seen = HashSet::new();
    while let Some((file, way)) = ways.pop_front() {
        for (next, path) in graph.get(file).into_iter().flatten() {
            let way = format!("{way}{file} ({path}) -> ");
            if *next == from {
                return way + from;
            }
            if seen.insert(*next) {
                ways.push_back((*next, way));
            }
        }
    }
    String::new()
}

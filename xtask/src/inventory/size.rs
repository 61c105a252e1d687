//! How large a host's own files are, and how much of its entry is not a
//! composition yet.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::model::term::Key;
use crate::model::{Fleet, Host, Origin};
use crate::taxonomy::{Class, Taxonomy};
use crate::tree::{Tree, TreePath};

/// How often module files are imported: by this many hosts.
pub type Importers = FxHashMap<TreePath, usize>;

/// By how many hosts each module file is imported.
pub fn importers(fleet: &Fleet) -> Importers {
    let mut importers = Importers::default();
    for host in &fleet.hosts {
        let mut files: Vec<&TreePath> = host.module_files().collect();
        files.sort();
        files.dedup();
        for file in files {
            *importers.entry(file.clone()).or_default() += 1;
        }
    }
    importers
}

/// Sizes of one host.
#[derive(Debug, Default)]
pub struct Size {
    /// The file that makes the host: of its own module files one nearest to the
    /// flake, the largest of them.
    pub entry: Option<TreePath>,
    /// Module files that no other host imports.
    pub own: Vec<TreePath>,
    /// Lines of these.
    pub lines: usize,
    /// Lines of the entry.
    pub entry_lines: usize,
    /// See [`super::HostEntry::monolithic_share`].
    pub monolithic_share: f64,
    /// Non-blank lines of the entry by the feature that they belong to.
    pub features: BTreeMap<String, usize>,
}

/// Measures a host.
pub fn measure(host: &Host, importers: &Importers, taxonomy: &Taxonomy, tree: &Tree) -> Size {
    let mut size = Size::default();
    let mut best: Option<(usize, usize)> = None;
    for module in &host.modules {
        let Origin::File(path) = &module.origin else {
            continue;
        };
        if importers.get(path) != Some(&1) || size.own.contains(path) {
            continue;
        }
        let lines = tree.text(path).map_or(0, |text| text.lines().count());
        size.own.push(path.clone());
        size.lines += lines;
        let better = best.is_none_or(|(level, most)| {
            (module.level, std::cmp::Reverse(lines)) < (level, std::cmp::Reverse(most))
        });
        if better {
            best = Some((module.level, lines));
            size.entry = Some(path.clone());
            size.entry_lines = lines;
        }
    }
    size.own.sort();
    if let Some(text) = size.entry.as_ref().and_then(|entry| tree.text(entry).ok()) {
        inline(host, taxonomy, &text, &mut size);
    }
    size
}

/// What a line of the entry is for; later definitions of a line give way.
#[derive(Clone)]
enum Line {
    Blank,
    Other,
    Concern(String),
    Kept,
}

fn inline(host: &Host, taxonomy: &Taxonomy, text: &str, size: &mut Size) {
    let mut lines: Vec<Line> = text
        .lines()
        .map(|line| match line.trim() {
            "" => Line::Blank,
            _ => Line::Other,
        })
        .collect();
    let mut starts: Vec<usize> = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let line_of = |offset: u32| {
        starts
            .partition_point(|start| *start <= offset as usize)
            .saturating_sub(1)
    };
    for definition in &host.definitions {
        let Some(span) = definition
            .span
            .as_ref()
            .filter(|span| Some(&span.path) == size.entry.as_ref())
        else {
            continue;
        };
        let path: Vec<&str> = definition
            .path
            .iter()
            .map(|key| match key {
                Key::Name(name) => &**name,
                Key::Term(_) => "<computed>",
            })
            .collect();
        let (from, to) = (line_of(span.start), line_of(span.end.saturating_sub(1)));
        let kind = match taxonomy.classify(&path) {
            // A switch of the repository's own module is a composition.
            _ if is_own_option(host, &path) => Line::Kept,
            Class::Host(_) => Line::Kept,
            Class::Feature(name) => Line::Concern(name.to_owned()),
            Class::Unmatched => match crate::taxonomy::derived_feature(&path) {
                Some(name) => Line::Concern(name),
                None => Line::Kept,
            },
        };
        for line in lines.iter_mut().take(to + 1).skip(from) {
            if matches!(line, Line::Other) {
                *line = kind.clone();
            }
        }
    }
    let (mut written, mut concerns) = (0_usize, 0_usize);
    for line in &lines {
        match line {
            Line::Blank => {}
            Line::Concern(feature) => {
                written += 1;
                concerns += 1;
                *size.features.entry(feature.clone()).or_default() += 1;
            }
            Line::Kept | Line::Other => written += 1,
        }
    }
    if written > 0 {
        // Three digits say all there is to say.
        size.monolithic_share = ((concerns * 1000 + written / 2) / written) as f64 / 1000.0;
    }
}

fn is_own_option(host: &Host, path: &[&str]) -> bool {
    host.declarations.iter().any(|declaration| {
        declaration.path.len() <= path.len()
            && declaration
                .path
                .iter()
                .zip(path)
                .all(|(own, name)| **own == **name)
    })
}

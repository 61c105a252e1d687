//! How large a host's own files are, and how much of its entry is not a
//! composition yet.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::model::term::Key;
use crate::model::{Definition, Fleet, Host, Origin};
use crate::taxonomy::{Class, Taxonomy, derived_feature};
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
    /// The file that makes the host: of its own module files the nearest to the
    /// flake, and of those the one with most concerns.
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
    let mut files: Vec<(usize, &TreePath)> = Vec::new();
    for module in &host.modules {
        if let Origin::File(path) = &module.origin
            && !files.iter().any(|(_, known)| *known == path)
        {
            files.push((module.level, path));
        }
    }
    let sharing = |path: &TreePath| importers.get(path).copied().unwrap_or(1);
    for (_, path) in files.iter().filter(|(_, path)| sharing(path) == 1) {
        size.own.push((*path).clone());
        size.lines += tree.text(path).map_or(0, |text| text.lines().count());
    }
    // A host whose files all serve others too is made by the nearest of them.
    if !size.own.is_empty() {
        files.retain(|(_, path)| sharing(path) == 1);
    }
    let Some(nearest) = files
        .iter()
        .map(|(level, path)| (*level, sharing(path)))
        .min()
    else {
        return size;
    };
    for (level, path) in files {
        if (level, sharing(path)) != nearest {
            continue;
        }
        let Ok(text) = tree.text(path) else { continue };
        let concerns = Concerns::of(host, taxonomy, path, &text);
        if size.entry.is_none() || concerns.count > size.features.values().sum() {
            size.entry = Some(path.clone());
            size.entry_lines = text.lines().count();
            size.monolithic_share = concerns.share();
            size.features = concerns.features;
        }
    }
    size
}

/// What a line is for; later definitions of a line give way.
#[derive(Clone)]
enum Line {
    Blank,
    Other,
    Concern(String),
    Kept,
}

/// Lines of a file by what they are for.
struct Concerns {
    features: BTreeMap<String, usize>,
    count: usize,
    written: usize,
}

impl Concerns {
    fn of(host: &Host, taxonomy: &Taxonomy, path: &TreePath, text: &str) -> Self {
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
            let Some(span) = definition.span.as_ref().filter(|span| span.path == *path) else {
                continue;
            };
            let kind = purpose(host, taxonomy, definition);
            let (from, to) = (line_of(span.start), line_of(span.end.saturating_sub(1)));
            for line in lines.iter_mut().take(to + 1).skip(from) {
                if matches!(line, Line::Other) {
                    *line = kind.clone();
                }
            }
        }
        let mut found = Self {
            features: BTreeMap::new(),
            count: 0,
            written: 0,
        };
        for line in lines {
            match line {
                Line::Blank => {}
                Line::Concern(feature) => {
                    found.written += 1;
                    found.count += 1;
                    *found.features.entry(feature).or_default() += 1;
                }
                Line::Kept | Line::Other => found.written += 1,
            }
        }
        found
    }

    fn share(&self) -> f64 {
        if self.written == 0 {
            return 0.0;
        }
        // Three digits say all there is to say.
        ((self.count * 1000 + self.written / 2) / self.written) as f64 / 1000.0
    }
}

fn purpose(host: &Host, taxonomy: &Taxonomy, definition: &Definition) -> Line {
    let path: Vec<&str> = definition
        .path
        .iter()
        .map(|key| match key {
            Key::Name(name) => &**name,
            Key::Term(_) => "<computed>",
        })
        .collect();
    if is_own_option(host, &path) {
        // A switch of the repository's own module is a composition.
        return Line::Kept;
    }
    match taxonomy.classify(&path) {
        Class::Host(_) => Line::Kept,
        Class::Feature(name) => Line::Concern(name.to_owned()),
        Class::Unmatched => derived_feature(&path).map_or(Line::Kept, Line::Concern),
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

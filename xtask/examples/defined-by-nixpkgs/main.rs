//! Lists the options that nixpkgs' own NixOS modules may define.
//!
//!     cargo run -p xtask --example defined-by-nixpkgs -- \
//!         --out xtask/data/defined-by-nixpkgs.txt 20.09=NIXPKGS/nixos 24.11=NIXPKGS/nixos
//!
//! `scripts/option-table/build.py --defined FILE` calls it with the trees that
//! the option table is made from. Rows: path, first and last release, and
//! `defined`, or `forwarded` where only a renamed option's definitions arrive.
//!
//! The result is an over-approximation: every module file is evaluated to a
//! *shape* (see `shape.rs`), both branches of every condition are taken, and
//! below whatever is not known every option counts as defined. Definitions
//! that a submodule's type makes are no part of it: they stand before all
//! definitions of the submodule, wherever those are moved.

mod evaluate;
mod mark;
mod primitives;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use xtask::options::{OptionTable, Release};

use crate::mark::{Marks, Seen};

/// List the options that nixpkgs' own NixOS modules may define.
#[derive(Parser)]
struct Arguments {
    /// The option table; the one that is built in unless given.
    #[arg(long)]
    table: Option<PathBuf>,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// Say which files are not understood as modules.
    #[arg(long)]
    explain: bool,
    /// A release of the option table and the `nixos` folder of its nixpkgs.
    #[arg(required = true, value_name = "RELEASE=DIR")]
    trees: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let text = match &arguments.table {
        Some(path) => fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?,
        None => String::new(),
    };
    let table = match &arguments.table {
        Some(_) => OptionTable::parse(&text),
        None => OptionTable::embedded(),
    };
    let mut columns: Vec<(Release, BTreeMap<String, Seen>)> = Vec::new();
    for tree in &arguments.trees {
        let (release, nixos) = tree
            .split_once('=')
            .with_context(|| format!("{tree}: not of the form RELEASE=DIR"))?;
        let release: Release = release.parse()?;
        if !table.releases().contains(&release) {
            bail!("{release} is not in the option table; build that first");
        }
        let marks = scan(&table, release, Path::new(nixos), arguments.explain)?;
        columns.push((release, marks.ordered()));
    }
    columns.sort_by_key(|(release, _)| *release);
    if columns
        .iter()
        .map(|(release, _)| release)
        .ne(table.releases())
    {
        bail!("every release of the option table is needed, once");
    }

    let lines = rows(&columns);
    let mut out = String::from(
        "# Made by scripts/option-table from the modules of NixOS: ordered options that they may define.\n",
    );
    let names: Vec<_> = table.releases().iter().map(Release::to_string).collect();
    out += &format!(
        "# releases: {}\n# path\tsince\tuntil\tby\n",
        names.join(" ")
    );
    out.extend(lines.iter().flat_map(|line| [line.as_str(), "\n"]));
    fs::write(&arguments.out, out)
        .with_context(|| format!("{}: cannot be written", arguments.out.display()))?;
    say(&format!(
        "{}: {} rows",
        arguments.out.display(),
        lines.len()
    ));
    Ok(())
}

/// Rows with the range of releases over which they hold, sorted by bytes.
fn rows(columns: &[(Release, BTreeMap<String, Seen>)]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: BTreeMap<&str, (Seen, Release, Release)> = BTreeMap::new();
    let mut close = |path: &str, (seen, since, until): (Seen, Release, Release)| {
        let by = match seen {
            Seen::Defined => "defined",
            Seen::Forwarded => "forwarded",
            Seen::No => return,
        };
        lines.push(format!("{path}\t{since}\t{until}\t{by}"));
    };
    for (release, column) in columns {
        let before = std::mem::take(&mut open);
        for (path, range) in before {
            match column.get(path) {
                Some(seen) if *seen == range.0 => {
                    open.insert(path, (range.0, range.1, *release));
                }
                _ => close(path, range),
            }
        }
        for (path, seen) in column {
            open.entry(path).or_insert((*seen, *release, *release));
        }
    }
    for (path, range) in open {
        close(path, range);
    }
    lines.sort_unstable();
    lines
}

fn scan(
    table: &OptionTable<'_>,
    release: Release,
    nixos: &Path,
    explain: bool,
) -> anyhow::Result<Marks> {
    let mut marks = Marks::new(table.rows().filter(|row| row.covers(release)));
    // What `eval-config.nix` and the module system define by themselves.
    for path in [
        "_module",
        "nixpkgs",
        "documentation",
        "assertions",
        "warnings",
    ] {
        marks.everything_below(&[path]);
    }
    let modules = fs::canonicalize(nixos.join("modules"))
        .with_context(|| format!("{}: no modules folder", nixos.display()))?;
    let mut evaluator = evaluate::Evaluator::new();
    let listed = listed(&mut evaluator, &modules)?;
    let mut files = 0;
    for entry in ignore::WalkBuilder::new(&modules)
        .standard_filters(false)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .build()
    {
        let path = entry?.into_path();
        if path.extension().is_none_or(|ending| ending != "nix") || !path.is_file() {
            continue;
        }
        files += 1;
        for problem in marks.file(&mut evaluator, &path, &modules) {
            let name = path.strip_prefix(&modules).unwrap_or(&path).display();
            if listed.contains(&path) {
                bail!("{release}: {name}: {problem}; teach primitives.rs what it uses");
            }
            // Packages, types and data that stand among the modules.
            if explain {
                say(&format!("{release}: {name}: {problem}"));
            }
        }
    }
    marks.follow_aliases();
    let (all, defined, forwarded) = marks.figures();
    say(&format!(
        "{release}: {files} files; {all} ordered options, {defined} defined, {forwarded} only forwarded to"
    ));
    Ok(marks)
}

/// The modules that every system has.
fn listed(
    evaluator: &mut evaluate::Evaluator,
    modules: &Path,
) -> anyhow::Result<BTreeSet<PathBuf>> {
    let file = modules.join("module-list.nix");
    let list = evaluator.file(&file);
    let items = evaluator.items(&list).unwrap_or_default();
    let paths: BTreeSet<_> = items
        .iter()
        .filter_map(|item| match evaluator.force(item) {
            shape::Shape::Path(path) if path.is_dir() => Some(path.join("default.nix")),
            shape::Shape::Path(path) => Some(path),
            _ => None,
        })
        .collect();
    if paths.is_empty() {
        bail!("{}: no list of modules", file.display());
    }
    Ok(paths)
}

fn say(line: &str) {
    // Nothing is lost if nobody listens.
    let _ = writeln!(std::io::stderr(), "{line}");
}

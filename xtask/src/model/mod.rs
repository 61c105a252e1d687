//! The module model: what a flake hands to the module system, per host.
//!
//! [`Fleet::load`] follows `flake.nix` to the calls that make hosts, collects
//! each host's modules by the module system's own rules and reads what they
//! declare and define, in normal form and in merge order. What cannot be known
//! stays opaque, with its place; it is never guessed.

mod definitions;
mod escape;
mod eval;
mod files;
mod flake;
mod inputs;
mod modules;
mod norm;
mod path_index;
mod prims;
mod resolve;
pub mod show;
pub mod term;
mod value;

use std::collections::BTreeSet;

use rayon::prelude::*;

pub use definitions::{Declaration, Definition, Wrapper, path_text};
pub use escape::{Escape, Escaped};
pub use files::{ParseCache, references};
pub use inputs::input_names;
pub use modules::{Module, Origin};
pub use resolve::{
    ForeignReads, Resolved, Slice, foreign_reads, foreign_reads_in, terms_of, terms_of_host,
};

use crate::options::{OptionTable, PathKind, View};
use crate::problem::{Problem, Span};
use crate::syntax::hir::Name;
use crate::tree::{Tree, TreePath};
use definitions::Reader;
use eval::Eval;
use files::Files;
use modules::Arguments;
use path_index::PathIndex;
use term::{Digest, Key, Term, TermKind};
use value::{Item, Set, Thunk, Value};

/// Fewest and most hosts that one evaluator handles. Each evaluator lists all
/// hosts once, and what it keeps of its hosts is in memory until it is done.
const CHUNK: (usize, usize) = (4, 128);

/// Most hosts of one flake that are followed.
const HOSTS: usize = 10_000;

/// All hosts of a flake.
#[derive(Debug)]
pub struct Fleet {
    /// The hosts, sorted by name.
    pub hosts: Vec<Host>,
    /// What could not be followed, and what is wrong with the tree.
    pub problems: Vec<Problem>,
    /// The flake's inputs and their lock: equal digests mean equal inputs.
    pub inputs: Digest,
}

/// One host: an attribute of `nixosConfigurations`.
#[derive(Debug)]
pub struct Host {
    /// The attribute.
    pub name: String,
    /// Where the flake binds it.
    pub span: Option<Span>,
    /// Which function makes it, and why it is not followed if it is not.
    pub call: Result<&'static str, String>,
    /// The library that this function is of; empty if that is not known.
    pub maker: Name,
    /// The call's arguments other than the modules, in normal form.
    pub arguments: Vec<(String, Term)>,
    /// The platform, if it can be read from the call or the configuration.
    pub system: Option<String>,
    /// Modules in the order of the module system's walk; definitions merge in
    /// the reverse of it.
    pub modules: Vec<Module>,
    /// What the modules declare.
    pub declarations: Vec<Declaration>,
    /// What they define, in merge order.
    pub definitions: Vec<Definition>,
    /// Files of the tree that were read for this host, sorted.
    pub files: Vec<TreePath>,
    /// Names in these that locals stand for and that only a `with` can bind.
    pub looked_up: BTreeSet<Name>,
    /// What is read of the tree where the flake is handed on, beside what the terms
    /// show; `None` in a draft.
    pub escapes: Option<Vec<Escape>>,
    /// Hosts are read through the flake where it was handed on.
    pub reads_hosts: bool,
    /// The evaluation was cut off for its size.
    pub exhausted: bool,
    /// The declarations by path.
    declared: PathIndex,
}

impl Host {
    /// What a path is to this host's module system.
    pub fn path_kind(&self, table: View<'_, '_>, path: &[&str]) -> PathKind {
        definitions::own_kind(&self.declarations, &self.declared, path)
            .unwrap_or_else(|| table.lookup(path))
    }

    /// The input whose library makes it, if that is known.
    pub fn maker_input(&self) -> Option<&str> {
        let quoted = self.maker.strip_prefix(eval::LIBRARY_OF_INPUT)?;
        quoted.strip_prefix('`')?.strip_suffix('`')
    }

    /// The files among the modules, in the order of the walk.
    pub fn module_files(&self) -> impl Iterator<Item = &TreePath> {
        self.modules
            .iter()
            .filter_map(|module| match &module.origin {
                Origin::File(path) => Some(path),
                _ => None,
            })
    }
}

impl Fleet {
    /// Reads all hosts of the flake at the root of the tree.
    pub fn load(tree: &Tree, table: &OptionTable<'_>, cache: &ParseCache) -> Self {
        Self::load_where(tree, table, cache, None, true)
    }

    /// The same for a draft: what is read where the flake is handed on is not looked
    /// for, and a comparison with it does not tell of that.
    pub fn draft(tree: &Tree, table: &OptionTable<'_>, cache: &ParseCache) -> Self {
        Self::load_where(tree, table, cache, None, false)
    }

    /// A draft of one host; the others are left out as if they did not exist.
    pub fn draft_host(
        tree: &Tree,
        table: &OptionTable<'_>,
        cache: &ParseCache,
        host: &str,
    ) -> Self {
        Self::load_where(tree, table, cache, Some(host), false)
    }

    fn load_where(
        tree: &Tree,
        table: &OptionTable<'_>,
        cache: &ParseCache,
        only: Option<&str>,
        whole: bool,
    ) -> Self {
        let files = Files::new(tree, cache);
        let (names, mut problems, inputs) = on_big_stack(|| {
            let mut eval = Eval::new(&files);
            let (found, problems) = eval.hosts();
            let mut names: Vec<(Name, Option<Span>)> =
                found.into_iter().map(|host| (host.name, host.at)).collect();
            let mut problems = problems;
            if names.len() > HOSTS {
                let message = format!(
                    "the flake has {} hosts; only {HOSTS} are followed",
                    names.len()
                );
                problems.push(Problem::warning("too-many-hosts", message));
                names.truncate(HOSTS);
            }
            names.retain(|(name, _)| only.is_none_or(|only| **name == *only));
            (names, problems, inputs::digest(&mut eval))
        });
        let view = table.for_release(None);
        let chunks: Vec<Vec<(Host, Vec<Problem>)>> = names
            .par_chunks((names.len() / 8).clamp(CHUNK.0, CHUNK.1))
            .map(|chunk| on_big_stack(|| load_chunk(&files, view, chunk, whole)))
            .collect();
        let mut hosts = Vec::with_capacity(names.len());
        for (host, more) in chunks.into_iter().flatten() {
            hosts.push(host);
            problems.extend(more);
        }
        problems.extend(files.problems());
        problems.dedup();
        Self {
            hosts,
            problems,
            inputs,
        }
    }

    /// Whether Nix would refuse a file that a host needs.
    pub fn is_broken(&self) -> bool {
        let broken = |problem: &Problem| problem.code == "syntax-error";
        self.problems.iter().any(broken)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        let at = self
            .hosts
            .binary_search_by(|host| host.name.as_str().cmp(name));
        at.ok().and_then(|at| self.hosts.get(at))
    }
}

/// The evaluator grows its stack itself; this only gives it room to start in.
fn on_big_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(1 << 20, 16 << 20, run)
}

fn load_chunk(
    files: &Files<'_>,
    view: View<'_, '_>,
    names: &[(Name, Option<Span>)],
    whole: bool,
) -> Vec<(Host, Vec<Problem>)> {
    let mut eval = Eval::new(files);
    let (found, _) = eval.hosts();
    let shared = eval.used.len();
    let found: rustc_hash::FxHashMap<Name, Thunk> = found
        .into_iter()
        .map(|host| (host.name, host.thunk))
        .collect();
    names
        .iter()
        .map(|(name, span)| {
            eval.used.truncate(shared);
            eval.begin_host();
            let thunk = found.get(name).copied();
            let mut problems = Vec::new();
            let mut host = match thunk {
                Some(thunk) => load_host(&mut eval, view, name, span.clone(), thunk, &mut problems),
                None => unfollowed(name, span.clone(), "it is gone".to_owned()),
            };
            if whole {
                let (escapes, reads_hosts) = escape::of_host(&mut eval, &host);
                (host.escapes, host.reads_hosts) = (Some(escapes), reads_hosts);
                host.exhausted = eval.exhausted();
            }
            (host, problems)
        })
        .collect()
}

fn unfollowed(name: &str, span: Option<Span>, why: String) -> Host {
    Host {
        name: name.to_owned(),
        span,
        call: Err(why),
        maker: Name::default(),
        arguments: Vec::new(),
        system: None,
        modules: Vec::new(),
        declarations: Vec::new(),
        definitions: Vec::new(),
        files: Vec::new(),
        looked_up: BTreeSet::new(),
        escapes: None,
        reads_hosts: false,
        exhausted: false,
        declared: PathIndex::default(),
    }
}

fn load_host(
    eval: &mut Eval<'_>,
    view: View<'_, '_>,
    name: &Name,
    span: Option<Span>,
    thunk: Thunk,
    problems: &mut Vec<Problem>,
) -> Host {
    let call = match eval.host_call(thunk) {
        Ok(call) => call,
        Err(why) => {
            let mut problem = Problem::warning(
                "host-not-followed",
                format!("host `{name}` cannot be followed: {why}"),
            );
            problem.span.clone_from(&span);
            problems.push(problem);
            let mut host = unfollowed(name, span, why);
            let term = eval.term(thunk);
            host.arguments.push(("<host>".to_owned(), term));
            return host;
        }
    };
    let mut host = unfollowed(name, span, String::new());
    host.call = Ok(call.function);
    host.maker = call.maker.clone();
    let mut list: Vec<Item> = Vec::new();
    let mut special: Option<std::rc::Rc<Set>> = None;
    match eval.force(call.args) {
        Value::Set(args) => {
            for (key, attribute) in &args.fixed {
                match &**key {
                    "modules" => list.extend(eval.items(attribute.value)),
                    "specialArgs" | "extraArgs" => {
                        if let Value::Set(set) = eval.force(attribute.value) {
                            let mut merged = special.as_deref().cloned().unwrap_or_default();
                            merged
                                .fixed
                                .extend(set.fixed.iter().map(|(n, a)| (n.clone(), *a)));
                            special = Some(std::rc::Rc::new(merged));
                        }
                        push_argument(eval, &mut host, key, attribute.value);
                    }
                    _ => push_argument(eval, &mut host, key, attribute.value),
                }
            }
            if let Some(system) = args.fixed.get("system")
                && let Value::Str(system) = eval.force(system.value)
            {
                host.system = Some(system.to_string());
            }
        }
        _ => {
            let term = eval.term(call.args);
            host.arguments.push(("<all>".to_owned(), term));
            host.call = Err("the arguments of the call are not known".to_owned());
            return host;
        }
    }
    for (number, beside) in call.laid_over.iter().enumerate() {
        let term = eval.term(*beside);
        host.arguments.push((format!("<beside {number}>"), term));
    }
    for extended in &call.extended {
        list.extend(eval.items(*extended));
    }
    let mut args = Arguments::new(eval, special.as_deref());
    host.modules = modules::collect(eval, list, &mut args);
    let mut reader = Reader::new(eval, view);
    reader.read(&host.modules);
    (host.declarations, host.declared) = (reader.declarations, reader.declared);
    host.definitions = reader.definitions;
    host.exhausted = eval.exhausted();
    if host.system.is_none() {
        host.system = platform(&host.definitions);
    }
    for module in &host.modules {
        if let Origin::File(path) = &module.origin {
            eval.used.push(path.clone());
        }
    }
    host.files = eval.used.clone();
    host.files.sort();
    host.files.dedup();
    for path in &host.files {
        if let Ok(file) = eval.files.file(path) {
            host.looked_up.extend(file.looked_up.iter().cloned());
        }
    }
    host
}

/// Sets of arguments are compared name by name.
fn push_argument(eval: &mut Eval<'_>, host: &mut Host, key: &Name, thunk: Thunk) {
    match eval.force(thunk) {
        Value::Set(set) if &**key == "specialArgs" && set.dynamic.is_empty() => {
            for (name, attribute) in &set.fixed {
                let term = eval.outcome(attribute.value);
                host.arguments.push((format!("{key}.{name}"), term));
            }
        }
        _ => {
            let term = eval.outcome(thunk);
            host.arguments.push((key.to_string(), term));
        }
    }
}

fn platform(definitions: &[Definition]) -> Option<String> {
    let text = |term: &Term| match term.kind() {
        TermKind::Str(text) => Some(text.to_string()),
        _ => None,
    };
    definitions.iter().find_map(|definition| {
        let path: Vec<&str> = definition
            .path
            .iter()
            .filter_map(|key| {
                if let Key::Name(name) = key {
                    Some(&**name)
                } else {
                    None
                }
            })
            .collect();
        match path.as_slice() {
            ["nixpkgs", "hostPlatform" | "system"] | ["nixpkgs", "hostPlatform", "system"] => {
                text(&definition.value)
            }
            _ => None,
        }
    })
}

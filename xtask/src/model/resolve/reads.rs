//! What the terms of a host read of `config` and `options`, its own and those
//! of other hosts.

use rustc_hash::{FxHashMap, FxHashSet};

use super::certain::innermost;
use super::{known_part, terms_of};
use crate::model::path_index::PathIndex;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Host, Origin};
use crate::syntax::hir::Name;

/// What a host is made of beside declarations and definitions: modules that are
/// not followed, and what the call is given. Values are not replaced there.
pub(super) fn outside_terms(host: &Host) -> impl Iterator<Item = &Term> {
    opaque_modules(host).chain(host.arguments.iter().map(|(_, term)| term))
}

fn opaque_modules(host: &Host) -> impl Iterator<Item = &Term> {
    let modules = host.modules.iter();
    modules.filter_map(|module| match &module.origin {
        Origin::Opaque(term, _) => Some(term),
        _ => None,
    })
}

/// Everything that a host consists of.
pub fn terms_of_host(host: &Host) -> impl Iterator<Item = &Term> {
    terms_inside(host).chain(host.arguments.iter().map(|(_, term)| term))
}

/// Everything but what the call is given.
pub(in crate::model) fn terms_inside(host: &Host) -> impl Iterator<Item = &Term> {
    let declarations = host.declarations.iter().map(|it| &it.effect);
    let definitions = host.definitions.iter().flat_map(terms_of);
    definitions.chain(declarations).chain(opaque_modules(host))
}

/// Paths of `config` and `options` that definitions read, up to the first name
/// that is computed.
pub(super) fn read_paths(definitions: &[Definition]) -> FxHashSet<Vec<Name>> {
    read_by(definitions.iter().flat_map(terms_of))
}

/// The same of any terms.
pub(super) fn read_by<'t>(terms: impl IntoIterator<Item = &'t Term>) -> FxHashSet<Vec<Name>> {
    let mut paths = FxHashSet::default();
    for term in terms {
        term.walk(&mut |term| {
            if let K::Select(base, keys, _) | K::HasAttr(base, keys) = term.kind()
                && matches!(base.kind(), K::Arg(name) if matches!(&**name, "config" | "options"))
            {
                paths.insert(known_part(keys));
            }
        });
    }
    paths
}

/// What hosts read of one other host's configuration.
#[derive(Debug, Default)]
pub struct ForeignReads {
    /// The paths below its `config`.
    pub(super) paths: PathIndex,
    /// Something is read of which the path is not known.
    pub(super) all: bool,
}

impl ForeignReads {
    /// The reads of all hosts, by the name of the host that is read; `""` stands
    /// for those that may be of any host.
    pub fn of<'h>(hosts: impl IntoIterator<Item = &'h Host>) -> FxHashMap<Name, Self> {
        let mut reads: FxHashMap<Name, Self> = FxHashMap::default();
        for host in hosts {
            for (name, path) in foreign_reads(host) {
                let reads = reads.entry(name).or_default();
                if path.is_empty() {
                    reads.all = true;
                } else if !reads.paths.contains(&path) {
                    reads.paths.insert(&path, 0);
                }
            }
        }
        reads
    }
}

/// The name of an argument of the modules that is another host, all of them, or a
/// part of one.
pub(in crate::model) fn given_host((name, term): &(String, Term)) -> Option<&str> {
    let name = name.strip_prefix("specialArgs.")?;
    let read = FlakeRead::of(term, &FxHashMap::default())?;
    let is_hosts = |key: &Key| matches!(key, Key::Name(name) if &**name == "nixosConfigurations");
    let direct = matches!(term.kind(), K::Select(base, ..) if *base.kind() == K::Flake);
    (direct && read.path.first().is_some_and(is_hosts) && read.inside.is_empty()).then_some(name)
}

/// Reads of other hosts' configurations: the host's name, and the path below
/// its `config`.
pub fn foreign_reads(host: &Host) -> Vec<(Name, Vec<Name>)> {
    let mut found = Vec::new();
    if host.reads_hosts {
        found.push((Name::from(""), Vec::new()));
    }
    // What is read of an argument is in the terms; who takes it beside these, the
    // analysis of what is handed on has looked for.
    let stack = terms_inside(host).cloned();
    let others = host.arguments.iter().filter(|it| given_host(it).is_none());
    let stack = stack.chain(others.map(|(_, term)| term.clone()));
    found.extend(foreign_reads_in(host, stack.collect()));
    found
}

/// What terms of a host read of the configurations of hosts.
pub fn foreign_reads_in(host: &Host, terms: Vec<Term>) -> Vec<(Name, Vec<Name>)> {
    let mut found = Vec::new();
    let mut seen = FxHashSet::default();
    let mut given = FxHashMap::default();
    for argument in &host.arguments {
        if let (Some(name), K::Select(_, keys, _)) = (given_host(argument), argument.1.kind()) {
            given.insert(name, keys.as_slice());
        }
    }
    let mut stack = terms;
    while let Some(term) = stack.pop() {
        if !seen.insert(term.digest()) {
            continue;
        }
        let Some(read) = FlakeRead::of(&term, &given) else {
            term.children(&mut |child| stack.push(child.clone()));
            continue;
        };
        stack.extend(read.inside);
        match read.path.as_slice() {
            [Key::Name(hosts), name, rest @ ..] if &**hosts == "nixosConfigurations" => {
                let rest = known_part(rest);
                let below = match rest.split_first() {
                    Some((first, below)) if matches!(&**first, "config" | "options") => {
                        below.to_vec()
                    }
                    _ => Vec::new(),
                };
                let name = match name {
                    Key::Name(name) => name.clone(),
                    // A computed name may be any host.
                    Key::Term(_) => Name::from(""),
                };
                found.push((name, below));
            }
            // Some host, or all of them.
            [Key::Name(hosts)] if &**hosts == "nixosConfigurations" => {
                found.push((Name::from(""), Vec::new()));
            }
            [Key::Term(_), ..] => found.push((Name::from(""), Vec::new())),
            _ => {}
        }
    }
    found
}

/// A selection from the flake itself, also in several steps: what is between
/// (`others = self.nixosConfigurations; others.a.config.x`) is not read as a
/// whole.
struct FlakeRead {
    path: Vec<Key>,
    /// Computed names and defaults.
    inside: Vec<Term>,
}

impl FlakeRead {
    /// `given` are the arguments of the modules that are such selections.
    fn of(term: &Term, given: &FxHashMap<&str, &[Key]>) -> Option<Self> {
        let mut steps: Vec<&[Key]> = Vec::new();
        let mut inside = Vec::new();
        let mut at = term;
        loop {
            at = match at.kind() {
                K::Select(base, keys, default) => {
                    inside.extend(default.iter().cloned());
                    steps.push(keys);
                    base
                }
                K::HasAttr(base, keys) if steps.is_empty() => {
                    steps.push(keys);
                    base
                }
                K::Flake if !steps.is_empty() => break,
                K::Arg(name) => {
                    steps.push(given.get(&**name)?);
                    break;
                }
                _ => return None,
            };
        }
        let path: Vec<Key> = steps.into_iter().rev().flatten().cloned().collect();
        inside.extend(path.iter().filter_map(|key| match key {
            Key::Term(term) => Some(term.clone()),
            Key::Name(_) => None,
        }));
        Some(Self { path, inside })
    }
}

/// How a host's terms read `config` and `options` other than option by option.
pub(super) struct Reads {
    /// Paths that are read as a whole.
    whole: FxHashSet<Vec<Name>>,
    /// `config` or `options` itself is enumerated.
    all: bool,
    /// Paths read through `options`.
    options: PathIndex,
    /// `config` or `options` is handed on as a whole.
    pub(super) escapes: bool,
}

/// What a module calls the configuration of a system around it: that of a nested
/// system (a user's home, a specialisation, a container) may be the host's own.
const AROUND: [&str; 4] = ["config", "osConfig", "nixosConfig", "options"];

/// Whether a module calls a configuration so.
pub(super) fn is_around(name: &str) -> bool {
    AROUND.contains(&name)
}

/// The path of a read through the parameter of a module inside of a value: the whole
/// for the parameter itself.
pub(super) fn through_nested<'k>(base: &Term, path: &'k [Key]) -> Option<(bool, &'k [Key])> {
    let (K::Bound(_, name) | K::Fresh(_, name)) = base.kind() else {
        return None;
    };
    if is_around(name) {
        return Some((&**name == "options", path));
    }
    // `args: … args.osConfig.x …`
    let (first, rest) = path.split_first()?;
    match first {
        Key::Name(name) if is_around(name) => Some((&**name == "options", rest)),
        _ => None,
    }
}

/// Whether a term may be all of `config` or `options`, whatever a condition says.
fn may_be_whole(term: &Term) -> bool {
    match term.kind() {
        K::If(_, yes, no) => may_be_whole(yes) || may_be_whole(no),
        K::Assert(_, inner) => may_be_whole(inner),
        K::Binary(_, left, right) => may_be_whole(left) || may_be_whole(right),
        K::Bound(_, name) | K::Fresh(_, name) => matches!(&**name, "osConfig" | "nixosConfig"),
        _ => is_whole(term),
    }
}

/// Whether a term is all of `config` or `options`.
pub(super) fn is_whole(term: &Term) -> bool {
    match term.kind() {
        K::Arg(name) => matches!(&**name, "config" | "options"),
        K::ArgSet(_) => true,
        _ => false,
    }
}

impl Reads {
    pub(super) fn of(host: &Host) -> Self {
        let mut reads = Self {
            whole: FxHashSet::default(),
            all: false,
            options: PathIndex::default(),
            escapes: false,
        };
        terms_of_host(host).for_each(|term| reads.add(term));
        reads
    }

    fn add(&mut self, term: &Term) {
        self.escapes |= is_whole(term);
        term.walk(&mut |term| self.add_one(term));
    }

    fn add_one(&mut self, term: &Term) {
        // The base of a selection is read by its path, anything else is handed on.
        let base = match term.kind() {
            K::Select(base, ..) | K::HasAttr(base, _) if matches!(base.kind(), K::Arg(_)) => {
                Some(base)
            }
            _ => None,
        };
        term.children(&mut |child| {
            self.escapes |= is_whole(child) && base.is_none_or(|base| base != child);
        });
        match term.kind() {
            K::Select(base, path, _) | K::HasAttr(base, path)
                if through_nested(base, path).is_some() =>
            {
                let Some((options, path)) = through_nested(base, path) else {
                    return;
                };
                let known = known_part(path);
                // The values of what it reads are not replaced: as good as asking
                // whether it is there.
                if !known.is_empty() {
                    self.add_option(&known);
                } else if options {
                    self.all = true;
                }
            }
            K::Select(base, path, _) | K::HasAttr(base, path) => {
                let arg = match base.kind() {
                    K::Arg(name) => &**name,
                    _ => return,
                };
                let known: Vec<Name> = path
                    .iter()
                    .map_while(|key| {
                        if let Key::Name(name) = key {
                            Some(name.clone())
                        } else {
                            None
                        }
                    })
                    .collect();
                match arg {
                    "config" => {
                        if matches!(term.kind(), K::HasAttr(..)) {
                            // Whether it is there is asked, not what it is.
                            self.add_option(&known);
                        }
                        self.whole.insert(known);
                    }
                    "options" => {
                        self.add_option(&known);
                    }
                    _ => {}
                }
            }
            K::Apply(function, argument) => {
                let enumerates = matches!(innermost(function).kind(), K::Global(_))
                    || matches!(innermost(function).kind(), K::Select(base, ..) if matches!(base.kind(), K::Arg(name) if &**name == "lib"));
                let whole = may_be_whole(argument);
                self.all |= enumerates && whole;
            }
            K::Binary(_, left, right) => self.all |= is_whole(left) || is_whole(right),
            K::List(items) => self.all |= items.iter().any(is_whole),
            _ => {}
        }
    }

    fn add_option(&mut self, path: &[Name]) {
        if !self.options.contains(path) {
            self.options.insert(path, 0);
        }
    }

    /// Whether replacing the reads of this option might miss one.
    pub(super) fn block(&self, path: &[Name]) -> bool {
        if self.all {
            return true;
        }
        // A strict prefix read as a whole, or any overlap through `options`.
        (0..path.len()).any(|end| self.whole.contains(&path[..end])) || self.options.overlaps(path)
    }
}

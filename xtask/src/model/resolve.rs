//! Reads of a repository's own options replaced by their values.
//!
//! An option that a repository declares for itself (`features.x.enable`) has no
//! effect but through its reads. Where its value is certain, the reads are
//! replaced by it and the option itself no longer counts; what is left is what
//! the module system would have been given without the option.

use rustc_hash::{FxHashMap, FxHashSet};

use super::term::{Key, Term, TermKind as K};
use super::{Definition, Host, Origin, Wrapper};
use crate::options::{OptionType, Scalar};
use crate::syntax::hir::Name;

/// Rounds of replacing until nothing changes; features that read features.
const ROUNDS: usize = 8;

/// Priority of an option's default.
const DEFAULT_PRIORITY: i64 = 1500;

/// A host with the reads of its certain options replaced.
pub struct Resolved<'h> {
    /// The host.
    pub host: &'h Host,
    /// The definitions that count, in merge order.
    pub definitions: Vec<Definition>,
    /// Definitions under a condition that is certainly false.
    pub inactive: Vec<Definition>,
    /// Paths of options that no longer count.
    pub transparent: FxHashSet<Vec<Name>>,
    /// Values of those options.
    pub values: FxHashMap<Vec<Name>, Term>,
}

impl<'h> Resolved<'h> {
    /// Replaces what is certain.
    pub fn new(host: &'h Host) -> Self {
        Self::against(host, None, &[])
    }

    /// Replaces what is certain, knowing an earlier state of the host. A module
    /// that is not followed and has not changed since cannot define an option
    /// that was not declared then: it would not have evaluated. Options that
    /// other hosts read (`foreign`) count as they are.
    pub fn against(host: &'h Host, before: Option<&Host>, foreign: &[Vec<Name>]) -> Self {
        let mut candidates: Vec<&super::Declaration> = candidates(host, before);
        let is_old = |path: &[Name]| {
            before.is_none_or(|before| before.declarations.iter().any(|d| overlap(&d.path, path)))
        };
        // A read of which the path is not known cannot be meant for a new option.
        candidates.retain(|declaration| {
            let path = &declaration.path;
            !foreign
                .iter()
                .any(|read| overlap(read, path) && (!read.is_empty() || is_old(path)))
        });
        let mut definitions = host.definitions.clone();
        let mut inactive = Vec::new();
        let mut values: FxHashMap<Vec<Name>, Term> = FxHashMap::default();
        if !candidates.is_empty() {
            let reads = Reads::of(host);
            // Code that is handed all of `config` cannot have been written for
            // an option that is new.
            let old = |path: &[Name]| {
                before
                    .is_none_or(|before| before.declarations.iter().any(|d| overlap(&d.path, path)))
            };
            candidates.retain(|declaration| {
                let path = &declaration.path;
                !(reads.block(path) || reads.escapes && old(path))
            });
        }
        for _ in 0..ROUNDS {
            let mut learned = false;
            for declaration in &candidates {
                if values.contains_key(&declaration.path) {
                    continue;
                }
                if let Some(value) = certain_value(declaration, &definitions) {
                    values.insert(declaration.path.clone(), value);
                    learned = true;
                }
            }
            if !learned {
                break;
            }
            substitute(&mut definitions, &mut inactive, &values);
        }
        // A value that still reads a replaced option would be replaced forever.
        let mut transparent: FxHashSet<Vec<Name>> = values.keys().cloned().collect();
        // The module system never asks for the value of an option that nothing
        // defines and nothing reads.
        let reads = read_paths(&definitions);
        for declaration in &candidates {
            let path = &declaration.path;
            let defined = |definition: &Definition| overlap(&known_part(&definition.path), path);
            if declaration.default.is_none()
                && !transparent.contains(path)
                && !reads.iter().any(|read| overlap(read, path))
                && !definitions.iter().any(defined)
            {
                transparent.insert(path.clone());
            }
        }
        definitions.retain(|definition| !is_transparent(&definition.path, &transparent));
        inactive.retain(|definition| !is_transparent(&definition.path, &transparent));
        Self {
            host,
            definitions,
            inactive,
            transparent,
            values,
        }
    }
}

/// Whether one path leads to or through the other.
fn overlap(a: &[Name], b: &[Name]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// All that a definition consists of beside its fixed names.
fn terms_of(definition: &Definition) -> impl Iterator<Item = &Term> {
    let keys = definition.path.iter().filter_map(|key| match key {
        Key::Term(term) => Some(term),
        Key::Name(_) => None,
    });
    let conditions = definition
        .wrappers
        .iter()
        .filter_map(|(_, wrapper)| match wrapper {
            Wrapper::If(condition) => Some(condition),
            _ => None,
        });
    keys.chain(conditions).chain([&definition.value])
}

/// Paths of `config` and `options` that definitions read, up to the first name
/// that is computed.
fn read_paths(definitions: &[Definition]) -> FxHashSet<Vec<Name>> {
    let mut paths = FxHashSet::default();
    for term in definitions.iter().flat_map(terms_of) {
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

fn known_part(keys: &[Key]) -> Vec<Name> {
    keys.iter()
        .map_while(|key| match key {
            Key::Name(name) => Some(name.clone()),
            Key::Term(_) => None,
        })
        .collect()
}

/// Reads of other hosts' configurations: the host's name, and the path below
/// its `config`.
pub(crate) fn foreign_reads(host: &Host) -> Vec<(Name, Vec<Name>)> {
    let mut found = Vec::new();
    let mut add = |term: &Term| {
        term.walk(&mut |term| {
            let (K::Select(base, keys, _) | K::HasAttr(base, keys)) = term.kind() else {
                return;
            };
            if !matches!(base.kind(), K::Flake) {
                return;
            }
            if let [Key::Name(hosts), name, rest @ ..] = keys.as_slice()
                && &**hosts == "nixosConfigurations"
            {
                let rest = known_part(rest);
                let below = match rest.split_first() {
                    Some((first, below)) if matches!(&**first, "config" | "options") => below.to_vec(),
                    _ => Vec::new(),
                };
                let name = match name {
                    Key::Name(name) => name.clone(),
                    // A computed name may be any host.
                    Key::Term(_) => Name::from(""),
                };
                found.push((name, below));
            } else if matches!(keys.first(), Some(Key::Name(hosts)) if &**hosts == "nixosConfigurations") {
                // Some host, or all of them.
                found.push((Name::from(""), Vec::new()));
            }
        });
    };
    host.definitions
        .iter()
        .flat_map(terms_of)
        .for_each(&mut add);
    host.declarations
        .iter()
        .for_each(|declaration| add(&declaration.effect));
    found
}

fn is_transparent(path: &[Key], transparent: &FxHashSet<Vec<Name>>) -> bool {
    fixed_path(path).is_some_and(|path| transparent.contains(&path))
}

fn fixed_path(path: &[Key]) -> Option<Vec<Name>> {
    path.iter()
        .map(|key| {
            if let Key::Name(name) = key {
                Some(name.clone())
            } else {
                None
            }
        })
        .collect()
}

/// Options that are declared once and that nothing unknown can define.
fn candidates<'h>(host: &'h Host, before: Option<&Host>) -> Vec<&'h super::Declaration> {
    let opaque = |host: &Host| -> FxHashSet<Term> {
        let inside = host
            .modules
            .iter()
            .filter_map(|module| match &module.origin {
                Origin::Opaque(term, _) if is_of_this_tree(term) => Some(term.clone()),
                _ => None,
            });
        inside.collect()
    };
    let inside = opaque(host);
    let unchanged = before.filter(|before| opaque(before).is_superset(&inside));
    if provenance_is_read(host) || !inside.is_empty() && unchanged.is_none() {
        return Vec::new();
    }
    let was_declared = |path: &[Name]| {
        unchanged.is_some_and(|before| {
            before.declarations.iter().any(|declaration| {
                let common = declaration
                    .path
                    .iter()
                    .zip(path)
                    .take_while(|(a, b)| a == b)
                    .count();
                common == declaration.path.len() || common == path.len()
            })
        })
    };
    host.declarations
        .iter()
        .filter(|declaration| {
            if !inside.is_empty() && was_declared(&declaration.path) {
                return false;
            }
            let overlaps = host
                .declarations
                .iter()
                .filter(|other| {
                    let common = other
                        .path
                        .iter()
                        .zip(&declaration.path)
                        .take_while(|(a, b)| a == b)
                        .count();
                    common == other.path.len() || common == declaration.path.len()
                })
                .count();
            overlaps == 1
                && !declaration.open
                && !declaration.apply
                && passes_unchanged(&declaration.kind)
        })
        .collect()
}

/// The manual lists every declaration: then a new one is a change.
fn provenance_is_read(host: &Host) -> bool {
    host.definitions.iter().any(|definition| {
        super::path_text(&definition.path) == "documentation.nixos.includeAllModules"
            && !matches!(definition.value.kind(), K::Bool(false))
    })
}

/// Whether an opaque module may be made from files of this tree. A file that is
/// missing defines nothing; the host does not evaluate with it.
pub(crate) fn is_of_this_tree(term: &Term) -> bool {
    if matches!(term.kind(), K::Path(_, digest) if *digest == super::files::missing()) {
        return false;
    }
    let mut inside = false;
    term.walk(&mut |term| {
        inside |= matches!(
            term.kind(),
            K::Path(..) | K::PathInterp(..) | K::Flake | K::Lambda(..) | K::Place(..) | K::Mu(_)
        );
    });
    inside
}

/// Types that give one definition's value back as it is.
fn passes_unchanged(kind: &OptionType) -> bool {
    match kind {
        OptionType::Scalar(_) | OptionType::Raw => true,
        OptionType::ListOf(inner) => matches!(**inner, OptionType::Scalar(_) | OptionType::Raw),
        // One definition at most, and nothing is done to it: `raw` by another name.
        OptionType::Uniq(inner) if **inner == OptionType::Unspecified => true,
        OptionType::NullOr(inner) | OptionType::Uniq(inner) => passes_unchanged(inner),
        _ => false,
    }
}

/// The value of an option, if all that defines it is unconditional.
fn certain_value(declaration: &super::Declaration, definitions: &[Definition]) -> Option<Term> {
    let path = &declaration.path;
    let mut best: Option<(i64, Vec<&Term>)> = None;
    for definition in definitions {
        let common = definition
            .path
            .iter()
            .zip(path)
            .take_while(|(key, name)| matches!(key, Key::Name(key) if key == *name))
            .count();
        if common < definition.path.len() && common < path.len() {
            // A computed name may be this one.
            if matches!(definition.path.get(common), Some(Key::Term(_))) {
                return None;
            }
            continue;
        }
        if definition.path.len() != path.len() {
            return None;
        }
        // Of several overrides only the outermost is taken off.
        let priority = match definition.wrappers.as_slice() {
            [] => 100,
            [(_, Wrapper::Override(priority))] => *priority,
            _ => return None,
        };
        // The default is a definition too.
        if priority >= DEFAULT_PRIORITY && declaration.default.is_some() {
            return None;
        }
        match &mut best {
            Some((least, values)) if *least == priority => values.push(&definition.value),
            Some((least, _)) if *least < priority => {}
            _ => best = Some((priority, vec![&definition.value])),
        }
    }
    let value = match best {
        None => declaration.default.clone()?,
        Some((_, values)) => {
            let (first, rest) = values.split_first()?;
            // A list is the sum of its definitions, anything else agrees.
            let one = matches!(declaration.kind, OptionType::Scalar(_)) || rest.is_empty();
            if !one || rest.iter().any(|other| other != first) {
                return None;
            }
            (*first).clone()
        }
    };
    (value.is_closed() && fits(&declaration.kind, &value)).then_some(value)
}

/// Whether a value certainly is what the module system would give back.
fn fits(kind: &OptionType, value: &Term) -> bool {
    let property = match value.kind() {
        K::Apply(function, _) => match innermost(function).kind() {
            K::Select(_, path, _) => {
                matches!(path.last(), Some(Key::Name(name)) if name.starts_with("mk"))
            }
            K::WithVar(name, _) => name.starts_with("mk"),
            K::Lambda(..) | K::Mu(_) => true,
            _ => false,
        },
        _ => false,
    };
    if property {
        return false;
    }
    match kind {
        OptionType::NullOr(_) if matches!(value.kind(), K::Null) => true,
        OptionType::Uniq(inner) if **inner == OptionType::Unspecified => true,
        OptionType::NullOr(inner) | OptionType::Uniq(inner) => fits(inner, value),
        OptionType::Raw => true,
        OptionType::ListOf(inner) => match value.kind() {
            K::List(items) => items.iter().all(|item| fits(inner, item)),
            K::Null | K::Bool(_) | K::Int(_) | K::Str(_) | K::Set(..) => false,
            _ => true,
        },
        OptionType::Scalar(scalar) => match value.kind() {
            K::Bool(_) => matches!(scalar, Scalar::Bool | Scalar::Enum),
            K::Int(_) => matches!(scalar, Scalar::Int | Scalar::Enum | Scalar::Number),
            K::Str(_) | K::Interp(_) => matches!(scalar, Scalar::Str | Scalar::Enum | Scalar::Path),
            K::List(_) | K::Set(..) | K::Null => false,
            _ => true,
        },
        _ => false,
    }
}

fn innermost(term: &Term) -> &Term {
    match term.kind() {
        K::Apply(function, _) => innermost(function),
        _ => term,
    }
}

fn substitute(
    definitions: &mut Vec<Definition>,
    inactive: &mut Vec<Definition>,
    values: &FxHashMap<Vec<Name>, Term>,
) {
    let mut memo = FxHashMap::default();
    let mut replace = |term: &Term| {
        let mut term = term.clone();
        for _ in 0..ROUNDS {
            let next = term.rewrite(0, &mut memo, &|term, _| read_of(term, values));
            if next == term {
                break;
            }
            term = next;
        }
        term
    };
    let mut kept = Vec::with_capacity(definitions.len());
    for mut definition in definitions.drain(..) {
        definition.value = replace(&definition.value);
        for key in &mut definition.path {
            if let Key::Term(term) = key {
                let term = replace(term);
                *key = match term.kind() {
                    K::Str(name) => Key::Name(name.clone()),
                    _ => Key::Term(term),
                };
            }
        }
        let mut active = true;
        definition.wrappers.retain_mut(|(_, wrapper)| {
            let Wrapper::If(condition) = wrapper else {
                return true;
            };
            *condition = replace(condition);
            match condition.kind() {
                K::Bool(true) => false,
                K::Bool(false) => {
                    active = false;
                    true
                }
                _ => true,
            }
        });
        if active {
            kept.push(definition)
        } else {
            inactive.push(definition)
        }
    }
    *definitions = kept;
}

/// The value that stands for a term, if it reads a certain option.
fn read_of(term: &Term, values: &FxHashMap<Vec<Name>, Term>) -> Option<Term> {
    let K::Select(base, path, _) = term.kind() else {
        return None;
    };
    if !matches!(base.kind(), K::Arg(name) if &**name == "config") {
        return None;
    }
    let mut prefix: Vec<Name> = Vec::with_capacity(path.len());
    for (index, key) in path.iter().enumerate() {
        let Key::Name(name) = key else { return None };
        prefix.push(name.clone());
        if let Some(value) = values.get(&prefix) {
            return Some(Term::select(
                value.clone(),
                path[index + 1..].to_vec(),
                None,
            ));
        }
    }
    None
}

/// How a host's terms read `config` and `options` other than option by option.
struct Reads {
    /// Paths that are read as a whole.
    whole: FxHashSet<Vec<Name>>,
    /// `config` or `options` itself is enumerated.
    all: bool,
    /// Paths read through `options`.
    options: FxHashSet<Vec<Name>>,
    /// `config` or `options` is handed on as a whole.
    escapes: bool,
}

/// Whether a term is all of `config` or `options`.
fn is_whole(term: &Term) -> bool {
    match term.kind() {
        K::Arg(name) => matches!(&**name, "config" | "options"),
        K::ArgSet(_) => true,
        _ => false,
    }
}

impl Reads {
    fn of(host: &Host) -> Self {
        let mut reads = Self {
            whole: FxHashSet::default(),
            all: false,
            options: FxHashSet::default(),
            escapes: false,
        };
        host.definitions
            .iter()
            .flat_map(terms_of)
            .for_each(|term| reads.add(term));
        for declaration in &host.declarations {
            reads.add(&declaration.effect);
        }
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
                            self.options.insert(known.clone());
                        }
                        self.whole.insert(known);
                    }
                    "options" => {
                        self.options.insert(known);
                    }
                    _ => {}
                }
            }
            K::Apply(function, argument) => {
                let enumerates = matches!(innermost(function).kind(), K::Global(_))
                    || matches!(innermost(function).kind(), K::Select(base, ..) if matches!(base.kind(), K::Arg(name) if &**name == "lib"));
                let whole = is_whole(argument);
                self.all |= enumerates && whole;
            }
            K::Binary(_, left, right) => self.all |= is_whole(left) || is_whole(right),
            K::List(items) => self.all |= items.iter().any(is_whole),
            _ => {}
        }
    }

    /// Whether replacing the reads of this option might miss one.
    fn block(&self, path: &[Name]) -> bool {
        if self.all {
            return true;
        }
        // A strict prefix read as a whole, or any overlap through `options`.
        (0..path.len()).any(|end| self.whole.contains(&path[..end]))
            || self.options.iter().any(|read| {
                let common = read.iter().zip(path).take_while(|(a, b)| a == b).count();
                common == read.len() || common == path.len()
            })
    }
}

//! What is read of the tree where the flake itself is handed on.
//!
//! A normal form follows `"${self}/x"` to what stands there. Where `self`, or the
//! set of inputs that it is in, goes into something that is not followed (a file
//! that `callPackage` calls, the module of a specialisation, `lib.cleanSource`, an
//! option that another module reads), the term does not tell what is read. This
//! analysis does: terms are evaluated over [`Leads`], which say where the flake may
//! be in a value, and every read of it is collected with the digest of what is read.
//!
//! The flake as a whole is pinned by its place: to name it is no read.

mod calls;
mod functions;
mod host;
mod leads;
mod mentions;
mod names;
mod scope;
mod texts;
mod walk;

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::eval::{Eval, Member};
use super::resolve::{given_host, terms_inside};
use super::term::{Digest, Term, TermKind as K};
use super::value::{Thunk, Value};
use super::{Host, terms_of_host};
use crate::problem::Span;
use crate::syntax::hir::Name;
use crate::tree::TreePath;
use leads::Leads;

/// Rounds until what is handed on no longer grows; what grows longer than that
/// reads everything.
const ROUNDS: u32 = 8;

/// Most subterms that are looked into for one host.
const STEPS: u32 = 400_000;

/// Most files that a host may hand the flake to.
const FILES: usize = 20_000;

/// What is read through the flake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Escaped {
    /// What stands at a place in the tree; the root for all of it.
    Place(TreePath),
    /// One of the flake's outputs.
    Output(Name),
}

/// Something of the tree that may be read through the flake.
#[derive(Debug, Clone)]
pub struct Escape {
    /// What may be read.
    pub what: Escaped,
    /// What stands there.
    pub digest: Digest,
    /// The definition that leads there first.
    pub span: Option<Span>,
    /// The expression that may read it.
    pub reader: Option<Term>,
}

/// Everything of the tree that a host may read through the flake and that its
/// terms do not show; and whether other hosts may be read so.
pub(super) fn of_host(eval: &mut Eval<'_>, host: &Host) -> (Vec<Escape>, bool) {
    let used = eval.used.len();
    let mut walk = Walk {
        eval,
        handed: Leads::default(),
        config: Leads::default(),
        reads: BTreeMap::new(),
        hosts: false,
        files: Vec::new(),
        results: Leads::default(),
        unread: false,
        outside: false,
        seen: FxHashSet::default(),
        outputs: BTreeMap::new(),
        leads_of_outputs: BTreeMap::new(),
        place: None,
        current: None,
        steps: 0,
        mentions: FxHashMap::default(),
        arguments: FxHashMap::default(),
        known: FxHashMap::default(),
    };
    walk.follow(terms_of_host(host).cloned().collect());
    for round in 0.. {
        let before = (walk.handed.clone(), walk.config.clone(), walk.files.len());
        walk.mentions.clear();
        walk.arguments.clear();
        walk.known.clear();
        walk.leads_of_outputs.clear();
        walk.host(host);
        for at in 0..walk.files.len() {
            if let Some(term) = walk.files.get(at).cloned() {
                walk.outside = true;
                let leads = walk.file(&term);
                walk.outside = false;
                walk.defined(&leads);
                walk.results.join(&leads);
            }
        }
        // Nix may read what we could not.
        if walk.unread && !(walk.handed.is_none() && walk.config.is_none()) {
            walk.read_all();
        }
        if before == (walk.handed.clone(), walk.config.clone(), walk.files.len()) {
            break;
        }
        if walk.reads_all() {
            break;
        }
        if round == ROUNDS || walk.steps >= STEPS {
            walk.read_all();
            break;
        }
    }
    let hosts = walk.hosts || walk.takes_a_host(host);
    let all = Escaped::Place(TreePath::root());
    let mut reads = std::mem::take(&mut walk.reads);
    if let Some(read) = reads.remove(&all) {
        reads = BTreeMap::from([(all, read)]);
    }
    let escapes = reads.into_iter().map(|(what, read)| Escape {
        digest: match &what {
            Escaped::Place(place) => walk.eval.files.digest(place),
            Escaped::Output(name) => match walk.outputs.get(name) {
                Some(Some(term)) => term.digest(),
                _ => Digest::of(b"none"),
            },
        },
        what,
        span: read.0,
        reader: read.1,
    });
    let escapes = escapes.collect();
    walk.eval.used.truncate(used);
    (escapes, hosts)
}

/// Files of Nix at a place or below it.
fn nix_files(eval: &Eval<'_>, place: &TreePath) -> Vec<TreePath> {
    let tree = eval.files.tree;
    let Ok(resolved) = tree.resolve(place) else {
        return Vec::new();
    };
    if tree.entry(&resolved).is_some() {
        let name = place.file_name().unwrap_or_default();
        let is_nix = name.ends_with(".nix") || !name.contains('.');
        return if is_nix {
            vec![place.clone()]
        } else {
            Vec::new()
        };
    }
    let below = tree.below(&resolved).map(|(path, _)| path.clone());
    below
        .filter(|path| path.as_str().ends_with(".nix"))
        .collect()
}

/// One analysis.
struct Walk<'e, 't> {
    eval: &'e mut Eval<'t>,
    /// By name, what functions may be given that others call.
    handed: Leads,
    /// What the configuration holds.
    config: Leads,
    /// What is read, and where from first.
    reads: BTreeMap<Escaped, (Option<Span>, Option<Term>)>,
    /// Hosts are read through the flake where it was handed on.
    hosts: bool,
    /// Files that are known by their place only, and outputs: what others call.
    files: Vec<Term>,
    /// What those lead to.
    results: Leads,
    /// A file among them cannot be read.
    unread: bool,
    /// What is looked into is no term of the host: reads of other hosts are known of
    /// those only.
    outside: bool,
    /// Terms that were looked through for such files, and the places of these.
    seen: FxHashSet<Digest>,
    /// Outputs of the flake that are read; none where there is no such output.
    outputs: BTreeMap<Name, Option<Term>>,
    leads_of_outputs: BTreeMap<Name, Leads>,
    /// The definition that is looked into.
    place: Option<Span>,
    /// The expression that is looked into.
    current: Option<Term>,
    steps: u32,
    /// Whether the flake can come into the value of a term.
    mentions: FxHashMap<Digest, bool>,
    /// Whether functions with these bodies are given sets of arguments.
    arguments: FxHashMap<Digest, bool>,
    /// What terms lead to, by what the parameters are that they name.
    known: FxHashMap<(Digest, u64, bool), Leads>,
}

impl Walk<'_, '_> {
    fn record(&mut self, what: Escaped) {
        let at = || (self.place.clone(), self.current.clone());
        self.reads.entry(what).or_insert_with(at);
    }

    fn read(&mut self, place: &TreePath) {
        self.record(Escaped::Place(place.clone()));
    }

    fn read_all(&mut self) {
        self.read(&TreePath::root());
    }

    /// Whether everything may be read, so that nothing more can be found.
    fn reads_all(&self) -> bool {
        self.reads.contains_key(&Escaped::Place(TreePath::root()))
    }

    /// An output of the flake.
    fn output(&mut self, name: &Name) -> Leads {
        self.record(Escaped::Output(name.clone()));
        if !self.outputs.contains_key(name) {
            let outputs = self.eval.outputs;
            let term = outputs.and_then(|outputs| self.output_term(outputs, name));
            self.outputs.insert(name.clone(), term.clone());
            self.follow(term.iter().cloned().collect());
            self.files.extend(term);
        }
        if let Some(known) = self.leads_of_outputs.get(name) {
            return known.clone();
        }
        // An output that leads back to itself gives nothing more.
        self.leads_of_outputs.insert(name.clone(), Leads::default());
        let term = self.outputs.get(name).cloned().flatten();
        let outside = std::mem::replace(&mut self.outside, true);
        let leads = term.map(|term| self.value(&term)).unwrap_or_default();
        self.outside = outside;
        self.leads_of_outputs.insert(name.clone(), leads.clone());
        leads
    }

    /// Whether the flake has, or may have, an output of this name, which is none of the
    /// names that every system has.
    fn is_output(&mut self, name: &Name) -> bool {
        if matches!(&**name, "config" | "options" | "pkgs" | "_module") {
            return false;
        }
        let member = self.eval.outputs.map(|it| self.eval.member(it, name));
        !matches!(member, None | Some(Member::Missing))
    }

    /// What an output is made of, as far as that can be told from the others.
    fn output_term(&mut self, outputs: Thunk, name: &Name) -> Option<Term> {
        match self.eval.member(outputs, name) {
            Member::Found(thunk) => return Some(self.eval.term(thunk)),
            Member::Missing => return None,
            Member::Value(_) | Member::Unknown(_) => {}
        }
        let Value::Update(left, right) = self.eval.force(outputs) else {
            return Some(self.eval.term(outputs));
        };
        let right = self.output_term(right, name);
        let left = self.output_term(left, name);
        Some(Term::new(K::List(left.into_iter().chain(right).collect())))
    }

    /// Finds the files that are known by their place only, and those that they name
    /// in turn.
    fn follow(&mut self, terms: Vec<Term>) {
        let mut stack = terms;
        while let Some(term) = stack.pop() {
            if !self.seen.insert(term.digest()) {
                continue;
            }
            term.children(&mut |child| stack.push(child.clone()));
            let (K::Path(place, _) | K::PathInterp(place, ..) | K::Place(place, ..)) = term.kind()
            else {
                continue;
            };
            // All of the tree counts there.
            if place.as_str().is_empty() {
                continue;
            }
            for path in nix_files(self.eval, place) {
                let digest = Digest::of(path.as_str().as_bytes());
                if !self.seen.insert(digest) {
                    continue;
                }
                if self.files.len() >= FILES {
                    return self.read_all();
                }
                let files = self.eval.files;
                let mut unread = false;
                let make = || {
                    let file = files.file(&path).ok()?;
                    // What is no Nix at all nobody evaluates.
                    unread = file.errors.iter().any(|error| error.is_limit);
                    let thunk = file.errors.is_empty().then(|| self.eval.import(&path));
                    Some(self.eval.term(thunk?.ok()?))
                };
                if let Some(term) = files.term(&path, make) {
                    stack.push(term.clone());
                    self.files.push(term);
                }
                self.unread |= unread;
            }
        }
    }
}

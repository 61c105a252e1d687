//! Nix, and what every command that calls it calls it with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use super::context::Context;
use super::fleet::{nearest, shown};
use super::outcome::Failure;
use crate::engine::evaluation::Refusal;
use crate::engine::memory::Memory;
use crate::engine::stand::Stand;
use crate::engine::standin;
use crate::lock::Lock;
use crate::model::{Host, ParseCache, input_names};
use crate::problem::{Problem, Span, line_col, offset_of};
use crate::tools::nix::{Input, Nix};
use crate::tree::{Tree, TreePath};
use crate::workspace::Workspace;

/// What to do where inputs cannot be downloaded.
pub(super) fn without_network(tree: &Tree, context: &Context) -> String {
    if !context.global.offline {
        return "without a network: --offline evaluates with the stand-in, --override-input NAME=DIR takes an input from a directory".to_owned();
    }
    let unknown = unknown_inputs(tree, context);
    match unknown.as_slice() {
        [] => "--override-input NAME=DIR takes an input from a directory".to_owned(),
        [first, ..] => {
            let names: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
            let what = if names.len() == 1 { "input" } else { "inputs" };
            format!(
                "the stand-in does not know the {what} {}: --override-input {first}=DIR takes it from a directory",
                names.join(", ")
            )
        }
    }
}

/// Inputs of the lock that neither the stand-in nor a directory stands for.
fn unknown_inputs(tree: &Tree, context: &Context) -> Vec<String> {
    let lock = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
    let Some(lock) = lock.and_then(|lock| Lock::read(&lock).ok()) else {
        return Vec::new();
    };
    let named = named(&context.global.override_input).unwrap_or_default();
    let inputs = lock.inputs().into_iter();
    inputs
        .filter(|(name, node)| {
            let locked = node.locked.as_ref();
            !named.contains_key(&**name)
                && !standin::stands_for(name, locked.and_then(|it| it.repo.as_deref()))
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Nix, the place where trees stand, and inputs.
pub(super) struct Setup {
    pub nix: Nix,
    pub stand: Stand,
    pub inputs: BTreeMap<String, Input>,
    pub state: PathBuf,
    /// Where the offline stand-in is, if it takes the place of inputs.
    pub stand_in: Option<PathBuf>,
    /// Options for building.
    pub build_options: Vec<String>,
    /// Processes at the same time, unless the user says otherwise.
    pub jobs: usize,
    /// Memory for all of them.
    pub memory: Memory,
}

impl Setup {
    /// Finds everything.
    ///
    /// # Errors
    ///
    /// There is no Nix, or an input that was named is no directory.
    pub(super) fn find(
        context: &Context,
        workspace: &Workspace,
        tree: &Tree,
    ) -> Result<Self, Failure> {
        Self::with(Self::nix(context)?, context, workspace, tree)
    }

    /// Nix alone.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub(super) fn nix(context: &Context) -> Result<Nix, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Nix::find(Arc::clone(&context.runner), &path)?)
    }

    /// Finds everything else.
    ///
    /// # Errors
    ///
    /// An input that was named is no directory.
    pub(super) fn with(
        nix: Nix,
        context: &Context,
        workspace: &Workspace,
        tree: &Tree,
    ) -> Result<Self, Failure> {
        let state = workspace.state_directory().to_owned();
        let mut inputs = BTreeMap::new();
        let mut build_options = Vec::new();
        let mut unpacked = None;
        if context.global.offline {
            let place = standin::unpack(&state.join("standin"))?;
            inputs = stand_in(&nix, &place, tree)?;
            unpacked = Some(place);
            build_options.extend(standin::BUILD_OPTIONS.iter().map(|it| (*it).to_owned()));
        }
        let given = named(&context.global.override_input)?;
        known(given.keys(), tree)?;
        inputs.extend(given);
        Ok(Self {
            nix,
            stand: Stand::take(&state)?,
            memory: Memory::new(None, Some(&state)),
            inputs,
            stand_in: unpacked,
            state,
            build_options,
            jobs: available_parallelism().map_or(1, Into::into),
        })
    }
}

/// The inputs that were named on the command line.
fn named(arguments: &[String]) -> Result<BTreeMap<String, Input>, Problem> {
    let mut inputs = BTreeMap::new();
    for text in arguments {
        let usage = |what: &str| {
            Problem::error("bad-input", format!("--override-input {text}: {what}"))
                .help("write --override-input NAME=DIRECTORY")
        };
        let (name, directory) = text.split_once('=').ok_or_else(|| usage("has no `=`"))?;
        let path = PathBuf::from(directory)
            .canonicalize()
            .map_err(|error| usage(&error.to_string()))?;
        if !path.is_dir() {
            return Err(usage("not a directory"));
        }
        let nar_hash = None;
        inputs.insert(name.to_owned(), Input { path, nar_hash });
    }
    Ok(inputs)
}

/// An input that the flake does not have would be given in vain.
fn known<'n>(names: impl Iterator<Item = &'n String>, tree: &Tree) -> Result<(), Problem> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    let mut known = input_names(tree, &ParseCache::default());
    let lock = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
    if let Some(lock) = lock.and_then(|lock| Lock::read(&lock).ok()) {
        known.extend(lock.inputs().into_keys().map(str::to_owned));
    }
    let Some(name) = names.find(|name| !known.contains(*name)) else {
        return Ok(());
    };
    let text = format!("--override-input: the flake has no input `{}`", shown(name));
    Err(Problem::error("unknown-input", text).help(
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "flake.nix names none that could be found".to_owned(),
            None => {
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                format!("it has: {}", names.join(", "))
            }
        },
    ))
}

/// The stand-in for every input that it can stand for.
fn stand_in(nix: &Nix, place: &Path, tree: &Tree) -> Result<BTreeMap<String, Input>, Problem> {
    let input = Input {
        nar_hash: Some(hash_of(nix, place)?),
        path: place.to_owned(),
    };
    let lock = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
    let Some(lock) = lock else {
        // Those that the flake does not have count for nothing.
        let names = standin::REPOSITORIES.iter();
        return Ok(names
            .map(|name| ((*name).to_owned(), input.clone()))
            .collect());
    };
    let lock = Lock::read(&lock).map_err(|error| {
        Problem::error("bad-lock", format!("flake.lock: {error}"))
            .help("`nix flake lock` writes it anew")
    })?;
    let inputs = lock.inputs().into_iter();
    let known = inputs.filter(|(name, node)| {
        let locked = node.locked.as_ref();
        standin::stands_for(name, locked.and_then(|it| it.repo.as_deref()))
    });
    Ok(known
        .map(|(name, _)| (name.to_owned(), input.clone()))
        .collect())
}

/// The hash of a directory that does not change, made once.
fn hash_of(nix: &Nix, place: &Path) -> Result<String, Problem> {
    let file = place.with_extension("hash");
    if let Ok(hash) = fs::read_to_string(&file)
        && hash.starts_with("sha256-")
        && hash.len() == 51
    {
        return Ok(hash);
    }
    let hash = nix
        .hash(place.as_os_str())
        .map_err(|error| Problem::error("nix-failed", error.to_string()))?;
    // Half of it would be too short.
    let _ = fs::write(file, &hash);
    Ok(hash)
}

/// Why a host does not evaluate, as a problem.
pub(super) fn refused(host: &str, refusal: &Refusal, tree: &Tree, context: &Context) -> Problem {
    let whose = if refusal.shared {
        "no host evaluates"
    } else {
        host
    };
    let option = refusal.option.as_ref();
    let option = option.map_or(String::new(), |option| format!(" (option `{option}`)"));
    let text = format!("{whose}: {}{option}", refusal.text);
    let problem = Problem {
        span: span(refusal.at.as_ref(), tree),
        ..Problem::error("eval-failed", text)
    };
    match help(refusal, tree, context) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// What to do about a host that does not evaluate, where that is known.
pub(super) fn help(refusal: &Refusal, tree: &Tree, context: &Context) -> Option<String> {
    if refusal.unavailable {
        return Some(without_network(tree, context));
    }
    // In the words of Nix: for `{ self, nixpkgs }` and for `inputs`.
    let missing = ["without required argument '", "attribute '"];
    let name = missing.iter().find_map(|before| {
        let (_, rest) = refusal.text.split_once(before)?;
        rest.split_once('\'').map(|(name, _)| name)
    })?;
    let lock = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
    let is_input = || input_names(tree, &ParseCache::default()).contains(name);
    match lock.map(|lock| Lock::read(&lock)) {
        None if is_input() => Some(
            "there is no flake.lock: `nix flake lock` writes one; then `git add flake.lock`"
                .to_owned(),
        ),
        Some(Ok(lock)) if is_input() && !lock.inputs().contains_key(name) => Some(format!(
            "flake.lock has no input `{name}`: `nix flake lock` adds it"
        )),
        _ => None,
    }
}

/// The place of a refusal as it stands, or that of a definition of the option that
/// failed, in a file that Nix names: a value of the wrong type has no place.
pub(super) fn located(refusal: Refusal, host: Option<&Host>, tree: &Tree) -> Refusal {
    let (None, Some(option), Some(host)) = (&refusal.at, &refusal.option, host) else {
        return refusal;
    };
    // What is imported as a directory is named as one.
    let names = |path: &TreePath| {
        let file = path.as_str();
        let directory = file.strip_suffix("/default.nix");
        let mut names = [Some(file), directory].into_iter().flatten();
        names.any(|name| refusal.text.contains(&format!("`{name}'")))
    };
    let spans = host.definitions.iter().filter(|definition| {
        let path = definition.path_text();
        path == *option || option.starts_with(&format!("{path}."))
    });
    let spans: Vec<&Span> = spans.filter_map(|it| it.span.as_ref()).collect();
    let named = spans.iter().find(|span| names(&span.path));
    let Some(span) = named.or(spans.first()) else {
        return refusal;
    };
    let text = tree.text(&span.path).unwrap_or_default();
    let (line, column) = line_col(&text, span.start as usize);
    let number = |number: usize| u32::try_from(number).unwrap_or(1);
    Refusal {
        at: Some((span.path.clone(), number(line), number(column))),
        ..refusal
    }
}

/// What was told once, and is the same for every host.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Whether a refusal is still to be told.
    pub(super) fn is_new(&self, refusal: &Refusal) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // How long it took and what port it came from is another for every process.
        let text = refusal.text.replace(|it: char| it.is_ascii_digit(), "");
        !refusal.shared || told.insert(text)
    }
}

/// A place, by line and column from 1, as a span of the tree.
pub(super) fn span(at: Option<&(TreePath, u32, u32)>, tree: &Tree) -> Option<Span> {
    let (path, line, column) = at?;
    let text = tree.text(path).ok()?;
    let start = offset_of(&text, *line as usize, *column as usize);
    let start = u32::try_from(start).ok()?;
    Some(Span {
        path: path.clone(),
        start,
        end: start,
    })
}

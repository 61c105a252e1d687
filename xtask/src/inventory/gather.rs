//! Reads one host's definitions for what relates it to other hosts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::index::Index;
use super::reader::Reader;
use super::reduce::{Delayed, HOLE, Reducer, Value, World};
use super::{Kind, Secret, rules};
use crate::config::Deploy;
use crate::model::term::{Digest, Key, Term, TermKind as K};
use crate::model::{Definition, Origin, Wrapper};
use crate::problem::Span;
use crate::syntax::hir::Name;
use crate::tree::{Tree, TreePath};

/// What a host says of itself and of others.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Names it has, best first.
    pub names: Vec<String>,
    /// Domains of the fleet.
    pub domains: Vec<String>,
    /// Addresses it has.
    pub addresses: Vec<IpAddr>,
    /// Names that it answers to.
    pub served: BTreeSet<String>,
    /// Names and addresses of any machine.
    pub records: Vec<(IpAddr, String)>,
    /// Public keys it has.
    pub keys: Vec<String>,
    /// Names and keys of any machine.
    pub known: FxHashMap<String, (Vec<String>, Vec<String>)>,
    /// Hosts that are named by what needs them.
    pub claims: Vec<Claim>,
    /// Peers of its tunnels.
    pub peers: Vec<Peer>,
    /// Other hosts whose configuration is read.
    pub reads: Vec<(String, String, Option<Span>)>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Inputs of the flake.
    pub inputs: BTreeSet<String>,
    /// `_module.args.nixinate`.
    pub deploy: Option<Deploy>,
    /// The platform, where a call or a literal does not say it.
    pub system: Option<String>,
}

/// A machine that is named by an option that needs it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What for.
    pub kind: Kind,
    /// Address or name.
    pub target: String,
    /// The option.
    pub path: String,
    /// The definition.
    pub span: Option<Span>,
    /// Only a URL in an option of no known meaning says so.
    pub by_url: bool,
}

/// A peer of a tunnel.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Where it is dialled, if it is.
    pub endpoint: Option<String>,
    /// Its public key.
    pub key: Option<String>,
    /// Networks behind it.
    pub allowed: Vec<String>,
    /// The option.
    pub path: String,
    /// The definition.
    pub span: Option<Span>,
}

/// What a term shows without being computed.
#[derive(Debug, Default)]
struct Traits {
    inputs: Vec<Name>,
    arguments: Vec<Name>,
    /// `argument.name`: an input, if the argument is all inputs.
    members: Vec<(Name, Name)>,
    reads: Vec<Name>,
    /// A host's configuration is read whose name must be computed.
    computed_read: bool,
    url: bool,
}

/// Traits of the terms that one thread has seen.
#[derive(Default)]
pub struct Memo(FxHashMap<Digest, Rc<Traits>>);

impl Memo {
    fn traits(&mut self, term: &Term) -> Rc<Traits> {
        let found = self.0.entry(term.digest());
        Rc::clone(found.or_insert_with(|| Rc::new(traits(term))))
    }
}

fn traits(term: &Term) -> Traits {
    let mut found = Traits::default();
    term.walk(&mut |term| match term.kind() {
        K::Input(name) => found.inputs.push(name.clone()),
        K::Arg(name) => found.arguments.push(name.clone()),
        K::Str(text) => found.url |= text.contains("://"),
        K::Select(base, keys, _) => match (base.kind(), keys.as_slice()) {
            (K::Flake, [Key::Name(first), Key::Name(host), ..])
                if &**first == "nixosConfigurations" =>
            {
                found.reads.push(host.clone());
            }
            (K::Flake, [Key::Name(first), Key::Term(_), ..])
                if &**first == "nixosConfigurations" =>
            {
                found.computed_read = true;
            }
            (K::Flake, [Key::Name(first), Key::Name(input), ..]) if &**first == "inputs" => {
                found.inputs.push(input.clone());
            }
            (K::Arg(nodes), [Key::Name(host), Key::Name(config), ..])
                if &**nodes == "nodes" && &**config == "config" =>
            {
                found.reads.push(host.clone());
            }
            (K::Arg(argument), [Key::Name(member), ..]) => {
                found.members.push((argument.clone(), member.clone()));
            }
            _ => {}
        },
        _ => {}
    });
    found
}

/// One host's view of the fleet.
struct View<'a> {
    index: &'a Index<'a>,
    host: usize,
    tree: &'a Tree,
    reads: RefCell<Vec<String>>,
}

impl World for View<'_> {
    fn option(&self, host: Option<&str>, path: &[&str]) -> Vec<(Term, usize)> {
        match host {
            None => self.index.option(self.host, path),
            Some(name) => match self.index.position(name) {
                Some(host) => self.index.option(host, path),
                None => Vec::new(),
            },
        }
    }

    fn text(&self, path: &TreePath) -> Option<String> {
        self.tree.text(path).ok()
    }

    fn argument(&self, name: &str) -> Option<Term> {
        let host = self.index.host(self.host)?;
        let special = host
            .arguments
            .iter()
            .find(|(argument, _)| argument.strip_prefix("specialArgs.") == Some(name));
        match special {
            Some((_, term)) => Some(term.clone()),
            None => {
                let found = self.index.option(self.host, &["_module", "args", name]);
                found
                    .into_iter()
                    .find(|(_, used)| *used == 3)
                    .map(|(term, _)| term)
            }
        }
    }

    fn read(&self, host: &str) {
        self.reads.borrow_mut().push(host.to_owned());
    }
}

/// Reads a host.
pub fn gather(index: &Index<'_>, host: usize, tree: &Tree, memo: &mut Memo) -> Gathered {
    let view = View {
        index,
        host,
        tree,
        reads: RefCell::default(),
    };
    let mut found = Gathered::default();
    let Some(host) = index.host(host) else {
        return found;
    };
    let mut arguments: BTreeSet<Name> = BTreeSet::new();
    let all_inputs: BTreeSet<&str> = host
        .arguments
        .iter()
        .filter(|(_, term)| matches!(term.kind(), K::Inputs))
        .filter_map(|(name, _)| name.strip_prefix("specialArgs."))
        .collect();
    let note =
        |term: &Term, found: &mut Gathered, arguments: &mut BTreeSet<Name>, memo: &mut Memo| {
            let traits = memo.traits(term);
            found
                .inputs
                .extend(traits.inputs.iter().map(|name| name.to_string()));
            arguments.extend(traits.arguments.iter().cloned());
            let members = traits.members.iter();
            let of_inputs = members.filter(|(argument, _)| all_inputs.contains(&**argument));
            found
                .inputs
                .extend(of_inputs.map(|(_, member)| member.to_string()));
            traits
        };
    for module in &host.modules {
        if let Origin::Opaque(term, _) = &module.origin {
            note(term, &mut found, &mut arguments, memo);
        }
    }
    for definition in &host.definitions {
        let traits = note(&definition.value, &mut found, &mut arguments, memo);
        for (_, wrapper) in &definition.wrappers {
            if let Wrapper::If(condition) = wrapper {
                let of_condition = note(condition, &mut found, &mut arguments, memo);
                read_hosts(&of_condition, definition, &mut found);
            }
        }
        read_hosts(&traits, definition, &mut found);
        read_definition(&view, definition, &traits, &mut found);
    }
    for (name, term) in &host.arguments {
        let used = match name.strip_prefix("specialArgs.") {
            Some(argument) => arguments.contains(argument),
            None => true,
        };
        // Handing on all inputs uses none of them.
        if used && !matches!(term.kind(), K::Inputs | K::Flake) {
            let traits = memo.traits(term);
            found
                .inputs
                .extend(traits.inputs.iter().map(|name| name.to_string()));
        }
    }
    found.inputs.extend(host.maker_input().map(str::to_owned));
    found.inputs.remove("self");
    if host.system.is_none() {
        found.system = platform(&view);
    }
    found
}

fn platform(view: &View<'_>) -> Option<String> {
    const PATHS: [&[&str]; 4] = [
        &["nixpkgs", "hostPlatform", "system"],
        &["nixpkgs", "hostPlatform"],
        &["nixpkgs", "localSystem", "system"],
        &["nixpkgs", "system"],
    ];
    PATHS.iter().find_map(|path| {
        let config = Term::new(K::Arg(Name::from("config")));
        let keys = path.iter().map(|name| Key::Name(Name::from(*name)));
        let asked = Term::select(config, keys.collect(), None);
        match Reducer::new(view).value(&asked) {
            Value::Str(text) if !text.contains(HOLE) => Some(text.to_string()),
            _ => None,
        }
    })
}

fn read_hosts(traits: &Traits, definition: &Definition, found: &mut Gathered) {
    for host in &traits.reads {
        let path = definition.path_text();
        found
            .reads
            .push((host.to_string(), path, definition.span.clone()));
    }
}

fn read_definition(
    view: &View<'_>,
    definition: &Definition,
    traits: &Traits,
    found: &mut Gathered,
) {
    let known: Vec<&str> = definition
        .path
        .iter()
        .map_while(|key| match key {
            Key::Name(name) => Some(&**name),
            Key::Term(_) => None,
        })
        .collect();
    if !(rules::is_watched(&known) || traits.url || traits.computed_read) {
        return;
    }
    let mut reader = Reader {
        reducer: Reducer::new(view),
        definition,
        found,
    };
    if reader.is_off() {
        return;
    }
    let mut path: Vec<Name> = Vec::with_capacity(definition.path.len());
    for key in &definition.path {
        path.push(match key {
            Key::Name(name) => name.clone(),
            Key::Term(term) => {
                let text = reader.reducer.text_of(&Delayed::Code(term.clone(), None));
                Name::from(text)
            }
        });
    }
    reader.names_in(&path);
    let value = reader.reducer.value(&definition.value);
    reader.visit(&value.into(), &mut path, 0);
    view.reads.borrow_mut().drain(..).for_each(|host| {
        let path = definition.path_text();
        found.reads.push((host, path, definition.span.clone()));
    });
}

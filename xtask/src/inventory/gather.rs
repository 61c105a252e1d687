//! Reads one host's definitions for what relates it to other hosts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::index::Index;
use super::reduce::{Delayed, Reducer, Value, World};
use super::rules::{self, Rule};
use super::{Kind, Secret, scan};
use crate::config::Deploy;
use crate::model::term::{Digest, Key, Term, TermKind as K};
use crate::model::{Definition, Origin, Wrapper};
use crate::problem::Span;
use crate::syntax::hir::Name;
use crate::tree::{Tree, TreePath};

/// How deep sets and lists of a value are followed.
const DEPTH: usize = 40;

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
    let note =
        |term: &Term, found: &mut Gathered, arguments: &mut BTreeSet<Name>, memo: &mut Memo| {
            let traits = memo.traits(term);
            found
                .inputs
                .extend(traits.inputs.iter().map(|name| name.to_string()));
            arguments.extend(traits.arguments.iter().cloned());
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
    found.inputs.remove("self");
    if host.system.is_none() {
        found.system = platform(&view);
    }
    found
}

fn platform(view: &View<'_>) -> Option<String> {
    let paths: [&[&str]; 4] = [
        &["nixpkgs", "hostPlatform", "system"],
        &["nixpkgs", "hostPlatform"],
        &["nixpkgs", "localSystem", "system"],
        &["nixpkgs", "system"],
    ];
    paths.iter().find_map(|path| {
        let found = view.index.option(view.host, path);
        found
            .into_iter()
            .filter(|(_, used)| *used == path.len())
            .find_map(|(term, _)| match Reducer::new(view).value(&term) {
                Value::Str(text) if !text.contains(super::reduce::HOLE) => Some(text.to_string()),
                _ => None,
            })
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
    reader.served(&path);
    let value = reader.reducer.value(&definition.value);
    reader.visit(&value.into(), &mut path, 0);
    view.reads.borrow_mut().drain(..).for_each(|host| {
        let path = definition.path_text();
        found.reads.push((host, path, definition.span.clone()));
    });
}

struct Reader<'r, 'w> {
    reducer: Reducer<'w>,
    definition: &'r Definition,
    found: &'r mut Gathered,
}

impl Reader<'_, '_> {
    /// A condition is certainly false.
    fn is_off(&mut self) -> bool {
        self.definition
            .wrappers
            .iter()
            .any(|(_, wrapper)| match wrapper {
                Wrapper::If(condition) => {
                    matches!(self.reducer.value(condition), Value::Bool(false))
                }
                _ => false,
            })
    }

    fn served(&mut self, path: &[Name]) {
        if let [services, server, hosts, name, ..] = path
            && &**services == "services"
            && matches!(&**server, "nginx" | "caddy" | "httpd")
            && &**hosts == "virtualHosts"
        {
            self.found
                .served
                .extend(scan::endpoint(name).map(str::to_owned));
        }
    }

    fn visit(&mut self, delayed: &Delayed, path: &mut Vec<Name>, depth: usize) {
        if depth > DEPTH {
            return;
        }
        match self.reducer.force(delayed) {
            Value::Str(text) => self.text(&text, path),
            Value::List(items) | Value::Opaque(items) => {
                for item in items.iter() {
                    self.visit(item, path, depth + 1);
                }
            }
            Value::Set(set) => {
                self.set(&set, path);
                for (name, value) in set.iter() {
                    path.push(name.clone());
                    self.served(path);
                    self.visit(value, path, depth + 1);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn attribute(&mut self, set: &Attributes, names: &[&str]) -> Option<String> {
        let found = names.iter().find_map(|name| set.get(*name))?;
        match self.reducer.force(found) {
            Value::Str(text) => Some(text.to_string()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn set(&mut self, set: &Attributes, path: &[Name]) {
        let names: Vec<&str> = path.iter().map(|name| &**name).collect();
        match rules::rule(&names) {
            Some(Rule::Peers) => self.peer(set, path),
            Some(Rule::Deploy) => {
                let port = self
                    .attribute(set, &["port"])
                    .and_then(|port| port.parse().ok());
                self.found.deploy = Some(Deploy {
                    host: self.attribute(set, &["host"]),
                    user: self.attribute(set, &["sshUser"]),
                    port,
                    build_on: self.attribute(set, &["buildOn"]),
                });
            }
            Some(Rule::NeedKeys(kind)) => {
                for name in set.keys() {
                    if let Some(target) = scan::endpoint(name) {
                        self.claim(kind, target, path);
                    }
                }
            }
            Some(Rule::Reservations) => {
                let address = self
                    .attribute(set, &["ip-address"])
                    .and_then(|text| text.parse().ok());
                if let (Some(address), Some(name)) = (address, self.attribute(set, &["hostname"])) {
                    self.found.records.push((address, name));
                }
            }
            Some(Rule::Secrets) if names.last() == Some(&"secrets") => {
                for (name, secret) in set {
                    let file = self.secret_file(secret);
                    self.secret(name, &names, file);
                }
            }
            _ => {}
        }
    }

    fn secret_file(&mut self, secret: &Delayed) -> Option<TreePath> {
        let Value::Set(set) = self.reducer.force(secret) else {
            return None;
        };
        if let Some(inner) = set.get("encrypted") {
            return self.secret_file(&inner.clone());
        }
        let file = ["file", "sopsFile", "rekeyFile"]
            .iter()
            .find_map(|name| set.get(*name))?;
        match self.reducer.force(file) {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    fn secret(&mut self, name: &str, above: &[&str], file: Option<TreePath>) {
        let tool = match above.first() {
            Some(&"age") => "agenix",
            Some(&"sops") => "sops",
            _ => "secrix",
        };
        self.found.secrets.push(Secret {
            name: name.to_owned(),
            tool,
            file,
            path: format!(
                "{}.{}",
                above.join("."),
                crate::model::show::attribute(name)
            ),
            span: self.definition.span.clone(),
        });
    }

    fn peer(&mut self, set: &Attributes, path: &[Name]) {
        let Some(key) = self.attribute(set, &["publicKey", "PublicKey"]) else {
            return;
        };
        let mut allowed = Vec::new();
        for name in ["allowedIPs", "AllowedIPs"] {
            if let Some(networks) = set.get(name) {
                match self.reducer.force(networks) {
                    Value::List(items) => {
                        for item in items.iter() {
                            allowed.push(self.reducer.text_of(item));
                        }
                    }
                    Value::Str(text) => allowed.extend(scan::list(&text).map(str::to_owned)),
                    _ => {}
                }
            }
        }
        let endpoint = self.attribute(set, &["endpoint", "Endpoint"]);
        self.found.peers.push(Peer {
            endpoint: endpoint.and_then(|text| scan::endpoint(&text).map(str::to_owned)),
            key: Some(key),
            allowed,
            path: path.join("."),
            span: self.definition.span.clone(),
        });
    }

    fn claim(&mut self, kind: Kind, target: &str, path: &[Name]) {
        if target.contains(super::reduce::HOLE) {
            return;
        }
        let path: Vec<Key> = path.iter().cloned().map(Key::Name).collect();
        self.found.claims.push(Claim {
            kind,
            target: target.to_ascii_lowercase(),
            path: crate::model::path_text(&path),
            span: self.definition.span.clone(),
        });
    }

    fn text(&mut self, text: &str, path: &[Name]) {
        let names: Vec<&str> = path.iter().map(|name| &**name).collect();
        match rules::rule(&names) {
            Some(Rule::Need(kind)) => {
                // What a mount is of says which part of the text is the machine.
                if kind == Kind::Storage && !scan::is_remote(text) && !is_host_option(&names) {
                    return;
                }
                for target in scan::endpoints(text) {
                    self.claim(kind, target, path);
                }
            }
            Some(Rule::Directives(kind)) => {
                for target in scan::directives(text) {
                    self.claim(kind, target, path);
                }
            }
            Some(Rule::HostName) => self.found.names.push(text.to_ascii_lowercase()),
            Some(Rule::Domain) => self.found.domains.push(text.to_ascii_lowercase()),
            Some(Rule::Address) => {
                self.found
                    .addresses
                    .extend(scan::list(text).filter_map(scan::address));
            }
            Some(Rule::Served)
                if matches!(
                    names.last(),
                    Some(&"serverName" | &"serverAliases" | &"fqdn")
                ) =>
            {
                self.found.served.extend(
                    scan::list(text)
                        .filter_map(scan::endpoint)
                        .map(str::to_owned),
                );
            }
            Some(Rule::HostsFile) => {
                let key = names
                    .get(names.len().saturating_sub(1))
                    .copied()
                    .unwrap_or_default();
                let line = format!("{key} {text}");
                self.found.records.extend(scan::records(&line));
            }
            Some(Rule::Records) => self.found.records.extend(scan::records(text)),
            Some(Rule::PublicKey) => self.found.keys.push(key_of(text)),
            Some(Rule::KnownHosts) => {
                if let [_, _, _, entry, attribute] = names.as_slice() {
                    let known = self.found.known.entry((*entry).to_owned()).or_default();
                    match *attribute {
                        "publicKey" => known.1.push(key_of(text)),
                        "hostNames" | "extraHostNames" => known.0.push(text.to_ascii_lowercase()),
                        _ => {}
                    }
                }
            }
            Some(Rule::Secrets) => {}
            None if !speaks_of_itself(&names) => {
                for (scheme, target) in scan::urls(text) {
                    let kind = if scan::is_storage_scheme(scheme) {
                        Kind::Storage
                    } else {
                        Kind::Proxy
                    };
                    self.claim(kind, target, path);
                }
            }
            _ => {}
        }
    }
}

type Attributes = std::collections::BTreeMap<Name, Delayed>;

/// A key without the comment behind it.
fn key_of(text: &str) -> String {
    text.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The value is the name of a machine and nothing else.
fn is_host_option(path: &[&str]) -> bool {
    path.last().is_some_and(|name| {
        matches!(
            *name,
            "host" | "HOST" | "dbhost" | "hostname" | "discoverPortal"
        )
    })
}

/// Options by which a service learns its own address.
fn speaks_of_itself(path: &[&str]) -> bool {
    const OWN: [&str; 13] = [
        "root_url", "rooturl", "external", "public", "base_url", "baseurl", "base-url", "domain",
        "site", "homepage", "callback", "redirect", "origin",
    ];
    path.last().is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        OWN.iter().any(|own| name.contains(own))
    })
}

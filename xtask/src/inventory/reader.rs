//! Reads the values of one definition by the rules.

use super::gather::{Claim, Gathered, Peer};
use super::reduce::{Delayed, HOLE, Reducer, Value};
use super::rules::{self, Rule};
use super::{Kind, Secret, scan};
use crate::config::Deploy;
use crate::model::term::Key;
use crate::model::{Definition, Wrapper};
use crate::syntax::hir::Name;
use crate::tree::TreePath;

/// How deep sets and lists of a value are followed.
const DEPTH: usize = 40;

// Attributes of a secret that name its encrypted file.
const FILE: &str = "file";
const SOPS_FILE: &str = "sopsFile";
const REKEY_FILE: &str = "rekeyFile";

/// Reads one definition.
pub struct Reader<'r, 'w> {
    /// Computes its values.
    pub reducer: Reducer<'w>,
    /// The definition.
    pub definition: &'r Definition,
    /// Where findings go.
    pub found: &'r mut Gathered,
}

impl Reader<'_, '_> {
    /// A condition is certainly false.
    pub fn is_off(&mut self) -> bool {
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

    /// Attribute names that name machines.
    pub fn names_in(&mut self, path: &[Name]) {
        if let [above @ .., _] = path
            && let [.., name] = path
        {
            let names: Vec<&str> = path.iter().map(|name| &**name).collect();
            if let Some(Rule::NeedKeys(kind)) = rules::rule(&names)
                && let Some(target) = scan::endpoint(name)
            {
                self.claim(kind, target, above);
            }
        }
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

    /// A value at a path, and all in it.
    pub fn visit(&mut self, delayed: &Delayed, path: &mut Vec<Name>, depth: usize) {
        if depth > DEPTH {
            return;
        }
        if depth == 0 {
            self.part_of_secret(delayed, path);
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
                    self.names_in(path);
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

    fn flag(&mut self, set: &Attributes, name: &str) -> Option<bool> {
        match self.reducer.force(set.get(name)?) {
            Value::Bool(flag) => Some(flag),
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
                    substitute_on_destination: self.flag(set, "substituteOnTarget"),
                    next: None,
                });
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

    /// A definition of one secret, or of something of it, where the option table
    /// takes the set of all secrets apart.
    fn part_of_secret(&mut self, value: &Delayed, path: &[Name]) {
        let names: Vec<&str> = path.iter().map(|name| &**name).collect();
        if !matches!(rules::rule(&names), Some(Rule::Secrets)) {
            return;
        }
        let Some(end) = names.iter().position(|name| *name == "secrets") else {
            return;
        };
        let (above, below) = names.split_at(end + 1);
        let file = match below {
            [_] => self.secret_file(value),
            [_, FILE | SOPS_FILE | REKEY_FILE] | [_, "encrypted", FILE] => {
                match self.reducer.force(value) {
                    Value::Path(path) => Some(path),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(name) = below.first() {
            self.secret(name, above, file);
        }
    }

    fn secret_file(&mut self, secret: &Delayed) -> Option<TreePath> {
        let Value::Set(set) = self.reducer.force(secret) else {
            return None;
        };
        if let Some(inner) = set.get("encrypted") {
            return self.secret_file(&inner.clone());
        }
        let file = [FILE, SOPS_FILE, REKEY_FILE]
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

    fn claim(&mut self, kind: Kind, target: &str, path: &[Name]) -> Option<&mut Claim> {
        if target.contains(HOLE) {
            return None;
        }
        let path: Vec<Key> = path.iter().cloned().map(Key::Name).collect();
        self.found.claims.push(Claim {
            kind,
            target: target.to_ascii_lowercase(),
            path: crate::model::path_text(&path),
            span: self.definition.span.clone(),
            by_url: false,
        });
        self.found.claims.last_mut()
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
            Some(Rule::Urls(kind)) => {
                for (_, target) in scan::urls(text) {
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
                    if let Some(claim) = self.claim(kind, target, path) {
                        claim.by_url = true;
                    }
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

//! Whose a name, an address or a key is.

use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::gather::{Gathered, Peer};
use super::scan;

/// Endings that never leave a site.
const LOCAL: [&str; 7] = [
    "local",
    "lan",
    "home",
    "internal",
    "intern",
    "home.arpa",
    "localdomain",
];

/// Names, addresses and keys of all hosts.
pub struct Directory {
    names: FxHashMap<String, Owner>,
    domains: FxHashSet<String>,
    addresses: FxHashMap<IpAddr, Owner>,
    keys: FxHashMap<String, Owner>,
}

/// Something with two owners is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    One(usize),
    Several,
}

impl Owner {
    fn one(self) -> Option<usize> {
        match self {
            Self::One(host) => Some(host),
            Self::Several => None,
        }
    }
}

fn give<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Owner>, key: K, host: usize) {
    map.entry(key)
        .and_modify(|owner| {
            if *owner != Owner::One(host) {
                *owner = Owner::Several;
            }
        })
        .or_insert(Owner::One(host));
}

/// Adds what is not there yet; what is better known stays.
fn fill<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Owner>, more: FxHashMap<K, Owner>) {
    for (key, owner) in more {
        map.entry(key).or_insert(owner);
    }
}

impl Directory {
    /// From the hosts' names in the flake, what they say, and where they are
    /// deployed to.
    pub fn new(names: &[&str], gathered: &[Gathered], deploy: &[Option<String>]) -> Self {
        let mut own = FxHashMap::default();
        for (host, name) in names.iter().enumerate() {
            own.insert(name.to_ascii_lowercase(), Owner::One(host));
        }
        let mut called = FxHashMap::default();
        let mut served = FxHashMap::default();
        let mut domains = FxHashSet::default();
        let mut addresses = FxHashMap::default();
        let mut keys = FxHashMap::default();
        for (host, found) in gathered.iter().enumerate() {
            domains.extend(found.domains.iter().cloned());
            for name in &found.names {
                give(&mut called, name.clone(), host);
                for domain in &found.domains {
                    give(&mut called, format!("{name}.{domain}"), host);
                }
            }
            for name in &found.served {
                give(&mut served, name.to_ascii_lowercase(), host);
            }
            for address in &found.addresses {
                give(&mut addresses, *address, host);
            }
            for key in &found.keys {
                give(&mut keys, key.clone(), host);
            }
        }
        fill(&mut own, called);
        let mut reached = FxHashMap::default();
        let mut reached_names = FxHashMap::default();
        for (host, target) in deploy.iter().enumerate() {
            let Some(target) = target else { continue };
            match target.parse::<IpAddr>() {
                Ok(address) => {
                    if let Some(address) = scan::address(&address.to_string()) {
                        give(&mut reached, address, host);
                    }
                }
                Err(_) => give(&mut reached_names, target.to_ascii_lowercase(), host),
            }
        }
        fill(&mut addresses, reached);
        fill(&mut own, reached_names);
        let mut directory = Self {
            names: own,
            domains,
            addresses,
            keys,
        };
        directory.learn_records(gathered);
        directory.learn_keys(gathered);
        fill(&mut directory.names, served);
        directory
    }

    /// Names and addresses that any host gives to machines of the fleet.
    fn learn_records(&mut self, gathered: &[Gathered]) {
        let records = || gathered.iter().flat_map(|found| &found.records);
        let mut addresses = FxHashMap::default();
        for (address, name) in records() {
            if let (Some(host), Some(address)) =
                (self.name(name), scan::address(&address.to_string()))
            {
                give(&mut addresses, address, host);
            }
        }
        fill(&mut self.addresses, addresses);
        let mut names = FxHashMap::default();
        for (address, name) in records() {
            if let Some(host) = self.address(*address) {
                give(&mut names, name.to_ascii_lowercase(), host);
            }
        }
        fill(&mut self.names, names);
    }

    fn learn_keys(&mut self, gathered: &[Gathered]) {
        let mut names = FxHashMap::default();
        for (known, keys) in gathered.iter().flat_map(|found| found.known.values()) {
            let owner = keys.iter().find_map(|key| self.keys.get(key)?.one());
            if let Some(host) = owner {
                for name in known {
                    give(&mut names, name.clone(), host);
                }
            }
        }
        fill(&mut self.names, names);
        // Who lists a key for one address says whose it is.
        let mut keys = FxHashMap::default();
        for peer in gathered.iter().flat_map(|found| &found.peers) {
            let owner = self.dialled(peer).or_else(|| self.behind(peer));
            if let (Some(key), Some(host)) = (&peer.key, owner) {
                give(&mut keys, key.clone(), host);
            }
        }
        fill(&mut self.keys, keys);
        // The same key is the same machine, also where only its owner's list of
        // peers gave it away.
        let mut keys = FxHashMap::default();
        for (from, found) in gathered.iter().enumerate() {
            for peer in found.peers.iter().filter(|peer| peer.endpoint.is_some()) {
                if let (Some(key), Some(host)) = (&peer.key, self.peer(from, peer, gathered)) {
                    give(&mut keys, key.clone(), host);
                }
            }
        }
        fill(&mut self.keys, keys);
    }

    fn dialled(&self, peer: &Peer) -> Option<usize> {
        self.find(peer.endpoint.as_deref()?)
    }

    /// The host that has an address which only this peer has.
    fn behind(&self, peer: &Peer) -> Option<usize> {
        let single = |network: &&String| match network.split_once('/') {
            None => true,
            Some((address, length)) => length == if address.contains(':') { "128" } else { "32" },
        };
        peer.allowed
            .iter()
            .filter(single)
            .filter_map(|network| scan::address(network))
            .find_map(|address| self.address(address))
    }

    /// Whose a name or an address is.
    pub fn find(&self, target: &str) -> Option<usize> {
        match target.parse::<IpAddr>() {
            Ok(address) => self.address(address),
            Err(_) => self.name(target),
        }
    }

    fn address(&self, address: IpAddr) -> Option<usize> {
        scan::address(&address.to_string())?;
        self.addresses.get(&address)?.one()
    }

    fn name(&self, name: &str) -> Option<usize> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" {
            return None;
        }
        if let Some(owner) = self.names.get(&name) {
            return owner.one();
        }
        let (first, domain) = name.split_once('.')?;
        let ours =
            self.domains.contains(domain) || LOCAL.contains(&domain) || domain.ends_with(".ts.net");
        if ours {
            self.names.get(first)?.one()
        } else {
            None
        }
    }

    /// The host that a tunnel is dialled to; `None` also for peers that dial.
    pub fn peer(&self, from: usize, peer: &Peer, gathered: &[Gathered]) -> Option<usize> {
        peer.endpoint.as_ref()?;
        let by_key = || self.keys.get(peer.key.as_ref()?)?.one();
        self.dialled(peer)
            .or_else(by_key)
            .or_else(|| self.behind(peer))
            .or_else(|| listing(from, peer, gathered))
    }
}

/// The one host in the peer's networks that lists `from` as a peer of its own.
fn listing(from: usize, peer: &Peer, gathered: &[Gathered]) -> Option<usize> {
    let mine = &gathered.get(from)?.addresses;
    let lists = |other: &Gathered| {
        other.peers.iter().any(|theirs| {
            theirs.endpoint.is_none()
                && theirs.allowed.iter().any(|network| {
                    mine.iter().any(|address| {
                        *network == format!("{address}/32") || *network == format!("{address}/128")
                    })
                })
        })
    };
    let inside = |other: &Gathered| {
        other.addresses.iter().any(|address| {
            peer.allowed
                .iter()
                .any(|network| scan::contains(network, *address))
        })
    };
    let mut hubs = gathered
        .iter()
        .enumerate()
        .filter(|(host, other)| *host != from && inside(other) && lists(other));
    match (hubs.next(), hubs.next()) {
        (Some((host, _)), None) => Some(host),
        _ => None,
    }
}

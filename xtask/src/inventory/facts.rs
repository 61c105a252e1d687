//! What owners say about their hosts: `host.toml`, or `[hosts.NAME]` in
//! `fleet.toml`.

use crate::config::{self, Config};
use crate::problem::{Problem, Span};
use crate::tree::{ReadError, Tree, TreePath};

/// What is said about one host.
#[derive(Debug, Default)]
pub struct Facts {
    /// The settings; `needs` is taken out.
    pub settings: config::Host,
    /// Hosts that it needs, with the place of each.
    pub needs: Vec<(String, Option<Span>)>,
}

/// A pattern of `[hosts.PATTERN]`: `*` is any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter_map(|at| name.get(at..))
                .any(|end| fits(rest, end))
        }),
    }
}

/// What is known of a host: its own `host.toml`, then its own table, then the
/// tables whose patterns fit.
pub fn of(
    name: &str,
    entry: Option<&TreePath>,
    tree: &Tree,
    config: &Config,
    problems: &mut Vec<Problem>,
) -> Facts {
    let mut facts = Facts::default();
    let conventional = TreePath::new("hosts").and_then(|hosts| hosts.join(name)?.join("host.toml"));
    let beside = entry.and_then(|entry| entry.parent()?.join("host.toml"));
    let file = [conventional, beside]
        .into_iter()
        .flatten()
        .find(|path| tree.entry(path).is_some());
    if let Some(path) = file {
        match tree.text(&path) {
            Ok(text) => {
                let (settings, found) = config::parse_host(&path, &text);
                problems.extend(found);
                facts.add(settings, &path, &text, &["needs"]);
            }
            Err(error) => problems.push(unreadable(&error)),
        }
    }
    if config.hosts.is_empty() {
        return facts;
    }
    let Some(path) = TreePath::new(config::FILE) else {
        return facts;
    };
    let text = tree.text(&path).unwrap_or_default();
    let mut tables: Vec<&String> = config.hosts.keys().filter(|key| fits(key, name)).collect();
    // The most specific one first.
    tables.sort_by_key(|key| (key.as_str() != name, std::cmp::Reverse(key.len())));
    for key in tables {
        if let Some(settings) = config.hosts.get(key) {
            facts.add(settings.clone(), &path, &text, &["hosts", key, "needs"]);
        }
    }
    facts
}

impl Facts {
    /// What is not said yet.
    fn add(&mut self, mut more: config::Host, path: &TreePath, text: &str, at: &[&str]) {
        let own = &mut self.settings;
        own.system = own.system.take().or(more.system);
        own.stage = own.stage.or(more.stage);
        own.group = own.group.take().or(more.group);
        own.policy = own.policy.take().or(more.policy);
        own.deploy = own.deploy.take().or(more.deploy);
        own.rollout = own.rollout.take().or(more.rollout);
        if own.roles.is_empty() {
            own.roles = std::mem::take(&mut more.roles);
        }
        if own.health.is_empty() {
            own.health = std::mem::take(&mut more.health);
        }
        let places = config::places(text, at);
        for name in more.needs {
            let span = places
                .iter()
                .find(|(place, _)| *place == name)
                .map(|(_, range)| Span {
                    path: path.clone(),
                    start: u32::try_from(range.start).unwrap_or(u32::MAX),
                    end: u32::try_from(range.end).unwrap_or(u32::MAX),
                });
            self.needs.push((name, span));
        }
    }
}

fn unreadable(error: &ReadError) -> Problem {
    Problem::error("unreadable", error.to_string())
}

/// `needs` names no host.
pub fn unknown_need(host: &str, need: &str, span: Option<Span>, names: &[&str]) -> Problem {
    let message = format!(
        "host `{host}` needs `{}`, which is no host",
        need.escape_debug()
    );
    let mut problem = Problem::warning("unknown-need", message);
    problem.span = span;
    let nearest = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, need), name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    match nearest {
        Some((_, name)) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help("name an attribute of nixosConfigurations"),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_of_names() {
        let check =
            |pattern, name, expect| assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        check("web", "web", true);
        check("web", "web1", false);
        check("web*", "web1", true);
        check("*", "", true);
        check("a*b*c", "axxbc", true);
        check("a*b*c", "axxb", false);
    }
}

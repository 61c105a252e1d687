//! Which changed option shows in which changed derivation.

use super::leaves::Leaf;

/// Words that say nothing of what an option is about.
const COMMON: &[&str] = &[
    "services",
    "programs",
    "config",
    "enable",
    "settings",
    "extraConfig",
    "package",
    "text",
    "source",
    "systemd",
    "environment",
    "etc",
    "networking",
    "security",
    "boot",
    "hardware",
    "users",
    "system",
    "value",
    "etc",
    "name",
    "content",
    "type",
    "options",
];

/// How strongly an option's path is tied to a leaf, and whether at all: names of
/// the path that stand in the name of the leaf count twice those in its changes.
pub fn weight(path: &[String], leaf: &Leaf) -> usize {
    let telling = path
        .iter()
        .filter(|name| name.len() > 1 && !COMMON.contains(&name.as_str()));
    telling
        .map(|name| {
            if contains_word(&leaf.name, name) {
                2
            } else {
                let mut lines = leaf.changes.iter().flat_map(|(_, lines)| lines);
                usize::from(lines.any(|line| contains_word(line, name)))
            }
        })
        .sum()
}

/// Whether a word stands in a text, not as a part of a longer one.
fn contains_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric();
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|it| it.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// The leaves that each of some options shows in, by index: those to which it is
/// tied as strongly as any other option.
pub fn join(options: &[Vec<String>], leaves: &[Leaf]) -> Vec<Vec<usize>> {
    let mut joined = vec![Vec::new(); options.len()];
    for (index, leaf) in leaves.iter().enumerate() {
        let weights: Vec<usize> = options.iter().map(|path| weight(path, leaf)).collect();
        let most = weights.iter().copied().max().unwrap_or(0);
        for (option, weight) in weights.into_iter().enumerate() {
            if most > 0 && weight == most {
                joined[option].push(index);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str, line: &str) -> Leaf {
        Leaf {
            name: name.to_owned(),
            before: None,
            after: None,
            changes: vec![("text".to_owned(), vec![line.to_owned()])],
        }
    }

    #[test]
    fn options_find_what_they_are_about() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let options = [
            path("services.nginx.enable"),
            path("environment.etc.motd.text"),
            path("boot.kernel.sysctl.vm.swappiness"),
        ];
        let leaves = [
            leaf("unit-nginx.service", "-ExecStart=x"),
            leaf("etc-motd", "+hello"),
            leaf("etc-60-nixos.conf", "+vm.swappiness=7"),
            leaf("unit-nginxlog.service", "-x"),
        ];
        assert_eq!(join(&options, &leaves), [vec![0], vec![1], vec![2]]);
    }
}

//! The grouping of a host as text that people edit.
//!
//! ```text
//! [nginx]
//! services.nginx.virtualHosts  # 22 lines
//!
//! [host]
//! networking.interfaces  # 8 lines: names this machine
//! ```

use std::collections::BTreeMap;

use super::anatomy::{Anatomy, ItemId};
use super::group::{Groups, STAYS, components, matches};
use super::option::spell;
use crate::problem::Problem;
use crate::taxonomy::is_feature_name;

/// The groups of a file as text.
pub fn render(anatomy: &Anatomy, groups: &Groups) -> String {
    let mut text = String::from(
        "# One definition a line, below the feature that takes it. Move lines, rename or add\n\
         # [features]; what stands below [host] stays with the host.\n",
    );
    for (name, group) in &groups.features {
        text.push_str(&format!("\n[{name}]\n"));
        let lines = group.items.iter().map(|id| line(anatomy, *id, None));
        text.extend(lines);
    }
    text.push_str(&format!("\n[{STAYS}]\n"));
    for (id, reason) in &groups.small {
        text.push_str(&line(anatomy, *id, Some(reason)));
    }
    text
}

fn line(anatomy: &Anatomy, id: ItemId, reason: Option<&str>) -> String {
    let Some(item) = anatomy.items.get(id) else {
        return String::new();
    };
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let unit = if item.lines == 1 { "line" } else { "lines" };
    format!("{}  # {} {unit}{reason}\n", spell(&item.path), item.lines)
}

/// Reads edited text back: (feature, path) pairs for
/// [`super::group::Grouping::features`]. What is wrong is reported by line.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut feature: Option<String> = None;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let line = line.split("  #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if !is_feature_name(name) {
                problems.push(bad(number, &format!("`{name}` cannot name a feature")));
            }
            feature = Some(name.to_owned());
            continue;
        }
        let Some(feature) = &feature else {
            problems.push(bad(number, "stands before the first [feature]"));
            continue;
        };
        if let Some(first) = seen.insert(line.to_owned(), number) {
            problems.push(bad(
                number,
                &format!("`{line}` stands in line {first} already"),
            ));
            continue;
        }
        found.push((feature.clone(), line.to_owned()));
    }
    if problems.is_empty() {
        // The first that takes a path in decides: what says more comes first.
        found.sort_by_key(|(_, path)| std::cmp::Reverse(components(path).len()));
        Ok(found)
    } else {
        Err(problems)
    }
}

/// Lines of edited text that take in none of the definitions of the rendered
/// text that they were made from.
pub fn strangers(rendered: &str, pairs: &[(String, String)]) -> Vec<Problem> {
    let known: Vec<Vec<String>> = parse(rendered)
        .unwrap_or_default()
        .iter()
        .map(|(_, path)| components(path))
        .collect();
    pairs
        .iter()
        .filter(|(_, pattern)| !known.iter().any(|path| matches(pattern, path)))
        .map(|(_, pattern)| {
            Problem::error(
                "bad-grouping",
                format!("`{pattern}` is none of the definitions that can move"),
            )
            .help("the lines name option paths of the host; `*` stands for one name")
        })
        .collect()
}

fn bad(line: usize, message: &str) -> Problem {
    Problem::error("bad-grouping", format!("line {line}: {message}"))
        .help("write `[feature]` lines, and below each the option paths that it takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_take_the_paths_below_them() {
        let text = "# intro\n[web]\nservices.nginx  # 3 lines\n\n[host]\nservices.\"a.b\"\n";
        let pairs = parse(text).unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            pairs,
            [("web", "services.nginx"), ("host", "services.\"a.b\"")]
        );
    }

    #[test]
    fn the_longer_path_decides() {
        let pairs = parse("[web]\nservices.nginx\n[host]\nservices.nginx.enable\n").unwrap();
        let features: Vec<&str> = pairs.iter().map(|(feature, _)| &**feature).collect();
        assert_eq!(features, ["host", "web"]);
    }

    #[test]
    fn paths_of_nowhere_are_named() {
        let pairs = parse("[web]\nservices.*\nservices.ngnix\n").unwrap();
        let problems = strangers("[host]\nservices.nginx  # 3 lines\n", &pairs);
        let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(
            messages,
            ["`services.ngnix` is none of the definitions that can move"]
        );
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let problems = parse("a.b\n[x y]\na.b\na.b\n").unwrap_err();
        let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "line 1: stands before the first [feature]",
                "line 2: `x y` cannot name a feature",
                "line 4: `a.b` stands in line 3 already",
            ]
        );
    }
}

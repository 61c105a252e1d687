//! The second judgement: what Nix makes of a host, before and after.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of a host once Nix has evaluated it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Store path of the derivation of `system.build.toplevel`.
    pub derivation: Option<String>,
    /// Store path that it would build.
    pub output: Option<String>,
    /// Store paths of the derivation of `system.build.vm` and of what it builds,
    /// where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<(String, String)>,
    /// System, as in `x86_64-linux`.
    pub system: Option<String>,
    /// What the derivation does not show: warnings, assertions, deploy data.
    #[serde(default)]
    pub beside: Value,
}

/// A host as Nix sees it: its facts, or why it does not evaluate.
pub type Evaluated<'a> = Result<&'a Facts, &'a str>;

/// The judgement by derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DerivationJudgement {
    /// The same derivation, and the same beside it.
    Equal,
    /// Nix was not asked, or could not say.
    NotChecked,
    /// Something differs.
    Different,
}

impl DerivationJudgement {
    /// The word that people and scripts see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::NotChecked => "not-checked",
            Self::Different => "different",
        }
    }
}

/// The judgement on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivationVerdict {
    /// The judgement.
    pub judgement: DerivationJudgement,
    /// Toplevel derivation before.
    pub before: Option<String>,
    /// Toplevel derivation after.
    pub after: Option<String>,
    /// What differs, or why it was not checked, in words.
    pub reasons: Vec<String>,
    /// Warnings or messages differ in nothing but names of files of the tree.
    pub message_location: bool,
}

impl DerivationVerdict {
    /// Not asked.
    pub fn not_checked(reason: impl Into<String>) -> Self {
        Self {
            judgement: DerivationJudgement::NotChecked,
            before: None,
            after: None,
            reasons: vec![reason.into()],
            message_location: false,
        }
    }
}

/// Judges one host. `place` is where both trees stood while Nix looked at them.
pub fn judge(before: Evaluated<'_>, after: Evaluated<'_>, place: &str) -> DerivationVerdict {
    let path = |side: Evaluated<'_>| side.ok().and_then(|it| it.derivation.clone());
    let mut verdict = DerivationVerdict {
        judgement: DerivationJudgement::Equal,
        before: path(before),
        after: path(after),
        reasons: Vec::new(),
        message_location: false,
    };
    let (before, after) = match (before, after) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(before), Err(after)) => {
            verdict.judgement = if without_places(before, place) == without_places(after, place) {
                DerivationJudgement::NotChecked
            } else {
                DerivationJudgement::Different
            };
            verdict
                .reasons
                .push(format!("does not evaluate, before or after: {after}"));
            return verdict;
        }
        (Ok(_), Err(error)) => {
            verdict.judgement = DerivationJudgement::Different;
            verdict
                .reasons
                .push(format!("no longer evaluates: {error}"));
            return verdict;
        }
        (Err(_), Ok(_)) => {
            verdict.judgement = DerivationJudgement::Different;
            verdict
                .reasons
                .push("did not evaluate, and does now".to_owned());
            return verdict;
        }
    };
    if before.derivation != after.derivation {
        verdict
            .reasons
            .push("another toplevel derivation".to_owned());
    }
    let (old, new) = (&before.beside, &after.beside);
    let empty = serde_json::Map::new();
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (old, new) = (fields(old), fields(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old == new {
            continue;
        }
        if old.map(|old| placeless(old, place)) == new.map(|new| placeless(new, place)) {
            verdict.message_location = true;
        } else {
            verdict.reasons.push(format!("{name} differ beside it"));
        }
    }
    if !verdict.reasons.is_empty() {
        verdict.judgement = DerivationJudgement::Different;
    }
    verdict
}

fn placeless(value: &Value, place: &str) -> Value {
    match value {
        Value::String(text) => Value::String(without_places(text, place)),
        Value::Array(items) => items.iter().map(|item| placeless(item, place)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), placeless(value, place)))
            .collect(),
        other => other.clone(),
    }
}

/// The text with files of the tree replaced by one word.
fn without_places(text: &str, place: &str) -> String {
    let mut parts = text.split(place);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
        let end = part.find(|c| !name(c)).unwrap_or(part.len());
        result.push_str("<file>");
        result.push_str(part.get(end..).unwrap_or_default());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(derivation: &str, warning: &str) -> Result<Facts, String> {
        Ok(Facts {
            derivation: Some(derivation.to_owned()),
            beside: serde_json::json!({ "warnings": [warning] }),
            ..Facts::default()
        })
    }

    #[test]
    fn sides_are_compared_in_all_they_show() {
        use DerivationJudgement::{Different, Equal, NotChecked};
        let broken = |text: &str| -> Result<Facts, String> { Err(text.to_owned()) };
        for (before, after, expect, located) in [
            (facts("a", "w"), facts("a", "w"), Equal, false),
            (facts("a", "w"), facts("b", "w"), Different, false),
            (facts("a", "w"), facts("a", "v"), Different, false),
            (
                facts("a", "see `/p/x.nix' now"),
                facts("a", "see `/p/f/y.nix' now"),
                Equal,
                true,
            ),
            (
                facts("a", "see /p/x"),
                facts("a", "see /q/x"),
                Different,
                false,
            ),
            (facts("a", "w"), broken("no"), Different, false),
            (broken("no"), facts("a", "w"), Different, false),
            (
                broken("in /p/a.nix"),
                broken("in /p/b.nix"),
                NotChecked,
                false,
            ),
            (broken("one"), broken("two"), Different, false),
        ] {
            let verdict = judge(
                before.as_ref().map_err(String::as_str),
                after.as_ref().map_err(String::as_str),
                "/p",
            );
            assert_eq!(
                (verdict.judgement, verdict.message_location),
                (expect, located),
                "{before:?} {after:?}"
            );
        }
    }
}

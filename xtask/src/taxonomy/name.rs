//! Names of features: plain Nix identifiers in kebab case.

/// Words that no attribute can be called without quotes.
const KEYWORDS: [&str; 10] = [
    "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or",
];

/// Whether a text can name a feature: an identifier, and a file of that name means
/// nothing to Nix by itself.
pub fn is_feature_name(text: &str) -> bool {
    is_identifier(text) && !matches!(text, "default" | "flake")
}

/// The text can stand as an attribute name without quotes.
pub fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && !KEYWORDS.contains(&text)
}

/// The feature that options outside every pattern form: the second component
/// of the path (`services.foo.bar` gives `foo`), or of a systemd unit its name.
/// `None` if the path has no letter or digit to make a name of.
///
/// Options that get the same name belong to one group.
pub fn derived_feature<S: AsRef<str>>(path: &[S]) -> Option<String> {
    let first = kebab(path.first()?.as_ref());
    let own = match unit(path) {
        Some(unit) => kebab(unit),
        None => path
            .get(1)
            .map(|name| kebab(name.as_ref()))
            .unwrap_or_default(),
    };
    let candidates = [own.clone(), format!("{first}-{own}"), first];
    candidates
        .into_iter()
        .find(|name| is_feature_name(name) && !name.ends_with('-'))
}

/// The name of the systemd unit that the path configures, without the
/// instance of a template.
pub(super) fn unit<S: AsRef<str>>(path: &[S]) -> Option<&str> {
    let mut names = path.iter().map(AsRef::as_ref);
    if names.next()? != "systemd" {
        return None;
    }
    let mut kind = names.next()?;
    if kind == "user" {
        kind = names.next()?;
    }
    let kinds = ["services", "timers", "sockets", "paths", "targets"];
    let name = kinds.contains(&kind).then(|| names.next())??;
    Some(name.split('@').next().unwrap_or(name))
}

/// `fooBar` and `foo bar` become `foo-bar`.
fn kebab(text: &str) -> String {
    let mut name = String::with_capacity(text.len() + 4);
    let mut lower_before = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && lower_before {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
            lower_before = !c.is_ascii_uppercase();
        } else {
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
            lower_before = false;
        }
    }
    name.truncate(name.trim_end_matches('-').len());
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_from_the_second_component() {
        let check = |path: &str, expect: Option<&str>| {
            let path: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
            assert_eq!(derived_feature(&path).as_deref(), expect, "{path:?}");
        };
        check("services/foo/bar", Some("foo"));
        check("programs/zsh", Some("zsh"));
        check("services/dockerRegistry/enable", Some("docker-registry"));
        check("services/06cb-sensor", Some("services-06cb-sensor"));
        check("services/with", Some("services-with"));
        check("services/in/x", Some("services-in"));
        check("mailserver", Some("mailserver"));
        check("let", None);
        check("services/\u{fc}", Some("services"));
        check("services/*", Some("services"));
        check("systemd/services/foo/script", Some("foo"));
        check("systemd/timers/foo-bar/timerConfig", Some("foo-bar"));
        check("systemd/user/services/foo", Some("foo"));
        check("systemd/services/foo@bar", Some("foo"));
        check("systemd/services", Some("services"));
        check("", None);
        check("\u{fc}/\u{fc}", None);
    }

    proptest! {
        #[test]
        fn a_derived_name_is_an_identifier(
            path in proptest::collection::vec("\\PC{0,8}|[a-zA-Z@-]{1,6}|if|rec|or", 0..4)
        ) {
            if let Some(name) = derived_feature(&path) {
                prop_assert!(is_identifier(&name), "{name}");
            }
        }
    }
}

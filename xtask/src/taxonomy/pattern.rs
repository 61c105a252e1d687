//! Patterns over option paths and the map from paths to what they mean.

use std::collections::HashMap;
use std::fmt;

/// A pattern such as `services.nginx.**`; see the head of `features.toml`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    parts: Vec<Part>,
    rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Name(Box<str>),
    Any,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing, or nothing but `**`: it would claim every option.
    #[error("it names no option; begin with a component such as `services`")]
    Empty,
    /// Two dots in a row, or one at either end.
    #[error("a component is empty; write `services.nginx.**`, without dots at the ends")]
    EmptyComponent,
    /// `**` anywhere but at the end.
    #[error("`**` stands only at the end; use `*` for a single component")]
    RestInside,
    /// `*` as a part of a component.
    #[error("`{0}` mixes `*` with a name; `*` stands for a whole component")]
    PartialWildcard(String),
    /// A quote that is not closed, or text right behind one that is.
    #[error("the quotes do not fit; quote whole components, as in `a.\"b.c\".d`")]
    Quotes,
    /// White space or other characters outside quotes.
    #[error("`{0}` is no attribute name; quote the component if it is meant so")]
    Name(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with the text and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        let mut rest = false;
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        for component in components(text)? {
            if rest {
                return Err(PatternError::RestInside);
            }
            match component {
                Component::Quoted(name) => parts.push(Part::Name(name.into())),
                Component::Plain("**") => rest = true,
                Component::Plain("*") => parts.push(Part::Any),
                Component::Plain("") => return Err(PatternError::EmptyComponent),
                Component::Plain(name) if name.contains('*') => {
                    return Err(PatternError::PartialWildcard(name.to_owned()));
                }
                Component::Plain(name) => {
                    let fine = |c: char| c.is_ascii_alphanumeric() || "_-'+@".contains(c);
                    if !name.chars().all(fine) {
                        return Err(PatternError::Name(name.to_owned()));
                    }
                    parts.push(Part::Name(name.into()));
                }
            }
        }
        match parts.first() {
            Some(Part::Name(_)) => Ok(Self { parts, rest }),
            _ => Err(PatternError::Empty),
        }
    }

    /// The pattern fits the path.
    pub fn matches<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let length = if self.rest {
            path.len() >= self.parts.len()
        } else {
            path.len() == self.parts.len()
        };
        length
            && self.parts.iter().zip(path).all(|(part, name)| match part {
                Part::Any => true,
                Part::Name(expected) => **expected == *name.as_ref(),
            })
    }

    /// Covers everything below the components that it names.
    pub fn is_open(&self) -> bool {
        self.rest
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match part {
                Part::Any => f.write_str("*")?,
                Part::Name(name) => {
                    let plain = |c: char| c.is_ascii_alphanumeric() || "_-'+@".contains(c);
                    if !name.is_empty() && name.chars().all(plain) {
                        f.write_str(name)?;
                    } else {
                        write!(f, "\"{name}\"")?;
                    }
                }
            }
        }
        if self.rest {
            f.write_str(".**")
        } else {
            Ok(())
        }
    }
}

enum Component<'t> {
    Plain(&'t str),
    Quoted(&'t str),
}

/// The components of a dotted text. Quoted ones know no escapes.
fn components(text: &str) -> Result<Vec<Component<'_>>, PatternError> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (name, tail) = quoted.split_once('"').ok_or(PatternError::Quotes)?;
            found.push(Component::Quoted(name));
            rest = tail;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            if name.contains('"') {
                return Err(PatternError::Quotes);
            }
            found.push(Component::Plain(name));
            rest = tail;
        }
        match rest.strip_prefix('.') {
            Some(tail) => rest = tail,
            None if rest.is_empty() => return Ok(found),
            None => return Err(PatternError::Quotes),
        }
    }
}

/// Patterns and what each means; a path gets the meaning of the most specific
/// pattern that fits it.
#[derive(Debug, Clone)]
pub struct PatternMap<T> {
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    names: HashMap<Box<str>, Node<T>, rustc_hash::FxBuildHasher>,
    any: Option<Box<Node<T>>>,
    /// A pattern that ends here.
    exact: Option<T>,
    /// A pattern that ends here with `**`.
    rest: Option<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            names: HashMap::default(),
            any: None,
            exact: None,
            rest: None,
        }
    }
}

impl<T> Default for PatternMap<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T> PatternMap<T> {
    /// Gives a pattern its meaning and returns the one that it had.
    pub fn insert(&mut self, pattern: &Pattern, meaning: T) -> Option<T> {
        let mut node = &mut self.root;
        for part in &pattern.parts {
            node = match part {
                Part::Name(name) => node.names.entry(name.clone()).or_default(),
                Part::Any => node.any.get_or_insert_default(),
            };
        }
        let place = if pattern.rest {
            &mut node.rest
        } else {
            &mut node.exact
        };
        place.replace(meaning)
    }

    /// The meaning of the most specific pattern that fits.
    pub fn get<S: AsRef<str>>(&self, path: &[S]) -> Option<&T> {
        self.root.get(path)
    }
}

impl<T> Node<T> {
    fn get<S: AsRef<str>>(&self, path: &[S]) -> Option<&T> {
        let found = match path.split_first() {
            None => self.exact.as_ref(),
            Some((name, tail)) => self
                .names
                .get(name.as_ref())
                .and_then(|node| node.get(tail))
                .or_else(|| self.any.as_ref().and_then(|node| node.get(tail))),
        };
        found.or(self.rest.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Vec<&str> {
        text.split('.').filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn patterns_fit_paths() {
        let check = |pattern: &str, text: &str, expect| {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&path(text)), expect, "{pattern} on {text}");
        };
        check("a.b", "a.b", true);
        check("a.b", "a.b.c", false);
        check("a.b", "a", false);
        check("a.*", "a.b", true);
        check("a.*", "a", false);
        check("a.*.c", "a.b.c", true);
        check("a.*.c", "a.b.d", false);
        check("a.**", "a", true);
        check("a.**", "a.b.c.d", true);
        check("a.**", "b", false);
        check("a.\"*\"", "a.b", false);
        check("a.\"*\"", "a.*", true);
    }

    #[test]
    fn what_is_no_pattern_is_said_with_a_reason() {
        let check = |text: &str, expect| assert_eq!(Pattern::parse(text), Err(expect), "{text}");
        check("", PatternError::Empty);
        check("**", PatternError::Empty);
        check("*.a", PatternError::Empty);
        check("a..b", PatternError::EmptyComponent);
        check(".a", PatternError::EmptyComponent);
        check("a.", PatternError::EmptyComponent);
        check("a.**.b", PatternError::RestInside);
        check("a.**.**", PatternError::RestInside);
        check("a.b*", PatternError::PartialWildcard("b*".into()));
        check("a.\"b", PatternError::Quotes);
        check("a.\"b\"c", PatternError::Quotes);
        check("a.b\"c\"", PatternError::Quotes);
        check("a b", PatternError::Name("a b".into()));
        check("a;b", PatternError::Name("a;b".into()));
        check("a.\n", PatternError::Name("\n".into()));
    }

    #[test]
    fn the_more_specific_pattern_decides() {
        let mut map = PatternMap::default();
        for pattern in ["a.**", "a.*.c", "a.b.**", "a.b", "a.b.*.d", "a.x.y.**"] {
            map.insert(&Pattern::parse(pattern).unwrap(), pattern);
        }
        let check = |text, expect| assert_eq!(map.get(&path(text)).copied(), expect, "{text}");
        check("a", Some("a.**"));
        check("a.b", Some("a.b"));
        check("a.b.c", Some("a.b.**"));
        check("a.q.c", Some("a.*.c"));
        check("a.q.d", Some("a.**"));
        check("a.b.z.d", Some("a.b.*.d"));
        check("a.b.z.e", Some("a.b.**"));
        // A longer pattern that turns out not to fit does not hide a shorter one.
        check("a.x.c", Some("a.*.c"));
        check("a.x.z", Some("a.**"));
        check("b", None);
        check("", None);
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let part = prop_oneof![3 => "[ab]", 1 => Just("*".to_owned())];
        let parts = proptest::collection::vec(part, 0..4);
        ("[ab]", parts, any::<bool>()).prop_map(|(first, parts, rest)| {
            let mut text = first;
            for part in parts {
                text = format!("{text}.{part}");
            }
            Pattern::parse(&format!("{text}{}", if rest { ".**" } else { "" })).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_map_finds_something_exactly_if_a_pattern_fits(
            patterns in proptest::collection::vec(any_pattern(), 0..8),
            path in proptest::collection::vec("[abc]", 0..5)
        ) {
            let mut map = PatternMap::default();
            for pattern in &patterns {
                map.insert(pattern, pattern.clone());
            }
            match map.get(&path) {
                Some(found) => prop_assert!(found.matches(&path)),
                None => prop_assert!(!patterns.iter().any(|p| p.matches(&path))),
            }
        }

        #[test]
        fn a_printed_pattern_reads_as_itself(pattern in any_pattern()) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
            }
        }
    }
}

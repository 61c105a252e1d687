//! The option table and the look-up of a path in it.
//!
//! The table stays the text that it is: rows are sorted by bytes, so a path is
//! found by bisection, and nothing is read at start-up.

mod memo;
mod walk;

use std::cmp::Ordering;

use memo::Rows;
pub(super) use walk::{Entry, Walk};

use super::{OptionType, Release, defined};

const EMBEDDED: &str = include_str!("../../data/options.tsv");
const THIRD_PARTY: &str = include_str!("../../data/options-third-party.tsv");

/// The option declarations of several releases.
#[derive(Debug, Clone)]
pub struct OptionTable<'t> {
    rows: Rows<'t>,
    /// Rows of modules outside of nixpkgs.
    third_party: Rows<'t>,
    releases: Vec<Release>,
    /// The list of what nixpkgs defines, if there is one.
    definitions: Option<&'t str>,
}

/// One row: a path that has this type over a range of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'t> {
    /// Components joined by `.`; `*` stands for the name in a set of values,
    /// names that are no plain identifiers are in double quotes.
    pub path: &'t str,
    /// The type expression, see [`OptionType::parse`].
    pub kind: &'t str,
    /// The first release of the table with this row.
    pub since: Release,
    /// The last release of the table with this row.
    pub until: Release,
    /// `apply`, `readOnly`, `internal`, `alias`, `removed`, comma-separated, or `-`.
    pub flags: &'t str,
}

impl<'t> Row<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut columns = line.split('\t');
        let row = Self {
            path: columns.next()?,
            kind: columns.next()?,
            since: columns.next()?.parse().ok()?,
            until: columns.next()?.parse().ok()?,
            flags: columns.next()?,
        };
        columns.next().is_none().then_some(row)
    }

    /// The row holds in this release of the table.
    pub fn covers(&self, release: Release) -> bool {
        self.since <= release && release <= self.until
    }

    /// The row carries this flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.split(',').any(|other| other == flag)
    }
}

/// What an attribute path is to the module system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathKind {
    /// Strictly above options: no option at it or above it, options below.
    Namespace,
    /// An option of this type.
    Option(OptionType),
    /// Below an option.
    Inside {
        /// How many components of the path name the option.
        option: usize,
        /// How many submodules the path leads through to this value; each
        /// turns the order of definitions round.
        submodules: usize,
        /// The type of the value at the path; [`OptionType::Namespace`]
        /// strictly above the options of a submodule, [`OptionType::Unknown`]
        /// below a type that is not merged per attribute.
        element: OptionType,
    },
    /// Not in the table, or the releases in question disagree.
    Unknown,
}

impl PathKind {
    /// The type of the value at the path, if it is at or below an option.
    pub fn value_type(&self) -> Option<&OptionType> {
        match self {
            Self::Option(kind) | Self::Inside { element: kind, .. } => Some(kind),
            Self::Namespace | Self::Unknown => None,
        }
    }

    /// An unconditional set defined at the path may be split into one
    /// definition per attribute, and such definitions may be joined.
    ///
    /// Not so a set for a submodule that is written as a module: one with
    /// `imports`, `options`, `config`, `freeformType`, `disabledModules`, `key`,
    /// `_file` or `_module` among its attributes stays whole.
    pub fn splittable(&self) -> bool {
        match self {
            Self::Namespace => true,
            Self::Unknown => false,
            Self::Option(kind) | Self::Inside { element: kind, .. } => kind.splittable(),
        }
    }

    /// `mkIf`, `mkOverride` and `mkOrder` around a set at the path mean the
    /// same around each of its attributes. True only strictly above options:
    /// `users = mkIf false { a = …; }` leaves an option undefined and its
    /// default in force, `users.a = mkIf false …` defines it as a set without
    /// `a`.
    pub fn conditions_pass(&self) -> bool {
        matches!(
            self,
            Self::Namespace
                | Self::Inside {
                    element: OptionType::Namespace,
                    ..
                }
        )
    }

    fn common(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Namespace, Self::Namespace) => Self::Namespace,
            (Self::Option(a), Self::Option(b)) => Self::Option(a.common(b)),
            (
                Self::Inside {
                    option,
                    submodules,
                    element,
                },
                Self::Inside {
                    option: other_option,
                    submodules: other_submodules,
                    element: other_element,
                },
            ) if option == other_option => {
                if submodules == other_submodules {
                    Self::Inside {
                        option,
                        submodules,
                        element: element.common(other_element),
                    }
                } else {
                    Self::Unknown
                }
            }
            _ => Self::Unknown,
        }
    }
}

impl OptionTable<'static> {
    /// The table that the tool carries.
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED)
            .with_definitions(defined::EMBEDDED)
            .with_third_party(THIRD_PARTY)
    }
}

impl<'t> OptionTable<'t> {
    /// Takes a table as `scripts/option-table` writes it. Only the head is
    /// read; rows that are malformed are found by no look-up.
    pub fn parse(text: &'t str) -> Self {
        let mut rows = text;
        let mut releases = Vec::new();
        while rows.starts_with('#') {
            let (comment, rest) = rows.split_once('\n').unwrap_or((rows, ""));
            if let Some(names) = comment.strip_prefix("# releases:") {
                let names = names.split_whitespace();
                releases = names.filter_map(|name| name.parse().ok()).collect();
            }
            rows = rest;
        }
        releases.sort_unstable();
        Self {
            rows: Rows::new(rows, &releases),
            third_party: Rows::new("", &releases),
            releases,
            definitions: None,
        }
    }

    /// Adds rows for what the table itself does not have, in the same columns.
    #[must_use]
    pub fn with_third_party(self, text: &'t str) -> Self {
        let third_party = Rows::new(Self::parse(text).rows.text, &self.releases);
        Self {
            third_party,
            ..self
        }
    }

    /// Adds the list of options that nixpkgs' modules define, as
    /// `scripts/option-table` writes it.
    #[must_use]
    pub fn with_definitions(self, text: &'t str) -> Self {
        Self {
            definitions: Some(defined::body(text)),
            ..self
        }
    }

    /// The releases that the table was made from, oldest first.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// Every row, in the order of the table.
    pub fn rows(&self) -> impl Iterator<Item = Row<'t>> + use<'t> {
        self.rows.text.lines().filter_map(Row::parse)
    }

    /// The table as one release sees it.
    ///
    /// A release between two of the table is believed where both agree, or
    /// where only one of them has the path; one behind the last is taken for
    /// the last, one before the first for the first. With no release known a
    /// path is what all releases that have it agree on.
    pub fn for_release(&self, release: Option<Release>) -> View<'_, 't> {
        let columns = &self.releases;
        let chosen = match release {
            None => columns.as_slice(),
            Some(release) => match columns.binary_search(&release) {
                Ok(at) => columns.get(at..=at).unwrap_or_default(),
                Err(0) => columns.get(..1).unwrap_or_default(),
                Err(at) if at == columns.len() => columns.get(at - 1..).unwrap_or_default(),
                Err(at) => columns.get(at - 1..=at).unwrap_or_default(),
            },
        };
        View {
            table: self,
            columns: chosen,
        }
    }

    /// The rows whose text starts with `key`, first come first.
    fn starting_with(rows: &'t str, key: &str) -> impl Iterator<Item = Row<'t>> + use<'t> {
        let key = key.to_owned();
        from_key(rows, &key)
            .lines()
            .take_while(move |line| line.starts_with(&key))
            .filter_map(Row::parse)
    }
}

/// The part of the rows from the first one that is not below `key`.
pub(super) fn from_key<'t>(rows: &'t str, key: &str) -> &'t str {
    let bytes = rows.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    // Both are starts of lines (or the end) all the time.
    while low < high {
        let middle = low + (high - low) / 2;
        let start = bytes
            .get(low..middle)
            .and_then(|part| part.iter().rposition(|b| *b == b'\n'))
            .map_or(low, |at| low + at + 1);
        let line = bytes.get(start..).unwrap_or_default();
        if compare(line, key) == Ordering::Less {
            low = line
                .iter()
                .position(|b| *b == b'\n')
                .map_or(bytes.len(), |at| start + at + 1);
        } else {
            high = start;
        }
    }
    rows.get(low..).unwrap_or_default()
}

fn compare(line: &[u8], key: &str) -> Ordering {
    let prefix = line.get(..key.len()).unwrap_or(line);
    prefix.cmp(key.as_bytes())
}

/// The table as one release, or several that must agree, see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, 't> {
    table: &'a OptionTable<'t>,
    columns: &'a [Release],
}

impl<'a, 't> View<'a, 't> {
    /// What the path of literal attribute names is. The empty path is a
    /// namespace.
    pub fn lookup<S: AsRef<str>>(&self, path: &[S]) -> PathKind {
        let mut kinds = self.walks().map(|mut walk| walk.kind(path));
        // Only what a release knows counts, and once two disagree nothing does.
        let mut found = PathKind::Unknown;
        for kind in &mut kinds {
            if kind == PathKind::Unknown {
                continue;
            }
            let known_before = found != PathKind::Unknown;
            found = found.common(kind);
            if known_before && found == PathKind::Unknown {
                break;
            }
        }
        drop(kinds);
        if found == PathKind::Unknown
            && let Some(column) = self.columns.last()
        {
            found = Walk::new(&self.table.third_party, *column).kind(path);
        }
        found
    }

    /// The list of what nixpkgs defines.
    pub(super) fn definitions(&self) -> Option<&'t str> {
        self.table.definitions
    }

    /// A walk for each release in question.
    pub(super) fn walks(&self) -> impl Iterator<Item = Walk<'a, 't>> {
        self.columns
            .iter()
            .map(|column| Walk::new(&self.table.rows, *column))
    }
}

#[cfg(test)]
mod tests;

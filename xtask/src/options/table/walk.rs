//! One path, looked up in one release, component by component.

use super::memo::Rows;
use super::{OptionTable, PathKind};
use crate::options::{OptionType, Release};

/// One path, looked up in one release.
pub(in crate::options) struct Walk<'a, 't> {
    rows: &'a Rows<'t>,
    pub(in crate::options) column: Release,
    /// The row key of the components walked so far.
    pub(in crate::options) key: String,
}

/// What stands at a key of the table.
#[derive(Debug, Clone)]
pub(in crate::options) enum Entry {
    Option(OptionType),
    Above,
    Absent,
}

impl<'a, 't> Walk<'a, 't> {
    /// A walk that starts at the root.
    pub(super) fn new(rows: &'a Rows<'t>, column: Release) -> Self {
        Self {
            rows,
            column,
            key: String::with_capacity(96),
        }
    }

    pub(in crate::options) fn kind<S: AsRef<str>>(&mut self, path: &[S]) -> PathKind {
        for (index, name) in path.iter().enumerate() {
            self.push(name.as_ref());
            match self.entry() {
                Entry::Absent => return PathKind::Unknown,
                Entry::Above => {}
                Entry::Option(kind) => {
                    let option = index + 1;
                    let rest = path.get(option..).unwrap_or_default();
                    if rest.is_empty() {
                        return PathKind::Option(kind);
                    }
                    let mut submodules = 0;
                    let element = self.below(kind, rest, &mut submodules);
                    return PathKind::Inside {
                        option,
                        submodules,
                        element,
                    };
                }
            }
        }
        PathKind::Namespace
    }

    /// The type at `rest` below a value of type `kind` that stands at the key.
    fn below<S: AsRef<str>>(
        &mut self,
        kind: OptionType,
        rest: &[S],
        submodules: &mut usize,
    ) -> OptionType {
        let Some((_, tail)) = rest.split_first() else {
            return kind;
        };
        match kind {
            OptionType::NullOr(inner) => self.below(*inner, rest, submodules),
            OptionType::AttrsOf(inner)
            | OptionType::LazyAttrsOf(inner)
            | OptionType::LoaOf(inner) => {
                self.push_any();
                self.below(*inner, tail, submodules)
            }
            OptionType::Submodule { freeform } => {
                *submodules += 1;
                self.below_submodule(freeform, rest, submodules)
            }
            _ => OptionType::Unknown,
        }
    }

    fn below_submodule<S: AsRef<str>>(
        &mut self,
        freeform: Option<Box<OptionType>>,
        rest: &[S],
        submodules: &mut usize,
    ) -> OptionType {
        let base = self.key.len();
        for (index, name) in rest.iter().enumerate() {
            self.push(name.as_ref());
            match self.entry() {
                Entry::Option(kind) => {
                    let tail = rest.get(index + 1..).unwrap_or_default();
                    return self.below(kind, tail, submodules);
                }
                Entry::Above => {}
                Entry::Absent => {
                    self.key.truncate(base);
                    return match freeform {
                        Some(kind) => self.below_freeform(*kind, rest, submodules),
                        None => OptionType::Unknown,
                    };
                }
            }
        }
        // Undeclared names of this namespace fall to the free form, which
        // must then merge them per attribute all the way down to here.
        self.key.truncate(base);
        match freeform {
            None => OptionType::Namespace,
            Some(kind) => {
                let beside = self.below_freeform(*kind, rest, &mut 0);
                if beside.merges_per_attribute() {
                    OptionType::Namespace
                } else {
                    OptionType::Unknown
                }
            }
        }
    }

    /// What a free form promises about undeclared names. A submodule inside it
    /// would be entered once more for names that are declared beside it.
    fn below_freeform<S: AsRef<str>>(
        &mut self,
        kind: OptionType,
        rest: &[S],
        submodules: &mut usize,
    ) -> OptionType {
        match kind {
            OptionType::Submodule { .. } => OptionType::Unknown,
            kind => self.below(kind, rest, submodules),
        }
    }

    fn push(&mut self, name: &str) {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_'+-".contains(&b))
            && name
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !self.key.is_empty() {
            self.key.push('.');
        }
        if plain {
            self.key.push_str(name);
        } else {
            // The table is written with JSON's quoting.
            let quoted = serde_json::Value::from(name).to_string();
            self.key.push_str(&quoted);
        }
    }

    fn push_any(&mut self) {
        self.key.push_str(".*");
    }

    /// What stands at the key.
    pub(in crate::options) fn entry(&self) -> Entry {
        let find = || find(self.rows.text, self.column, &self.key);
        self.rows.memo.entry(self.column, &self.key, find)
    }
}

fn find(rows: &str, column: Release, key: &str) -> Entry {
    let covered = |key: String| {
        let mut rows = OptionTable::starting_with(rows, &key);
        rows.find(|row| row.covers(column))
    };
    if let Some(row) = covered(format!("{key}\t")) {
        Entry::Option(OptionType::parse(row.kind))
    } else if covered(format!("{key}.")).is_some() {
        Entry::Above
    } else {
        Entry::Absent
    }
}

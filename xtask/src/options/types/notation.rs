//! Types as text: read and written.

use std::fmt;

use super::{OptionType, Scalar, Separator};

pub(super) const SCALARS: [(&str, Scalar); 10] = [
    ("bool", Scalar::Bool),
    ("boolByOr", Scalar::BoolByOr),
    ("int", Scalar::Int),
    ("float", Scalar::Float),
    ("number", Scalar::Number),
    ("str", Scalar::Str),
    ("path", Scalar::Path),
    ("package", Scalar::Package),
    ("pkgs", Scalar::Pkgs),
    ("enum", Scalar::Enum),
];

pub(super) const SEPARATORS: [(&str, Separator); 5] = [
    ("lines", Separator::Line),
    ("commas", Separator::Comma),
    ("envVar", Separator::Colon),
    ("string", Separator::Nothing),
    ("separatedString", Separator::Other),
];

/// Types without a structure that a refactoring could use.
const OPAQUE: [&str; 3] = ["optionType", "attrTag", "luaInline"];

/// Deeper expressions are not believed; the table's deepest is far below.
const DEPTH: usize = 64;

impl OptionType {
    /// Reads a type expression. Total: what it does not know, and anything
    /// malformed, is [`OptionType::Unknown`].
    pub fn parse(text: &str) -> Self {
        let mut parser = Parser { rest: text };
        let parsed = parser.parse_type(0);
        if parser.rest.is_empty() {
            parsed.unwrap_or(Self::Unknown)
        } else {
            Self::Unknown
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find(['(', ')', ',', '+'])
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn arguments(&mut self, depth: usize) -> Option<Vec<OptionType>> {
        self.eat("(")?;
        let mut types = vec![self.parse_type(depth + 1)?];
        while self.eat(",").is_some() {
            types.push(self.parse_type(depth + 1)?);
        }
        self.eat(")")?;
        Some(types)
    }

    fn single(&mut self, depth: usize) -> Option<Box<OptionType>> {
        let mut types = self.arguments(depth)?;
        let only = types.pop()?;
        types.is_empty().then(|| Box::new(only))
    }

    fn parse_type(&mut self, depth: usize) -> Option<OptionType> {
        if depth > DEPTH {
            return None;
        }
        let word = self.word();
        if let Some((_, scalar)) = SCALARS.iter().find(|(name, _)| *name == word) {
            return Some(OptionType::Scalar(*scalar));
        }
        if let Some((_, separator)) = SEPARATORS.iter().find(|(name, _)| *name == word) {
            return Some(OptionType::Text(*separator));
        }
        if OPAQUE.contains(&word.as_str()) {
            return Some(OptionType::Custom(word.into()));
        }
        Some(match word.as_str() {
            "listOf" => OptionType::ListOf(self.single(depth)?),
            "attrsOf" => OptionType::AttrsOf(self.single(depth)?),
            "lazyAttrsOf" => OptionType::LazyAttrsOf(self.single(depth)?),
            "loaOf" => OptionType::LoaOf(self.single(depth)?),
            "nullOr" => OptionType::NullOr(self.single(depth)?),
            "uniq" => OptionType::Uniq(self.single(depth)?),
            "functionTo" => OptionType::FunctionTo(self.single(depth)?),
            "either" => OptionType::Either(self.arguments(depth)?),
            "coercedTo" => {
                let mut types = self.arguments(depth)?.into_iter();
                match (types.next(), types.next(), types.next()) {
                    (Some(from), Some(to), None) => {
                        OptionType::CoercedTo(Box::new(from), Box::new(to))
                    }
                    _ => return None,
                }
            }
            "submodule" => OptionType::Submodule {
                freeform: match self.eat("+freeform") {
                    Some(()) => Some(self.single(depth)?),
                    None => None,
                },
            },
            "attrs" => OptionType::Attrs,
            "unspecified" => OptionType::Unspecified,
            "anything" => OptionType::Anything,
            "raw" => OptionType::Raw,
            "deferredModule" => OptionType::DeferredModule,
            "custom" => {
                self.eat("(")?;
                let name = self.word();
                self.eat(")")?;
                OptionType::Custom(name.into())
            }
            "rec" | "?" => OptionType::Unknown,
            _ => return None,
        })
    }
}

impl fmt::Display for OptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn name<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
            names
                .iter()
                .find(|(_, other)| other == value)
                .map_or("?", |(name, _)| name)
        }
        match self {
            Self::Scalar(scalar) => f.write_str(name(&SCALARS, scalar)),
            Self::Text(separator) => f.write_str(name(&SEPARATORS, separator)),
            Self::ListOf(inner) => write!(f, "listOf({inner})"),
            Self::AttrsOf(inner) => write!(f, "attrsOf({inner})"),
            Self::LazyAttrsOf(inner) => write!(f, "lazyAttrsOf({inner})"),
            Self::LoaOf(inner) => write!(f, "loaOf({inner})"),
            Self::NullOr(inner) => write!(f, "nullOr({inner})"),
            Self::Uniq(inner) => write!(f, "uniq({inner})"),
            Self::FunctionTo(inner) => write!(f, "functionTo({inner})"),
            Self::Either(types) => {
                f.write_str("either(")?;
                for (index, inner) in types.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{inner}")?;
                }
                f.write_str(")")
            }
            Self::CoercedTo(from, to) => write!(f, "coercedTo({from},{to})"),
            Self::Submodule { freeform: None } => f.write_str("submodule"),
            Self::Submodule {
                freeform: Some(inner),
            } => write!(f, "submodule+freeform({inner})"),
            Self::Attrs => f.write_str("attrs"),
            Self::Unspecified => f.write_str("unspecified"),
            Self::Anything => f.write_str("anything"),
            Self::Raw => f.write_str("raw"),
            Self::DeferredModule => f.write_str("deferredModule"),
            Self::Custom(name) if OPAQUE.contains(&&**name) => f.write_str(name),
            Self::Custom(name) => write!(f, "custom({name})"),
            Self::Namespace => f.write_str("namespace"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

//! The structure of an option's type and what it means for refactoring.
//!
//! Types are written as expressions, one line each:
//!
//! | expression | type |
//! | --- | --- |
//! | `bool int float number str path package enum pkgs boolByOr` | scalars |
//! | `lines commas envVar string separatedString` | text joined in merge order |
//! | `listOf(T)` | lists joined in merge order |
//! | `attrsOf(T) lazyAttrsOf(T) loaOf(T)` | sets merged per attribute |
//! | `submodule`, `submodule+freeform(T)` | a module evaluation of its own |
//! | `nullOr(T) uniq(T) functionTo(T) either(T,…) coercedTo(T,T)` | wrappers |
//! | `attrs unspecified anything raw optionType deferredModule attrTag luaInline` | as in `lib.types` |
//! | `custom(NAME)` | a type with a merge function of its own |
//! | `rec` | a type that contains itself, at the place where it does |
//! | `?` | not known |

use std::fmt;

/// The type of an option, or of a value below one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OptionType {
    /// A value that definitions have to agree on.
    Scalar(Scalar),
    /// Text that definitions add to, in merge order.
    Text(Separator),
    /// A list that definitions add to, in merge order.
    ListOf(Box<OptionType>),
    /// A set, every attribute of which is merged on its own.
    AttrsOf(Box<OptionType>),
    /// Like [`Self::AttrsOf`], but an attribute under a false condition exists.
    LazyAttrsOf(Box<OptionType>),
    /// Like [`Self::AttrsOf`], but lists are taken, too (before release 21.03).
    LoaOf(Box<OptionType>),
    /// A module evaluation of its own; undeclared options are of type `freeform`.
    Submodule {
        /// The type of what the submodule does not declare, if it may be set.
        freeform: Option<Box<OptionType>>,
    },
    /// Null, or a value of the type.
    NullOr(Box<OptionType>),
    /// At most one definition.
    Uniq(Box<OptionType>),
    /// A function to the type.
    FunctionTo(Box<OptionType>),
    /// The first of the types that all definitions fit.
    Either(Vec<OptionType>),
    /// Values of the first type are converted to the second before merging.
    CoercedTo(Box<OptionType>, Box<OptionType>),
    /// Sets merged by `//`: nested parts are lost.
    Attrs,
    /// Whatever the first definition suggests; sets are merged by `//`.
    Unspecified,
    /// Sets merged deeply; lists and unequal scalars are errors.
    Anything,
    /// At most one definition, not even looked at.
    Raw,
    /// A module; definitions become its imports in merge order.
    DeferredModule,
    /// A type whose merge function is known to nobody but its author.
    Custom(Box<str>),
    /// Strictly above the options of a submodule. Never an option's own type.
    Namespace,
    /// Not known, or nothing that may be relied on.
    Unknown,
}

/// Types whose definitions have to be equal, or of which there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named like the types of nixpkgs' lib.types")]
pub enum Scalar {
    Bool,
    BoolByOr,
    Int,
    Float,
    Number,
    Str,
    Path,
    Package,
    Pkgs,
    Enum,
}

/// What stands between the definitions of a text option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Separator {
    /// `lines`: a line break.
    Line,
    /// `commas`: a comma.
    Comma,
    /// `envVar`: a colon.
    Colon,
    /// `string`: nothing.
    Nothing,
    /// `separatedString` with something else.
    Other,
}

const SCALARS: [(&str, Scalar); 10] = [
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

const SEPARATORS: [(&str, Separator); 5] = [
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

    /// Each attribute of a definition is merged on its own with those of other
    /// definitions: an unconditional set may be split into one definition per
    /// attribute, and such definitions joined, without changing the value.
    ///
    /// For `nullOr` that is so too: mixing null with a set is an error
    /// however the set is written. Not so for conditions and priorities: see
    /// [`super::PathKind::conditions_pass`].
    pub fn merges_per_attribute(&self) -> bool {
        match self {
            Self::AttrsOf(_)
            | Self::LazyAttrsOf(_)
            | Self::LoaOf(_)
            | Self::Submodule { .. }
            | Self::Namespace => true,
            Self::NullOr(inner) => inner.merges_per_attribute(),
            _ => false,
        }
    }

    /// Definitions reach the options below through another module evaluation,
    /// which turns their order round.
    pub fn is_submodule(&self) -> bool {
        match self {
            Self::Submodule { .. } => true,
            Self::NullOr(inner) => inner.is_submodule(),
            _ => false,
        }
    }

    /// A list or a text to which every definition adds: splitting a value
    /// between files is possible in principle, and the order shows.
    pub fn is_ordered_list(&self) -> bool {
        match self {
            Self::ListOf(_) | Self::Text(_) => true,
            Self::NullOr(inner) => inner.is_ordered_list(),
            _ => false,
        }
    }

    /// A definition may be taken apart by attribute. Elements of lists never
    /// are: where the parts then stood would decide about their order.
    pub fn splittable(&self) -> bool {
        self.merges_per_attribute()
    }

    /// The order of several definitions may show in the merged value. `false`
    /// is a promise; `true` also where nothing is known. For a submodule or a
    /// namespace ask the options below instead.
    pub fn order_matters(&self) -> bool {
        match self {
            Self::Scalar(_) | Self::Uniq(_) | Self::Raw => false,
            Self::AttrsOf(inner)
            | Self::LazyAttrsOf(inner)
            | Self::LoaOf(inner)
            | Self::NullOr(inner)
            | Self::FunctionTo(inner) => inner.order_matters(),
            Self::Either(types) => types.iter().any(Self::order_matters),
            Self::CoercedTo(_, last) => last.order_matters(),
            _ => true,
        }
    }

    /// What both types promise: equal types stay, kinds of attribute sets that
    /// differ become the weaker one, anything else becomes unknown.
    pub fn common(self, other: Self) -> Self {
        let both = |a: Box<Self>, b: Box<Self>| Box::new(a.common(*b));
        match (self, other) {
            (a, b) if a == b => a,
            (Self::AttrsOf(a), Self::AttrsOf(b)) => Self::AttrsOf(both(a, b)),
            (Self::AttrsOf(a) | Self::LazyAttrsOf(a), Self::AttrsOf(b) | Self::LazyAttrsOf(b)) => {
                Self::LazyAttrsOf(both(a, b))
            }
            (Self::AttrsOf(a) | Self::LoaOf(a), Self::AttrsOf(b) | Self::LoaOf(b)) => {
                Self::LoaOf(both(a, b))
            }
            (Self::ListOf(a), Self::ListOf(b)) => Self::ListOf(both(a, b)),
            (Self::NullOr(a), Self::NullOr(b)) => Self::NullOr(both(a, b)),
            (Self::Submodule { freeform: a }, Self::Submodule { freeform: b }) => Self::Submodule {
                freeform: Some(match (a, b) {
                    (Some(a), Some(b)) => both(a, b),
                    _ => Box::new(Self::Unknown),
                }),
            },
            _ => Self::Unknown,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_type() -> impl Strategy<Value = OptionType> {
        let leaf = prop_oneof![
            (0..SCALARS.len()).prop_map(|i| OptionType::Scalar(SCALARS[i].1)),
            (0..SEPARATORS.len()).prop_map(|i| OptionType::Text(SEPARATORS[i].1)),
            Just(OptionType::Submodule { freeform: None }),
            Just(OptionType::Attrs),
            Just(OptionType::Unspecified),
            Just(OptionType::Anything),
            Just(OptionType::Raw),
            Just(OptionType::DeferredModule),
            Just(OptionType::Unknown),
            "[a-zA-Z0-9-]{1,8}".prop_map(|name| OptionType::Custom(name.into())),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            prop_oneof![
                boxed.clone().prop_map(OptionType::ListOf),
                boxed.clone().prop_map(OptionType::AttrsOf),
                boxed.clone().prop_map(OptionType::LazyAttrsOf),
                boxed.clone().prop_map(OptionType::LoaOf),
                boxed.clone().prop_map(OptionType::NullOr),
                boxed.clone().prop_map(OptionType::Uniq),
                boxed.clone().prop_map(OptionType::FunctionTo),
                boxed
                    .clone()
                    .prop_map(|f| OptionType::Submodule { freeform: Some(f) }),
                (boxed.clone(), boxed).prop_map(|(a, b)| OptionType::CoercedTo(a, b)),
                proptest::collection::vec(inner, 1..4).prop_map(OptionType::Either),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_printed_type_reads_as_itself(kind in any_type()) {
            prop_assert_eq!(OptionType::parse(&kind.to_string()), kind);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}") {
            let _ = OptionType::parse(&text);
        }

        #[test]
        fn a_torn_expression_is_never_taken_for_a_splittable_type(
            kind in any_type(), cut in any::<proptest::sample::Index>()
        ) {
            let text = kind.to_string();
            let torn = &text[..cut.index(text.len())];
            prop_assert!(!OptionType::parse(torn).splittable() || torn == "submodule");
        }

        #[test]
        fn what_types_have_in_common_promises_no_more_than_each(
            a in any_type(), b in any_type()
        ) {
            let common = a.clone().common(b.clone());
            prop_assert_eq!(&common, &b.clone().common(a.clone()));
            if common.splittable() {
                prop_assert!(a.splittable() && b.splittable());
            }
            if !common.order_matters() {
                prop_assert!(!a.order_matters() && !b.order_matters());
            }
            prop_assert_eq!(a.clone().common(a.clone()), a);
        }
    }

    #[test]
    fn deep_expressions_end_in_unknown() {
        let deep = format!("{}bool{}", "nullOr(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(OptionType::parse(&deep), OptionType::Unknown);
    }

    #[test]
    fn malformed_expressions_are_unknown() {
        for text in [
            "",
            "bool ",
            "listOf",
            "listOf()",
            "listOf(bool,int)",
            "coercedTo(bool)",
            "submodule+",
            "submodule+freeform",
            "attrsOf(frobnicate)",
            "bool)",
        ] {
            assert_eq!(OptionType::parse(text), OptionType::Unknown, "{text}");
        }
    }

    #[test]
    fn predicates_follow_the_merge_functions() {
        let check = |text, split, submodule, list, order| {
            let kind = OptionType::parse(text);
            assert_ne!(kind, OptionType::Unknown, "{text}");
            assert_eq!(kind.splittable(), split, "splittable: {text}");
            assert_eq!(kind.is_submodule(), submodule, "submodule: {text}");
            assert_eq!(kind.is_ordered_list(), list, "ordered list: {text}");
            assert_eq!(kind.order_matters(), order, "order: {text}");
        };
        check("bool", false, false, false, false);
        check("package", false, false, false, false);
        check("lines", false, false, true, true);
        check("nullOr(lines)", false, false, true, true);
        check("listOf(package)", false, false, true, true);
        check("attrsOf(str)", true, false, false, false);
        check("attrsOf(lines)", true, false, false, true);
        check("lazyAttrsOf(raw)", true, false, false, false);
        check("loaOf(submodule)", true, false, false, true);
        check("attrsOf(submodule)", true, false, false, true);
        check("submodule", true, true, false, true);
        check("submodule+freeform(attrsOf(str))", true, true, false, true);
        check("nullOr(submodule)", true, true, false, true);
        check("nullOr(attrsOf(int))", true, false, false, false);
        check("attrs", false, false, false, true);
        check("unspecified", false, false, false, true);
        check("anything", false, false, false, true);
        check("raw", false, false, false, false);
        check("uniq(attrsOf(str))", false, false, false, false);
        check("either(str,listOf(str))", false, false, false, true);
        check("either(attrsOf(str),submodule)", false, false, false, true);
        check("coercedTo(str,attrsOf(str))", false, false, false, false);
        check("functionTo(listOf(package))", false, false, false, true);
        check("deferredModule", false, false, false, true);
        check("custom(attrsOf)", false, false, false, true);
    }

    #[test]
    fn kinds_of_sets_that_differ_become_the_weaker_one() {
        let check = |a, b, expect: &str| {
            let common = OptionType::parse(a).common(OptionType::parse(b));
            assert_eq!(common.to_string(), expect, "{a} and {b}");
        };
        check("attrsOf(submodule)", "loaOf(submodule)", "loaOf(submodule)");
        check("attrsOf(raw)", "lazyAttrsOf(unspecified)", "lazyAttrsOf(?)");
        check("lazyAttrsOf(raw)", "loaOf(raw)", "?");
        check("bool", "nullOr(bool)", "?");
        check("attrsOf(str)", "attrs", "?");
        check(
            "submodule",
            "submodule+freeform(attrs)",
            "submodule+freeform(?)",
        );
    }
}

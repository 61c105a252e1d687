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

mod notation;
#[cfg(test)]
mod tests;

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

impl OptionType {
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

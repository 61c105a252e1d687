//! Definitions that never move.

/// Why a definition stays where it is, whatever the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fixed {
    /// `imports`, `options`, `_module`, … have no meaning under a condition.
    Structural,
    /// The set that holds it is updated by `//` with something unknown.
    Update,
    /// A later `//` operand replaces it.
    Overridden,
    /// The set is recursive and others read the definition by its bare name.
    Recursive,
    /// Its attribute path begins with an interpolated name.
    DynamicRoot,
}

impl Fixed {
    /// The reason for people.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Structural => "has no meaning under a condition",
            Self::Update => "its set is updated with `//` by something that is not a literal set",
            Self::Overridden => "a later operand of `//` replaces it",
            Self::Recursive => {
                "its set is recursive and other definitions read it by its bare name"
            }
            Self::DynamicRoot => "its attribute path begins with an interpolated name",
        }
    }
}

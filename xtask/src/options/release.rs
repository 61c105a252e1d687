//! Releases of NixOS as the option table names them.

use std::fmt;
use std::str::FromStr;

/// A NixOS release such as 24.11; ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    year: u8,
    month: u8,
}

impl Release {
    /// The development branch; later than every numbered release.
    pub const UNSTABLE: Self = Self {
        year: u8::MAX,
        month: u8::MAX,
    };

    /// The release that a branch or a version string names, as in
    /// `nixos-24.11`, `release-24.11`, `24.11.20250101.abcdef` or
    /// `nixos-unstable`; `None` if it names none.
    pub fn in_reference(text: &str) -> Option<Self> {
        let word = |part: &str| part == "unstable" || part == "master";
        if text.split('-').any(word) {
            return Some(Self::UNSTABLE);
        }
        text.split(|c: char| !c.is_ascii_digit() && c != '.')
            .find_map(|part| {
                let mut numbers = part.split('.');
                Self::of(numbers.next()?, numbers.next()?)
            })
    }

    fn of(year: &str, month: &str) -> Option<Self> {
        let number = |text: &str| {
            (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse::<u8>().ok())?
        };
        let (year, month) = (number(year)?, number(month)?);
        (1..=12).contains(&month).then_some(Self { year, month })
    }
}

/// The text is no release of the form `24.11`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no NixOS release such as 24.11")]
pub struct ReleaseError(String);

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('.')
            .and_then(|(year, month)| Self::of(year, month))
            .ok_or_else(|| ReleaseError(text.to_owned()))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::UNSTABLE {
            f.write_str("unstable")
        } else {
            write!(f, "{:02}.{:02}", self.year, self.month)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_two_numbers() {
        let check = |text: &str, ok| assert_eq!(text.parse::<Release>().is_ok(), ok, "{text}");
        check("24.11", true);
        check("09.03", true);
        check("24.13", false);
        check("24.0", false);
        check("2024.11", false);
        check("24", false);
        check("", false);
        check("ü4.11", false);
    }

    #[test]
    fn branches_and_versions_name_a_release() {
        let check = |text, expect: Option<&str>| {
            let found = Release::in_reference(text).map(|r| r.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("nixos-24.11", Some("24.11"));
        check("release-20.09", Some("20.09"));
        check("nixos-24.05-small", Some("24.05"));
        check("25.05.20250601.abcdef1", Some("25.05"));
        check("nixos-unstable", Some("unstable"));
        check("nixpkgs-unstable", Some("unstable"));
        check("main", None);
        check("v1.2.3", None);
        check("", None);
    }

    #[test]
    fn releases_are_ordered_by_time() {
        let of = |text: &str| text.parse::<Release>().unwrap();
        assert!(of("20.09") < of("24.05"));
        assert!(of("24.05") < of("24.11"));
        assert!(of("24.11") < Release::UNSTABLE);
    }
}

//! Looking for a text in a derivation and in all that it is built from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Derivations that were looked into.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Those in which, and below which, a text was not found.
    clear: BTreeSet<(String, PathBuf)>,
}

impl Scanned {
    /// Whether a text stands in a derivation or in one of those below it. What
    /// cannot be read may hold anything.
    pub fn mentions(&mut self, derivation: &Path, text: &str) -> bool {
        let mut found = BTreeSet::new();
        let mut left = vec![derivation.to_owned()];
        while let Some(next) = left.pop() {
            let key = (text.to_owned(), next);
            if self.clear.contains(&key) || !found.insert(key.clone()) {
                continue;
            }
            let Ok(bytes) = fs::read(&key.1) else {
                return true;
            };
            let contents = String::from_utf8_lossy(&bytes);
            if contents.contains(text) {
                return true;
            }
            left.extend(inputs(&contents).map(PathBuf::from));
        }
        self.clear.append(&mut found);
        false
    }
}

/// Derivations that the text of one refers to.
fn inputs(text: &str) -> impl Iterator<Item = &str> {
    // A path in a derivation stands in quotes.
    text.split('"')
        .filter(|part| part.starts_with('/') && part.ends_with(".drv") && !part.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_at_any_depth() {
        let store = tempfile::tempdir().unwrap();
        let path = |name: &str| store.path().join(name);
        let refer = |name: &str| format!("([(\"{}\",[\"out\"])])", path(name).display());
        fs::write(path("a.drv"), refer("b.drv")).unwrap();
        fs::write(path("b.drv"), "Derive(…,\"/some/view/3/x\")").unwrap();
        fs::write(path("c.drv"), refer("c.drv")).unwrap();
        let mut scanned = Scanned::default();
        assert!(scanned.mentions(&path("a.drv"), "/some/view/"));
        assert!(!scanned.mentions(&path("a.drv"), "/other/"));
        assert!(!scanned.mentions(&path("c.drv"), "/some/view/"));
        assert!(scanned.mentions(&path("missing.drv"), "/some/view/"));
    }
}

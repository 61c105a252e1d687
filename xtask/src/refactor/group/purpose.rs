//! Names made from option paths that speak of one purpose.

use std::collections::BTreeMap;

use crate::refactor::anatomy::ItemId;

/// First words that say what is done, and not to what.
const VERBS: [&str; 12] = [
    "auto", "check", "clean", "get", "make", "my", "run", "set", "start", "stop", "the", "update",
];

/// Gives names with the same first word the words that all of them begin with:
/// `screen-on` and `screen-off` are both `screen`.
pub(super) fn share(names: &mut BTreeMap<ItemId, String>) {
    let mut common: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names.values() {
        let words: Vec<String> = name.split('-').map(str::to_owned).collect();
        let Some(first) = words.first().filter(|it| !VERBS.contains(&it.as_str())) else {
            continue;
        };
        common
            .entry(first.clone())
            .and_modify(|known| {
                let same = known.iter().zip(&words).take_while(|(a, b)| a == b).count();
                known.truncate(same);
            })
            .or_insert(words);
    }
    for name in names.values_mut() {
        let first = name.split('-').next().unwrap_or_default();
        if let Some(words) = common.get(first) {
            *name = words.join("-");
        }
    }
}

//! Single changes to the migrated fleet, labelled by `toplevel.drvPath`: no change of
//! a derivation may be called equal, and no cosmetic one different.
//!
//! `FLEET_TEST_DERIVATION_MUTATIONS` says how many of each kind, `FLEET_TEST_SEED`
//! where to begin.

use std::collections::BTreeMap;

use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::proof;

use crate::fleet::Place;
use crate::fresh;
use crate::mutate::{Applied, changed};
use crate::seed;
use crate::snapshot::tree_of;
use crate::verdicts::{Verdicts, choose};

#[test]
#[ignore = "takes minutes"]
fn no_change_of_a_derivation_is_called_equal() {
    let Some(place) = Place::new() else { return };
    let per_kind = seed::number("FLEET_TEST_DERIVATION_MUTATIONS", 8) as usize;
    let fleet = fresh();
    let hosts: Vec<String> = place.derivations(&fleet).into_keys().collect();
    for host in &hosts {
        fleet.migrate(host);
    }
    let tree = tree_of(&fleet.root()).unwrap();
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let before = Fleet::load(&tree, &table, &cache);
    let migrated: Vec<_> = before.hosts.iter().collect();
    let derived: BTreeMap<String, Option<String>> = place.derivations(&fleet);
    let mut verdicts = Verdicts::default();
    let first = seed::number("FLEET_TEST_SEED", 1);
    for (host, mutation, label) in choose(per_kind, first, &tree, &migrated) {
        let applied = Applied::new(&fleet.root(), &mutation);
        let after = place.derivation(&fleet, &host.name);
        drop(applied);
        let difference = match after {
            Ok(after) if after == derived[&host.name] => Vec::new(),
            Ok(after) => vec![format!("{after:?} in place of {:?}", derived[&host.name])],
            Err(why) => vec![why.lines().next().unwrap_or("a failure").to_owned()],
        };
        let fleet = Fleet::load(&changed(&tree, &mutation), &table, &cache);
        let judged = proof::compare(&before, &fleet, &table)
            .into_iter()
            .find(|verdict| verdict.host == host.name)
            .unwrap();
        verdicts.add(&mutation, &label, &difference, &judged);
    }
    verdicts.finish();
}

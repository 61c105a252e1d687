//! What is read of the tree where the flake is handed on.

use super::{Difference, HostVerdict, Judgement};
use crate::model::{Escape, Escaped, Host, show};

pub(super) fn compare_escapes(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    let (Some(a), Some(b)) = (&before.escapes, &after.escapes) else {
        return;
    };
    let same = |a: &Escape, b: &Escape| a.what == b.what && a.digest == b.digest;
    let missing = |from: &[Escape], to: &[Escape]| -> Vec<Escape> {
        let gone = |it: &&Escape| !to.iter().any(|other| same(it, other));
        from.iter().filter(gone).cloned().collect()
    };
    let (gone, new) = (missing(a, b), missing(b, a));
    let mut places: Vec<String> = gone.iter().chain(&new).map(name).collect();
    places.sort();
    places.dedup();
    for place in places.iter().take(3) {
        let reader = |place: &str| {
            let mut all = gone.iter().chain(&new);
            let reader = all
                .find(|it| name(it) == place)
                .and_then(|it| it.reader.as_ref());
            match reader {
                Some(term) => format!("`{}`, which is handed the flake,", show::show(term, 80)),
                None => "what the flake is handed on to".to_owned(),
            }
        };
        let spans = |escapes: &[Escape]| {
            let of_place = escapes.iter().filter(|it| *place == name(it));
            of_place.filter_map(|it| it.span.clone()).collect()
        };
        verdict.differences.push(Difference {
            judgement: Judgement::Unknown,
            path: Vec::new(),
            message: format!("{} may read {place}, and that changed", reader(place)),
            before: spans(&gone),
            after: spans(&new),
        });
    }
}

fn name(escape: &Escape) -> String {
    match &escape.what {
        Escaped::Place(place) if place.as_str().is_empty() => {
            "everything in the repository".to_owned()
        }
        Escaped::Place(place) => format!("`{place}`"),
        Escaped::Output(name) => format!("the output `{name}`"),
    }
}

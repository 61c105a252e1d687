//! What is read of the tree where the flake is handed on.

use super::{Difference, HostVerdict, Judgement};
use crate::model::{Escape, Escaped, Host};

pub(super) fn compare_escapes(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    let same = |a: &Escape, b: &Escape| a.what == b.what && a.digest == b.digest;
    let missing = |from: &Host, to: &Host| -> Vec<Escape> {
        let gone = |it: &&Escape| !to.escapes.iter().any(|other| same(it, other));
        from.escapes.iter().filter(gone).cloned().collect()
    };
    let (gone, new) = (missing(before, after), missing(after, before));
    let mut places: Vec<String> = gone.iter().chain(&new).map(name).collect();
    places.sort();
    places.dedup();
    for place in places.iter().take(3) {
        let spans = |escapes: &[Escape]| {
            let of_place = escapes.iter().filter(|it| *place == name(it));
            of_place.filter_map(|it| it.span.clone()).collect()
        };
        verdict.differences.push(Difference {
            judgement: Judgement::Unknown,
            path: Vec::new(),
            message: format!(
                "the flake is handed on to what is not followed, which may read {place}, and that changed"
            ),
            before: spans(&gone),
            after: spans(&new),
        });
    }
}

fn name(escape: &Escape) -> String {
    match &escape.what {
        Escaped::Place(place) if place.as_str().is_empty() => "everything in it".to_owned(),
        Escaped::Place(place) => format!("`{place}`"),
        Escaped::Output(name) => format!("its output `{name}`"),
    }
}

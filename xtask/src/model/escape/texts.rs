//! Texts put together, of which the flake's place may be the beginning.

use super::Walk;
use super::leads::Leads;
use super::scope::Scope;
use crate::model::term::{Term, TermKind as K};
use crate::tree::TreePath;

impl Walk<'_, '_> {
    /// A text put together: what stands at the flake's place and is named by what
    /// follows it is read.
    pub(super) fn text(&mut self, parts: &[&Term], scope: &Scope) -> Leads {
        let mut place = false;
        for (index, part) in parts.iter().enumerate() {
            let leads = self.leads(part, scope);
            if !leads.names_tree() {
                continue;
            }
            let rest = parts.get(index + 1..).unwrap_or_default();
            let names = |next: &Term| matches!(next.kind(), K::Str(text) if text.starts_with('/'));
            place |= !rest.first().is_some_and(|next| names(next));
            match rest.split_first() {
                None => {}
                Some((next, more)) => match next.kind() {
                    K::Str(text) => self.named(text, !more.is_empty()),
                    K::Interp(inner) => match inner.first().map(Term::kind) {
                        Some(K::Str(text)) => self.named(text, true),
                        _ => self.read_all(),
                    },
                    _ => self.read_all(),
                },
            }
        }
        match place {
            true => Leads::tree(),
            false => Leads::default(),
        }
    }

    /// Reads what a function that gives places below the flake's is called with.
    pub(super) fn appended(&mut self, arguments: &[Term], scope: &Scope) {
        for argument in arguments {
            self.leads(argument, scope);
        }
        let first = arguments.first().map(|argument| match argument.kind() {
            K::Interp(parts) => (parts.first().map(Term::kind), true),
            kind => (Some(kind), false),
        });
        match first {
            Some((Some(K::Str(text)), open)) if arguments.len() == 1 => {
                self.named(&format!("/{text}"), open);
            }
            _ => self.read_all(),
        }
    }

    /// Reads what a text after the flake's place names. `open`: it goes on.
    fn named(&mut self, text: &str, open: bool) {
        if !text.starts_with('/') {
            return;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
        let stop = text.find(|c| !is_part(c));
        let end = match stop {
            None if open => text.rfind('/').unwrap_or(0),
            _ => stop.unwrap_or(text.len()),
        };
        let root = TreePath::root();
        let place = text.get(..end).and_then(|text| root.join(text));
        let Some(place) = place.filter(|place| !place.as_str().is_empty()) else {
            return self.read_all();
        };
        self.read(&place);
        // A name may go on where it seems to end.
        if stop.is_some() && !self.eval.files.exists(&place) {
            match place.parent().filter(|parent| !parent.as_str().is_empty()) {
                Some(parent) => self.read(&parent),
                None => self.read_all(),
            }
        }
    }
}

//! Change sets as unified diffs.

use similar::TextDiff;

use super::style::{Palette, clean};
use crate::edit::{Change, ChangeSet};

/// All changes, in the order of their paths, as `git apply` would take them.
pub fn unified(changes: &ChangeSet, palette: &Palette) -> String {
    let mut out = String::new();
    for (path, change) in changes {
        let (old, new) = match change {
            Change::Create { contents, .. } => (None, Some(contents)),
            Change::Modify { before, contents } => (Some(before), Some(contents)),
            Change::Delete { before } => (Some(before), None),
        };
        let name = |side: &str, there: bool| {
            if there {
                format!("{side}/{}", clean(path.as_str()).replace('\n', "\\n"))
            } else {
                "/dev/null".to_owned()
            }
        };
        let (old_name, new_name) = (name("a", old.is_some()), name("b", new.is_some()));
        let text = |bytes: Option<&Vec<u8>>| match bytes {
            Some(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
            None => Some(String::new()),
        };
        let (Some(old_text), Some(new_text)) = (text(old), text(new)) else {
            out.push_str(&format!("Binary files {old_name} and {new_name} differ\n"));
            continue;
        };
        let diff = TextDiff::from_lines(&old_text, &new_text);
        let hunks = diff
            .unified_diff()
            .context_radius(3)
            .header(&old_name, &new_name)
            .to_string();
        for line in hunks.lines() {
            let line = clean(line);
            out.push_str(&if line.starts_with("--- ") || line.starts_with("+++ ") {
                palette.strong(&line)
            } else if line.starts_with("@@") {
                palette.place(&line)
            } else if line.starts_with('+') {
                palette.good(&line)
            } else if line.starts_with('-') {
                palette.removed(&line)
            } else {
                line
            });
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreePath;

    #[test]
    fn every_kind_of_change() {
        let changes = ChangeSet::from([
            (
                TreePath::new("a.nix").unwrap(),
                Change::Modify {
                    before: b"1\n2\n".to_vec(),
                    contents: b"1\n3\n".to_vec(),
                },
            ),
            (
                TreePath::new("b.nix").unwrap(),
                Change::Create {
                    contents: b"x\n".to_vec(),
                    executable: false,
                },
            ),
            (
                TreePath::new("c").unwrap(),
                Change::Delete { before: vec![0xff] },
            ),
        ]);
        assert_eq!(
            unified(&changes, &Palette::plain()),
            "--- a/a.nix\n+++ b/a.nix\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n\
             --- /dev/null\n+++ b/b.nix\n@@ -0,0 +1 @@\n+x\nBinary files a/c and /dev/null differ\n"
        );
    }
}

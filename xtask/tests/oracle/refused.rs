//! Texts that Nix refuses: the syntax layer must refuse them, too, or a change that
//! breaks a host would go unnoticed.
//!
//! `FLEET_TEST_TEXTS` says how many files, and how many damaged ones, are looked at.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::fleets::repository;
use crate::need;
use crate::seed::{self, Seed};
use crate::snapshot::tree_of;

const CASES: &[(&str, bool)] = &[
    ("{ a, a }: a", false),
    ("{ a, b, ... }@a: a", false),
    ("a@{ a, ... }: a", false),
    ("{ a, b ? a, ... }@args: b", true),
    ("{ a = 1; a = 2; }", false),
    ("{ a.b = 1; a.b = 2; }", false),
    ("{ a = { b = 1; }; a.c = 2; }", true),
    ("{ a.c = 2; a = { b = 1; }; }", true),
    ("{ a = { b = 1; }; a.b = 2; }", false),
    ("{ a = 1; inherit a; }", false),
    ("{ a = 1; a.b = 2; }", false),
    ("let x = 1; x = 2; in x", false),
    ("let x.a = 1; x.b = 2; in x", true),
    ("let inherit (y) x; x = 2; y = { }; in x", false),
    ("rec { a = 1; b = a; }", true),
    ("{ ${\"a\"} = 1; b = 2; }", true),
    ("{ ${\"a\"} = 1; a = 2; }", false),
    ("let ${\"a\"} = 1; in 2", true),
    ("{ \"a\" = 1; a = 2; }", false),
    ("x: x: x", true),
    ("[ 1 2 } ]", false),
    ("a: c: a ? b == c", true),
    ("{ a = 1 }", false),
    ("1 < 2 < 3", false),
    ("a == b == c", false),
    ("{ a ? 1, b ? a }: b", true),
    ("{ inherit a a; }", false),
    (
        "let inherit (x) a; inherit (y) a; x = 1; y = 2; in a",
        false,
    ),
    ("./a/", false),
    ("{ a = (builtins.map (b: { }; (c: c) [ ]); }", false),
    ("let unused = nothing; in 1", false),
    ("{ inherit nothing; }", false),
    ("let a = 1; in rec { inherit a; b = a; }", true),
    ("rec { inherit (b) a; b = { a = 1; }; }", true),
    ("{ inherit (b) a; b = { a = 1; }; }", false),
    ("{ a ? b, b ? 1 }@c: c", true),
    ("with { }; anything", true),
    ("let x = with { }; a; in b", false),
    ("{ ${nothing} = 1; }", false),
    ("\"${nothing}\"", false),
    ("toString (map baseNameOf [ ])", true),
    ("toJSON 1", false),
    ("__toJSON 1", true),
];

fn accepted(text: &str) -> bool {
    let mut child = Command::new("nix-instantiate")
        .args(["--parse", "-"])
        .env("GC_INITIAL_HEAP_SIZE", "4M")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().status.success()
}

#[test]
fn what_nix_refuses_is_refused() {
    if need::need_program("nix-instantiate").is_none() {
        eprintln!("SKIPPED: there is no nix-instantiate");
        return;
    }
    let mut wrong = Vec::new();
    for (text, expected) in CASES {
        let real = accepted(text);
        if real != *expected {
            wrong.push(format!("{text}: this Nix says {real}"));
        }
        let ours = xtask::syntax::lower((*text).into()).errors.is_empty();
        if ours != real {
            wrong.push(format!(
                "{text}: Nix accepts it: {real}, the syntax layer: {ours}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words, runs of blanks, and single other characters.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        _ if c.is_alphanumeric() || c == '_' => 0,
        _ if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut found = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|last| last != class(c) || last == 2) {
            found.push(&text[start..at]);
            start = at;
        }
        last = Some(class(c));
    }
    found.push(&text[start..]);
    found
}

/// A text with some of its tokens lost, doubled, exchanged, or strange ones between.
fn damaged(text: &str, seed: &mut Seed) -> String {
    const STRANGE: [&str; 34] = [
        "{", "}", "[", "]", "(", ")", ";", ":", "=", "==", ".", "..", "...", ",", "@", "?", "\"",
        "''", "${", "+", "++", "//", "/", "<", ">", "!", "-", "let", "in", "inherit", "with", "or",
        "rec", "1.5e3",
    ];
    let mut tokens = tokens(text);
    for _ in 0..=seed.below(2) {
        let solid: Vec<usize> = (0..tokens.len())
            .filter(|at| !tokens[*at].trim().is_empty())
            .collect();
        if solid.len() < 2 {
            break;
        }
        let (at, other) = (*seed.pick(&solid), *seed.pick(&solid));
        match seed.below(6) {
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, tokens[at]),
            2 => tokens.swap(at, other),
            3 => tokens[at] = tokens[other],
            4 => tokens[at] = *seed.pick(&STRANGE),
            _ => tokens.insert(at, *seed.pick(&STRANGE)),
        }
    }
    tokens.concat()
}

fn nix_files(directory: &std::path::Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            nix_files(&path, out);
        } else if path.extension().is_some_and(|end| end == "nix") {
            out.push(path);
        }
    }
}

/// For Nix the dots of `.../x` are a name, for the parser that we use an ellipsis: such
/// a file is told to be broken, and no host that needs it is called equal.
const ELLIPSIS_PATH: &str = ".../";

/// How Nix and the syntax layer judge texts: Nix first, then ours.
#[derive(Default)]
struct Judged {
    counts: BTreeMap<(bool, bool), usize>,
    differing: Vec<String>,
}

impl Judged {
    fn look_at(&mut self, name: &str, text: &str) {
        let real = accepted(text);
        let file = xtask::syntax::lower(text.into());
        let ours = file.errors.is_empty();
        *self.counts.entry((real, ours)).or_default() += 1;
        if real && !ours && text.contains(ELLIPSIS_PATH) {
            eprintln!("{name}: a path that begins with an ellipsis is refused by us alone");
        } else if real != ours {
            let why = file.errors.first().map(|error| {
                let (start, end) = (error.start as usize, error.end as usize);
                format!("{} {:?}", error.message, text.get(start..end))
            });
            self.differing
                .push(format!("{name}: Nix accepts it: {real}; ours: {why:?}"));
            if let Some(directory) = std::env::var_os("FLEET_TEST_KEEP") {
                let name = format!("{}-{}.nix", real, self.differing.len());
                std::fs::write(PathBuf::from(directory).join(name), text).unwrap();
            }
        }
    }

    fn report(&self, what: &str) {
        let count = |real, ours| self.counts.get(&(real, ours)).copied().unwrap_or_default();
        eprintln!(
            "{what}: both accept {}, both refuse {}, only Nix refuses {}, only we refuse {}",
            count(true, true),
            count(false, false),
            count(false, true),
            count(true, false)
        );
        for text in self.differing.iter().take(30) {
            eprintln!("  {text}");
        }
    }
}

fn whole_files(limit: usize) {
    let Some(nixpkgs) = need::need_directory("FLEET_TEST_NIXPKGS") else {
        return;
    };
    let mut files = Vec::new();
    nix_files(&nixpkgs.join("lib"), &mut files);
    nix_files(&nixpkgs.join("nixos"), &mut files);
    let step = files.len().div_ceil(limit).max(1);
    let mut judged = Judged::default();
    for path in files.iter().step_by(step) {
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        judged.look_at(&path.to_string_lossy(), &text);
    }
    judged.report("files");
    assert!(judged.differing.is_empty());
}

fn damaged_files(count: u64) {
    let tree = tree_of(&repository()).unwrap();
    let texts: Vec<(String, String)> = tree
        .files()
        .filter(|(path, _)| path.as_str().ends_with(".nix"))
        .filter_map(|(path, _)| Some((path.to_string(), tree.text(path).ok()?.to_string())))
        .collect();
    let first = seed::number("FLEET_TEST_SEED", 1);
    let mut judged = Judged::default();
    for number in first..first + count {
        let mut seed = Seed::new(number);
        let (name, text) = seed.pick(&texts);
        let text = damaged(text, &mut seed);
        judged.look_at(&format!("seed {number} {name}"), &text);
    }
    judged.report("damaged files");
    assert!(judged.differing.is_empty());
}

#[test]
fn files_are_accepted_as_nix_accepts_them() {
    if need::need_program("nix-instantiate").is_none() {
        return;
    }
    whole_files(seed::number("FLEET_TEST_TEXTS", 60) as usize);
}

#[test]
fn damaged_files_are_refused_as_nix_refuses_them() {
    if need::need_program("nix-instantiate").is_none() {
        return;
    }
    damaged_files(seed::number("FLEET_TEST_TEXTS", 60));
}

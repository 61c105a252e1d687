//! Texts that Nix refuses although their grammar is right: the syntax layer
//! must refuse them, too, or a change that breaks a host would go unnoticed.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::need;

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
    ("a ? b == c", true),
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
];

fn accepted(text: &str) -> bool {
    let mut child = Command::new("nix-instantiate")
        .args(["--parse", "-"])
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
    let output = child.wait_with_output().unwrap();
    // Names without a binding are of no interest here.
    output.status.success()
        || String::from_utf8_lossy(&output.stderr).contains("undefined variable")
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

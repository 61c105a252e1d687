//! No text makes the syntax layer, the model or the proof panic or hang.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::proof::{Judgement, compare};
use xtask::syntax;
use xtask::tree::Tree;

fn print(text: &str) -> String {
    use rowan::ast::AstNode;
    syntax::parse(text).0.syntax().text().to_string()
}

fn load(files: &[(&str, &str)]) -> Fleet {
    let (table, cache) = (OptionTable::embedded(), ParseCache::default());
    Fleet::load(&Tree::from_texts(files.iter().copied()), &table, &cache)
}

#[test]
fn deep_and_long_texts_come_back() {
    for text in [
        "(".repeat(10_000),
        format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}1", "x: ".repeat(10_000)),
        format!("{}1", "- ".repeat(10_000)),
        "[".repeat(10_000),
        "{a=".repeat(10_000),
        format!("1{}", " + 1".repeat(5_000)),
        format!("a{}", ".a".repeat(5_000)),
        format!("f{}", " x".repeat(5_000)),
        format!("\"{}", "${\"".repeat(5_000)),
        format!("{}1", "let a = 1; in ".repeat(5_000)),
        format!("{}1", "if a then b else ".repeat(5_000)),
        format!("{{ {} }}", "a = 1; ".repeat(200_000)),
        format!("{{ x = ''{}''; }}", "line\n".repeat(1_000_000)),
    ] {
        let file = syntax::lower(text.as_str().into());
        let fleet = load(&[("flake.nix", &text)]);
        assert!(fleet.hosts.is_empty());
        drop(file);
    }
}

#[test]
fn long_chains_in_a_module_are_judged() {
    let flake = "{ outputs = { nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./h.nix ]; }; }; }";
    for body in [
        format!(
            "environment.etc.x.text = pkgs.a{};",
            " + pkgs.a".repeat(3_000)
        ),
        format!("environment.etc.x.text = pkgs{};", ".a".repeat(3_000)),
        format!("environment.etc.x.text = {}1;", "a: ".repeat(400)),
    ] {
        let module = format!("{{ pkgs, ... }}: {{ {body} }}");
        let fleet = load(&[("flake.nix", flake), ("h.nix", &module)]);
        let again = load(&[("flake.nix", flake), ("h.nix", &module)]);
        let verdicts = compare(&fleet, &again, &OptionTable::embedded());
        assert_eq!(verdicts.len(), 1);
        assert_eq!(
            verdicts[0].judgement,
            Judgement::Equal,
            "{:?}",
            verdicts[0].differences
        );
    }
}

#[test]
fn what_refers_to_itself_ends() {
    for flake in [
        "let x = x; in x",
        "rec { outputs = { self, ... }: self; }",
        "{ outputs = { self, ... }: { nixosConfigurations = self.nixosConfigurations; }; }",
        "{ outputs = { self, ... }: { nixosConfigurations = self.nixosConfigurations // { }; }; }",
        "{ outputs = { self, ... }: let f = x: f x; in f 1; }",
        "{ outputs = _: let f = x: f (x ++ x); in { nixosConfigurations = f [ 1 ]; }; }",
        "{ outputs = { self, nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = self.nixosConfigurations.h.modules; }; }; }",
        "{ outputs = { self, nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./flake.nix ]; }; }; }",
        "import ./flake.nix",
        "{ outputs = _: { nixosConfigurations = builtins.genList (x: x) 9999; }; }",
        "{ outputs = { nixpkgs, ... }: { nixosConfigurations = nixpkgs.lib.genAttrs (map toString (nixpkgs.lib.range 0 2999)) (n: n); }; }",
    ] {
        let fleet = load(&[("flake.nix", flake)]);
        let _ = compare(&fleet, &fleet, &OptionTable::embedded());
    }
    // Modules that import each other, and themselves.
    let flake = "{ outputs = { nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./a.nix ]; }; }; }";
    let fleet = load(&[
        ("flake.nix", flake),
        ("a.nix", "{ imports = [ ./b.nix ./a.nix ]; }"),
        (
            "b.nix",
            "{ imports = [ ./a.nix ]; time.timeZone = \"UTC\"; }",
        ),
    ]);
    assert_eq!(fleet.hosts[0].modules.len(), 2);
    // An import that makes ever new modules.
    let fleet = load(&[
        ("flake.nix", flake),
        ("a.nix", "{ imports = [ (import ./a.nix) ]; }"),
    ]);
    assert!(!fleet.hosts.is_empty());
}

/// Pieces of Nix in any order: nearly right, mostly wrong.
fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ";",
        "=",
        ":",
        ".",
        ",",
        "...",
        "@",
        "?",
        "rec",
        "let",
        "in",
        "with",
        "inherit",
        "if",
        "then",
        "else",
        "assert",
        "or",
        "//",
        "++",
        "+",
        "-",
        "*",
        "/",
        "&&",
        "||",
        "->",
        "==",
        "!",
        "<",
        "|>",
        "a",
        "b",
        "lib",
        "pkgs",
        "config",
        "self",
        "imports",
        "options",
        "outputs",
        "nixosConfigurations",
        "nixpkgs.lib.nixosSystem",
        "mkIf",
        "mkMerge",
        "mkForce",
        "map",
        "import",
        "builtins.readDir",
        "./.",
        "./a.nix",
        "../x",
        "<nixpkgs>",
        "\"",
        "''",
        "${",
        "\\",
        "$",
        "1",
        "2.5",
        "true",
        "null",
        "\"x\"",
        "''\n  y\n''",
        "# c\n",
        "/* d */",
        "é",
        "\u{0}",
        "__curPos",
        "key",
        "_file",
        "disabledModules",
    ]);
    prop::collection::vec(words, 0..120).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_printed_as_it_was(text in ".{0,200}") {
        prop_assert_eq!(print(&text), text.clone());
        let _ = syntax::lower(text.as_str().into());
    }

    #[test]
    fn any_soup_is_read(text in soup()) {
        prop_assert_eq!(print(&text), text.clone());
        let flake = format!("{{ outputs = {{ self, nixpkgs, ... }}: {{ nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ({text}) ]; }}; }}; }}");
        let module = format!("{{ config, lib, pkgs, ... }}: {{ {text} }}");
        for files in [
            [("flake.nix", text.as_str()), ("a.nix", text.as_str())],
            [("flake.nix", flake.as_str()), ("a.nix", module.as_str())],
        ] {
            let fleet = load(&files);
            for verdict in compare(&fleet, &load(&files), &OptionTable::embedded()) {
                prop_assert!(verdict.judgement == Judgement::Equal, "{:?}", verdict.differences);
            }
        }
    }
}

//! Symbolic links: what they lead to counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::tree::{Kind, Source, TreePath};

struct Texts(BTreeMap<TreePath, Vec<u8>>);

impl Source for Texts {
    fn read(&self, path: &TreePath, _: Kind) -> std::io::Result<Vec<u8>> {
        let found = self.0.get(path).cloned();
        found.ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

const FLAKE: &str = "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = { self, nixpkgs }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./h.nix ]; }; }; }";

/// Files and links; `-> ` begins what a link points at.
fn linked(files: &[(&str, &str)]) -> Tree {
    let mut texts = BTreeMap::new();
    let mut kinds = Vec::new();
    for (path, text) in files.iter().chain(&[("flake.nix", FLAKE)]) {
        let path = TreePath::new(path).unwrap();
        let (kind, text) = match text.strip_prefix("-> ") {
            Some(target) => (Kind::Symlink, target),
            None => (Kind::File, *text),
        };
        kinds.push((path.clone(), kind));
        texts.insert(path, text.as_bytes().to_vec());
    }
    Tree::new(kinds, Arc::new(Texts(texts)))
}

fn judged(before: &[(&str, &str)], after: &[(&str, &str)]) -> Judgement {
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let (before, after) = (linked(before), linked(after));
    let load = |tree: &Tree| Fleet::load(tree, &table, &cache);
    compare(&load(&before), &load(&after), &table)[0].judgement
}

/// The files, with the first one changed, are another host.
#[track_caller]
fn counts(changed: (&str, &str, &str), rest: &[(&str, &str)]) {
    let (path, before, after) = changed;
    let side = |text| [&[(path, text)], rest].concat();
    assert_eq!(judged(&side(before), &side(before)), Equal, "{rest:?}");
    assert_ne!(judged(&side(before), &side(after)), Equal, "{rest:?}");
}

#[test]
fn what_a_link_leads_to_is_read() {
    let text =
        |value: &str| format!("{{ lib, pkgs, ... }}: {{ environment.etc.a.text = {value}; }}");
    let read = text("pkgs.writeText \"a\" (builtins.readFile ./d/s)");
    counts(("t", "a", "b"), &[("h.nix", &read), ("d/s", "-> ../t")]);
    let imported = text("lib.concatStrings (map (f: import f { inherit pkgs; }) [ ./d/s.nix ])");
    counts(
        ("t.nix", "{ pkgs }: \"a\"", "{ pkgs }: \"b\""),
        &[("h.nix", &imported), ("d/s.nix", "-> ../t.nix")],
    );
    let package = text("(lib.callPackageWith pkgs ./d { }).x");
    let default = "{ hello }: { x = builtins.readFile ./t; }";
    counts(
        ("t", "1", "2"),
        &[
            ("h.nix", &package),
            ("d/default.nix", default),
            ("d/t", "-> ../t"),
        ],
    );
    let computed = text("pkgs.writeText \"a\" (builtins.readFile (./l + \"/${pkgs.x}\"))");
    counts(("d/t", "1", "2"), &[("h.nix", &computed), ("l", "-> d")]);
    let outside = [("h.nix", read.as_str()), ("d/s", "-> /etc/hosts")];
    assert_eq!(judged(&outside, &outside), Equal);
}

#[test]
fn a_directory_is_listed_through_a_link() {
    let module = "{ pkgs, ... }: { environment.etc.a.text = toString (builtins.attrNames (builtins.readDir ./l)) + pkgs.x; }";
    let before = [("h.nix", module), ("l", "-> d"), ("d/t", "1")];
    let after = [before.as_slice(), &[("d/u", "1")]].concat();
    assert_eq!(judged(&before, &before), Equal);
    assert_ne!(judged(&before, &after), Equal);
}

#[test]
fn a_module_behind_a_link_names_files_from_where_nix_reads_it() {
    let domain = |name: &str| format!("{{ networking.domain = \"{name}\"; }}");
    let (one, two) = (domain("one"), domain("two"));
    // A linked `default.nix` is read in the directory that is imported.
    counts(
        ("d/x.nix", &one, &two),
        &[
            ("h.nix", "{ imports = [ ./d ]; }"),
            ("s/x.nix", &one),
            ("s/default.nix", "{ imports = [ ./x.nix ]; }"),
            ("d/default.nix", "-> ../s/default.nix"),
        ],
    );
    // A file below a linked directory is read below the link.
    counts(
        ("x.nix", &one, &two),
        &[
            ("h.nix", "{ imports = [ ./l/m.nix ]; }"),
            ("s/d/m.nix", "{ imports = [ ../x.nix ]; }"),
            ("s/x.nix", &one),
            ("l", "-> s/d"),
        ],
    );
    // A link that is named itself is followed.
    let followed = [
        ("h.nix", "{ imports = [ ./d/m.nix ]; }"),
        ("s/x.nix", one.as_str()),
        ("s/m.nix", "{ imports = [ ./x.nix ]; }"),
        ("d/m.nix", "-> ../s/m.nix"),
    ];
    assert_eq!(judged(&followed, &[("h.nix", one.as_str())]), Equal);
}

#[test]
fn a_computed_path_through_a_link_reads_what_is_there() {
    let text = "{ config, ... }: { environment.etc.a.source = \"${./lnk/${config.networking.domain}/m}\"; }";
    counts(("d/a/m", "a", "b"), &[("h.nix", text), ("lnk", "-> d")]);
    counts(("e/m", "a", "b"), &[("h.nix", text), ("lnk/a", "-> ../e")]);
}

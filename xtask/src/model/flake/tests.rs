//! Hosts are found however a flake makes them.

use crate::model::{Fleet, Host, ParseCache};
use crate::options::OptionTable;
use crate::tree::Tree;

/// A flake whose inputs are named; `outputs` gets them.
fn fleet(inputs: &str, outputs: &str, files: &[(&str, &str)]) -> Fleet {
    let flake = format!("{{ inputs = {{ {inputs} }}; outputs = {outputs}; }}");
    let mut texts = vec![("flake.nix", flake.as_str())];
    texts.extend(files);
    let table = OptionTable::embedded();
    Fleet::load(&Tree::from_texts(texts), &table, &ParseCache::default())
}

/// `name: files` of each host that is followed; `name?` of the others.
fn found(fleet: &Fleet) -> String {
    let show = |host: &Host| {
        let files: Vec<&str> = host.module_files().map(|path| path.as_str()).collect();
        match host.call {
            Ok(_) => format!("{}: {}", host.name, files.join(" ")),
            Err(_) => format!("{}?", host.name),
        }
    };
    fleet.hosts.iter().map(show).collect::<Vec<_>>().join("; ")
}

const INPUTS: &str = "nixpkgs.url = \"github:NixOS/nixpkgs\"; flake-parts.url = \"github:hercules-ci/flake-parts\"; \
                      import-tree.url = \"github:vic/import-tree\"; flake-utils.url = \"github:numtide/flake-utils\";";

const MODULES: [(&str, &str); 2] = [
    ("a.nix", "{ networking.hostName = \"a\"; }"),
    ("b.nix", "{ networking.hostName = \"b\"; }"),
];

fn check(outputs: &str, files: &[(&str, &str)], expect: &str) {
    let files: Vec<(&str, &str)> = MODULES.iter().chain(files).copied().collect();
    let fleet = fleet(INPUTS, outputs, &files);
    assert_eq!(found(&fleet), expect, "{outputs}\n{:?}", fleet.problems);
}

#[test]
fn the_outputs_of_flake_parts_may_refer_to_each_other() {
    let make = "host = file: inputs.nixpkgs.lib.nixosSystem { system = \"x86_64-linux\"; modules = [ file ]; };";
    check(
        "inputs@{ flake-parts, ... }: flake-parts.lib.mkFlake { inherit inputs; } { imports = [ ./hosts.nix ./lib.nix ]; systems = [ ]; }",
        &[
            (
                "lib.nix",
                &format!("{{ inputs, ... }}: {{ flake.lib = {{ {make} }}; }}"),
            ),
            (
                "hosts.nix",
                "{ self, config, lib, ... }: let inherit (self.lib) host; in lib.mkMerge [ \
                 { flake.nixosConfigurations.a = host ./a.nix; } \
                 { flake = lib.mkIf true { nixosConfigurations.b = config.flake.lib.host ./b.nix; }; } ]",
            ),
        ],
        "a: a.nix; b: b.nix",
    );
}

#[test]
fn functions_of_flake_parts_are_known() {
    check(
        "inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } ({ withSystem, flake-parts-lib, ... }: { \
         imports = [ (inputs.flake-parts.lib.importApply ./part.nix { file = ./b.nix; }) ]; \
         flake.nixosConfigurations.a = withSystem \"x86_64-linux\" ({ system, pkgs, ... }: \
           inputs.nixpkgs.lib.nixosSystem { inherit system; modules = [ ./a.nix ]; }); })",
        &[(
            "part.nix",
            "{ file }: { inputs, ... }: { flake.nixosConfigurations.b = inputs.nixpkgs.lib.nixosSystem { modules = [ file ]; }; }",
        )],
        "a: a.nix; b: b.nix",
    );
}

#[test]
fn trees_of_modules_are_imported() {
    check(
        "inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } (inputs.import-tree ./parts)",
        &[
            ("parts/_off/x.nix", "{ flake.nixosConfigurations.x = 1; }"),
            (
                "parts/deep/hosts.nix",
                "{ inputs, config, ... }: { flake.nixosConfigurations.a = inputs.nixpkgs.lib.nixosSystem { \
                 modules = [ config.flake.modules.nixos.base ]; }; }",
            ),
            ("parts/one.nix", "{ flake.modules.nixos.base = ../a.nix; }"),
            (
                "parts/two.nix",
                "{ flake.modules.nixos.base = { imports = [ ../b.nix ]; }; }",
            ),
        ],
        "a: a.nix b.nix",
    );
}

#[test]
fn outputs_by_system_hide_no_host() {
    let host = "nixpkgs.lib.nixosSystem { modules = [ ./a.nix ]; }";
    for outputs in [
        format!(
            "{{ nixosConfigurations.a = {host}; }} // flake-utils.lib.eachDefaultSystem (system: {{ devShells.default = 1; }})"
        ),
        format!(
            "flake-utils.lib.eachDefaultSystemPassThrough (system: {{ nixosConfigurations.a = {host}; }})"
        ),
        format!(
            "nixpkgs.lib.recursiveUpdate (unknown.lib.outputs {{ }}) {{ nixosConfigurations.a = {host}; }}"
        ),
        format!(
            "nixpkgs.lib.zipAttrsWith (name: values: builtins.head values) [ {{ nixosConfigurations.a = {host}; }} {{ x = 1; }} ]"
        ),
    ] {
        let outputs = format!("{{ nixpkgs, flake-utils, unknown, ... }}: {outputs}");
        check(&outputs, &[], "a: a.nix");
    }
}

#[test]
fn a_hive_has_hosts() {
    let hive = "{ meta = { nixpkgs = import nixpkgs { }; specialArgs = { x = 1; }; nodeSpecialArgs.b.y = 2; }; defaults = { imports = [ ./d.nix ]; }; a = ./a.nix; b = [ ./b.nix { } ]; }";
    for outputs in [
        format!("{{ nixosConfigurations = (colmena.lib.makeHive {hive}).nodes; }}"),
        format!(
            "{{ colmena = {hive}; colmenaHive = colmena.lib.makeHive self.outputs.colmena; nixosConfigurations = self.colmenaHive.nodes; }}"
        ),
    ] {
        let outputs = format!("{{ self, nixpkgs, colmena, ... }}: {outputs}");
        check(
            &outputs,
            &[("d.nix", "{ }")],
            "a: a.nix d.nix; b: b.nix d.nix",
        );
    }
}

#[test]
fn what_may_hide_hosts_is_said() {
    for (outputs, why) in [
        (
            "inputs: inputs.framework.lib.mkFlake { inherit inputs; root = ./.; }",
            "the outputs come from a function of an input",
        ),
        (
            "inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } { imports = [ inputs.framework.flakeModule ]; }",
            "it comes from input `framework`",
        ),
        (
            "inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } ({ config, lib, ... }: { flake = lib.mkIf config.x { }; })",
            "a condition is not known",
        ),
    ] {
        let inputs = format!("{INPUTS} framework.url = \"github:owner/framework\";");
        let fleet = fleet(&inputs, outputs, &[]);
        let messages: Vec<&str> = fleet
            .problems
            .iter()
            .map(|it| it.message.as_str())
            .collect();
        assert!(messages.iter().any(|it| it.ends_with(why)), "{messages:?}");
    }
}

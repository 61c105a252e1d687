//! The flake handed on: to files that are known by their digest only, to functions
//! that are not followed, through options, through names that are computed.

use super::*;

/// A module in a fleet whose arguments lead to the tree, a file `x.nix` beside it,
/// and what stands at `/m` and `/d/m`.
fn side(module: &str, file: &str, content: &str) -> String {
    format!(
        "#- /flake.nix\n{{ outputs = {{ self, nixpkgs, other }}@inputs: other.lib.each (system: {{ apps.a = ./m; }}) // {{ packages.x86_64-linux.a = import ./m; checks.b = nixpkgs.lib.callPackageWith {{ }} ./o.nix {{ inherit self; }}; nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self inputs; }}; modules = [ ./h.nix ]; }}; }}; }}\n#- /h.nix\n{{ self, inputs, config, lib, pkgs, ... }}: {module}\n#- /x.nix\n{file}\n#- /n/h.nix\n{file}\n#- /o.nix\n{{ self }}: self + \"/m\"\n#- /y.nix\n{{ self, ... }}: \"${{self}}/m\"\n#- /z.nix\ns: s + \"/m\"\n#- /m\n{content}\n#- /d/m\n{content}\n#- /e/m\n"
    )
}

fn etc(value: &str) -> String {
    format!("{{ environment.etc.x.source = {value}; }}")
}

pub(super) fn judged(module: &str, file: &str) -> Judgement {
    check(&side(module, file, "1"), &side(module, file, "1"), Equal);
    judge(&side(module, file, "1"), &side(module, file, "2")).judgement
}

#[test]
fn a_file_that_is_not_followed_reads_the_flake_it_is_handed() {
    let package = |given: &str| etc(&format!("pkgs.callPackage ./x.nix {given}"));
    let nested = |text: &str| text.to_owned();
    let mut wrong = Vec::new();
    for (module, file) in [
        (
            package("{ inherit self; }"),
            "{ self }: builtins.readFile \"${self}/m\"",
        ),
        (package("{ inherit self; }"), "{ self }: self + \"/m\""),
        (
            package("{ inherit self; }"),
            "{ self, root ? self }: root + \"/m\"",
        ),
        (package("{ inherit self; }"), "{ self }: self.checks.b"),
        (
            etc("import (./n + \"/${config.networking.hostName}.nix\") { flake = self; }"),
            "{ flake }: flake + \"/m\"",
        ),
        (
            package("{ inherit self; }"),
            "{ self, runCommand }: runCommand \"x\" { } \"cat ${self}/m > $out\"",
        ),
        (package("{ flake = self; }"), "{ flake }: flake + \"/m\""),
        (
            package("{ root = self.outPath; }"),
            "{ root }: root + \"/m\"",
        ),
        (
            package("{ root = \"${self}\"; }"),
            "{ root }: root + \"/m\"",
        ),
        (
            package("{ roots = [ self ]; }"),
            "{ roots }: map (root: root + \"/m\") roots",
        ),
        (
            package("{ own.flake = self; }"),
            "{ own }: own.flake + \"/m\"",
        ),
        (package("{ inherit self; }"), "args: \"${args.self}/m\""),
        (
            package("{ inherit self; }"),
            "args: with args; \"${self}/m\"",
        ),
        (
            package("{ inherit self; }"),
            "{ self, ... }@args: import ./y.nix args",
        ),
        (
            package("{ inherit self; }"),
            "{ self }: import ./z.nix self",
        ),
        (
            package("{ inherit self; }"),
            "{ self, pkgs }: pkgs.callPackage ./y.nix { inherit self; }",
        ),
        (
            package("{ inherit self; }"),
            "{ self, lib }: lib.cleanSource self",
        ),
        (
            package("{ inherit self; }"),
            "{ self, n }: builtins.readFile (self + n)",
        ),
        (
            package("{ inherit self; }"),
            "{ self, n }: builtins.readFile \"${self}/${n}\"",
        ),
        (
            package("{ inherit self; }"),
            "{ self }: self.packages.x86_64-linux.a",
        ),
        (package("{ inherit self; }"), "{ self, n }: self.${n}"),
        (
            package("{ inherit inputs; }"),
            "{ inputs }: \"${inputs.self}/m\"",
        ),
        (
            package("{ inherit inputs; }"),
            "{ inputs, n }: \"${inputs.${n}}/m\"",
        ),
        (package("inputs"), "{ self }: self + \"/m\""),
        (package("(inputs // { n = 1; })"), "{ self }: self + \"/m\""),
        (
            nested("{ specialisation.a.configuration = ./x.nix; }"),
            "{ self, ... }: { environment.etc.x.source = \"${self}/m\"; }",
        ),
        (
            nested("{ specialisation.a.configuration = ./x.nix; }"),
            "{ inputs, ... }: { environment.etc.x.source = inputs.self + \"/m\"; }",
        ),
        (
            nested("{ specialisation.a.configuration.imports = [ ./x.nix ]; }"),
            "{ self, ... }: { environment.etc.x.source = \"${self}/m\"; }",
        ),
        (
            nested(
                "{ specialisation.a.configuration = { inputs, ... }: { environment.etc.x.source = inputs.self + \"/m\"; }; }",
            ),
            "{ }",
        ),
        (
            nested("{ _module.args.flake = self; specialisation.a.configuration = ./x.nix; }"),
            "{ flake, ... }: { environment.etc.x.source = flake + \"/m\"; }",
        ),
        (
            nested(
                "{ home-manager.extraSpecialArgs = { inherit self; }; home-manager.users.a = ./x.nix; }",
            ),
            "{ self, ... }: { home.file.x.source = \"${self}/m\"; }",
        ),
        (
            nested(
                "{ home-manager.extraSpecialArgs = { flake = self; }; home-manager.users.a = import ./x.nix; }",
            ),
            "{ flake, ... }: { home.file.x.source = flake + \"/m\"; }",
        ),
        (
            nested(
                "{ home-manager.extraSpecialArgs = { flake = self; }; home-manager.users.a = import ./x.nix; }",
            ),
            "{ flake, lib, ... }: { home.file.x.source = lib.cleanSource flake; }",
        ),
        (
            nested("{ home-manager.extraSpecialArgs = inputs; home-manager.users.a = ./x.nix; }"),
            "{ self, ... }: { home.file.x.source = \"${self}/m\"; }",
        ),
        (
            nested(
                "{ nixpkgs.overlays = [ (final: prev: { x = final.callPackage ./x.nix { inherit self; }; }) ]; }",
            ),
            "{ self }: self + \"/m\"",
        ),
        (
            nested("{ nixpkgs.overlays = [ (import ./x.nix { inherit self; }) ]; }"),
            "{ self }: final: prev: { x = self + \"/m\"; }",
        ),
        (
            nested("{ nixpkgs.overlays = [ (import ./x.nix { inherit inputs; }) ]; }"),
            "{ inputs, ... }: final: prev: { x = prev.lib.cleanSource inputs.self; }",
        ),
        (
            etc("import (./. + \"/${config.networking.hostName}.nix\") self"),
            "s: s + \"/m\"",
        ),
        (
            nested(
                "{ options.my.root = lib.mkOption { default = self; }; config.environment.etc.x.source = pkgs.callPackage ./x.nix { inherit config; }; }",
            ),
            "{ config }: config.my.root + \"/m\"",
        ),
    ] {
        if judged(&module, file) == Equal {
            wrong.push(format!("{module} {file}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_function_that_is_not_followed_reads_the_flake_it_is_given() {
    let mut wrong = Vec::new();
    for value in [
        "lib.cleanSource self",
        "lib.cleanSourceWith { src = self; filter = path: type: true; }",
        "lib.sources.sourceByRegex self [ \"m\" ]",
        "builtins.path { path = self; name = \"x\"; }",
        "builtins.filterSource (path: type: true) self",
        "builtins.readFile (lib.concatStrings [ self \"/m\" ])",
        "lib.concatStringsSep \"/\" [ self \"m\" ]",
        "lib.concatStringsSep \"/\" [ \"${self}\" \"m\" ]",
        "lib.path.append self.outPath \"m\"",
        "builtins.readFile (self + config.networking.hostName)",
        "map (s: builtins.readFile (s + \"/${config.networking.hostName}\")) [ self ]",
        "map (s: s + \"/${config.networking.hostName}\") [ self ]",
        "map (s: lib.cleanSource s) [ self ]",
        "lib.mapAttrsToList (n: i: \"${i}/m\") inputs",
        "lib.mapAttrsToList (n: lib.cleanSource) inputs",
        "map (i: lib.cleanSource i) (builtins.attrValues inputs)",
        "self.${config.networking.hostName}",
        "self.packages.${pkgs.system}.a",
        "self.apps.a",
        "self.apps.${pkgs.system}",
        "(with self; apps.a)",
        "(let inherit (self) apps; in apps.a)",
        "inputs.self.apps.a",
        "inputs.${config.networking.hostName} + \"/m\"",
        "inputs.other.lib.f self",
        "inputs.other.lib.f { inherit self; }",
        "inputs.other.lib.f \"${self}\"",
        "inputs.other.lib.f inputs",
        "inputs.other.lib.f { inherit inputs; }",
        "\"${toString self}/m\"",
        "(toString self) + \"/m\"",
        "\"${builtins.unsafeDiscardStringContext self}/m\"",
        "\"${self.sourceInfo}/m\"",
        "\"${self.sourceInfo.outPath}/m\"",
        "\"${inputs.self.outPath}/m\"",
        "(let root = \"${self}\"; in root + \"/m\")",
        "(let root = \"${self}\"; in \"${root}/m\")",
        "(let at = name: \"${self}/${name}\"; in at \"m\")",
        "(let at = root: name: \"${root}/${name}\"; in at self \"m\")",
        "(let at = root: name: root + name; in at self \"/m\")",
        "(let at = { root, name }: root + name; in at { root = self; name = \"/m\"; })",
        "builtins.getFlake (toString self)",
        "builtins.attrValues self",
        "lib.makeSearchPath \"m\" [ self ]",
        "lib.concatImapStringsSep \"/\" (n: s: s) [ \"${self}\" \"m\" ]",
        "builtins.replaceStrings [ \"@\" ] [ \"${self}\" ] \"@/m\"",
        "(let go = v: if v ? c then v.c + \"/m\" else go v.a; in go { a.c = self; })",
        "(let go = v: if builtins.isAttrs v then lib.mapAttrsToList (n: go) v else builtins.readFile (v + \"/m\"); in go { a.b.c = self.outPath; })",
        "lib.filesystem.listFilesRecursive self",
        "lib.fileset.toSource { root = ./d; fileset = ./d; }",
        "lib.fileset.fromSource self",
        "pkgs.nix-gitignore.gitignoreSource [ ] self",
        "builtins.fetchGit { url = \"${self}\"; }",
        "(if config.services.nginx.enable then self else ./e) + \"/m\"",
        "\"${if config.services.nginx.enable then self else ./e}/m\"",
        "\"${(if config.services.nginx.enable then self else { }).outPath}/m\"",
        "(config.x.y or self) + \"/m\"",
        "(self // { x = 1; }) + \"/m\"",
        "(self // { x = 1; }).apps",
        "lib.attrByPath [ \"apps\" ] { } self",
        "lib.getAttrFromPath [ config.networking.hostName ] self",
        "builtins.getAttr config.networking.hostName self",
        "lib.pipe self [ (s: s + \"/m\") ]",
        "lib.pipe self [ lib.cleanSource ]",
        "(lib.head [ self ]) + \"/m\"",
        "(builtins.elemAt [ self ] 0) + \"/m\"",
        "{ a = self; }.${config.networking.hostName} + \"/m\"",
        "lib.foldl' (a: b: a + \"/\" + b) \"${self}\" [ \"m\" ]",
    ] {
        if judged(&etc(value), "{ }") == Equal {
            wrong.push(value);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_flake_read_through_an_option_counts() {
    let option = |config: &str| {
        format!("{{ options.my.root = lib.mkOption {{ default = self; }}; config = {config}; }}")
    };
    let mut wrong = Vec::new();
    for module in [
        option("{ environment.etc.x.source = \"${config.my.root}/m\"; }"),
        option("{ environment.etc.x.source = config.my.root + \"/m\"; }"),
        option("{ environment.etc.x.source = lib.cleanSource config.my.root; }"),
        option("{ environment.etc.x.source = map (c: c.root + \"/m\") [ config.my ]; }"),
        "{ options.my.root = lib.mkOption { }; config.my.root = self; config.environment.etc.x.source = \"${config.my.root}/m\"; }".to_owned(),
        "{ options.my.root = lib.mkOption { }; config.my.root = lib.mkIf config.services.nginx.enable self; config.environment.etc.x.source = \"${config.my.root}/m\"; }".to_owned(),
        "{ environment.etc.nixos.source = self; environment.etc.x.source = \"${config.environment.etc.nixos.source}/m\"; }".to_owned(),
        "{ environment.etc.nixos.source = self; environment.etc.x.source = lib.cleanSource config.environment.etc.nixos.source; }".to_owned(),
        "{ environment.etc.nixos.source = \"${self}\"; environment.etc.x.source = lib.mapAttrsToList (n: e: e.source + \"/m\") config.environment.etc; }".to_owned(),
    ] {
        if judged(&module, "{ }") == Equal {
            wrong.push(module);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

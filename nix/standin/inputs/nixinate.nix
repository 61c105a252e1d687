# nixinate: an app per host that says where it deploys to, NAME and NAME-dry-run.
#
# The fork has `lib.genDeploy.SYSTEM self`, the original `nixinate.SYSTEM self`.
{
  lib,
  systems,
  packagesFor,
}:
let
  script =
    packages: flake: name: dryRun:
    let
      target = flake.nixosConfigurations.${name}._module.args.nixinate;
      user = target.sshUser or "root";
      port = toString (target.port or 22);
      remote =
        {
          local = false;
          remote = true;
        }
        .${target.buildOn or "remote"}
          or (throw "_module.args.nixinate.buildOn of ${name} is neither \"local\" nor \"remote\"");
      action = if dryRun then "dry-activate" else "switch";
      at = "${user}@${target.host}";
      toplevel = "${flake}#nixosConfigurations.${name}.config.system.build.toplevel";
    in
    packages.writeShellScript "deploy-${name}.sh" ''
      # Deploys nixosConfigurations.${name} to ${at}.
      set -eu
      export NIX_SSHOPTS="-p ${port} ''${NIX_SSHOPTS:-}"
      ${
        if remote then
          ''
            drv=$(nix eval --raw ${lib.escapeShellArg "${toplevel}.drvPath"})
            nix copy --derivation "$drv" --to ssh://${at}
            system=$(ssh $NIX_SSHOPTS ${at} "nix-store --realise $drv")
          ''
        else
          ''
            nix build --no-link ${lib.escapeShellArg toplevel}
            system=$(nix eval --raw ${lib.escapeShellArg "${toplevel}.outPath"})
            nix copy ${lib.optionalString (target.substituteOnTarget or false) "--substitute-on-destination "}"$system" --to ssh://${at}
          ''
      }
      exec ssh $NIX_SSHOPTS -t ${at} "sudo flock -w 60 /dev/shm/nixinate-${name} $system/bin/switch-to-configuration ${action}"
    '';

  apps =
    system: flake:
    let
      packages = packagesFor { inherit system; };
      deployed = lib.filter (name: flake.nixosConfigurations.${name}._module.args ? nixinate) (
        lib.attrNames flake.nixosConfigurations
      );
      app = name: dryRun: {
        type = "app";
        program = toString (script packages flake name dryRun);
      };
    in
    {
      nixinate =
        lib.genAttrs deployed (name: app name false)
        // lib.listToAttrs (
          map (name: lib.nameValuePair "${name}-dry-run" (app name true)) deployed
        );
    };
in
{
  nixinate = lib.genAttrs systems apps;
  genDeploy = lib.genAttrs systems (system: flake: (apps system flake).nixinate);
}

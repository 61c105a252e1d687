{
  description = "A fleet of NixOS machines";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs, ... }:
    let
      inherit (nixpkgs) lib;
      # One host per directory of hosts/ that has a host.toml.
      isHost = name: type: type == "directory" && builtins.pathExists (./hosts + "/${name}/host.toml");
      names = lib.attrNames (lib.filterAttrs isHost (builtins.readDir ./hosts));
      facts = name: builtins.fromTOML (builtins.readFile (./hosts + "/${name}/host.toml"));
    in
    {
      nixosConfigurations = lib.genAttrs names (
        name:
        lib.nixosSystem {
          specialArgs = { inherit self; };
          modules = [
            (./hosts + "/${name}")
            {
              networking.hostName = name;
              nixpkgs.hostPlatform = (facts name).system;
            }
          ];
        }
      );
    };
}

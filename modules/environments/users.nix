# The people of the workshop, and the account that deploys.
{ lib, pkgs, ... }:
let
  people = {
    mara = {
      description = "Mara Lindqvist";
      uid = 1000;
    };
    tobias = {
      description = "Tobias Reyes";
      uid = 1001;
    };
  };
in
{
  users.mutableUsers = false;
  users.users =
    lib.mapAttrs (
      name: person:
      person
      // {
        isNormalUser = true;
        extraGroups = [ "wheel" ];
        shell = pkgs.bashInteractive;
        openssh.authorizedKeys.keyFiles = [ (./keys + "/${name}.pub") ];
      }
    ) people
    // {
      deploy = {
        isSystemUser = true;
        group = "deploy";
        shell = pkgs.bashInteractive;
        openssh.authorizedKeys.keyFiles = [
          ./keys/ops.pub
          ./keys/mara.pub
        ];
      };
    };
  users.groups.deploy = { };

  nix.settings.trusted-users = [ "deploy" ];

  security.sudo.extraRules = [
    {
      users = [ "deploy" ];
      commands = [
        {
          command = "ALL";
          options = [ "NOPASSWD" ];
        }
      ];
    }
  ];
}
